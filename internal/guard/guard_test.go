package guard

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/api/ecrapi"
	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/api/schedulerapi"
	"github.com/lambkin-dev/lambkin/internal/api/secretsmanagerapi"
	"github.com/lambkin-dev/lambkin/internal/api/snsapi"
	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/api/ssmapi"
	"github.com/lambkin-dev/lambkin/internal/api/stsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/session"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

const (
	here   = "111122223333"
	there  = "444455556666"
	region = "eu-west-1"
)

// world is a guard over real IAM and queues, and a service whose SendMessage tells
// in which account it ran.
type world struct {
	testing.TB
	iam    *iam.IAM
	queues *queue.Queues
	guard  *Guard
	send   wire.Operation
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{TB: t}
	if w.iam, err = iam.New(iam.Config{Store: s, Secret: bytes.Repeat([]byte{1}, 32)}); err != nil {
		t.Fatal(err)
	}
	if w.queues, err = queue.New(queue.Config{Store: s}); err != nil {
		t.Fatal(err)
	}
	if w.guard, err = New(Config{IAM: w.iam, Queues: w.queues}); err != nil {
		t.Fatal(err)
	}
	wrapped, err := w.guard.Wrap([]*wire.Service{wire.NewService(sqsapi.Model, sqsapi.HandleSendMessage(
		func(_ context.Context, call *wire.Call, _ *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
			return &sqsapi.SendMessageOutput{MessageId: &call.Account}, nil
		}))})
	if err != nil {
		t.Fatal(err)
	}
	w.send = wrapped[0].Operations["SendMessage"]
	return w
}

// user makes a user with a policy, "" for none, and gives its ARN.
func (w *world) user(account, name, document string) string {
	w.Helper()
	e := &iam.Entity{Kind: iam.User, Name: name, Path: "/"}
	if err := w.iam.Create(w.Context(), account, e); err != nil {
		w.Fatal(err)
	}
	w.may(account, name, document)
	return e.ARN()
}

func (w *world) may(account, name, document string) {
	w.Helper()
	if document == "" {
		return
	}
	_, err := w.iam.Change(w.Context(), account, iam.User, name, func(e *iam.Entity) error { return e.PutInline("p", document) })
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) queue(account, policy string) {
	w.Helper()
	attributes := map[string]string{}
	if policy != "" {
		attributes["Policy"] = policy
	}
	if err := w.queues.Create(w.Context(), queue.ID{Account: account, Region: region, Name: "q"}, attributes, nil); err != nil {
		w.Fatal(err)
	}
}

// sends sends to the queue of an account; it tells where that ran, or why it did not.
func (w *world) sends(caller, account string, session *session.Session) (string, *fault.Fault) {
	w.Helper()
	url := "http://127.0.0.1/" + account + "/q"
	own, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(caller, "arn:aws:iam::"), "arn:aws:sts::"), ":")
	out, err := w.send.Do(w.Context(), &wire.Call{Account: own, Region: region, CallerARN: caller, Session: session, Request: httptest.NewRequest(http.MethodPost, "/", nil)}, &sqsapi.SendMessageInput{QueueUrl: &url})
	if err != nil {
		f := fault.From(err)
		if f == nil {
			w.Fatal(err)
		}
		return "", f
	}
	return *out.(*sqsapi.SendMessageOutput).MessageId, nil
}

const (
	maySend = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}`
	anyone  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}}`
)

// TestTwoAccounts: both must allow, and the call is carried out in the account of the queue.
func TestTwoAccounts(t *testing.T) {
	w := newWorld(t)
	w.queue(there, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"`+here+`"},"Action":"sqs:*","Resource":"*"}}`)
	ann, bob := w.user(here, "ann", maySend), w.user(here, "bob", "")
	if ran, refusal := w.sends(ann, there, nil); ran != there {
		t.Errorf("ran in %q, %v", ran, refusal)
	}
	if _, refusal := w.sends(bob, there, nil); refusal == nil || !strings.HasSuffix(refusal.Message, "because no identity-based policy allows the sqs:sendmessage action") {
		t.Errorf("bob: %v", refusal)
	}
	eve := w.user("777788889999", "eve", maySend)
	if _, refusal := w.sends(eve, there, nil); refusal == nil || !strings.HasSuffix(refusal.Message, "because no resource-based policy allows the sqs:sendmessage action") {
		t.Errorf("eve: %v", refusal)
	}
	if ran, refusal := w.sends("arn:aws:iam::"+here+":root", there, nil); ran != there {
		t.Errorf("the root ran in %q, %v", ran, refusal)
	}
}

func TestRightsChangeAtOnce(t *testing.T) {
	w := newWorld(t)
	w.queue(here, "")
	ann := w.user(here, "ann", "")
	for range 3 {
		if _, refusal := w.sends(ann, here, nil); refusal == nil {
			t.Fatal("sent without a right")
		}
		w.may(here, "ann", maySend)
		if ran, refusal := w.sends(ann, here, nil); ran != here {
			t.Fatalf("refused with a right: %v", refusal)
		}
		if _, err := w.iam.Change(t.Context(), here, iam.User, "ann", func(e *iam.Entity) error { return e.DeleteInline("p") }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestARoleThatWasMadeAgainIsAnother: a session names the id of its role, which
// depends on the role's path.
func TestARoleThatWasMadeAgainIsAnother(t *testing.T) {
	w := newWorld(t)
	w.queue(here, "")
	role := &iam.Entity{Kind: iam.Role, Name: "r", Path: "/a/", Trust: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`, Inline: map[string]string{"p": maySend}}
	if err := w.iam.Create(t.Context(), here, role); err != nil {
		t.Fatal(err)
	}
	url := "http://127.0.0.1/" + here + "/q"
	for id, may := range map[string]bool{role.ID: true, identity.RoleID("arn:aws:iam::" + here + ":role/b/r"): false} {
		_, err := w.send.Do(t.Context(), &wire.Call{Account: here, Region: region, CallerARN: "arn:aws:sts::" + here + ":assumed-role/r/s", UserID: id + ":s"}, &sqsapi.SendMessageInput{QueueUrl: &url})
		if (err == nil) != may {
			t.Errorf("a session of %s: %v", id, err)
		}
	}
}

func TestAnybodyAndSessions(t *testing.T) {
	w := newWorld(t)
	w.queue(here, anyone)
	if ran, refusal := w.sends("", here, nil); ran != here {
		t.Errorf("anybody: %v", refusal)
	}
	w.queue(there, "")
	if _, refusal := w.sends("", there, nil); refusal == nil || refusal.QueryCode != "AccessDenied" || refusal.Status != 403 {
		t.Errorf("anybody at a queue without a policy: %v", refusal)
	}
	ann := w.user(there, "ann", maySend)
	nothing := &session.Session{PolicyARNs: []string{"arn:aws:iam::" + there + ":policy/gone"}}
	if _, refusal := w.sends(ann, there, nothing); refusal == nil || !strings.HasSuffix(refusal.Message, "because no session policy allows the sqs:sendmessage action") {
		t.Errorf("a session whose policy is gone: %v", refusal)
	}
}

func TestAPolicyThatCannotBeReadIsTheRootsAlone(t *testing.T) {
	w := newWorld(t)
	w.queue(here, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"StringEqual":{"a":"b"}}}}`)
	if _, refusal := w.sends(w.user(here, "ann", maySend), here, nil); refusal == nil {
		t.Error("a user may what nobody can read")
	}
	if _, refusal := w.sends("arn:aws:iam::"+here+":root", here, nil); refusal != nil {
		t.Errorf("the root: %v", refusal)
	}
}

// TestAnOperationWithoutAnEntryIsTheRootsAlone: what has no table yet is not open.
func TestAnOperationWithoutAnEntryIsTheRootsAlone(t *testing.T) {
	w := newWorld(t)
	model := *sqsapi.Model
	model.ID = "Some Other Service"
	s := wire.NewService(&model, wire.Operation{Model: sqsapi.Model.Operation("PurgeQueue"), Do: func(context.Context, *wire.Call, any) (any, error) { return nil, nil }})
	if gaps := Gaps(s); len(gaps) != 1 {
		t.Errorf("gaps %v", gaps)
	}
	wrapped, err := w.guard.Wrap([]*wire.Service{s})
	if err != nil {
		t.Fatal(err)
	}
	everything := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	for caller, may := range map[string]bool{w.user(here, "ann", everything): false, "arn:aws:iam::" + here + ":root": true, "": false} {
		_, err := wrapped[0].Operations["PurgeQueue"].Do(t.Context(), &wire.Call{Account: here, CallerARN: caller}, &sqsapi.PurgeQueueInput{})
		if (err == nil) != may {
			t.Errorf("%q: %v", caller, err)
		}
	}
}

// TestTablesFitTheAPIs: each row can be read against the model, whether or not its
// operation is there yet.
func TestTablesFitTheAPIs(t *testing.T) {
	for _, model := range []*shape.Service{apigatewayapi.Model, apigatewayv2api.Model, eventsapi.Model, iamapi.Model, lambdaapi.Model, logsapi.Model, s3api.Model, schedulerapi.Model, secretsmanagerapi.Model,
		cloudformationapi.Model, ecrapi.Model, snsapi.Model, sqsapi.Model, ssmapi.Model, stsapi.Model} {
		rows, err := readTable(model.ID)
		if err != nil || len(rows) == 0 {
			t.Fatalf("%s: %d rows, %v", model.ID, len(rows), err)
		}
		for name := range rows {
			op := model.Operation(name)
			if op == nil && name != everything {
				t.Errorf("%s has no operation %s", model.ID, name)
			}
			if op == nil {
				continue
			}
			if _, err := newPlan(rows, model, op); err != nil {
				t.Errorf("%s: %v", model.ID, err)
			}
		}
	}
}

// FuzzDescribedRoles: the document is whatever a client sends.
func FuzzDescribedRoles(f *testing.F) {
	f.Add(`{"x-amazon-apigateway-integration":{"credentials":"arn:aws:iam::1:role\/r"}}`)
	f.Add("credentials: arn:aws:iam::1:role/r\n")
	f.Fuzz(func(t *testing.T, text string) {
		roles, err := describedRoles(nil, [][]string{{text}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range roles {
			if !isARN(strings.ToLower(r.arn)) {
				t.Errorf("%q names %q", text, r.arn)
			}
		}
	})
}

func TestRolesOfOpenAPIDocuments(t *testing.T) {
	for text, want := range map[string]string{
		`{"credentials" : "arn:aws:iam::1:role/a"}`:          "arn:aws:iam::1:role/a",
		`{"authorizerCredentials":"arn:aws:iam::1:role\/b"}`: "arn:aws:iam::1:role/b",
		"x:\n  credentials: 'arn:aws:iam::1:role/c'\n":       "arn:aws:iam::1:role/c",
		"credentials: arn:aws:iam::1:role/d\n":               "arn:aws:iam::1:role/d",
		`{"allowCredentials": true}`:                         "",
	} {
		roles, _ := describedRoles(nil, [][]string{{text}})
		got := ""
		if len(roles) > 0 {
			got = roles[0].arn
		}
		if got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// BenchmarkInvoke is what a permission costs on the way of a warm call.
func BenchmarkInvoke(b *testing.B) {
	w := newWorld(b)
	wrapped, err := w.guard.Wrap([]*wire.Service{wire.NewService(lambdaapi.Model, lambdaapi.HandleInvoke(
		func(context.Context, *wire.Call, *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			return &lambdaapi.InvocationResponse{}, nil
		}))})
	if err != nil {
		b.Fatal(err)
	}
	ann := w.user(here, "ann", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:*:function:f*"}}`)
	name := "function-1"
	for b.Loop() {
		if _, err := wrapped[0].Operations["Invoke"].Do(b.Context(), &wire.Call{Account: here, Region: region, CallerARN: ann}, &lambdaapi.InvocationRequest{FunctionName: &name}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdmit is what a permission costs, with a queue's policy to read.
func BenchmarkAdmit(b *testing.B) {
	w := newWorld(b)
	w.queue(here, anyone)
	ann := w.user(here, "ann", maySend)
	url := "http://127.0.0.1/" + here + "/q"
	for b.Loop() {
		if _, err := w.send.Do(b.Context(), &wire.Call{Account: here, Region: region, CallerARN: ann}, &sqsapi.SendMessageInput{QueueUrl: &url}); err != nil {
			b.Fatal(err)
		}
	}
}

// The policy of the CDK's bucket of assets refuses what does not come by TLS; so do
// buckets with enforce_ssl. Functions call by a socket of their sandbox.
func TestCallsOfFunctionsAreSecure(t *testing.T) {
	w := newWorld(t)
	w.queue(here, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`)
	url, ann := "http://127.0.0.1/"+here+"/q", w.user(here, "ann", maySend)
	for _, ofFunction := range []bool{false, true} {
		_, err := w.send.Do(w.Context(), &wire.Call{Account: here, Region: region, CallerARN: ann, Function: ofFunction, Request: httptest.NewRequest(http.MethodPost, "/", nil)}, &sqsapi.SendMessageInput{QueueUrl: &url})
		if (err == nil) != ofFunction {
			t.Errorf("of a function: %t, refused by %v", ofFunction, err)
		}
	}
}
