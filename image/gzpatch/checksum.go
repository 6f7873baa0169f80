package gzpatch

import "hash/crc32"

// checksum computes the CRC-32 and length of a member's new content from those
// of the old: the parts that were copied are not looked at.
type checksum struct {
	m        member
	begun    bool
	old, new uint32 // up to at
	at       int64
	length   int64 // of the new content up to at
}

func (s *checksum) add(r *region) {
	if !s.begun {
		s.begun, s.old, s.new = true, r.crc, r.crc
		s.at, s.length = r.content.begin, r.content.begin-s.m.begin
	}
	// What lies between two regions is in the CRC before the second.
	s.between(r.crc, r.content.begin)
	s.old = crc32.Update(s.old, crc32.IEEETable, r.old)
	s.new = crc32.Update(s.new, crc32.IEEETable, r.text)
	s.length += int64(len(r.text))
	s.at = r.content.end
}

// between adds the content up to end, where the old CRC is as given.
func (s *checksum) between(old uint32, end int64) {
	n := end - s.at
	part := old ^ crcShift(s.old, n)
	s.old, s.new = old, crcShift(s.new, n)^part
	s.at = end
	s.length += n
}

func (s *checksum) trailer() []byte {
	s.between(s.m.crc, s.m.end)
	out := make([]byte, 8)
	for i := range 4 {
		out[i] = byte(s.new >> (8 * i))
		out[4+i] = byte(s.length >> (8 * i))
	}
	return out
}

// crcShift returns what remains of a CRC-32 when length bytes follow: it is
// multiplied by x to the power of 8*length, modulo the polynomial. The CRC of
// two texts is that of the first, shifted by the length of the second, xor that
// of the second.
func crcShift(crc uint32, length int64) uint32 {
	power := uint32(1) << 31        // 1, the highest coefficient in the lowest bit
	square := uint32(1) << (31 - 8) // x to the power of 8
	for ; length > 0; length >>= 1 {
		if length&1 != 0 {
			power = crcMultiply(power, square)
		}
		square = crcMultiply(square, square)
	}
	return crcMultiply(crc, power)
}

func crcMultiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}
