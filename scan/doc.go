// Package scan finds files with capabilities and says what becomes of them:
// those that will not start once a capability is dropped, those that could do
// better, and what was lost.
//
// [Tree] walks directories; [Judge] gives a file its [Verdict].
package scan
