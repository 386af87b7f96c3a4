package functionurl

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sent writes a stream in pieces and gives what the client saw.
func sent(payload string, pieces ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s := &stream{w: w}
	for _, p := range pieces {
		if s.write(context.Background(), []byte(p)) != nil {
			return w
		}
	}
	s.end([]byte(payload))
	return w
}

func TestAStreamMayBeginWithAPrelude(t *testing.T) {
	const head = `{"statusCode":201,"headers":{"X-A":"}{\"\\","Content-Type":"text/html"},"cookies":["a=1","b=2"]}`
	whole := head + preludeEnd + "<p>"
	for cut := range len(whole) {
		w := sent("", whole[:cut], whole[cut:], "more")
		if w.Code != 201 || w.Body.String() != "<p>more" || w.Header().Get("Content-Type") != "text/html" || w.Header().Get("X-A") != `}{"\` {
			t.Fatalf("cut at %d: %d %v %q", cut, w.Code, w.Header(), w.Body)
		}
		if diff := cmp.Diff([]string{"a=1", "b=2"}, w.Header()["Set-Cookie"]); diff != "" {
			t.Fatal(diff)
		}
	}
	if w := sent("", `{"headers":{"X-A":"1"}}`+preludeEnd); w.Code != 200 || w.Header().Get("X-A") != "1" {
		t.Errorf("without a status: %d %v", w.Code, w.Header())
	}
	if w := sent("", `{}`+preludeEnd+"x"); w.Code != 200 || w.Body.String() != "x" {
		t.Errorf("an empty one: %d %q", w.Code, w.Body)
	}
	if w := sent("", `{"statusCode":200,"headers":{"X":"1\r\nY: 2"}}`+preludeEnd+"x", "more"); w.Code != 502 || w.Body.String() != "Internal Server Error" {
		t.Errorf("a forged header: %d %q", w.Code, w.Body)
	}
}

func TestOtherStreamsComeAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		payload string
		pieces  []string
		kind    string
	}{
		{"", []string{"plain ", "text"}, "application/octet-stream"},
		{"", []string{`{"a":1}`, "\n" + `{"a":2}`}, "application/octet-stream"},
		{"", []string{`{"a":1}`}, "application/octet-stream"},
		{"", []string{`{"a":1}` + preludeEnd[:7]}, "application/octet-stream"},
		{"", []string{`{"never ends`}, "application/octet-stream"},
		{"", []string{"{" + strings.Repeat(`"x",`, maxPrelude)}, "application/octet-stream"},
		{"", nil, "application/octet-stream"},
		{`{"statusCode":418}`, nil, "application/json"},
	} {
		w := sent(c.payload, c.pieces...)
		if want := strings.Join(c.pieces, "") + c.payload; w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != c.kind {
			t.Errorf("%.40q: %d %v %.40q", want, w.Code, w.Header(), w.Body)
		}
	}
}

// FuzzScan compares the scan of a stream in pieces with that of the whole.
func FuzzScan(f *testing.F) {
	f.Add(`{"a":"b"}`+preludeEnd+"x", uint8(3))
	f.Add(`{"a\"`, uint8(1))
	f.Add(`{}}`+preludeEnd, uint8(2))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		if text == "" {
			return
		}
		var pieces []string
		for rest := text; rest != ""; {
			n := min(len(rest), int(size)+1)
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		whole, cut := sent("", text), sent("", pieces...)
		if whole.Code != cut.Code || whole.Body.String() != cut.Body.String() {
			t.Errorf("%q: %d %q whole, %d %q in pieces of %d", text, whole.Code, whole.Body, cut.Code, cut.Body, size+1)
		}
	})
}
