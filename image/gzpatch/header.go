package gzpatch

import (
	"fmt"
	"hash/crc32"

	"github.com/capwise/capwise/image/internal/deflate"
)

// Flags of a member's header (RFC 1952, 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 0xe0
)

// trailerSize is how many bytes stand behind a member's content: its CRC-32 and length.
const trailerSize = 8

// skipHeader passes over the header of a member.
func skipHeader(in *deflate.Input) error {
	at := in.Position() / 8
	var head [10]byte
	for i := range head {
		b, err := in.Byte()
		if err != nil {
			return err
		}
		head[i] = b
	}
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3]&flagsReserved != 0 {
		return fmt.Errorf("%w: byte %d: no gzip header", ErrFormat, at)
	}
	flags := head[3]
	if flags&flagExtra != 0 {
		if err := skipExtra(in); err != nil {
			return err
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag == 0 {
			continue
		}
		if err := skipText(in); err != nil {
			return err
		}
	}
	if flags&flagHeaderCRC != 0 {
		return checkHeader(in, at)
	}
	return nil
}

// checkHeader reads the CRC of a header that begins at the given byte. Few
// decoders look at it; those of Go do.
func checkHeader(in *deflate.Input, at int64) error {
	header := make([]byte, in.Position()/8-at)
	if _, err := in.Source().ReadAt(header, at); err != nil {
		return err
	}
	want := uint16(crc32.ChecksumIEEE(header))
	for _, half := range []byte{byte(want), byte(want >> 8)} {
		b, err := in.Byte()
		if err != nil {
			return err
		}
		if b != half {
			return fmt.Errorf("%w: byte %d: wrong CRC of the gzip header", ErrFormat, at)
		}
	}
	return nil
}

// skipExtra passes over the field for extensions.
func skipExtra(in *deflate.Input) error {
	low, err := in.Byte()
	if err != nil {
		return err
	}
	high, err := in.Byte()
	if err != nil {
		return err
	}
	return in.Skip(int(low) | int(high)<<8)
}

// maxText is how long a name or comment may be, with its zero byte: as long as
// compress/gzip takes.
const maxText = 512

// skipText passes over a name or comment.
func skipText(in *deflate.Input) error {
	for range maxText {
		b, err := in.Byte()
		if err != nil || b == 0 {
			return err
		}
	}
	return fmt.Errorf("%w: byte %d: a name or comment of more than %d bytes", ErrFormat, in.Position()/8, maxText)
}
