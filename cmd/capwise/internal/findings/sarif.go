package findings

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
)

// rules is the classes that are worth an alert, with GitHub's severity of each
// and what the rule says. The ids are stable: "capwise/" and the class.
var rules = []struct {
	class       scan.Class
	level, says string
}{
	{scan.Dumb, "error", "A program that cannot raise its capability does not start where it is dropped"},
	{scan.Effective, "error", "A program that raises its capability does not start where it is dropped"},
	{scan.Malformed, "error", "The kernel does not execute a file whose capabilities it cannot read"},
	{scan.Lost, "warning", "An image for a low port carries no capability for it"},
	{scan.Foreign, "warning", "The file's capabilities count in another user namespace only"},
	{scan.Empty, "warning", "An attribute without a capability only clears ambient ones"},
	{scan.Ignored, "warning", "The kernel ignores capabilities of a script"},
	{scan.Unknown, "note", "Whether the program raises its capability cannot be told from its file"},
}

const homepage = "https://github.com/capwise/capwise"

// WriteSARIF writes the findings that are worth an alert as SARIF 2.1.0.
func (r *Report) WriteSARIF(w io.Writer) error {
	out := report.NewV210Report()
	run := sarif.NewRunWithInformationURI("capwise", homepage)
	levels := map[scan.Class]string{}
	for _, rule := range rules {
		levels[rule.class] = rule.level
		run.AddRule("capwise/" + string(rule.class)).WithDescription(rule.says).WithHelpURI(homepage + "/blob/main/docs/scan.md#" + string(rule.class))
	}
	several := r.several()
	for _, f := range r.Findings {
		level, alert := levels[f.Class]
		if !alert {
			continue
		}
		text := several.target(&f) + ": " + f.Path + " carries " + f.Capabilities + ": " + f.Evidence
		if f.Capabilities == "" {
			text = several.target(&f) + ": " + f.Path + ": " + f.Evidence
		}
		location := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(uriOf(f.Path))).WithRegion(sarif.NewSimpleRegion(1, 1))
		run.CreateResultForRule("capwise/" + string(f.Class)).WithLevel(level).WithMessage(sarif.NewTextMessage(text)).
			AddLocation(sarif.NewLocationWithPhysicalLocation(location)).
			WithPartialFingerprints(map[string]string{"capwise/v1": fingerprint(f)})
	}
	out.AddRun(run)
	return out.PrettyWrite(printable.Raw(w))
}

// uriOf is the path as GitHub wants it: relative, and escaped.
func uriOf(file string) string {
	return (&url.URL{Path: strings.TrimPrefix(path.Clean("/"+file), "/")}).EscapedPath()
}

// fingerprint stays the same for as long as the same file has the same fault,
// whatever the image is called.
func fingerprint(f scan.Finding) string {
	sum := sha256.Sum256([]byte(f.Path + "\x00" + f.Capabilities + "\x00" + string(f.Class)))
	return hex.EncodeToString(sum[:16])
}
