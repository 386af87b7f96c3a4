package domain

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

var here = Scope{Account: "111122223333", Region: "eu-west-1"}

// find knows an API of each kind, with a stage "s".
func find(_ context.Context, s Scope, api, stage string) (Kind, error) {
	kind, found := map[string]Kind{"rest": REST, "http": HTTP, "socket": WebSocket}[api]
	switch {
	case !found || s != here:
		return "", ErrNoAPI
	case stage != "s" && (stage != "" || kind != REST):
		return "", ErrNoStage
	}
	return kind, nil
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	return state
}

func open(t *testing.T, state store.Store) *Names {
	t.Helper()
	n, err := Open(t.Context(), Config{Store: state, Find: find})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *Names) made(t *testing.T, name string, types ...string) {
	t.Helper()
	if _, err := n.Create(t.Context(), Name{Name: name, Scope: here, EndpointTypes: types}); err != nil {
		t.Fatal(err)
	}
}

// leads words where a request is led: the API, the key and the rest.
func (n *Names) leads(host, path string) string {
	lead := n.Lead(host, path)
	if lead == nil {
		return "nowhere"
	}
	return strings.Join([]string{lead.Mapping.API, lead.Mapping.Key, lead.Rest}, " ")
}

func TestTheLongestMappingLeads(t *testing.T) {
	state := openStore(t)
	n := open(t, state)
	for _, name := range []string{"API.example.org", "*.wild.example.org"} {
		n.made(t, name)
		for key, api := range map[string]string{"(none)": "rest", "v1": "http", "v1/deep": "rest"} {
			if err := n.PutMapping(t.Context(), here, name, &Mapping{API: api, Stage: "s", Key: key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // and again by what is stored
		for path, want := range map[string]string{"/": "rest  /", "/x": "rest  /x", "/v1": "http v1 /", "/v1/x": "http v1 /x", "/v1/deep": "rest v1/deep /", "/v1/deep/": "rest v1/deep /", "/v10": "rest  /v10", "/v1/deeper": "http v1 /deeper"} {
			for _, host := range []string{"api.example.org", "X.wild.example.org"} {
				if got := n.leads(host, path); got != want {
					t.Errorf("%s%s leads to %s, want %s", host, path, got, want)
				}
			}
		}
		n = open(t, state)
	}
	if n.Serves("x.y.wild.example.org") || n.Serves("wild.example.org") || !n.Serves("api.example.org") {
		t.Error("a star stands for one label")
	}
	if n.Leading(here, "http") == "" || n.Leading(here, "other") != "" || n.Leading(Scope{}, "http") != "" {
		t.Error("what leads to an API")
	}
	if err := n.Delete(t.Context(), here, "api.EXAMPLE.org"); err != nil || n.Serves("api.example.org") || open(t, state).Serves("api.example.org") {
		t.Errorf("a name that is gone is served: %v", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	n := open(t, openStore(t))
	n.made(t, "a.example.org")
	n.made(t, "edge.example.org", Edge)
	n.made(t, "ws.example.org")
	put := func(name string, m Mapping) error { return n.PutMapping(t.Context(), here, name, &m) }
	for name, m := range map[string]Mapping{"a.example.org": {API: "http", Stage: "s", Key: "k"}, "ws.example.org": {API: "socket", Stage: "s"}, "edge.example.org": {API: "rest", Key: "k"}} {
		if err := put(name, m); err != nil {
			t.Fatal(err)
		}
	}
	create := func(name string, s Scope) error {
		_, err := n.Create(t.Context(), Name{Name: name, Scope: s})
		return err
	}
	for what, c := range map[string]struct{ got, want error }{
		"a name of another account": {create("A.example.org", Scope{Account: "444455556666"}), ErrTaken},
		"the platform's own name":   {create("localhost", here), &Invalid{}},
		"no name":                   {create("a..b", here), &Invalid{}},
		"a name that is not there":  {put("none.example.org", Mapping{API: "http", Stage: "s"}), ErrNone},
		"a mapped key":              {put("a.example.org", Mapping{API: "rest", Stage: "s", Key: "k"}), ErrMapped},
		"an API that is not there":  {put("a.example.org", Mapping{API: "none", Stage: "s", Key: "x"}), ErrNoAPI},
		"a stage that is not there": {put("a.example.org", Mapping{API: "http", Key: "x"}), ErrNoStage},
		"a key with slashes":        {put("a.example.org", Mapping{API: "http", Stage: "s", Key: "/x/"}), &Invalid{}},
		"an HTTP API at an edge":    {put("edge.example.org", Mapping{API: "http", Stage: "s"}), &Invalid{}},
		"a mixture":                 {put("ws.example.org", Mapping{API: "http", Stage: "s", Key: "x"}), &Invalid{}},
		"the other mixture":         {put("a.example.org", Mapping{API: "socket", Stage: "s", Key: "x"}), &Invalid{}},
		"an id that is not there":   {put("a.example.org", Mapping{ID: "x", API: "http", Stage: "s", Key: "x"}), ErrNoMapping},
		"a delete of what is not":   {n.DeleteMapping(t.Context(), here, "a.example.org", "x"), ErrNoMapping},
		"a delete by others":        {n.Delete(t.Context(), Scope{Account: "444455556666", Region: "eu-west-1"}, "a.example.org"), ErrNone},
	} {
		var invalid *Invalid
		if _, isInvalid := c.want.(*Invalid); isInvalid != errors.As(c.got, &invalid) || !isInvalid && !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	// What is refused changed nothing.
	if row, err := n.Get(here, "a.example.org"); err != nil || len(row.Mappings) != 1 {
		t.Errorf("%+v, %v", row, err)
	}
}

// TestRowsOfAnEarlierVersionAreAdopted: names were kept by each kind of APIs.
func TestRowsOfAnEarlierVersionAreAdopted(t *testing.T) {
	state := openStore(t)
	b := &store.Batch{}
	row := func(value string, key ...any) {
		if !json.Valid([]byte(value)) {
			t.Fatal(value)
		}
		b.Puts = append(b.Puts, store.KV{Key: tuple.Key(key...), Value: []byte(value)})
	}
	scope := `"Scope": {"Account": "111122223333", "Region": "eu-west-1"}`
	row(`{"DomainName": "two.example.org", "DomainNameConfigurations": [{"CertificateArn": "c2"}], `+scope+`}`, "apigatewayv2", "domain", here.Account, here.Region, "two.example.org")
	row(`{"Account": "111122223333", "Region": "eu-west-1"}`, "apigatewayv2", "domain-name", "two.example.org")
	row(`{"ApiMappingId": "m", "ApiId": "http", "ApiMappingKey": "a/b", "Stage": "s"}`, "apigatewayv2", "domain-mapping", "two.example.org", "m")
	row(`{"DomainName": "One.example.org", "EndpointTypes": ["EDGE"], "CertificateArn": "c1", "Mappings": {"(none)": {"BasePath": "(none)", "RestApiId": "rest", "Stage": "s"}}}`, "restapi", "domain", here.Account, here.Region, "One.example.org")
	if _, err := state.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n := open(t, state)
		if a, b := n.leads("two.example.org", "/a/b/c"), n.leads("one.example.org", "/x"); a != "http a/b /c" || b != "rest  /x" {
			t.Errorf("%s, %s", a, b)
		}
		two, err := n.Get(here, "two.example.org")
		one, err2 := n.Get(here, "one.example.org")
		if err != nil || err2 != nil || two.RegionalARN != "c2" || one.CertificateARN != "c1" || one.EndpointTypes[0] != Edge {
			t.Errorf("%+v %v, %+v %v", two, err, one, err2)
		}
	}
}
