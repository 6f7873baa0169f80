package kernelcheck

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/capwise/capwise/law"
)

// Options says how much is checked.
type Options struct {
	// Random is how many cases are compared that are drawn by Seed, half of them
	// from the product of all choices, which is too large to be gone through; 0
	// stands for all cases of all other parts.
	Random int
	Seed   uint64
	// Part and Parts: only every Parts-th start is taken, from number Part on.
	Part, Parts int
	Workers     int
	// Model is what the kernel is compared with, [Law].
	Model Model
	// Mutants are wrong laws that the check of the check expects to be found out;
	// their mismatches are counted apart.
	Mutants []Model
	// Progress is told the counts now and then; it may be nil.
	Progress func(sweep string, c Counts)
	// Dir is an existing directory to mount over, in a mount namespace that
	// nobody else sees.
	Dir string
}

// Counts is what a check went through.
type Counts struct {
	Compared   int // cases whose outcome was compared
	Illegal    int // starting points that the kernel does not allow
	Impossible int // system calls that the kernel does not allow
	Mismatches int
}

func (c *Counts) add(d Counts) {
	c.Compared += d.Compared
	c.Illegal += d.Illegal
	c.Impossible += d.Impossible
	c.Mismatches += d.Mismatches
}

// Report is the outcome of a check.
type Report struct {
	Counts
	Kernel           law.Kernel
	Sweeps           []SweepCounts
	Rules            map[law.Rule]int // how many cases each rule applied in
	MutantMismatches []int            // of each mutant
	Shown            []string         // the first mismatches, in full
}

// SweepCounts is the counts of one part.
type SweepCounts struct {
	Name string
	Counts
}

// maxShown is how many mismatches a report holds.
const maxShown = 20

// Run compares the running kernel with the law. It needs root.
func Run(o Options) (Report, error) {
	type outcome struct {
		report Report
		err    error
	}
	done := make(chan outcome)
	go func() {
		// The thread has its own mount namespace, and so has to end with this.
		runtime.LockOSThread()
		c := checker{Options: o}
		err := c.run()
		done <- outcome{c.report, err}
	}()
	r := <-done
	return r.report, r.err
}

// checker is one check under way.
type checker struct {
	Options
	shelf *shelf

	mu     sync.Mutex
	report Report
}

func (c *checker) run() error {
	var err error
	if c.shelf, err = newShelf(c.Dir); err != nil {
		return err
	}
	all, err := c.sweeps()
	if err != nil {
		return err
	}
	if c.report.Kernel, err = c.findKernel(); err != nil {
		return err
	}
	c.report.Rules = map[law.Rule]int{}
	c.report.MutantMismatches = make([]int, len(c.Mutants))
	for i, s := range all {
		c.report.Sweeps = append(c.report.Sweeps, SweepCounts{Name: s.name})
		if err := c.sweep(i, s, c.plan(i, s)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		c.report.add(c.report.Sweeps[i].Counts)
	}
	return nil
}

// job is one start and the trials to make from it.
type job struct {
	start  int
	trials []trial
}

// plan says which jobs a sweep has.
func (c *checker) plan(index int, s sweep) iter.Seq[job] {
	if c.Random == 0 {
		return c.every(s)
	}
	return c.some(index, s)
}

// every yields each start of this part with all trials.
func (c *checker) every(s sweep) iter.Seq[job] {
	return func(yield func(job) bool) {
		for n := c.Part; n < s.starts.size(); n += max(c.Parts, 1) {
			if !yield(job{n, s.trials}) {
				return
			}
		}
	}
}

// randomTrials is how many cases are drawn for one random start.
const randomTrials = 8

// some yields random starts with a few random trials each, until enough cases
// were compared.
func (c *checker) some(index int, s sweep) iter.Seq[job] {
	want := max(int(s.weight*float64(c.Random)), randomTrials)
	return func(yield func(job) bool) {
		random := rand.New(rand.NewPCG(c.Seed, uint64(index)))
		// A start is legal now and then, so this ends much earlier.
		for range 100 * want {
			if c.compared(index) >= want {
				return
			}
			j := job{start: random.IntN(s.starts.size())}
			for range min(randomTrials, len(s.trials)) {
				j.trials = append(j.trials, s.trials[random.IntN(len(s.trials))])
			}
			if !yield(j) {
				return
			}
		}
	}
}

func (c *checker) compared(index int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report.Sweeps[index].Compared
}

// sweep runs the jobs of one sweep on all workers.
func (c *checker) sweep(index int, s sweep, jobs iter.Seq[job]) (err error) {
	work := make(chan job, 16)
	failed := make(chan error, max(c.Workers, 1))
	stop := make(chan struct{})
	var once sync.Once
	var workers sync.WaitGroup
	for range max(c.Workers, 1) {
		p, e := c.shelf.enterRoom(s.room)
		if e != nil {
			err = errors.Join(err, e)
			break
		}
		workers.Go(func() {
			e := c.worker(index, s, p, work)
			if e = errors.Join(e, p.leave()); e != nil {
				once.Do(func() { close(stop) })
			}
			failed <- e
		})
	}
	if err == nil {
		feed(jobs, work, stop)
	}
	close(work)
	workers.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

// feed hands out the jobs until a worker has failed.
func feed(jobs iter.Seq[job], work chan<- job, stop <-chan struct{}) {
	for j := range jobs {
		select {
		case work <- j:
		case <-stop:
			return
		}
	}
}

// worker lets one agent do jobs until there are no more.
func (c *checker) worker(index int, s sweep, p *process, work <-chan job) error {
	for j := range work {
		w := s.starts.at(j.start)
		w.Op = s.op
		for rest := j.trials; len(rest) > 0; {
			now := rest[:min(len(rest), maxArgs)]
			rest = rest[len(now):]
			counts, err := c.start(&s, p, w, now)
			if err != nil {
				return err
			}
			c.count(index, s.name, counts)
			if counts.Illegal > 0 {
				break
			}
		}
	}
	return nil
}

func (c *checker) count(index int, name string, counts Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Sweeps[index].add(counts)
	if c.Progress != nil {
		total := c.report.Counts
		total.add(c.report.Sweeps[index].Counts)
		c.Progress(name, total)
	}
}

// start compares the cases of one start.
func (c *checker) start(s *sweep, p *process, w wish, trials []trial) (Counts, error) {
	args := make([]arg, len(trials))
	for i, t := range trials {
		args[i] = t.arg()
	}
	replies, err := p.ask(w, args)
	if err != nil {
		return Counts{}, err
	}
	var counts Counts
	for i, r := range replies {
		switch {
		case r.Status == broken:
			return counts, fmt.Errorf("%v from %+v: the program reported nothing", trials[i], w)
		case r.Status != compare && i > 0:
			return counts, fmt.Errorf("%+v: a legal start became an illegal one: %+v", w, r)
		case r.Status != compare:
			counts.Illegal++
		default:
			c.compare(s, w, trials[i], r, &counts)
		}
	}
	return counts, nil
}

// compare lets the law predict one case.
func (c *checker) compare(s *sweep, w wish, t trial, r reply, counts *Counts) {
	got, possible := t.observe(r)
	if !possible {
		counts.Impossible++
		return
	}
	from := start{kernel: c.report.Kernel, room: &s.room, task: r.Before.Creds.task(), before: r.Before}
	from.task.Tracer, from.task.SharedFS = w.Tracer, w.SharedFS
	want, rules := t.predict(c.Model, from)
	counts.Compared++
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.Mutants {
		if wrong, _ := t.predict(m, from); got != wrong {
			c.report.MutantMismatches[i]++
		}
	}
	for r := range rules.All() {
		c.report.Rules[r]++
	}
	if got == want {
		return
	}
	counts.Mismatches++
	if len(c.report.Shown) < maxShown {
		c.report.Shown = append(c.report.Shown, describe(s, from, t, got, want, rules))
	}
}
