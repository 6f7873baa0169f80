package flags

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"cap-add", "cap-drop", "init", "ip", "userns", "security-opt"}
	for word, want := range map[string]string{
		"cap-dorp": "cap-drop", "cap-dropp": "cap-drop", "cap-ad": "cap-add", "user-ns": "userns", "inti": "init", "securityopt": "security-opt",
		"up": "", "newflag": "", "in": "", "cap-": "", "caps": "", "cap-add": "cap-add",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestMisspelt(t *testing.T) {
	if _, err := syntax.Parse([]string{"--naem=x", "img"}); err == nil || err.Error() != "unknown flag --naem; did you mean --name?" {
		t.Errorf("%v", err)
	}
	if p, err := syntax.Parse([]string{"--newflag=x", "img"}); err != nil || len(p.Notes) != 1 {
		t.Errorf("%v, %v", p, err)
	}
}
