package sys_test

import (
	"testing"

	"github.com/capwise/capwise/internal/sys"
)

// FuzzNextDirent holds that whatever getdents64(2) returns, entries come to an
// end, within the buffer.
func FuzzNextDirent(f *testing.F) {
	entry := append(make([]byte, 16), 24, 0, 8, 'a', 0, 0, 0, 0)
	f.Add(entry)
	f.Add(append(entry, entry...))
	f.Add(entry[:20])
	f.Fuzz(func(t *testing.T, buf []byte) {
		for len(buf) > 0 {
			d, rest, err := sys.NextDirent(buf)
			if err != nil {
				return
			}
			if len(rest) >= len(buf) || len(d.Name) == 0 || d.Name[len(d.Name)-1] != 0 {
				t.Fatalf("%d bytes: the name %q, and %d bytes left", len(buf), d.Name, len(rest))
			}
			buf = rest
		}
	})
}
