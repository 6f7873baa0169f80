package filecap_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/capwise/capwise/filecap"
)

// What an attribute of 20 bytes, as the kernel stores it, stands for.
func ExampleParse() {
	caps, err := filecap.Parse([]byte{
		0x01, 0, 0, 0x02, // revision 2, the effective bit
		0x00, 0x04, 0, 0, 0, 0, 0, 0, // permitted and inheritable: 0 to 31
		0, 0, 0, 0, 0, 0, 0, 0, // 32 to 63
	})
	fmt.Println(caps, err)
	fmt.Println(caps.Revision, caps.Effective)
	// Output:
	// cap_net_bind_service=ep <nil>
	// 2 true
}

// A file without capabilities is told from one that cannot be read.
func ExampleGet() {
	caps, err := filecap.Get("/usr/bin/server")
	switch {
	case errors.Is(err, filecap.ErrNone):
		fmt.Println("carries no capabilities")
	case errors.Is(err, os.ErrNotExist):
		fmt.Println("no such file")
	case err == nil && caps.Effective:
		fmt.Println("does not start where a capability is dropped")
	}
	// Output: no such file
}
