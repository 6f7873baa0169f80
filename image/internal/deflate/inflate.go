// Package deflate decodes deflate streams (RFC 1951) block by block, for who has to know
// where in a stream its blocks and tokens stand, to the bit. It decodes as fast as what
// only decodes.
//
// [Input] hands out the bits of a stream, and [Inflater] decodes them: [Inflater.Step]
// whole blocks, and [Inflater.Header] and [Inflater.Token] one thing after another.
package deflate

import "fmt"

// WindowSize is how far back a match can refer.
const WindowSize = 32 << 10

const (
	// flushSize is how many bytes are decoded at a time.
	flushSize = 128 << 10
	// slack is room for what one turn of the loop may write past the limit: three
	// literals, or a match whose last word runs over.
	slack = 512
	limit = WindowSize + flushSize
)

// State is where in a stream an inflater stands.
type State uint8

// The states.
const (
	AtBlock  State = iota // before the header of a block
	InStored              // in a block without compression
	InCoded               // in a block with a code
	AtEnd                 // behind the last block
)

// Inflater decodes one deflate stream, and stops between blocks.
type Inflater struct {
	in       *Input
	state    State
	final    bool // the block is the stream's last
	stored   int  // bytes left of a stored block
	literals *literalTable
	offsets  *offsetTable
	own      fixed                // room for the tables of the block
	win      *[limit + slack]byte // what was decoded, and the window before it
	w        int                  // end of what is in win
	from     int                  // beginning of what matches may refer to
	total    int64                // bytes decoded
}

// NewInflater returns an inflater of what an input has. Reset begins.
func NewInflater(in *Input) *Inflater {
	return &Inflater{in: in, win: new([limit + slack]byte)}
}

// Reset begins a stream at the input's position, total bytes into its content
// and with the window before.
func (f *Inflater) Reset(window []byte, total int64) {
	f.state, f.final, f.from = AtBlock, false, 0
	f.w = copy(f.win[:], window)
	f.total = total
}

// Window returns what a match of the next block may refer to.
func (f *Inflater) Window() []byte { return f.win[max(f.from, f.w-WindowSize):f.w] }

// Input is what the inflater decodes. Who reads from it must know where it stands.
func (f *Inflater) Input() *Input { return f.in }

// State is where the inflater stands.
func (f *Inflater) State() State { return f.state }

// Total is how many bytes were decoded, with those that Reset told of.
func (f *Inflater) Total() int64 { return f.total }

// Stored is how many bytes are left of a block without compression.
func (f *Inflater) Stored() int { return f.stored }

// corrupt returns an error that names the place.
func (f *Inflater) corrupt(what string) error {
	return fmt.Errorf("%w: byte %d: %s", ErrFormat, f.in.Position()/8, what)
}

// Step reads the header of a block, or decodes up to the block's end or until
// there is enough. It returns what it decoded; the next Step overwrites it.
func (f *Inflater) Step() ([]byte, error) {
	if f.w >= limit {
		kept := copy(f.win[:], f.win[f.w-WindowSize:f.w])
		f.from = max(0, f.from-(f.w-WindowSize))
		f.w = kept
	}
	begin := f.w
	var err error
	switch f.state {
	case AtBlock:
		err = f.Header()
	case InStored:
		err = f.copyStored()
	case InCoded:
		err = f.coded()
	}
	if err == nil && f.in.overrun() {
		err = f.in.truncated()
	}
	if err != nil {
		return nil, err
	}
	f.total += int64(f.w - begin)
	return f.win[begin:f.w], nil
}

// coded decodes a block with a code, up to its end or to the limit.
func (f *Inflater) coded() error {
	done, fault, err := f.decode()
	if fault != "" {
		return f.corrupt(fault)
	}
	if done {
		f.endBlock()
	}
	return err
}

func (f *Inflater) endBlock() {
	f.state = AtBlock
	if f.final {
		f.state = AtEnd
	}
}

func (f *Inflater) copyStored() error {
	b, err := f.in.Bytes(min(f.stored, limit-f.w))
	if err != nil {
		return err
	}
	f.w += copy(f.win[f.w:], b)
	if f.stored -= len(b); f.stored == 0 {
		f.endBlock()
	}
	return nil
}
