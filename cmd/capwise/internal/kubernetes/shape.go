package kubernetes

import (
	"fmt"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// deepestTemplate is how far below an object's top its templates are looked for.
const deepestTemplate = 12

// template is what has a PodSpec, found by its shape.
type template struct {
	node *yaml.Node // with "spec" in it
	path []string   // to that
}

// templatesIn finds what looks like a pod's template in an object of a kind that is not
// known here: a Rollout, a Knative Service, a DeploymentConfig, a workflow of Argo, a task
// of Tekton. An object "spec" with a list "containers" is a PodSpec; steps, and a single
// container of a workflow's template, become containers of one.
func templatesIn(node *yaml.Node) []template {
	var out []template
	seen := map[*yaml.Node]bool{}
	var look func(node *yaml.Node, path []string)
	look = func(node *yaml.Node, path []string) {
		node = resolve(node)
		if len(path) > deepestTemplate || seen[node] {
			return
		}
		seen[node] = true
		switch node.Kind {
		case yaml.MappingNode:
			if t, is := podIn(node, path); is {
				out = append(out, t)
				return
			}
			for i := 0; i+1 < len(node.Content); i += 2 {
				look(node.Content[i+1], append(path[:len(path):len(path)], node.Content[i].Value))
			}
		case yaml.SequenceNode:
			for i, item := range node.Content {
				look(item, append(path[:len(path):len(path)], fmt.Sprintf("[%d]", i)))
			}
		}
	}
	look(node, nil)
	return out
}

// podIn returns the template that a mapping is, if it looks like one.
func podIn(node *yaml.Node, path []string) (template, bool) {
	if spec := child(node, "spec"); containersIn(spec, "containers") {
		return template{node, path}, true
	}
	switch {
	case containersIn(node, "steps") && child(node, "image") == nil: // of Tekton
		return template{podOf(node, "steps", child(node, "steps").Content), path}, true
	case child(child(node, "container"), "image") != nil: // of Argo
		return template{podOf(node, "container", []*yaml.Node{child(node, "container")}), path}, true
	case child(child(node, "script"), "image") != nil:
		return template{podOf(node, "script", []*yaml.Node{child(node, "script")}), path}, true
	default:
		return template{}, false
	}
}

// containersIn reports whether a list of containers stands below a key.
func containersIn(node *yaml.Node, key string) bool {
	list := child(node, key)
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return false
	}
	first := resolve(list.Content[0])
	return child(first, "image") != nil && (child(first, "name") != nil || key == "steps")
}

// podOf makes the template of a pod of containers that stand elsewhere.
func podOf(node *yaml.Node, key string, containers []*yaml.Node) *yaml.Node {
	scalar := func(text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: node.Line}
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Line: node.Line}
	for i, c := range containers {
		c = resolve(c)
		copied := &yaml.Node{Kind: yaml.MappingNode, Line: c.Line}
		if child(c, "name") == nil {
			copied.Content = append(copied.Content, scalar("name"), scalar(fmt.Sprintf("%s[%d]", key, i)))
		}
		for n := 0; n+1 < len(c.Content); n += 2 {
			switch c.Content[n].Value {
			case "name", "image", "command", "args", "env", "ports", "securityContext":
				copied.Content = append(copied.Content, c.Content[n], c.Content[n+1])
			}
		}
		list.Content = append(list.Content, copied)
	}
	spec := &yaml.Node{Kind: yaml.MappingNode, Line: node.Line, Content: []*yaml.Node{scalar("containers"), list}}
	if context := child(node, "securityContext"); context != nil {
		spec.Content = append(spec.Content, scalar("securityContext"), context)
	}
	return &yaml.Node{Kind: yaml.MappingNode, Line: node.Line, Content: []*yaml.Node{scalar("spec"), spec}}
}

// joinAll puts the parts of a path together: an index without a dot before it.
func joinAll(parts []string) string {
	return strings.ReplaceAll(strings.Join(parts, "."), ".[", "[")
}
