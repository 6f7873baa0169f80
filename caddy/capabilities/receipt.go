package capabilities

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"go.uber.org/zap"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/printable"
)

// Receipt says what the process may bind, and what that means for each
// listener of a configuration.
type Receipt struct {
	// OK is whether no listener will fail.
	OK        bool             `json:"ok"`
	Facts     diagnose.Facts   `json:"facts"`
	Listeners []ListenerAnswer `json:"listeners"`
}

// ListenerAnswer is the verdict for one listener.
type ListenerAnswer struct {
	// Listener is in Caddy's notation, such as "tcp/:80".
	Listener string `json:"listener"`
	// User is the part of the configuration that asks for the listener.
	User string `json:"user"`
	diagnose.Verdict
}

// unknown stands for a network that a plugin provides: what its
// listeners need is the plugin's affair.
const unknown diagnose.Needs = "unknown"

// newReceipt asks for each listener what its bind will need.
func newReceipt(facts diagnose.Facts, listeners []listener) Receipt {
	r := Receipt{OK: true, Facts: facts, Listeners: []ListenerAnswer{}}
	for _, l := range listeners {
		verdict := diagnose.Verdict{Needs: unknown}
		switch {
		case l.hasPort():
			verdict = diagnose.Predict(facts, l.port())
		case l.isFile():
			verdict.Needs = diagnose.Free
		}
		r.OK = r.OK && verdict.Needs != diagnose.Fail
		r.Listeners = append(r.Listeners, ListenerAnswer{l.String(), l.user, verdict})
	}
	return r
}

// log writes the receipt as one line.
func (r Receipt) log(logger *zap.Logger) {
	const name = "capability receipt"
	fields := []zap.Field{
		zap.Strings("permitted", names(r.Facts.Permitted)),
		zap.Strings("effective", names(r.Facts.Effective)),
		zap.Int("ip_unprivileged_port_start", r.Facts.PortStart),
		zap.Strings("raise", r.with(diagnose.Raise)),
		zap.Strings("fail", r.with(diagnose.Fail)),
	}
	if r.OK {
		logger.Info(name, fields...)
		return
	}
	for _, l := range r.Listeners {
		if l.Needs == diagnose.Fail { // the process is one, so the cause is one
			logger.Warn(name, append(fields, zap.String("cause", string(l.Cause)),
				zap.String("reason", l.Reason), zap.String("remedy", l.Remedy))...)
			return
		}
	}
}

// with returns the listeners that need it.
func (r Receipt) with(n diagnose.Needs) []string {
	out := []string{}
	for _, l := range r.Listeners {
		if l.Needs == n && !slices.Contains(out, l.Listener) {
			out = append(out, l.Listener)
		}
	}
	return out
}

// names lists a set for people: a full one is "all".
func names(s capset.Set) []string {
	if s.Contains(capset.All) {
		return []string{"all"}
	}
	out := []string{}
	for c := range s.Caps() {
		out = append(out, strings.ToUpper(c.String()))
	}
	return out
}

// text returns the answer for a terminal: a line per listener, and a last one
// about the process.
func (r Receipt) text() string {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, l := range r.Listeners {
		mark, says := l.words()
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", mark, printable.Name(l.Listener), printable.Name(l.User), printable.Line(says)) // a Builder takes everything
	}
	_ = columns.Flush()
	held := strings.Join(names(r.Facts.Permitted), ", ")
	if held == "" {
		held = "nothing"
	}
	fmt.Fprintf(&b, "permitted: %s; net.ipv4.ip_unprivileged_port_start: %d\n", held, r.Facts.PortStart)
	return b.String()
}

// words returns the answer as a mark and a clause.
func (l ListenerAnswer) words() (mark, says string) {
	switch {
	case l.Needs == diagnose.Fail:
		return "FAIL", l.String()
	case l.Needs == unknown:
		return "?", "a plugin provides this network: what it needs is not known"
	case l.Port == 0:
		return "ok", "needs no capability"
	default:
		return "ok", l.String()
	}
}
