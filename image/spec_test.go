package image

import (
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	const good = `{"name": "demo", "tag": "example/demo:v${VERSION}", "program": "/usr/bin/demo", "module": "example.com/demo",
		"config": {"Cmd": ["demo"], "ExposedPorts": {"80/tcp": {}}}}`
	spec, err := ParseSpec(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.expand("1.0").Tag; got != "example/demo:v1.0" {
		t.Errorf("tag %q", got)
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"empty":             {good, "", "EOF"},
		"not JSON":          {good, "name: demo", "invalid character"},
		"unknown field":     {`"module"`, `"modul"`, `unknown field "modul"`},
		"unknown in config": {`"Cmd"`, `"Command"`, `unknown field "Command"`},
		"two objects":       {good, good + "{}", "there is more after the JSON object"},
		"no name":           {`"demo", "tag"`, `"", "tag"`, `name "" cannot be the name of a file`},
		"name that climbs":  {`"demo", "tag"`, `"../demo", "tag"`, `name "../demo" cannot be`},
		"hidden name":       {`"demo", "tag"`, `"..", "tag"`, `name ".." cannot be`},
		"bad tag":           {"example/demo", "Example/demo", "repository can only contain"},
		"relative program":  {`"/usr/bin/demo"`, `"demo"`, `program "demo" is not the absolute path of a file`},
		"program climbs":    {`"/usr/bin/demo"`, `"/../demo"`, `program "/../demo" is not the absolute path`},
		"no module":         {`"example.com/demo"`, `""`, "module is empty"},
	} {
		_, err := ParseSpec(strings.NewReader(strings.Replace(good, tt.old, tt.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", name, err, tt.want)
		}
	}
}

// TestSpecs reads those of the images that are made here.
func TestSpecs(t *testing.T) {
	for _, c := range containerfiles {
		if spec := c.spec(t); spec.Name != c.name || spec.Module != c.module || rel(spec.Program) != c.program {
			t.Errorf("%s: describes %s of %s at %s", c.name, spec.Name, spec.Module, spec.Program)
		}
	}
}
