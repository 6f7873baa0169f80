package fix

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"
	"testing"

	compressionkind "github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/store"
)

// checkDigests is the oracle: it computes every digest, size and diff ID of an
// image anew, and returns the layers' archives.
func checkDigests(t *testing.T, files map[string][]byte) [][]byte {
	t.Helper()
	o := oracle{t: t, files: files}
	if index := files[store.IndexFile]; index != nil {
		o.index(index)
	}
	if list := files[store.DockerFile]; list != nil {
		o.docker(list)
	}
	for name, b := range files {
		if sum, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && sum[0] != '.' && hexDigits(store.Digest256(b)) != sum {
			t.Errorf("%s has another digest", name)
		}
	}
	return o.archives
}

type oracle struct {
	t        *testing.T
	files    map[string][]byte
	archives [][]byte
}

type oracleDescriptor struct {
	MediaType, Digest string
	Size              int
}

type oracleDocument struct {
	Manifests, Layers []oracleDescriptor
	Config            oracleDescriptor
}

func (o *oracle) blob(d oracleDescriptor) []byte {
	b, ok := o.files["blobs/sha256/"+hexDigits(d.Digest)]
	if !ok {
		o.t.Errorf("%s is not there", d.Digest)
	} else if len(b) != d.Size || store.Digest256(b) != d.Digest {
		o.t.Errorf("%s: size %d or digest are wrong", d.Digest, d.Size)
	}
	return b
}

func (o *oracle) decode(b []byte, v any) {
	if err := json.Unmarshal(b, v); err != nil {
		o.t.Errorf("%v in %s", err, b)
	}
}

func (o *oracle) index(b []byte) {
	var doc oracleDocument
	o.decode(b, &doc)
	for _, d := range doc.Manifests {
		child := o.blob(d)
		if d.MediaType == typeIndex {
			o.index(child)
			continue
		}
		var m oracleDocument
		o.decode(child, &m)
		if len(m.Layers) == 0 || !strings.Contains(m.Layers[0].MediaType, ".tar") {
			continue
		}
		var layers [][]byte
		for _, l := range m.Layers {
			layers = append(layers, o.blob(l))
		}
		o.config(o.blob(m.Config), layers)
	}
}

func (o *oracle) docker(b []byte) {
	var list []struct {
		Config string
		Layers []string
	}
	o.decode(b, &list)
	for _, m := range list {
		config := o.files[m.Config]
		if name := hexDigits(store.Digest256(config)); !strings.Contains(m.Config, name) {
			o.t.Errorf("configuration %s has digest %s", m.Config, name)
		}
		var layers [][]byte
		for _, name := range m.Layers {
			if to, ok := strings.CutPrefix(string(o.files[name]), "-> "); ok {
				name = path.Join(path.Dir(name), to)
			}
			if o.files[name] == nil {
				o.t.Errorf("layer %s is not there", name)
			}
			layers = append(layers, o.files[name])
		}
		o.config(config, layers)
	}
}

func (o *oracle) config(config []byte, layers [][]byte) {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	o.decode(config, &c)
	if len(c.RootFS.DiffIDs) != len(layers) {
		o.t.Fatalf("%d layers, %d diff IDs", len(layers), len(c.RootFS.DiffIDs))
	}
	for i, l := range layers {
		archive := decompress(o.t, compression(compressionkind.Of(l[:4])), l)
		if store.Digest256(archive) != c.RootFS.DiffIDs[i] {
			o.t.Errorf("layer %d has another diff ID than %s", i+1, c.RootFS.DiffIDs[i])
		}
		o.archives = append(o.archives, archive)
	}
}

// differing counts the bytes in which two archives of one length differ.
func differing(t *testing.T, a, b []byte) int {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d bytes, then %d", len(a), len(b))
	}
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

var (
	digestPattern = regexp.MustCompile(`[0-9a-f]{64}`)
	sizePattern   = regexp.MustCompile(`"size":\d+`)
)
