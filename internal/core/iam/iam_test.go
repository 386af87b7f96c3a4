package iam

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

const (
	here  = "123456789012"
	trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	allow = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
)

// watch is a clock that is set by hand.
type watch struct{ now time.Time }

func (w *watch) Now() time.Time                                   { return w.now }
func (w *watch) Sleep(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
func (w *watch) Timer(time.Duration) (<-chan time.Time, func() bool) {
	return nil, func() bool { return true }
}

func start(t *testing.T) (*IAM, *watch, store.Store) {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &watch{time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)}
	i, err := New(Config{Store: s, Secret: bytes.Repeat([]byte{1}, 32), Clock: w})
	if err != nil {
		t.Fatal(err)
	}
	return i, w, s
}

func (i *IAM) mustCreate(t *testing.T, k Kind, name string) *Entity {
	t.Helper()
	e := &Entity{Kind: k, Name: name, Path: "/"}
	if k == Role {
		e.Trust = trust
	}
	if err := i.Create(t.Context(), here, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func (i *IAM) mustPolicy(t *testing.T, name string) *Policy {
	t.Helper()
	p := &Policy{Name: name, Path: "/"}
	if err := i.CreatePolicy(t.Context(), here, p, allow); err != nil {
		t.Fatal(err)
	}
	return p
}

// want checks a refusal; an empty text is none.
func want(t *testing.T, err error, code Code, text string) {
	t.Helper()
	var refusal *Error
	if text == "" && err == nil || errors.As(err, &refusal) && refusal.Code == code && refusal.Message == text {
		return
	}
	t.Errorf("%v, want %s: %s", err, code, text)
}

func empty(t *testing.T, s store.Store) {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("iam")
	rows, err := snap.Scan(lo, hi, 100, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Errorf("the row %q is left", row.Key)
	}
}

// TestARoleLives from its creation to its deletion. Texts: IAM's, as users of the
// deployment tools report them.
func TestARoleLives(t *testing.T) {
	i, _, s := start(t)
	ctx := t.Context()
	_, err := i.Get(ctx, here, Role, "r")
	want(t, err, NoSuchEntity, "The role with name r cannot be found.")
	r := i.mustCreate(t, Role, "r")
	if r.ARN() != "arn:aws:iam::123456789012:role/r" || !strings.HasPrefix(r.ID, "AROA") || len(r.ID) != 21 {
		t.Errorf("%s %s", r.ARN(), r.ID)
	}
	want(t, i.Create(ctx, here, &Entity{Kind: Role, Name: "R", Path: "/", Trust: trust}), AlreadyExists, "Role with name R already exists.")
	want(t, i.Create(ctx, here, &Entity{Kind: Role, Name: "bad", Path: "/", Trust: "{"}), MalformedPolicy, "This policy contains invalid Json")
	want(t, i.Attach(ctx, here, Role, "r", "arn:aws:iam::123456789012:policy/none"), NoSuchEntity, "Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable.")
	p := i.mustPolicy(t, "p")
	for range 2 { // again is no error
		want(t, i.Attach(ctx, here, Role, "r", basic), "", "")
		want(t, i.Attach(ctx, here, Role, "r", p.ARN), "", "")
	}
	_, err = i.Change(ctx, here, Role, "r", func(e *Entity) error { return e.PutInline("inline", allow) })
	want(t, err, "", "")
	want(t, i.SetBoundary(ctx, here, Role, "r", p.ARN), "", "")
	if got, err := i.Get(ctx, here, Role, "r"); err != nil || len(got.Attached) != 2 || got.Inline["inline"] != allow || got.Boundary != p.ARN || got.Trust != trust {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := i.GetPolicy(ctx, here, p.ARN); err != nil || got.Attached != 1 || got.BoundaryOf != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	want(t, i.Delete(ctx, here, Role, "r"), DeleteConflict, "Cannot delete entity, must detach all policies first.")
	want(t, i.DeletePolicy(ctx, here, p.ARN), DeleteConflict, "Cannot delete a policy attached to entities.")
	want(t, i.Detach(ctx, here, Role, "r", basic), "", "")
	want(t, i.Detach(ctx, here, Role, "r", p.ARN), "", "")
	want(t, i.Detach(ctx, here, Role, "r", p.ARN), NoSuchEntity, "Policy "+p.ARN+" was not found.")
	want(t, i.Delete(ctx, here, Role, "r"), DeleteConflict, "Cannot delete entity, must delete policies first.")
	_, err = i.Change(ctx, here, Role, "r", func(e *Entity) error { return e.DeleteInline("inline") })
	want(t, err, "", "")
	want(t, i.DeletePolicy(ctx, here, p.ARN), DeleteConflict, "Cannot delete a policy attached to entities.")
	want(t, i.Delete(ctx, here, Role, "r"), "", "")
	want(t, i.DeletePolicy(ctx, here, p.ARN), "", "")
	empty(t, s)
}

func TestAccountsAreApart(t *testing.T) {
	i, _, _ := start(t)
	p := i.mustPolicy(t, "p")
	i.mustCreate(t, Role, "r")
	const other = "210987654321"
	_, err := i.Get(t.Context(), other, Role, "r")
	want(t, err, NoSuchEntity, "The role with name r cannot be found.")
	_, err = i.GetPolicy(t.Context(), other, p.ARN)
	want(t, err, NoSuchEntity, "Policy "+p.ARN+" was not found.")
	want(t, i.Create(t.Context(), other, &Entity{Kind: Role, Name: "r", Path: "/", Trust: trust}), "", "")
}

// TestVersions. AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html.
func TestVersions(t *testing.T) {
	i, w, s := start(t)
	ctx := t.Context()
	p := i.mustPolicy(t, "p")
	want(t, i.CreatePolicy(ctx, here, &Policy{Name: "p", Path: "/"}, allow), AlreadyExists, "A policy called p already exists. Duplicate names are not allowed.")
	want(t, i.DeleteVersion(ctx, here, p.ARN, "v1"), DeleteConflict, "Cannot delete the default version of a policy.")
	for n := 2; n <= MaxVersions; n++ {
		w.now = w.now.Add(time.Minute)
		got, err := i.AddVersion(ctx, here, p.ARN, allow, n == 2)
		if err != nil || got.Default != 2 || got.Last != n {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	_, err := i.AddVersion(ctx, here, p.ARN, allow, false)
	want(t, err, LimitExceeded, "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	want(t, i.DeletePolicy(ctx, here, p.ARN), DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	want(t, i.DeleteVersion(ctx, here, p.ARN, "v9"), NoSuchEntity, "Policy "+p.ARN+" version v9 does not exist or is not attachable.")
	want(t, i.DeleteVersion(ctx, here, p.ARN, "v5"), "", "")
	if got, err := i.AddVersion(ctx, here, p.ARN, allow, false); err != nil || got.Last != 6 {
		t.Errorf("a number comes again: %+v, %v", got, err)
	}
	want(t, i.SetDefault(ctx, here, p.ARN, "v6"), "", "")
	for _, id := range []string{"v1", "v2", "v3", "v4"} {
		want(t, i.DeleteVersion(ctx, here, p.ARN, id), "", "")
	}
	want(t, i.DeletePolicy(ctx, here, p.ARN), "", "")
	empty(t, s)
}

// TestAWSPolicies have the form of policies and cannot be changed.
func TestAWSPolicies(t *testing.T) {
	i, _, _ := start(t)
	for _, arn := range []string{basic, "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess", "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"} {
		if _, err := i.GetPolicy(t.Context(), here, arn); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
	}
	for arn, p := range managed() {
		if _, err := policy.Parse(p.Versions[0].Document); err != nil || p.Default < 1 || p.Created.IsZero() || len(p.ID) != 21 {
			t.Errorf("%s: %v", arn, err)
		}
	}
	if err := i.DeletePolicy(t.Context(), here, basic); err == nil {
		t.Error("one of AWS's policies was deleted")
	}
}

func TestLimits(t *testing.T) {
	i, _, _ := start(t)
	ctx := t.Context()
	i.mustCreate(t, User, "u")
	for n := range MaxAttached {
		want(t, i.Attach(ctx, here, User, "u", i.mustPolicy(t, fmt.Sprint("p", n)).ARN), "", "")
	}
	want(t, i.Attach(ctx, here, User, "u", basic), LimitExceeded, "Cannot exceed quota for PoliciesPerUser: 10")
	long := strings.Replace(allow, "s3:*", "s3:"+strings.Repeat("x", 2048), 1)
	_, err := i.Change(ctx, here, User, "u", func(e *Entity) error { return e.PutInline("long", long) })
	want(t, err, LimitExceeded, "Maximum policy size of 2048 bytes exceeded for user u")
	want(t, i.CreatePolicy(ctx, here, &Policy{Name: "long", Path: "/"}, strings.Replace(allow, "s3:*", "s3:"+strings.Repeat("x", 6144), 1)), LimitExceeded, "Cannot exceed quota for PolicySize: 6144")
	spaced := strings.Replace(allow, ",", ","+strings.Repeat(" \n", 6144), 1)
	want(t, i.CreatePolicy(ctx, here, &Policy{Name: "spaced", Path: "/"}, spaced), "", "")
	for n := range MaxGroupsOfUser + 1 {
		name := fmt.Sprint("g", n)
		i.mustCreate(t, Group, name)
		err = i.Join(ctx, here, name, "u")
	}
	want(t, err, LimitExceeded, "Cannot exceed quota for GroupsPerUser: 10")
	tags := make([]Tag, MaxTags+1)
	for n := range tags {
		tags[n].Key = fmt.Sprint(n)
	}
	_, err = SetTags(nil, tags)
	want(t, err, LimitExceeded, "The number of tags has reached the maximum limit.")
	_, err = SetTags(nil, []Tag{{"a", ""}, {"A", ""}})
	want(t, err, InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
}

// TestAUserIsRenamed and keeps its groups, policies and keys.
func TestAUserIsRenamed(t *testing.T) {
	i, _, s := start(t)
	ctx := t.Context()
	i.mustCreate(t, User, "old")
	i.mustCreate(t, User, "taken")
	i.mustCreate(t, Group, "g")
	want(t, i.Join(ctx, here, "g", "old"), "", "")
	want(t, i.Attach(ctx, here, User, "old", basic), "", "")
	key, secret, err := i.CreateKey(ctx, here, "old")
	if err != nil {
		t.Fatal(err)
	}
	want(t, i.Rename(ctx, here, User, "old", "taken", ""), AlreadyExists, "User with name taken already exists.")
	want(t, i.Rename(ctx, here, User, "old", "new", "/path/"), "", "")
	want(t, i.Rename(ctx, here, Group, "g", "G", ""), "", "") // only the case changes
	_, err = i.Get(ctx, here, User, "old")
	want(t, err, NoSuchEntity, "The user with name old cannot be found.")
	if g, users, err := i.Members(ctx, here, "G"); err != nil || g.Name != "G" || len(users) != 1 || users[0].Name != "new" {
		t.Errorf("%v %v, %v", g, users, err)
	}
	if found, ok, err := i.Lookup(key.ID); err != nil || !ok || found.Secret != secret || found.ARN != "arn:aws:iam::123456789012:user/path/new" {
		t.Errorf("%+v %v, %v", found, ok, err)
	}
	if users, err := i.UsersOf(ctx, here, basic, true, true); err != nil || len(users) != 1 || users[0].Name != "new" {
		t.Errorf("%v, %v", users, err)
	}
	want(t, i.Delete(ctx, here, User, "new"), DeleteConflict, "Cannot delete entity, must remove users from group first.")
	want(t, i.Delete(ctx, here, Group, "g"), DeleteConflict, "Cannot delete entity, must remove users from group first.")
	want(t, i.Leave(ctx, here, "g", "new"), "", "")
	want(t, i.Delete(ctx, here, User, "new"), DeleteConflict, "Cannot delete entity, must delete access keys first.")
	want(t, i.DeleteKey(ctx, here, "new", key.ID), "", "")
	want(t, i.Detach(ctx, here, User, "new", basic), "", "")
	want(t, i.Delete(ctx, here, User, "new"), "", "")
	want(t, i.Delete(ctx, here, User, "taken"), "", "")
	want(t, i.Delete(ctx, here, Group, "g"), "", "")
	empty(t, s)
}

// TestKeys authenticate while they are active, and lie encrypted on the disk.
func TestKeys(t *testing.T) {
	i, _, s := start(t)
	ctx := t.Context()
	i.mustCreate(t, User, "u")
	key, secret, err := i.CreateKey(ctx, here, "u")
	if err != nil || len(key.ID) != 20 || len(secret) != 40 {
		t.Fatalf("%+v %q, %v", key, secret, err)
	}
	keys, err := identity.New(identity.Config{Master: bytes.Repeat([]byte{1}, identity.MasterBytes), Stored: i.Lookup, AllowUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Lookup(key.ID, ""); err != nil || got.Secret != secret || !got.Verified || !got.Stored || got.Account != here {
		t.Errorf("%+v, %v", got, err)
	}
	lo, hi := tuple.Range("iam")
	snap, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := snap.Scan(lo, hi, 100, false)
	snap.Close()
	for _, row := range rows {
		if bytes.Contains(row.Value, []byte(secret)) {
			t.Errorf("the secret is in the row %q", row.Key)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	want(t, i.SetKeyStatus(ctx, here, "u", key.ID, Inactive), "", "")
	if _, err := keys.Lookup(key.ID, ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("an inactive key: %v", err)
	}
	if _, _, err := i.CreateKey(ctx, here, "u"); err != nil {
		t.Fatal(err)
	}
	_, _, err = i.CreateKey(ctx, here, "u")
	want(t, err, LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2")
	want(t, i.DeleteKey(ctx, here, "u", key.ID), "", "")
	want(t, i.DeleteKey(ctx, here, "u", key.ID), NoSuchEntity, "The Access Key with id "+key.ID+" cannot be found.")
	if _, found, err := i.Lookup(key.ID); found || err != nil {
		t.Errorf("a deleted key: %v, %v", found, err)
	}
}

func TestTheUseOfAKeyIsKept(t *testing.T) {
	i, w, _ := start(t)
	ctx := t.Context()
	i.mustCreate(t, User, "u")
	key, _, err := i.CreateKey(ctx, here, "u")
	if err != nil {
		t.Fatal(err)
	}
	if _, use, err := i.LastUse(ctx, here, key.ID); err != nil || !use.At.IsZero() {
		t.Errorf("before its first use: %v, %v", use, err)
	}
	first := w.now
	want(t, i.Used(key.ID, "s3", "eu-west-1"), "", "")
	w.now = w.now.Add(useGrain - time.Second) // too early to be kept
	want(t, i.Used(key.ID, "sqs", "eu-west-1"), "", "")
	if u, use, err := i.LastUse(ctx, here, key.ID); err != nil || u.Name != "u" || use != (Use{first, "s3", "eu-west-1"}) {
		t.Errorf("%v, %v", use, err)
	}
	w.now = w.now.Add(time.Second)
	want(t, i.Used(key.ID, "sqs", "eu-west-1"), "", "")
	if _, use, err := i.LastUse(ctx, here, key.ID); err != nil || use.Service != "sqs" {
		t.Errorf("%v, %v", use, err)
	}
}

func TestInstanceProfiles(t *testing.T) {
	i, _, s := start(t)
	ctx := t.Context()
	i.mustCreate(t, Role, "r")
	i.mustCreate(t, Profile, "p")
	want(t, i.AddRole(ctx, here, "p", "r"), "", "")
	want(t, i.AddRole(ctx, here, "p", "r"), LimitExceeded, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	if profiles, err := i.ProfilesOf(ctx, here, "r"); err != nil || len(profiles) != 1 || profiles[0].Name != "p" {
		t.Errorf("%v, %v", profiles, err)
	}
	const text = "Cannot delete entity, must remove roles from instance profile first."
	want(t, i.Delete(ctx, here, Role, "r"), DeleteConflict, text)
	want(t, i.Delete(ctx, here, Profile, "p"), DeleteConflict, text)
	want(t, i.RemoveRole(ctx, here, "p", "r"), "", "")
	want(t, i.Delete(ctx, here, Role, "r"), "", "")
	want(t, i.Delete(ctx, here, Profile, "p"), "", "")
	empty(t, s)
}

func TestAlias(t *testing.T) {
	i, _, s := start(t)
	ctx := t.Context()
	want(t, i.SetAlias(ctx, here, "one"), "", "")
	want(t, i.SetAlias(ctx, "210987654321", "one"), AlreadyExists, "The account alias one already exists.")
	want(t, i.SetAlias(ctx, here, "two"), "", "")
	if alias, err := i.Alias(ctx, here); err != nil || alias != "two" {
		t.Errorf("%q, %v", alias, err)
	}
	want(t, i.DeleteAlias(ctx, here, "one"), NoSuchEntity, "The account alias one cannot be found.")
	want(t, i.DeleteAlias(ctx, here, "two"), "", "")
	empty(t, s)
}

// TestWhatIsNeededIsNotDeleted, also when both happen at once.
func TestWhatIsNeededIsNotDeleted(t *testing.T) {
	i, _, _ := start(t)
	ctx := t.Context()
	for n := range 20 {
		name := fmt.Sprint("e", n)
		i.mustCreate(t, User, name)
		p := i.mustPolicy(t, name)
		var attach, remove error
		var both sync.WaitGroup
		both.Go(func() { attach = i.Attach(ctx, here, User, name, p.ARN) })
		both.Go(func() { remove = i.DeletePolicy(ctx, here, p.ARN) })
		both.Wait()
		_, err := i.GetPolicy(ctx, here, p.ARN)
		u, userErr := i.Get(ctx, here, User, name)
		if userErr != nil || (attach == nil) == (remove == nil) || (attach == nil) != (err == nil) || (attach == nil) != (len(u.Attached) == 1) {
			t.Fatalf("attached: %v, deleted: %v, there: %v, user: %+v, %v", attach, remove, err, u, userErr)
		}
	}
}

func TestLists(t *testing.T) {
	i, _, _ := start(t)
	ctx := t.Context()
	for _, name := range []string{"b", "A", "c"} {
		if err := i.Create(ctx, here, &Entity{Kind: Role, Name: name, Path: "/" + strings.ToLower(name) + "/", Trust: trust}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := i.List(ctx, here, Role, "/")
	if err != nil || len(all) != 3 || all[0].Name != "A" || all[2].ARN() != "arn:aws:iam::123456789012:role/c/c" {
		t.Errorf("%v, %v", all, err)
	}
	if some, err := i.List(ctx, here, Role, "/b/"); err != nil || len(some) != 1 {
		t.Errorf("%v, %v", some, err)
	}
	summary, err := i.Summary(ctx, here)
	if err != nil || summary["Roles"] != 3 || summary["RolesQuota"] != 1000 || summary["Users"] != 0 {
		t.Errorf("%v, %v", summary, err)
	}
}
