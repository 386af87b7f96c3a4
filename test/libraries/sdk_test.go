package libraries

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/modelgen/apimodel"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// sdkModules are the client modules whose fixtures are read, and the name of
// the service's model in botocore.
var sdkModules = []struct{ module, version, api string }{
	{"cloudformation", "v1.83.0", "cloudformation"},
	{"cloudwatch", "v1.76.0", "cloudwatch"},
	{"cloudwatchlogs", "v1.92.2", "logs"},
	{"dynamodb", "v1.74.0", "dynamodb"},
	{"eventbridge", "v1.55.11", "events"},
	{"iam", "v1.65.0", "iam"},
	{"kinesis", "v1.56.13", "kinesis"},
	{"kms", "v1.62.6", "kms"},
	{"lambda", "v1.114.3", "lambda"},
	{"s3", "v1.114.10", "s3"},
	{"secretsmanager", "v1.51.0", "secretsmanager"},
	{"sns", "v1.48.0", "sns"},
	{"sqs", "v1.53.0", "sqs"},
	{"ssm", "v1.82.1", "ssm"},
	{"sts", "v1.52.0", "sts"},
}

// moduleFolder is where the Go module cache has a module of the SDK.
func moduleFolder(t *testing.T, name, version string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), downloadTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/aws/aws-sdk-go-v2/service/"+name+"@"+version)
	cmd.Dir = t.TempDir() // outside our module: it must not become a dependency
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if json.Unmarshal(out, &module) != nil || module.Dir == "" {
		return "", fmt.Errorf("go mod download of service/%s: %w %s", name, err, module.Error)
	}
	return module.Dir, nil
}

// TestSDKFixtures: the requests that the SDK has frozen are read as the input
// that its generator filled in, and our replies are its frozen replies.
func TestSDKFixtures(t *testing.T) {
	models := &models{}
	requests, responses := newTally(t, "sdk-request"), newTally(t, "sdk-response")
	for _, m := range sdkModules {
		folder, err := moduleFolder(t, m.module, m.version)
		var model *shape.Service
		if err == nil {
			model, err = models.of(t, m.api)
		}
		if err != nil {
			requests.leaveOut(m.module)
			responses.leaveOut(m.module)
			if t.Logf("LEFT OUT: %s: %v", m.module, err); checked() {
				t.Fail()
			}
			continue
		}
		f := &fixtures{model: model, types: &typer{model: model, done: map[shape.Index]reflect.Type{}}}
		for _, path := range snapshots(t, folder, "request_snapshot") {
			name := strings.TrimSuffix(filepath.Base(path), ".request.snap")
			if op := model.Operation(name); op != nil {
				if result, known := f.request(t, path, op); known {
					requests.note(t, m.module, name, result)
				}
			}
		}
		for _, path := range snapshots(t, folder, "response_snapshot") {
			base := strings.TrimSuffix(filepath.Base(path), ".snap")
			if result, known := f.response(t, path, base); known {
				responses.note(t, m.module, base, result)
			}
		}
	}
	requests.done(t)
	responses.done(t)
}

// partial are the APIs of which our own models keep some operations only.
var partial = map[string]bool{"apigatewayv2": true, "cloudformation": true, "ecr": true, "iam": true, "ssm": true}

// models are the API models: ours for the services that we have, so that these
// need nothing but the SDK's modules, and botocore's for the others and for those
// that are partial.
type models struct {
	botocore map[string][]byte
	err      error
}

func (m *models) of(t *testing.T, api string) (*shape.Service, error) {
	t.Helper()
	text, err := os.ReadFile("../../internal/wire/modelgen/models/" + api + ".json")
	if errors.Is(err, os.ErrNotExist) || partial[api] {
		if m.botocore == nil && m.err == nil {
			m.botocore, m.err = botocoreFiles(t, func(path string) bool {
				return strings.HasPrefix(path, "botocore/data/") && filepath.Base(path) == "service-2.json"
			})
		}
		if err = m.err; err == nil {
			text, err = newest(m.botocore, api)
		}
	}
	if err != nil {
		return nil, err
	}
	parsed, err := apimodel.Parse(text)
	if err != nil {
		return nil, err
	}
	return build(parsed)
}

// newest is the model of the API's newest version.
func newest(files map[string][]byte, api string) ([]byte, error) {
	found := ""
	for path := range files {
		if strings.HasPrefix(path, "botocore/data/"+api+"/") && path > found {
			found = path
		}
	}
	if found == "" {
		return nil, fmt.Errorf("botocore has no model of %q", api)
	}
	return files[found], nil
}

func snapshots(t *testing.T, folder, kind string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, kind, "*.snap"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

type fixtures struct {
	model *shape.Service
	types *typer
	open  []string // structures that are being filled: recursion ends there
}

// codec picks the codec by the media type of a message.
func (f *fixtures) codec(media string) (shape.Protocol, wire.Codec) {
	protocol := f.model.Protocols[0]
	rest := slices.IndexFunc(f.model.Protocols, func(p shape.Protocol) bool { return p == shape.RestJSON || p == shape.RestXML })
	switch {
	case rest >= 0:
		protocol = f.model.Protocols[rest]
	case strings.HasPrefix(media, "application/x-amz-json"):
		protocol = shape.JSON
	case media == "application/cbor":
		protocol = shape.CBOR
	case strings.HasPrefix(media, "application/x-www-form-urlencoded"):
		protocol = shape.Query
	}
	return protocol, codecs[protocol]
}

// request decodes a frozen request; known is false when no codec speaks it yet.
func (f *fixtures) request(t *testing.T, path string, op *shape.Operation) (result string, known bool) {
	t.Helper()
	r, data := readMessage(t, path)
	method, uri, _ := strings.Cut(r.first, " ")
	_, codec := f.codec(r.header.Get("Content-Type"))
	if codec == nil {
		return "", false
	}
	if strings.HasPrefix(op.Path, "/{Bucket}") {
		uri = "/__Bucket__" + uri // the SDK has it in the host name, from where the gateway takes it
	}
	request := httptest.NewRequest(method, "http://localhost"+uri, bytes.NewReader(data))
	request.Header = r.header
	request.Header.Set("Content-Length", "1") // set after the snapshot was taken; 1 as all numbers
	x := &wire.Exchange{Service: f.model, Operation: op, Call: &wire.Call{Request: request, RequestID: "id"}}
	if !wire.StreamsInput(f.model, op) {
		x.Body = data
	}
	got, err := codec.Decode(x)
	if err != nil {
		return problem("Decode: %v", err), true
	}
	if op.Input == shape.None {
		return "", true
	}
	want := reflect.ValueOf(op.NewInput()).Elem()
	f.fill(op.Input, "", want)
	return diff(plain(f.model, op.Input, want), plain(f.model, op.Input, reflect.ValueOf(got))), true
}

// response encodes a filled output or exception and compares it with the frozen
// reply.
func (f *fixtures) response(t *testing.T, path, base string) (result string, known bool) {
	t.Helper()
	m, data := readMessage(t, path)
	protocol, codec := f.codec(m.header.Get("Content-Type"))
	if codec == nil {
		return "", false
	}
	w := httptest.NewRecorder()
	x := &wire.Exchange{Service: f.model, Call: &wire.Call{Request: httptest.NewRequest("POST", "/", nil), RequestID: "id"}}
	name, kind, _ := strings.Cut(base, ".")
	if kind == "error" {
		i := slices.IndexFunc(f.model.Shapes, func(s shape.Shape) bool { return s.Error != nil && s.Name == name })
		if i < 0 {
			return "", false // newer than our model, or a shape that no operation names
		}
		value := reflect.New(f.types.elem(shape.Index(i))).Elem()
		f.fill(shape.Index(i), "", value)
		fault := faultOf(&f.model.Shapes[i], value)
		if fault.MessageMember == "" && bytes.Contains(data, []byte("__Message__")) {
			fault.Message = "__Message__" // botocore's model leaves this member out: our spelling is a guess
		}
		codec.EncodeFault(w, x, fault)
	} else {
		if x.Operation = f.model.Operation(name); x.Operation == nil {
			return "", false
		}
		out := x.Operation.NewOutput()
		if x.Operation.Output != shape.None {
			f.fill(x.Operation.Output, "", reflect.ValueOf(out).Elem())
		}
		if err := codec.Encode(w, x, out); err != nil {
			return problem("Encode: %v", err), true
		}
	}
	return f.compareReply(protocol, kind == "error", x, m, data, w), true
}

// compareReply compares a reply with a fixture. Fixtures are made from the
// clients' model: their success is always 200, they repeat request headers, and
// their errors carry the code in the body, whatever the protocol.
func (f *fixtures) compareReply(protocol shape.Protocol, isError bool, x *wire.Exchange, m message, data []byte, w *httptest.ResponseRecorder) string {
	if status := strconv.Itoa(w.Code); status != m.first && (isError || w.Code/100 != 2) {
		return problem("status %s, want %s", status, m.first)
	}
	xml := protocol == shape.Query || protocol == shape.RestXML
	if result := compareHeader(m.header, w, xml); result != "" {
		return result
	}
	switch {
	case isError && xml:
		return diff(errorXML(data), errorXML(w.Body.Bytes()))
	case isError:
		return compareError(protocol, data, w)
	case m.header.Get("Content-Type") == "application/octet-stream":
		return diff(string(data), w.Body.String())
	case w.Code == http.StatusNoContent || x.Operation.Output == shape.None || len(data) == 0 || saysNothing(protocol, data):
		return "" // what a fixture leaves out is not asserted
	}
	want, got := plainOf(protocol, data), plainOf(protocol, w.Body.Bytes())
	if xml {
		f.known(x.Operation, want)
		f.known(x.Operation, got)
	} else {
		f.prune(x.Operation.Output, want)
	}
	return diff(want, got)
}

// requestHeaders are headers of requests that have got into the replies.
var requestHeaders = []string{"X-Amz-Target", "Accept", "X-Amzn-Query-Mode", "X-Amzn-Query-Error"}

func compareHeader(header http.Header, w *httptest.ResponseRecorder, xml bool) string {
	for name := range header {
		media := name == "Content-Type" && (xml || w.Code == http.StatusNoContent)
		if got, want := w.Header().Get(name), header.Get(name); got != want && !media && !slices.Contains(requestHeaders, name) {
			return problem("header %s: %q, want %q", name, got, want)
		}
	}
	return ""
}

// compareError compares an error of a protocol that writes JSON or CBOR.
func compareError(protocol shape.Protocol, data []byte, w *httptest.ResponseRecorder) string {
	want, got := withoutNamespace(plainOf(protocol, data)), withoutNamespace(plainOf(protocol, w.Body.Bytes()))
	if members, _ := want.(map[string]any); protocol == shape.RestJSON && members != nil {
		if w.Header().Get("X-Amzn-Errortype") != members["__type"] {
			return problem("error type %q, want %q", w.Header().Get("X-Amzn-Errortype"), members["__type"])
		}
		delete(members, "__type")
	}
	return diff(want, got)
}

// prune takes out of a fixture's body the members that our model does not have:
// the SDK may be newer than botocore.
func (f *fixtures) prune(i shape.Index, value any) {
	s := &f.model.Shapes[i]
	switch value := value.(type) {
	case map[string]any:
		if s.Kind == shape.Map {
			for _, elem := range value {
				f.prune(s.Elem.Shape, elem)
			}
			return
		}
		if s.Kind != shape.Structure {
			return
		}
		for name, elem := range value {
			j := slices.IndexFunc(s.Members, func(m shape.Member) bool { return m.WireName() == name && m.Location == shape.Body })
			if j < 0 {
				delete(value, name)
			} else {
				f.prune(s.Members[j].Shape, elem)
			}
		}
	case []any:
		if s.Kind == shape.List {
			for _, elem := range value {
				f.prune(s.Elem.Shape, elem)
			}
		}
	}
}

// known is prune for a reply of the query protocol; it also brings numbers into
// one form.
func (f *fixtures) known(op *shape.Operation, body any) {
	for _, root := range body.([]*element) {
		for _, result := range root.Children {
			f.pruneXML(op.Output, result)
		}
	}
}

func (f *fixtures) pruneXML(i shape.Index, e *element) {
	switch s := &f.model.Shapes[i]; s.Kind {
	case shape.Structure:
		e.Children = slices.DeleteFunc(e.Children, func(c *element) bool {
			j := slices.IndexFunc(s.Members, func(m shape.Member) bool { return m.WireName() == c.Name })
			if j >= 0 {
				f.pruneXML(s.Members[j].Shape, c)
			}
			return j < 0
		})
	case shape.List:
		for _, c := range e.Children {
			f.pruneXML(s.Elem.Shape, c)
		}
	case shape.Float, shape.Double:
		if number, err := strconv.ParseFloat(e.Text, 64); err == nil {
			e.Text = strconv.FormatFloat(number, 'g', -1, 64)
		}
	}
}

// errorXML is the code and the message of an error in XML.
func errorXML(data []byte) map[string]string {
	out := map[string]string{}
	var visit func(e *element)
	visit = func(e *element) {
		if name := strings.ToLower(e.Name); name == "code" || name == "message" {
			out[name] = e.Text
		}
		for _, c := range e.Children {
			visit(c)
		}
	}
	root, _ := plainXML(data).([]*element)
	for _, e := range root {
		visit(e)
	}
	return out
}

type message struct {
	first  string
	header http.Header
}

// readMessage reads a fixture: a first line, headers, an empty line, the body.
// Requests have an empty line more before their headers.
func readMessage(t *testing.T, path string) (message, []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(bytes.NewReader(data))
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	m := message{first: strings.TrimSpace(first)}
	if next, err := r.Peek(1); err == nil && next[0] == '\n' && strings.Contains(path, "request_snapshot") {
		if _, err := r.Discard(1); err != nil {
			t.Fatal(err)
		}
	}
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil && err != io.EOF {
		t.Fatalf("%s: %v", path, err)
	}
	m.header = http.Header(header)
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return m, body
}

// unmarkedUnions are unions of which botocore's models do not say that they are.
var unmarkedUnions = []string{"DynamoDB AttributeValue", "S3 AnalyticsFilter", "S3 MetricsFilter"}

// upper is a name with its first letter in upper case.
func upper(name string) string {
	if name == "" {
		return ""
	}
	return string(unicode.ToUpper(rune(name[0]))) + name[1:]
}

// fill sets v as the SDK's generator fills its fixtures: each member has a text
// of its own name, the first value of its enumeration, 1, true, the bytes
// "blob" or the first second of 2000; lists have two elements, maps one.
func (f *fixtures) fill(i shape.Index, name string, v reflect.Value) {
	s := &f.model.Shapes[i]
	switch v.Kind() {
	case reflect.Pointer:
		if slices.Contains(f.open, s.Name) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(i, name, v.Elem())
		return
	case reflect.Interface:
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader("__" + name + "__"))))
		return
	case reflect.Func:
		return
	}
	switch s.Kind {
	case shape.Structure:
		if slices.Contains(f.open, s.Name) {
			return
		}
		f.open = append(f.open, s.Name)
		defer func() { f.open = f.open[:len(f.open)-1] }()
		union := s.Union || slices.Contains(unmarkedUnions, f.model.ID+" "+s.Name)
		for j := range s.Members {
			member := upper(s.Members[j].Name)
			if union {
				member = s.Name + "Member" + member
			}
			f.fill(s.Members[j].Shape, member, v.Field(j))
			if union {
				break
			}
		}
	case shape.List:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for j := range 2 {
			f.fill(s.Elem.Shape, "Member", v.Index(j))
		}
	case shape.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		f.fill(s.Elem.Shape, "Value", elem)
		v.SetMapIndex(reflect.ValueOf("key0"), elem)
	default:
		fillScalar(s, name, v)
	}
}

func fillScalar(s *shape.Shape, name string, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = "__" + name + "__"
		if len(s.Enum) > 0 {
			*p = s.Enum[0]
		}
	case *[]byte:
		*p = []byte("blob")
	case *bool:
		*p = true
	case *int32:
		*p = 1
	case *int64:
		*p = 1
	case *float32:
		*p = 1
	case *float64:
		*p = 1
	case *time.Time:
		*p = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
}
