package sts

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/stsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

const (
	account = "123456789012"
	role    = "arn:aws:iam::123456789012:role/path/deployer"
)

func newKeys(t *testing.T) *identity.Keys {
	t.Helper()
	k, err := identity.New(identity.Config{Master: bytes.Repeat([]byte{1}, identity.MasterBytes)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func caller(arn, id string) *wire.Call {
	return &wire.Call{Account: account, CallerARN: arn, UserID: id, AccessKeyID: "AKIATEST"}
}

// call runs an operation of the service as the gateway does.
func call[Out any](t *testing.T, s *wire.Service, name string, c *wire.Call, in any) (*Out, error) {
	t.Helper()
	op, ok := s.Operations[name]
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	out, err := op.Do(t.Context(), c, in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

func p[T any](v T) *T { return &v }

func TestGetCallerIdentity(t *testing.T) {
	s := New(Config{Identity: newKeys(t)})
	out, err := call[stsapi.GetCallerIdentityOutput](t, s, "GetCallerIdentity", caller("arn:aws:iam::123456789012:user/ada", "AIDAADA"), &stsapi.GetCallerIdentityInput{})
	if err != nil || *out.Arn != "arn:aws:iam::123456789012:user/ada" || *out.UserId != "AIDAADA" || *out.Account != account {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAssumeRoleGivesUsableCredentials(t *testing.T) {
	k := newKeys(t)
	s := New(Config{Identity: k})
	before := time.Now()
	out, err := call[stsapi.AssumeRoleOutput](t, s, "AssumeRole", caller("arn:aws:iam::123456789012:root", account), &stsapi.AssumeRoleInput{
		RoleArn: p(role), RoleSessionName: p("deploy-1"), DurationSeconds: p(int32(900)), ExternalId: p("id"), SourceIdentity: p("ada"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:sts::123456789012:assumed-role/deployer/deploy-1"
	if *out.AssumedRoleUser.Arn != arn || *out.AssumedRoleUser.AssumedRoleId != identity.RoleID(role)+":deploy-1" || *out.SourceIdentity != "ada" {
		t.Errorf("%+v", out.AssumedRoleUser)
	}
	if life := out.Credentials.Expiration.Sub(before); life < 899*time.Second || life > 15*time.Minute+time.Minute {
		t.Errorf("lives %v", life)
	}
	key, err := k.Lookup(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || key.Secret != *out.Credentials.SecretAccessKey || key.ARN != arn || key.Account != account {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	root, session := "arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:assumed-role/r/s"
	tests := []struct {
		name, caller  string
		in            stsapi.AssumeRoleInput
		code, message string
	}{
		{"another account", root, stsapi.AssumeRoleInput{RoleArn: p("arn:aws:iam::999999999999:role/r")}, "AccessDenied",
			"User: arn:aws:iam::123456789012:root is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::999999999999:role/r"},
		{"no role", root, stsapi.AssumeRoleInput{RoleArn: p("arn:aws:iam::123456789012:user/ada")}, "ValidationError", "arn:aws:iam::123456789012:user/ada is invalid"},
		{"no ARN", root, stsapi.AssumeRoleInput{RoleArn: p("deployer-of-everything")}, "ValidationError", "deployer-of-everything is invalid"},
		{"role chaining", session, stsapi.AssumeRoleInput{RoleArn: p(role), DurationSeconds: p(int32(3601))}, "ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"session policy", root, stsapi.AssumeRoleInput{RoleArn: p(role), Policy: p("{}")}, "NotImplemented", "session policies"},
		{"managed session policy", root, stsapi.AssumeRoleInput{RoleArn: p(role), PolicyArns: []stsapi.PolicyDescriptorType{{}}}, "NotImplemented", "session policies"},
		{"tags", root, stsapi.AssumeRoleInput{RoleArn: p(role), Tags: []stsapi.Tag{{}}}, "NotImplemented", "session tags"},
		{"MFA", root, stsapi.AssumeRoleInput{RoleArn: p(role), TokenCode: p("123456")}, "NotImplemented", "multi-factor"},
	}
	s := New(Config{Identity: newKeys(t)})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.in.RoleSessionName = p("name")
			_, err := call[stsapi.AssumeRoleOutput](t, s, "AssumeRole", caller(test.caller, "id"), &test.in)
			if f := fault.From(err); f == nil || f.Code != test.code || !strings.Contains(f.Message, test.message) || f.Status >= 500 {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDevelopmentModeCrossesAccounts(t *testing.T) {
	s := New(Config{Identity: newKeys(t), CrossAccount: true})
	out, err := call[stsapi.AssumeRoleOutput](t, s, "AssumeRole", caller("arn:aws:iam::123456789012:root", account),
		&stsapi.AssumeRoleInput{RoleArn: p("arn:aws:iam::999999999999:role/r"), RoleSessionName: p("n")})
	if err != nil || *out.AssumedRoleUser.Arn != "arn:aws:sts::999999999999:assumed-role/r/n" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestGetSessionToken(t *testing.T) {
	k := newKeys(t)
	s := New(Config{Identity: k})
	for arn, want := range map[string]time.Duration{"arn:aws:iam::123456789012:user/ada": 12 * time.Hour, "arn:aws:iam::123456789012:root": time.Hour} {
		before := time.Now()
		out, err := call[stsapi.GetSessionTokenOutput](t, s, "GetSessionToken", caller(arn, "AIDAADA"), &stsapi.GetSessionTokenInput{})
		if err != nil {
			t.Fatal(err)
		}
		if life := out.Credentials.Expiration.Sub(before); life < want-time.Second || life > want+time.Minute {
			t.Errorf("%s: lives %v", arn, life)
		}
		key, err := k.Lookup(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
		if err != nil || key.ARN != arn || key.UserID != "AIDAADA" {
			t.Errorf("%+v, %v", key, err)
		}
	}
	temporary := caller("arn:aws:sts::123456789012:assumed-role/r/s", "id")
	temporary.AccessKeyID = "ASIATEST"
	_, err := call[stsapi.GetSessionTokenOutput](t, s, "GetSessionToken", temporary, &stsapi.GetSessionTokenInput{})
	if f := fault.From(err); f == nil || f.Code != "AccessDenied" || f.Message != "Cannot call GetSessionToken with session credentials" {
		t.Errorf("%v", err)
	}
}

func TestEveryOperationHasItsPermission(t *testing.T) {
	for _, gap := range guard.Gaps(New(Config{})) {
		t.Error(gap)
	}
}

func TestSessionsKeepWhatRestrictsThemWherePermissionsAreEnforced(t *testing.T) {
	k := newKeys(t)
	s := New(Config{Identity: k, Enforced: true})
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	in := &stsapi.AssumeRoleInput{RoleArn: p(role), RoleSessionName: p("name"), Policy: p(document), PolicyArns: []stsapi.PolicyDescriptorType{{Arn: p("arn:aws:iam::aws:policy/X")}},
		Tags: []stsapi.Tag{{Key: p("team"), Value: p("blue")}}, SourceIdentity: p("ann")}
	out, err := call[stsapi.AssumeRoleOutput](t, s, "AssumeRole", caller("arn:aws:iam::123456789012:user/ada", "AIDAADA"), in)
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.Lookup(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || key.Session.Policies[0] != document || key.Session.PolicyARNs[0] != "arn:aws:iam::aws:policy/X" || key.Session.Tags["team"] != "blue" || key.Session.SourceIdentity != "ann" || *out.PackedPolicySize != 3 {
		t.Errorf("%+v, %v, %d %%", key.Session, err, *out.PackedPolicySize)
	}
	in.Policy = p(strings.Replace(document, `"*"}`, `"*","Sid":"`+strings.Repeat("x", 1900)+`"}`, 1))
	for range 9 {
		in.PolicyArns = append(in.PolicyArns, stsapi.PolicyDescriptorType{Arn: p("arn:aws:iam::123456789012:policy" + strings.Repeat("/x", 120))})
	}
	_, err = call[stsapi.AssumeRoleOutput](t, s, "AssumeRole", caller("arn:aws:iam::123456789012:user/ada", "AIDAADA"), in)
	if f := fault.From(err); f == nil || f.Code != "PackedPolicyTooLargeException" {
		t.Errorf("%v", err)
	}
}
