// Package scan finds files with capabilities and says what becomes of them:
// those that will not start once a capability is dropped, those that could do
// better, and what was lost.
//
// [Tree] walks directories; [Classify] gives a file its [Class].
package scan
