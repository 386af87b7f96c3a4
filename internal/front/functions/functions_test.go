package functions

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
)

// fake knows the function "f", which lets one source in.
type fake struct{ got *invoke.Request }

func (f *fake) Resolve(_ context.Context, _ function.Scope, name, qualifier string) (*function.Resolved, error) {
	if name != "f" {
		return nil, &function.NotFoundError{Message: "Function not found"}
	}
	return &function.Resolved{Version: &function.Version{Name: name}, InvokedARN: name + ":" + qualifier}, nil
}

func (f *fake) Permits(_ context.Context, _ function.Target, who function.Caller) (bool, error) {
	return who == function.Caller{Service: APIGateway, Source: "arn:good"}, nil
}

func (f *fake) Invoke(_ context.Context, request *invoke.Request) (*invoke.Response, error) {
	f.got = request
	return &invoke.Response{Payload: request.Payload}, nil
}

func TestAFunctionRunsOnlyIfItsPolicyPermits(t *testing.T) {
	f := &fake{}
	functions := &Functions{Registry: f, Invoker: f}
	target := function.Target{Name: "f", Qualifier: "live"}
	if _, err := functions.Invoke(t.Context(), &Call{Target: target, Service: APIGateway, Source: "arn:bad"}); !errors.Is(err, ErrForbidden) || f.got != nil {
		t.Errorf("%v, %+v", err, f.got)
	}
	response, err := functions.Invoke(t.Context(), &Call{Target: target, Service: APIGateway, Source: "arn:good", TraceID: "trace", Payload: []byte("hi")})
	if err != nil || string(response.Payload) != "hi" || f.got.InvokedARN != "f:live" || f.got.TraceID != "trace" || f.got.RequestID == "" {
		t.Errorf("%v, %+v", err, f.got)
	}
	if _, err := functions.Invoke(t.Context(), &Call{Target: target}); err != nil {
		t.Errorf("a caller with permissions of its own: %v", err)
	}
	var missing *function.NotFoundError
	if _, err := functions.Invoke(t.Context(), &Call{Target: function.Target{Name: "none"}}); !errors.As(err, &missing) {
		t.Error(err)
	}
}

// TestARoleIsOfTheAccountOfItsAPI: else an API could use the roles, and with them the
// functions, of anybody.
func TestARoleIsOfTheAccountOfItsAPI(t *testing.T) {
	const own, other = "111122223333", "444455556666"
	for _, test := range []struct {
		role, target string
		enforced, ok bool
	}{
		{"arn:aws:iam::" + own + ":role/r", own, false, true}, {"arn:aws:iam::" + own + ":role/r", own, true, true},
		{"arn:aws:iam::" + own + ":role/r", other, true, true}, // what the role may is asked
		{"arn:aws:iam::" + own + ":role/r", other, false, false},
		{"arn:aws:iam::*:user/*", own, false, true}, {"arn:aws:iam::*:user/*", other, false, false},
		{"arn:aws:iam::" + other + ":role/r", own, false, false}, {"arn:aws:iam::" + other + ":role/r", other, true, false},
		{"r", own, true, false},
	} {
		f := &fake{}
		all := &Functions{Registry: f, Invoker: f}
		if test.enforced {
			all.RoleMay = func(context.Context, string, string) (bool, error) { return true, nil }
		}
		target := function.Target{Scope: function.Scope{Account: test.target}, Name: "f"}
		_, err := all.Invoke(t.Context(), &Call{Target: target, Role: test.role, Source: "arn:aws:execute-api:eu-west-1:" + own + ":abc/s/GET/"})
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestTheFormsThatNameAFunction(t *testing.T) {
	const plain = "arn:aws:lambda:eu-west-1:111122223333:function:f"
	for uri, want := range map[string]string{
		plain:           plain,
		plain + ":live": plain + ":live",
		"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + plain + "/invocations":      plain,
		"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + plain + ":live/invocations": plain + ":live",
		"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + plain:                       "",
		"arn:aws:apigateway:eu-west-1:lambda:path/" + plain + "/invocations":                           "",
		"arn:aws:sqs:eu-west-1:111122223333:q":                                                         "", "f": "", "": "", "https://example.org": "", plain + ":": "",
	} {
		target, err := Parse(uri)
		if (err == nil) != (want != "") || err == nil && target.ARN() != want {
			t.Errorf("%s: %s, %v", uri, target.ARN(), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:f/invocations")
	f.Add("arn:aws:lambda:eu-west-1:111122223333:function:f:%24LATEST")
	f.Fuzz(func(t *testing.T, uri string) {
		if target, err := Parse(uri); err == nil && (target.Name == "" || target.Scope.Account == "") {
			t.Errorf("%q: %+v", uri, target)
		}
	})
}

// blocked is a function that runs until it is let go.
type blocked struct{ release chan struct{} }

func (b *blocked) Resolve(context.Context, function.Scope, string, string) (*function.Resolved, error) {
	return &function.Resolved{Version: &function.Version{}}, nil
}

func (b *blocked) Permits(context.Context, function.Target, function.Caller) (bool, error) {
	return true, nil
}

func (b *blocked) Invoke(context.Context, *invoke.Request) (*invoke.Response, error) {
	<-b.release
	return &invoke.Response{Payload: []byte("late")}, nil
}

func TestAFunctionThatTakesTooLongGoesOn(t *testing.T) {
	b := &blocked{release: make(chan struct{})}
	f := &Functions{Registry: b, Invoker: b}
	if _, err := f.InvokeWithin(t.Context(), &Call{}, time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
	close(b.release)
	if r, err := f.InvokeWithin(t.Context(), &Call{}, time.Minute); err != nil || string(r.Payload) != "late" {
		t.Errorf("%v %v", r, err)
	}
}
