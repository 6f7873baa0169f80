package compose

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// lastPort is the extension by which a range of ports gets through the library,
// which would make a port of each.
const lastPort = "x-capwise-last"

// shortRange is a range in the short form of ports: [[IP:]HOST:]FIRST-LAST[/PROTOCOL].
var shortRange = regexp.MustCompile(`^(?:(.*):)?([0-9]{1,5})-([0-9]{1,5})(?:/([a-zA-Z]+))?$`)

// keepRanges has ranges of ports read into the long form of the first, with the
// last beside it. The library calls it once variables have their values.
func keepRanges(o *loader.Options) {
	if o.Interpolate == nil {
		return
	}
	casts := maps.Clone(o.Interpolate.TypeCastMapping)
	casts[tree.NewPath("services", tree.PathMatchAll, "ports", tree.PathMatchList)] = keepRange
	o.Interpolate.TypeCastMapping = casts
}

func keepRange(text string) (any, error) {
	m := shortRange.FindStringSubmatch(text)
	if m == nil {
		return text, nil
	}
	first, errFirst := strconv.ParseUint(m[2], 10, 16)
	last, errLast := strconv.ParseUint(m[3], 10, 16)
	if errFirst != nil || errLast != nil || last <= first {
		return text, nil //nolint:nilerr // the library says what is wrong with it
	}
	port := map[string]any{"target": int(first), lastPort: int(last)}
	if m[1] != "" {
		port["published"] = m[1]
	}
	if m[4] != "" {
		port["protocol"] = m[4]
	}
	return port, nil
}

// targetOf is the port or the ports in the container.
func targetOf(p *types.ServicePortConfig) string {
	if last, ok := p.Extensions[lastPort].(int); ok {
		return fmt.Sprintf("%d-%d/%s", p.Target, last, p.Protocol)
	}
	return fmt.Sprintf("%d/%s", p.Target, p.Protocol)
}
