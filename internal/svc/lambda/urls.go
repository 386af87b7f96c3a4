package lambda

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// URLs keeps the URLs of functions; *functionurl.URLs is one.
type URLs interface {
	Create(ctx context.Context, t function.Target, authType, invokeMode string, cors *functionurl.CORS) (*functionurl.URL, error)
	Get(ctx context.Context, t function.Target) (*functionurl.URL, error)
	Update(ctx context.Context, t function.Target, c functionurl.Change) (*functionurl.URL, error)
	Delete(ctx context.Context, t function.Target) error
	List(ctx context.Context, t function.Target, page function.Page) (list []*functionurl.URL, next string, err error)
}

// urlTime is the form of the times of a URL.
const urlTime = "2006-01-02T15:04:05.000000Z"

// urlTarget is target for the operations on URLs: a URL is that of a function or
// an alias.
func urlTarget(call *wire.Call, action string, name, qualifier *string) (function.Target, error) {
	t, err := target(call, action, name, qualifier)
	if err == nil && (t.Qualifier == function.Latest || t.Qualifier != "" && strings.Trim(t.Qualifier, "0123456789") == "") {
		err = translate(&function.ValidationError{Message: "1 validation error detected: Value '" + t.Qualifier +
			`' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`})
	}
	return t, err
}

func (l *Lambda) createFunctionURLConfig(ctx context.Context, call *wire.Call, in *lambdaapi.CreateFunctionUrlConfigInput) (*lambdaapi.CreateFunctionUrlConfigOutput, error) {
	t, err := urlTarget(call, "CreateFunctionUrlConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	u, err := l.urls.Create(ctx, t, value(in.AuthType), value(in.InvokeMode), corsRules(in.Cors))
	if err != nil {
		return nil, translate(err)
	}
	c := l.urlConfig(call, u)
	return &lambdaapi.CreateFunctionUrlConfigOutput{FunctionUrl: c.FunctionUrl, FunctionArn: c.FunctionArn, AuthType: c.AuthType, Cors: c.Cors, CreationTime: c.CreationTime, InvokeMode: c.InvokeMode}, nil
}

func (l *Lambda) getFunctionURLConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionUrlConfigInput) (*lambdaapi.GetFunctionUrlConfigOutput, error) {
	t, err := urlTarget(call, "GetFunctionUrlConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	u, err := l.urls.Get(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	c := l.urlConfig(call, u)
	return &lambdaapi.GetFunctionUrlConfigOutput{FunctionUrl: c.FunctionUrl, FunctionArn: c.FunctionArn, AuthType: c.AuthType, Cors: c.Cors, CreationTime: c.CreationTime, LastModifiedTime: c.LastModifiedTime, InvokeMode: c.InvokeMode}, nil
}

func (l *Lambda) updateFunctionURLConfig(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateFunctionUrlConfigInput) (*lambdaapi.UpdateFunctionUrlConfigOutput, error) {
	t, err := urlTarget(call, "UpdateFunctionUrlConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	u, err := l.urls.Update(ctx, t, functionurl.Change{AuthType: in.AuthType, InvokeMode: in.InvokeMode, CORS: corsRules(in.Cors)})
	if err != nil {
		return nil, translate(err)
	}
	c := l.urlConfig(call, u)
	return &lambdaapi.UpdateFunctionUrlConfigOutput{FunctionUrl: c.FunctionUrl, FunctionArn: c.FunctionArn, AuthType: c.AuthType, Cors: c.Cors, CreationTime: c.CreationTime, LastModifiedTime: c.LastModifiedTime, InvokeMode: c.InvokeMode}, nil
}

func (l *Lambda) deleteFunctionURLConfig(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteFunctionUrlConfigInput) (*lambdaapi.DeleteFunctionUrlConfigOutput, error) {
	t, err := urlTarget(call, "DeleteFunctionUrlConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.urls.Delete(ctx, t))
}

func (l *Lambda) listFunctionURLConfigs(ctx context.Context, call *wire.Call, in *lambdaapi.ListFunctionUrlConfigsInput) (*lambdaapi.ListFunctionUrlConfigsOutput, error) {
	t, err := target(call, "ListFunctionUrlConfigs", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	list, next, err := l.urls.List(ctx, t, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListFunctionUrlConfigsOutput{NextMarker: member.Optional(next), FunctionUrlConfigs: []lambdaapi.FunctionUrlConfig{}}
	for _, u := range list {
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, *l.urlConfig(call, u))
	}
	return out, nil
}

// urlConfig words a URL for a client that reaches us at the endpoint of the call.
func (l *Lambda) urlConfig(call *wire.Call, u *functionurl.URL) *lambdaapi.FunctionUrlConfig {
	address, name := l.urlAddress(call.Endpoint, u.ID, u.Target.Scope.Region), u.Target.ARN()
	created, modified := u.Created.Format(urlTime), u.Modified.Format(urlTime)
	return &lambdaapi.FunctionUrlConfig{FunctionUrl: &address, FunctionArn: &name, AuthType: &u.AuthType, InvokeMode: &u.InvokeMode,
		Cors: corsShape(u.CORS), CreationTime: &created, LastModifiedTime: &modified}
}

func corsRules(c *lambdaapi.Cors) *functionurl.CORS {
	if c == nil {
		return nil
	}
	return &functionurl.CORS{AllowCredentials: is(c.AllowCredentials), AllowHeaders: c.AllowHeaders, AllowMethods: c.AllowMethods,
		AllowOrigins: c.AllowOrigins, ExposeHeaders: c.ExposeHeaders, MaxAge: integer(c.MaxAge)}
}

func corsShape(c *functionurl.CORS) *lambdaapi.Cors {
	if c == nil {
		return nil
	}
	out := &lambdaapi.Cors{AllowHeaders: c.AllowHeaders, AllowMethods: c.AllowMethods, AllowOrigins: c.AllowOrigins, ExposeHeaders: c.ExposeHeaders}
	if c.AllowCredentials {
		out.AllowCredentials = &c.AllowCredentials
	}
	if c.MaxAge != nil {
		n := int32(*c.MaxAge)
		out.MaxAge = &n
	}
	return out
}
