package tarwalk_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/capwise/capwise/image/tarwalk"
)

// block is a header and its data, in whole blocks.
func block(kind byte, name string, data []byte) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        %c", 0o755, 1000, 1000, len(data), 0, kind))
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&511)...)
}

// record is a PAX record.
func record(key, value string) string {
	n := len(key) + len(value) + 5 // with two digits
	return fmt.Sprintf("%02d %s=%s\n", n, key, value)
}

// TestTwice holds that of records with one key the last counts, as for archive/tar, so
// that nobody can show another owner, name or length than engines find.
func TestTwice(t *testing.T) {
	for _, records := range []string{
		record("uid", "0") + record("uid", "1001"),
		record("uid", "0") + record("uid", ""),
		record("uid", "") + record("uid", "0"),
		record("path", "shown") + record("path", "real"),
		record("path", "shown") + record("path", ""),
		record("size", "512") + record("size", ""),
		record("size", "512") + record("size", "3"),
		record("gid", "0") + record("gid", ""),
	} {
		b := bytes.Join([][]byte{block('x', "x", []byte(records)), block('0', "file", []byte("abc")), make([]byte, 1024)}, nil)
		agree(t, b, true)
	}
}

// TestTwoHeaders holds that two PAX headers for one file, which readers take
// differently, are refused.
func TestTwoHeaders(t *testing.T) {
	b := bytes.Join([][]byte{
		block('x', "x", []byte(record("uid", "0"))), block('x', "x", []byte(record("comment", "c"))), block('0', "file", []byte("abc")), make([]byte, 1024),
	}, nil)
	h, err := tar.NewReader(bytes.NewReader(b)).Next()
	if err != nil || h.Uid != 1000 {
		t.Fatalf("archive/tar reads %+v, %v", h, err)
	}
	if e, err := tarwalk.New(bytes.NewReader(b)).Next(); !errors.Is(err, tarwalk.ErrFormat) {
		t.Errorf("taken, with owner %d; %v", e.UID, err)
	}
}
