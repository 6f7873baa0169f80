package facts

// Tables grow by blocks: a slice that grows is there twice for a moment.
const (
	blockBits = 12
	blockSize = 1 << blockBits
)

// table is a list of values by their number.
type table[T any] struct {
	blocks [][]T
	size   int32
}

func (t *table[T]) at(i int32) *T { return &t.blocks[i>>blockBits][i&(blockSize-1)] }

func (t *table[T]) add(v T) int32 {
	if t.size&(blockSize-1) == 0 {
		// The first may be the only one.
		t.blocks = append(t.blocks, make([]T, 0, blockSize))
	}
	last := &t.blocks[len(t.blocks)-1]
	*last = append(*last, v)
	t.size++
	return t.size - 1
}

// arena holds names, one behind the other.
type arena struct{ blocks [][]byte }

// span is a name in an arena: the block, and where in it.
type span struct {
	block    int32
	at, size uint16
}

const arenaBlock = 64 << 10 // more than a name, and what a span can count

func (a *arena) add(name string) span {
	last := len(a.blocks) - 1
	if last < 0 || len(a.blocks[last])+len(name) > arenaBlock-1 {
		a.blocks = append(a.blocks, make([]byte, 0, arenaBlock))
		last++
	}
	at := len(a.blocks[last])
	a.blocks[last] = append(a.blocks[last], name...)
	return span{int32(last), uint16(at), uint16(len(name))}
}

func (a *arena) name(s span) []byte {
	if s.size == 0 { // the root's
		return nil
	}
	return a.blocks[s.block][s.at : int(s.at)+int(s.size)]
}
