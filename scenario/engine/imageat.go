package engine

import "path"

// ImageAt returns where in a command line, as [Parse] takes it, the image stands. What
// is before it is the engine's, and what is behind it the program's.
func ImageAt(args []string) (n int, ok bool) {
	at := 0
	if len(args) > 0 && path.Base(args[0]) == "sudo" {
		at = 1
	}
	if at >= len(args) {
		return 0, false
	}
	global, run := dockerGlobal, dockerRun
	if path.Base(args[at]) == "podman" {
		global, run = podmanGlobal, podmanRun
	}
	p, err := global.Parse(args[at+1:])
	if err != nil || len(p.Rest) == 0 {
		return 0, false
	}
	rest := p.Rest
	if rest[0] == "container" && len(rest) > 1 {
		rest = rest[1:]
	}
	if rest[0] != "run" && rest[0] != "create" {
		return 0, false
	}
	p, err = run.Parse(rest[1:])
	return len(args) - len(p.Rest), err == nil && len(p.Rest) > 0
}
