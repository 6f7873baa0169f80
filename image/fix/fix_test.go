package fix

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	filefix "github.com/capwise/capwise/fix"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
)

// layersForTest are a base and an application, with everything that hides a
// file, or shows it under another name.
func layersForTest(t testing.TB) [][]byte {
	return [][]byte{
		tarOf(t,
			fileSpec{name: "bin/"}, fileSpec{name: "bin/lib", size: 400_000},
			fileSpec{name: "bin/hidden", caps: effectiveCaps, size: 100}, // removed above
			fileSpec{name: "bin/again", caps: effectiveCaps, size: 100},  // replaced above
			fileSpec{name: "opt/"}, fileSpec{name: "opt/old", caps: effectiveCaps, size: 9},
			fileSpec{name: "bin/kept", caps: effectiveCaps, size: 70_000},
			fileSpec{name: "gone/a", caps: effectiveCaps, size: 1}, // seen through a hard link
			fileSpec{name: "late", caps: effectiveCaps, size: 3}, fileSpec{name: "late", size: 4},
		),
		tarOf(t,
			fileSpec{name: "usr/bin/app", caps: effectiveCaps, size: 900_000, records: map[string]string{"SCHILY.xattr.user.x": "y"}},
			fileSpec{name: "usr/bin/both", caps: effectiveCaps, libarchive: effectiveCaps, size: 10},
			fileSpec{name: "usr/bin/bsd", libarchive: effectiveCaps, size: 10},
			fileSpec{name: "usr/bin/foreign", caps: foreignCaps, size: 600},
			fileSpec{name: "usr/bin/right", caps: permittedCaps, size: 600},
			fileSpec{name: "usr/bin/link", hard: "usr/bin/app", caps: effectiveCaps},
			fileSpec{name: "bin/.wh.hidden"}, fileSpec{name: "bin/again", size: 5}, fileSpec{name: "opt/.wh..wh..opq"},
			fileSpec{name: "held", hard: "gone/a"}, fileSpec{name: "gone/.wh.a"},
		),
	}
}

// seen are the files that a fix has to change, with the bytes that differ.
var seen = map[string]int64{
	"/bin/kept": 1, "/gone/a": 1, "/usr/bin/app": 1, "/usr/bin/both": 2, "/usr/bin/bsd": 1, "/usr/bin/foreign": 1, "/usr/bin/link": 1,
}

func kinds(t testing.TB, c compression) map[string]*fixture {
	layout, archive, docker := newFixture(t), newFixture(t), newFixture(t)
	for _, f := range []*fixture{layout, archive} {
		inner := f.blob(typeIndex, f.json(object{"schemaVersion": 2, "manifests": []object{
			f.image("amd64", c, layersForTest(t)...), f.image("arm64", c, layersForTest(t)[1], layersForTest(t)[0]),
		}}))
		inner["annotations"] = object{store.RefName: "v1"}
		f.layout(inner)
	}
	docker.docker(c, layersForTest(t)...)
	return map[string]*fixture{"oci": layout, "oci-archive": archive, "docker-archive": docker}
}

// TestPermitted changes images of all kinds: only the bits differ, every digest
// is right, what need not change is the same, and a second run changes nothing.
func TestPermitted(t *testing.T) {
	for _, c := range []compression{plain, gzipped, zstded} {
		for kind, f := range kinds(t, c) {
			t.Run(kind+" "+string(c), func(t *testing.T) {
				target := f.write(kind)
				before := contents(t, target)
				old := checkDigests(t, before)
				out := kind + ":" + filepath.Join(t.TempDir(), "out")
				report, err := Run(target, Options{Mode: Permitted, Out: out})
				if err != nil {
					t.Fatal(err)
				}
				sameFiles(t, before, contents(t, target))
				after := contents(t, out)
				now := checkDigests(t, after)
				// In the second image of a layout the layers lie the other way round,
				// and more of them is seen.
				if kind == "docker-archive" {
					checkReport(t, report)
					if n := differing(t, old[0], now[0]) + differing(t, old[1], now[1]); n != 8 {
						t.Errorf("%d bytes differ, want 8", n)
					}
				}
				checkKept(t, before, after, report)
				again, err := Run(out, Options{Mode: Permitted})
				if err != nil || len(again.Files) > 0 || len(again.Blobs) > 0 {
					t.Errorf("a second run: %+v, %v", again, err)
				}
				sameFiles(t, after, contents(t, out))
				if _, err := Run(target, Options{Mode: Permitted}); err != nil {
					t.Fatal(err)
				}
				sameFiles(t, after, contents(t, target)) // in place is the same
			})
		}
	}
}

func checkReport(t *testing.T, r *Report) {
	t.Helper()
	got := map[string]int64{}
	for _, f := range r.Files {
		got[f.Path] = f.Bytes
		if !strings.HasSuffix(strings.Split(f.New, " ")[0], "=p") {
			t.Errorf("%s becomes %q", f.Path, f.New)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(seen) {
		t.Errorf("changed %v, want %v", got, seen)
	}
}

// checkKept holds that files that the report does not name are the same, and that
// the documents differ in digests and sizes only.
func checkKept(t *testing.T, before, after map[string][]byte, r *Report) {
	t.Helper()
	names := map[string]string{store.IndexFile: store.IndexFile, store.DockerFile: store.DockerFile}
	for _, b := range r.Blobs {
		for name := range before {
			for _, d := range [][2]string{{b.Old, b.New}, {b.OldDiffID, b.NewDiffID}} {
				if d[0] != "" && strings.Contains(name, hexDigits(d[0])) {
					names[name] = strings.ReplaceAll(name, hexDigits(d[0]), hexDigits(d[1]))
				}
			}
		}
	}
	for name, b := range before {
		to := names[name]
		if to == "" {
			to = name
		}
		now := after[to]
		if names[name] == "" && !bytes.Equal(b, now) && !bytes.HasPrefix(b, []byte("-> ")) {
			t.Errorf("%s is changed", name)
		}
		if b[0] == '{' || b[0] == '[' {
			mask := func(b []byte) string { return string(maskDigests(b)) }
			if mask(b) != mask(now) {
				t.Errorf("%s: more than digests and sizes differ:\n%s\n%s", name, b, now)
			}
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

// maskDigests blots out what may differ.
func maskDigests(b []byte) []byte {
	b = digestPattern.ReplaceAll(b, []byte("DIGEST"))
	return sizePattern.ReplaceAll(b, []byte(`"size":N`))
}

func sameFiles(t *testing.T, a, b map[string][]byte) {
	t.Helper()
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s is changed", name)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files became %d", len(a), len(b))
	}
}

// TestStrip removes the attribute and nothing else.
func TestStrip(t *testing.T) {
	for _, c := range []compression{plain, gzipped, zstded} {
		f := newFixture(t)
		f.docker(c, layersForTest(t)...)
		target := f.write("docker-archive")
		report, err := Run(target, Options{Mode: Strip, Files: []string{"usr/bin/app", "/usr/bin/bsd"}})
		if err != nil {
			t.Fatal(err)
		}
		now := checkDigests(t, contents(t, target))
		if len(report.Files) != 3 { // one is a hard link to another
			t.Errorf("%s: %+v", c, report.Files)
		}
		files := layersForTest(t)
		want := tarOf(t,
			fileSpec{name: "usr/bin/app", size: 900_000, records: map[string]string{"SCHILY.xattr.user.x": "y"}})
		if got := now[1][:len(want)-1024]; !bytes.Equal(got, want[:len(want)-1024]) {
			t.Errorf("%s: the layer does not begin with the stripped entry", c)
		}
		if !bytes.Equal(now[0], files[0]) {
			t.Errorf("%s: the other layer is changed", c)
		}
	}
}

// TestDryRun holds that a dry run foretells the very digests, and writes nothing.
func TestDryRun(t *testing.T) {
	for kind, f := range kinds(t, gzipped) {
		target := f.write(kind)
		before := contents(t, target)
		dry, err := Run(target, Options{Mode: Permitted, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, before, contents(t, target))
		real, err := Run(target, Options{Mode: Permitted})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(dry.Blobs) != fmt.Sprint(real.Blobs) || fmt.Sprint(dry.Files) != fmt.Sprint(real.Files) {
			t.Errorf("%s: foretold %+v, did %+v", kind, dry, real)
		}
	}
}

// TestTag changes one of two tags that share a layer: the other stays whole.
func TestTag(t *testing.T) {
	for _, kind := range []string{"oci", "oci-archive"} {
		f := newFixture(t)
		one, two := f.image("amd64", gzipped, layersForTest(t)...), f.image("arm64", gzipped, layersForTest(t)...)
		one["annotations"], two["annotations"] = object{store.RefName: "one"}, object{store.RefName: "two"}
		f.layout(one, two)
		target := f.write(kind)
		before := contents(t, target)
		if _, err := Run(target+":one", Options{Mode: Permitted}); err != nil {
			t.Fatal(err)
		}
		after := contents(t, target)
		checkDigests(t, after)
		for name := range before {
			if name != store.IndexFile && after[name] == nil && !strings.Contains(string(before[store.IndexFile]), name[len("blobs/sha256/"):]) {
				if !bytes.Contains(before[name], []byte(`"amd64"`)) {
					t.Errorf("%s: %s is gone, and the other tag needs it", kind, name)
				}
			}
		}
		if _, err := Run(target+":none", Options{Mode: Permitted}); err == nil || !strings.Contains(err.Error(), `no such tag "none"`) {
			t.Errorf("a tag that is not there: %v", err)
		}
	}
}

// TestStale holds that what goes stale is dropped or named.
func TestStale(t *testing.T) {
	f := newFixture(t)
	archives := layersForTest(t)
	layer := f.blob(typeTar+"+gzip", compress(t, gzipped, archives[1]))
	layer["annotations"] = object{"containerd.io/snapshot/stargz/toc.digest": "sha256:x", "mine": "stays"}
	layer["urls"] = []string{"https://example.invalid/"}
	image := f.blob(typeManifest, f.json(object{
		"schemaVersion": 2, "layers": []object{layer}, "config": f.blob(typeConfig, f.config("amd64", archives[1])),
	}))
	digest := image["digest"].(string)
	attestation := f.blob(typeManifest, f.json(object{"schemaVersion": 2, "layers": []object{f.blob("application/vnd.in-toto+json", []byte("{}"))}, "config": f.blob(typeConfig, []byte("{}"))}))
	attestation["annotations"] = object{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest}
	signature := f.blob(typeManifest, f.json(object{"layers": []object{f.blob("application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}"))}, "config": f.blob(typeConfig, []byte("{}"))}))
	signature["annotations"] = object{store.RefName: strings.Replace(digest, ":", "-", 1) + ".sig"}
	referrer := f.blob(typeManifest, f.json(object{"artifactType": "application/spdx+json", "subject": image, "layers": []object{}, "config": f.blob("application/vnd.oci.empty.v1+json", []byte("{}"))}))
	inner := f.blob(typeIndex, f.json(object{"manifests": []object{image, attestation}}))
	f.layout(inner, signature, referrer)
	target := f.write("oci")
	r, err := Run(target, Options{Mode: Permitted})
	if err != nil {
		t.Fatal(err)
	}
	checkDigests(t, contents(t, target))
	all := strings.Join(r.Warnings, "\n")
	for _, want := range []string{
		"annotation containerd.io/snapshot/stargz/toc.digest", "the descriptor's urls", ".sig is about " + digest,
		"attestation-manifest " + attestation["digest"].(string), "referrer " + referrer["digest"].(string) + " (application/spdx+json)",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
	for name, b := range contents(t, target) {
		if bytes.Contains(b, []byte("toc.digest")) || bytes.Contains(b, []byte("example.invalid")) {
			t.Errorf("%s still has what is stale", name)
		}
	}
}

// TestHostile holds that what is broken is refused with one line, and untouched.
func TestHostile(t *testing.T) {
	good := layersForTest(t)
	stream := compress(t, gzipped, good[1])
	bomb := tarOf(t, fileSpec{name: "a", size: 4})
	copy(bomb[156:], "x")
	for name, layer := range map[string][]byte{
		"truncated gzip": stream[:len(stream)/2],
		"wrong CRC":      append(bytes.Clone(stream[:len(stream)-8]), 1, 2, 3, 4, 5, 6, 7, 8),
		"text":           bytes.Repeat([]byte("no archive "), 100),
		"wrong checksum": bomb,
		"other archive":  compress(t, gzipped, append(bytes.Clone(good[1]), make([]byte, 512)...)),
	} {
		f := newFixture(t)
		f.docker(plain, good[0])
		f.files[hexDigits(store.Digest256(good[0]))+".tar"] = layer
		refused(t, name, f.write("docker-archive"), hexDigits(store.Digest256(good[0])))
	}
	for name, change := range map[string]func(*fixture){
		"no JSON":          func(f *fixture) { f.files[store.IndexFile] = []byte("{") },
		"a blob is gone":   func(f *fixture) { delete(f.files, f.order[0]) },
		"digest of a path": func(f *fixture) { f.layout(object{"digest": "sha256:../../../../etc/passwd", "size": 1}) },
		"wrong size":       func(f *fixture) { d := f.image("amd64", plain, good...); d["size"] = 1; f.layout(d) },
		"no manifests":     func(f *fixture) { f.files[store.IndexFile] = []byte("[]") },
		"other digest":     func(f *fixture) { f.files[f.order[2]] = []byte(`{"x":1}`) },
		"too few diff IDs": func(f *fixture) {
			c := f.blob(typeConfig, []byte(`{"rootfs":{"diff_ids":[]}}`))
			f.layout(f.blob(typeManifest, f.json(object{"config": c, "layers": []object{f.blob(typeTar, good[0])}})))
		},
	} {
		f := newFixture(t)
		f.layout(f.image("amd64", gzipped, good...))
		change(f)
		refused(t, name, f.write("oci"), "")
	}
}

func refused(t *testing.T, name, target, place string) {
	t.Helper()
	t.Run(name, func(t *testing.T) { refusedWith(t, place, target, Options{Mode: Permitted}) })
}

// refusedWith holds that there is an error of one line with the text, and that the
// target is as before.
func refusedWith(t *testing.T, says, target string, o Options) {
	t.Helper()
	before := contents(t, target)
	_, err := Run(target, o)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), target+": ") || !strings.Contains(err.Error(), says) {
		t.Errorf("want %q: %v", says, err)
	}
	sameFiles(t, before, contents(t, target))
}

// TestFiles holds that --file limits, and that a name that no layer has is an
// error.
func TestFiles(t *testing.T) {
	f := newFixture(t)
	f.docker(gzipped, layersForTest(t)...)
	target := f.write("docker-archive")
	if _, err := Run(target, Options{Mode: Permitted, Files: []string{"/no/such"}}); err == nil {
		t.Error("a file that is not there is taken")
	}
	r, err := Run(target, Options{Mode: Permitted, Files: []string{"bin/kept"}})
	if err != nil || len(r.Files) != 1 || r.Files[0].Path != "/bin/kept" {
		t.Errorf("%+v, %v", r, err)
	}
}

// killed makes a copy of this test binary fix the target that it names, behind the
// mode.
const killed = "CAPWISE_TEST_FIX"

func TestMain(m *testing.M) {
	if what := os.Getenv(killed); what != "" {
		mode, target, _ := strings.Cut(what, " ")
		if _, err := Run(target, Options{Mode: Mode(mode), Launcher: fakeLauncher, Owners: filefix.MayHaveIt}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKill kills the fix at all times. The target is then the old or the new, and
// a second run makes it the new.
func TestKill(t *testing.T) {
	for kind, f := range kinds(t, gzipped) {
		t.Run(kind, func(t *testing.T) { kill(t, f, kind, Permitted, 40, 2*time.Millisecond) })
	}
	f := newFixture(t)
	f.layout(f.image("amd64", gzipped, programs(t)...))
	t.Run("launcher", func(t *testing.T) { kill(t, f, "oci", Launcher, 20, 20*time.Millisecond) })
}

// kill is TestKill, so many times, later by a step each.
func kill(t *testing.T, f *fixture, kind string, mode Mode, times int, step time.Duration) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Mode: mode, Launcher: fakeLauncher, Owners: filefix.MayHaveIt}
	target := f.write(kind)
	if _, err := Run(target, o); err != nil {
		t.Fatal(err)
	}
	want := stateOf(t, target)
	outcomes := map[bool]int{}
	for i := range times {
		target := f.write(kind)
		old := stateOf(t, target)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), killed+"="+string(mode)+" "+target)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pause := time.Duration(i) * step
		time.Sleep(pause)
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		state := stateOf(t, target)
		if state != old && state != want {
			t.Fatalf("killed after %v, the target is neither old nor new", pause)
		}
		checkDigests(t, contents(t, target))
		outcomes[state == want]++
		if _, err := Run(target, o); err != nil || stateOf(t, target) != want {
			t.Fatalf("a second run: %v", err)
		}
	}
	t.Logf("%d times old, %d times new", outcomes[false], outcomes[true])
}

// stateOf is what a reader of the target comes to: of a layout, what the index
// leads to.
func stateOf(t *testing.T, target string) string {
	t.Helper()
	files := contents(t, target)
	if strings.HasPrefix(target, "oci:") {
		return store.Digest256(files[store.IndexFile])
	}
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		h.Write([]byte(name))
		h.Write(files[name])
	}
	return sha256Of(h)
}

// TestNewerDocker changes an archive as Docker writes it from 25 on: an OCI layout
// and manifest.json that share their blobs, with the layers' descriptors.
func TestNewerDocker(t *testing.T) {
	f := newFixture(t)
	archives := layersForTest(t)
	image := f.image("amd64", plain, archives...)
	f.layout(image)
	var names []string
	sources := object{}
	for _, a := range archives {
		digest := store.Digest256(a)
		names = append(names, "blobs/sha256/"+hexDigits(digest))
		sources[digest] = object{"mediaType": typeTar, "digest": digest, "size": len(a)}
	}
	config := "blobs/sha256/" + hexDigits(store.Digest256(f.config("amd64", archives...)))
	f.put(store.DockerFile, f.json([]object{{"Config": config, "Layers": names, "LayerSources": sources}}))
	for _, kind := range []string{"docker-archive", "oci-archive"} {
		target := f.write(kind)
		before := contents(t, target)
		r, err := Run(target, Options{Mode: Strip})
		if err != nil {
			t.Fatal(err)
		}
		after := contents(t, target)
		if now := checkDigests(t, after); len(now) != 4 {
			t.Errorf("%d layers, want two, twice", len(now))
		}
		checkKept(t, before, after, r)
		for _, b := range r.Blobs {
			if bytes.Contains(after[store.DockerFile], []byte(hexDigits(b.Old))) || bytes.Contains(after[store.IndexFile], []byte(hexDigits(b.Old))) {
				t.Errorf("%s: old %s is still named", kind, b.Kind)
			}
			if b.Kind == "layer" && !bytes.Contains(after[store.DockerFile], []byte(fmt.Sprintf(`"size":%d`, b.NewSize))) {
				t.Errorf("%s: LayerSources lack the new size", kind)
			}
		}
		if again, err := Run(target, Options{Mode: Strip}); err != nil || len(again.Files) > 0 {
			t.Errorf("%s: a second run: %+v, %v", kind, again, err)
		}
	}
}

// TestUnwritable holds that a layout whose index can't be replaced is left as it
// was, without new blobs.
func TestUnwritable(t *testing.T) {
	f := newFixture(t)
	f.layout(f.image("amd64", gzipped, layersForTest(t)...))
	target := f.write("oci")
	d, err := store.OpenDir(strings.TrimPrefix(target, "oci:"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fix := newFixer(d, Options{Mode: Permitted})
	defer fix.close()
	if fix.catalog, err = catalog.Open(d, ref.Ref{Kind: ref.Layout, Path: d.Path}); err != nil {
		t.Fatal(err)
	}
	if err := fix.fixLayers(); err != nil {
		t.Fatal(err)
	}
	changes := fix.documents()
	if err := os.WriteFile(filepath.Join(d.Path, store.IndexFile), []byte(`{"manifests":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, target)
	if err := fix.replace(d, changes); err == nil || !strings.Contains(err.Error(), "another program has replaced") {
		t.Errorf("got %v, want the other program's change kept", err)
	}
	sameFiles(t, before, contents(t, target))
}

// TestMembers changes layers of several gzip members. Where an edit spans two, the
// layer is compressed anew, and a warning says so.
func TestMembers(t *testing.T) {
	archive := tarOf(t, fileSpec{name: "bin/a", caps: effectiveCaps, size: 90_000}, fileSpec{name: "bin/b", caps: effectiveCaps, size: 50_000})
	for mode, how := range map[Mode]string{Permitted: "patched", Strip: "recompressed"} {
		f := newFixture(t)
		f.docker(plain, archive)
		name := hexDigits(store.Digest256(archive)) + ".tar"
		f.files[name] = nil
		for at := 0; at < len(archive); at += 520 * 7 {
			piece := archive[at:min(len(archive), at+520*7)]
			if at == 0 { // the first ends in the PAX header
				f.files[name] = append(compress(t, gzipped, piece[:530]), compress(t, gzipped, piece[530:])...)
				continue
			}
			f.files[name] = append(f.files[name], compress(t, gzipped, piece)...)
		}
		target := f.write("docker-archive")
		r, err := Run(target, Options{Mode: mode})
		if err != nil || len(r.Files) != 2 || r.Blobs[0].How != how {
			t.Fatalf("%s: %+v, %v", mode, r, err)
		}
		if said := strings.Contains(strings.Join(r.Warnings, ""), "compressed anew"); said != (how == "recompressed") {
			t.Errorf("%s: warnings %q", mode, r.Warnings)
		}
		now := checkDigests(t, contents(t, target))
		if mode == Permitted && differing(t, archive, now[0]) != 2 {
			t.Error("more than two bits differ")
		}
	}
}
