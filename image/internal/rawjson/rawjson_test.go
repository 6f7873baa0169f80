package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/internal/rawjson"
)

func TestEdits(t *testing.T) {
	text := []byte("{ \"a\" : 1.00e5,\n\t\"b\":[ \"x\", \"y\" ] , \"c\":{\"p\":1, \"q\" :2,\"r\":3}, \"d\":null}\n")
	v, err := rawjson.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	edits := []rawjson.Edit{v.Get("b").Elements[1].SetText("z"), v.Get("d").SetInt(7)}
	edits = append(edits, v.Get("c").Remove(func(key string) bool { return key != "q" })...)
	want := "{ \"a\" : 1.00e5,\n\t\"b\":[ \"x\", \"z\" ] , \"c\":{\"q\" :2}, \"d\":7}\n"
	if got := string(rawjson.Apply(text, edits)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if v.Get("b").Elements[0].Text() != "x" || v.Get("a").Int() != -1 || v.Get("no").Get("such").Text() != "" {
		t.Error("values are misread")
	}
	all := string(rawjson.Apply(text, v.Get("c").Remove(func(string) bool { return true })))
	if !json.Valid([]byte(all)) {
		t.Errorf("not JSON: %s", all)
	}
}

// TestCase holds that members whose names readers take for one are refused
// (S13), and the user's own are not.
func TestCase(t *testing.T) {
	for _, text := range []string{
		`{"Layers":1,"layers":2}`, `[{"Config":"a","CONFIG":"b"}]`, "{\"blobs\":1,\"blob\u017f\":2}", "{\"k\":1,\"\u212a\":2}",
		`{"digest":"a","dige\u017ft":"b"}`, `{"Labels":{"a":1,"a":2}}`, `{"LABELS":{"a":1,"A":2}}`, `{"Labels":[{"a":1,"A":2}]}`,
		`{"Labels":{"x":{"a":1,"A":2}}}`,
	} {
		if _, err := rawjson.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "members") {
			t.Errorf("%s: got %v, want two members refused", text, err)
		}
	}
	for _, text := range []string{`{"Labels":{"Name":"a","name":"b"}}`, `{"a":{"annotations":{"x":"1","X":"2"}},"b":1}`} {
		if _, err := rawjson.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := make([]byte, 10000)
	for i := range deep {
		deep[i] = '['
	}
	for _, text := range []string{"", "{", `{"a":1,"a":2}`, "[1] 2", `{"a" 1}`, string(deep)} {
		if _, err := rawjson.Parse([]byte(text)); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

// FuzzParse holds that edits of what parses give JSON again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"c"}], "d" : {} }`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := rawjson.Parse(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatal("not JSON, and taken")
		}
		for n := range v.Members {
			i := 0
			edits := v.Remove(func(string) bool { i++; return i-1 == n || i > n+2 })
			if out := rawjson.Apply(text, edits); !json.Valid(out) {
				t.Fatalf("removing gives %s", out)
			}
		}
		for _, e := range v.Elements {
			if out := rawjson.Apply(text, []rawjson.Edit{e.SetText("x")}); !json.Valid(out) {
				t.Fatalf("setting gives %s", out)
			}
		}
	})
}
