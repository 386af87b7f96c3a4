package async

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
)

const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:foo:live"

func TestADeliveredMessageIsAnEvent(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := newPlatform(succeed)
	q, _ := newQueue(t, s, p)
	start(t, q)
	if err := q.Deliver(t.Context(), &delivery.Message{ID: "id-1", Target: functionARN, Body: []byte(`{"a":1}`), TraceID: "Root=1"}); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
	if got := p.requests(); len(got) != 1 || got[0].RequestID != "id-1" || got[0].TraceID != "Root=1" || string(got[0].Payload) != `{"a":1}` || got[0].InvokedARN != functionARN {
		t.Errorf("%+v", got)
	}
}

func TestWhatNoFunctionCouldTakeIsPermanent(t *testing.T) {
	p := newPlatform(succeed)
	q, _ := newQueue(t, openStore(t, t.TempDir()), p)
	for name, m := range map[string]*delivery.Message{
		"no function": {Target: "arn:aws:sqs:us-east-1:000000000000:q", Body: []byte("1")},
		"no JSON":     {Target: functionARN, Body: []byte("{")},
		"too long":    {Target: functionARN, Body: []byte(`"` + strings.Repeat("x", limit.AsyncRequestBytes) + `"`)},
	} {
		if err := q.Deliver(t.Context(), m); !delivery.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.missing = &function.NotFoundError{Message: "gone"}
	m := &delivery.Message{Target: functionARN, Body: []byte("1")}
	if err := q.Deliver(t.Context(), m); !delivery.IsPermanent(err) {
		t.Errorf("a function that is gone: %v", err)
	}
	p.missing = errors.New("the host is in trouble")
	if err := q.Deliver(t.Context(), m); err == nil || delivery.IsPermanent(err) {
		t.Errorf("trouble: %v", err)
	}
}

func TestADeliveryNeedsThePolicyOfTheFunction(t *testing.T) {
	s := openStore(t, t.TempDir())
	q, _ := newQueue(t, s, newPlatform(succeed))
	asked := 0
	q.config.Permits = func(_ context.Context, target function.Target, who function.Caller) (bool, error) {
		asked++
		if target.ARN() != functionARN {
			t.Errorf("target %s", target.ARN())
		}
		return who == function.Caller{Service: "sns.amazonaws.com", Source: "arn:aws:sns:us-east-1:000000000000:t"}, nil
	}
	m := &delivery.Message{ID: "id-1", Target: functionARN, Body: []byte("1"), Principal: "sns.amazonaws.com", Source: "arn:aws:sns:us-east-1:000000000000:t"}
	if err := q.Deliver(t.Context(), m); err != nil {
		t.Error(err)
	}
	m.Source = "arn:aws:sns:us-east-1:000000000000:other"
	if err := q.Deliver(t.Context(), m); !delivery.IsPermanent(err) {
		t.Errorf("%v is not permanent", err)
	}
	m.Principal = "arn:aws:iam::000000000000:role/r" // a role needs no policy of the function
	if err := q.Deliver(t.Context(), m); err != nil || asked != 2 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}
