package law_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/law"
)

func TestKernelOf(t *testing.T) {
	for release, want := range map[string]struct {
		rule law.SetIDRule
		sure bool
	}{
		"5.10.223":        {law.SetIDByReal, true},
		"6.1.0-49-amd64":  {law.SetIDByReal, true},
		"6.12.117":        {law.SetIDByReal, true},
		"6.15":            {law.SetIDByEffective, false},
		"6.18.44-fc-v769": {law.SetIDByEffective, true},
		"6.19":            {law.SetIDByEffective, true},
		"6.20.1":          {law.SetIDByEffective, true},
		"6.18rc1":         {law.SetIDByEffective, true},
		"7.3":             {law.SetIDByEffective, true},
	} {
		k, sure, err := law.KernelOf(release)
		if k.SetID != want.rule || sure != want.sure || err != nil {
			t.Errorf("%s: got %v, %t, %v; want %v", release, k.SetID, sure, err, want)
		}
	}
	for _, release := range []string{"", "6", "six.one", "6.x", "x.6"} {
		if _, _, err := law.KernelOf(release); err == nil || !strings.Contains(err.Error(), `"`+release+`"`) {
			t.Errorf("%q: got %v, want an error that names it", release, err)
		}
	}
}
