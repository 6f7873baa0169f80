package launch_test

import (
	"fmt"

	"github.com/capwise/capwise/launch"
)

// The plan that a launcher carries: one program, and what it gets. The launcher
// accepts no other bytes than these.
func ExampleConfig() {
	c := launch.Config{Target: "/usr/bin/server.capwise"}
	if err := c.Add("net_bind_service=prefer"); err != nil {
		panic(err)
	}
	block, err := c.MarshalBinary()
	if err != nil {
		panic(err)
	}
	var read launch.Config
	fmt.Println(read.UnmarshalBinary(block), len(block))
	fmt.Println(read.Target, "gets", read.Prefer)

	block[len(block)-1] ^= 1
	fmt.Println(read.UnmarshalBinary(block))
	// Output:
	// <nil> 4096
	// /usr/bin/server.capwise gets cap_net_bind_service
	// the configuration of this launcher is damaged
}
