package layer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/internal/limit"
)

// TestTogether holds that the limits are for all layers of a reader, those with them
// that a cache knows.
func TestTogether(t *testing.T) {
	most := limit.Limit{Most: 250, What: "names in a test"}
	long := strings.Repeat("/"+strings.Repeat("x", 200), 19)
	for name, c := range map[string]struct {
		files func(layer int) []file
		most  limit.Limit
		above limit.Limit
		fits  int // layers
	}{
		"names": {func(layer int) []file {
			var out []file
			for n := range 100 {
				out = append(out, file{name: fmt.Sprintf("%d-%d", layer, n)})
			}
			return out
		}, most, most, 2},
		"links": {func(layer int) []file {
			var out []file
			for n := range 4000 {
				out = append(out, file{name: fmt.Sprintf("%d-%d", layer, n), hard: long})
			}
			return out
		}, limit.Entries, limit.Kept, 2},
	} {
		cache := newCache(t)
		for _, how := range []string{"read", "known"} {
			reader := NewReader(cache, nil, c.most)
			for layer := range c.fits + 1 {
				if how == "known" { // the last one was never kept
					layer = layer % c.fits
				}
				b := keyed(packed(t, compression.Gzip, archive(t, c.files(layer)...)), asFile)
				l, err := reader.Facts(b)
				if err == nil {
					_ = l.Close()
				}
			}
			_, err := reader.Facts(keyed(packed(t, compression.Gzip, archive(t, c.files(0)...)), asFile))
			var above *limit.Error
			if !errors.As(err, &above) && !errors.Is(err, ErrStopped) || above != nil && above.Limit != c.above {
				t.Errorf("%s, %s: got %v", name, how, err)
			}
			if !reader.failed.Load() {
				t.Errorf("%s, %s: the other layers are read on", name, how)
			}
		}
	}
}
