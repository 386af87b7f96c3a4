package restapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

func packed(t *testing.T, to io.WriteCloser, buffer *bytes.Buffer, text string) string {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.String()
}

// TestBodiesAreInflated of APIs with compression only; api-gateway-make-request-with-compressed-payload.html.
func TestBodiesAreInflated(t *testing.T) {
	var g, z, f, bomb bytes.Buffer
	raw, err := flate.NewWriter(&f, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	gzipped := packed(t, gzip.NewWriter(&g), &g, "hello")
	for name, c := range map[string]struct {
		coding, body, want string
		err                error
	}{
		"none":          {"", "hello", "hello", nil},
		"identity":      {"identity", "hello", "hello", nil},
		"gzip":          {"GZIP", gzipped, "hello", nil},
		"deflate":       {"deflate", packed(t, zlib.NewWriter(&z), &z, "hello"), "hello", nil},
		"deflate, bare": {"deflate", packed(t, raw, &f, "hello"), "hello", nil},
		"no gzip":       {"gzip", "hello", "", errBadRequest},
		"half of it":    {"gzip", gzipped[:len(gzipped)-6], "", errBadRequest},
		"unknown":       {"br", "hello", "", errMediaType},
		"two codings":   {"gzip, gzip", gzipped, "", errMediaType},
		"a bomb":        {"gzip", packed(t, gzip.NewWriter(&bomb), &bomb, strings.Repeat("x", MaxPayloadBytes+1)), "", intake.ErrTooLarge},
	} {
		least := int32(0)
		e := exchangeFor(t, &restapi.Snapshot{Definition: restapi.Definition{MinimumCompressionSize: &least}}, http.MethodPost, "/", c.body)
		e.r.Header.Set("Content-Encoding", c.coding)
		err := e.inflate()
		r, isRefusal := refused(err)
		wanted, wantRefusal := refused(c.err)
		switch {
		case wantRefusal && (!isRefusal || r.kind != wanted.kind), !wantRefusal && !errors.Is(err, c.err):
			t.Errorf("%s: %v", name, err)
		case err == nil && string(e.body) != c.want:
			t.Errorf("%s: %q", name, e.body)
		}
	}
	e := exchangeFor(t, &restapi.Snapshot{}, http.MethodPost, "/", gzipped)
	e.r.Header.Set("Content-Encoding", "gzip")
	if err := e.inflate(); err != nil || string(e.body) != gzipped {
		t.Errorf("without compression: %q, %v", e.body, err)
	}
}

// TestAnswersAreCompressed for those who take it; api-gateway-receive-response-with-compression.html.
func TestAnswersAreCompressed(t *testing.T) {
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "deflate, gzip": "deflate", "br;q=1.0, gzip;q=0.8": "gzip", "gzip;q=0": "", "*": "gzip", "identity": "", "gzip;q=0, deflate": "deflate"} {
		least := int32(5)
		e := exchangeFor(t, &restapi.Snapshot{Definition: restapi.Definition{MinimumCompressionSize: &least}}, http.MethodGet, "/", "")
		e.r.Header.Set("Accept-Encoding", accept)
		for body, packs := range map[string]bool{"tiny": false, "hello hello hello": true} {
			a := &proxy.Answer{Status: 200, Header: http.Header{}, Body: []byte(body)}
			if err := e.compress(a); err != nil {
				t.Fatal(err)
			}
			coding := a.Header.Get("Content-Encoding")
			if !packs && coding != "" || packs && coding != want {
				t.Errorf("%q: %q has the coding %q", accept, body, coding)
			}
			var in io.Reader = bytes.NewReader(a.Body)
			var err error
			switch coding {
			case "gzip":
				in, err = gzip.NewReader(in)
			case "deflate":
				in, err = zlib.NewReader(in)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(in); err != nil || string(got) != body {
				t.Errorf("%q: %q, %v", accept, got, err)
			}
		}
		done := &proxy.Answer{Status: 200, Header: http.Header{"Content-Encoding": {"br"}}, Body: []byte("hello hello")}
		if err := e.compress(done); err != nil || string(done.Body) != "hello hello" {
			t.Errorf("%q was compressed twice: %v", done.Body, err)
		}
	}
}

func FuzzInflate(f *testing.F) {
	f.Add("gzip", "\x1f\x8b\x08\x00")
	f.Add("deflate", "\x78\x9c\x03\x00")
	f.Fuzz(func(t *testing.T, coding, body string) {
		least := int32(0)
		e := exchangeFor(t, &restapi.Snapshot{Definition: restapi.Definition{MinimumCompressionSize: &least}}, http.MethodPost, "/", body)
		e.r.Header.Set("Content-Encoding", coding)
		if err := e.inflate(); err == nil && len(e.body) > MaxPayloadBytes {
			t.Errorf("%d bytes", len(e.body))
		}
	})
}
