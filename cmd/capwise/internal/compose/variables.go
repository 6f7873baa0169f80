package compose

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	yaml "go.yaml.in/yaml/v3"
)

// variables are the names that files ask for and that have no value here.
type variables struct{ unset map[string]bool }

// watch notes them, of included files, too.
func (v *variables) watch(o *loader.Options) {
	if o.Interpolate == nil {
		return // the library asks where the files are
	}
	v.unset = map[string]bool{}
	o.Interpolate.Substitute = func(text string, values template.Mapping) (string, error) {
		return substitute(text, func(name string) (string, bool) {
			value, ok := values(name)
			if !ok {
				v.unset[name] = true
			}
			return value, ok
		})
	}
}

func substitute(text string, values template.Mapping) (string, error) {
	return template.SubstituteWithOptions(text, values, template.WithoutLogging)
}

// note says which they are, of those that the answer may turn on; "" for none.
func (v *variables) note(in texts) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(v.unset)), func(name string) bool {
		plain := regexp.MustCompile(`\$(?:` + regexp.QuoteMeta(name) + `\b|\{` + regexp.QuoteMeta(name) + `\})`)
		at := func(text string) bool { return plain.MatchString(text) }
		return in.whole && !slices.ContainsFunc(in.matter, at) // it has a default, or is about something else
	})
	if len(names) == 0 {
		return ""
	}
	const most = 10
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	return "variables without a value here: " + strings.Join(names, ", ") + "; your environment is not looked at, --env NAME gives one of it"
}

// texts is the texts of files that the answer may turn on.
type texts struct {
	matter []string
	whole  bool // there are no other files
}

// others is the keys of a service that the answer does not turn on.
var others = map[string]bool{
	"environment": true, "env_file": true, "volumes": true, "labels": true, "healthcheck": true, "restart": true, "container_name": true,
	"hostname": true, "domainname": true, "depends_on": true, "logging": true, "deploy": true, "secrets": true, "configs": true, "networks": true,
	"extra_hosts": true, "dns": true, "mem_limit": true, "shm_size": true, "tmpfs": true, "devices": true, "build": true, "image": true,
}

// add adds the texts of a document's services.
func (t *texts) add(document *yaml.Node) {
	t.whole = t.whole && value(document, "include") == nil
	services := value(document, "services")
	for i := 0; services != nil && i+1 < len(services.Content); i += 2 {
		service := services.Content[i+1]
		if service.Kind != yaml.MappingNode {
			t.whole = false // an alias
			continue
		}
		for n := 0; n+1 < len(service.Content); n += 2 {
			key := service.Content[n].Value
			t.whole = t.whole && key != "extends" && key != "<<"
			if !others[key] {
				t.scalars(service.Content[n+1])
			}
		}
	}
}

func (t *texts) scalars(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		t.matter = append(t.matter, n.Value)
	}
	if n.Kind == yaml.AliasNode {
		t.whole = false
	}
	for _, c := range n.Content {
		t.scalars(c)
	}
}
