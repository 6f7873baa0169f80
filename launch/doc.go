// Package launch starts a program with the capabilities that it needs made
// ambient, for programs that know nothing of capabilities.
//
// [Exec] does so with what the caller is permitted. The launcher, a small static
// program (cmd/capwise-launcher), does the same from a file that carries file
// capabilities as permitted only; it takes the place of the one program whose
// path a [Config] in it names, and starts nothing else. [Stamp] puts the Config
// in, [Find] reads it.
//
// Nothing is gained that was not permitted, and where nothing is, the program
// starts all the same.
package launch
