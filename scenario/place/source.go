package place

import "embed"

// Source holds the files that package overlay builds into the standard library.
//
//go:embed signs.go here_linux.go
var Source embed.FS
