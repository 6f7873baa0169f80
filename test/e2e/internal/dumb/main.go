// Dumb is a server as most are: it knows nothing of capabilities. It binds the
// addresses in its arguments, such as ":80", and prints what came of each.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

func main() {
	for _, address := range os.Args[1:] {
		fmt.Printf("Bind %s: %s\n", address, bind(address))
	}
}

// bind opens and closes an address, and returns the errno's name or "ok".
func bind(address string) string {
	listener, err := net.Listen("tcp", address)
	if err == nil {
		err = listener.Close()
	}
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.EACCES):
		return "EACCES"
	default:
		return err.Error()
	}
}
