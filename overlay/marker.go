package overlay

// markerPrefix is what the marker begins with, in the program's data.
const markerPrefix = "\xffcapwise build 1:"

// Marker is what a program carries that was built with an overlay, since an
// overlay is invisible in build information. It survives strip(1).
func Marker(s Start) string { return markerPrefix + "start=" + string(s) + "\xff" }
