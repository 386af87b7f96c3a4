// Package apigateway is the API of API Gateway's REST APIs: it translates between
// the wire and core/restapi.
//
// It promises AWS's codes and texts of errors, and the members that clients read;
// what is refused because this platform does not have it says so. What an API does
// is front/restapi's.
//
// No goroutines, no locks. Start reading at Service; convert.go has how values are
// copied between the two worlds.
package apigateway

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Front is what serves the APIs.
type Front interface {
	Test(ctx context.Context, id restapi.ID, test *restapi.Test) (*restapi.TestAnswer, error)
	TestAuthorizer(ctx context.Context, id restapi.ID, authorizer *restapi.Authorizer, test *restapi.Test) (*restapi.TestVerdict, error)
	Flush(id restapi.ID, stage string)
}

// Config is what the operations work with. Front is asked for when it is needed: it
// is made later.
type Config struct {
	APIs  *restapi.APIs
	Names *domain.Names
	Front func() Front
	// Pass tells whether a caller may hand a role to API Gateway; nil: every one may.
	Pass func(ctx context.Context, call *wire.Call, roleARN string) error
}

type api struct {
	apis  *restapi.APIs
	names *domain.Names
	front func() Front
	pass  func(ctx context.Context, call *wire.Call, roleARN string) error
}

// Service is the table of the operations.
func Service(c Config) *wire.Service {
	a := &api{c.APIs, c.Names, c.Front, c.Pass}
	operations := slices.Concat(a.restAPIs(), a.documents(), a.resources(), a.methods(), a.integrations(), a.models(), a.validators(), a.authorizers(), a.answers(), a.deployments(), a.stages(), a.keys(), a.plans(), a.usage(), a.domains(), a.tests())
	for i := range operations {
		operations[i].Do = a.marking(&operations[i])
	}
	return wire.NewService(apigatewayapi.Model, operations...)
}

// marking notes which APIs a function changes, before it does.
func (a *api) marking(op *wire.Operation) func(context.Context, *wire.Call, any) (any, error) {
	do, name := op.Do, op.Model.Name
	if op.Model.Method == http.MethodGet || strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Flush") {
		return do
	}
	return func(ctx context.Context, call *wire.Call, in any) (any, error) {
		if call.Function && reflect.ValueOf(in).Elem().FieldByName("RestApiId").IsValid() {
			id := idOf(call, in)
			if api, err := a.apis.Get(id); err == nil && !api.ForFunction {
				if _, err := a.apis.Change(ctx, id, func(api *restapi.API) error { api.ForFunction = true; return nil }); err != nil {
					return nil, translate(err)
				}
			}
		}
		return do(ctx, call, in)
	}
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

var faults = map[restapi.Code]func(string, ...any) *fault.Fault{
	restapi.NotFound: apigatewayapi.NotFoundException, restapi.Conflict: apigatewayapi.ConflictException,
	restapi.BadRequest: apigatewayapi.BadRequestException, restapi.Limit: apigatewayapi.LimitExceededException,
}

func translate(err error) error {
	err = domainError(err)
	var refusal *restapi.Error
	if errors.As(err, &refusal) {
		return faults[refusal.Code]("%s", refusal.Message)
	}
	return err
}

func scope(call *wire.Call) restapi.Scope {
	return restapi.Scope{Account: call.Account, Region: call.Region}
}

// idOf names the API that a request is about.
func idOf(call *wire.Call, in any) restapi.ID {
	id, _ := reflect.ValueOf(in).Elem().FieldByName("RestApiId").Interface().(*string)
	return restapi.ID{Scope: scope(call), ID: member.Text(id)}
}

// reading shows a part of an API.
func reading[Out, In any](a *api, find func(api *restapi.API, in *In) (any, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wrap(func(_ context.Context, call *wire.Call, in *In) (*Out, error) {
		api, err := a.apis.Get(idOf(call, in))
		if err != nil {
			return nil, err
		}
		found, err := find(api, in)
		if err != nil {
			return nil, err
		}
		return show[Out](found), nil
	})
}

// changing changes an API and shows the part that was changed.
func changing[Out, In any](a *api, do func(api *restapi.API, in *In) (any, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return creating[Out](a, func(_ context.Context, api *restapi.API, in *In) (any, error) { return do(api, in) })
}

// creating is changing by what makes the id of the part, of the context.
func creating[Out, In any](a *api, do func(ctx context.Context, api *restapi.API, in *In) (any, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wrap(func(ctx context.Context, call *wire.Call, in *In) (*Out, error) {
		var part any
		_, err := a.apis.Change(ctx, idOf(call, in), func(api *restapi.API) (err error) {
			part, err = do(ctx, api, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		return show[Out](part), nil
	})
}

// deleting changes an API and shows nothing.
func deleting[In any](a *api, do func(api *restapi.API, in *In) error) func(context.Context, *wire.Call, *In) (*struct{}, error) {
	return wrap(func(ctx context.Context, call *wire.Call, in *In) (*struct{}, error) {
		_, err := a.apis.Change(ctx, idOf(call, in), func(api *restapi.API) error { return do(api, in) })
		return &struct{}{}, err
	})
}

func patches(given []apigatewayapi.PatchOperation) []restapi.Patch {
	out := make([]restapi.Patch, len(given))
	for i, p := range given {
		out[i] = restapi.Patch{Op: member.Text(p.Op), Path: member.Text(p.Path), Value: member.Text(p.Value), From: member.Text(p.From)}
	}
	return out
}

// Pages of lists. AWS: 25 items if the client names no number, 500 at most.
const (
	defaultPage = 25
	maxPage     = 500
)

// page cuts a list. AWS: a limit beyond the largest is the largest.
func page[T any](items []T, position *string, limit *int32) ([]T, *string, error) {
	from := 0
	if position != nil {
		decoded, err := base64.RawURLEncoding.DecodeString(*position)
		if err == nil {
			from, err = strconv.Atoi(string(decoded))
		}
		if err != nil || from < 0 {
			return nil, nil, restapi.Invalid("Invalid position parameter specified")
		}
	}
	most := defaultPage
	if limit != nil {
		most = min(int(*limit), maxPage)
	}
	if most <= 0 {
		most = maxPage
	}
	from = min(from, len(items))
	to := min(from+most, len(items))
	if to == len(items) {
		return items[from:to], nil, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	return items[from:to], &next, nil
}

// sorted are the values of a map in the order of their keys.
func sorted[T any](values map[string]T) []T {
	keys := sortedKeys(values)
	out := make([]T, len(keys))
	for i, key := range keys {
		out[i] = values[key]
	}
	return out
}

func sortedKeys[T any](values map[string]T) []string { return slices.Sorted(maps.Keys(values)) }

// refusedOption is an option that would have no effect.
type refusedOption struct {
	name  string
	given bool
}

// refuse tells of the first one that is given.
func refuse(options ...refusedOption) error {
	for _, option := range options {
		if option.given {
			return restapi.Invalid("%s is not supported on this platform", option.name)
		}
	}
	return nil
}
