package kubernetes

import (
	"encoding/json"
	"slices"

	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	strictjson "sigs.k8s.io/json"
)

// root returns what a document holds, nil for an empty one.
func root(document *yaml.Node) *yaml.Node {
	if len(document.Content) == 0 {
		return nil
	}
	node := resolve(document.Content[0])
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	return node
}

// resolve follows an alias.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// child returns the value of a key; nil where there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return resolve(node.Content[i+1])
		}
	}
	return nil
}

// descend goes down several keys.
func descend(node *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		node = child(node, key)
	}
	return node
}

// item returns an item of a sequence; nil where there is none.
func item(node *yaml.Node, i int) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode || i >= len(node.Content) {
		return nil
	}
	return resolve(node.Content[i])
}

// scalar returns the text of a scalar; "" for anything else.
func scalar(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}

// join puts paths together with a dot, where neither is empty.
func join(path, rest string) string {
	if path == "" {
		return rest
	}
	return path + "." + rest
}

// decode reads the template of a pod as Kubernetes does. What it would only warn
// of (fields that are unknown or stand twice) is returned beside it.
func decode(node *yaml.Node) (template *corev1.PodTemplateSpec, warnings []error, err error) {
	oldBooleans(node)
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, nil, err
	}
	template = new(corev1.PodTemplateSpec)
	warnings, err = strictjson.UnmarshalStrict(text, template, strictjson.DisallowUnknownFields)
	return template, slices.DeleteFunc(warnings, ofObject), err
}

// ofObject reports whether a warning is about what a Pod has and a template of
// pods has not.
func ofObject(warning error) bool {
	switch warning.Error() {
	case `unknown field "apiVersion"`, `unknown field "kind"`, `unknown field "status"`:
		return true
	default:
		return false
	}
}

// oldBooleans makes booleans of the words that YAML 1.1 has for them, which
// Kubernetes still reads.
func oldBooleans(node *yaml.Node) {
	for i, c := range node.Content {
		isValue := node.Kind == yaml.SequenceNode || i%2 == 1
		if c.Kind != yaml.ScalarNode || c.Style != 0 || c.Tag != "!!str" || !isValue {
			oldBooleans(c)
			continue
		}
		switch c.Value {
		case "yes", "Yes", "YES", "on", "On", "ON":
			c.Tag, c.Value = "!!bool", "true"
		case "no", "No", "NO", "off", "Off", "OFF":
			c.Tag, c.Value = "!!bool", "false"
		}
	}
}
