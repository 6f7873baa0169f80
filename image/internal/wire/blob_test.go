package wire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCut cuts the connection again and again: the blob comes whole, and no byte comes
// twice from a registry that knows ranges.
func TestCut(t *testing.T) {
	content := make([]byte, 3_000_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	for _, ranges := range []bool{true, false} {
		s := serve(t, string(content))
		var sent, asked atomic.Int64
		s.handler = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			from := 0
			if text := r.Header.Get("Range"); text != "" && ranges {
				var err error
				if from, err = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(text, "bytes="), "-")); err != nil {
					t.Error(err)
				}
			}
			to := min(from+1_000_000, len(content))
			if asked.Add(1) > 4 || !ranges && asked.Load() > 1 {
				to = len(content)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(content)-from))
			if from > 0 {
				w.WriteHeader(http.StatusPartialContent)
			}
			n, _ := w.Write(content[from:to])
			sent.Add(int64(n))
			if to < len(content) {
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			return true
		}
		blob, err := s.source(t, time.Second).Blob(s.digest(), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(blob)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("ranges %v: %d bytes, %v", ranges, len(got), err)
		}
		blob.Close()
		if ranges && sent.Load() > int64(len(content))+200_000 { // what was on its way is lost
			t.Errorf("%d bytes were sent of %d", sent.Load(), len(content))
		}
	}
}

// TestCutForEver gives up on a registry that cuts each connection at once, and does not
// ask again where a blob has another digest or size.
func TestCutForEver(t *testing.T) {
	defer func(d time.Duration) { firstPause = d }(firstPause)
	firstPause = time.Millisecond
	s := serve(t, "content")
	asked := 0
	s.handler = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		asked++
		w.Header().Set("Content-Length", "7")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	read := func(digest string, size int64) error {
		blob, err := s.source(t, time.Second).Blob(digest, size)
		if err != nil {
			return err
		}
		defer blob.Close()
		_, err = io.ReadAll(blob)
		return err
	}
	if err := read(s.digest(), 7); err == nil || asked != mostCuts+1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	s.handler = nil
	if err := read(s.digest(), 7); err != nil {
		t.Error(err)
	}
	if err := read("sha256:"+strings.Repeat("a", 64), 7); err == nil || !strings.Contains(err.Error(), "want a blob with digest sha256:aaa") {
		t.Errorf("another digest: %v", err)
	}
	if err := read("md5:00", 7); err == nil || !strings.Contains(err.Error(), "want one of sha256 or sha512") {
		t.Errorf("another algorithm: %v", err)
	}
}
