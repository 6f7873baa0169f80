package sources

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf16"

	yaml "go.yaml.in/yaml/v3"
)

// kind is what a file describes.
type kind int

const (
	kindUnknown kind = iota
	kindKubernetes
	kindCompose
	kindUnit
	kindQuadlet
	kindOCI
	kindInspect
	kindDevcontainer
	kindKustomize
)

// decoded is the text of a file: without the mark that some editors put before it, and
// in UTF-8.
func decoded(data []byte) []byte {
	var order binary.ByteOrder
	mark := 2
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	case len(data) > 1 && data[0] != 0 && data[1] == 0: // without a mark: a letter of ASCII
		order, mark = binary.LittleEndian, 0
	case len(data) > 1 && data[0] == 0 && data[1] != 0:
		order, mark = binary.BigEndian, 0
	default:
		return data
	}
	units := make([]uint16, 0, len(data)/2)
	for rest := data[mark:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}

// kindOf tells the kinds apart: by the name of the file where that is fixed, by the keys
// of what is written on one line, and else by a line that each kind must have.
func kindOf(name string, data []byte) kind {
	switch filepath.Base(name) {
	case "devcontainer.json", ".devcontainer.json":
		return kindDevcontainer
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return kindKustomize
	}
	if text := bytes.TrimSpace(data); len(text) > 0 && (text[0] == '{' || text[0] == '[') && !bytes.HasPrefix(text, []byte("[Unit]")) {
		if k := kindOfKeys(data); k != kindUnknown {
			return k
		}
	}
	if k := kindOfLines(data); k != kindUnknown {
		return k
	}
	return kindOfKeys(data) // quoted keys, and the like
}

// kindOfKeys looks at the keys of the first document.
func kindOfKeys(data []byte) kind {
	var node yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); len(node.Content) == 0 || node.Content[0].Tag == "!!null"; { // an empty document
		if err := decoder.Decode(&node); err != nil {
			return kindUnknown
		}
	}
	top := node.Content[0]
	if top.Kind == yaml.SequenceNode && len(top.Content) > 0 {
		top = top.Content[0]
		if top.Kind == yaml.MappingNode && has(top, "HostConfig") {
			return kindInspect
		}
		return kindUnknown
	}
	if top.Kind != yaml.MappingNode {
		return kindUnknown
	}
	switch {
	case has(top, "apiVersion"):
		return kindKubernetes
	case has(top, "ociVersion"):
		return kindOCI
	case has(top, "services"):
		return kindCompose
	case has(top, "HostConfig"):
		return kindInspect
	default:
		return kindUnknown
	}
}

func has(mapping *yaml.Node, key string) bool {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return true
		}
	}
	return false
}

func kindOfLines(data []byte) kind {
	found := kindUnknown
	for line := range bytes.Lines(data) {
		switch line = bytes.TrimRight(line, " \t\r\n"); {
		case bytes.HasPrefix(line, []byte("kind: Kustomization")):
			return kindKustomize
		case bytes.HasPrefix(line, []byte("apiVersion:")), bytes.Contains(line, []byte(`"apiVersion":`)):
			return kindKubernetes
		case bytes.Contains(line, []byte(`"ociVersion"`)):
			return kindOCI
		case bytes.HasPrefix(line, []byte("services:")):
			found = kindCompose
		case bytes.HasPrefix(line, []byte("[Container]")), bytes.HasPrefix(line, []byte("[Kube]")), bytes.HasPrefix(line, []byte("[Pod]")), bytes.HasPrefix(line, []byte("[Volume]")), bytes.HasPrefix(line, []byte("[Network]")), bytes.HasPrefix(line, []byte("[Build]")), bytes.HasPrefix(line, []byte("[Image]")):
			return kindQuadlet
		case bytes.HasPrefix(line, []byte("[Service]")), bytes.HasPrefix(line, []byte("[Unit]")):
			found = kindUnit
		}
	}
	return found
}

// isTemplate reports whether a file is a Helm template: one that asks for values, the
// release or the chart.
func isTemplate(data []byte) bool {
	if !bytes.Contains(data, []byte("{{")) {
		return false
	}
	for _, word := range []string{".Values", ".Release.", ".Chart.", "{{ include ", "{{- include ", "{{ define ", "{{- define "} {
		if bytes.Contains(data, []byte(word)) {
			return true
		}
	}
	return false
}

// notYet says which command makes manifests of a file that is not one yet.
func notYet(k kind, name string) error {
	dir := filepath.Dir(name)
	if k == kindKustomize {
		return fmt.Errorf("%s: a kustomization, of which kubectl makes the manifests%s: kubectl kustomize %s | capwise explain -f -: %w", name, inPath("kubectl"), dir, ErrNotUnderstood)
	}
	return fmt.Errorf("%s: a Helm template, of which helm makes the manifests%s: helm template NAME CHART | capwise explain -f -: %w", name, inPath("helm"), ErrNotUnderstood)
}

// notKnown says what a file is not, and what it may be.
func notKnown(name string, data []byte) error {
	hint := ""
	switch {
	case bytes.Contains(data, []byte("\nspec:")) || bytes.HasPrefix(data, []byte("spec:")):
		hint = "; a patch of a manifest is judged by what kubectl kustomize makes of it"
	case filepath.Base(name) == "values.yaml":
		hint = "; values are judged by what helm template makes of them"
	case bytes.HasPrefix(data, []byte("FROM ")) || bytes.Contains(data, []byte("\nFROM ")) || strings.Contains(filepath.Base(name), "ockerfile") || strings.Contains(filepath.Base(name), "ontainerfile"):
		hint = "; of what it builds, --image is judged with a docker run command"
	}
	return fmt.Errorf("%s: neither a Kubernetes manifest nor a compose file, a unit, a quadlet, what docker inspect prints, a devcontainer.json or an OCI config.json%s: %w", name, hint, ErrNotUnderstood)
}
