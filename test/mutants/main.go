// Command mutants tests the tests: it changes what decides about privileges, one
// small change at a time, and names the changes that no test notices.
//
//	go run ./test/mutants [PACKAGE...]
//
// All changes of a package are compiled into one test binary, by a build overlay;
// an environment variable says which of them is in force. So a change costs a run
// of the tests and no build, and the children that tests start, which do most of
// what is privileged, have it too: nothing is left out as not covered. Launchers
// get no environment of a test's: they have the number written into them. (gremlins
// 0.6.0 builds for each change, takes what children do for not covered, and knows
// neither dropped operands nor removed statements.)
//
// A change that makes the tests take five times as long, and 10 s, is tried again
// while nothing else runs, and counts as noticed if that takes as long.
//
// survivors.txt lists the changes that may live, each with the reason. A survivor
// that it does not list fails the run, and so does a listed one that was killed or
// is no more.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() error {
	show := flag.Int("show", 0, "show the change with this number of the one package, and run nothing")
	workers := flag.Int("p", runtime.NumCPU(), "how many changes to try at once")
	flag.Parse()
	all, err := readSurvivors(survivorsFile)
	if err != nil {
		return err
	}
	chosen := targets
	if flag.NArg() > 0 {
		chosen = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(flag.Args(), t.pkg) })
	}
	if len(chosen) == 0 {
		return fmt.Errorf("%q: none of these packages is a target", flag.Args())
	}
	failed := false
	for _, t := range chosen {
		ok, err := t.run(all, *workers, *show)
		if err != nil {
			return fmt.Errorf("%s: %w", t.pkg, err)
		}
		failed = failed || !ok
	}
	if failed {
		return errors.New("survivors.txt does not say what lives")
	}
	return nil
}

// run tries all changes of one package, and compares with what is expected.
func (t target) run(expected survivors, workers, show int) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "capwise-mutants-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	mutants, overlay, err := t.mutate(dir)
	if err != nil {
		return false, err
	}
	if show > 0 {
		fmt.Println(mutants[show-1])
		return true, nil
	}
	suites, err := t.build(dir, overlay)
	if err != nil {
		return false, err
	}
	begun := time.Now()
	for i := range suites {
		if err := suites[i].baseline(); err != nil {
			return false, err
		}
	}
	lived := try(suites, mutants, workers)
	wrong := expected.compare(t.pkg, mutants, lived)
	argued := len(lived)
	for _, line := range wrong {
		fmt.Println(line)
	}
	for _, m := range lived {
		if !expected.has(m) {
			argued--
		}
	}
	fmt.Printf("%-20s %5d changes, %5d killed, %3d lived, %3d of them argued, %s\n",
		t.pkg, len(mutants), len(mutants)-len(lived), len(lived), argued, time.Since(begun).Round(time.Second))
	return len(wrong) == 0, nil
}

// try returns the changes that no suite notices.
func try(suites []suite, mutants []mutant, workers int) []mutant {
	lives := make([]bool, len(mutants))
	next := make(chan int)
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			for i := range next {
				lives[i] = !slices.ContainsFunc(suites, func(s suite) bool { return s.kills(i + 1) })
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	done.Wait()
	var out []mutant
	for i, m := range mutants {
		if lives[i] {
			out = append(out, m)
		}
	}
	return out
}
