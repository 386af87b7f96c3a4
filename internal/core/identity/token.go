package identity

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/session"
)

// Credentials are temporary security credentials, as a function's environment
// or AssumeRole hands them out.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time // UTC, whole seconds
}

// tokenMark begins every token of ours, so that tokens copied from a real AWS
// account are told from ours without trying to decrypt them.
const tokenMark = "lmb1."

// maxToken bounds the text that is decrypted: role ARNs (2,048), session names (64)
// and what a session may say beside (4,096, with the escapes of JSON) fit.
const maxToken = 16 << 10

// keyIDBytes are the random bytes of an access key id: 16 letters of base32.
const keyIDBytes = 10

var (
	keyIDText = base32.StdEncoding.WithPadding(base32.NoPadding)
	tokenText = base64.RawURLEncoding
)

// content is what is in a token.
type content struct {
	accessKeyID string
	account     string
	arn         string // of the caller that the session is
	userID      string
	expires     time.Time
	extra       string // JSON of a session.Session
}

// ForRole makes the credentials of a session of a role. The account is that of
// the role; ttl is cut to whole seconds.
func (k *Keys) ForRole(account, roleARN, sessionName string, ttl time.Duration) Credentials {
	return k.Assume(account, roleARN, sessionName, ttl, session.Session{})
}

// Assume is ForRole for a session with policies or tags of its own.
func (k *Keys) Assume(account, roleARN, sessionName string, ttl time.Duration, s session.Session) Credentials {
	return k.issue(content{
		account: account,
		arn:     "arn:aws:sts::" + account + ":assumed-role/" + roleName(roleARN) + "/" + sessionName,
		userID:  RoleID(roleARN) + ":" + sessionName,
	}, ttl, s)
}

// ForSession makes temporary credentials of a caller, who stays who they are.
func (k *Keys) ForSession(account, arn, userID string, ttl time.Duration) Credentials {
	return k.issue(content{account: account, arn: arn, userID: userID}, ttl, session.Session{})
}

func (k *Keys) issue(s content, ttl time.Duration, more session.Session) Credentials {
	var random [keyIDBytes]byte
	rand.Read(random[:]) // never fails: crypto/rand.Read aborts the program instead
	s.accessKeyID = temporaryKeyPrefix + keyIDText.EncodeToString(random[:])
	now := k.clock.Now().UTC()
	s.expires, more.Issued = now.Add(ttl).Truncate(time.Second), now.Truncate(time.Second)
	extra, err := json.Marshal(more)
	if err != nil {
		panic("identity: a session that is no JSON: " + err.Error()) // texts and a time always are
	}
	s.extra = string(extra)
	return Credentials{
		AccessKeyID:     s.accessKeyID,
		SecretAccessKey: k.tokens.secret(s.accessKeyID),
		SessionToken:    k.tokens.seal(s),
		Expiration:      s.expires,
	}
}

// temporaryKeyPrefix begins the access key ids of temporary credentials.
const temporaryKeyPrefix = "ASIA"

// IsTemporary tells by its id whether an access key belongs to temporary credentials.
func IsTemporary(accessKeyID string) bool {
	return strings.HasPrefix(accessKeyID, temporaryKeyPrefix)
}

// key is the identity of the session.
func (s content) key(secret string) (Key, error) {
	key := Key{AccessKeyID: s.accessKeyID, Secret: secret, Account: s.account, ARN: s.arn, UserID: s.userID, Verified: true}
	key.Session = &session.Session{}
	return key, json.Unmarshal([]byte(cmp.Or(s.extra, "{}")), key.Session)
}

// roleName is the last part of a role's path: assumed-role ARNs carry no path.
func roleName(roleARN string) string { return roleARN[strings.LastIndexByte(roleARN, '/')+1:] }

// RoleID is the unique id of a role, AROA and 17 letters. It is derived from the
// ARN, so that it is the same everywhere without being stored.
func RoleID(roleARN string) string {
	sum := sha256.Sum256([]byte("role id\x00" + roleARN))
	return "AROA" + keyIDText.EncodeToString(sum[:])[:17]
}

// tokens seals and opens session tokens and derives their secrets.
type tokens struct {
	aead      cipher.AEAD
	secretKey []byte
}

func newTokens(master []byte) (tokens, error) {
	if len(master) != MasterBytes {
		return tokens{}, fmt.Errorf("the master secret has %d bytes, want %d", len(master), MasterBytes)
	}
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, master, nil, "lambkin identity: "+purpose, 32)
	}
	sealing, err := derive("session token")
	if err != nil {
		return tokens{}, fmt.Errorf("derive the token key: %w", err)
	}
	secretKey, err := derive("secret access key")
	if err != nil {
		return tokens{}, fmt.Errorf("derive the secret key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return tokens{}, fmt.Errorf("derive the token key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return tokens{}, fmt.Errorf("derive the token key: %w", err)
	}
	return tokens{aead: aead, secretKey: secretKey}, nil
}

// secret derives the secret access key of a temporary access key: 40
// characters, as AWS's are.
func (t tokens) secret(accessKeyID string) string {
	mac := hmac.New(sha256.New, t.secretKey)
	mac.Write([]byte(accessKeyID))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)[:30])
}

// ours tells whether the text claims to be one of our tokens.
func (t tokens) ours(token string) bool { return strings.HasPrefix(token, tokenMark) }

// seal encrypts a session. A random nonce of 96 bits is safe for the 2^32
// tokens that NIST SP 800-38D allows under one key.
func (t tokens) seal(s content) string {
	nonce := make([]byte, t.aead.NonceSize(), 256)
	rand.Read(nonce)
	return tokenMark + tokenText.EncodeToString(t.aead.Seal(nonce, nonce, s.marshal(), []byte(tokenMark)))
}

var errToken = errors.New("not a session token of this platform")

// open is the inverse of seal. Everything that was not made by seal with the
// same master secret is refused before it is parsed.
func (t tokens) open(token string) (content, error) {
	if len(token) > maxToken || !t.ours(token) {
		return content{}, errToken
	}
	raw, err := tokenText.Strict().DecodeString(token[len(tokenMark):])
	if err != nil || len(raw) < t.aead.NonceSize() {
		return content{}, errToken
	}
	nonce, sealed := raw[:t.aead.NonceSize()], raw[t.aead.NonceSize():]
	plain, err := t.aead.Open(nil, nonce, sealed, []byte(tokenMark))
	if err != nil {
		return content{}, errToken
	}
	return unmarshalSession(plain)
}

// marshal writes the expiry and then each text with its length.
func (s content) marshal() []byte {
	b := binary.AppendVarint(nil, s.expires.Unix())
	for _, text := range []string{s.accessKeyID, s.account, s.arn, s.userID, s.extra} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

func unmarshalSession(b []byte) (content, error) {
	var s content
	seconds, n := binary.Varint(b)
	if n <= 0 {
		return content{}, errToken
	}
	b = b[n:]
	s.expires = time.Unix(seconds, 0).UTC()
	for i, text := range []*string{&s.accessKeyID, &s.account, &s.arn, &s.userID, &s.extra} {
		if i == 4 && len(b) == 0 {
			break // a token of an earlier version, which had no extra
		}
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return content{}, errToken
		}
		*text = string(b[n : n+int(length)])
		b = b[n+int(length):]
	}
	if len(b) != 0 || !IsAccount(s.account) {
		return content{}, errToken
	}
	return s, nil
}
