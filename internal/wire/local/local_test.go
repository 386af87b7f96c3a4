package local

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/api/schedulerapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

var nobody = Identity{Account: "111122223333", Region: "eu-west-1", CallerARN: "arn:aws:iam::111122223333:root"}

func TestCallReachesTheOperationAsAClientDoes(t *testing.T) {
	var call wire.Call
	var in lambdaapi.CreateFunctionRequest
	caller := New([]*wire.Service{wire.NewService(lambdaapi.Model, lambdaapi.HandleCreateFunction(
		func(_ context.Context, c *wire.Call, i *lambdaapi.CreateFunctionRequest) (*lambdaapi.FunctionConfiguration, error) {
			call, in = *c, *i
			return &lambdaapi.FunctionConfiguration{FunctionName: i.FunctionName, Timeout: i.Timeout, Environment: &lambdaapi.EnvironmentResponse{Variables: i.Environment.Variables},
				Layers: []lambdaapi.Layer{{Arn: i.FunctionName}}}, nil
		}))})
	who := nobody
	who.Function = true // what functions may not have called stays so on the way
	out, err := caller.Call(t.Context(), who, "lambda", "createFunction", map[string]any{
		"functionName": "f", "Role": "arn:aws:iam::111122223333:role/r", "Timeout": "7", "MemorySize": json.Number("256"), "Publish": "true",
		"Code": map[string]any{"ZipFile": []byte{1, 2}}, "Environment": map[string]any{"Variables": map[string]any{"NN": json.Number("1.50"), "BB": true}},
		"Architectures": []any{"arm64"}, "Description": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"FunctionName": "f", "Timeout": json.Number("7"), "Layers": []any{map[string]any{"Arn": "f"}},
		"Environment": map[string]any{"Variables": map[string]any{"NN": "1.50", "BB": "true"}}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if *in.MemorySize != 256 || !*in.Publish || string(in.Code.ZipFile) != "\x01\x02" || in.Description != nil || in.Architectures[0] != "arm64" {
		t.Errorf("the operation got %+v", in)
	}
	if call.Account != nobody.Account || call.Region != nobody.Region || call.CallerARN != nobody.CallerARN || call.RequestID == "" || !call.Function || call.Request.TLS == nil {
		t.Errorf("the call was made as %+v", call)
	}
}

func TestCallSaysWhatDoesNotFit(t *testing.T) {
	caller := New([]*wire.Service{wire.NewService(lambdaapi.Model, lambdaapi.HandleDeleteFunction(
		func(context.Context, *wire.Call, *lambdaapi.DeleteFunctionRequest) (*lambdaapi.DeleteFunctionResponse, error) {
			t.Error("the operation was called")
			return nil, nil
		}))})
	for _, c := range []struct {
		service, action string
		input           map[string]any
		want            string
	}{
		{"dynamodb", "PutItem", nil, "this platform does not have the service dynamodb"},
		{"lambda", "PutItem", nil, "the service lambda has no operation PutItem"},
		{"lambda", "", nil, "no operation of the service lambda is named"},
		{"lambda", "DeleteFunction", map[string]any{"Name": "f"}, "ValidationException: DeleteFunctionRequest has no member Name"},
		{"lambda", "DeleteFunction", map[string]any{"FunctionName": []any{"f"}}, "ValidationException: FunctionName must be a plain value, not [f]"},
		{"lambda", "DeleteFunction", map[string]any{}, "ValidationException: 1 validation error detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null"},
	} {
		if _, err := caller.Call(t.Context(), nobody, c.service, c.action, c.input); err == nil || err.Error() != c.want {
			t.Errorf("%s.%s(%v): %v, want %s", c.service, c.action, c.input, err, c.want)
		}
	}
}

func TestStreamsAndTimesAndDeepInputs(t *testing.T) {
	var body string
	var start time.Time
	caller := New([]*wire.Service{
		wire.NewService(s3api.Model, s3api.HandlePutObject(func(_ context.Context, call *wire.Call, _ *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
			all, err := io.ReadAll(call.Request.Body)
			body = string(all)
			if h := call.Request.Header; call.Request.ContentLength != int64(len(body)) || h.Get("Content-Type") != "text/plain" || h.Get("X-Amz-Meta-Owner") != "me" {
				t.Errorf("the request has %d bytes and %v", call.Request.ContentLength, h)
			}
			return &s3api.PutObjectOutput{}, err
		})),
		wire.NewService(schedulerapi.Model, schedulerapi.HandleCreateSchedule(func(_ context.Context, _ *wire.Call, in *schedulerapi.CreateScheduleInput) (*schedulerapi.CreateScheduleOutput, error) {
			start = *in.StartDate
			return &schedulerapi.CreateScheduleOutput{}, nil
		})),
	})
	if _, err := caller.Call(t.Context(), nobody, "s3", "PutObject", map[string]any{"Bucket": "b", "Key": "k", "Body": "text", "ContentType": "text/plain", "Metadata": map[string]any{"owner": "me"}}); err != nil || body != "text" {
		t.Errorf("body %q, %v", body, err)
	}
	schedule := map[string]any{"Name": "s", "ScheduleExpression": "rate(1 day)", "StartDate": "2026-01-02T03:04:05Z", "FlexibleTimeWindow": map[string]any{"Mode": "OFF"},
		"Target": map[string]any{"Arn": "a", "RoleArn": "arn:aws:iam::111122223333:role/r"}}
	if _, err := caller.Call(t.Context(), nobody, "scheduler", "CreateSchedule", schedule); err != nil || !start.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("start %v, %v", start, err)
	}
	deep := any("x")
	for range 2 * maxDepth {
		deep = []any{deep}
	}
	_, err := caller.Call(t.Context(), nobody, "scheduler", "CreateSchedule", map[string]any{"Target": map[string]any{"EcsParameters": map[string]any{"PlacementStrategy": deep}}})
	if fault.From(err) == nil || !strings.Contains(err.Error(), "must be") {
		t.Errorf("a deep input: %v", err)
	}
}

// FuzzCall feeds an operation with deep and recursive members whatever a template
// may hold: never a crash, and what was taken fits the model.
func FuzzCall(f *testing.F) {
	caller := New([]*wire.Service{wire.NewService(schedulerapi.Model, schedulerapi.HandleCreateSchedule(
		func(context.Context, *wire.Call, *schedulerapi.CreateScheduleInput) (*schedulerapi.CreateScheduleOutput, error) {
			return &schedulerapi.CreateScheduleOutput{}, nil
		}))})
	f.Add([]byte(`{"Name":"s","Target":{"Arn":"a","RetryPolicy":{"MaximumRetryAttempts":"3"}},"StartDate":1e9}`))
	f.Add([]byte(`{"name":null,"Target":[{}],"EndDate":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var input map[string]any
		if json.Unmarshal(text, &input) != nil {
			return
		}
		if _, err := caller.Call(t.Context(), nobody, "scheduler", "CreateSchedule", input); err != nil && fault.From(err) == nil {
			t.Errorf("an error that is no fault: %v", err)
		}
	})
}
