package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/sync/singleflight"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// algorithms are those that tokens may be signed with. AWS: "only RSA-based
// algorithms", https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}

// Bounds of what is read of issuers, and kept.
const (
	maxToken      = 16 << 10
	maxKeySet     = 256 << 10
	maxIssuers    = 1000
	issuerTimeout = 5 * time.Second
	keysFor       = 2 * time.Hour    // AWS: how long keys are kept
	keysAnew      = 10 * time.Second // how often an issuer is asked again: for an unknown key id, and after it did not answer
)

// issuers keeps the public keys of issuers of tokens.
type issuers struct {
	client *http.Client
	clock  clock.Clock
	flight singleflight.Group // one reading of an issuer at a time
	mu     sync.Mutex
	known  map[string]*keySet
}

// keySet is what is known of an issuer. It is replaced, never changed.
type keySet struct {
	keys  jose.JSONWebKeySet
	read  time.Time // zero: never
	tried time.Time
	err   error // of the last try
}

func newIssuers(client *http.Client, c clock.Clock) *issuers {
	return &issuers{client: client, clock: c, known: map[string]*keySet{}}
}

// key finds a public key of an issuer. However many tokens come, an issuer that does not
// answer, or does not have their keys, is asked once in keysAnew.
func (s *issuers) key(ctx context.Context, issuer, id string) (*jose.JSONWebKey, error) {
	set := s.of(issuer)
	if key, fresh := set.find(id), s.clock.Now().Sub(set.read) < keysFor; key != nil && fresh {
		return key, nil
	}
	if s.clock.Now().Sub(set.tried) >= keysAnew {
		// The reading is for all that wait for it, so it does not end with one of them.
		read, _, _ := s.flight.Do(issuer, func() (any, error) { return s.renew(context.WithoutCancel(ctx), issuer), nil })
		set = read.(*keySet)
	}
	if set.err != nil {
		return nil, set.err
	}
	if key := set.find(id); key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("the issuer has no key %.80q", id)
}

// of is what is known of an issuer.
func (s *issuers) of(issuer string) *keySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.known[issuer]; set != nil {
		return set
	}
	return &keySet{}
}

// renew reads the keys of an issuer; where that fails, those that were read before stay.
func (s *issuers) renew(ctx context.Context, issuer string) *keySet {
	old := s.of(issuer)
	if s.clock.Now().Sub(old.tried) < keysAnew {
		return old // a reading that ended just now
	}
	set, err := s.fetch(ctx, issuer)
	if err != nil {
		set = &keySet{keys: old.keys, read: old.read, err: err}
	}
	set.tried = s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxIssuers {
		clear(s.known)
	}
	s.known[issuer] = set
	return set
}

// find is the key of an id; a token without one gets the only key there is.
func (k *keySet) find(id string) *jose.JSONWebKey {
	if id == "" {
		if len(k.keys.Keys) == 1 {
			return &k.keys.Keys[0]
		}
		return nil
	}
	for _, key := range k.keys.Key(id) {
		if key.IsPublic() && key.Valid() {
			return &key
		}
	}
	return nil
}

// fetch reads the keys of an issuer, which its OpenID configuration names.
func (s *issuers) fetch(ctx context.Context, issuer string) (*keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	var configuration struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := s.read(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &configuration); err != nil {
		return nil, err
	}
	set := &keySet{read: s.clock.Now()}
	if err := s.read(ctx, configuration.JWKSURI, &set.keys); err != nil {
		return nil, err
	}
	return set, nil
}

func (s *issuers) read(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	reply, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	body, err := intake.ReadAll(reply.Body, reply.ContentLength, maxKeySet)
	if err != nil {
		return fmt.Errorf("read %s: %w", address, err)
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s: %s", address, reply.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %s: %w", address, err)
	}
	return nil
}

// authorizeJWT wants a token of the authorizer's issuer.
func (x *exchange) authorizeJWT(a *authorizer) failure {
	token := ""
	if len(a.sources) == 1 {
		token = a.sources[0].Resolve(x.value)
	}
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		f := unauthorized
		f.header = http.Header{"Www-Authenticate": {"Bearer"}}
		return f
	}
	claims, err := x.server.tokens[a.ForFunction].verify(x.r.Context(), token, a.JWT)
	if err != nil {
		x.authorized.err = err.Error()
		f := unauthorized
		f.header = http.Header{"Www-Authenticate": {`Bearer scope="` + strings.Join(x.route.AuthorizationScopes, " ") + `" error="invalid_token" error_description="` + described(err) + `"`}}
		return f
	}
	held, ok := scopes(claims, x.route.AuthorizationScopes)
	if !ok {
		f := forbidden
		f.header = http.Header{"Www-Authenticate": {`Bearer scope="` + strings.Join(x.route.AuthorizationScopes, " ") + `" error="insufficient_scope"`}}
		return f
	}
	texts := map[string]string{}
	x.authorized.values = map[string]any{}
	for name, value := range claims {
		texts[name] = claimText(value)
		x.authorized.values[name] = texts[name]
	}
	x.authorized.context2 = map[string]any{"jwt": jwtContext{texts, held}}
	x.authorized.context1 = jwtContext{texts, held}
	return failure{}
}

// jwtContext is what events tell of a token.
type jwtContext struct {
	Claims map[string]string `json:"claims"`
	Scopes []string          `json:"scopes"`
}

// described words an error for a header.
func described(err error) string {
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrInvalidAudience):
		return "the token has an invalid audience"
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return "the token has an invalid issuer"
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return "the token is not valid yet"
	}
	return "the token is invalid"
}

// claimText is a claim as events have it. AWS: lists come in brackets, with blanks
// between their items.
func claimText(value any) string {
	list, ok := value.([]any)
	if !ok {
		if number, isNumber := value.(float64); isNumber && number == float64(int64(number)) {
			return strconv.FormatInt(int64(number), 10)
		}
		return plain(value)
	}
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = claimText(item)
	}
	return "[" + strings.Join(items, " ") + "]"
}

// scopes are those of the route that a token has: one is enough.
func scopes(claims map[string]any, wanted []string) (held []string, ok bool) {
	if len(wanted) == 0 {
		return nil, true
	}
	var has []string
	for _, name := range []string{"scope", "scp"} {
		switch v := claims[name].(type) {
		case string:
			has = append(has, strings.Fields(v)...)
		case []any:
			for _, item := range v {
				has = append(has, plain(item))
			}
		}
	}
	for _, scope := range wanted {
		if slices.Contains(has, scope) {
			held = append(held, scope)
		}
	}
	return held, len(held) > 0
}

// leeway is the difference of clocks that is tolerated.
const leeway = time.Minute

// verify checks a token: who signed it, for whom, and when.
// AWS: the list in the page above.
func (s *issuers) verify(ctx context.Context, token string, config *httpapi.JWTConfig) (map[string]any, error) {
	if len(token) > maxToken {
		return nil, errors.New("the token is too long")
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return nil, err
	}
	// What is not proven yet is looked at only to spare the issuer the requests of strangers.
	var told jwt.Claims
	var own map[string]any
	if err := parsed.UnsafeClaimsWithoutVerification(&told, &own); err != nil {
		return nil, err
	}
	expected := jwt.Expected{Issuer: config.Issuer, Time: s.clock.Now()}
	if err := told.ValidateWithLeeway(expected, leeway); err != nil {
		return nil, err
	}
	if told.Expiry == nil {
		return nil, errors.New("the token has no exp")
	}
	client, _ := own["client_id"].(string)
	if len(told.Audience) > 0 {
		if !slices.ContainsFunc(told.Audience, func(a string) bool { return slices.Contains(config.Audience, a) }) {
			return nil, jwt.ErrInvalidAudience
		}
	} else if !slices.Contains(config.Audience, client) { // AWS: client_id counts where there is no aud
		return nil, jwt.ErrInvalidAudience
	}
	key, err := s.key(ctx, config.Issuer, parsed.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := parsed.Claims(key.Key, &claims); err != nil {
		return nil, err
	}
	return claims, nil
}
