package scenario

import "testing"

func TestExecutable(t *testing.T) {
	for _, c := range []struct {
		noExec, exec []string
		want         bool
	}{
		{nil, nil, true},
		{nil, []string{"/opt"}, true},
		{[]string{"/"}, nil, false},
		{[]string{"/opt/web"}, nil, false},
		{[]string{"/opt/w"}, nil, true},
		{[]string{"/"}, []string{"/opt"}, true},
		{[]string{"/opt/"}, []string{"/opt"}, false},
		{[]string{"/opt"}, []string{"/"}, false},
		{[]string{"/", "/opt"}, []string{"/opt/web"}, true},
	} {
		box := Sandbox{NoExec: c.noExec, Exec: c.exec}
		if got := box.Executable("/opt/web"); got != c.want {
			t.Errorf("NoExecPaths=%v ExecPaths=%v: %t", c.noExec, c.exec, got)
		}
	}
}

func TestHides(t *testing.T) {
	box := Sandbox{Hidden: []HiddenFolder{{By: "a", Folder: "/opt", Except: []string{"/opt/web"}}, {By: "b", Folder: "/opt/web/x"}}}
	for name, by := range map[string]string{"/opt/app": "a", "/opt": "a", "/opt/web": "", "/opt/web/y": "", "/opt/web/x/y": "b", "/usr/bin/web": "", "/optional": ""} {
		got := ""
		if h := box.Hides(name); h != nil {
			got = h.By
		}
		if got != by {
			t.Errorf("%s is hidden by %q, want %q", name, got, by)
		}
	}
}

func TestFamilies(t *testing.T) {
	for address, want := range map[[2]string][2]bool{
		{"tcp", ":80"}:          {true, true},
		{"tcp", "[::]:80"}:      {true, true},
		{"tcp", "0.0.0.0:80"}:   {true, false},
		{"tcp", "127.0.0.1:80"}: {true, false},
		{"tcp", "[::1]:80"}:     {false, true},
		{"tcp4", ":80"}:         {true, false},
		{"udp6", ":80"}:         {false, true},
		{"tcp", "localhost:80"}: {true, true},
	} {
		v4, v6 := (Listen{Network: address[0], Address: address[1]}).Families()
		if got := [2]bool{v4, v6}; got != want {
			t.Errorf("%v: %v, want %v", address, got, want)
		}
	}
}

func TestPortRefused(t *testing.T) {
	any := PortRule{First: 1, Last: 65535}
	for _, c := range []struct {
		rules []PortRule
		want  bool
	}{
		{nil, false},
		{[]PortRule{any}, true},
		{[]PortRule{any, {Allow: true, First: 80, Last: 80}}, false},
		{[]PortRule{any, {Allow: true, First: 81, Last: 90}}, true},
		{[]PortRule{{Network: "udp", First: 1, Last: 1000}}, false},
		{[]PortRule{{Network: "tcp", First: 80, Last: 80}}, true},
		{[]PortRule{{IPv: 6, First: 80, Last: 80}}, false},
		{[]PortRule{{IPv: 4, First: 80, Last: 80}}, true},
		{[]PortRule{any, {Allow: true, IPv: 6, First: 80, Last: 80}}, true},
	} {
		box := Sandbox{Ports: c.rules}
		if got := box.PortRefused(Listen{Network: "tcp", Address: "127.0.0.1:80", Port: 80}); got != c.want {
			t.Errorf("%+v: %t", c.rules, got)
		}
	}
}
