package environ

import (
	"maps"
	"slices"
	"testing"
)

func TestEnvironment(t *testing.T) {
	const dockerMounts = "613 594 254:0 /var/lib/docker/containers/" +
		"0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
	const service = "1:name=systemd:/system.slice/caddy.service\n0::/system.slice/caddy.service\n"
	for name, tc := range map[string]struct {
		want      Environment
		env       map[string]string
		files     []string
		cgroup    string
		mountinfo string
	}{
		"nothing":               {PlainHost, nil, nil, "0::/\n", "22 27 0:21 / /proc rw - proc proc rw\n"},
		"docker":                {Docker, nil, []string{"/.dockerenv"}, "0::/\n", dockerMounts},
		"docker, no mountinfo":  {Docker, nil, []string{"/.dockerenv"}, "", ""},
		"a machine from docker": {PlainHost, nil, []string{"/.dockerenv"}, "0::/\n", "22 27 0:21 / /proc rw - proc proc rw\n"},
		"podman":                {Podman, nil, []string{"/run/.containerenv"}, "0::/\n", ""},
		"podman by variable":    {Podman, map[string]string{"container": "podman"}, nil, "0::/\n", ""},
		"kubernetes":            {Kubernetes, map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, []string{"/.dockerenv"}, "0::/\n", dockerMounts},
		"kubernetes by cgroup":  {Kubernetes, nil, nil, "0::/kubepods.slice/pod1\n", ""},
		"service":               {Systemd, map[string]string{"INVOCATION_ID": "ab"}, nil, service, ""},
		"service in podman":     {Systemd, map[string]string{"INVOCATION_ID": "ab", "container": "podman"}, nil, service, ""},
		"login shell":           {PlainHost, map[string]string{"INVOCATION_ID": "ab"}, nil, "0::/user.slice/user-0.slice/session-1.scope\n", ""},
	} {
		s := Signs{
			Getenv:    func(k string) string { return tc.env[k] },
			Exists:    func(p string) bool { return slices.Contains(tc.files, p) },
			Cgroup:    tc.cgroup,
			Mountinfo: tc.mountinfo,
		}
		if got := s.Environment(); got != tc.want {
			t.Errorf("%s: got %s, want %s (files %q, variables %q)", name, got, tc.want, tc.files, slices.Collect(maps.Keys(tc.env)))
		}
	}
}
