// Package caller finds out who signed a request at a front door, for function
// URLs and routes with IAM authorization.
//
// It promises: the signature of a key that is known is proven over the whole
// request, its body included; in development mode other keys are taken at their
// word, as everywhere. A refusal has AWS's code and text.
//
// Callers is immutable after New and the setting of Enforced: no locks, no goroutines. Start reading at
// Callers.Identify.
package caller

import (
	"errors"
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// Refusal is why a request is not that of a caller; the status is 403.
type Refusal struct {
	Missing bool   // it carries no signature at all
	Code    string // for X-Amzn-ErrorType
	Message string
}

// Error is the text.
func (r *Refusal) Error() string { return r.Message }

// Callers knows the keys.
type Callers struct {
	keys     *identity.Keys
	verifier *sigv4.Verifier
	used     func(accessKeyID, service, region string) error
	// Enforced tells that permissions are: functions cannot call with keys that nothing
	// proves, which would be the account's root.
	Enforced bool
}

// New only builds; clock nil is the system's, used nil tells nobody of the use of
// a stored key.
func New(keys *identity.Keys, c clock.Clock, used func(accessKeyID, service, region string) error) *Callers {
	return &Callers{keys: keys, verifier: sigv4.NewVerifier(c), used: used}
}

// The codes of refusals. AWS: https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
const (
	missingToken     = "MissingAuthenticationTokenException"
	incomplete       = "IncompleteSignatureException"
	invalidSignature = "InvalidSignatureException"
	unrecognized     = "UnrecognizedClientException"
	expiredToken     = "ExpiredTokenException"
)

// Identify finds the key that signed for the service. The error is a *Refusal or
// trouble of ours.
func (c *Callers) Identify(r *http.Request, service string, body []byte) (*identity.Key, error) {
	claim, err := sigv4.Parse(r)
	if err != nil {
		return nil, refusal(err)
	}
	key, err := c.keys.Lookup(claim.AccessKeyID, claim.SessionToken)
	if err == nil && !key.Verified && c.Enforced && intake.FromFunction(r.Context()) {
		err = identity.ErrUnknownKey
	}
	if err != nil || !key.Verified {
		return &key, refusal(err)
	}
	if claim.Service != service {
		return nil, &Refusal{Code: invalidSignature, Message: "Credential should be scoped to correct service: '" + service + "'."}
	}
	hash := sigv4.PayloadHash(body)
	if stated := claim.PayloadHash; len(stated) == len(hash) && !strings.EqualFold(stated, hash) {
		return nil, refusal(sigv4.ErrPayloadMismatch())
	}
	if err := c.verifier.Verify(r, &claim, key.Secret, hash); err != nil {
		return nil, refusal(err)
	}
	if key.Stored && c.used != nil {
		if err := c.used(key.AccessKeyID, claim.Service, claim.Region); err != nil {
			return nil, err
		}
	}
	return &key, nil
}

// refusal words an error of a signature or a key; others stay what they are.
func refusal(err error) error {
	var refused *sigv4.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		switch refused.Kind {
		case sigv4.Missing:
			return &Refusal{Missing: true, Code: missingToken, Message: "Missing Authentication Token"}
		case sigv4.Incomplete, sigv4.BadQuery, sigv4.Unsupported:
			return &Refusal{Code: incomplete, Message: refused.Message}
		}
		return &Refusal{Code: invalidSignature, Message: refused.Message}
	case errors.Is(err, identity.ErrExpiredToken):
		return &Refusal{Code: expiredToken, Message: "The security token included in the request is expired"}
	case errors.Is(err, identity.ErrUnknownKey), errors.Is(err, identity.ErrInvalidToken):
		return &Refusal{Code: unrecognized, Message: "The security token included in the request is invalid."}
	}
	return err
}
