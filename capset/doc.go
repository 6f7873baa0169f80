// Package capset is the vocabulary of Linux capabilities: their numbers and
// names ([Cap]), sets of them ([Set]), and the three sets that a file or a
// process carries ([State]) with the text form of libcap's setcap, getcap and
// cap_from_text(3), in both directions.
//
// The package is pure: it asks the kernel nothing and builds on every system.
// It does without package fmt, which the launcher has no room for.
package capset
