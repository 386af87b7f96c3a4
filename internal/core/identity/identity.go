// Package identity knows who is calling: the configured access keys, those of
// IAM users, in development mode any other key too, and the temporary credentials
// that functions and assumed roles get.
//
// Temporary credentials are stateless: the session token is the whole record,
// encrypted and authenticated with the master secret of the data folder. So they
// survive a restart and are the same for every node that shares the secret, and
// issuing them touches no store. They cannot be revoked before they expire.
// A token is bound to its access key id, its account, role and session; secrets
// of two issues never match. Configured keys are always verified; whether unknown
// ones are accepted is decided once, at construction.
//
// A Keys is immutable after New and safe for concurrent use: no locks, no
// goroutines. Secrets are never part of an error text. Start reading at Keys.
package identity

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/session"
)

// DefaultAccount is the account of a key that names none.
const DefaultAccount = "000000000000"

// MasterBytes is the length of the master secret.
const MasterBytes = 32

// Key is one identity that may sign requests.
type Key struct {
	AccessKeyID string
	Secret      string           // empty for an unverified key
	Account     string           // 12 digits
	ARN         string           // of the user, root or assumed-role session
	UserID      string           // what GetCallerIdentity calls UserId
	Verified    bool             // the signature must be checked with Secret; false only in development mode
	Stored      bool             // it comes from Config.Stored
	Session     *session.Session // of temporary credentials; nil for others
}

// Config is what New needs.
type Config struct {
	Keys         []Key       // AccessKeyID and Secret are required; Account, ARN and UserID have defaults
	AllowUnknown bool        // development mode: accept keys that are not configured, unverified. Only for loopback
	Master       []byte      // MasterBytes random bytes that live as long as the data folder
	Clock        clock.Clock // nil means clock.System
	// Stored finds the keys that callers made, nil if there are none. It is asked
	// for each request; its error is ErrUnknownKey for a key that may not be used.
	Stored func(accessKeyID string) (key Key, found bool, err error)
}

// The ways in which a caller is refused.
var (
	ErrUnknownKey   = errors.New("the access key is not known")
	ErrInvalidToken = errors.New("the session token is not valid")
	ErrExpiredToken = errors.New("the session token is expired")
)

// Keys answers whose key it is.
type Keys struct {
	byID         map[string]Key
	allowUnknown bool
	stored       func(accessKeyID string) (Key, bool, error)
	tokens       tokens
	clock        clock.Clock
}

// New checks the configuration. The order of keys does not matter; an access
// key id may appear once.
func New(c Config) (*Keys, error) {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	t, err := newTokens(c.Master)
	if err != nil {
		return nil, err
	}
	k := &Keys{byID: make(map[string]Key, len(c.Keys)), allowUnknown: c.AllowUnknown, stored: c.Stored, tokens: t, clock: c.Clock}
	for _, key := range c.Keys {
		if key, err = complete(key); err != nil {
			return nil, err
		}
		if _, twice := k.byID[key.AccessKeyID]; twice {
			return nil, fmt.Errorf("access key %q is configured twice", key.AccessKeyID)
		}
		k.byID[key.AccessKeyID] = key
	}
	return k, nil
}

// complete checks a configured key and fills in what it leaves open.
func complete(key Key) (Key, error) {
	if key.AccessKeyID == "" || key.Secret == "" {
		return Key{}, fmt.Errorf("access key %q needs an id and a secret", key.AccessKeyID)
	}
	if len(key.AccessKeyID) > maxAccessKeyID || strings.ContainsFunc(key.AccessKeyID, notInKeyID) {
		return Key{}, fmt.Errorf("access key id %.*q may have at most %d letters, digits, '-', '_' and '.'", maxAccessKeyID, key.AccessKeyID, maxAccessKeyID)
	}
	if key.Account == "" {
		key.Account = accountOf(key.AccessKeyID)
	}
	if !IsAccount(key.Account) {
		return Key{}, fmt.Errorf("account %q of access key %q is not 12 digits", key.Account, key.AccessKeyID)
	}
	if key.ARN == "" {
		key.ARN = rootARN(key.Account)
	}
	if key.UserID == "" {
		key.UserID = key.Account
	}
	key.Verified = true
	return key, nil
}

// maxAccessKeyID bounds access key ids; AWS's own have at most 128 characters
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html).
const maxAccessKeyID = 128

// notInKeyID tells the runes that would break the credential scope or a header.
func notInKeyID(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '_', r == '.':
		return false
	}
	return true
}

// Lookup finds the identity of an access key and the session token that came
// with it (empty for a long-term key). The error is ErrUnknownKey,
// ErrInvalidToken or ErrExpiredToken.
func (k *Keys) Lookup(accessKeyID, sessionToken string) (Key, error) {
	if key, ok := k.byID[accessKeyID]; ok {
		return key, nil
	}
	if k.stored != nil {
		if key, found, err := k.stored(accessKeyID); found || err != nil {
			key.Verified, key.Stored = true, true
			return key, err
		}
	}
	if sessionToken != "" && k.tokens.ours(sessionToken) {
		s, err := k.tokens.open(sessionToken)
		switch {
		case err != nil || s.accessKeyID != accessKeyID:
			return Key{}, ErrInvalidToken
		case !k.clock.Now().Before(s.expires):
			return Key{}, ErrExpiredToken
		}
		key, err := s.key(k.tokens.secret(accessKeyID))
		if err != nil {
			return Key{}, ErrInvalidToken
		}
		return key, nil
	}
	if !k.allowUnknown || accessKeyID == "" || len(accessKeyID) > maxAccessKeyID {
		if sessionToken != "" {
			return Key{}, ErrInvalidToken
		}
		return Key{}, ErrUnknownKey
	}
	return unknown(accessKeyID), nil
}

// AllowsUnknown tells of development mode: keys that are not configured are accepted.
func (k *Keys) AllowsUnknown() bool { return k.allowUnknown }

// unknown is the identity of a key in development mode.
func unknown(accessKeyID string) Key {
	account := accountOf(accessKeyID)
	return Key{AccessKeyID: accessKeyID, Account: account, ARN: rootARN(account), UserID: account}
}

func rootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// accountOf reads the account out of an access key id that is one, as local
// users are used to.
func accountOf(accessKeyID string) string {
	if IsAccount(accessKeyID) {
		return accessKeyID
	}
	return DefaultAccount
}

// IsAccount tells whether s is an account id: 12 digits.
func IsAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
