package launch_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/launch"
)

func example() launch.Config {
	return launch.Config{
		Caps: launch.Caps{
			Require: capset.Of(capset.NetBindService), Prefer: capset.Of(capset.NetRaw, 63), Never: capset.Of(capset.SysAdmin),
		},
		Target: "/usr/bin/server.capwise", Owner: 65532,
	}
}

func block(t testing.TB, c launch.Config) []byte {
	t.Helper()
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFormat holds the format that docs/launcher.md describes and that other
// programs may read.
func TestFormat(t *testing.T) {
	want := "\x47\x83\x56\x3a\x67\xe5\xf0\xb8\xb6\xbd\x3b\x90\xfa\x89\x48\xa7" + // marker
		"\x01\x00\x00\x00" + "\xfc\xff\x00\x00" + // version, owner
		"\x00\x04\x00\x00\x00\x00\x00\x00" + "\x00\x20\x00\x00\x00\x00\x00\x80" + "\x00\x00\x20\x00\x00\x00\x00\x00" +
		"\x17\x00\x00\x00\x00\x00\x00\x00" + "\xa1\xbb&\xb0\xbc\x1a\xba[" // length, checksum
	got := block(t, example())
	if string(got[:64]) != want || string(got[64:64+23]) != "/usr/bin/server.capwise" || len(got) != launch.BlockSize {
		t.Errorf("the block is\n%q", got[:100])
	}
	var back launch.Config
	if err := back.UnmarshalBinary(got); err != nil || back != example() {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

func TestNoConfig(t *testing.T) {
	one := capset.Of(capset.Kill)
	for name, change := range map[string]func(*launch.Config){
		"relative":      func(c *launch.Config) { c.Target = "bin/server" },
		"empty":         func(c *launch.Config) { c.Target = "" },
		"root":          func(c *launch.Config) { c.Target = "/" },
		"up":            func(c *launch.Config) { c.Target = "/usr/../tmp/x" },
		"dot":           func(c *launch.Config) { c.Target = "/usr/./x" },
		"double":        func(c *launch.Config) { c.Target = "/usr//x" },
		"folder":        func(c *launch.Config) { c.Target = "/usr/" },
		"zero":          func(c *launch.Config) { c.Target = "/usr\x00/x" },
		"long":          func(c *launch.Config) { c.Target = "/" + strings.Repeat("x", launch.MaxTarget) },
		"require twice": func(c *launch.Config) { c.Require, c.Never = one, one },
		"prefer twice":  func(c *launch.Config) { c.Prefer, c.Never = one, one },
		"both":          func(c *launch.Config) { c.Prefer, c.Require = one, one },
	} {
		c := example()
		change(&c)
		if _, err := c.MarshalBinary(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	longest := example()
	longest.Target = "/" + strings.Repeat("x", launch.MaxTarget-1)
	var back launch.Config
	if err := back.UnmarshalBinary(block(t, longest)); err != nil || back != longest {
		t.Errorf("the longest path: %v", err)
	}
}

// TestDamage changes every byte of a block.
func TestDamage(t *testing.T) {
	good := block(t, example())
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		var c launch.Config
		if err := c.UnmarshalBinary(bad); err == nil || c != (launch.Config{}) {
			t.Errorf("byte %d changed: %+v, %v", i, c, err)
		}
	}
	var c launch.Config
	if c.UnmarshalBinary(good[:len(good)-1]) == nil || c.UnmarshalBinary(nil) == nil {
		t.Error("a block that is too short is read")
	}
}

func TestStamp(t *testing.T) {
	marker := block(t, example())[:16]
	empty := append(bytes.Clone(marker), make([]byte, launch.BlockSize-16)...)
	launcher := append(append([]byte("\x7fELF before"), empty...), "after"...)
	if _, err := launch.Find(launcher); err == nil || errors.Is(err, launch.ErrNoLauncher) {
		t.Errorf("a launcher without Config: %v", err)
	}
	stamped, err := launch.Stamp(launcher, example())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := launch.Find(stamped); err != nil || c != example() {
		t.Errorf("found %+v, %v", c, err)
	}
	if !bytes.HasPrefix(stamped, launcher[:27]) || !bytes.HasSuffix(stamped, []byte("after")) || len(stamped) != len(launcher) {
		t.Error("more than the block has changed")
	}
	other := launch.Config{Target: "/x"}
	again, err := launch.Stamp(stamped, other)
	if c, findErr := launch.Find(again); err != nil || findErr != nil || c != other {
		t.Errorf("stamped again: %+v, %v, %v", c, err, findErr)
	}
	if _, err := launch.Stamp(launcher, launch.Config{}); err == nil {
		t.Error("stamped with no target")
	}
	alone := block(t, example())
	if c, err := launch.Find(alone); err != nil || c != example() {
		t.Errorf("nothing around the block: %+v, %v", c, err)
	}
	for name, program := range map[string][]byte{
		"nothing": nil, "another": []byte("\x7fELF"), "long": make([]byte, 2*launch.BlockSize), "truncated": launcher[:len(launcher)-10], "two": append(bytes.Clone(launcher), launcher...),
	} {
		if _, err := launch.Stamp(program, example()); !errors.Is(err, launch.ErrNoLauncher) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(block(f, example()))
	f.Add(block(f, launch.Config{Target: "/x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c launch.Config
		if c.UnmarshalBinary(b) != nil {
			return
		}
		if again := block(t, c); !bytes.Equal(again, b) {
			t.Errorf("%q is read as %+v, which is %q", b, c, again)
		}
	})
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte("x"), "/usr/bin/x", uint64(1), uint64(2), uint64(4), uint32(0))
	f.Fuzz(func(t *testing.T, around []byte, target string, require, prefer, never uint64, owner uint32) {
		c := launch.Config{Caps: launch.Caps{Require: capset.Set(require), Prefer: capset.Set(prefer), Never: capset.Set(never)}, Target: target, Owner: owner}
		launcher := append(append(bytes.Clone(around), block(t, example())...), around...)
		stamped, err := launch.Stamp(launcher, c)
		if err != nil {
			return
		}
		if got, err := launch.Find(stamped); err != nil || got != c {
			t.Errorf("stamped %+v, found %+v, %v", c, got, err)
		}
	})
}
