package law_test

import (
	"testing"

	"github.com/capwise/capwise/law"
)

// FuzzKernelOf holds that any release is understood or named in an error.
func FuzzKernelOf(f *testing.F) {
	for _, release := range []string{"6.1.0-49-amd64", "6.12", "6.18.44", "5", "", "x.y", "6.99999999999999999999"} {
		f.Add(release)
	}
	f.Fuzz(func(t *testing.T, release string) {
		if _, sure, err := law.KernelOf(release); err != nil && sure {
			t.Errorf("%q: sure, and %v", release, err)
		}
	})
}
