// Capwise-kernelcheck compares the running kernel with package law.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	kernelcheck "github.com/capwise/capwise/test/kernel"
)

func main() {
	o := kernelcheck.Options{Model: kernelcheck.Law, Dir: "/tmp"}
	flag.IntVar(&o.Random, "random", 0, "")
	flag.Uint64Var(&o.Seed, "seed", 1, "")
	flag.IntVar(&o.Part, "part", 0, "")
	flag.IntVar(&o.Parts, "parts", 1, "")
	flag.IntVar(&o.Workers, "workers", 1, "")
	flag.Parse()
	begin := time.Now()
	r, err := kernelcheck.Run(o)
	for _, m := range r.Shown {
		fmt.Println(m)
	}
	for _, s := range r.Sweeps {
		fmt.Printf("%-50s %+v\n", s.Name, s.Counts)
	}
	fmt.Printf("%+v %+v %v %.0f/s\n", r.Kernel, r.Counts, time.Since(begin), float64(r.Compared)/time.Since(begin).Seconds())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
