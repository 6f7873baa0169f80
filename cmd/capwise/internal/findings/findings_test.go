package findings

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/capwise/capwise/scan"
)

// every is a finding of each verdict, in no order.
func every() *Report {
	made := New()
	r := &made
	r.Errors = []string{"z: cannot be read", "a: cannot be read"}
	for _, v := range scan.Classes() {
		f := scan.Finding{Target: "web:1", Path: "/usr/bin/" + string(v), Capabilities: "cap_net_raw=ep", Class: v, Evidence: "it says so"}
		if v == scan.Lost || v == scan.Malformed {
			f.Capabilities = ""
		}
		r.Findings = append(r.Findings, f)
	}
	slices.Reverse(r.Findings)
	return r
}

func TestSort(t *testing.T) {
	one := func(target, path string, v scan.Class) scan.Finding {
		return scan.Finding{Target: target, Path: path, Class: v}
	}
	sorted := []scan.Finding{one("a", "/x", scan.Aware), one("a", "/x", scan.Dumb), one("a", "/y", scan.Aware), one("b", "/a", scan.Aware)}
	r := Report{Findings: slices.Clone(sorted), Errors: []string{"b", "a"}}
	slices.Reverse(r.Findings)
	r.Sort()
	if !slices.Equal(r.Findings, sorted) || r.Errors[0] != "a" {
		t.Errorf("got %+v", r)
	}
}

// TestHas holds what --fail-on goes by.
func TestHas(t *testing.T) {
	r := Report{Findings: []scan.Finding{{Class: scan.Aware}, {Class: scan.Dumb}}}
	for _, tc := range []struct {
		verdicts []scan.Class
		want     bool
	}{
		{nil, false},
		{[]scan.Class{scan.Lost}, false},
		{[]scan.Class{scan.Lost, scan.Dumb}, true},
	} {
		if got := r.Has(tc.verdicts); got != tc.want {
			t.Errorf("%v: got %t", tc.verdicts, got)
		}
	}
}

// TestTable holds a line for each finding, whatever its names are.
func TestTable(t *testing.T) {
	for name, tc := range map[string]struct {
		finding scan.Finding
		want    string
	}{
		"an image's":  {scan.Finding{Target: "web:1", Path: "/bin/x", Capabilities: "cap_net_raw=p", Class: scan.Aware, Evidence: "why"}, "aware web:1 /bin/x cap_net_raw=p why"},
		"a file":      {scan.Finding{Target: "/bin/x", Path: "/bin/x", Capabilities: "cap_net_raw=p", Class: scan.Aware, Evidence: "why"}, "aware /bin/x cap_net_raw=p why"},
		"none":        {scan.Finding{Target: "/x", Path: "/x", Class: scan.Lost, Evidence: "why"}, "lost /x none why"},
		"unreadable":  {scan.Finding{Target: "/x", Path: "/x", Class: scan.Malformed, Evidence: "why"}, "malformed /x ? why"},
		"foreign":     {scan.Finding{Target: "/x", Path: "/x", Class: scan.Foreign, Evidence: "why"}, "foreign /x ? why"},
		"a warning":   {scan.Finding{Target: "/x", Path: "/x", Capabilities: "=", Class: scan.Empty, Evidence: "why", Warning: "and this"}, "empty /x = why; and this"},
		"a bad name":  {scan.Finding{Target: "/x\ny", Path: "/x\ny", Capabilities: "=", Class: scan.Empty, Evidence: "why"}, `empty "/x\ny" = why`},
		"an order":    {scan.Finding{Target: "::error::", Path: "/x", Capabilities: "=", Class: scan.Empty, Evidence: "why"}, `empty "::error::" /x = why`},
		"an evidence": {scan.Finding{Target: "/x", Path: "/x", Capabilities: "=", Class: scan.Empty, Evidence: "a\nb"}, `empty /x = a\nb`},
	} {
		var b bytes.Buffer
		if err := (&Report{Findings: []scan.Finding{tc.finding}}).WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != 2 || strings.Join(strings.Fields(lines[1]), " ") != tc.want || !strings.HasPrefix(lines[0], "VERDICT") {
			t.Errorf("%s: got\n%s\nwant a header and %q", name, b.String(), tc.want)
		}
	}
	var b bytes.Buffer
	if err := (&Report{}).WriteTable(&b); err != nil || strings.Contains(b.String(), "VERDICT") || b.Len() == 0 {
		t.Errorf("nothing found: got %q, %v", b.String(), err)
	}
}

// TestJSON holds that every verdict, and none, fits the schema that is published.
func TestJSON(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/scan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Report{every(), new(New())} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err := errors.Join(err, schema.Validate(value)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// sarifLog is what a reader of SARIF, such as GitHub, looks at.
type sarifLog struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Rules []struct{ ID, HelpURI string }
			}
		}
		Results []struct {
			RuleID, Level string
			RuleIndex     int
			Message       struct{ Text string }
			Locations     []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
				}
			}
			PartialFingerprints map[string]string
		}
	}
}

func sarifOf(t *testing.T, r *Report) sarifLog {
	t.Helper()
	var b bytes.Buffer
	var log sarifLog
	if err := errors.Join(r.WriteSARIF(&b), json.Unmarshal(b.Bytes(), &log)); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("got\n%s", b.String())
	}
	return log
}

// TestSARIF holds that each verdict is an alert of its own rule, but for those of
// which nothing is wrong or that no rule is about.
func TestSARIF(t *testing.T) {
	levels := map[scan.Class]string{
		scan.Dumb: "error", scan.Effective: "error", scan.Malformed: "error",
		scan.Lost: "warning", scan.Foreign: "warning", scan.Empty: "warning", scan.Ignored: "warning", scan.Unknown: "note",
	}
	run := sarifOf(t, every()).Runs[0]
	if len(run.Results) != len(levels) {
		t.Errorf("got %d alerts, want %d", len(run.Results), len(levels))
	}
	for _, a := range run.Results {
		v := scan.Class(strings.TrimPrefix(a.RuleID, "capwise/"))
		if a.Level != levels[v] {
			t.Errorf("%s: got level %q, want %q", v, a.Level, levels[v])
		}
		if rule := run.Tool.Driver.Rules[a.RuleIndex]; rule.ID != a.RuleID || !strings.HasSuffix(rule.HelpURI, "/docs/scan.md#"+string(v)) {
			t.Errorf("%s: got the rule %+v", v, rule)
		}
		if uri := a.Locations[0].PhysicalLocation.ArtifactLocation.URI; uri != "usr/bin/"+string(v) {
			t.Errorf("%s: got the place %q", v, uri)
		}
		carries := strings.Contains(a.Message.Text, "carries cap_net_raw=ep")
		if without := v == scan.Lost || v == scan.Malformed; carries == without || !strings.Contains(a.Message.Text, "web:1") {
			t.Errorf("%s: got %q", v, a.Message.Text)
		}
	}
	if run := sarifOf(t, &Report{}).Runs[0]; run.Results == nil || len(run.Results) != 0 {
		t.Errorf("nothing found: got %v, want an empty list", run.Results)
	}
}

// TestURI holds that a path is relative and escaped, wherever it leads.
func TestURI(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/x": "usr/bin/x", "usr/bin/x": "usr/bin/x", "/a b/ü#?": "a%20b/%C3%BC%23%3F", "/../../x": "x", "//x": "x",
	} {
		if got := uriOf(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// TestFingerprint holds by what an alert is known again.
func TestFingerprint(t *testing.T) {
	known := scan.Finding{Target: "web:1", Path: "/x", Capabilities: "cap_net_raw=ep", Class: scan.Dumb}
	for name, tc := range map[string]struct {
		change func(*scan.Finding)
		same   bool
	}{
		"another image":  {func(f *scan.Finding) { f.Target = "web:2" }, true},
		"other evidence": {func(f *scan.Finding) { f.Evidence = "another" }, true},
		"another file":   {func(f *scan.Finding) { f.Path = "/y" }, false},
		"another fault":  {func(f *scan.Finding) { f.Class = scan.Empty }, false},
		"other caps":     {func(f *scan.Finding) { f.Capabilities = "cap_chown=ep" }, false},
	} {
		f := known
		tc.change(&f)
		if same := fingerprint(f) == fingerprint(known); same != tc.same {
			t.Errorf("%s: the same: %t", name, same)
		}
	}
}
