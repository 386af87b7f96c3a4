package libraries

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/modelgen/apimodel"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// suite is an element of a vector file: a model and what it must do.
type suite struct {
	Description string                    `json:"description"`
	Metadata    apimodel.Metadata         `json:"metadata"`
	Shapes      map[string]apimodel.Shape `json:"shapes"`
	Cases       []vector                  `json:"cases"`
}

// vector is one case, of an input or an output file.
type vector struct {
	ID         string             `json:"id"`
	Given      apimodel.Operation `json:"given"`
	Params     map[string]any     `json:"params"`
	Serialized struct {
		URI     string            `json:"uri"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"serialized"`

	Result    map[string]any `json:"result"`
	Error     map[string]any `json:"error"`
	ErrorCode string         `json:"errorCode"`
	Response  struct {
		Status  int               `json:"status_code"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"response"`
}

const vectors = "tests/unit/protocols/"

// fileProtocol is the protocol that a vector file speaks.
func fileProtocol(name string) shape.Protocol {
	for _, p := range []shape.Protocol{shape.RestJSON, shape.RestXML, shape.JSON, shape.Query, shape.CBOR, shape.EC2} {
		if strings.HasPrefix(name, string(p)) {
			return p
		}
	}
	return ""
}

// TestBotocoreVectors: requests as botocore writes them are read as what they
// mean, and replies are what botocore expects.
func TestBotocoreVectors(t *testing.T) {
	files, err := botocoreFiles(t, func(path string) bool {
		return strings.HasSuffix(path, ".json") && (strings.HasPrefix(path, vectors+"input/") || strings.HasPrefix(path, vectors+"output/"))
	})
	if err != nil {
		skip(t, "%v", err)
	}
	counts := map[string]*tally{"input": newTally(t, "botocore-input"), "output": newTally(t, "botocore-output")}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		direction, file, ok := strings.Cut(strings.TrimPrefix(path, vectors), "/")
		group := strings.TrimSuffix(file, ".json")
		protocol := fileProtocol(group)
		codec := codecs[protocol]
		if !ok || codec == nil {
			t.Logf("%s: no codec for it", path)
			continue
		}
		var suites []suite
		if err := json.Unmarshal(files[path], &suites); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, s := range suites {
			for i, v := range s.Cases {
				if v.ID == "" {
					v.ID = fmt.Sprintf("%s[%d]", s.Description, i)
				}
				run := input
				if direction == "output" {
					run = output
				}
				counts[direction].note(t, group, v.ID, guarded(run, codec, protocol, s, v))
			}
		}
	}
	counts["input"].done(t)
	counts["output"].done(t)
}

type runner func(wire.Codec, shape.Protocol, suite, vector) string

// guarded makes a panic the problem of its case.
func guarded(run runner, codec wire.Codec, protocol shape.Protocol, s suite, v vector) (problem string) {
	defer func() {
		if p := recover(); p != nil {
			problem = fmt.Sprintf("panic: %v", p)
		}
	}()
	return run(codec, protocol, s, v)
}

// service builds the model of one case.
func service(s suite, v vector) (*shape.Service, *shape.Operation, error) {
	op := v.Given
	model, err := build(&apimodel.Model{Metadata: s.Metadata, Shapes: s.Shapes, Operations: map[string]apimodel.Operation{op.Name: op}})
	if err != nil {
		return nil, nil, err
	}
	out := &model.Operations[0]
	if s.Metadata.Protocol == string(shape.Query) && out.Wrapper == "" {
		out.Wrapper = op.Name + "Result" // models say it, vectors do not
	}
	return model, out, nil
}

// body is the body of a vector: base64 for binary protocols.
func body(protocol shape.Protocol, text string) []byte {
	if protocol != shape.CBOR {
		return []byte(text)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// input decodes the serialized request and compares it with the parameters.
func input(codec wire.Codec, protocol shape.Protocol, s suite, v vector) string {
	model, op, err := service(s, v)
	if err != nil {
		return problem("model: %v", err)
	}
	uri := v.Serialized.URI
	if uri == "" {
		uri = "/"
	}
	data := body(protocol, v.Serialized.Body)
	method := v.Serialized.Method
	if method == "" {
		method = op.Method
	}
	r := httptest.NewRequest(method, "http://localhost"+uri, bytes.NewReader(data))
	for name, value := range v.Serialized.Headers {
		r.Header.Set(name, value)
	}
	x := &wire.Exchange{Service: model, Operation: op, Call: &wire.Call{Request: r, RequestID: "id"}}
	if !wire.StreamsInput(model, op) {
		x.Body = data
	}
	got, err := codec.Decode(x)
	if err != nil {
		return problem("Decode: %v", err)
	}
	if op.Input == shape.None {
		return ""
	}
	want := reflect.ValueOf(op.NewInput())
	if err := set(model, op.Input, v.Params, want.Elem()); err != nil {
		return problem("parameters of the vector: %v", err)
	}
	return diff(plain(model, op.Input, want), withoutTokens(model, op, plain(model, op.Input, reflect.ValueOf(got)), v.Params))
}

// withoutTokens drops idempotency tokens that botocore has filled in by itself.
func withoutTokens(model *shape.Service, op *shape.Operation, got any, params map[string]any) any {
	members := got.(map[string]any)
	for _, m := range model.Shapes[op.Input].Members {
		if _, given := params[m.Name]; m.Idempotency && !given {
			delete(members, m.Name)
		}
	}
	return got
}

// output encodes the result and compares it with the serialized reply.
func output(codec wire.Codec, protocol shape.Protocol, s suite, v vector) string {
	model, op, err := service(s, v)
	if err != nil {
		return problem("model: %v", err)
	}
	r := httptest.NewRequest(op.Method, "http://localhost/", nil)
	x := &wire.Exchange{Service: model, Operation: op, Call: &wire.Call{Request: r, RequestID: "id"}}
	w := httptest.NewRecorder()
	if v.ErrorCode != "" || v.Error != nil {
		f, err := vectorFault(model, s, v)
		if err != nil {
			return problem("error of the vector: %v", err)
		}
		codec.EncodeFault(w, x, f)
	} else {
		out := op.NewOutput()
		if op.Output != shape.None {
			if err := set(model, op.Output, v.Result, reflect.ValueOf(out).Elem()); err != nil {
				return problem("result of the vector: %v", err)
			}
		}
		if err := codec.Encode(w, x, out); err != nil {
			return problem("Encode: %v", err)
		}
	}
	if status := v.Response.Status; status != 0 && w.Code != status {
		return problem("status %d, want %d", w.Code, status)
	}
	for name, value := range v.Response.Headers {
		if got := w.Header().Get(name); !sameHeader(name, got, value) {
			return problem("header %s: %q, want %q", name, got, value)
		}
	}
	if media := strings.ToLower(v.Response.Headers["Content-Type"]); protocol == shape.RestJSON && media != "" && !strings.Contains(media, "json") {
		return diff(v.Response.Body, w.Body.String())
	}
	return compareBody(protocol, body(protocol, v.Response.Body), w.Body.Bytes())
}

// sameHeader compares a header; only the presence of the request id counts.
func sameHeader(name, got, want string) bool {
	if strings.EqualFold(name, "x-amzn-requestid") {
		return got != ""
	}
	if strings.EqualFold(name, "x-amz-target") {
		return true // a request header that has got into replies
	}
	return got == want
}

// vectorFault is the fault that must become the error of the vector.
func vectorFault(model *shape.Service, s suite, v vector) (*fault.Fault, error) {
	for i := range model.Shapes {
		exception := &model.Shapes[i]
		if exception.Error == nil || exception.Name != v.ErrorCode && exception.Error.Code != v.ErrorCode {
			continue
		}
		types := &typer{model: model, done: map[shape.Index]reflect.Type{}}
		value := reflect.New(types.elem(shape.Index(i))).Elem()
		if err := set(model, shape.Index(i), v.Error, value); err != nil {
			return nil, err
		}
		return faultOf(exception, value), nil
	}
	return nil, fmt.Errorf("no exception %q", v.ErrorCode)
}

// faultOf makes a fault with the members of an exception.
func faultOf(exception *shape.Shape, value reflect.Value) *fault.Fault {
	f := shape.Errorf(exception, "")
	f.MessageMember = ""
	for j := range exception.Members {
		m, field := &exception.Members[j], value.Field(j)
		switch {
		case field.IsNil():
		case m.WireName() == exception.Error.MessageMember:
			f.Message, f.MessageMember = *field.Interface().(*string), exception.Error.MessageMember
		default:
			if field.Kind() == reflect.Pointer && field.Elem().Kind() != reflect.Struct {
				field = field.Elem()
			}
			f = f.With(m.WireName(), field.Interface())
		}
	}
	return f
}
