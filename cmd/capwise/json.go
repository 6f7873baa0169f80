package main

import (
	"encoding/json"
	"io"
)

// writeJSON writes the answer of a command as indented JSON.
func writeJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}
