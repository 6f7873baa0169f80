package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// distribution is a server that the project ships, and how to talk to it.
type distribution struct {
	name                       string
	permitted, effective, none func() (*program.Program, error)

	version []string // arguments that ask for the version
	says    string   // what the answer to that begins with

	high, low int                   // usual ports, of which the low one is privileged
	config    func(port int) string // serves "capwise on PORT" there
	file      string                // in which it looks for the configuration
	serve     func(file string) []string

	publish []string // options of Docker that make low reachable on high
	// ask returns what is served at an address, from inside of a network.
	ask func(network, address string) (string, error)
	// user is whom the image runs as where nobody is named.
	user string
	// asIs is part of what the image serves without a configuration.
	asIs string
	// isError tells whether a line of its log is an error.
	isError func(line string) bool
}

var (
	caddy = &distribution{
		name: "caddy", permitted: caddyPermitted, effective: caddyEffective, none: caddyNone,
		version: []string{"version"}, says: "v2.",
		high: 8080, low: 80,
		file: "Caddyfile",
		config: func(port int) string {
			return fmt.Sprintf("http://:%d {\n\trespond %q\n}\n", port, served(port))
		},
		serve: func(file string) []string {
			return []string{"run", "--config", file, "--adapter", "caddyfile"}
		},
		publish: []string{"--publish=8080:80"},
		ask: func(network, address string) (string, error) {
			return httpGet(network, "http://"+address+"/")
		},
		user:    "0",
		asIs:    "<title>",
		isError: func(line string) bool { return strings.Contains(line, `"level":"error"`) },
	}
	coredns = &distribution{
		name: "coredns", permitted: corednsPermitted, effective: corednsEffective, none: corednsNone,
		version: []string{"-version"}, says: "CoreDNS-1.",
		high: 1053, low: 53,
		file:    "Corefile",
		config:  func(port int) string { return serverBlock(fmt.Sprintf(".:%d", port), served(port)) },
		serve:   func(file string) []string { return []string{"-conf", file} },
		publish: []string{"--publish=1053:53/udp", "--publish=1053:53/tcp"},
		ask:     askServed,
		user:    "65532",
		asIs:    "_tcp." + question,
		isError: func(line string) bool {
			// What ends it comes from Go's log package, which has no levels.
			return strings.HasPrefix(line, "[ERROR] ") || strings.HasPrefix(line, "Listen: ") || strings.HasPrefix(line, "listen ")
		},
	}
	distributions = []*distribution{caddy, coredns}
)

// folder makes a folder with a configuration.
func (d *distribution) folder(t *testing.T, config string) string {
	t.Helper()
	return configDir(t, d.file, config)
}

// args is the arguments for a server with the folder's configuration.
func (d *distribution) args(dir string) []string { return d.serve(filepath.Join(dir, d.file)) }

// served is what is served on a port with the configuration for that port.
func served(port int) string { return fmt.Sprintf("capwise on %d", port) }

// unquoted returns the texts of a JSON log line as a reader sees them, without
// escapes, and other lines as they are.
func unquoted(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return line
	}
	var text strings.Builder
	for _, value := range fields {
		if s, ok := value.(string); ok {
			text.WriteString(s + "\n")
		}
	}
	return text.String()
}
