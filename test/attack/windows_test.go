package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// window is the time before a system call of fix, by the call's name and which of its
// kind it is in its thread.
type window struct {
	call string
	nth  int
}

// calls are those that reach files: what comes before one of them was true before.
const calls = "openat,openat2,readlinkat,getxattr,setxattr,removexattr,linkat,renameat,renameat2,unlinkat,fchown,fchmod,fsync,flock,fcntl,fstat,newfstatat,getdents64,llistxattr,write,pread64"

// delay is how long a window is held open, in microseconds: long beside what an
// attacker's loop takes.
const delay = 20_000

// inject is strace so that it holds the window open.
func (w window) inject() []string {
	return []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + w.call, "-e", fmt.Sprintf("inject=%s:delay_enter=%d:when=%d", w.call, delay, w.nth)}
}

var call = regexp.MustCompile(`(?m)^(\d+) +(\w+)\(`)

// windows lists the windows of a variant, from a run that nobody attacks.
func (w *war) windows(variant []string) []window {
	w.reset()
	list := w.traced(variant)
	w.must(w.clean())
	return list
}

// traced runs a variant on the scene as it is, and lists its windows.
func (w *war) traced(variant []string) []window {
	log := filepath.Join(w.t.TempDir(), "strace")
	out, _ := w.fix(variant, []string{"strace", "-f", "-qq", "-o", log, "-e", "trace=" + calls}) // it may refuse
	text, err := os.ReadFile(log)
	if err != nil {
		w.t.Fatalf("strace: %v: %s", err, out)
	}
	threads, all := map[string]int{}, map[window]bool{}
	for _, m := range call.FindAllStringSubmatch(string(text), -1) {
		threads[m[1]+m[2]]++
		all[window{m[2], threads[m[1]+m[2]]}] = true
	}
	var list []window
	for one := range all {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b window) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

// clean says so if even without an attack something is gained.
func (w *war) clean() error {
	if gains := w.gains(); len(gains) > 0 {
		return fmt.Errorf("gained without an attack: %s", strings.Join(gains, "; "))
	}
	return nil
}
