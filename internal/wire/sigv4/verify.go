package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// Clock differences that are tolerated between a client and us.
const (
	Skew     = 5 * time.Minute
	WideSkew = 15 * time.Minute // s3, sts and iam, as their error texts say
)

// skewOf is the clock difference that a service tolerates.
func skewOf(service string) time.Duration {
	if S3Family(service) || service == "sts" || service == "iam" {
		return WideSkew
	}
	return Skew
}

// The values of x-amz-content-sha256 that are no hash.
const (
	UnsignedPayload         = "UNSIGNED-PAYLOAD"
	StreamingPayload        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingPayloadTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsigned       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// S3Family tells the signing names that follow S3's rules: paths are encoded
// once, payloads may be unsigned or chunked, errors have S3's codes.
func S3Family(service string) bool {
	switch service {
	case "s3", "s3express", "s3-outposts", "s3-object-lambda":
		return true
	}
	return false
}

// PayloadHash is the hex SHA-256 of a body.
func PayloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Verifier checks signatures.
type Verifier struct {
	clock clock.Clock
	keys  keyCache
}

// NewVerifier makes a Verifier; a nil clock is the system's.
func NewVerifier(c clock.Clock) *Verifier {
	if c == nil {
		c = clock.System
	}
	return &Verifier{clock: c}
}

// Now is the time by which signatures are judged.
func (v *Verifier) Now() time.Time { return v.clock.Now() }

// Verify checks that the claim was signed with secret, that it is current, and
// that the signature covers what must be covered. payloadHash is the hash of the
// body, or what Claim.PayloadHash states instead of one. The error is an *Error.
func (v *Verifier) Verify(r *http.Request, c *Claim, secret, payloadHash string) error {
	if c.version2 != "" {
		return c.verify2(r, secret, c.Bucket, v.clock.Now())
	}
	if err := c.current(v.clock.Now()); err != nil {
		return err
	}
	if err := c.covers(r); err != nil {
		return err
	}
	key, cached := v.keys.get(secret, c)
	if !cached {
		key = signingKey(secret, c.Date, c.Region, c.Service)
	}
	work := canonicals.Get().(*canonical)
	defer work.free()
	ok := paths(r, c.Service, func(path []byte) bool {
		var buffer [maxMessage]byte
		request := work.request(r, path, c.signedHeaders, payloadHash)
		want := sign(&key, stringToSign(buffer[:0], c.Time, c.Date, c.Region, c.Service, request))
		return subtle.ConstantTimeCompare(want[:], c.signature[:]) == 1
	})
	if !ok {
		return errMismatch(c.Service)
	}
	if !cached {
		v.keys.put(secret, c, key)
	}
	return nil
}

// errMismatch is AWS's text for a wrong signature; S3 has its own.
func errMismatch(service string) *Error {
	if S3Family(service) {
		return &Error{Mismatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	return &Error{Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

// current checks the time of the signature.
func (c *Claim) current(now time.Time) error {
	s3 := S3Family(c.Service)
	skew := skewOf(c.Service)
	life := skew
	if c.Presigned {
		life = c.Expires
	}
	now = now.UTC()
	early, late := now.Before(c.Time.Add(-skew)), now.After(c.Time.Add(life))
	switch {
	case !early && !late:
		return nil
	case s3 && c.Presigned && late:
		return &Error{Expired, "Request has expired"}
	case s3 && c.Presigned:
		return &Error{Expired, "Request is not valid yet"}
	case s3:
		return &Error{Skewed, "The difference between the request time and the current time is too large."}
	case early:
		return &Error{Mismatch, "Signature not yet current: " + c.Time.Format(timeFormat) + " is still later than " +
			now.Add(skew).Format(timeFormat) + " (" + now.Format(timeFormat) + " + " + minutesOf(skew) + " min.)"}
	}
	return &Error{Mismatch, "Signature expired: " + c.Time.Format(timeFormat) + " is now earlier than " +
		now.Add(-life).Format(timeFormat) + " (" + now.Format(timeFormat) + " - " + minutesOf(life) + " min.)"}
}

// covers checks that the signature covers the host, and for s3 every x-amz-
// header: AWS's other services leave the rest to the client.
func (c *Claim) covers(r *http.Request) error {
	if !signs(c.signedHeaders, "host") {
		return &Error{Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	if !S3Family(c.Service) {
		return nil
	}
	for name := range r.Header {
		if len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") && !signs(c.signedHeaders, strings.ToLower(name)) {
			// A presigned request may state its payload's hash unsigned: the hash
			// itself is part of what was signed.
			if c.Presigned && strings.EqualFold(name, "X-Amz-Content-Sha256") {
				continue
			}
			return &Error{HeadersNotSigned, "There were headers present in the request which were not signed"}
		}
	}
	return nil
}

// signs tells whether name is in the list "a;b;c".
func signs(list, name string) bool {
	for more := true; more; {
		var part string
		part, list, more = strings.Cut(list, ";")
		if part == name {
			return true
		}
	}
	return false
}

// blockBytes is the block size of SHA-256.
const blockBytes = sha256.BlockSize

// maxMessage holds the string to sign: algorithm, time, scope and hash. Longer
// ones (long service names) are moved to the heap by append.
const maxMessage = 256

// sign is HMAC-SHA256 of a message with a key of 32 bytes, without allocating.
func sign(key *[32]byte, message []byte) [32]byte {
	var buffer [blockBytes + maxMessage]byte
	inner := buffer[:blockBytes]
	for i := range inner {
		inner[i] = 0x36
	}
	for i, b := range key {
		inner[i] ^= b
	}
	sum := sha256.Sum256(append(inner, message...))
	var outer [blockBytes + len(sum)]byte
	for i := range blockBytes {
		outer[i] = 0x5c
	}
	for i, b := range key {
		outer[i] ^= b
	}
	copy(outer[blockBytes:], sum[:])
	return sha256.Sum256(outer[:])
}

// maxCachedKeys bounds the cache of signing keys: one for each secret, day,
// region and service.
const maxCachedKeys = 4096

// keyCache keeps derived signing keys: deriving one costs as much as verifying.
type keyCache struct {
	mu   sync.RWMutex
	keys map[keyName][32]byte // guarded by mu; emptied when full
}

type keyName struct{ secret, date, region, service string }

func (k *keyCache) get(secret string, c *Claim) ([32]byte, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.keys[keyName{secret, c.Date, c.Region, c.Service}]
	return key, ok
}

func (k *keyCache) put(secret string, c *Claim, key [32]byte) {
	// The claim's strings point into the request and would keep it alive.
	name := keyName{strings.Clone(secret), strings.Clone(c.Date), strings.Clone(c.Region), strings.Clone(c.Service)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= maxCachedKeys {
		k.keys = make(map[keyName][32]byte)
	}
	k.keys[name] = key
}
