// Package ref parses the references by which images are named: where they lie, and
// which of those there are meant. It is the one place that knows them; whoever takes
// references lists them by [Help].
package ref

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Kind says where an image lies.
type Kind string

// The kinds.
const (
	DockerArchive Kind = "docker-archive" // a file that "docker save" or "podman save" wrote
	Layout        Kind = "oci"            // an OCI layout in a folder
	LayoutArchive Kind = "oci-archive"    // an OCI layout in an archive
	RootFS        Kind = "tar"            // the archive of a root file system
	Registry      Kind = "registry"
	Docker        Kind = "docker" // the engines of this machine
	Podman        Kind = "podman"
	Containerd    Kind = "containerd"
	// Archive is a file of one of the kinds above, which is found out by what is in it.
	Archive Kind = "archive"
)

// form is a kind with what follows it.
type form struct {
	kind Kind
	text string
}

var forms = []form{
	{DockerArchive, "docker-archive:FILE[:NAME]"},
	{Layout, "oci:DIR[:TAG]"},
	{LayoutArchive, "oci-archive:FILE[:TAG]"},
	{RootFS, "tar:FILE"},
	{Archive, "archive:FILE"},
	{Registry, "registry:NAME"},
	{Docker, "docker:NAME"},
	{Podman, "podman:NAME"},
	{Containerd, "containerd:NAME"},
}

// Help lists the forms of the kinds, for messages and help; of all kinds if none is
// given.
func Help(kinds ...Kind) string {
	var out []string
	for _, f := range forms {
		if len(kinds) == 0 || slices.Contains(kinds, f.kind) {
			out = append(out, f.text)
		}
	}
	if last := len(out) - 1; last > 0 {
		return strings.Join(out[:last], ", ") + " or " + out[last]
	}
	return strings.Join(out, "")
}

// StandardInput names an archive that comes on standard input.
const StandardInput = "-"

// Ref is a reference, taken apart.
type Ref struct {
	Kind Kind
	// Path is the file or folder, or the name that an engine or a registry knows.
	Path string
	// Tag names one of several images: a tag of a layout, a name with or without a tag
	// of an archive. Of a registry's name it is the tag, "" if that has a digest. Where
	// it is "", all are meant.
	Tag string
}

// Is reports whether a text begins as a reference does, and not as a path.
func Is(text string) bool {
	kind, _, ok := strings.Cut(text, ":")
	return ok && slices.ContainsFunc(forms, func(f form) bool { return f.kind == Kind(kind) })
}

// MayBeName reports whether a text can be the name of an image, without a kind.
func MayBeName(text string) bool {
	if text == "" || strings.Contains("/.-", text[:1]) { // a path, a flag or standard input
		return false
	}
	_, err := name.ParseReference(text)
	return err == nil
}

// Parse takes a reference apart. It wants one of the kinds, of which none is all. A
// file whose name has a colon in it is found if it is there.
func Parse(text string, kinds ...Kind) (Ref, error) {
	if text == StandardInput && (len(kinds) == 0 || slices.Contains(kinds, Archive)) {
		return Ref{Kind: Archive, Path: StandardInput}, nil
	}
	kind, rest, _ := strings.Cut(text, ":")
	r := Ref{Kind: Kind(kind), Path: rest}
	switch r.Kind {
	case Layout, LayoutArchive:
		r.Path, r.Tag = cutTag(rest)
	case DockerArchive:
		r.Path, r.Tag = cutName(rest)
	}
	if !Is(text) || len(kinds) > 0 && !slices.Contains(kinds, r.Kind) || r.Path == "" {
		return r, fmt.Errorf("image %q: want %s", text, Help(kinds...))
	}
	if r.Kind == Registry {
		to, err := name.ParseReference(rest)
		if err != nil {
			return r, fmt.Errorf("image %q: %w", text, err)
		}
		if tag, ok := to.(name.Tag); ok {
			r.Tag = tag.TagStr()
		}
	}
	return r, nil
}

// cutTag cuts off the tag, which has neither colon nor slash.
func cutTag(text string) (path, tag string) {
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') && !there(text) {
		return text[:i], text[i+1:]
	}
	return text, ""
}

// cutName cuts off the name of an image, which may have colons: behind the longest path
// that is there, or else behind the first colon.
func cutName(text string) (path, name string) {
	for path := text; ; {
		if there(path) {
			return path, strings.TrimPrefix(text[len(path):], ":")
		}
		i := strings.LastIndexByte(path, ':')
		if i < 0 {
			break
		}
		path = path[:i]
	}
	path, name, _ = strings.Cut(text, ":")
	return path, name
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// String is the reference as it is written.
func (r Ref) String() string {
	switch {
	case r.Path == StandardInput:
		return "standard input"
	case r.Tag != "" && r.Kind != Registry:
		return string(r.Kind) + ":" + r.Path + ":" + r.Tag
	}
	return string(r.Kind) + ":" + r.Path
}
