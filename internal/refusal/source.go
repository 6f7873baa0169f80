package refusal

import "embed"

// Source holds the files that package overlay builds into the standard library.
//
//go:embed refusal.go collect_linux.go table.go
var Source embed.FS
