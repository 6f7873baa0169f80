// Package process describes a process that runs, from /proc, and a program that
// the calling process would start. A process is a start that has taken place: its
// settings are what it was started with as far as that still shows, and what it
// holds now is beside them.
//
// [Of] and [Host] open; the rest is pure.
package process
