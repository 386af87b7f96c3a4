package httpapi

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
)

// issuer is a server with keys.
type issuer struct {
	*httptest.Server
	key   *rsa.PrivateKey
	id    atomic.Value
	reads atomic.Int32
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.id.Store("one")
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.reads.Add(1)
		json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: i.id.Load().(string), Algorithm: "RS256", Use: "sig"}}})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// token signs claims.
func (i *issuer) token(t *testing.T, key any, algorithm jose.SignatureAlgorithm, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensAreVerified(t *testing.T) {
	i := newIssuer(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := newIssuers(i.Client(), clock.System)
	config := &httpapi.JWTConfig{Issuer: i.URL, Audience: []string{"app"}}
	now := time.Now()
	claims := func(changes map[string]any) map[string]any {
		all := map[string]any{"iss": i.URL, "aud": "app", "exp": now.Add(time.Hour).Unix(), "sub": "ada"}
		for name, value := range changes {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
		return all
	}
	good := i.token(t, i.key, jose.RS256, "one", claims(nil))
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		token string
		ok    bool
	}{
		"good":               {good, true},
		"a list of aud":      {i.token(t, i.key, jose.RS512, "one", claims(map[string]any{"aud": []string{"x", "app"}})), true},
		"client_id":          {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"aud": nil, "client_id": "app"})), true},
		"another client_id":  {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"aud": nil, "client_id": "x"})), false},
		"another aud":        {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"aud": "x"})), false},
		"no aud":             {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"aud": nil})), false},
		"another issuer":     {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"iss": "https://evil"})), false},
		"expired":            {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"exp": now.Add(-time.Hour).Unix()})), false},
		"no exp":             {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"exp": nil})), false},
		"not yet":            {i.token(t, i.key, jose.RS256, "one", claims(map[string]any{"nbf": now.Add(time.Hour).Unix()})), false},
		"another key":        {i.token(t, other, jose.RS256, "one", claims(nil)), false},
		"an unknown key id":  {i.token(t, i.key, jose.RS256, "two", claims(nil)), false},
		"a shared secret":    {i.token(t, []byte(strings.Repeat("k", 64)), jose.HS256, "one", claims(nil)), false},
		"without signature":  {parts[0] + "." + parts[1] + ".", false},
		"alg none":           {"eyJhbGciOiJub25lIn0." + parts[1] + ".", false},
		"changed":            {parts[0] + "." + parts[1] + "x." + parts[2], false},
		"no token":           {"x", false},
		"empty":              {"..", false},
		"a monster":          {strings.Repeat("a", maxToken+1), false},
		"five parts":         {good + ".a.b", false},
		"a token of no text": {"\x00\xff.\x00.\x00", false},
	} {
		if _, err := s.verify(t.Context(), c.token, config); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := i.reads.Load(); n > 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// shifted is a clock that a test moves.
type shifted struct {
	clock.Clock
	by atomic.Int64
}

func (c *shifted) Now() time.Time { return c.Clock.Now().Add(time.Duration(c.by.Load())) }

func TestNewKeysOfAnIssuerAreFound(t *testing.T) {
	i := newIssuer(t)
	now := &shifted{Clock: clock.System}
	s := newIssuers(i.Client(), now)
	config := &httpapi.JWTConfig{Issuer: i.URL, Audience: []string{"app"}}
	token := func(id string) string {
		return i.token(t, i.key, jose.RS256, id, map[string]any{"iss": i.URL, "aud": "app", "exp": time.Now().Add(24 * time.Hour).Unix()})
	}
	if _, err := s.verify(t.Context(), token("one"), config); err != nil {
		t.Fatal(err)
	}
	i.id.Store("two")
	if _, err := s.verify(t.Context(), token("two"), config); err == nil {
		t.Error("the issuer was asked again at once")
	}
	now.by.Add(int64(2 * keysAnew))
	if _, err := s.verify(t.Context(), token("two"), config); err != nil {
		t.Error(err)
	}
	if _, err := s.verify(t.Context(), token("one"), config); err == nil {
		t.Error("a key that is gone is still taken")
	}
	i.CloseClientConnections()
	i.Close()
	if _, err := s.verify(t.Context(), token("two"), config); err != nil {
		t.Errorf("the keys are kept while the issuer is away: %v", err)
	}
	now.by.Add(int64(2 * keysFor))
	if _, err := s.verify(t.Context(), token("two"), config); err == nil {
		t.Error("the keys are kept for ever")
	}
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		claims map[string]any
		wanted []string
		held   string
		ok     bool
	}{
		{nil, nil, "", true}, {map[string]any{"scope": "a b"}, []string{"b", "c"}, "b", true}, {map[string]any{"scp": []any{"c"}}, []string{"b", "c"}, "c", true},
		{map[string]any{"scope": "ab"}, []string{"a"}, "", false}, {map[string]any{"scope": 5}, []string{"5"}, "", false},
	} {
		held, ok := scopes(c.claims, c.wanted)
		if strings.Join(held, " ") != c.held || ok != c.ok {
			t.Errorf("%v %v: %v %v", c.claims, c.wanted, held, ok)
		}
	}
	for value, want := range map[any]string{"x": "x", 1600000000.0: "1600000000", true: "true", 1.5: "1.5"} {
		if got := claimText(value); got != want {
			t.Errorf("%v: %s", value, got)
		}
	}
	if got := claimText([]any{"a", 1.0, []any{"b"}}); got != "[a 1 [b]]" {
		t.Error(got)
	}
}

// setClock is a clock that the test sets.
type setClock struct {
	clock.Clock
	now time.Time
}

func (c *setClock) Now() time.Time { return c.now }

// TestAFloodOfTokensIsNoFloodOfReads: what an issuer did not answer is remembered for a
// short time, and what it answered before stays good meanwhile.
func TestAFloodOfTokensIsNoFloodOfReads(t *testing.T) {
	i := newIssuer(t)
	tries, down := 0, false
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			tries++
		}
		if down {
			return nil, http.ErrServerClosed
		}
		return i.Client().Transport.RoundTrip(r)
	})}
	at := &setClock{Clock: clock.System, now: time.Now()}
	s := newIssuers(client, at)
	ask := func(what, id string, ok bool, wanted int) {
		t.Helper()
		tries = 0
		for range 100 {
			if _, err := s.key(t.Context(), i.URL, id); (err == nil) != ok {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if tries != wanted {
			t.Errorf("%s: the issuer was asked %d times", what, tries)
		}
	}
	down = true
	ask("an issuer that does not answer", "one", false, 1)
	at.now = at.now.Add(keysAnew - time.Second)
	ask("it is let in peace", "one", false, 0)
	down, at.now = false, at.now.Add(time.Second)
	ask("it is asked again", "one", true, 1)
	at.now = at.now.Add(time.Hour)
	ask("an unknown key", "two", false, 1)
	down, at.now = true, at.now.Add(time.Minute)
	ask("an unknown key of an issuer that is down", "two", false, 1)
	ask("a known key meanwhile", "one", true, 0)
	at.now = at.now.Add(keysFor)
	ask("keys that are too old", "one", false, 1)
	down, at.now = false, at.now.Add(keysAnew)
	ask("and are read again", "one", true, 1)
}

// FuzzVerify looks for tokens that pass without a signature, or that break the reader.
func FuzzVerify(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.AA")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.")
	refuse := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed })}
	s := newIssuers(refuse, clock.System)
	f.Fuzz(func(t *testing.T, token string) {
		if claims, err := s.verify(t.Context(), token, &httpapi.JWTConfig{Issuer: "https://x", Audience: []string{"a"}}); err == nil {
			t.Errorf("%q passed: %v", token, claims)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
