// Package kubernetes reads manifests: Pods and everything that makes Pods, in
// several documents, in Lists, with init and ephemeral containers.
//
// The types are those of k8s.io/api, and the rules those of kubelet and of the
// container runtime behind it: what a container inherits from its pod, and how
// capabilities are added and dropped through CRI. A start keeps its PodSpec
// beside it, so that a change can be judged by the platform's policy too.
package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/capwise/capwise/scenario"
)

// Container is one container that a manifest describes.
type Container struct {
	scenario.Start
	// Template is the pod that the container belongs to. The containers of one
	// pod share it: copy it before a change.
	Template *corev1.PodTemplateSpec
	// List says which of the pod's lists holds the container, and Index where.
	List  List
	Index int
	// Namespace is that of the workload, "" if the manifest leaves it open.
	Namespace string
}

// List is a list of containers in a PodSpec.
type List string

// The lists.
const (
	InitContainers      List = "initContainers"
	Containers          List = "containers"
	EphemeralContainers List = "ephemeralContainers"
)

// Manifest is what a file says.
type Manifest struct {
	Containers []Container
	// Notes is about the file as a whole: what in it was ignored.
	Notes []string
}

// Parse reads a manifest, YAML or JSON, for the runtime behind kubelet; file is
// what it is called in errors. An error names the document and the line.
func Parse(data []byte, file string, runtime scenario.Runtime) (*Manifest, error) {
	r := reader{file: file, runtime: runtime, skipped: map[string]int{}, seen: map[*yaml.Node]bool{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for r.document = 1; ; r.document++ {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", file, r.document, err)
		}
		if err := r.object(root(&node), "", ""); err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", file, r.document, err)
		}
	}
	return &Manifest{Containers: r.containers, Notes: r.notes()}, nil
}

// reader is a manifest on its way in.
type reader struct {
	file       string
	document   int
	runtime    scenario.Runtime
	containers []Container
	skipped    map[string]int // kinds that start no program
	seen       map[*yaml.Node]bool
}

// notes says what was ignored.
func (r *reader) notes() []string {
	var kinds []string
	for kind, n := range r.skipped {
		if n > 1 {
			kind = fmt.Sprintf("%s (%d)", kind, n)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 {
		return nil
	}
	slices.Sort(kinds)
	return []string{"ignored; they start no program that is known here: " + strings.Join(kinds, ", ")}
}

// object reads one object at a path of its document. kind is what it is where
// it does not say so itself.
func (r *reader) object(node *yaml.Node, path, kind string) error {
	if node == nil {
		return nil // an empty document
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want an object with a kind", node.Line)
	}
	if r.seen[node] {
		return fmt.Errorf("line %d: an alias stands for a whole object", node.Line) // it may hold itself
	}
	r.seen[node] = true
	if k := scalar(child(node, "kind")); k != "" {
		kind = k
	}
	if kind == "" {
		return fmt.Errorf("line %d: an object without a kind", node.Line)
	}
	if items := child(node, "items"); items != nil && strings.HasSuffix(kind, "List") {
		return r.list(items, path, strings.TrimSuffix(kind, "List"))
	}
	group, _, _ := strings.Cut(scalar(child(node, "apiVersion")), "/")
	at, known := templatePath(group, kind)
	if !known {
		return r.byShape(node, kind, path)
	}
	return r.workload(node, kind, path, at)
}

// noPods is kinds that describe what pods may be like, and are none.
var noPods = map[string]bool{
	"CustomResourceDefinition": true, "ConfigMap": true, "Secret": true, "ValidatingAdmissionPolicy": true, "MutatingAdmissionPolicy": true,
	"PodSecurityPolicy": true, "SecurityContextConstraints": true,
}

// byShape reads the pods of an object of a kind that is not known.
func (r *reader) byShape(node *yaml.Node, kind, path string) error {
	var templates []template
	if !noPods[kind] {
		templates = templatesIn(node)
	}
	if len(templates) == 0 {
		r.skipped[kind]++
		return nil
	}
	for _, t := range templates {
		if err := r.pod(node, t.node, kind, join(path, joinAll(append(t.path, "spec")))); err != nil {
			return err
		}
	}
	return nil
}

// list reads the items of a List.
func (r *reader) list(items *yaml.Node, path, kind string) error {
	for i, item := range items.Content {
		if err := r.object(resolve(item), join(path, fmt.Sprintf("items[%d]", i)), kind); err != nil {
			return err
		}
	}
	return nil
}

// templatePath says where in a workload the template of its pods is: what has
// metadata and a PodSpec. A Pod is one itself.
func templatePath(group, kind string) (path []string, known bool) {
	switch group {
	case "", "v1", "apps", "batch", "extensions":
	default:
		return nil, false // a kind of somebody else's that has the same name
	}
	switch kind {
	case "Pod":
		return nil, true
	case "PodTemplate":
		return []string{"template"}, true
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
		return []string{"spec", "template"}, true
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}, true
	default:
		return nil, false
	}
}

// workload reads the pod of a workload.
func (r *reader) workload(node *yaml.Node, kind, path string, at []string) error {
	name := nameOf(node)
	pod := descend(node, at)
	if pod == nil {
		return fmt.Errorf("line %d: %s %s has no %s", node.Line, kind, name, strings.Join(at, "."))
	}
	return r.pod(node, pod, kind, join(path, strings.Join(append(at, "spec"), ".")))
}

// nameOf is the name of an object.
func nameOf(node *yaml.Node) string {
	metadata := child(node, "metadata")
	if name := scalar(child(metadata, "name")); name != "" {
		return name
	}
	return scalar(child(metadata, "generateName"))
}

// pod reads the template of a pod that stands in an object.
func (r *reader) pod(node, pod *yaml.Node, kind, path string) error {
	name := nameOf(node)
	template, strict, err := decode(pod)
	if err != nil {
		return fmt.Errorf("line %d: %s %s: %w", pod.Line, kind, name, err)
	}
	if isWindows(&template.Spec) {
		r.skipped[kind+" for Windows"]++
		return nil
	}
	p := podReader{
		reader: r, template: template, name: strings.ToLower(kind) + "/" + name,
		namespace: scalar(child(child(node, "metadata"), "namespace")),
		spec:      child(pod, "spec"), path: path, strict: strict, first: len(r.containers),
	}
	return p.containers()
}

// isWindows reports whether a pod is one for Windows: by its field, or by the label of the
// nodes that it is for.
func isWindows(spec *corev1.PodSpec) bool {
	if spec.OS != nil {
		return spec.OS.Name == corev1.Windows
	}
	return spec.NodeSelector[corev1.LabelOSStable] == "windows" || spec.NodeSelector["beta.kubernetes.io/os"] == "windows"
}
