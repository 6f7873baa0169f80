package scenario

import (
	"path"
	"strings"
)

// ExecutesOthers reports whether a program is one that executes what it is given: a
// shell, an interpreter, or a program such as env. Its own file capabilities would be
// those of whatever it executes or interprets. It goes by the name of the file.
func ExecutesOthers(file string) bool {
	name := path.Base(file)
	if executesOthers[name] {
		return true
	}
	// python3.11, perl5.36, ruby3.1, php8.2, lua5.4: a name with a version.
	trimmed := strings.TrimRight(name, "0123456789.-")
	return trimmed != name && executesOthers[trimmed]
}

var executesOthers = map[string]bool{
	"sh": true, "bash": true, "dash": true, "ash": true, "zsh": true, "ksh": true, "mksh": true, "fish": true, "csh": true, "tcsh": true,
	"busybox": true, "toybox": true, "env": true, "nice": true, "nohup": true, "stdbuf": true, "time": true, "timeout": true, "xargs": true,
	"python": true, "pypy": true, "perl": true, "ruby": true, "node": true, "nodejs": true, "bun": true, "deno": true, "php": true, "php-fpm": true,
	"lua": true, "luajit": true, "java": true, "guile": true, "tclsh": true, "wish": true, "Rscript": true, "R": true, "erl": true, "beam.smp": true, "dotnet": true, "mono": true, "awk": true, "gawk": true, "mawk": true, "sed": true,
	"tini": true, "tini-static": true, "docker-init": true, "dumb-init": true, "catatonit": true, "s6-svscan": true, "runsv": true,
	"gosu": true, "su-exec": true, "setpriv": true, "su": true, "sudo": true, "doas": true, "runuser": true, "chpst": true, "s6-setuidgid": true,
	"capsh": true, "chroot": true, "unshare": true, "nsenter": true, "start-stop-daemon": true,
	"ld-linux.so": true, "ld-linux-x86-64.so": true, "ld-musl-x86_64.so": true,
}
