package fix

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/capset"
	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/scan"
)

// fakeLauncher is no program, but as large as one, as hard to compress, and with
// an empty configuration in it (docs/launcher.md has the marker).
func fakeLauncher(arch string) ([]byte, error) { return launcherOf(arch, 1_300_000) }

func launcherOf(arch string, size int) ([]byte, error) {
	r := rand.New(rand.NewPCG(uint64(len(arch)), uint64(arch[0])))
	out := append([]byte("\x7fELF launcher for "+arch), make([]byte, size)...)
	for i := 64; i < len(out); i++ {
		out[i] = byte(r.IntN(1 << (1 + i>>10&7)))
	}
	block := append([]byte("\x47\x83\x56\x3a\x67\xe5\xf0\xb8\xb6\xbd\x3b\x90\xfa\x89\x48\xa7"), make([]byte, launch.BlockSize-16)...)
	copy(out[size/3:], block)
	return out, nil
}

// launcherOptions let the user 7 have the capability, who owns one of the programs.
func launcherOptions() Options {
	return Options{Mode: Launcher, Launcher: fakeLauncher, Owners: filefix.MayHaveIt}
}

// programs are a base and an application with two programs; between and behind
// them are others that stay.
func programs(t testing.TB) [][]byte {
	return [][]byte{
		tarOf(
			t, fileSpec{name: "./"}, fileSpec{name: "usr/"}, fileSpec{name: "usr/bin/", uid: 7}, fileSpec{name: "usr/bin/lib", size: 300_000},
			fileSpec{name: "tmp/", mode: 0o1777}, fileSpec{name: "tmp/old", caps: effectiveCaps, elf: "amd64", size: 60_000},
		),
		tarOf(
			t, fileSpec{name: "etc/hostname", size: 90_000},
			fileSpec{
				name: "usr/bin/app", caps: effectiveCaps, elf: "amd64", size: 900_001, uid: 7, mode: 0o750,
				records: map[string]string{"SCHILY.xattr.user.x": "y", "mtime": "1.5"},
			},
			fileSpec{name: "opt/bsd", libarchive: effectiveCaps, elf: "arm64", size: 70_000},
			fileSpec{name: "usr/bin/lib", size: 200_000}, fileSpec{name: "tmp/.wh.old"},
		),
	}
}

// item is an entry as archive/tar reads it.
type item struct {
	*tar.Header
	content []byte
}

func items(t *testing.T, archive []byte) (list []item, byName map[string]item) {
	t.Helper()
	byName = map[string]item{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, byName
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, item{h, content})
		byName[h.Name] = item{h, content}
	}
}

// TestLauncher puts launchers into images of all kinds: every digest is right, what
// need not change is the same, a dry run foretells it, in place is the same as
// elsewhere, and a second run changes nothing.
func TestLauncher(t *testing.T) {
	for _, c := range []compression{plain, gzipped, zstded} {
		layout, docker := newFixture(t), newFixture(t)
		layout.layout(layout.image("amd64", c, programs(t)...))
		docker.docker(c, programs(t)...)
		for kind, f := range map[string]*fixture{"oci": layout, "oci-archive": layout, "docker-archive": docker} {
			t.Run(kind+" "+string(c), func(t *testing.T) {
				target, out := f.write(kind), kind+":"+filepath.Join(t.TempDir(), "out")
				before := contents(t, target)
				checkDigests(t, before)
				o := launcherOptions()
				o.Out, o.DryRun = out, true
				dry, err := Run(target, o)
				if err != nil {
					t.Fatal(err)
				}
				o.DryRun = false
				report, err := Run(target, o)
				if err != nil {
					t.Fatal(err)
				}
				if told, did := asJSON(t, dry.Blobs, dry.Files), asJSON(t, report.Blobs, report.Files); told != did {
					t.Errorf("predicted %s, did %s", told, did)
				}
				after := contents(t, out)
				now := checkDigests(t, after)
				if len(now) != 2 || !bytes.Equal(now[0], programs(t)[0]) {
					t.Error("another layer is changed")
				}
				checkLaunchers(t, programs(t)[1], now[1], report)
				checkKept(t, before, after, report)
				if again, err := Run(out, launcherOptions()); err != nil || len(again.Files) > 0 || len(again.Blobs) > 0 {
					t.Errorf("a second run: %+v, %v", again, err)
				}
				if _, err := Run(target, launcherOptions()); err != nil {
					t.Fatal(err)
				}
				sameFiles(t, after, contents(t, target))
			})
		}
	}
}

func asJSON(t *testing.T, values ...any) string {
	t.Helper()
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkLaunchers holds that the archive is the old one with two launchers.
func checkLaunchers(t *testing.T, before, after []byte, r *Report) {
	t.Helper()
	old, was := items(t, before)
	now, is := items(t, after)
	if len(now) != len(old)+2 || len(r.Files) != 2 {
		t.Fatalf("%d entries became %d; %+v", len(old), len(now), r.Files)
	}
	for name, o := range was {
		n := is[name]
		if name != "usr/bin/app" && name != "opt/bsd" {
			if fmt.Sprint(o.Header) != fmt.Sprint(n.Header) || !bytes.Equal(o.content, n.content) {
				t.Errorf("%s: was %+v, is %+v", name, o.Header, n.Header)
			}
			continue
		}
		moved := is[name+".capwise"]
		if !bytes.Equal(o.content, moved.content) || moved.PAXRecords["SCHILY.xattr.user.x"] != o.PAXRecords["SCHILY.xattr.user.x"] || moved.PAXRecords[schily] != inheritableCaps || moved.PAXRecords[libarchive] != "" {
			t.Errorf("%s.capwise is not the program: %+v", name, moved.Header)
		}
		if n.PAXRecords[schily] != permittedCaps || n.PAXRecords[libarchive]+n.PAXRecords["SCHILY.xattr.user.x"] != "" {
			t.Errorf("the launcher %s carries %q", name, n.PAXRecords)
		}
		for _, h := range []*tar.Header{n.Header, moved.Header} {
			if h.Mode != o.Mode || h.Uid != o.Uid || !h.ModTime.Equal(o.ModTime) || h.Typeflag != o.Typeflag {
				t.Errorf("%s: was %+v, is %+v", h.Name, o.Header, h)
			}
		}
		c, err := launch.Find(n.content)
		want := launch.Config{Caps: launch.Caps{Prefer: capset.Of(capset.NetBindService)}, Target: "/" + name + ".capwise", Owner: uint32(o.Uid), By: launch.File}
		if err != nil || c != want {
			t.Errorf("%s is a launcher with %+v, %v; want %+v", name, c, err, want)
		}
	}
	for i, arch := range []string{"amd64", "arm64"} {
		if f := r.Files[i]; f.Action != Launcher || f.Arch != arch || f.Target != f.Path+".capwise" || !strings.HasSuffix(f.New, "=p on a launcher") {
			t.Errorf("reported is %+v", f)
		}
	}
}

// TestLauncherPatched holds that a gzip layer is "patched": what is encoded again is
// the launcher and the blocks around, and little is added besides it.
func TestLauncherPatched(t *testing.T) {
	archive := tarOf(t,
		fileSpec{name: "before", size: 1_000_000},
		fileSpec{name: "app", caps: effectiveCaps, elf: "s390x", size: 1_000_000}, fileSpec{name: "behind", size: 1_000_000})
	f := newFixture(t)
	f.layout(f.image("s390x", gzipped, archive))
	r, err := Run(f.write("oci"), launcherOptions())
	if err != nil {
		t.Fatal(err)
	}
	launcher, _ := fakeLauncher("s390x")
	b, alone := r.Blobs[0], len(compress(t, gzipped, launcher))
	if b.How != "patched" || b.Encoded > int64(len(launcher))+300_000 || b.NewSize-b.OldSize > int64(alone)+8000 {
		t.Errorf("%+v, where a launcher has %d bytes, and %d compressed", b, len(launcher), alone)
	}
}

// TestLauncherAuto holds that each file gets what is chosen for it, whose content
// the chooser sees.
func TestLauncherAuto(t *testing.T) {
	for _, c := range []compression{plain, gzipped, zstded} {
		f := newFixture(t)
		f.docker(c, layersForTest(t)...)
		var mu sync.Mutex
		seenContent := map[string]string{}
		choices := map[string]Mode{"/usr/bin/bsd": Launcher, "/bin/kept": Strip, "/usr/bin/app": Keep, "/usr/bin/link": Keep, "/usr/bin/foreign": Keep}
		o := Options{Mode: Auto, Launcher: fakeLauncher, Owners: filefix.MayHaveIt, Files: nil, Choose: func(path string, attribute []byte, program scan.Program) (Mode, error) {
			is, err := program()
			mu.Lock()
			defer mu.Unlock()
			seenContent[path] = string(attribute) + is.Evidence
			if m := choices[path]; m != "" {
				return m, err
			}
			return Permitted, err
		}}
		target := f.write("docker-archive")
		if _, err := Run(target, o); err == nil || !strings.Contains(err.Error(), "/usr/bin/bsd: no launcher can be put before it: not an ELF program") {
			t.Errorf("%s: no ELF program: %v", c, err)
		}
		delete(choices, "/usr/bin/bsd")
		r, err := Run(target, o)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Mode{}
		for _, f := range r.Files {
			got[f.Path] = f.Action
		}
		want := map[string]Mode{"/bin/kept": Strip, "/gone/a": Permitted, "/usr/bin/both": Permitted, "/usr/bin/bsd": Permitted}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c, got, want)
		}
		if len(seenContent) != 8 || !strings.HasPrefix(seenContent["/usr/bin/link"], effectiveCaps) {
			t.Errorf("%s: asked for %q", c, seenContent)
		}
	}
}

// TestLauncherRefuses holds before what no launcher is put, and that nothing has
// changed then.
func TestLauncherRefuses(t *testing.T) {
	app := fileSpec{name: "usr/bin/app", caps: effectiveCaps, elf: "amd64", size: 4000}
	with := func(change func(*fileSpec)) fileSpec {
		changed := app
		change(&changed)
		return changed
	}
	for says, layers := range map[string][][]fileSpec{
		"not an ELF program, so a launcher cannot start it":          {{with(func(f *fileSpec) { f.elf = "" })}},
		"there is no launcher for EM_386, ELFCLASS32, ELFDATA2LSB":   {{with(func(f *fileSpec) { f.elf = "386" })}},
		"there is no launcher for EM_PPC64, ELFCLASS64, ELFDATA2MSB": {{with(func(f *fileSpec) { f.elf = "ppc64" })}},
		"capabilities belong to another user namespace":              {{with(func(f *fileSpec) { f.caps = foreignCaps })}},
		"set-id bit": {{with(func(f *fileSpec) { f.mode = 0o4755 })}},
		"others than its owner may write to it; chmod go-w": {{with(func(f *fileSpec) { f.mode = 0o775 })}},
		"1 hard links":                               {{app, {name: "usr/bin/link", hard: "usr/bin/app"}}},
		"2 hard links":                               {{app, {name: "usr/bin/link", hard: "usr/bin/app", caps: effectiveCaps}}, {{name: "other", hard: "usr/bin/link"}}},
		"seen through a hard link only":              {{app, {name: "usr/bin/link", hard: "usr/bin/app"}}, {{name: "usr/bin/.wh.app"}}},
		"a layer has /usr/bin/app.capwise already":   {{app}, {{name: "usr/bin/app.capwise", size: 3}}},
		"layer has /usr/bin/app.capwise already":     {{{name: "usr/bin/app.capwise/"}}, {app}},
		"has /usr/bin/app.capwise already":           {{app}, {{name: "usr/bin/.wh.app.capwise"}}},
		"/usr/bin: others than its owner":            {{{name: "usr/bin/"}}, {{name: "usr/bin/", mode: 0o777}, app}},
		"/usr/bin: belongs to user 7":                {{app}, {{name: "usr/bin/", uid: 7}}},
		"/usr: a symbolic link":                      {{{name: "usr", link: "opt"}}, {app}},
		"/: others than its owner":                   {{{name: "./", mode: 0o777}, app}},
		"user 5000000000 owns it":                    {{with(func(f *fileSpec) { f.uid = 5_000_000_000 })}},
		"would be too long":                          {{with(func(f *fileSpec) { f.name = "bin/" + strings.Repeat("x", 250) })}},
		"not a regular file, or a sparse one":        {{with(func(f *fileSpec) { f.name, f.size = "bin/", 0 })}},
		"hard link to /bin/b":                        {{{name: "bin/b", size: 40}, {name: "bin/a", hard: "bin/b", caps: effectiveCaps}}},
		"more than 64 programs that want a launcher": {manyPrograms()},
	} {
		f := newFixture(t)
		var archives [][]byte
		for _, l := range layers {
			archives = append(archives, tarOf(t, l...))
		}
		f.layout(f.image("amd64", gzipped, archives...))
		refusedWith(t, says, f.write("oci"), launcherOptions())
	}
	f := newFixture(t)
	f.layout(f.image("amd64", plain, tarOf(t, app)))
	o := launcherOptions()
	o.Launcher = func(string) ([]byte, error) { return []byte("no launcher"), nil }
	refusedWith(t, "not a launcher of capwise", f.write("oci"), o)
	o.Launcher = func(arch string) ([]byte, error) {
		b, _ := fakeLauncher(arch)
		return launch.Stamp(b, launch.Config{Target: "/elsewhere"})
	}
	already, _ := o.Launcher("amd64")
	refusedWith(t, "it is a launcher, for /elsewhere", launcherImage(t, already), launcherOptions())
}

// TestLauncherOwners holds that a program which others could rewrite gets no launcher
// unless it was asked for, and that it can be made root's.
func TestLauncherOwners(t *testing.T) {
	app := fileSpec{name: "usr/bin/app", caps: effectiveCaps, elf: "amd64", size: 4000, uid: 7, mode: 0o775}
	app.records = map[string]string{"uname": "seven"}
	for says, tc := range map[string]struct {
		change func(*fileSpec)
		owners filefix.Owners
	}{
		"it belongs to user 7, and its mode 0775 lets others write to it, who would lose": {func(*fileSpec) {}, filefix.Refuse},
		"it belongs to user 7, who would lose":                                            {func(f *fileSpec) { f.mode = 0o755 }, filefix.Refuse},
		"its mode 0775 lets others write to it, who":                                      {func(f *fileSpec) { f.uid = 0 }, filefix.Refuse},
		"nobody but root could start it if it were root's":                                {func(f *fileSpec) { f.mode = 0o700 }, filefix.ChownRoot},
		"it has an access control list": {func(f *fileSpec) {
			f.records = map[string]string{"SCHILY.xattr.system.posix_acl_access": "\x02\x00"}
		}, filefix.ChownRoot},
		"/usr/bin: belongs to user 7, who could put another pro": {func(f *fileSpec) { f.name = "usr/bin/dir/../app" }, filefix.ChownRoot},
	} {
		changed := app
		tc.change(&changed)
		f := newFixture(t)
		f.layout(f.image("amd64", gzipped, tarOf(t, fileSpec{name: "usr/bin/", uid: map[bool]int{true: 7}[strings.Contains(says, "/usr/bin")]}, changed)))
		o := launcherOptions()
		o.Owners = tc.owners
		refusedWith(t, says, f.write("oci"), o)
	}
	for _, c := range []compression{plain, gzipped} {
		f := newFixture(t)
		f.layout(f.image("amd64", c, tarOf(t, app)))
		target := f.write("oci")
		o := launcherOptions()
		o.Owners = filefix.ChownRoot
		r, err := Run(target, o)
		if err != nil || len(r.Files) != 1 || *r.Files[0].Owner != 0 || !strings.Contains(strings.Join(r.Files[0].Notes, "; "), "belonged to user 7") {
			t.Fatalf("%+v, %v", r, err)
		}
		_, is := items(t, checkDigests(t, contents(t, target))[0])
		for _, name := range []string{"usr/bin/app", "usr/bin/app.capwise"} {
			if h := is[name]; h.Uid != 0 || h.Mode != 0o755 || h.Uname == "seven" || h.PAXRecords["uname"] != "" {
				t.Errorf("%s: %+v", name, h.Header)
			}
		}
		if config, err := launch.Find(is["usr/bin/app"].content); err != nil || config.Owner != 0 {
			t.Errorf("%+v, %v", config, err)
		}
	}
}

// launcherImage is an image with a launcher that carries =ep.
func launcherImage(t *testing.T, launcher []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := &tar.Header{Name: "usr/bin/app", Mode: 0o755, Size: int64(len(launcher)), PAXRecords: map[string]string{schily: effectiveCaps}}
	if err := errors.Join(w.WriteHeader(h), func() error { _, err := w.Write(launcher); return err }(), w.Close()); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	f.layout(f.image("amd64", gzipped, b.Bytes()))
	return f.write("oci")
}

// TestLauncherEffective holds that a launcher that carries the effective bit, which
// would keep it from starting, loses it, and gets no launcher of its own.
func TestLauncherEffective(t *testing.T) {
	empty, _ := fakeLauncher("amd64")
	launcher, err := launch.Stamp(empty, launch.Config{Target: "/usr/bin/app.capwise"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(launcherImage(t, launcher), launcherOptions())
	if err != nil || len(r.Files) != 1 || r.Files[0].Action != Permitted || r.Files[0].Bytes != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func manyPrograms() []fileSpec {
	var out []fileSpec
	for i := range 65 {
		out = append(out, fileSpec{name: fmt.Sprintf("bin/%d", i), caps: effectiveCaps, elf: "arm", size: 64})
	}
	return out
}

// TestLauncherArchs holds that the program decides, and not the configuration.
func TestLauncherArchs(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "arm", "riscv64", "ppc64le", "s390x"} {
		f := newFixture(t)
		f.layout(f.image("wrong", plain, tarOf(t, fileSpec{name: "app", caps: effectiveCaps, elf: arch, size: 64})))
		target := f.write("oci")
		r, err := Run(target, launcherOptions())
		if err != nil || r.Files[0].Arch != arch {
			t.Errorf("%s: %+v, %v", arch, r, err)
			continue
		}
		_, is := items(t, checkDigests(t, contents(t, target))[0])
		if !bytes.HasPrefix(is["app"].content, []byte("\x7fELF launcher for "+arch)) {
			t.Errorf("%s got another launcher", arch)
		}
	}
}
