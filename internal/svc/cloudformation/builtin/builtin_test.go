package builtin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/macros"
	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// provider answers requests as the function of a custom resource would.
type provider struct {
	mu      sync.Mutex
	handler http.Handler
	answer  func(request map[string]any) string
	got     []map[string]any
	fails   error
}

func (p *provider) Call(_ context.Context, _ local.Identity, service, action string, input map[string]any) (map[string]any, error) {
	if p.fails != nil {
		return nil, p.fails
	}
	body, _ := input["Payload"].([]byte)
	if service == "sns" {
		body = []byte(input["Message"].(string))
	}
	var request map[string]any
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("%s %s: %w", service, action, err)
	}
	p.mu.Lock()
	p.got = append(p.got, request)
	p.mu.Unlock()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPut, request["ResponseURL"].(string), strings.NewReader(p.answer(request))))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("the answer was taken with the status %d", w.Code)
	}
	return nil, nil
}

const token = "arn:aws:lambda:eu-west-1:111122223333:function:f"

func newCustom(t *testing.T) (stack.Type, *provider) {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	boxes, err := mailbox.New(s, bytes.Repeat([]byte{1}, 32), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{handler: Handler(boxes)}
	return Types(p, boxes, macros.New(s), "http://169.254.100.1:4566")[plan.CustomType], p
}

// answering makes an answer with what it must have.
func answering(more string) func(request map[string]any) string {
	return func(r map[string]any) string {
		return fmt.Sprintf(`{"StackId":%q,"RequestId":%q,"LogicalResourceId":%q,%s}`, r["StackId"], r["RequestId"], r["LogicalResourceId"], more)
	}
}

func request4(properties map[string]any) *stack.Request {
	return &stack.Request{Account: "111122223333", Region: "eu-west-1", StackID: "arn:aws:cloudformation:eu-west-1:111122223333:stack/s/1", LogicalID: "Thing", Type: "Custom::Thing", Token: "00000000-0000-4000-8000-000000000000",
		Name: "s-Thing-ABC", Properties: properties}
}

// The document: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
func TestACustomResourceIsAskedAndAnswers(t *testing.T) {
	custom, p := newCustom(t)
	p.answer = answering(`"Status":"SUCCESS","PhysicalResourceId":"id","Data":{"Word":"hi"},"NoEcho":true`)
	r := request4(map[string]any{"ServiceToken": token, "Count": json.Number("3"), "On": true, "Deep": []any{map[string]any{"N": json.Number("1.5")}}})
	result, err := custom.Create(t.Context(), r)
	if err != nil || result.PhysicalID != "id" || result.Attributes["Word"] != "hi" || !result.Hidden {
		t.Fatalf("%+v, %v", result, err)
	}
	url, _ := p.got[0]["ResponseURL"].(string)
	delete(p.got[0], "ResponseURL")
	want := map[string]any{"RequestType": "Create", "ServiceToken": token, "StackId": r.StackID, "RequestId": r.Token, "LogicalResourceId": "Thing", "ResourceType": "Custom::Thing",
		"ResourceProperties": map[string]any{"ServiceToken": token, "Count": "3", "On": "true", "Deep": []any{map[string]any{"N": "1.5"}}}}
	if diff := cmp.Diff(want, p.got[0]); diff != "" || !strings.HasPrefix(url, "http://169.254.100.1:4566"+ResponsePath) {
		t.Errorf("%s; %s", diff, url)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPut, url, strings.NewReader("{}")))
	if w.Code != http.StatusForbidden {
		t.Errorf("the address took a second answer: %d", w.Code)
	}
}

// Texts: as recorded from AWS.
func TestAnswersThatAreNone(t *testing.T) {
	for more, want := range map[string]string{
		`"Status":"FAILED","Reason":"no","PhysicalResourceId":"id"`: "Received response status [FAILED] from custom resource. Message returned: no (RequestId: 00000000-0000-4000-8000-000000000000)",
		`"Status":"SUCCESS"`: "Invalid PhysicalResourceId",
		`"Status":"SUCCESS","PhysicalResourceId":"id","Data":{"x":"` + strings.Repeat("x", maxResponseBytes) + `"}`: "Response object is too long.",
	} {
		custom, p := newCustom(t)
		p.answer = answering(more)
		result, err := custom.Create(t.Context(), request4(map[string]any{"ServiceToken": token}))
		if err == nil || !strings.Contains(err.Error(), want) || result.PhysicalID == "" {
			t.Errorf("%.60s: %+v, %v", more, result, err)
		}
	}
	custom, p := newCustom(t)
	p.answer = func(map[string]any) string {
		return `{"Status":"SUCCESS","PhysicalResourceId":"id","StackId":"another"}`
	}
	if _, err := custom.Create(t.Context(), request4(map[string]any{"ServiceToken": token})); err == nil || !strings.Contains(err.Error(), "Invalid StackId") {
		t.Errorf("the answer of another stack: %v", err)
	}
	p.fails = fmt.Errorf("no such function")
	if result, err := unsent(custom); err == nil || result != nil {
		t.Errorf("a request that nobody got: %+v, %v", result, err)
	}
}

// unsent makes a resource with a token of its own.
func unsent(custom stack.Type) (*stack.Result, error) {
	r := request4(map[string]any{"ServiceToken": token})
	r.Token = "11111111-0000-4000-8000-000000000000"
	return custom.Create(context.Background(), r)
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"Status":"SUCCESS","PhysicalResourceId":"a","StackId":"s","RequestId":"r","LogicalResourceId":"l","Data":{"A":[1,{}]},"UniqueId":"1"}`))
	f.Fuzz(func(t *testing.T, letter []byte) {
		if answer, err := readAnswer(letter, &stack.Request{StackID: "s", Token: "r", LogicalID: "l"}); err == nil && (answer.PhysicalResourceID == "" || answer.Status != "SUCCESS") {
			t.Errorf("%q was taken", letter)
		}
		_ = letterID(letter)
		if count, timeout, err := readSignals(map[string]any{"ResourceSignal": map[string]any{"Count": string(letter), "Timeout": string(letter)}}); err == nil && (count < 1 || timeout < 0 || timeout > maxWait) {
			t.Errorf("%q was taken", letter)
		}
		if s, ok := readSignal(letter); ok && s.Status != "SUCCESS" && s.Status != "FAILURE" {
			t.Errorf("%q was taken", letter)
		}
	})
}
