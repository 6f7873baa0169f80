package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
)

// FuzzFiles holds that whatever is in a file, its kind is found out and it is
// read, or there is an error. Images are not asked for.
func FuzzFiles(f *testing.F) {
	f.Add("services: {web: {image: web, ports: ['80:80']}}\n")
	f.Add(`{"ociVersion": "1.0.0", "process": {"args": ["/x"], "user": {"uid": 1}}, "root": {"path": "r"}}`)
	f.Add("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n")
	f.Add("[Service]\nExecStart=/bin/true\nUser=1\n")
	caps := filecap.Caps{Permitted: capset.Of(capset.NetBindService), Revision: filecap.V2}
	o := Options{}
	o.Given.FileCaps = &caps
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		// Compose reads more files, and another one's environment.
		for _, word := range []string{"include", "extends", "env_file", "${", "file:"} {
			if strings.Contains(text, word) {
				return
			}
		}
		name := filepath.Join(dir, "f.service")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := o.Files([]string{name}, nil)
		if err == nil && len(found) == 0 && kindOf("f", []byte(text)) != kindCompose {
			t.Errorf("%q: neither a start nor an error", text)
		}
		for _, s := range found {
			if s.Start == nil {
				t.Errorf("%q: a start that is none", text)
			}
		}
	})
}
