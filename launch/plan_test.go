package launch

import (
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/capset"
)

// TestPlanFile holds what a launcher makes of its sets for a target whose own file
// gives it what is inheritable.
func TestPlanFile(t *testing.T) {
	const one, two, three = capset.Set(1), capset.Set(2), capset.Set(4)
	for name, tc := range map[string]struct {
		caps Caps
		from state
		want sets
	}{
		"nothing permitted":    {Caps{Prefer: one}, state{bounding: one}, sets{}},
		"not to be had":        {Caps{Prefer: one}, state{sets: sets{permitted: one, effective: one}}, sets{permitted: one, effective: one}},
		"starter had it":       {Caps{Prefer: one}, state{sets: sets{permitted: one}, bounding: one}, sets{permitted: one, inheritable: one}},
		"inheritable already":  {Caps{Prefer: one}, state{sets: sets{permitted: one, inheritable: one}}, sets{permitted: one, inheritable: one}},
		"others inheritable":   {Caps{Prefer: one}, state{sets: sets{permitted: one, inheritable: two}, bounding: one}, sets{permitted: one, inheritable: one | two}},
		"file gave it":         {Caps{Prefer: one}, state{sets: sets{permitted: one | two, effective: one}, bounding: one, protected: true}, sets{permitted: two, inheritable: one}},
		"file, no_new_privs":   {Caps{Prefer: one}, state{sets: sets{permitted: one}, bounding: one, protected: true, noNewPrivs: true}, sets{permitted: one, inheritable: one}},
		"file, ambient":        {Caps{Prefer: one}, state{sets: sets{permitted: one, inheritable: one, ambient: one}, bounding: one, protected: true}, sets{inheritable: one}},
		"never":                {Caps{Never: two}, state{sets: sets{permitted: one | two, effective: one | two, inheritable: two | three, ambient: two}}, sets{permitted: one, effective: one, inheritable: three}},
		"preferred and never":  {Caps{Prefer: one, Never: two}, state{sets: sets{permitted: one | two, ambient: one, inheritable: one}, bounding: one}, sets{permitted: one, inheritable: one, ambient: one}},
		"only what is wanted":  {Caps{Prefer: one}, state{sets: sets{permitted: one | two}, bounding: one | two}, sets{permitted: one | two, inheritable: one}},
		"effective, not given": {Caps{Prefer: one}, state{sets: sets{permitted: two, effective: two}, bounding: one | two, protected: true}, sets{permitted: two, effective: two}},
	} {
		if got := tc.caps.planFile(tc.from); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

// TestGives holds that only what is new in the ambient or inheritable set counts.
func TestGives(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after sets
		want          bool
	}{
		"nothing":     {sets{permitted: 1}, sets{permitted: 1}, false},
		"ambient":     {sets{}, sets{ambient: 1}, true},
		"inheritable": {sets{}, sets{inheritable: 1}, true},
		"as before":   {sets{ambient: 1, inheritable: 1}, sets{ambient: 1, inheritable: 1}, false},
		"less":        {sets{ambient: 3, inheritable: 3}, sets{ambient: 1, inheritable: 1}, false},
	} {
		if got := tc.after.gives(tc.before); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// TestReadBlock holds what of a block is read, and that each byte that should be
// otherwise is found, also where the checksum is right.
func TestReadBlock(t *testing.T) {
	c := Config{Caps: Caps{Prefer: 1}, Target: "/bin/x", Owner: 7, By: File}
	block, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var read Config
	if err := read.UnmarshalBinary(block); err != nil || read != c {
		t.Errorf("got %+v, %v, want %+v", read, err, c)
	}
	for name, tc := range map[string]struct {
		change func([]byte)
		says   string
	}{
		"a marker":  {func(b []byte) { b[0] ^= 1 }, errMarker.Error()},
		"a version": {func(b []byte) { b[atVersion]++ }, errDamaged.Error()},
		"a length":  {func(b []byte) { put(b, atLength, 2, MaxTarget+1) }, errDamaged.Error()},
		"a means":   {func(b []byte) { b[atMeans] = byte(File) + 1 }, errDamaged.Error()},
		"a require": {func(b []byte) { put(b, atRequire, 8, 2) }, errDamaged.Error()},
		"a gap":     {func(b []byte) { b[atLength+4] = 1 }, errDamaged.Error()},
		"the rest":  {func(b []byte) { b[BlockSize-1] = 1 }, errDamaged.Error()},
	} {
		damaged := append([]byte(nil), block...)
		tc.change(damaged)
		put(damaged, atChecksum, 8, checksum(damaged))
		if err := read.UnmarshalBinary(damaged); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %q", name, err, tc.says)
		}
	}
	block[atOwner] ^= 1
	if err := read.UnmarshalBinary(block); err == nil {
		t.Error("a checksum that is wrong is taken")
	}
}

// TestNotExecuted holds which exit code a target that does not start has.
func TestNotExecuted(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{
		syscall.ENOENT: ExitNotFound, syscall.ENOTDIR: ExitNotFound, syscall.EACCES: ExitCannot, syscall.EPERM: ExitCannot,
	} {
		err := notExecuted("/x", errno)
		if err.Code != want || strings.Contains(err.Error(), "+ep") != (errno == syscall.EPERM) {
			t.Errorf("%v: got %d, %v", errno, err.Code, err)
		}
	}
}
