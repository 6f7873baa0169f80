package flags

import (
	"slices"
	"strings"
	"testing"
)

var syntax = New("u:user name", "i:interactive t:tty rm", "run")

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"-itu me --name=x --rm=false -- -u": "interactive=true tty=true user=me name=x rm=false | -u",
		"-ume -u=you --user they img -t":    "user=me user=you user=they | img -t",
		"-":                                 " | -",
		"":                                  " | ",
	} {
		p, err := syntax.Parse(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var got []string
		for _, name := range []string{"interactive", "tty", "user", "name", "rm"} {
			for _, value := range p.Options[name] {
				got = append(got, name+"="+value)
			}
		}
		if text := strings.Join(got, " ") + " | " + strings.Join(p.Rest, " "); text != want || len(p.Notes) > 0 {
			t.Errorf("%s: got %q, notes %q, want %q", line, text, p.Notes, want)
		}
	}
}

func TestOptions(t *testing.T) {
	p, err := syntax.Parse([]string{"--name=a", "--name=b", "-i", "--rm=x"})
	if err != nil || p.Options.Last("name") != "b" || p.Options.Last("user") != "" || p.Options.Has("user") {
		t.Errorf("%+v, %v", p, err)
	}
	if on, err := p.Options.Enabled("interactive"); !on || err != nil {
		t.Errorf("-i: %v, %v", on, err)
	}
	if _, err := p.Options.Enabled("rm"); err == nil {
		t.Error("--rm=x is no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-itu\nme\n--new\nx\n--rm\n--\nrun")
	f.Add("-x\n-u=\n--=\n-=")
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\n")
		p, err := syntax.Parse(args)
		if err == nil && !slices.Equal(p.Rest, args[len(args)-len(p.Rest):]) {
			t.Errorf("%q leaves %q, which is not its end", args, p.Rest)
		}
	})
}
