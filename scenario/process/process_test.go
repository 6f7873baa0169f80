package process

import (
	"strings"
	"testing"
)

func TestIDMap(t *testing.T) {
	m, err := parseIDMap("         0     100000      65536\n     70000       1000          1\n")
	if err != nil {
		t.Fatal(err)
	}
	for outside, inside := range map[uint32]uint32{100000: 0, 100033: 33, 165535: 65535, 165536: overflow, 1000: 70000, 0: overflow} {
		if got := m.into(outside); got != inside {
			t.Errorf("%d is %d inside, want %d", outside, got, inside)
		}
	}
	if root, ok := m.root(); root != 100000 || !ok {
		t.Errorf("root is %d, %v", root, ok)
	}
	all, err := parseIDMap("         0          0 4294967295\n")
	if err != nil || all.into(7) != 7 {
		t.Errorf("the first namespace: %v, %v", all, err)
	}
	for text, want := range map[string]string{"0 0\n": "line 1: 2 fields", "0 0 1\n0 0 -1\n": "line 2:"} {
		if _, err := parseIDMap(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func TestParseSockets(t *testing.T) {
	for _, tc := range []struct{ network, line, want string }{
		{"tcp", "0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3087 1 f 100", ":80 3087"},
		{"tcp", "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 12", "127.0.0.1:8080 12"},
		{"tcp", "0: 0100007F:1F90 0100007F:9999 01 0:0 0:0 0 0 0 12", ""},
		{"tcp", "0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9", ":443 9"},
		{"tcp", "0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9", "[::1]:80 9"},
		{"tcp", "0: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9", "127.0.0.1:80 9"},
		{"udp", "0: 00000000:0035 00000000:0000 07 0:0 0:0 0 0 0 9 2 f 0", ":53 9"},
		{"udp", "0: 00000000:0000 00000000:0000 07 0:0 0:0 0 0 0 9 2 f 0", ""},
		{"udp", "0: 0100007F:0035 0100007F:9999 01 0:0 0:0 0 0 0 9 2 f 0", ""},
	} {
		sockets, err := parseSockets(header+tc.line+"\n", tc.network)
		if err != nil {
			t.Errorf("%s: %v", tc.line, err)
		}
		var got []string
		for _, s := range sockets {
			got = append(got, s.String()+" "+s.inode)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, want %q", tc.line, got, tc.want)
		}
	}
	for line, want := range map[string]string{
		"0: 00000000:0050 0A":              "line 2: 3 fields",
		"0: 0000:0050 0:0 0A 0 0 0 0 0 1":  `line 2: "0000:0050" is not an address`,
		"0: 00000000:G 0:0 0A 0 0 0 0 0 1": "has no port",
	} {
		if _, err := parseSockets(header+line, "tcp"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add(header+"0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 12\n", "0 0 1\n")
	f.Fuzz(func(_ *testing.T, sockets, ids string) {
		_, _ = parseSockets(sockets, "tcp")
		if m, err := parseIDMap(ids); err == nil {
			m.into(1000)
			m.root()
		}
	})
}
