package facts

import (
	"fmt"
	"testing"
)

// TestLinksLinear holds that hard links from layer to layer cost what they are many:
// each leads to one in the layer below, down to the lowest.
func TestLinksLinear(t *testing.T) {
	const many = 50
	made := func(layers int) float64 {
		var all []*Layer
		for l := range layers {
			var items []*Item
			for i := range many {
				item := &Item{Path: fmt.Sprintf("/%d-%d", l, i), Mode: 0o755}
				if l > 0 {
					item.Hard = fmt.Sprintf("/%d-%d", l-1, i)
				}
				items = append(items, item)
			}
			all = append(all, layerOf(t, items...))
		}
		return testing.AllocsPerRun(1, func() {
			if _, err := NewStack(all...); err != nil {
				t.Error(err)
			}
		})
	}
	if one, two := made(40), made(80); two > 2.5*one+many {
		t.Errorf("40 layers make %.0f allocations, 80 make %.0f", one, two)
	}
}

// TestUnload gives facts up, and reads them again.
func TestUnload(t *testing.T) {
	l := layerOf(t, &Item{Path: "/bin/a", Mode: 0o755, Attribute: []byte(effective)})
	kept := l.Kept()
	l.Unload()
	if l.Len() != 0 {
		t.Errorf("%d names are left", l.Len())
	}
	for range 2 {
		if err := l.Reload(); err != nil || !l.Has("/bin/a") || len(l.Capable()) != 1 || l.Kept() != kept {
			t.Errorf("%v, %+v", err, l.Capable())
		}
	}
}
