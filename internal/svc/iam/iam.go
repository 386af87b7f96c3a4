// Package iam is the IAM API: it translates between the wire and core/iam.
//
// It promises AWS's codes, statuses and texts of errors, policy documents
// URL-encoded in answers, and lists in pages; what a role is, is core/iam's.
// Policies are kept, answered and simulated; nothing here grants or denies: that is
// internal/guard's, where permissions are enforced.
//
// No goroutines, no locks. Start reading at Service.
package iam

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct{ iam *iam.IAM }

// Service is the table of the operations.
func Service(core *iam.IAM) *wire.Service {
	a := &api{core}
	return wire.NewService(iamapi.Model, slices.Concat(a.roles(), a.users(), a.groups(), a.profiles(), a.policies(), a.account(), a.simulations())...)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

// done is wrap for an operation that answers nothing.
func done[In any](do func(ctx context.Context, account string, in *In) error) func(context.Context, *wire.Call, *In) (*struct{}, error) {
	return wrap(func(ctx context.Context, call *wire.Call, in *In) (*struct{}, error) {
		return &struct{}{}, do(ctx, call.Account, in)
	})
}

var faults = map[iam.Code]func(string, ...any) *fault.Fault{
	iam.NoSuchEntity:    iamapi.NoSuchEntityException,
	iam.AlreadyExists:   iamapi.EntityAlreadyExistsException,
	iam.DeleteConflict:  iamapi.DeleteConflictException,
	iam.LimitExceeded:   iamapi.LimitExceededException,
	iam.MalformedPolicy: iamapi.MalformedPolicyDocumentException,
	iam.InvalidInput:    iamapi.InvalidInputException,
}

// translate makes AWS's error; one that is not the caller's stays as it is.
func translate(err error) error {
	var refusal *iam.Error
	switch {
	case !errors.As(err, &refusal):
		return err
	case faults[refusal.Code] != nil:
		return faults[refusal.Code]("%s", refusal.Message)
	}
	return invalid(refusal.Message)
}

// invalid is common to AWS's query services and in no API model.
func invalid(message string) error {
	return &fault.Fault{Code: "ValidationError", Message: message, Status: http.StatusBadRequest, Sender: true}
}

// path is "/" unless another is given.
func path(given *string) string { return cmp.Or(member.Text(given), "/") }

// encoded is a policy document as IAM answers it: URL-encoded by RFC 3986.
func encoded(document string) *string {
	out := strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
	return &out
}

func tagsIn(given []iamapi.Tag) []iam.Tag {
	tags := make([]iam.Tag, len(given))
	for i, t := range given {
		tags[i] = iam.Tag{Key: *t.Key, Value: *t.Value}
	}
	return tags
}

func tagsOut(tags []iam.Tag) []iamapi.Tag {
	var out []iamapi.Tag
	for i := range tags {
		out = append(out, iamapi.Tag{Key: &tags[i].Key, Value: &tags[i].Value})
	}
	return out
}

func boundaryOut(arn string) *iamapi.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	kind := "PermissionsBoundaryPolicy"
	return &iamapi.AttachedPermissionsBoundary{PermissionsBoundaryType: &kind, PermissionsBoundaryArn: &arn}
}

// defaultItems is the length of a page.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html, MaxItems.
const defaultItems = 100

// cut is a page of a list in the order of its names. The marker is the last name
// of the page before, so that a change of the list skips and repeats nothing.
func cut[T any](all []T, name func(T) string, marker *string, maxItems *int32) (page []T, truncated *bool, next *string, err error) {
	after, err := base64.StdEncoding.DecodeString(member.Text(marker))
	if err != nil {
		return nil, nil, nil, invalid("Invalid Marker.")
	}
	page = slices.SortedStableFunc(slices.Values(all), func(x, y T) int { return strings.Compare(name(x), name(y)) })
	if marker != nil {
		page = page[firstAfter(page, name, string(after)):]
	}
	most := defaultItems
	if maxItems != nil {
		most = int(*maxItems)
	}
	more := len(page) > most
	if more {
		page = page[:most]
		last := base64.StdEncoding.EncodeToString([]byte(name(page[most-1])))
		next = &last
	}
	return page, &more, next, nil
}

func firstAfter[T any](sorted []T, name func(T) string, after string) int {
	at := slices.IndexFunc(sorted, func(item T) bool { return name(item) > after })
	if at < 0 {
		return len(sorted)
	}
	return at
}

func byName(e *iam.Entity) string { return strings.ToLower(e.Name) }

func itself(s string) string { return s }

// each maps a list.
func each[T, U any](list []T, show func(T) U) []U {
	out := make([]U, 0, len(list))
	for _, item := range list {
		out = append(out, show(item))
	}
	return out
}

// The operations below are the same for roles, users and groups, or for all kinds.

// inlineNames are the names of an entity's inline policies.
func (a *api) inlineNames(ctx context.Context, call *wire.Call, k iam.Kind, name string, marker *string, maxItems *int32) ([]string, *bool, *string, error) {
	e, err := a.iam.Get(ctx, call.Account, k, name)
	if err != nil {
		return nil, nil, nil, err
	}
	names := make([]string, 0, len(e.Inline))
	for name := range e.Inline {
		names = append(names, name)
	}
	page, more, next, err := cut(names, itself, marker, maxItems)
	if page == nil {
		page = []string{} // a required member
	}
	return page, more, next, err
}

// inline is an inline policy, encoded.
func (a *api) inline(ctx context.Context, call *wire.Call, k iam.Kind, name, policy string) (*string, error) {
	e, err := a.iam.Get(ctx, call.Account, k, name)
	if err != nil {
		return nil, err
	}
	document, err := e.GetInline(policy)
	return encoded(document), err
}

func (a *api) putInline(ctx context.Context, account string, k iam.Kind, name, policy, document string) error {
	_, err := a.iam.Change(ctx, account, k, name, func(e *iam.Entity) error { return e.PutInline(policy, document) })
	return err
}

func (a *api) deleteInline(ctx context.Context, account string, k iam.Kind, name, policy string) error {
	_, err := a.iam.Change(ctx, account, k, name, func(e *iam.Entity) error { return e.DeleteInline(policy) })
	return err
}

// attached are the managed policies of an entity.
func (a *api) attached(ctx context.Context, call *wire.Call, k iam.Kind, name string, prefix, marker *string, maxItems *int32) ([]iamapi.AttachedPolicy, *bool, *string, error) {
	e, err := a.iam.Get(ctx, call.Account, k, name)
	if err != nil {
		return nil, nil, nil, err
	}
	policies := []iamapi.AttachedPolicy{}
	for _, arn := range e.Attached {
		_, resource, _ := strings.Cut(arn, ":policy")
		if strings.HasPrefix(resource, path(prefix)) {
			name := resource[strings.LastIndexByte(resource, '/')+1:]
			policies = append(policies, iamapi.AttachedPolicy{PolicyName: &name, PolicyArn: &arn})
		}
	}
	return cut(policies, func(p iamapi.AttachedPolicy) string { return *p.PolicyName }, marker, maxItems)
}

func (a *api) tag(ctx context.Context, account string, k iam.Kind, name string, tags []iamapi.Tag) error {
	_, err := a.iam.Change(ctx, account, k, name, func(e *iam.Entity) (err error) {
		e.Tags, err = iam.SetTags(e.Tags, tagsIn(tags))
		return err
	})
	return err
}

func (a *api) untag(ctx context.Context, account string, k iam.Kind, name string, keys []string) error {
	_, err := a.iam.Change(ctx, account, k, name, func(e *iam.Entity) error {
		e.Tags = iam.RemoveTags(e.Tags, keys)
		return nil
	})
	return err
}

// tags are a page of those of an entity.
func (a *api) tags(ctx context.Context, call *wire.Call, k iam.Kind, name string, marker *string, maxItems *int32) ([]iamapi.Tag, *bool, *string, error) {
	e, err := a.iam.Get(ctx, call.Account, k, name)
	if err != nil {
		return nil, nil, nil, err
	}
	return cutTags(e.Tags, marker, maxItems)
}

func cutTags(tags []iam.Tag, marker *string, maxItems *int32) ([]iamapi.Tag, *bool, *string, error) {
	page, more, next, err := cut(tags, func(t iam.Tag) string { return t.Key }, marker, maxItems)
	out := tagsOut(page)
	if out == nil {
		out = []iamapi.Tag{} // a required member
	}
	return out, more, next, err
}
