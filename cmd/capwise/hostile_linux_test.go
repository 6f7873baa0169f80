package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/capwise/capwise/cmd/capwise/internal/launchers"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
)

// What a name of others may hold: orders to a terminal, marks that reorder or
// hide text, bytes that are no text, and lines that look like an answer of
// capwise or an order to a CI system.
const (
	commands = "forged\x1b]0;PWNED\a\x1b[2J\x1b[31m\u202e\u2066\u200b\u0085\u2028\x7f"
	lines    = "\nOK    forged\nwritten: forged\ncapwise: forged\n::error::forged\n##[error]forged"
	hostile  = "a" + commands + "\xff" + lines
	// hostileText is hostile where only UTF-8 can be written.
	hostileText = "a" + commands + lines
)

// hostileCase is a command line, or an input, with hostile names in it.
type hostileCase struct {
	args  []string
	root  bool // must be run by root
	clean bool // has no place for a foreign name
}

// TestHostileNames feeds the text outputs of all verbs with hostile names, into
// pipes and on a terminal.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	capwise := filepath.Join(dir, "capwise")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, capwise); err != nil {
		t.Fatal(err)
	}
	engines := hostileEngines(t, dir)
	for name, c := range hostileCases(t, dir) {
		t.Run(name, func(t *testing.T) {
			if c.root {
				need.Root(t)
			}
			for where, cmd := range map[string]*exec.Cmd{
				"pipe":     exec.Command(capwise, c.args...),
				"terminal": onTerminal(t, append([]string{capwise}, c.args...)),
			} {
				cmd.Dir = dir
				cmd.Env = append(cmd.Environ(), "PATH="+engines+":"+os.Getenv("PATH"))
				out, _ := cmd.CombinedOutput() // exit codes are others' business
				checkHarmless(t, where, string(out))
				if !c.clean && !bytes.Contains(out, []byte("forged")) {
					t.Errorf("%s: %q does not show the name", where, out)
				}
			}
		})
	}
}

// onTerminal returns the command with its output on a terminal of its own.
func onTerminal(t *testing.T, argv []string) *exec.Cmd {
	t.Helper()
	var words []string
	for _, arg := range argv {
		words = append(words, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	cmd := exec.Command(need.Tool(t, "script"), "-qec", strings.Join(words, " "), "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "SHELL=/bin/sh")
	return cmd
}

// ownSequences is what capwise itself sends to terminals: colours, and the
// line of progress.
var ownSequences = regexp.MustCompile("\x1b\\[[0-9;]*m|\r\x1b\\[K")

func checkHarmless(t *testing.T, where, out string) {
	t.Helper()
	if where == "terminal" {
		out = ownSequences.ReplaceAllString(strings.ReplaceAll(out, "\r\n", "\n"), "")
	}
	if !utf8.ValidString(out) {
		t.Errorf("%s: %q is no UTF-8", where, out)
	}
	for _, r := range out {
		if unicode.IsControl(r) && r != '\n' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%s: %q has %U", where, out, r)
			break
		}
	}
	for line := range strings.Lines(out) {
		text := strings.TrimLeft(line, " ")
		for _, forged := range []string{"OK    forged", "written: forged", "capwise: forged", "::"} {
			if strings.HasPrefix(text, forged) {
				t.Errorf("%s: %q has the line %q", where, out, line)
			}
		}
		if strings.Contains(line, "##[") {
			t.Errorf("%s: the line %q has an order", where, line)
		}
	}
}

// hostileCases prepares the inputs.
func hostileCases(t *testing.T, dir string) map[string]hostileCase {
	t.Helper()
	file := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quoted := func(format string) string {
		text, err := json.Marshal(hostileText)
		if err != nil {
			t.Fatal(err)
		}
		// YAML takes no raw DEL, which JSON has no need to escape.
		return strings.ReplaceAll(format, "HOSTILE", strings.ReplaceAll(string(text), "\x7f", `\u007f`))
	}
	program := hostileProgram(t, dir)
	archive := hostileImage(t, dir)
	pid := strconv.Itoa(hostileProcess(t, dir))
	cases := map[string]hostileCase{
		"docker":            {args: []string{"explain", "--trace", "--file-caps", "cap_net_bind_service=ep", "--", "docker", "run", "--cap-drop=ALL", "--name", hostile, "-p", "80:80", "web", hostile}},
		"docker: image":     {args: []string{"explain", "--", "docker", "run", "--cap-drop=ALL", hostile}},
		"docker: flag":      {args: []string{"explain", "--", "docker", "run", "--" + hostile, "web"}},
		"docker: value":     {args: []string{"explain", "--", "docker", "run", "--cap-add", hostile, "--user", hostile, "web"}},
		"podman":            {args: []string{"explain", "--", "podman", "run", "--cap-drop=ALL", "--name", hostile, "web", hostile}},
		"systemd-run":       {args: []string{"explain", "--", "systemd-run", "--unit", hostile, "/bin/" + hostile}},
		"command":           {args: []string{"explain", "--trace", "--listen", ":80", "--", program, hostile}, root: true},
		"command not found": {args: []string{"explain", "--", hostile}},
		"compose":           {args: []string{"explain", "-f", file("compose.yaml", quoted("services: {web: {image: HOSTILE, command: [HOSTILE], cap_drop: [ALL], ports: ['80:80']}}"))}},
		"compose: warning":  {args: []string{"explain", "-f", file("w/forged\x1b[2J\u202e\n::error::forged/compose.yaml", "version: '3'\nservices: {web: {image: \"web${UNSET}\"}}\n")}},
		"compose: name":     {args: []string{"explain", "-f", file("n/compose.yaml", quoted("services:\n  ? HOSTILE\n  : {image: web}\n"))}},
		"compose: value":    {args: []string{"explain", "-f", file("v/compose.yaml", quoted("services: {web: {image: web, cap_add: [HOSTILE], user: HOSTILE}}"))}},
		"kubernetes": {args: []string{"explain", "--trace", "--file-caps", "cap_net_bind_service=ep", "-f", file("pod.yaml", quoted(
			`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": HOSTILE}, "spec": {"containers": [{"name": HOSTILE, "image": HOSTILE, "args": [HOSTILE], "ports": [{"containerPort": 80}], "securityContext": {"capabilities": {"drop": ["ALL"]}}}]}}`))}},
		"kubernetes: capability": {args: []string{"explain", "-f", file("cap.yaml", quoted(
			`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web", "securityContext": {"capabilities": {"add": [HOSTILE]}}}]}}`))}},
		"kubernetes: kind": {args: []string{"explain", "-f", file("kind.yaml", quoted(`{"apiVersion": "v1", "kind": HOSTILE}`))}, clean: true},
		"unit":             {args: []string{"explain", "--trace", "-f", file("u/a\x1b[2J\nOK    forged.service", "[Service]\nExecStart=/bin/true\nUser=1000\nCapabilityBoundingSet=\n")}},
		"unit: command":    {args: []string{"explain", "-f", file("c.service", "[Service]\nExecStart=\"/bin/forged\\x1b[2J\\nOK    forged\\n::error::forged\" x\nUser=1000\n")}},
		"unit: value":      {args: []string{"explain", "-f", file("v.service", "[Service]\nExecStart=/bin/true\nAmbientCapabilities=forged\x1b[2J\u202e\nUser=forged\x1b[2J\u202e\n")}},
		"oci":              {args: []string{"explain", "--trace", "--file-caps", "cap_net_bind_service=ep", "--listen", ":80", "-f", file("config.json", quoted(`{"ociVersion": "1.0.0", "process": {"args": [HOSTILE, HOSTILE], "cwd": "/", "user": {"uid": 1000, "gid": 1000}}, "root": {"path": HOSTILE}, "hostname": HOSTILE}`))}},
		"pid":              {args: []string{"explain", "--trace", "--pid", pid}},
		"doctor":           {args: []string{"doctor", "--trace", "--pid", pid, "--listen", ":80"}},
		"doctor: listen":   {args: []string{"doctor", "--listen", hostile}},
		"image":            {args: []string{"explain", "--trace", "--image", "docker-archive:" + archive, "--", "docker", "run", "--cap-drop=ALL", "web"}},
		"image not there":  {args: []string{"explain", "--image", "oci:" + hostile, "--", "docker", "run", "web"}},
		"scan tree":        {args: []string{"scan", filepath.Join(dir, "tree")}, root: true},
		"scan file":        {args: []string{"scan", program}, root: true},
		"scan image":       {args: []string{"scan", "docker-archive:" + archive}},
		"scan engine":      {args: []string{"scan", "docker:web", "podman:web"}},
		"scan not there":   {args: []string{"scan", hostile, "docker-archive:" + hostile, "oci:" + hostile}},
		"scan verdict":     {args: []string{"scan", "--fail-on", "forged\x1b[2J\u202e", "/nowhere"}},
		"fix tree":         {args: []string{"fix", "--dry-run", "--mode", "permitted", filepath.Join(dir, "tree")}, root: true},
		"fix tree, auto":   {args: []string{"fix", "--dry-run", filepath.Join(dir, "tree")}, root: true},
		"fix file":         {args: []string{"fix", "--dry-run", "--mode", "strip", program}, root: true},
		"fix image":        {args: []string{"fix", "--dry-run", "--mode", "permitted", "docker-archive:" + archive, "-o", "docker-archive:" + hostile}},
		"fix image, auto":  {args: []string{"fix", "--dry-run", "docker-archive:" + archive}},
		"fix not there":    {args: []string{"fix", hostile}},
		"fix mode":         {args: []string{"fix", "--mode", hostile, "/nowhere"}},
		"build":            {args: []string{"build", "-o", "/nowhere/" + hostile, "./" + hostile}, clean: true},
		"build command":    {args: []string{"build", "--", "/nowhere/" + hostile}},
		"build setting":    {args: []string{"build", "--start=" + hostile}},
		"exec":             {args: []string{"exec", "--", hostile}},
		"exec: path":       {args: []string{"exec", "--", "/nowhere/" + hostile}},
		"exec: capability": {args: []string{"exec", "--cap", hostile, "--", "true"}},
		"verb":             {args: []string{hostile}},
		"help":             {args: []string{"help", hostile}},
		"flag":             {args: []string{"scan", "--" + hostile}},
		"format":           {args: []string{"explain", "--format", hostile, "--", "true"}},
		"demo":             {args: []string{"demo"}, root: true, clean: true},
		"help of all":      {args: []string{"explain", "--help"}, clean: true},
	}
	return cases
}

// hostileEngines returns a folder with engines whose complaints are hostile.
func hostileEngines(t *testing.T, dir string) string {
	t.Helper()
	folder := filepath.Join(dir, "engines")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docker", "podman"} {
		script := "#!/bin/sh\ncat >&2 <<'END'\n" + hostile + "\nEND\nexit 1\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// hostileProgram puts a program with +ep, and a hostile name, into a tree.
func hostileProgram(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "tree", hostile)
	path = filepath.Join(filepath.Dir(path), strings.ReplaceAll(filepath.Base(path), "/", ""))
	copyProgram(t, "/bin/true", path)
	if os.Geteuid() != 0 {
		return path
	}
	caps, err := filecap.FromText("cap_net_bind_service=ep")
	if err == nil {
		err = filecap.Set(path, caps)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// hostileProcess starts a process with a hostile name and hostile arguments.
func hostileProcess(t *testing.T, dir string) int {
	t.Helper()
	path := filepath.Join(dir, "p", "\x1b[2J\nOK    forged\u202e")
	copyProgram(t, "/bin/sleep", path)
	c := exec.Command(path, "60")
	c.Args[0] = hostile
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it sleeps
		_ = c.Wait()
	})
	time.Sleep(50 * time.Millisecond) // until it has become the program
	return c.Process.Pid
}

// hostileImage writes an archive of an image whose names are hostile.
func hostileImage(t *testing.T, dir string) string {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	const effective = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	layer := tarOf(t, &tar.Header{Name: "bin/" + hostileText, Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": effective}}, program)
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": []string{"/bin/" + hostileText}, "User": "1000", "ExposedPorts": map[string]any{"80/tcp": map[string]any{}}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{"web:1"}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image.tar")
	text := tarOf(t, &tar.Header{Name: "layer.tar"}, layer, &tar.Header{Name: "config.json"}, config, &tar.Header{Name: "manifest.json"}, manifest)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tarOf returns an archive of headers, with the content behind each.
func tarOf(t *testing.T, files ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		header, content := files[i].(*tar.Header), files[i+1].([]byte)
		header.Size = int64(len(content))
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileJSON holds that JSON has the names as they are.
func TestHostileJSON(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "scan", "--format", "json", "docker-archive:"+hostileImage(t, dir))
	cmd.Args[0] = "capwise"
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found struct{ Findings []struct{ Path string } }
	if err := json.Unmarshal(out, &found); err != nil || len(found.Findings) == 0 || found.Findings[0].Path != "/bin/"+hostileText {
		t.Errorf("got %q, %v, want the name", found, err)
	}
}

// TestHostileLauncher is about the one message of a launcher.
func TestHostileLauncher(t *testing.T) {
	need.Root(t)
	if _, err := launchers.Program(runtime.GOARCH); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	program := hostileProgram(t, dir)
	if code := run([]string{"fix", "--mode", "launcher", program}); code != 0 {
		t.Fatalf("fix: exit code %d", code)
	}
	if err := os.Remove(program + ".capwise"); err != nil {
		t.Fatal(err)
	}
	for where, cmd := range map[string]*exec.Cmd{"pipe": exec.Command(program), "terminal": onTerminal(t, []string{program})} {
		out, _ := cmd.CombinedOutput()
		checkHarmless(t, where, string(out))
		if !bytes.Contains(out, []byte("capwise-launcher: ")) || !bytes.Contains(out, []byte("forged")) {
			t.Errorf("%s: got %q, want the launcher's message", where, out)
		}
	}
}
