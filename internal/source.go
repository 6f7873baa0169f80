// Package source holds the text of those files that package overlay builds into
// the standard library. They are parts of packages that every program has which
// uses this module; so another package has their text, which is in no program but
// the one that makes overlays.
// It lies here since a package embeds only what is below its folder.
package source

import (
	"embed"
	"io/fs"
)

//go:embed sys/caps_linux.go sys/raise_linux.go sys/rebind_linux.go sys/die_linux.go sys/bind_linux.go sys/bind_socketcall_linux.go
//go:embed sys/demote_linux.go sys/prctl_linux.go sys/owner_linux.go sys/ioctl_linux.go sys/ioctl_none1_linux.go
//go:embed refusal/refusal.go refusal/table.go refusal/collect_linux.go refusal/noted_linux.go environ/signs.go environ/here_linux.go
var files embed.FS

// Files returns the files, by their names below this folder.
func Files() fs.FS { return files }
