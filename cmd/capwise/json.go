package main

import (
	"encoding/json"
	"io"

	"github.com/capwise/capwise/internal/printable"
)

// writeJSON writes the answer of a command as indented JSON.
func writeJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(printable.Raw(w))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}
