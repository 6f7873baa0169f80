package rootfs

import (
	"io"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
)

// Image is an image's configuration and files.
type Image struct {
	// Config is what the image says about its program.
	Config scenario.ImageConfig
	name   string
	tree   *tree
	spool  *spool
}

var _ scenario.Files = (*Image)(nil)

// New reads the layers of an image. The name is for messages.
func New(img v1.Image, name string) (*Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	config, err := rawjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	blobs, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var layers []layer
	for _, l := range blobs {
		layers = append(layers, opened{l})
	}
	return read(programOf(config.Get("config")), layers, name, false)
}

// opened is a layer of an image that is open already.
type opened struct{ v1.Layer }

func (o opened) open() (io.ReadCloser, int64, error) {
	size, err := o.Size()
	if err != nil {
		return nil, 0, err
	}
	blob, err := o.Compressed()
	return struct{ io.ReadCloser }{blob}, size, err
}

// read reads layers; keep says that the contents of files with the attribute are
// kept.
func read(config scenario.ImageConfig, layers []layer, name string, keep bool) (*Image, error) {
	if err := limit.Layers.Check(int64(len(layers))); err != nil {
		return nil, err
	}
	out := &Image{Config: config, name: name, tree: newTree(), spool: &spool{}}
	r := &reader{meter: &meter.Meter{Listed: limit.Entries}, keep: keep, spool: out.spool}
	err := inOrder(layers, r.read, func(layer int, i *item) error {
		out.tree.layer = int32(layer) + 1
		return out.tree.add(i)
	})
	if err != nil {
		_ = out.Close() // there is an error already
		return nil, err
	}
	return out, nil
}

// programOf reads the member config of an image's configuration.
func programOf(c *rawjson.Value) scenario.ImageConfig {
	out := scenario.ImageConfig{
		User: c.Get("User").Text(), WorkDir: c.Get("WorkingDir").Text(),
		Entrypoint: texts(c.Get("Entrypoint")), Cmd: texts(c.Get("Cmd")),
	}
	for _, v := range c.Get("Env").List() {
		if p, ok := strings.CutPrefix(v.Text(), "PATH="); ok {
			out.Path = p
		}
	}
	if ports := c.Get("ExposedPorts"); ports != nil {
		for _, m := range ports.Members {
			out.Exposed = append(out.Exposed, m.Key)
		}
	}
	slices.Sort(out.Exposed)
	return out
}

// texts returns the texts in a list; nil where there is none.
func texts(v *rawjson.Value) []string {
	var out []string
	for _, e := range v.List() {
		out = append(out, e.Text())
	}
	return out
}

// Name is what the image was opened by, with its platform where there are several.
func (i *Image) Name() string { return i.name }

// String implements [scenario.Files].
func (i *Image) String() string { return "image " + i.name }

// Stat implements [scenario.Files].
func (i *Image) Stat(name string) (scenario.FileInfo, error) {
	at, number, err := i.tree.resolve(name)
	if err != nil {
		return scenario.FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	n := i.tree.nodes.at(number)
	return scenario.FileInfo{Path: at, Mode: n.mode, File: scenario.FileOf(n.mode, n.uid, n.gid, i.tree.extra.at(n.extra).caps)}, nil
}

// Head implements [scenario.Files]. It knows the beginning of scripts and of the
// files of users and groups; of others, the first bytes.
func (i *Image) Head(name string, n int) ([]byte, error) {
	_, number, err := i.tree.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	node := i.tree.nodes.at(number)
	head := i.tree.extra.at(node.extra).head
	if head.size == 0 {
		return node.magic[:min(n, int(node.magicLen))], nil
	}
	out := make([]byte, min(int64(n), head.size))
	_, err = io.ReadFull(i.spool.section(head), out)
	return out, err
}

// Capable returns the files that carry the attribute security.capability, by
// path, with its raw bytes.
func (i *Image) Capable() map[string][]byte {
	out := map[string][]byte{}
	for number := range i.tree.nodes.size {
		n := i.tree.nodes.at(number)
		if caps := i.tree.extra.at(n.extra).caps; caps != nil && !n.gone {
			out[i.tree.path(number)] = caps
		}
	}
	return out
}

// Content returns the content of a file with the attribute, of an image that
// [Each] has opened; nil otherwise. That of a sparse file is not kept, and empty.
func (i *Image) Content(name string) io.ReaderAt {
	_, number, err := i.tree.resolve(name)
	if err != nil {
		return nil
	}
	x := i.tree.extra.at(i.tree.nodes.at(number).extra)
	if x.caps == nil {
		return nil
	}
	return i.spool.section(x.content)
}

// Close gives the contents back.
func (i *Image) Close() error { return i.spool.close() }
