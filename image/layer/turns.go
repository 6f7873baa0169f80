package layer

import (
	"slices"
	"sync"
)

// mostBuilt is how many names of layers may be in memory before they are facts, in
// all layers that are read at the same time. A single one may have more.
const mostBuilt = 512 << 10

// turns lets readers wait for each other where together they would take too much
// memory. The one that began first never waits.
type turns struct {
	mu     *sync.Mutex
	ended  *sync.Cond
	active *[]*turn
}

func newTurns() turns {
	mu := &sync.Mutex{}
	return turns{mu, sync.NewCond(mu), &[]*turn{}}
}

// turn is one that reads.
type turn struct {
	turns
	names int
}

func (t turns) begin() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := &turn{turns: t}
	*t.active = append(*t.active, one)
	return one
}

// wait says how many names there are, and waits until there may be more.
func (t *turn) wait(names int) {
	const step = 4096 // between two looks at the others
	if names-t.names < step {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = names
	for (*t.active)[0] != t && t.all() > mostBuilt {
		t.ended.Wait()
	}
}

func (t turns) all() int {
	n := 0
	for _, one := range *t.active {
		n += one.names
	}
	return n
}

func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	*t.active = slices.DeleteFunc(*t.active, func(one *turn) bool { return one == t })
	t.ended.Broadcast()
}
