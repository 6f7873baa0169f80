package scan_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scan"
	"github.com/capwise/capwise/scenario"
)

// walk returns what a walk finds and what it cannot read.
func walk(t *testing.T, root string, oneFileSystem bool) (found map[string][]byte, failed []string, files int64) {
	t.Helper()
	found = map[string][]byte{}
	tree := scan.Tree{
		OneFileSystem: oneFileSystem, Workers: 3,
		Found: func(f *held.File) {
			attribute, err := f.Attribute()
			if err != nil {
				t.Error(err)
			}
			found[strings.TrimPrefix(f.Path, root+"/")] = attribute
		},
		Failed: func(path string, err error) {
			failed = append(failed, fmt.Sprintf("%s: %v", strings.TrimPrefix(path, root+"/"), err))
		},
	}
	if err := tree.Walk(root); err != nil {
		t.Fatal(err)
	}
	return found, failed, tree.Files.Load()
}

func write(t *testing.T, path, caps string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if caps != "" {
		setcap(t, path, caps)
	}
}

func setcap(t *testing.T, path, caps string) {
	t.Helper()
	c, err := filecap.FromText(caps)
	if err != nil {
		t.Fatal(err)
	}
	if err := filecap.Set(path, c); err != nil {
		t.Fatal(err)
	}
}

// TestTree walks over everything that a tree can hold besides files.
func TestTree(t *testing.T) {
	need.Root(t)
	root := t.TempDir()
	want := []string{}
	for i := range 50 { // enough directories for all workers
		dir := fmt.Sprintf("d%d/e/f", i%10)
		name := fmt.Sprintf("%s/file%d", dir, i)
		caps := ""
		if i%7 == 0 {
			caps = "cap_net_bind_service=ep"
			want = append(want, name)
		}
		write(t, filepath.Join(root, name), caps)
	}
	write(t, filepath.Join(root, "hard"), "cap_net_raw=p")
	for _, err := range []error{
		os.Link(filepath.Join(root, "hard"), filepath.Join(root, "d1/link")),
		os.Symlink("hard", filepath.Join(root, "soft")),
		os.Symlink("..", filepath.Join(root, "d2/loop")),
		os.Symlink("nowhere", filepath.Join(root, "d2/broken")),
		syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644),
		syscall.Mknod(filepath.Join(root, "device"), syscall.S_IFCHR|0o644, 1<<8|3),
		os.Mkdir(filepath.Join(root, "empty"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, "hard", "d1/link")
	found, failed, files := walk(t, root, false)
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) || len(failed) != 0 || files != 52 {
		t.Errorf("found %q in %d files, failed %q; want %q in 52", names, files, failed, want)
	}
	if c, err := filecap.Parse(found["hard"]); err != nil || c.String() != "cap_net_raw=p" {
		t.Errorf("the attribute of hard is %v, %v", c, err)
	}
}

// TestMounts holds that the walk stays out of /proc, and of other file systems
// if asked.
func TestMounts(t *testing.T) {
	need.Root(t)
	root := t.TempDir()
	for _, m := range []struct{ dir, fs string }{{"proc", "proc"}, {"tmp", "tmpfs"}} {
		dir := filepath.Join(root, m.dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("capwise", dir, m.fs, 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil { // after Walk, nothing is in use
				t.Error(err, syscall.Unmount(dir, syscall.MNT_DETACH))
			}
		})
	}
	write(t, filepath.Join(root, "tmp/file"), "cap_net_raw=p")
	if found, failed, files := walk(t, root, false); len(found) != 1 || len(failed) != 0 || files != 1 {
		t.Errorf("found %v in %d files, failed %q; want tmp/file alone", found, files, failed)
	}
	if found, failed, files := walk(t, root, true); len(found)+len(failed) != 0 || files != 0 {
		t.Errorf("one file system: found %v in %d files, failed %q; want nothing", found, files, failed)
	}
}

func TestWalkErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, root := range []string{file, file + "/no", "/nowhere"} {
		var tree scan.Tree
		if err := tree.Walk(root); err == nil || !strings.Contains(err.Error(), root+": ") {
			t.Errorf("%s: %v, want an error that names it", root, err)
		}
	}
	var tree scan.Tree
	if err := tree.Walk("/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// TestClassify holds the classes that do not depend on the program, for which
// package aware has its own tests.
func TestClassify(t *testing.T) {
	raw := func(caps filecap.Caps) []byte {
		b, err := caps.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bind := capset.Of(capset.NetBindService)
	for name, tc := range map[string]struct {
		attribute []byte
		want      scan.Class
	}{
		"malformed": {[]byte{1, 2, 3}, scan.Malformed},
		"foreign":   {raw(filecap.Caps{Revision: filecap.V3, RootID: 7, Permitted: bind}), scan.Foreign},
		"empty":     {raw(filecap.Caps{Revision: filecap.V2}), scan.Empty},
		"behind":    {raw(filecap.Caps{Revision: filecap.V2, Inheritable: bind, Effective: true}), scan.Aware},
		"script":    {raw(filecap.Caps{Revision: filecap.V2, Permitted: bind}), scan.Ignored},
	} {
		f, err := scan.Classify(tc.attribute, bytes.NewReader([]byte("#!/bin/sh\n")))
		if err != nil || f.Class != tc.want || f.Evidence == "" {
			t.Errorf("%s: %+v, %v; want %s", name, f, err, tc.want)
		}
	}
}

// TestPairs holds what is said of a launcher and its program, which are classified by
// each other.
func TestPairs(t *testing.T) {
	need.Root(t)
	program := kerneltest.Launchers(t)[runtime.GOARCH]
	for name, tc := range map[string]struct {
		by                 launch.Means
		launcher, behind   string // "-" for no file
		class              scan.Class
		says, saysOfBehind string
	}{
		"in order":         {launch.File, "cap_net_raw=p", "cap_net_raw=ei", scan.Aware, "the launcher of capwise for /", "started by server, the launcher"},
		"ambient":          {launch.Ambient, "cap_net_raw=p", "", scan.Aware, "the launcher of capwise for /", ""},
		"gone":             {launch.File, "cap_net_raw=p", "-", scan.Broken, "its program is not there", ""},
		"written to":       {launch.File, "cap_net_raw=p", "", scan.Broken, "was written to, or replaced", ""},
		"half put there":   {launch.File, "cap_net_raw=p", "cap_net_raw=ep", scan.Broken, "its program carries cap_net_raw=ep", ""},
		"setcap +ep":       {launch.File, "cap_net_raw=ep", "cap_net_raw=ei", scan.Broken, "the effective bit keeps it from starting", "started by server"},
		"launcher is gone": {launch.File, "-", "cap_net_raw=ei", "", "", "left from a launcher that is gone"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "server")
		if tc.launcher != "-" {
			write(t, path, "")
			c := launch.Config{Caps: launch.Caps{Prefer: capset.Of(capset.NetRaw)}, Target: path + launch.TargetSuffix, By: tc.by}
			stamped, err := launch.Stamp(program, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, stamped, 0o755); err != nil {
				t.Fatal(err)
			}
			setcap(t, path, tc.launcher)
		}
		if tc.behind != "-" {
			write(t, path+launch.TargetSuffix, tc.behind)
		}
		tree := scan.Tree{Failed: func(path string, err error) { t.Error(path, err) }, Found: func(f *held.File) {
			found, err := scan.ClassifyFile(f)
			want, says := tc.class, tc.says
			if strings.HasSuffix(f.Path, launch.TargetSuffix) {
				if want, says = scan.Aware, tc.saysOfBehind; says == "" {
					return
				}
			}
			if err != nil || found.Class != want || !strings.Contains(found.Evidence, says) {
				t.Errorf("%s: %+v, %v; want %s, %q", name, found, err, want, says)
			}
		}}
		if err := tree.Walk(dir); err != nil {
			t.Error(err)
		}
	}
}

// TestClassifyStart holds what is said about an image as a whole.
func TestClassifyStart(t *testing.T) {
	bind := law.File{Caps: filecap.Caps{Revision: filecap.V2, Permitted: capset.Of(capset.NetBindService)}}
	low := []scenario.Listen{{Network: "tcp", Address: ":80", Port: 80}}
	start := func(uid uint32, listens []scenario.Listen, chain ...scenario.Step) *scenario.Start {
		return &scenario.Start{Settings: scenario.Settings{UID: uid}, Listens: listens, Program: scenario.Program{Chain: chain}}
	}
	for name, tc := range map[string]struct {
		start   *scenario.Start
		class   scan.Class
		warning string
		ok      bool
	}{
		"lost":      {start(7, low, scenario.Step{Path: "/web"}), scan.Lost, "", true},
		"root":      {start(0, low, scenario.Step{Path: "/web"}), "", "", false},
		"high port": {start(7, []scenario.Listen{{Port: 8080}}, scenario.Step{Path: "/web"}), "", "", false},
		"carries":   {start(7, low, scenario.Step{Path: "/web", File: bind}), "", "", false},
		"wrapped":   {start(7, low, scenario.Step{Path: "/tini"}, scenario.Step{Path: "/web", File: bind}), "", "started by /tini", true},
		"nothing":   {start(7, low), "", "", false},
	} {
		f, ok := scan.ClassifyStart(tc.start)
		if ok != tc.ok || f.Class != tc.class || !strings.HasPrefix(f.Warning, tc.warning) {
			t.Errorf("%s: %+v, %t", name, f, ok)
		}
	}
}
