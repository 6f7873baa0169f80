package rootfs

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Layers are read at the same time, and taken in their order. What is read ahead
// of its turn is bounded, in all; then its reader waits.
const (
	batchItems = 256
	mostAhead  = 16 << 20 // bytes
	// mostAtOnce bounds the windows of decompressors, however many processors
	// there are.
	mostAtOnce = 4
)

// ahead is what was read of layers and not taken yet.
type ahead struct {
	mu      sync.Mutex
	changed sync.Cond
	turn    int
	waiting int64
	batches [][][]*item
	done    []bool
	errs    []error
	stopped bool
}

var errStopped = errors.New("stopped")

// inOrder reads layers, as many at a time as there are processors, and takes
// their items in the order of layers.
func inOrder(layers []layer, read func(layer, func(*item) error) error, take func(layer int, i *item) error) error {
	a := &ahead{batches: make([][][]*item, len(layers)), done: make([]bool, len(layers)), errs: make([]error, len(layers))}
	a.changed.L = &a.mu
	slots := make(chan struct{}, min(runtime.GOMAXPROCS(0), mostAtOnce))
	var reading sync.WaitGroup
	reading.Go(func() {
		for i, l := range layers {
			slots <- struct{}{} // in this order, so that the one whose turn it is has one
			reading.Go(func() {
				defer func() { <-slots }()
				a.read(i, l, read)
			})
		}
	})
	err := a.take(len(layers), take)
	a.stop()
	reading.Wait()
	return err
}

// read reads a layer.
func (a *ahead) read(i int, l layer, read func(layer, func(*item) error) error) {
	var batch []*item
	weight := int64(0)
	err := read(l, func(it *item) error {
		batch = append(batch, it)
		weight += it.weight()
		if len(batch) < batchItems && weight < mostAhead/64 {
			return nil
		}
		full, heavy := batch, weight
		batch, weight = nil, 0
		return a.push(i, full, heavy)
	})
	if err == nil && len(batch) > 0 {
		err = a.push(i, batch, weight)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done[i], a.errs[i] = true, err
	a.changed.Broadcast()
}

// push adds a batch once there is room for it. The layer whose turn it is has
// some of its own, whatever the others hold.
func (a *ahead) push(i int, batch []*item, weight int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.stopped && a.waiting+weight > mostAhead && (a.turn != i || len(a.batches[i]) > 1) {
		a.changed.Wait()
	}
	if a.stopped {
		return errStopped
	}
	a.batches[i] = append(a.batches[i], batch)
	a.waiting += weight
	a.changed.Broadcast()
	return nil
}

// pop returns the next batch of a layer; nil at its end.
func (a *ahead) pop(i int) ([]*item, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn = i
	a.changed.Broadcast()
	for len(a.batches[i]) == 0 {
		if a.done[i] {
			return nil, a.errs[i]
		}
		a.changed.Wait()
	}
	batch := a.batches[i][0]
	a.batches[i] = a.batches[i][1:]
	for _, it := range batch {
		a.waiting -= it.weight()
	}
	a.changed.Broadcast()
	return batch, nil
}

func (a *ahead) take(layers int, take func(int, *item) error) error {
	for i := range layers {
		for {
			batch, err := a.pop(i)
			for n := 0; err == nil && n < len(batch); n++ {
				err = take(i, batch[n])
			}
			if err != nil {
				return fmt.Errorf("layer %d of %d: %w", i+1, layers, err)
			}
			if batch == nil {
				break
			}
		}
	}
	return nil
}

func (a *ahead) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.changed.Broadcast()
}
