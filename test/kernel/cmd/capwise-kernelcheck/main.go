// Capwise-kernelcheck compares the law, package law, with the running kernel.
//
//	capwise-kernelcheck [-mode sample|full|random] [flags]
//
// It needs root and nothing else: as the only file of an initial RAM disk it is
// the machine's first process, mounts what it needs, and switches the machine
// off in the end. Its last line says how many cases were compared and how many
// mismatches there were; with any, it exits with 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	kernelcheck "github.com/capwise/capwise/test/kernel"
)

func main() {
	check := run
	if os.Getpid() == 1 {
		defer powerOff()
		check = asInit
	}
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "capwise-kernelcheck:", err)
		if os.Getpid() != 1 {
			os.Exit(1)
		}
	}
}

// settings is the command line.
type settings struct {
	options      kernelcheck.Options
	mode         string
	suidDumpable int
	verbose      bool
}

// sampleSize is the number of cases of the mode sample.
const sampleSize = 30000

func parse(args []string) (settings, error) {
	s := settings{options: kernelcheck.Options{Model: kernelcheck.Law(), Dir: "/tmp"}}
	o := &s.options
	flags := flag.NewFlagSet("capwise-kernelcheck", flag.ContinueOnError)
	flags.StringVar(&s.mode, "mode", "sample", "sample: some cases of each part, in seconds; full: every case; random: -count cases by -seed")
	flags.IntVar(&o.Random, "count", 1_000_000, "how many cases the mode random compares")
	flags.Uint64Var(&o.Seed, "seed", 0, "of the mode random; 0 draws one")
	flags.IntVar(&o.Part, "part", 0, "check every -parts-th starting point of the mode full only, from this number on")
	flags.IntVar(&o.Parts, "parts", 1, "into how many parts the mode full is divided")
	flags.IntVar(&o.Workers, "workers", min(runtime.NumCPU(), 8), "how many cases to run at once")
	flags.StringVar(&o.Dir, "dir", o.Dir, "an existing directory that the files are mounted over, for this process only")
	flags.IntVar(&s.suidDumpable, "suid-dumpable", -1, "set the machine's sysctl fs.suid_dumpable meanwhile")
	flags.BoolVar(&s.verbose, "v", false, "list the parts")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.Parts < 1 || o.Part < 0 || o.Part >= o.Parts || o.Workers < 1 || o.Random < 1 {
		return s, fmt.Errorf("want 0 ≤ -part < -parts, and at least 1 for -workers and -count")
	}
	switch s.mode {
	case "sample":
		o.Random, o.Seed = sampleSize, 1
	case "full":
		o.Random = 0
	case "random":
		if o.Seed == 0 {
			o.Seed = rand.Uint64()
		}
	default:
		return s, fmt.Errorf("unknown mode %q", s.mode)
	}
	return s, nil
}

func run(args []string) error {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	restore, err := setSuidDumpable(s.suidDumpable)
	if err != nil {
		return err
	}
	defer restore()
	if s.mode == "random" {
		fmt.Printf("seed %d\n", s.options.Seed)
	}
	s.options.Progress = progress()
	begin := time.Now()
	report, err := kernelcheck.Run(s.options)
	if err != nil {
		return err
	}
	return show(s, report, time.Since(begin))
}

// show prints the report; with mismatches it returns an error.
func show(s settings, r kernelcheck.Report, took time.Duration) error {
	if s.verbose {
		for _, p := range r.Sweeps {
			fmt.Printf("%9d compared, %8d illegal starts: %s\n", p.Compared, p.Illegal, p.Name)
		}
	}
	for _, m := range r.Shown {
		fmt.Println(m)
	}
	fmt.Printf("Linux %s: set-id %s, fs.suid_dumpable %d, file capabilities %s\n",
		kernelcheck.Release(), r.Kernel.SetID, r.Kernel.SuidDumpable, map[bool]string{false: "on", true: "off"}[r.Kernel.NoFileCaps])
	fmt.Printf("%d illegal starting points and %d forbidden calls left out\n", r.Illegal, r.Impossible)
	fmt.Printf("%d cases compared in %.1f s (%.0f/s): %d mismatches\n", r.Compared, took.Seconds(), float64(r.Compared)/took.Seconds(), r.Mismatches)
	if r.Mismatches > 0 {
		return fmt.Errorf("the law is not what this kernel does")
	}
	return nil
}

// progress shows the counts on a terminal, a few times a second.
func progress() func(string, kernelcheck.Counts) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getppid() == 1 {
		return nil
	}
	next := time.Now()
	return func(part string, c kernelcheck.Counts) {
		if now := time.Now(); now.After(next) {
			fmt.Fprintf(os.Stderr, "\r\033[K%d compared, %d mismatches, in: %s\r", c.Compared, c.Mismatches, part)
			next = now.Add(200 * time.Millisecond)
		}
	}
}
