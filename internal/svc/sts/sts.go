// Package sts is the Security Token Service: who the caller is, and temporary
// credentials of a role or of the caller.
//
// Credentials are those of core/identity: stateless, gone only when they expire.
// Where permissions are enforced the trust policy of a role decides, and sessions
// keep their policies and tags. Where they are not, a role need not exist in IAM: one
// of the caller's own account may be assumed by every caller of that account, and
// one of another account only where the platform accepts any caller anyway
// (development mode). Of a role that is there, its MaxSessionDuration counts. What
// could not restrict a session (then policies and tags, always MFA) is refused,
// because accepting it without effect would grant more than was asked.
//
// No state, no locks, no goroutines. Start reading at New.
package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/stsapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/session"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Lives of sessions; the API model has the bounds of what may be asked for.
// AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and
// API_GetSessionToken.html.
const (
	defaultRoleSession = time.Hour
	maxChainedSession  = time.Hour // of a role assumed with the credentials of a role
	defaultSession     = 12 * time.Hour
	maxRootSession     = time.Hour // of an account's root
)

// Config is what New needs.
type Config struct {
	Identity     *identity.Keys
	CrossAccount bool // roles of every account may be assumed: development mode
	Enforced     bool // permissions are: the operations are called through a guard
	// Roles knows those that were created; nil: none.
	Roles *iam.IAM
}

// New makes the service.
func New(c Config) *wire.Service {
	s := &service{c}
	return wire.NewService(stsapi.Model,
		stsapi.HandleGetCallerIdentity(s.getCallerIdentity),
		stsapi.HandleAssumeRole(s.assumeRole),
		stsapi.HandleGetSessionToken(s.getSessionToken),
	)
}

type service struct{ Config }

func (s *service) getCallerIdentity(_ context.Context, call *wire.Call, _ *stsapi.GetCallerIdentityInput) (*stsapi.GetCallerIdentityOutput, error) {
	return &stsapi.GetCallerIdentityOutput{UserId: &call.UserID, Account: &call.Account, Arn: &call.CallerARN}, nil
}

func (s *service) assumeRole(ctx context.Context, call *wire.Call, in *stsapi.AssumeRoleInput) (*stsapi.AssumeRoleOutput, error) {
	if err := s.refuse(in); err != nil {
		return nil, err
	}
	role, err := arn.Parse(*in.RoleArn)
	if err != nil || role.Service != "iam" || !identity.IsAccount(role.Account) || !isRole(role.Resource) {
		return nil, validationError(*in.RoleArn + " is invalid")
	}
	if role.Account != call.Account && !s.CrossAccount {
		return nil, accessDenied("User: " + call.CallerARN + " is not authorized to perform: sts:AssumeRole on resource: " + *in.RoleArn)
	}
	life := seconds(in.DurationSeconds, defaultRoleSession)
	if life > maxChainedSession && strings.Contains(call.CallerARN, ":assumed-role/") {
		return nil, validationError("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if err := s.checkLife(ctx, role, life); err != nil {
		return nil, err
	}
	more, packed, err := sessionOf(in)
	if err != nil {
		return nil, err
	}
	credentials := s.Identity.Assume(role.Account, *in.RoleArn, *in.RoleSessionName, life, more)
	key, err := s.Identity.Lookup(credentials.AccessKeyID, credentials.SessionToken)
	if err != nil {
		return nil, err
	}
	return &stsapi.AssumeRoleOutput{
		Credentials:     onTheWire(credentials),
		AssumedRoleUser: &stsapi.AssumedRoleUser{Arn: &key.ARN, AssumedRoleId: &key.UserID},
		SourceIdentity:  in.SourceIdentity, PackedPolicySize: packed,
	}, nil
}

// refuse refuses what could not restrict the session.
func (s *service) refuse(in *stsapi.AssumeRoleInput) error {
	switch {
	case !s.Enforced && (in.Policy != nil || len(in.PolicyArns) > 0):
		return unsupported("session policies")
	case !s.Enforced && len(in.Tags) > 0:
		return unsupported("session tags")
	case len(in.TransitiveTagKeys) > 0:
		return unsupported("transitive session tags")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return unsupported("multi-factor authentication")
	case len(in.ProvidedContexts) > 0:
		return unsupported("provided contexts")
	}
	return nil
}

// maxSessionBytes bounds session policies and tags together.
//
// AWS: packs them in a way of its own and tells how full that is; here their letters count.
const maxSessionBytes = 4096

// maxSessionPolicies is how many managed policies a session may have.
// AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, PolicyArns.
const maxSessionPolicies = 10

// sessionOf is what restricts or adds to a session, and how full that makes it in
// per cent; nil for nothing.
func sessionOf(in *stsapi.AssumeRoleInput) (made session.Session, packed *int32, err error) {
	size := 0
	if in.Policy != nil {
		if _, err := policy.CheckIdentity(*in.Policy); err != nil {
			return made, nil, stsapi.MalformedPolicyDocumentException("%s", err)
		}
		made.Policies, size = []string{*in.Policy}, len(*in.Policy)
	}
	if len(in.PolicyArns) > maxSessionPolicies {
		return made, nil, validationError(fmt.Sprintf("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicies))
	}
	for _, p := range in.PolicyArns {
		if p.Arn != nil {
			made.PolicyARNs = append(made.PolicyARNs, *p.Arn)
			size += len(*p.Arn)
		}
	}
	if len(in.Tags) > 0 {
		made.Tags = make(map[string]string, len(in.Tags))
	}
	for _, tag := range in.Tags {
		if _, twice := made.Tags[*tag.Key]; twice {
			return made, nil, validationError("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		made.Tags[*tag.Key] = *tag.Value
		size += len(*tag.Key) + len(*tag.Value)
	}
	if in.SourceIdentity != nil {
		made.SourceIdentity = *in.SourceIdentity
	}
	if size == 0 {
		return made, nil, nil
	}
	percent := int32((size*100 + maxSessionBytes - 1) / maxSessionBytes)
	if percent > 100 {
		return made, nil, stsapi.PackedPolicyTooLargeException("PackedPolicySize: %d%%, the policies and tags of a session are too large.", percent)
	}
	return made, &percent, nil
}

// checkLife refuses a session that is longer than the role allows, if it was created.
//
// AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, DurationSeconds; the text as users report it.
func (s *service) checkLife(ctx context.Context, role arn.ARN, life time.Duration) error {
	if s.Roles == nil || life <= defaultRoleSession {
		return nil // no role allows less than an hour
	}
	e, err := s.Roles.Get(ctx, role.Account, iam.Role, role.Resource[strings.LastIndexByte(role.Resource, '/')+1:])
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		return err
	case e.ARN() == role.String() && life > time.Duration(e.MaxSession)*time.Second:
		return validationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

func (s *service) getSessionToken(_ context.Context, call *wire.Call, in *stsapi.GetSessionTokenInput) (*stsapi.GetSessionTokenOutput, error) {
	switch {
	case identity.IsTemporary(call.AccessKeyID):
		return nil, accessDenied("Cannot call GetSessionToken with session credentials")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return nil, unsupported("multi-factor authentication")
	}
	life := seconds(in.DurationSeconds, defaultSession)
	if strings.HasSuffix(call.CallerARN, ":root") {
		life = min(life, maxRootSession) // AWS: the session is shorter, not refused
	}
	credentials := s.Identity.ForSession(call.Account, call.CallerARN, call.UserID, life)
	return &stsapi.GetSessionTokenOutput{Credentials: onTheWire(credentials)}, nil
}

// isRole tells whether a resource is role/[path/]name.
func isRole(resource string) bool {
	name, ok := strings.CutPrefix(resource, "role/")
	return ok && name != "" && !strings.HasSuffix(name, "/") && !strings.HasPrefix(name, "/")
}

func seconds(n *int32, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}

func onTheWire(c identity.Credentials) *stsapi.Credentials {
	return &stsapi.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expiration}
}

// The errors below are common to AWS's query services and in no API model.

func accessDenied(message string) *fault.Fault {
	return &fault.Fault{Code: "AccessDenied", Message: message, Status: 403, Sender: true}
}

func validationError(message string) *fault.Fault {
	return &fault.Fault{Code: "ValidationError", Message: message, Status: 400, Sender: true}
}

// unsupported refuses what this platform cannot enforce.
func unsupported(what string) *fault.Fault {
	return &fault.Fault{Code: "NotImplemented", Message: "This platform does not enforce " + what + " yet, so it does not accept them.", Status: 400, Sender: true}
}
