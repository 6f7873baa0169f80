package sources

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/image/locate"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// resolveAll looks up the programs of starts, those of one image one after the other:
// it is read once, however many starts it has. A start whose image turns out to be
// several becomes one of each.
func (o Options) resolveAll(found []Found) ([]Found, error) {
	if err := o.checkNames(found); err != nil {
		return nil, err
	}
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(o.imageOf(found[a].Start), o.imageOf(found[b].Start)) })
	images := images{options: o, finder: locate.Finder{Options: o.Images, Offline: o.Offline}}
	resolved := make([][]Found, len(found))
	var err error
	for _, i := range order {
		if resolved[i], err = images.resolve(found[i]); err != nil {
			break
		}
		for _, f := range resolved[i] {
			unsureOfDocker(f.Start)
		}
	}
	return slices.Concat(resolved...), errors.Join(err, images.close())
}

// imageOf is the image of a start; "" where none is asked for.
func (o Options) imageOf(s *scenario.Start) string {
	switch {
	case o.Image != "" && o.about(s):
		return o.Image
	case o.Look && o.givenFor(s).FileCaps == nil && s.Syntax != scenario.OCI:
		return s.Request.Image
	}
	return ""
}

// images opens one image after the other, and keeps the last.
type images struct {
	options Options
	finder  locate.Finder
	asked   int64
	// The last one that was asked for, and what came of it.
	name   string
	source *rootfs.Source
	where  string
	opened []*rootfs.Image
	err    error
	said   string // why an image could not be read
	// docker is the version of the Docker at hand, once that was asked for.
	docker *string
}

// resolve looks up the program of a start in its image or on this machine.
func (i *images) resolve(f Found) ([]Found, error) {
	name := i.options.imageOf(f.Start)
	if name == "" {
		var files scenario.Files
		if f.Request.Image == "" {
			files = i.options.host(f.Start)
		}
		lookup.Resolve(f.Start, files, scenario.ImageConfig{}, i.options.givenFor(f.Start))
		return []Found{f}, nil
	}
	again := i.asked > 0 && name == i.name
	if !again {
		if err := i.open(name, f.Start); err != nil {
			return nil, err
		}
	}
	if i.err != nil {
		f.Note(i.whyNot())
		lookup.Resolve(f.Start, nil, scenario.ImageConfig{}, i.options.givenFor(f.Start))
		return []Found{f}, nil //nolint:nilerr // which is a note
	}
	if i.where != "" {
		i.askVersion(f.Start)
		f.Note("the image is that of " + i.where)
	}
	return i.inEach(f), nil
}

// whyNot says why the image could not be read. Where only the engines here are asked, that
// is the same for each image, and the finder says it the first time only.
func (i *images) whyNot() string {
	if !errors.Is(i.err, locate.ErrNotFound) {
		return i.err.Error()
	}
	why := "its image is " + strings.TrimPrefix(i.err.Error(), fmt.Sprintf("image %q: ", i.name))
	if i.said == "" || !i.options.Offline {
		i.said = why
	}
	return i.said
}

// inEach looks up the program of a start in each of the images that are meant.
func (i *images) inEach(f Found) []Found {
	var out []Found
	for _, img := range i.opened {
		one := f
		one.image = factsOf(img)
		if len(i.opened) > 1 {
			one.Start = f.Clone()
			one.Name += " (" + img.Name() + ")"
		}
		lookup.Resolve(one.Start, img, img.Config, i.options.givenFor(f.Start))
		out = append(out, one)
	}
	return out
}

// factsOf is what a Containerfile that begins with the image has to know.
func factsOf(img *rootfs.Image) *patch.Image {
	facts := &patch.Image{User: img.Config.User}
	for _, name := range []string{"/usr/sbin/setcap", "/sbin/setcap", "/usr/bin/setcap", "/bin/setcap"} {
		if _, err := img.Stat(name); err == nil {
			facts.Setcap = name
			break
		}
	}
	return facts
}

// open opens an image that the user names, or looks for that of a start. If there is
// none of a start, i.err says so.
func (i *images) open(name string, s *scenario.Start) error {
	if err := i.close(); err != nil {
		return err
	}
	i.asked++
	i.name, i.where = name, ""
	given := name == i.options.Image // by the user, who is told of every error
	i.err = limit.Asked.Check(i.asked)
	switch {
	case i.err != nil:
	case given && (name == ref.StandardInput || ref.Is(name) || !ref.MayBeName(name)):
		i.source, i.err = rootfs.Open(name, i.options.Images)
	default:
		i.source, i.where, i.err = i.finder.Find(name, engineOf(s.Syntax))
	}
	if i.err == nil {
		i.err = i.read(given)
	}
	if given {
		return i.err
	}
	return nil
}

// read reads the images that run here: an engine has one by a name, and only the user can
// name several.
func (i *images) read(given bool) error {
	list, err := i.source.ForThisMachine()
	if err == nil && len(list) > 1 && !given {
		list = list[:1]
	}
	for _, img := range list {
		opened, err := i.source.Read(img)
		if err != nil {
			return err
		}
		i.opened = append(i.opened, opened)
	}
	return err
}

func (i *images) close() error {
	if i.source == nil {
		return nil
	}
	err := i.source.Close()
	i.source, i.opened = nil, nil
	return err
}

// engineOf names the engine that holds the images of a source.
func engineOf(s scenario.Syntax) ref.Kind {
	switch s {
	case scenario.DockerRun, scenario.Compose:
		return ref.Docker
	case scenario.PodmanRun:
		return ref.Podman
	case scenario.Kubernetes:
		return ref.Containerd
	default:
		return ""
	}
}

// versionTime is how long an engine may take to say its version.
const versionTime = 10 * time.Second

// askVersion takes the version of the Docker at hand, if that has the image, where the
// user says none: what it leaves to a program depends on it.
func (i *images) askVersion(s *scenario.Start) {
	r := &s.Settings.Runtime
	if r.Name != scenario.Docker || r.Version != "" || i.where != string(ref.Docker) {
		return
	}
	if i.docker == nil {
		ctx, cancel := context.WithTimeout(context.Background(), versionTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")
		cmd.WaitDelay = time.Second // for what it has started itself
		out, err := cmd.Output()
		version := strings.TrimSpace(string(out))
		if err != nil {
			version = ""
		}
		i.docker = &version
	}
	if *i.docker != "" {
		r.Version = *i.docker
		s.Note(fmt.Sprintf("assuming the local Docker, %s; use --runtime-version for another", r.Version))
	}
}
