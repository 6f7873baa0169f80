package patch

import (
	"strconv"

	yaml "go.yaml.in/yaml/v3"

	"github.com/capwise/capwise/diagnose"
)

// bundle makes a change in a config.json.
func (c *change) bundle(d *document) error {
	process, linux := at(nil, "process"), at(nil, "linux")
	switch c.Change {
	case diagnose.Sysctl:
		return d.set(at(linux, "sysctl", portStart), strconv.Quote(strconv.Itoa(c.after.Settings.PortStart)))
	case diagnose.AddCapability:
		return addToSets(d, c.added("CAP_"), "bounding", "permitted", "effective")
	case diagnose.Ambient:
		return addToSets(d, []string{"CAP_NET_BIND_SERVICE"}, "permitted", "inheritable", "ambient")
	case diagnose.AllowNewPrivs:
		return d.set(at(process, "noNewPrivileges"), "false")
	case diagnose.OwnNetwork:
		return d.appendItem(at(linux, "namespaces"), "{type: network}")
	case diagnose.HostUsers:
		if err := d.removeItem(at(linux, "namespaces"), "type", "user"); err != nil {
			return err
		}
		if err := d.remove(at(linux, "uidMappings")); err != nil { // which runc refuses without it
			return err
		}
		return d.remove(at(linux, "gidMappings"))
	case diagnose.RunAsRoot:
		return d.set(at(process, "user", "uid"), "0")
	case diagnose.Direct:
		last := c.before.Program.Last()
		if len(last.Args) == 0 {
			return inSource
		}
		return d.set(at(process, "args"), list(append([]string{last.Path}, last.Args[1:]...)))
	default:
		return inSource
	}
}

// addToSets adds capabilities to some of a process' sets.
func addToSets(d *document, caps []string, sets ...string) error {
	for _, set := range sets {
		if err := d.add(at(nil, "process", "capabilities", set), caps); err != nil {
			return err
		}
	}
	return nil
}

// appendItem puts an item, written as flow style, at the end of a sequence.
func (d *document) appendItem(path []step, item string) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	list, rest := find(root, path)
	if len(rest) > 0 || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return d.set(path, "["+item+"]")
	}
	if list.Style&yaml.FlowStyle == 0 {
		return errWritten
	}
	_, to, err := d.span(list.Content[len(list.Content)-1])
	if err != nil {
		return err
	}
	item, err = d.written(item)
	if err != nil {
		return err
	}
	d.text = d.text[:to] + "," + d.before(list.Content[0]) + item + d.text[to:]
	return nil
}

// removeItem takes the item out of a sequence whose key has the value.
func (d *document) removeItem(path []step, key, value string) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	list, rest := find(root, path)
	if len(rest) > 0 || list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle == 0 {
		return errNotThere
	}
	for _, item := range list.Content {
		if i := keyIn(item, key); item.Kind == yaml.MappingNode && i >= 0 && item.Content[i+1].Value == value {
			from, to, err := d.span(item)
			if err == nil {
				d.cutEntry(from, to)
			}
			return err
		}
	}
	return errNotThere
}
