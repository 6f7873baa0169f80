// Command capwise-image writes a container image from one directory per
// architecture, without a daemon and without root. See docs/images.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/image"
	"github.com/capwise/capwise/internal/printable"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	err := run(os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH"), os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		for _, line := range printable.Errors(err) {
			fmt.Fprintln(os.Stderr, "capwise-image:", line)
		}
		os.Exit(1)
	}
}

// request is the command line.
type request struct {
	spec, out, fileCaps, tag string
	roots                    []image.Root
}

// run does what args ask for and lists on stdout what was written.
func run(args []string, epoch string, stdout, stderr io.Writer) error {
	req, err := parse(args, stderr)
	if err != nil {
		return err
	}
	spec, err := readSpec(req.spec)
	if err != nil {
		return err
	}
	if req.tag != "" {
		spec.Tag = req.tag
	}
	opts, err := options(req.fileCaps, epoch)
	if err != nil {
		return err
	}
	set, err := image.Build(spec, req.roots, opts)
	if err != nil {
		return err
	}
	outputs, err := set.Write(req.out)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		if _, err := fmt.Fprintf(stdout, "%s\t%s\t%s\n", o.Path, set.Spec.Tag, o.Digest); err != nil {
			return err
		}
	}
	return nil
}

func parse(args []string, stderr io.Writer) (request, error) {
	var req request
	f := flag.NewFlagSet("capwise-image", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is returned; only the help is printed
	f.StringVar(&req.spec, "spec", "", "`file` that describes the image (JSON)")
	f.StringVar(&req.out, "out", "dist", "`directory` to write to")
	f.StringVar(&req.fileCaps, "file-caps", "cap_net_bind_service=p",
		"capabilities of the program, as `text` that setcap(8) takes, or \"none\"")
	f.StringVar(&req.tag, "tag", "", "`name` for engines, instead of the one in the description")
	f.Func("root", "`ARCH=DIR`: root file system for an architecture; may be repeated", func(text string) error {
		arch, dir, ok := strings.Cut(text, "=")
		if !ok || arch == "" || dir == "" {
			return errors.New("want ARCH=DIR")
		}
		req.roots = append(req.roots, image.Root{Platform: platform(arch), Dir: dir})
		return nil
	})
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(stderr)
		f.Usage()
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case err == nil && req.spec == "":
		err = errors.New("-spec is missing")
	case err == nil && len(req.roots) == 0:
		err = errors.New("-root is missing")
	}
	return req, err
}

// platform returns what official images call the architecture.
func platform(arch string) v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: arch}
	if arch == "arm64" {
		p.Variant = "v8"
	}
	return p
}

func readSpec(path string) (image.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.Spec{}, err
	}
	defer func() { _ = f.Close() }()
	spec, err := image.ParseSpec(f)
	if err != nil {
		return image.Spec{}, fmt.Errorf("%s: %w", path, err)
	}
	return spec, nil
}

// options reads the flag -file-caps and the variable SOURCE_DATE_EPOCH.
func options(fileCaps, epoch string) (image.Options, error) {
	opts := image.Options{Created: time.Unix(0, 0)}
	if epoch != "" {
		seconds, err := strconv.ParseUint(epoch, 10, 32)
		if err != nil {
			return opts, fmt.Errorf("SOURCE_DATE_EPOCH=%s: want seconds since 1970", epoch)
		}
		opts.Created = time.Unix(int64(seconds), 0)
	}
	switch fileCaps {
	case "none":
		return opts, nil
	case "": // it would be an attribute without capabilities: hardly meant
		return opts, errors.New("-file-caps is empty: want capabilities or \"none\"")
	}
	caps, err := filecap.FromText(fileCaps)
	if err != nil {
		return opts, fmt.Errorf("-file-caps %s: %w", fileCaps, err)
	}
	opts.FileCaps = &caps
	return opts, nil
}
