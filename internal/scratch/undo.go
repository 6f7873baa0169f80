package scratch

import (
	"os"
	"os/signal"
	"sync"
)

// Undo is something that is done if the program is interrupted.
type Undo struct{ do func() }

// pending is what is to be undone, by all of the process: a signal means all of
// it. Who holds mu decides whether a thing has happened; [Abandon] never gives
// it back, so that nothing happens after it.
var pending struct {
	mu   sync.Mutex
	list map[*Undo]bool
}

// OnAbandon has do called if the program is interrupted before [Commit] is
// called with the result.
func OnAbandon(do func()) *Undo {
	pending.mu.Lock()
	defer pending.mu.Unlock()
	return onAbandon(do)
}

// onAbandon is OnAbandon for who has the lock.
func onAbandon(do func()) *Undo {
	if pending.list == nil {
		pending.list = map[*Undo]bool{}
	}
	u := &Undo{do}
	pending.list[u] = true
	return u
}

// Do undoes it now.
func (u *Undo) Do() {
	pending.mu.Lock()
	defer pending.mu.Unlock()
	if pending.list[u] {
		delete(pending.list, u)
		u.do()
	}
}

// Commit calls do, during which the program is not interrupted, and forgets what
// was to be undone if do succeeds.
func Commit(do func() error, undos ...*Undo) error {
	pending.mu.Lock()
	defer pending.mu.Unlock()
	if err := do(); err != nil {
		return err
	}
	for _, u := range undos {
		delete(pending.list, u)
	}
	return nil
}

// Abandon undoes all that is pending. Whatever wants to commit afterwards waits
// for ever: the caller ends the program.
func Abandon() {
	pending.mu.Lock()
	for u := range pending.list {
		u.do()
	}
}

// Watch abandons on a signal that asks the program to end, and then ends it as
// the signal does without: a shell sees 128 and its number. Signals that are
// ignored, as nohup has it, stay so.
func Watch() { watching.Do(watch) }

var watching sync.Once

func watch() {
	var asked []os.Signal
	for _, s := range endings {
		if !signal.Ignored(s) {
			asked = append(asked, s)
		}
	}
	if len(asked) == 0 {
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, asked...)
	go func() {
		s := <-c
		Abandon()
		signal.Reset(asked...)
		end(s)
	}()
}
