package diagnose_test

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Whether "docker run --user 65532 --cap-drop=ALL" starts a server whose file
// carries +ep, and what to change.
func ExampleJudge() {
	caps := filecap.Caps{Permitted: capset.Of(capset.NetBindService), Effective: true, Revision: filecap.V2}
	start := scenario.Start{
		Syntax:   scenario.DockerRun,
		Settings: scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Docker}, UID: 65532, PortStart: scenario.Unset},
		Program: scenario.Program{
			Chain:     []scenario.Step{{Path: "/usr/bin/caddy", File: law.File{Caps: caps}}},
			Awareness: scenario.Aware,
		},
	}
	j := diagnose.Judge(law.Kernel{}, &start)
	fmt.Println(j.OK(), j.Exec.Errno, j.Exec.Cause)
	for _, r := range diagnose.Remedies(law.Kernel{}, &start, &j, nil)[:2] {
		fmt.Println(r.Change(), "-", r.How)
	}
	// Output:
	// false EPERM capability-dumb-file
	// file-permitted - in the image: setcap cap_net_bind_service=p /usr/bin/caddy
	// file-strip - in the image: setcap -r /usr/bin/caddy
}
