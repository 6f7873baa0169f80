package capwise_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/internal/kerneltest"
)

// watch returns the most threads with an effective capability that it saw at
// once while fn ran.
func watch(fn func()) int {
	stop, result := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for {
			found, err := kerneltest.Effective()
			if err != nil {
				panic(err)
			}
			most = max(most, len(found))
			select {
			case <-stop:
				result <- most
				return
			default:
			}
		}
	}()
	fn()
	close(stop)
	return <-result
}

// watchedRole makes one raised bind after another while every thread is
// watched. It makes listen(2) slow, so that a look at all threads fits into the
// time for which the capability is effective.
func watchedRole([]string) any {
	if err := kerneltest.Slow(syscall.SYS_LISTEN, 5*time.Millisecond); err != nil {
		return report{Err: err.Error()}
	}
	var err error
	most := 0
	for i := 0; i < 50 && err == nil; i++ {
		most = max(most, watch(func() {
			var ln net.Listener
			if ln, err = capwise.Listen("tcp", ":80"); err == nil {
				err = ln.Close()
			}
		}))
	}
	r := reportOf(err)
	r.Most = most
	return r
}

func TestOnlyTheBindingThreadHasIt(t *testing.T) {
	var r report
	kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "watched", &r)
	if r.Err != "" || r.Most != 1 || r.Left != 0 {
		t.Errorf("got %+v, want one thread at a time and none afterwards", r)
	}
}

// manyRole listens from 64 goroutines at once, each on ports of its own.
func manyRole([]string) any {
	underFilter()
	const goroutines, rounds = 64, 20
	errs := make([]error, goroutines)
	most := watch(func() {
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for range rounds {
					ln, err := capwise.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 100+g))
					if err != nil {
						errs[g] = err
						return
					}
					pc, err := capwise.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", 100+g))
					if err != nil {
						errs[g] = err
						return
					}
					errs[g] = errors.Join(errs[g], ln.Close(), pc.Close())
				}
			})
		}
		wg.Wait()
	})
	r := reportOf(errors.Join(errs...))
	r.Most = most
	return r
}

func TestManyGoroutines(t *testing.T) {
	for name, env := range filters {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}.Run(t, "many", &r)
		if r.Err != "" || r.Left != 0 || r.Most > 64 {
			t.Errorf("%s: got %+v, want no error and no thread with a capability afterwards", name, r)
		}
	}
}
