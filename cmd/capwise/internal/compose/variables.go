package compose

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
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

// note says which they are; "" for none.
func (v *variables) note() string {
	if len(v.unset) == 0 {
		return ""
	}
	const most = 10
	names := slices.Sorted(maps.Keys(v.unset))
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	return "variables without a value here: " + strings.Join(names, ", ") + "; your environment is not looked at, --env NAME gives one of it"
}
