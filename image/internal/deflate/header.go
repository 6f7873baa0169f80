package deflate

// Header reads the header of a block. Step does so by itself.
func (f *Inflater) Header() error {
	v, err := f.in.Take(3)
	if err != nil {
		return err
	}
	f.final = v&1 != 0
	switch v >> 1 {
	case 0:
		return f.storedHeader()
	case 1:
		f.literals, f.offsets = &fixedTables().literals, &fixedTables().offsets
	case 2:
		if err := f.dynamicHeader(); err != nil {
			return err
		}
	default:
		return f.corrupt("unknown type of block")
	}
	f.state = InCoded
	return nil
}

func (f *Inflater) storedHeader() error {
	f.in.Align()
	v, err := f.in.Word()
	if err != nil {
		return err
	}
	if v&0xffff != ^v>>16 {
		return f.corrupt("the length of a stored block differs from its complement")
	}
	f.stored = int(v & 0xffff)
	f.state = InStored
	if f.stored == 0 {
		f.endBlock()
	}
	return nil
}

// lengthOrder is the order in which a block lists the lengths of the code of
// code lengths.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (f *Inflater) dynamicHeader() error {
	v, err := f.in.Take(14)
	if err != nil {
		return err
	}
	literals, offsets, listed := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if literals > maxLiterals || offsets > maxOffsets {
		return f.corrupt("a block lists more symbols than there are")
	}
	var small [19]uint8
	for _, symbol := range lengthOrder[:listed] {
		v, err := f.in.Take(3)
		if err != nil {
			return err
		}
		small[symbol] = uint8(v)
	}
	var table [1 << 7]uint32
	if !buildTable(table[:], 7, small[:], allSymbols().lengths[:]) {
		return f.corrupt("the code of code lengths is not one")
	}
	var lengths [maxLiterals + maxOffsets]uint8
	if err := f.codeLengths(lengths[:literals+offsets], &table); err != nil {
		return err
	}
	if lengths[endOfBlock] == 0 {
		return f.corrupt("a block has no code for its end")
	}
	symbols := allSymbols()
	if !buildTable(f.own.literals[:], literalBits, lengths[:literals], symbols.literals[:]) ||
		!buildTable(f.own.offsets[:], offsetBits, lengths[literals:literals+offsets], symbols.offsets[:]) {
		return f.corrupt("the code of a block is not one")
	}
	f.literals, f.offsets = &f.own.literals, &f.own.offsets
	return nil
}

// codeLengths reads the lengths of a block's codes, in which runs are packed.
func (f *Inflater) codeLengths(lengths []uint8, table *[1 << 7]uint32) error {
	for i := 0; i < len(lengths); {
		symbol, err := f.symbol(table)
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		value, base, extra := uint8(0), 3, uint(3)
		switch symbol {
		case 16:
			if i == 0 {
				return f.corrupt("a code length is to be repeated before the first")
			}
			value, extra = lengths[i-1], 2
		case 18:
			base, extra = 11, 7
		}
		more, err := f.in.Take(extra)
		if err != nil {
			return err
		}
		end := i + base + int(more)
		if end > len(lengths) {
			return f.corrupt("a block lists more code lengths than it says")
		}
		for ; i < end; i++ {
			lengths[i] = value
		}
	}
	return nil
}

// symbol reads a symbol of the code of code lengths.
func (f *Inflater) symbol(table *[1 << 7]uint32) (uint32, error) {
	v, err := f.in.Take(7)
	if err != nil {
		return 0, err
	}
	e := table[v]
	if e&noCode != 0 {
		return 0, f.corrupt(faultCode)
	}
	f.in.back(v, 7, uint(e&15))
	return e >> 16, nil
}
