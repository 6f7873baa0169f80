package policy_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/cmd/capwise/internal/policy"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// restricted is a pod that Pod Security restricted admits.
const restricted = `{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: web, ports: [{containerPort: 80}],
	securityContext: {runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}}]}}`

const plain = `{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {hostNetwork: true, containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}}`

func container(t *testing.T, text string) *kubernetes.Container {
	t.Helper()
	m, err := kubernetes.Parse([]byte(text), "pod.yaml", scenario.Runtime{Name: scenario.Containerd})
	if err != nil {
		t.Fatal(err)
	}
	return &m.Containers[0]
}

func byName(t *testing.T, name string) *policy.Policy {
	t.Helper()
	p, err := policy.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestChanges holds which changes each policy forbids.
func TestChanges(t *testing.T) {
	for _, tc := range []struct {
		policy  string
		change  diagnose.Change
		adds    int // capability to add
		forbids string
	}{
		{"restricted", diagnose.ChangePort, 0, ""},
		{"restricted", diagnose.Sysctl, 0, ""},
		{"restricted", diagnose.AddCapability, 10, ""},
		{"restricted", diagnose.AddCapability, 12, "unrestricted capabilities"},
		{"restricted", diagnose.AllowNewPrivs, 0, "allowPrivilegeEscalation"},
		{"restricted", diagnose.RunAsRoot, 0, "runAsNonRoot"},
		{"baseline", diagnose.AddCapability, 10, ""},
		{"baseline", diagnose.AddCapability, 12, "non-default capabilities"},
		{"baseline", diagnose.AllowNewPrivs, 0, ""},
		{"baseline", diagnose.RunAsRoot, 0, ""},
		{"restricted-v2", diagnose.AddCapability, 10, ""},
		{"restricted-v2", diagnose.AddCapability, 12, "capability NET_ADMIN"},
		{"restricted-v2", diagnose.AllowNewPrivs, 0, "allowPrivilegeEscalation"},
		{"restricted-v2", diagnose.Sysctl, 0, ""},
	} {
		c := container(t, restricted)
		changed := c.Start
		changed.Settings.PortStart = 80
		if tc.adds != 0 {
			changed.Settings.Granted |= 1 << tc.adds
		}
		got := byName(t, tc.policy).Of(c)(&changed, []diagnose.Change{tc.change})
		if (tc.forbids == "") != (got == "") || !strings.Contains(got, tc.forbids) {
			t.Errorf("%s, %s: got %q, want %q", tc.policy, tc.change, got, tc.forbids)
		}
		if c.Template.Spec.Containers[0].SecurityContext.Capabilities.Add != nil {
			t.Fatal("the pod itself was changed")
		}
	}
}

// TestAdmit holds what admission makes of a pod, and says about it.
func TestAdmit(t *testing.T) {
	c := container(t, restricted)
	byName(t, "restricted").Admit(c)
	if len(c.Notes) != 0 || c.Settings.UID != 1000 {
		t.Errorf("restricted: %+v", c.Start)
	}
	c = container(t, plain)
	byName(t, "restricted").Admit(c)
	if r := c.Refused; r == nil || r.Cause != scenario.CausePolicyRefused || strings.Count(r.Reason, ";") < 3 || !strings.Contains(r.Reason, "hostPort") {
		t.Errorf("restricted finds only %+v in a plain pod", c.Refused)
	}
	want := "pod.yaml: spec.containers[0].securityContext: allowPrivilegeEscalation: false, capabilities.drop: [ALL], runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}; spec: hostNetwork: false"
	if c.Refused.Remedy != want {
		t.Errorf("got  %s\nwant %s", c.Refused.Remedy, want)
	}
	c = container(t, plain)
	byName(t, "restricted-v2").Admit(c)
	if s := c.Settings; s.UID < 1000000000 || s.Granted != 0 || !s.NoNewPrivs || s.Runtime.Name != scenario.CRIO || !strings.Contains(c.Refused.Reason, "hostNetwork") {
		t.Errorf("restricted-v2: %+v, %q", c.Settings, c.Notes)
	}
	if _, err := policy.ByName("lax"); err == nil || !strings.Contains(err.Error(), `"lax"`) {
		t.Errorf("lax: %v", err)
	}
}

// TestRemedies holds that remedies are withheld with the policy's reason.
func TestRemedies(t *testing.T) {
	c := container(t, restricted)
	c.Settings.NoNewPrivs = true
	c.Program = scenario.Program{Chain: []scenario.Step{{Path: "/bin/sh"}, {Path: "/web"}}, Awareness: scenario.Aware}
	j := diagnose.Judge(law.Kernel{}, &c.Start)
	offered, withheld := 0, 0
	for _, r := range diagnose.Remedies(law.Kernel{}, &c.Start, &j, byName(t, "restricted").Of(c)) {
		switch {
		case r.Withheld == "":
			offered++
		case strings.HasPrefix(r.Withheld, "Pod Security restricted forbids it: "):
			withheld++
		default:
			t.Errorf("%s: %q", r.Change(), r.Withheld)
		}
	}
	if offered == 0 || withheld == 0 {
		t.Errorf("%d offered, %d withheld; want some of both", offered, withheld)
	}
}
