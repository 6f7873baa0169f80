package capset_test

import (
	"fmt"

	"github.com/capwise/capwise/capset"
)

// The text form of setcap and getcap, in both directions.
func ExampleParseState() {
	s, err := capset.ParseState("cap_net_raw,cap_net_bind_service+ep cap_net_raw-e")
	if err != nil {
		panic(err)
	}
	fmt.Println("permitted:", s.Permitted)
	fmt.Println("effective:", s.Effective)
	fmt.Println(s)

	_, err = capset.ParseState("cap_net_raw=x")
	fmt.Println(err)
	// Output:
	// permitted: cap_net_bind_service,cap_net_raw
	// effective: cap_net_bind_service
	// cap_net_bind_service=ep cap_net_raw+p
	// capability text "cap_net_raw=x": unknown flag "x": want e, i or p
}
