package main

import "testing"

// FuzzParseListen holds that any address is understood, with a port that there
// is, or refused.
func FuzzParseListen(f *testing.F) {
	for _, s := range []string{":80", "udp/:53", "tcp/[::1]:443", "80/udp", "x/:1", "[::1", ":65536"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseListen(text)
		if err == nil && (l.Port < 0 || l.Port > 65535 || l.Network == "" || l.Address == "") {
			t.Errorf("%q: got %+v", text, l)
		}
	})
}
