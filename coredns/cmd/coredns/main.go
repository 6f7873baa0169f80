// Command coredns is upstream CoreDNS with all its standard plugins and nothing
// of ours. "capwise build" makes it raise a permitted capability for each bind
// that needs it, and say why a port was refused; a plain "go build" makes
// upstream's own program.
package main

import (
	_ "github.com/coredns/coredns/core/plugin" // all standard plugins
	"github.com/coredns/coredns/coremain"
)

func main() { coremain.Run() }
