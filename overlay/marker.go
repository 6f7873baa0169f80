package overlay

import "bytes"

// Function is a function that every program has that was built with an overlay,
// by the name that the program's function table gives it.
const Function = "runtime.capwiseStart"

// The marker is text between these, in the program's data.
const (
	markerBefore = "\xffcapwise build: "
	markerAfter  = "\xff"
)

// Marker is what a program carries that was built with an overlay, since an
// overlay is invisible in build information. It survives strip(1).
func Marker(s Start) string { return markerBefore + "start=" + string(s) + markerAfter }

// FindMarker returns the text of a marker in a program's data.
func FindMarker(data []byte) (text string, ok bool) {
	_, rest, ok := bytes.Cut(data, []byte(markerBefore))
	if !ok {
		return "", false
	}
	if found, _, ok := bytes.Cut(rest[:min(len(rest), 100)], []byte(markerAfter)); ok {
		return string(found), true
	}
	return "", false
}
