package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/need"
)

// TestBuffers serves HTTP/3 with the module, and asks the kernel how large the
// buffers of its socket are.
func TestBuffers(t *testing.T) {
	const (
		config = "{\n\tskip_install_trust\n\tservers {\n\t\tpacket_conn_wrappers {\n\t\t\tbuffers 24MiB\n\t\t}\n\t}\n}\nhttps://localhost {\n\ttls internal\n}\n"
		large  = 2 * 24 << 20
	)
	ss := need.Tool(t, "ss")
	for capabilities, forced := range map[string]bool{"cap_net_bind_service,cap_net_admin=p": true, "cap_net_bind_service=p": false} {
		n := newNetwork(t)
		p := newPlace(t, n, nobody)
		s := p.serve(ours(t, capabilities), "run", "--config", p.file("Caddyfile", config))
		out, err := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", s.cmd.Process.Pid), ss, "-Huanm").Output()
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`:443 [^\n]*\n?[^\n]*skmem:\(r\d+,rb(\d+),t\d+,tb(\d+),`).FindStringSubmatch(string(out))
		if found == nil {
			t.Fatalf("%s: no socket for HTTP/3: %s\n%s", capabilities, out, s.stderr)
		}
		if got := found[1] == fmt.Sprint(large) && found[2] == fmt.Sprint(large); got != forced {
			t.Errorf("%s: receive %s, send %s, want %d each: %t", capabilities, found[1], found[2], large, forced)
		}
		if warned := strings.Contains(s.stderr.String(), "buffer size"); forced && warned {
			t.Errorf("%s: quic-go warns\n%s", capabilities, s.stderr)
		}
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.cmd.Process.Pid))
		if err != nil || len(tasks) == 0 {
			t.Fatal(tasks, err)
		}
		for _, task := range tasks {
			text, err := os.ReadFile(task + "/status")
			if err == nil && !strings.Contains(string(text), "CapEff:\t0000000000000000\n") {
				t.Errorf("%s: a thread has a capability: %s", capabilities, text)
			}
		}
	}
}
