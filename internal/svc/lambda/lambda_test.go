package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/restjson"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

var update = flag.Bool("update", false, "write the golden replies anew")

const (
	account   = "000000000000"
	region    = "us-east-1"
	requestID = "8f3a1b2c-0000-4000-8000-000000000001"
	endpoint  = "http://127.0.0.1:4566"
	patience  = 60 * time.Second
)

// runner is an invoker that answers what the test says.
type runner struct {
	response *invoke.Response
	err      error
	got      *invoke.Request
	status   invoke.ProvisionedStatus
}

func (r *runner) Invoke(_ context.Context, request *invoke.Request) (*invoke.Response, error) {
	r.got = request
	return r.response, r.err
}

func (r *runner) ProvisionedStatus(p *function.Provisioned) invoke.ProvisionedStatus {
	if r.status.Status == "" {
		return invoke.ProvisionedStatus{Status: invoke.ProvisionInProgress}
	}
	return r.status
}

// keeper is a queue that keeps the events that it is given; the settings are real.
type keeper struct {
	*async.Queue
	got []*async.Event
	err error
}

// queues is a target that takes everything.
type queues struct{}

func (queues) Deliver(context.Context, *delivery.Message) error { return nil }

func (k *keeper) Put(_ context.Context, e *async.Event) error {
	k.got = append(k.got, e)
	return k.err
}

// bench is a service over a real registry and store.
type bench struct {
	lambda  *Lambda
	service *wire.Service
	runner  *runner
	queue   *keeper
	queues  *queue.Queues
}

func newBench(t testing.TB) *bench {
	t.Helper()
	folder := t.TempDir()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(folder, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	if err := os.Mkdir(filepath.Join(folder, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(folder, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "trees"), 0o755); err != nil {
		t.Fatal(err)
	}
	registry, err := function.NewRegistry(function.Config{Store: state, Blobs: blobs, Folder: filepath.Join(folder, "trees")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- registry.Run(ctx) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the registry ended with %v", err)
		}
	})
	b := &bench{runner: &runner{response: &invoke.Response{Payload: []byte("null")}}, queue: &keeper{}}
	outbox, err := delivery.New(delivery.Config{Store: state, Targets: map[string]delivery.Target{"sqs": queues{}, "lambda": queues{}}})
	if err != nil {
		t.Fatal(err)
	}
	if b.queue.Queue, err = async.New(async.Config{Store: state, Resolver: registry, Invoker: b.runner, Outbox: outbox}); err != nil {
		t.Fatal(err)
	}
	if b.queues, err = queue.New(queue.Config{Store: state}); err != nil {
		t.Fatal(err)
	}
	// Nothing runs the mappings: they stay in the state in which a change leaves them.
	mappings, err := mapping.New(mapping.Config{Store: state, Queues: b.queues, Functions: registry, Invoker: b.runner})
	if err != nil {
		t.Fatal(err)
	}
	b.lambda, err = New(Config{Registry: registry, Invoker: b.runner, Blobs: blobs, Mappings: mappings, URLs: functionurl.New(functionurl.Config{Store: state}), Queue: b.queue,
		URLAddress: func(endpoint, _, region string) string { return endpoint + "/" + region + "/ID/" },
		Secret:     bytes.Repeat([]byte("s"), minSecretBytes)})
	if err != nil {
		t.Fatal(err)
	}
	b.service = b.lambda.Service()
	return b
}

// do sends one request through the codec and the operation, as the gateway does.
func (b *bench) do(t testing.TB, operation, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	op, ok := b.service.Operations[operation]
	if !ok {
		t.Fatalf("no operation %s", operation)
	}
	request := httptest.NewRequest(op.Model.Method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	call := &wire.Call{RequestID: requestID, Account: account, Region: region, Endpoint: endpoint, Request: request, Header: http.Header{}}
	x := &wire.Exchange{Service: b.service.Model, Operation: op.Model, Call: call, Body: []byte(body)}
	w := httptest.NewRecorder()
	in, err := restjson.Codec{}.Decode(x)
	if err == nil {
		err = shape.Validate(x.Service, op.Model.Input, in)
	}
	var out any
	if err == nil {
		out, err = op.Do(t.Context(), call, in)
	}
	if err != nil {
		f := fault.From(err)
		if f == nil {
			t.Fatalf("%s %s: %v", operation, path, err)
		}
		restjson.Codec{}.EncodeFault(w, x, f)
		return w
	}
	if err := (restjson.Codec{}).Encode(w, x, out); err != nil {
		t.Fatal(err)
	}
	return w
}

// wait waits until the function is active and updated.
func (b *bench) wait(t testing.TB, name string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		body := b.do(t, "GetFunctionConfiguration", "/2015-03-31/functions/"+name+"/configuration", "").Body.String()
		switch {
		case strings.Contains(body, `"State":"Active"`) && !strings.Contains(body, `"LastUpdateStatus":"InProgress"`):
			return
		case strings.Contains(body, `"State":"Failed"`) || time.Now().After(deadline):
			t.Fatalf("%s does not become active: %s", name, body)
		}
	}
}

// archive is a small package; its bytes are always the same.
func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unknown is what differs from run to run, and what stands for it.
var unknown = []struct {
	pattern *regexp.Regexp
	mark    string
}{
	{regexp.MustCompile(`"(LastModified|CreatedDate)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000"`), `"$1":"TIME"`},
	{regexp.MustCompile(`"(CreationTime|LastModifiedTime)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`), `"$1":"TIME"`},
	{regexp.MustCompile(`"RevisionId":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`), `"RevisionId":"UUID"`},
	{regexp.MustCompile(`"LastModified":\d+(\.\d+)?`), `"LastModified":TIME`},
	{regexp.MustCompile(`("UUID":"|with UUID |:event-source-mapping:)[0-9a-f]{8}-[0-9a-f-]{27}`), "${1}UUID"},
	{regexp.MustCompile(`\?Expires=\d+&Signature=[0-9a-f]{64}`), "?Expires=TIME&Signature=HMAC"},
	{regexp.MustCompile(`"Architectures":\["(x86_64|arm64)"\]`), `"Architectures":["HOST"]`},
}

// text is a reply as the golden files hold it.
func text(w *httptest.ResponseRecorder) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d\n", w.Code)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		if name != "Content-Length" {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(w.Header()[name], ", "))
		}
	}
	body := w.Body.String()
	if w.Header().Get("Content-Type") == "application/vnd.amazon.eventstream" {
		body = fmt.Sprintf("%q", body)
	}
	for _, u := range unknown {
		body = u.pattern.ReplaceAllString(body, u.mark)
	}
	out.WriteString("\n" + body + "\n")
	return out.String()
}

// checkGolden compares a transcript with testdata/golden/NAME.txt.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

func TestEveryOperationIsOfTheModel(t *testing.T) {
	for name, op := range (&Lambda{}).Service().Operations {
		if lambdaapi.Model.Operation(name) != op.Model {
			t.Errorf("%s is not the model's", name)
		}
	}
}
