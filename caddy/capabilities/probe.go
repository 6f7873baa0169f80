package capabilities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/diagnose"
)

// probe binds the listeners of which the receipt says that they fail, and
// returns the kernel's refusal with its explanation. A bind that works after
// all, or fails for another reason, is Caddy's affair.
func probe(r Receipt, listeners []listener) error {
	for i, answer := range r.Listeners {
		if answer.Needs != diagnose.Fail {
			continue
		}
		var refused *capwise.BindError
		if err := openAndClose(listeners[i]); errors.As(err, &refused) {
			return fmt.Errorf("%s: %w", answer.User, err)
		}
	}
	return nil
}

// openAndClose opens and closes a listener as Caddy would: next to sockets of its
// own on the same port.
func openAndClose(l listener) error {
	lc := capwise.ListenConfig{Control: reusePort}
	address := net.JoinHostPort(l.address.Host, strconv.Itoa(l.port()))
	var socket io.Closer
	var err error
	if network := l.address.Network; strings.HasPrefix(network, "udp") {
		socket, err = lc.ListenPacket(context.Background(), network, address)
	} else {
		socket, err = lc.Listen(context.Background(), network, address)
	}
	if err != nil {
		return err
	}
	return socket.Close()
}
