package lambda

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// step is one request of a transcript.
type step struct {
	operation, path, body string
	header                []string
	wait                  string // function to wait for before the next step
}

const (
	functions = "/2015-03-31/functions"
	layers    = "/2018-10-31/layers"
	roleARN   = "arn:aws:iam::000000000000:role/test"
	fooARN    = "arn:aws:lambda:us-east-1:000000000000:function:foo"
)

func zipped(t *testing.T, text string) string {
	return base64.StdEncoding.EncodeToString(archive(t, map[string]string{"app.py": text}))
}

// create is a CreateFunction body; more are further members, as JSON.
func create(t *testing.T, name, more string) string {
	return fmt.Sprintf(`{"FunctionName":%q,"Runtime":"python3.14","Handler":"app.handler","Role":%q,"Code":{"ZipFile":%q}%s}`, name, roleARN, zipped(t, "one"), more)
}

// transcripts are the requests of the golden files, by name of the file.
func transcripts(t *testing.T) map[string][]step {
	return map[string][]step{
		"functions":   functionsSteps(t),
		"versions":    versionsSteps(t),
		"layers":      layersSteps(t),
		"permissions": permissionsSteps(t),
		"invoke":      invokeSteps(t),
		"provisioned": provisionedSteps(t),
		"mappings":    mappingsSteps(t),
		"eventinvoke": eventInvokeSteps(t),
		"urls":        urlSteps(t),
	}
}

func functionsSteps(t *testing.T) []step {
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "CreateFunction", path: functions, body: create(t, "foo", "")},
		{operation: "GetFunction", path: functions + "/foo"},
		{operation: "GetFunction", path: functions + "/foo?Qualifier=%24LATEST"},
		{operation: "GetFunctionConfiguration", path: functions + "/" + url.PathEscape(fooARN) + "/configuration"},
		{operation: "CreateFunction", path: functions, wait: "full", body: create(t, "full", `,"Description":"all","Timeout":900,"MemorySize":10240,`+
			`"Environment":{"Variables":{"BB":"","AA":"1"}},"EphemeralStorage":{"Size":1024},"Tags":{"a":"1"},"TracingConfig":{"Mode":"Active"},`+
			`"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"LoggingConfig":{"LogFormat":"JSON","LogGroup":"/own"},"Publish":true`)},
		{operation: "GetFunction", path: functions + "/full"},
		{operation: "ListFunctions", path: functions + "?MaxItems=1"},
		{operation: "ListFunctions", path: functions + "?FunctionVersion=ALL"},
		{operation: "ListFunctions", path: functions + "?MasterRegion=eu-west-1"},
		{operation: "UpdateFunctionCode", path: functions + "/foo/code", body: fmt.Sprintf(`{"ZipFile":%q}`, zipped(t, "two")), wait: "foo"},
		{operation: "UpdateFunctionCode", path: functions + "/foo/code", body: `{}`},
		{operation: "UpdateFunctionConfiguration", path: functions + "/foo/configuration", body: `{"Timeout":7,"Environment":{}}`, wait: "foo"},
		{operation: "UpdateFunctionConfiguration", path: functions + "/foo/configuration", body: `{"RevisionId":"stale"}`},
		{operation: "GetFunctionConfiguration", path: functions + "/foo/configuration"},
		{operation: "GetAccountSettings", path: "/2016-08-19/account-settings"},
		{operation: "DeleteFunction", path: functions + "/full"},
		{operation: "GetFunction", path: functions + "/full"},
		{operation: "GetFunction", path: functions + "/111122223333:function:foo"},
		{operation: "CreateFunction", path: functions, body: create(t, "bar", `,"MemorySize":64,"Timeout":0`)},
	}
}

func versionsSteps(t *testing.T) []step {
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "PublishVersion", path: functions + "/foo/versions", body: `{"Description":"first"}`},
		{operation: "PublishVersion", path: functions + "/foo/versions", body: `{}`},
		{operation: "ListVersionsByFunction", path: functions + "/foo/versions"},
		{operation: "CreateAlias", path: functions + "/foo/aliases", body: `{"Name":"live","FunctionVersion":"1"}`},
		{operation: "CreateAlias", path: functions + "/foo/aliases", body: `{"Name":"live","FunctionVersion":"1"}`},
		{operation: "UpdateFunctionCode", path: functions + "/foo/code", body: fmt.Sprintf(`{"ZipFile":%q,"Publish":true}`, zipped(t, "two")), wait: "foo"},
		{operation: "UpdateAlias", path: functions + "/foo/aliases/live", body: `{"Description":"x","RoutingConfig":{"AdditionalVersionWeights":{"2":0.25}}}`},
		{operation: "GetAlias", path: functions + "/foo/aliases/live"},
		{operation: "ListAliases", path: functions + "/foo/aliases"},
		{operation: "GetFunctionConfiguration", path: functions + "/foo/configuration?Qualifier=live"},
		{operation: "DeleteAlias", path: functions + "/foo/aliases/live"},
		{operation: "GetAlias", path: functions + "/foo/aliases/live"},
	}
}

func layersSteps(t *testing.T) []step {
	layer := fmt.Sprintf(`{"Content":{"ZipFile":%q}`, zipped(t, "layer"))
	return []step{
		{operation: "PublishLayerVersion", path: layers + "/tools/versions", body: layer + `}`},
		{operation: "PublishLayerVersion", path: layers + "/tools/versions", body: layer + `,"Description":"d","LicenseInfo":"MIT","CompatibleRuntimes":["python3.14"],"CompatibleArchitectures":["arm64"]}`},
		{operation: "PublishLayerVersion", path: layers + "/tools/versions", body: `{"Content":{}}`},
		{operation: "GetLayerVersion", path: layers + "/tools/versions/1"},
		{operation: "GetLayerVersionByArn", path: layers + "?find=LayerVersion&Arn=arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Alayer%3Atools%3A2"},
		{operation: "GetLayerVersion", path: layers + "/tools/versions/9"},
		{operation: "ListLayers", path: layers},
		{operation: "ListLayerVersions", path: layers + "/tools/versions?MaxItems=1"},
		{operation: "AddLayerVersionPermission", path: layers + "/tools/versions/1/policy", body: `{"StatementId":"s","Action":"lambda:GetLayerVersion","Principal":"*"}`},
		{operation: "GetLayerVersionPolicy", path: layers + "/tools/versions/1/policy"},
		{operation: "RemoveLayerVersionPermission", path: layers + "/tools/versions/1/policy/s"},
		{operation: "GetLayerVersionPolicy", path: layers + "/tools/versions/1/policy"},
		{operation: "DeleteLayerVersion", path: layers + "/tools/versions/1"},
	}
}

func permissionsSteps(t *testing.T) []step {
	escaped := "/2017-03-31/tags/" + url.PathEscape(fooARN)
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "AddPermission", path: functions + "/foo/policy", body: `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","SourceArn":"arn:aws:s3:::b"}`},
		{operation: "GetPolicy", path: functions + "/foo/policy"},
		{operation: "RemovePermission", path: functions + "/foo/policy/s"},
		{operation: "GetPolicy", path: functions + "/foo/policy"},
		{operation: "ListTags", path: escaped},
		{operation: "TagResource", path: escaped, body: `{"Tags":{"a":"1","b":"2"}}`},
		{operation: "UntagResource", path: escaped + "?tagKeys=a"},
		{operation: "ListTags", path: escaped},
		{operation: "GetFunctionConcurrency", path: "/2019-09-30/functions/foo/concurrency"},
		{operation: "PutFunctionConcurrency", path: "/2017-10-31/functions/foo/concurrency", body: `{"ReservedConcurrentExecutions":5}`},
		{operation: "GetFunctionConcurrency", path: "/2019-09-30/functions/foo/concurrency"},
		{operation: "PutFunctionConcurrency", path: "/2017-10-31/functions/foo/concurrency", body: `{"ReservedConcurrentExecutions":901}`},
		{operation: "DeleteFunctionConcurrency", path: "/2017-10-31/functions/foo/concurrency"},
		{operation: "GetRuntimeManagementConfig", path: "/2021-07-20/functions/foo/runtime-management-config"},
		{operation: "PutRuntimeManagementConfig", path: "/2021-07-20/functions/foo/runtime-management-config", body: `{"UpdateRuntimeOn":"FunctionUpdate"}`},
		{operation: "PutRuntimeManagementConfig", path: "/2021-07-20/functions/foo/runtime-management-config", body: `{"UpdateRuntimeOn":"Manual","RuntimeVersionArn":"arn:aws:lambda:us-east-1::runtime:x"}`},
		{operation: "GetFunctionRecursionConfig", path: "/2024-08-31/functions/foo/recursion-config"},
		{operation: "PutFunctionRecursionConfig", path: "/2024-08-31/functions/foo/recursion-config", body: `{"RecursiveLoop":"Allow"}`},
		{operation: "GetFunctionCodeSigningConfig", path: "/2020-06-30/functions/foo/code-signing-config"},
	}
}

func provisionedSteps(t *testing.T) []step {
	const config = "/2019-09-30/functions/foo/provisioned-concurrency"
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "PublishVersion", path: functions + "/foo/versions", body: `{}`},
		{operation: "GetProvisionedConcurrencyConfig", path: config + "?Qualifier=1"},
		{operation: "PutProvisionedConcurrencyConfig", path: config + "?Qualifier=1", body: `{"ProvisionedConcurrentExecutions":2}`},
		{operation: "GetProvisionedConcurrencyConfig", path: config + "?Qualifier=1"},
		{operation: "ListProvisionedConcurrencyConfigs", path: config + "?List=ALL"},
		{operation: "PutProvisionedConcurrencyConfig", path: config + "?Qualifier=1", body: `{"ProvisionedConcurrentExecutions":0}`},
		{operation: "PutProvisionedConcurrencyConfig", path: config + "?Qualifier=%24LATEST", body: `{"ProvisionedConcurrentExecutions":1}`},
		{operation: "PutFunctionConcurrency", path: "/2017-10-31/functions/foo/concurrency", body: `{"ReservedConcurrentExecutions":1}`},
		{operation: "DeleteProvisionedConcurrencyConfig", path: config + "?Qualifier=1"},
		{operation: "ListProvisionedConcurrencyConfigs", path: config + "?List=ALL"},
	}
}

func invokeSteps(t *testing.T) []step {
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "Invoke", path: functions + "/foo/invocations", body: `{"a":1}`},
		{operation: "Invoke", path: functions + "/foo/invocations", header: []string{"X-Amz-Log-Type", "Tail"}},
		{operation: "Invoke", path: functions + "/foo/invocations", header: []string{"X-Amz-Invocation-Type", "DryRun"}},
		{operation: "Invoke", path: functions + "/foo/invocations", header: []string{"X-Amz-Invocation-Type", "Event"}},
		{operation: "Invoke", path: functions + "/foo/invocations", body: "{nope"},
		{operation: "Invoke", path: functions + "/foo/invocations", header: []string{"X-Amz-Client-Context", "!"}},
		{operation: "Invoke", path: functions + "/foo/invocations?Qualifier=7"},
		{operation: "Invoke", path: functions + "/nobody/invocations"},
		{operation: "InvokeAsync", path: "/2014-11-13/functions/foo/invoke-async", body: "{}"},
		{operation: "InvokeWithResponseStream", path: "/2021-11-15/functions/foo/response-streaming-invocations", body: "{}",
			header: []string{"X-Amz-Log-Type", "Tail", "X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"}},
	}
}

func mappingsSteps(t *testing.T) []step {
	body := func(more string) string {
		return `{"FunctionName":"foo","EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:q"` + more + `}`
	}
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", ""), wait: "foo"},
		{operation: "CreateEventSourceMapping", path: mappings, body: body(`,"BatchSize":100`)},
		{operation: "CreateEventSourceMapping", path: mappings, body: body(`,"BatchSize":0`)},
		{operation: "CreateEventSourceMapping", path: mappings, body: body(`,"ScalingConfig":{"MaximumConcurrency":1}`)},
		{operation: "CreateEventSourceMapping", path: mappings, body: `{"FunctionName":"foo"}`},
		{operation: "CreateEventSourceMapping", path: mappings, body: `{"FunctionName":"nobody","EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:q"}`},
		{operation: "CreateEventSourceMapping", path: mappings, body: `{"FunctionName":"foo","EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:none"}`},
		{operation: "CreateEventSourceMapping", path: mappings, body: `{"FunctionName":"foo","EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:q.fifo","MaximumBatchingWindowInSeconds":1}`},
		{operation: "CreateEventSourceMapping", path: mappings, body: body(`,"BatchSize":100,"MaximumBatchingWindowInSeconds":5,"ScalingConfig":{"MaximumConcurrency":2},` +
			`"FunctionResponseTypes":["ReportBatchItemFailures"],"FilterCriteria":{"Filters":[{"Pattern":"{\"body\":[\"x\"]}"}]},"Tags":{"a":"1"}`)},
		{operation: "CreateEventSourceMapping", path: mappings, body: body("")},
		{operation: "GetEventSourceMapping", path: mappings + "/{UUID}"},
		{operation: "ListEventSourceMappings", path: mappings + "?FunctionName=foo&MaxItems=1"},
		{operation: "ListEventSourceMappings", path: mappings + "?FunctionName=foo:1"},
		{operation: "UpdateEventSourceMapping", path: mappings + "/{UUID}", body: `{"BatchSize":1}`},
		{operation: "DeleteEventSourceMapping", path: mappings + "/{UUID}"},
		{operation: "GetEventSourceMapping", path: mappings + "/00000000-0000-4000-8000-000000000000"},
		{operation: "GetEventSourceMapping", path: mappings + "/x"},
	}
}

func urlSteps(t *testing.T) []step {
	const urls = "/2021-10-31/functions"
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", `,"Publish":true`), wait: "foo"},
		{operation: "CreateAlias", path: functions + "/foo/aliases", body: `{"Name":"live","FunctionVersion":"1"}`},
		{operation: "GetFunctionUrlConfig", path: urls + "/foo/url"},
		{operation: "CreateFunctionUrlConfig", path: urls + "/none/url", body: `{"AuthType":"NONE"}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url?Qualifier=1", body: `{"AuthType":"NONE"}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url?Qualifier=%24LATEST", body: `{"AuthType":"NONE"}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url", body: `{"AuthType":"ANY"}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url", body: `{"AuthType":"NONE","Cors":{"AllowOrigins":["*"],"MaxAge":0}}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url", body: `{"AuthType":"NONE"}`},
		{operation: "CreateFunctionUrlConfig", path: urls + "/foo/url?Qualifier=live", body: `{"AuthType":"AWS_IAM","InvokeMode":"RESPONSE_STREAM"}`},
		{operation: "UpdateFunctionUrlConfig", path: urls + "/foo/url", body: `{"AuthType":"AWS_IAM"}`},
		{operation: "GetFunctionUrlConfig", path: urls + "/foo/url"},
		{operation: "ListFunctionUrlConfigs", path: urls + "/foo/urls"},
		{operation: "ListFunctionUrlConfigs", path: urls + "/none/urls"},
		{operation: "DeleteFunctionUrlConfig", path: urls + "/foo/url"},
		{operation: "DeleteFunctionUrlConfig", path: urls + "/foo/url"},
		{operation: "UpdateFunctionUrlConfig", path: urls + "/foo/url", body: `{}`},
	}
}

func TestGoldenReplies(t *testing.T) {
	seen := map[string]bool{}
	for name, steps := range transcripts(t) {
		for _, s := range steps {
			seen[s.operation] = true
		}
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.runner.response = &invoke.Response{Payload: []byte(`{"answer": 42}`), LogTail: []byte("END\n"), TraceID: "Root=1-5759e988-bd862e3fe1be46a994272793"}
			b.makeQueue(t, "q")
			b.makeQueue(t, "q.fifo")
			var got strings.Builder
			var uuid string // of the mapping that was made last
			for _, s := range steps {
				w := b.do(t, s.operation, strings.ReplaceAll(s.path, "{UUID}", uuid), s.body, s.header...)
				if s.operation == "CreateEventSourceMapping" && w.Code == http.StatusAccepted {
					uuid = strings.Split(strings.Split(w.Body.String(), `"UUID":"`)[1], `"`)[0]
				}
				fmt.Fprintf(&got, "=== %s %s\n%s\n", s.operation, s.path, text(w))
				if s.wait != "" {
					if w.Code >= 300 {
						t.Fatalf("%s %s: %d %s", s.operation, s.path, w.Code, w.Body)
					}
					b.wait(t, s.wait)
				}
			}
			checkGolden(t, name, got.String())
		})
	}
	for name := range (&Lambda{}).Service().Operations {
		if !seen[name] {
			t.Errorf("no golden reply of %s", name)
		}
	}
}

func TestInvokeHandsTheRequestOn(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", `,"Publish":true`))
	b.wait(t, "foo")
	b.wait(t, "foo:1")
	b.do(t, "CreateAlias", functions+"/foo/aliases", `{"Name":"live","FunctionVersion":"1"}`)
	b.do(t, "PutFunctionConcurrency", "/2017-10-31/functions/foo/concurrency", `{"ReservedConcurrentExecutions":3}`)
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
	context := base64.StdEncoding.EncodeToString([]byte(`{"custom":{}}`))
	w := b.do(t, "Invoke", functions+"/foo/invocations?Qualifier=live", `[1]`, "X-Amz-Client-Context", context, "X-Amzn-Trace-Id", trace, "X-Amz-Log-Type", "Tail")
	if w.Code != http.StatusOK || w.Header().Get("X-Amz-Executed-Version") != "1" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	got := b.runner.got
	if got.Version.Version != "1" || got.InvokedARN != fooARN+":live" || got.RequestID != requestID || got.TraceID != trace ||
		string(got.ClientContext) != `{"custom":{}}` || string(got.Payload) != "[1]" || !got.LogTail || got.Reserved == nil || *got.Reserved != 3 {
		t.Errorf("%+v", got)
	}
	b.do(t, "Invoke", functions+"/foo/invocations", "")
	if string(b.runner.got.Payload) != "{}" || b.runner.got.ClientContext != nil || b.runner.got.LogTail {
		t.Errorf("without anything: %+v", b.runner.got)
	}
}

func TestInvokeErrors(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	call := func(header ...string) (status int, got http.Header, body string) {
		w := b.do(t, "Invoke", functions+"/foo/invocations", "{}", header...)
		return w.Code, w.Header(), w.Body.String()
	}
	b.runner.err = fmt.Errorf("wrapped: %w", &invoke.ThrottledError{Reason: invoke.ConcurrentInvocationLimitExceeded, RetryAfter: 1500 * time.Millisecond})
	status, header, body := call()
	if status != 429 || header.Get("Retry-After") != "2" || header.Get("X-Amzn-Errortype") != "TooManyRequestsException" ||
		!strings.Contains(body, `"message":"Rate Exceeded."`) || !strings.Contains(body, `"Reason":"ConcurrentInvocationLimitExceeded"`) || !strings.Contains(body, `"Type":"User"`) {
		t.Errorf("throttled: %d %v %s", status, header, body)
	}
	b.runner.err = invoke.ErrShuttingDown
	if status, header, _ = call(); status != 500 || header.Get("X-Amzn-Errortype") != "ServiceException" {
		t.Errorf("shutting down: %d %v", status, header)
	}
	b.runner.err = nil
	b.runner.response = &invoke.Response{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: "Unhandled"}
	if status, header, body = call(); status != 200 || header.Get("X-Amz-Function-Error") != "Unhandled" || body != `{"errorMessage":"x"}` {
		t.Errorf("function error: %d %v %s", status, header, body)
	}
}

func TestAnErrorOfTheMachineIsNotTranslated(t *testing.T) {
	if err := errors.New("disk"); translate(err) != err || translate(nil) != nil {
		t.Error("changed")
	}
}

func TestAnAsynchronousCallIsQueuedOrRefused(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	call := func() *httptest.ResponseRecorder {
		return b.do(t, "Invoke", functions+"/foo:$LATEST/invocations", "[1]", "X-Amz-Invocation-Type", "Event", "X-Amzn-Trace-Id", "Root=1")
	}
	if w := call(); w.Code != 202 || w.Body.Len() != 0 || w.Header().Get("X-Amz-Executed-Version") != "" || b.runner.got != nil || len(b.queue.got) != 1 {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	e := b.queue.got[0]
	if e.Name != "foo" || e.Qualifier != "$LATEST" || e.RequestID != requestID || e.TraceID != "Root=1" || string(e.Payload) != "[1]" {
		t.Errorf("%+v", e)
	}
	b.queue.err = async.ErrFull
	if w := call(); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("full: %d %v %s", w.Code, w.Header(), w.Body)
	}
	b.lambda.queue = nil
	if w := call(); w.Code != 400 || !strings.Contains(w.Body.String(), "InvocationType Event is not supported") {
		t.Errorf("no queue: %d %s", w.Code, w.Body)
	}
}

// invokeAllocations bounds what the service adds to a call: the request and
// the reply for the core, and the headers.
const invokeAllocations = 12

func TestInvokeAllocatesLittle(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	name, payload := "foo", []byte(`{"a": 1}`)
	b.runner.response.TraceID = "Root=1-5759e988-bd862e3fe1be46a994272793"
	in := &lambdaapi.InvokeInput{FunctionName: &name, Payload: payload}
	request, err := newRequest("POST")
	if err != nil {
		t.Fatal(err)
	}
	call := &wire.Call{RequestID: requestID, Account: account, Region: region, Request: request, Header: http.Header{}}
	got := testing.AllocsPerRun(100, func() {
		if _, err := b.lambda.invoke(t.Context(), call, in); err != nil {
			t.Fatal(err)
		}
	})
	if got > invokeAllocations {
		t.Errorf("%v allocations a call, want at most %d", got, invokeAllocations)
	}
	if &b.runner.got.Payload[0] != &payload[0] {
		t.Error("the payload was copied")
	}
	t.Logf("%v allocations a call", got)
}
