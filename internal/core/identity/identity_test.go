package identity

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/session"
)

// manual is a clock that the test moves.
type manual struct {
	clock.Clock
	now time.Time
}

func (m *manual) Now() time.Time                                   { return m.now }
func (m *manual) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

var master = bytes.Repeat([]byte{7}, MasterBytes)

func open(t testing.TB, c Config) *Keys {
	t.Helper()
	if c.Master == nil {
		c.Master = master
	}
	k, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestConfiguredKeysAreVerified(t *testing.T) {
	for _, development := range []bool{false, true} {
		k := open(t, Config{AllowUnknown: development, Keys: []Key{
			{AccessKeyID: "AKIAONE", Secret: "s1"},
			{AccessKeyID: "AKIATWO", Secret: "s2", Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/two", UserID: "AIDATWO"},
		}})
		one, err := k.Lookup("AKIAONE", "")
		want := Key{AccessKeyID: "AKIAONE", Secret: "s1", Account: DefaultAccount, ARN: "arn:aws:iam::000000000000:root", UserID: DefaultAccount, Verified: true}
		if err != nil || one != want {
			t.Errorf("development %v: %+v, %v", development, one, err)
		}
		two, err := k.Lookup("AKIATWO", "")
		if err != nil || !two.Verified || two.Account != "123456789012" || two.ARN != "arn:aws:iam::123456789012:user/two" || two.UserID != "AIDATWO" {
			t.Errorf("development %v: %+v, %v", development, two, err)
		}
	}
}

func TestUnknownKeysAreAcceptedOnlyInDevelopmentMode(t *testing.T) {
	strict, development := open(t, Config{}), open(t, Config{AllowUnknown: true})
	for id, account := range map[string]string{"test": DefaultAccount, "123456789012": "123456789012", "12345678901": DefaultAccount, "12345678901x": DefaultAccount} {
		if _, err := strict.Lookup(id, ""); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("strict %q: %v", id, err)
		}
		key, err := development.Lookup(id, "")
		if err != nil || key.Verified || key.Account != account || key.Secret != "" {
			t.Errorf("development %q: %+v, %v", id, key, err)
		}
		// A token of another platform, as users have in their environment.
		if key, err := development.Lookup(id, "FwoGZXIvYXdzE"); err != nil || key.Verified {
			t.Errorf("development with a foreign token: %+v, %v", key, err)
		}
	}
	if _, err := strict.Lookup("test", "FwoGZXIvYXdzE"); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("strict with a foreign token: %v", err)
	}
	for _, id := range []string{"", strings.Repeat("a", maxAccessKeyID+1)} {
		if _, err := development.Lookup(id, ""); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("an id of %d characters: %v", len(id), err)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"short master": {Master: []byte("short")},
		"no master":    {},
		"no secret":    {Master: master, Keys: []Key{{AccessKeyID: "A"}}},
		"no id":        {Master: master, Keys: []Key{{Secret: "s"}}},
		"twice":        {Master: master, Keys: []Key{{AccessKeyID: "A", Secret: "s"}, {AccessKeyID: "A", Secret: "t"}}},
		"account":      {Master: master, Keys: []Key{{AccessKeyID: "A", Secret: "s", Account: "12"}}},
		"slash in id":  {Master: master, Keys: []Key{{AccessKeyID: "A/B", Secret: "s"}}},
		"long id":      {Master: master, Keys: []Key{{AccessKeyID: strings.Repeat("a", maxAccessKeyID+1), Secret: "s"}}},
	} {
		_, err := New(c)
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), `"s"`) {
			t.Errorf("%s: the secret is in %q", name, err)
		}
	}
}

const role = "arn:aws:iam::123456789012:role/service-role/worker"

func TestRoleCredentialsSurviveARestart(t *testing.T) {
	clock := &manual{now: time.Date(2026, 3, 1, 12, 0, 0, 999, time.UTC)}
	issued := open(t, Config{Clock: clock}).ForRole("123456789012", role, "my-function", time.Hour)
	if !strings.HasPrefix(issued.AccessKeyID, "ASIA") || len(issued.AccessKeyID) != 20 || len(issued.SecretAccessKey) != 40 {
		t.Errorf("%+v has not AWS's form", issued)
	}
	if want := time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC); !issued.Expiration.Equal(want) {
		t.Errorf("expires %v", issued.Expiration)
	}
	after := open(t, Config{Clock: clock})
	key, err := after.Lookup(issued.AccessKeyID, issued.SessionToken)
	if key.Session == nil || !key.Session.Issued.Equal(clock.now.Truncate(time.Second)) {
		t.Errorf("session %+v", key.Session)
	}
	key.Session = nil
	want := Key{AccessKeyID: issued.AccessKeyID, Secret: issued.SecretAccessKey, Account: "123456789012",
		ARN: "arn:aws:sts::123456789012:assumed-role/worker/my-function", UserID: RoleID(role) + ":my-function", Verified: true}
	if err != nil || key != want {
		t.Errorf("got  %+v, %v\nwant %+v", key, err, want)
	}
	if id := RoleID(role); len(id) != 21 || id != RoleID(role) || id == RoleID(role+"2") {
		t.Errorf("role id %q", id)
	}
	clock.now = issued.Expiration.Add(-time.Second)
	if _, err := after.Lookup(issued.AccessKeyID, issued.SessionToken); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	clock.now = issued.Expiration
	if _, err := after.Lookup(issued.AccessKeyID, issued.SessionToken); !errors.Is(err, ErrExpiredToken) {
		t.Errorf("at the end: %v", err)
	}
}

func TestEachIssueIsDistinct(t *testing.T) {
	k := open(t, Config{})
	seen := map[string]bool{}
	for range 100 {
		c := k.ForRole("123456789012", role, "f", time.Hour)
		for _, part := range []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
			if seen[part] {
				t.Fatalf("%q was issued twice", part)
			}
			seen[part] = true
		}
	}
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	// Development mode must not turn a forged token into an unverified key.
	k := open(t, Config{AllowUnknown: true})
	good, other := k.ForRole("123456789012", role, "f", time.Hour), k.ForRole("123456789012", role, "f", time.Hour)
	stranger := open(t, Config{Master: bytes.Repeat([]byte{8}, MasterBytes)}).ForRole("123456789012", role, "f", time.Hour)
	tests := map[string][2]string{
		"another key's token": {good.AccessKeyID, other.SessionToken},
		"another platform's":  {stranger.AccessKeyID, stranger.SessionToken},
		"cut short":           {good.AccessKeyID, good.SessionToken[:len(good.SessionToken)-4]},
		"only the mark":       {good.AccessKeyID, tokenMark},
		"not base64":          {good.AccessKeyID, tokenMark + "####"},
		"too long":            {good.AccessKeyID, tokenMark + strings.Repeat("A", maxToken)},
		"any other key":       {"test", good.SessionToken},
	}
	for name, pair := range tests {
		if _, err := k.Lookup(pair[0], pair[1]); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range good.SessionToken {
		changed := []byte(good.SessionToken)
		changed[i] ^= 1
		if key, err := k.Lookup(good.AccessKeyID, string(changed)); err == nil && key.Verified {
			t.Errorf("a token changed at %d was accepted", i)
		}
	}
	if _, err := open(t, Config{}).Lookup(good.AccessKeyID, ""); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without its token: %v", err)
	}
}

func TestSessionKeepsTheCaller(t *testing.T) {
	k := open(t, Config{})
	c := k.ForSession("123456789012", "arn:aws:iam::123456789012:user/two", "AIDATWO", time.Hour)
	key, err := k.Lookup(c.AccessKeyID, c.SessionToken)
	if err != nil || key.ARN != "arn:aws:iam::123456789012:user/two" || key.UserID != "AIDATWO" || !key.Verified || !IsTemporary(key.AccessKeyID) {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestSessionKeepsItsPolicies(t *testing.T) {
	k := open(t, Config{})
	given := session.Session{Policies: []string{`{"Statement":[]}`}, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Tags: map[string]string{"team": "blue"}, SourceIdentity: "ann"}
	c := k.Assume("123456789012", role, "f", time.Hour, given)
	key, err := k.Lookup(c.AccessKeyID, c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	given.Issued = key.Session.Issued
	if !reflect.DeepEqual(*key.Session, given) {
		t.Errorf("%+v, want %+v", *key.Session, given)
	}
	old := content{accessKeyID: "ASIA", account: "123456789012", arn: role, userID: "u", expires: time.Unix(1, 0).UTC()}.marshal()
	if s, err := unmarshalSession(old[:len(old)-1]); err != nil || s.extra != "" {
		t.Errorf("a token without a session: %+v, %v", s, err)
	}
}

func TestTokenDoesNotShowItsContent(t *testing.T) {
	c := open(t, Config{}).ForRole("123456789012", role, "my-function", time.Hour)
	raw, err := tokenText.DecodeString(strings.TrimPrefix(c.SessionToken, tokenMark))
	if err != nil || bytes.Contains(raw, []byte("worker")) || bytes.Contains(raw, []byte(c.AccessKeyID)) {
		t.Errorf("%q, %v", raw, err)
	}
}

func FuzzLookup(f *testing.F) {
	k := open(f, Config{Clock: &manual{now: time.Unix(0, 0)}})
	c := k.ForRole("123456789012", role, "f", time.Hour)
	f.Add(c.AccessKeyID, c.SessionToken)
	f.Add("ASIA", tokenMark)
	f.Add("test", tokenMark+"AAAA")
	f.Fuzz(func(t *testing.T, id, token string) {
		key, err := k.Lookup(id, token)
		// Only the seed (made by whichever process of the fuzzer) may pass.
		if err == nil && (key.AccessKeyID != id || key.ARN != "arn:aws:sts::123456789012:assumed-role/worker/f") {
			t.Errorf("a token was forged: %q %q", id, token)
		}
	})
}

// The parser behind the encryption is fuzzed too: it must not depend on it.
func FuzzUnmarshalSession(f *testing.F) {
	f.Add(content{accessKeyID: "ASIA", account: "123456789012", arn: role, userID: "f", expires: time.Unix(1, 0)}.marshal())
	f.Add([]byte{})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := unmarshalSession(b)
		if err != nil {
			return
		}
		if again, err := unmarshalSession(s.marshal()); err != nil || again != s {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}
