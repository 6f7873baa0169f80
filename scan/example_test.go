package scan_test

import (
	"fmt"
	"os"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/scan"
)

// An ordinary Go program, this one, with +ep: it does not start where the
// capability is dropped, and nothing in it raises what +p would permit.
func ExampleClassify() {
	caps := filecap.Caps{Permitted: capset.Of(capset.NetBindService), Effective: true, Revision: filecap.V2}
	attribute, err := caps.MarshalBinary()
	if err != nil {
		panic(err)
	}
	program, err := os.Open(os.Args[0])
	if err != nil {
		panic(err)
	}
	defer program.Close()
	f, err := scan.Classify(attribute, program)
	fmt.Println(f.Class, f.Capabilities, err)
	// Output: dumb cap_net_bind_service=ep <nil>
}
