package e2e

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/scenario/unit"
)

// unitFiles is units, drop-ins and links below /run, where those of this systemd are:
// text, or "-> TARGET".
var unitFiles = map[string]string{
	"system/capwise-a-b.service":                       "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/true\n",
	"system/capwise-a-b.service.d/20-own.conf":         "[Service]\nUser=nobody\n",
	"system.control/capwise-a-b.service.d/50-set.conf": "[Service]\nNice=5\n",
	"transient/capwise-a-b.service.d/30-t.conf":        "[Service]\nNice=6\n",
	"system/capwise-a-.service.d/10-prefix.conf":       "[Service]\nNice=1\n",
	"system/capwise-.service.d/10-prefix.conf":         "[Service]\nNice=2\n",
	"system/capwise-.service.d/40-shorter.conf":        "[Service]\nNice=3\n",
	"system/service.d/15-all.conf":                     "[Service]\nLimitNOFILE=1000\n",
	"system/capwise-a-b.service.d/60-masked.conf":      "-> /dev/null",
	"system/capwise-alias.service":                     "-> capwise-a-b.service",
	"system/capwise-alias.service.d/45-alias.conf":     "[Service]\nNice=4\n",
	"system/capwise-t@.service":                        "[Service]\nType=oneshot\nUser=%i\nGroup=%i\nEnvironment=UNIT=%n\nExecStart=/usr/bin/printf \"[%%s]\" WORDS\n",
	"system/capwise-t@.service.d/10-template.conf":     "[Service]\nNice=1\n",
	"system/capwise-t@root.service.d/10-template.conf": "[Service]\nNice=2\n",
	"system/capwise-t@root.service.d/20-instance.conf": "[Service]\nNice=2\n",
	"system/capwise-@.service.d/30-prefix.conf":        "[Service]\nNice=3\n",
	"system/capwise-masked.service":                    "-> /dev/null",
	"system/capwise-empty.service":                     "",
	"system/capwise-vars.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nStandardOutput=file:/run/capwise-vars.out\nEnvironment=A=one \"B=two words\" 'C=x \"y z\"' EMPTY=\n" +
		"EnvironmentFile=-/nowhere\nEnvironmentFile=/run/capwise-vars.env\n" + `ExecStart=/usr/bin/printf "[%%s]" ${A} $B ${B} "$B" x${A}y x$A $$A $$ "$${A}" $C ${UNSET} $UNSET ${EMPTY} "$EMPTY" $D "${D}" ${A:-z} %% %n %N %p %j %J %u %h %t %S \x24A 'a b' a\sb` + "\n",
}

// TestUnitFiles compares which files are read of a unit, in which order, and what its
// words come to, with what a systemd that runs has.
func TestUnitFiles(t *testing.T) {
	results.report(t, "units are put together as systemd does it", systemd.Name())
	need(t, systemd.needs...)
	systemd.ready(t, get(t, probeNone))
	run := filepath.Join(systemdEngine.Root(), "run")
	writeUnitFiles(t, filepath.Join(run, "systemd"))
	vars := filepath.Join(run, "capwise-vars.env")
	if err := os.WriteFile(vars, []byte("# a comment\nD=\"from file\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(vars) }) // in a tmpfs that goes with systemd
	if _, err := systemdEngine.Systemctl("daemon-reload"); err != nil {
		t.Fatal(err)
	}
	system := unit.System{Root: systemdEngine.Root(), Version: versions[systemd.Name()]}
	for _, name := range []string{"capwise-a-b.service", "capwise-alias.service", "capwise-t@root.service", "capwise-t@nobody.service", "capwise-vars.service"} {
		found, err := system.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		var files []string
		for _, f := range append([]unit.File{found.File}, found.DropIns...) {
			files = append(files, strings.TrimPrefix(f.Name, systemdEngine.Root()))
		}
		text, err := systemdEngine.Systemctl("cat", name)
		if err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, m := range regexp.MustCompile(`(?m)^# (/\S+)$`).FindAllStringSubmatch(text, -1) {
			shown = append(shown, m[1])
		}
		if !slices.Equal(files, shown) {
			t.Errorf("%s: read\n%s\nsystemd reads\n%s", name, strings.Join(files, "\n"), strings.Join(shown, "\n"))
		}
	}
	for _, name := range []string{"capwise-masked", "capwise-empty.service"} {
		starts, err := system.Load(name)
		state, errShow := systemdEngine.Systemctl("show", "--property=LoadState", strings.TrimSuffix(name, ".service")+".service")
		if err := errors.Join(err, errShow); err != nil {
			t.Fatal(err)
		}
		if len(starts) != 1 || starts[0].Refused == nil || state != "LoadState=masked" {
			t.Errorf("%s: %+v, systemd says %s", name, starts, state)
		}
	}
	holdWords(t, system, filepath.Join(run, "capwise-vars.out"))
}

// holdWords compares the words of a command with those that a program gets.
func holdWords(t *testing.T, system unit.System, out string) {
	const name = "capwise-vars.service"
	if _, err := systemdEngine.Systemctl("start", name); err != nil {
		t.Fatal(err)
	}
	printed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := system.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, word := range starts[0].Request.Args[1:] {
		said.WriteString("[" + word + "]")
	}
	if said.String() != string(printed) {
		t.Errorf("said\n%s\nsystemd gives\n%s\n%s", said.String(), printed, hex.Dump(printed))
	}
	template, err := system.Load("capwise-t@nobody.service")
	if err != nil {
		t.Fatal(err)
	}
	if user := template[0].Request.User; user != "nobody:nobody" {
		t.Errorf("of t@nobody.service the user is %q", user)
	}
}

// writeUnitFiles writes them until the test ends.
func writeUnitFiles(t *testing.T, folder string) {
	t.Cleanup(func() {
		_, err := systemdEngine.Systemctl("stop", "capwise-vars.service")
		errs := []error{err}
		for name := range unitFiles {
			errs = append(errs, os.Remove(filepath.Join(folder, name)))
		}
		_, err = systemdEngine.Systemctl("daemon-reload")
		if err := errors.Join(append(errs, err)...); err != nil {
			t.Error(err)
		}
	})
	for name, text := range unitFiles {
		file := filepath.Join(folder, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			err = errors.Join(err, os.Symlink(target, file))
		} else {
			if text != "" { // an empty one is masked
				text = "[Unit]\nDefaultDependencies=no\n" + text
			}
			err = errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
