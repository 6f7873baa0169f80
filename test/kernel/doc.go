// Package kernelcheck compares package law with the running kernel.
//
// A sweep is a part of the input space: a room (a user namespace and a network),
// starting points (a space: every combination of sets, ids, securebits, ...) and
// trials (files to execute, ports to bind). An agent, which is a C program in the
// room, makes a child what a starting point says, reads back from the kernel
// what it became, and lets it do each trial; what it says then is compared with
// what the law predicts from the state that was read back. A starting point that
// the kernel refuses is counted and left out: it is not guessed which are legal.
//
// The files lie on a tmpfs in a mount namespace of the checker's own, once on an
// ordinary mount and once on one with nosuid, so that it leaves nothing behind.
package kernelcheck
