package locate

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/rootfs"
)

// registryTime is how long the registry and each mirror may take to say what an image
// consists of. Tests shorten it.
var registryTime = 20 * time.Second

// errNoAnswer says that a registry took longer.
var errNoAnswer = errors.New("no answer")

// registry opens an image in its registry, or one of its mirrors.
func (f *Finder) registry(name string, own ref.Kind) (_ *rootfs.Source, where string, said []string) {
	if f.hosts == nil {
		f.hosts = readHosts()
	}
	names, said := f.hosts.names(name, own)
	for _, n := range names {
		if f.silent[n.host] {
			continue
		}
		source, err := f.within(n.name)
		if err == nil {
			return source, n.host, nil
		}
		if unreachable(err) {
			f.silent[n.host] = true
		}
		said = append(said, fmt.Sprintf("registry %s: %v", n.host, unwrapped(err)))
	}
	return nil, "", said
}

// within opens an image in a registry, and gives up after a time.
func (f *Finder) within(name string) (*rootfs.Source, error) {
	type result struct {
		source *rootfs.Source
		err    error
	}
	done := make(chan result, 1)
	go func() {
		source, err := rootfs.Open("registry:"+name, f.Options)
		done <- result{source, err}
	}()
	select {
	case r := <-done:
		return r.source, r.err
	case <-time.After(registryTime):
		go func() {
			if r := <-done; r.source != nil {
				_ = r.source.Close() // nobody has used it
			}
		}()
		return nil, fmt.Errorf("%w in %s", errNoAnswer, registryTime)
	}
}

// unreachable reports whether a registry has not answered. One that has not the image,
// or does not give it, or has it damaged, may have another.
func unreachable(err error) bool {
	var connection *url.Error
	return errors.Is(err, errNoAnswer) || errors.As(err, &connection)
}

// unwrapped is an error without the name of the image, which the whole line has.
func unwrapped(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "image ") {
		return inner
	}
	return err
}
