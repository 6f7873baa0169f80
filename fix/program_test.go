package fix_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/fix"
)

// TestArch holds which launcher a program gets, by the machine, the class and the
// byte order in its header; x32 and big-endian variants get none.
func TestArch(t *testing.T) {
	for _, tc := range []struct{ class, order, machine, want string }{
		{"\x02", "\x01", "\x3e\x00", "amd64"},
		{"\x02", "\x01", "\xb7\x00", "arm64"},
		{"\x01", "\x01", "\x28\x00", "arm"},
		{"\x02", "\x01", "\xf3\x00", "riscv64"},
		{"\x02", "\x02", "\x00\x16", "s390x"},
		{"\x02", "\x01", "\x15\x00", "ppc64le"},
		{"\x02", "\x02", "\x00\x15", ""},
		{"\x01", "\x01", "\x3e\x00", ""},
		{"\x01", "\x01", "\xf3\x00", ""},
		{"\x01", "\x02", "\x00\x28", ""},
		{"\x01", "\x01", "\x03\x00", ""},
	} {
		header := "\x7fELF" + tc.class + tc.order + "\x01" + strings.Repeat("\x00", 9) + "\x02\x00" + tc.machine
		got, err := fix.Arch(strings.NewReader(header + "rest"))
		if got != tc.want || (err == nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), "no launcher for EM_") {
			t.Errorf("%q: %q, %v; want %q", header, got, err, tc.want)
		}
	}
	for _, text := range []string{"", "\x7fELF", "#!/bin/sh\n# which is long enough for a header"} {
		if _, err := fix.Arch(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "not an ELF program") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
