package law_test

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
)

// A program with +ep does not start in a container that drops the capability.
// The trace says which rules decided.
func ExampleExec() {
	caps, err := filecap.FromText("cap_net_bind_service=ep")
	if err != nil {
		panic(err)
	}
	dropped := law.User(65532, 65532, 0)
	out := law.Exec(law.Kernel{}, dropped, law.File{Caps: caps})
	fmt.Println(out.Errno)
	for rule := range out.Rules.All() {
		fmt.Println(rule)
	}
	// Output:
	// EPERM
	// file-caps
	// file-caps-dumb
}

// The same program with +p starts, and may bind once it raises what it is permitted.
func ExampleBind() {
	file := law.File{Caps: filecap.Caps{Permitted: capset.Of(capset.NetBindService), Revision: filecap.V2}}
	network := law.Network{PortStart: law.DefaultPortStart}

	task := law.Exec(law.Kernel{}, law.User(65532, 65532, capset.All), file).Task
	fmt.Println(law.Bind(task, network, 80).Errno)
	raised := task.Raise(capset.Of(capset.NetBindService))
	fmt.Println(law.Bind(raised, network, 80).Errno == law.OK)
	// Output:
	// EACCES
	// true
}
