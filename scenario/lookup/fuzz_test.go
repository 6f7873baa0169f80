package lookup_test

import (
	"testing"

	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// FuzzResolve holds that whatever an image's users, groups, scripts and
// configuration are, there is a program to judge or a reason why not.
func FuzzResolve(f *testing.F) {
	f.Add("root:x:0:0::/:/bin/sh\nweb:x:33:34::/:\n", "web:x:44:\n", "#!/bin/sh\nexec \"$@\"\n", "web:web", "80/tcp", "/entry")
	f.Add("odd:x:a:b::/:\n", "", "#! /nowhere/sh -x\n", "33", "8000-8010/udp", "sh")
	f.Add("", "", "\x7fELF", "nobody", "", "env A=B /entry")
	f.Fuzz(func(t *testing.T, passwd, group, script, user, exposed, command string) {
		image := files{"/bin/sh": "\x7fELF", "/bin/env": "\x7fELF", "+ep /entry": script, "- /etc/passwd": passwd, "- /etc/group": group}
		s := scenario.Start{Request: scenario.Request{Args: fields(command)}}
		lookup.Resolve(&s, image, scenario.ImageConfig{User: user, Exposed: []string{exposed}}, lookup.Given{})
		if s.Refused == nil && len(s.Program.Chain) == 0 {
			t.Errorf("neither a program nor why not: %+v", s)
		}
	})
}
