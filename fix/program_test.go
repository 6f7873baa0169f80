package fix_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/launch"
)

const bind = capset.Set(1 << capset.NetBindService)

// effective is a program of root's with +ep, changed.
func effective(change func(*fix.Program)) fix.Program {
	p := fix.Program{
		Path: "/usr/bin/server", Arch: "amd64", Mode: 0o100755,
		Caps: filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2},
	}
	change(&p)
	return p
}

// TestConfig holds which programs get a launcher, to whom it may belong, and how it
// gives the capability.
func TestConfig(t *testing.T) {
	const only, chown, leave = fix.Refuse, fix.ChownRoot, fix.MayHaveIt
	for name, tc := range map[string]struct {
		change func(*fix.Program)
		owners fix.Owners
		owner  uint32
		by     launch.Means
		fails  string
	}{
		"root's":                       {func(*fix.Program) {}, only, 0, launch.File, ""},
		"with $ORIGIN":                 {func(p *fix.Program) { p.Origin = "it looks" }, only, 0, launch.Ambient, ""},
		"foreign":                      {func(p *fix.Program) { p.Caps.Revision, p.Caps.RootID = filecap.V3, 1000 }, only, 0, 0, fix.ErrForeign.Error()},
		"permits nothing":              {func(p *fix.Program) { p.Caps.Permitted = 0 }, only, 0, 0, "permits no capability"},
		"set-user-id":                  {func(p *fix.Program) { p.Mode = 0o4755 }, only, 0, 0, "set-id bit"},
		"set-group-id":                 {func(p *fix.Program) { p.Mode = 0o2755 }, only, 0, 0, "set-id bit"},
		"hard links":                   {func(p *fix.Program) { p.Links = 1 }, only, 0, 0, "1 hard links"},
		"another's":                    {func(p *fix.Program) { p.Owner = 1000 }, only, 0, 0, "it belongs to user 1000, who"},
		"another's, writable":          {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o757 }, only, 0, 0, "user 1000, and its mode 0757 lets others"},
		"root's, writable":             {func(p *fix.Program) { p.Mode = 0o100775 }, only, 0, 0, "its mode 0775 lets others write"},
		"another's, to root":           {func(p *fix.Program) { p.Owner = 1000 }, chown, 0, launch.File, ""},
		"its group's, to root":         {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o750 }, chown, 0, launch.File, ""},
		"anybody's but its group's":    {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o705 }, chown, 0, launch.File, ""},
		"its own, to root":             {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o100700 }, chown, 0, 0, "its mode is 0700"},
		"writable, to root":            {func(p *fix.Program) { p.Mode = 0o777 }, chown, 0, launch.File, ""},
		"another's, left":              {func(p *fix.Program) { p.Owner = 1000 }, leave, 1000, launch.File, ""},
		"another's, writable, left":    {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o775 }, leave, 0, 0, "others than its owner may write"},
		"root's, left":                 {func(*fix.Program) {}, leave, 0, launch.File, ""},
		"root's, writable, left":       {func(p *fix.Program) { p.Mode = 0o757 }, leave, 0, 0, "others than its owner may write"},
		"another's, with $ORIGIN, too": {func(p *fix.Program) { p.Owner, p.Origin = 1000, "it looks" }, leave, 1000, launch.Ambient, ""},
	} {
		p := effective(tc.change)
		c, err := p.Config(tc.owners)
		if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got the error %v, want %q", name, err, tc.fails)
			continue
		}
		if err == nil && (c.Owner != tc.owner || c.By != tc.by || c.Prefer != bind || c.Target != "/usr/bin/server.capwise") {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

// TestPlaced holds what the report says of who can give the capability, and who can
// start the program.
func TestPlaced(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fix.Program)
		config launch.Config
		says   []string
		not    []string
	}{
		"root's":         {func(*fix.Program) {}, launch.Config{By: launch.File}, []string{"root owns launcher and program"}, []string{"belonged", "secure-execution"}},
		"left":           {func(p *fix.Program) { p.Owner = 1000 }, launch.Config{By: launch.File, Owner: 1000}, []string{"user 1000 owns launcher and program"}, []string{"root owns", "belonged"}},
		"to root":        {func(p *fix.Program) { p.Owner = 1000 }, launch.Config{By: launch.File}, []string{"root owns", "belonged to user 1000"}, []string{"only its group"}},
		"to root, group": {func(p *fix.Program) { p.Owner, p.Mode = 1000, 0o770 }, launch.Config{By: launch.File}, []string{"its mode is 0750: only its group"}, nil},
		"ambient":        {func(p *fix.Program) { p.Origin = "it looks" }, launch.Config{By: launch.Ambient}, []string{"it looks, so it runs without secure-execution"}, nil},
	} {
		tc.config.Prefer = bind
		said := strings.Join(effective(tc.change).Placed(tc.config).Notes, "\n")
		for _, s := range tc.says {
			if !strings.Contains(said, s) {
				t.Errorf("%s: got %q, want it to say %q", name, said, s)
			}
		}
		for _, s := range tc.not {
			if strings.Contains(said, s) {
				t.Errorf("%s: got %q, want it not to say %q", name, said, s)
			}
		}
	}
}

func TestFinalMode(t *testing.T) {
	for owners, want := range map[fix.Owners]uint32{fix.ChownRoot: 0o755, fix.MayHaveIt: 0o777} {
		if got := effective(func(p *fix.Program) { p.Mode = 0o100777 }).FinalMode(owners); got != want {
			t.Errorf("%v: got %#o, want %#o", owners, got, want)
		}
	}
}

// TestTargetCaps holds what a launcher's program carries, and that such a file is
// known again.
func TestTargetCaps(t *testing.T) {
	prefer := launch.Caps{Prefer: bind}
	for by, want := range map[launch.Means]filecap.Caps{
		launch.File: {Inheritable: bind, Effective: true, Revision: filecap.V2}, launch.Ambient: {},
	} {
		if got := fix.TargetCaps(launch.Config{Caps: prefer, By: by}); got != want {
			t.Errorf("%d: got %+v, want %+v", by, got, want)
		}
	}
	for text, want := range map[string]bool{"cap_chown=ei": true, "cap_chown=i": true, "cap_chown=ip": false, "cap_chown=p": false, "=": false} {
		c, err := filecap.FromText(text)
		if got := fix.OnlyInheritable(c); got != want || err != nil {
			t.Errorf("%s: got %t, %v", text, got, err)
		}
	}
}

func TestCheckAuto(t *testing.T) {
	for _, tc := range []struct {
		origin string
		asked  bool
		ok     bool
	}{{"", false, true}, {"", true, true}, {"it looks", false, false}, {"it looks", true, true}} {
		err := effective(func(p *fix.Program) { p.Origin = tc.origin }).CheckAuto(tc.asked)
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, fix.ErrSecureExecution) {
			t.Errorf("%q, asked for: %t: got %v", tc.origin, tc.asked, err)
		}
	}
}

// TestLaunched holds which files are a program's launcher.
func TestLaunched(t *testing.T) {
	const most = 4 << 20
	launcher := func(target string, size int) string {
		block, err := launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return "\x7fELF" + strings.Repeat("\x00", size-4-len(block)) + string(block)
	}
	for name, tc := range map[string]struct {
		content string
		want    bool
		fails   string
	}{
		"its own":       {launcher("/usr/bin/server.capwise", 8192), true, ""},
		"another's":     {launcher("/usr/bin/other.capwise", 8192), false, "it is a launcher, for /usr/bin/other.capwise"},
		"a damaged one": {launcher("/usr/bin/server.capwise", 8192)[:8191] + "\x01", false, "damaged"},
		"no launcher":   {strings.Repeat("\x00", 8192), false, ""},
		"empty":         {"", false, ""},
		"a large one":   {launcher("/usr/bin/server.capwise", most), true, ""},
		"too large one": {launcher("/usr/bin/server.capwise", most+1), false, ""},
	} {
		got, err := effective(func(*fix.Program) {}).Launched(strings.NewReader(tc.content))
		if got != tc.want || (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %t, %v, want %t, %q", name, got, err, tc.want, tc.fails)
		}
	}
}

// TestArch holds which launcher a program gets, by the machine, the class and the
// byte order in its header; x32 and big-endian variants get none.
func TestArch(t *testing.T) {
	for _, tc := range []struct{ class, order, machine, want string }{
		{"\x02", "\x01", "\x3e\x00", "amd64"},
		{"\x02", "\x01", "\xb7\x00", "arm64"},
		{"\x01", "\x01", "\x28\x00", "arm"},
		{"\x02", "\x01", "\xf3\x00", "riscv64"},
		{"\x02", "\x02", "\x00\x16", "s390x"},
		{"\x02", "\x01", "\x15\x00", "ppc64le"},
		{"\x02", "\x02", "\x00\x15", ""},
		{"\x01", "\x01", "\x3e\x00", ""},
		{"\x01", "\x01", "\xf3\x00", ""},
		{"\x01", "\x02", "\x00\x28", ""},
		{"\x01", "\x01", "\x03\x00", ""},
	} {
		header := "\x7fELF" + tc.class + tc.order + "\x01" + strings.Repeat("\x00", 9) + "\x02\x00" + tc.machine
		got, err := fix.Arch(strings.NewReader(header + "rest"))
		if got != tc.want || (err == nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), "no launcher for EM_") {
			t.Errorf("%q: %q, %v; want %q", header, got, err, tc.want)
		}
	}
	for _, text := range []string{"", "\x7fELF", "#!/bin/sh\n# which is long enough for a header"} {
		if _, err := fix.Arch(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "not an ELF program") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
