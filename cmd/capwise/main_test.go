package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/capwise/capwise/cmd/capwise/internal/gobuild"
	"github.com/capwise/capwise/cmd/capwise/internal/launchers"
	"github.com/capwise/capwise/cmd/capwise/internal/trial"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/scan"
)

func TestMain(m *testing.M) {
	if os.Getenv(cacheVariable) == "" { // the user's cache stays as it is, and nobody is asked
		if err := errors.Join(os.Setenv(cacheVariable, "/dev/null/none"), os.Setenv(offlineVariable, "1")); err != nil {
			panic(err)
		}
	}
	gobuild.Main() // the scripts' "build" executes this binary as the go command
	trial.Main()   // and "explain --try" starts copies of it
	testscript.Main(m, map[string]func(){"capwise": func() { os.Exit(run(os.Args[1:])) }})
}

// TestScripts runs the scripts in testdata/script, one for each thing that a
// user does.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(offlineVariable, "1")
			e.Setenv("EXAMPLES", filepath.Join(here, "../../docs/examples"))
			e.Setenv("ROOT", filepath.Join(here, "../.."))
			e.Setenv("PUBLIC", filepath.Join("/tmp", filepath.Base(e.WorkDir)+"-capwise"))
			return goVariables(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "schema": schemaOf(schemaFile), "scan-schema": schemaOf(scanSchemaFile), "fix-schema": schemaOf(fixSchemaFile), "image": image, "image-of": imageOf,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "launchers":
				_, err := launchers.Program(runtime.GOARCH)
				return err == nil, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
	})
}

// goVariables lets scripts, whose home is an empty one, build with what this
// machine has downloaded and compiled.
func goVariables(e *testscript.Env) error {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB").Output()
	if err != nil {
		return err
	}
	var variables map[string]string
	if err := json.Unmarshal(out, &variables); err != nil {
		return err
	}
	for name, value := range variables {
		e.Setenv(name, value)
	}
	e.Setenv("PROXY", variables["GOPROXY"])
	return nil
}

// exits runs a command that must end with the given code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// image writes a docker-archive whose program, /usr/bin/server, has =ep: image
// ARCHIVE PROGRAM.
func image(ts *testscript.TestScript, _ bool, args []string) {
	program := ts.ReadFile(args[1])
	effective := "\x01\x00\x00\x02\x00\x04" + strings.Repeat("\x00", 14) // cap_net_bind_service
	layer := archiveOf(ts, &tar.Header{
		Name: "usr/bin/server", Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": effective},
	}, program)
	config := fmt.Sprintf(`{"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256([]byte(layer)))
	out := archiveOf(ts, &tar.Header{Name: "layer.tar"}, layer, &tar.Header{Name: "config.json"}, config,
		&tar.Header{Name: "manifest.json"}, `[{"Config":"config.json","Layers":["layer.tar"]}]`)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out), 0o600))
}

// imageOf writes an image with a configuration, its "config", and files: image-of ARCHIVE
// CONFIG PATH=FILE... A file of no content is an empty program.
func imageOf(ts *testscript.TestScript, _ bool, args []string) {
	var entries []any
	for _, arg := range args[2:] {
		path, file, _ := strings.Cut(arg, "=")
		content := ""
		if file != "" {
			content = ts.ReadFile(file)
		}
		entries = append(entries, &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o755}, content)
	}
	layer := archiveOf(ts, entries...)
	config := fmt.Sprintf(`{"config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, ts.ReadFile(args[1]), sha256.Sum256([]byte(layer)))
	out := archiveOf(ts, &tar.Header{Name: "layer.tar"}, layer, &tar.Header{Name: "config.json"}, config,
		&tar.Header{Name: "manifest.json"}, `[{"Config":"config.json","Layers":["layer.tar"]}]`)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out), 0o600))
}

// archiveOf returns a tar archive of headers, with the content behind each.
func archiveOf(ts *testscript.TestScript, files ...any) string {
	var b strings.Builder
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		header, content := files[i].(*tar.Header), files[i+1].(string)
		header.Size = int64(len(content))
		ts.Check(w.WriteHeader(header))
		_, err := io.WriteString(w, content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	return b.String()
}

// The published schemas.
const (
	schemaFile     = "../../docs/schema/explain.schema.json"
	scanSchemaFile = "../../docs/schema/scan.schema.json"
	fixSchemaFile  = "../../docs/schema/fix.schema.json"
)

// schemaOf returns the script command that holds standard output, or a file,
// against a published schema.
func schemaOf(file string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		name := "stdout"
		if len(args) > 0 {
			name = args[0]
		}
		err := validate(file, ts.ReadFile(name))
		if neg && err == nil {
			ts.Fatalf("%s fits the schema", name)
		}
		if !neg {
			ts.Check(err)
		}
	}
}

func validate(file, text string) error {
	s, err := jsonschema.NewCompiler().Compile(filepath.Join(here, file))
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// here is this folder, since scripts run in folders of their own.
var here = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()

// TestScanSchema holds that the schema lists exactly the verdicts that there are.
func TestScanSchema(t *testing.T) {
	text, err := os.ReadFile(scanSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs struct {
			Finding struct {
				Properties struct {
					Verdict struct{ Enum []scan.Class }
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if got := s.Defs.Finding.Properties.Verdict.Enum; !slices.Equal(got, scan.Classes()) {
		t.Errorf("the schema lists %q, there are %q", got, scan.Classes())
	}
}

// TestSchemaCauses holds that the schema lists exactly the causes that there are.
func TestSchemaCauses(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs struct {
			Cause struct{ Enum []diagnose.Cause }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	listed := map[diagnose.Cause]bool{}
	for _, c := range s.Defs.Cause.Enum {
		listed[c] = true
	}
	for _, c := range diagnose.Causes() {
		if !listed[c] {
			t.Errorf("the schema lacks cause %s", c)
		}
	}
	if len(listed) != len(diagnose.Causes()) {
		t.Errorf("the schema lists %d causes, there are %d", len(listed), len(diagnose.Causes()))
	}
}

// TestDemo holds that the demonstration comes out as predicted, as root and in a
// user namespace.
func TestDemo(t *testing.T) {
	need.Root(t)
	var out strings.Builder
	if err := demo(&out); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"│+ep │all dropped │exec: operation not permitted│exec: operation not permitted│yes         │",
		"│+p  │one allowed │served                       │served                       │yes         │",
		"│none│one allowed │served                       │bind: permission denied      │yes         │",
	} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no row %s in\n%s", row, &out)
		}
	}
}

// TestHelpFits holds that the help of each command fits a terminal.
func TestHelpFits(t *testing.T) {
	for _, args := range [][]string{{}, {"build"}, {"demo"}, {"doctor"}, {"exec"}, {"explain"}, {"fix"}, {"scan"}} {
		var out strings.Builder
		root := newRoot()
		root.SetArgs(append(args, "--help"))
		root.SetOut(&out)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%q --help has a line of %d columns: %s", args, n, line)
			}
		}
	}
}
