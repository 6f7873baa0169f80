package peers

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
)

// texts returns n capability texts: mostly well-formed, over names, numbers
// and every operator, and some that are not.
func texts(n int) []string {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	name := func() string {
		return pick("cap_net_bind_service", "cap_chown", "CAP_NET_RAW", "cap_checkpoint_restore", "cap_bpf", "all", "40", "12", "41", "63", "64", "net_raw", "")
	}
	clause := func() string {
		var b strings.Builder
		for i := range r.IntN(3) + 1 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(name())
		}
		for range r.IntN(3) + 1 {
			b.WriteString(pick("=", "=", "+", "-") + pick("e", "p", "i", "ep", "eip", "ip", "", "pp", "x"))
		}
		return b.String()
	}
	fixed := []string{"", "=", "=ep", "all=ep", "cap_net_bind_service=ep", "cap_net_admin,cap_net_raw+eip", "=p all+e", "=+p", "=-p", "= "}
	for len(fixed) < n {
		text := clause()
		for range r.IntN(3) {
			text += pick(" ", "  ", "\t") + clause()
		}
		fixed = append(fixed, text)
	}
	return fixed
}

// TestTextAgainstSetcap asks the real setcap(8) what each text is as an
// attribute, and the real getcap(8) what each attribute is as a text.
func TestTextAgainstSetcap(t *testing.T) {
	need.Root(t)
	setcap, getcap := need.Tool(t, "setcap"), need.Tool(t, "getcap")
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, text := range texts(3000) {
		if strings.Contains(text, "all") && unnamed(text) {
			continue // "41,all" and "all,41" differ for setcap
		}
		want, real := attributeBySetcap(t, setcap, path, text)
		caps, err := filecap.FromText(text)
		if (err == nil) != real {
			t.Errorf("%q: setcap accepts it: %v; FromText: %v, %v", text, real, caps, err)
			continue
		}
		if !real {
			continue
		}
		accepted++
		if got, err := caps.MarshalBinary(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: setcap wrote %x, we %x, %v", text, want, got, err)
		}
		out, err := exec.Command(getcap, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := caps.String(), strings.TrimSuffix(strings.TrimPrefix(string(out), path+" "), "\n"); got != want {
			t.Errorf("%q: getcap prints %q, we %q", text, want, got)
		}
	}
	t.Logf("%d of 3000 texts were accepted by both", accepted)
}

// unnamed reports whether the text has a capability without a name.
func unnamed(text string) bool { return strings.Contains(text, "41") || strings.Contains(text, "63") }

// attributeBySetcap returns the attribute that setcap writes for the text, and
// false if it refuses the text.
func attributeBySetcap(t *testing.T, setcap, path, text string) ([]byte, bool) {
	t.Helper()
	if err := filecap.Remove(path); err != nil {
		t.Fatal(err)
	}
	var refused *exec.ExitError
	if err := exec.Command(setcap, text, path).Run(); errors.As(err, &refused) {
		return nil, false
	} else if err != nil {
		t.Fatal(err)
	}
	caps, err := filecap.Get(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := caps.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw, true
}

// TestTextAgainstGoLibcap compares with libcap's Go package, which differs from
// setcap in what "=" resets: all capabilities, not those listed. So "=" comes
// first here.
func TestTextAgainstGoLibcap(t *testing.T) {
	compared := 0
	for _, text := range texts(20000) {
		ours, err := capset.ParseState(text)
		if err != nil || strings.Count(text, "=") > 1 || strings.Contains(text, "=") && !firstClauseHas(text, "=") {
			continue
		}
		theirs, err := cap.FromText(strings.ToLower(text))
		if err != nil {
			continue // it reads no "all" in a list, say
		}
		compared++
		if got, want := ours.String(), theirs.String(); got != want {
			t.Errorf("%q: libcap's Go package says %q, we %q", text, want, got)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d texts were compared", compared)
	}
}

func firstClauseHas(text, op string) bool {
	fields := strings.Fields(text)
	return len(fields) > 0 && strings.Contains(fields[0], op)
}

// TestAttributeAgainstGoLibcap lets libcap's Go package read what we write.
func TestAttributeAgainstGoLibcap(t *testing.T) {
	need.Root(t)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, rootID := range []uint32{0, 1000, 1 << 31} {
		for _, text := range []string{"cap_net_bind_service=p", "cap_net_admin,cap_bpf=eip", "="} {
			caps, err := filecap.FromText(text)
			if err != nil {
				t.Fatal(err)
			}
			if rootID != 0 {
				caps.Revision, caps.RootID = filecap.V3, rootID
			}
			if err := filecap.Set(path, caps); err != nil {
				t.Fatal(err)
			}
			theirs, err := cap.GetFile(path)
			if err != nil {
				t.Fatal(err)
			}
			owner, err := theirs.GetNSOwner()
			if err != nil || uint32(owner) != rootID || theirs.String() != caps.State().String() {
				t.Errorf("%s: libcap reads %s with root id %d, %v", caps, theirs, owner, err)
			}
		}
	}
}

// TestNames compares names and numbers with libcap's.
func TestNames(t *testing.T) {
	for c := range capset.MaxCap + 1 {
		if got, want := c.String(), cap.Value(c).String(); got != want {
			t.Errorf("capability %d is %q, libcap says %q", uint8(c), got, want)
		}
	}
	if got, want := fmt.Sprint(capset.All.Len()), fmt.Sprint(cap.MaxBits()); got < want {
		t.Errorf("this kernel has %s capabilities, we know %s", want, got)
	}
}
