package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Services are our own.
type Services struct {
	Local *local.Caller
	// Forward serves a request to one of our own services in somebody's name.
	Forward func(w http.ResponseWriter, r *http.Request, who local.Identity, service string) error
}

// Operation is one of a service, by the last two fields of
// arn:aws:apigateway:REGION:SERVICE:action/NAME or :path/PATH, where SERVICE may be
// SUBDOMAIN.SERVICE. It is named by the ARN, by the header X-Amz-Target, by Action in a
// form, or by Method and the path, as the service's protocol has it.
type Operation struct {
	Service, Resource, Method string
	Request                   *Request
	Sending                   Sending
}

// Call calls an operation.
//
// AWS: signs a request for the service. Here the call stays inside.
func (s *Services) Call(ctx context.Context, within time.Duration, who local.Identity, o *Operation) (*Reply, error) {
	service, subdomain := o.Service, ""
	if dot := strings.LastIndexByte(service, '.'); dot >= 0 {
		subdomain, service = service[:dot], service[dot+1:]
	}
	resource := fillPath(o.Resource, o.Request.Path)
	if path, found := strings.CutPrefix(resource, "path/"); found && s.Local.Speaks(service, shape.RestXML, shape.RestJSON) {
		return s.rest(ctx, within, who, service, strings.TrimPrefix(subdomain+"/"+strings.TrimPrefix(path, "/"), "/"), o)
	}
	action, input, form, err := operation(resource, o.Request)
	if err != nil {
		return nil, err
	}
	if service == "sqs" && input["QueueUrl"] == nil {
		if path, found := strings.CutPrefix(resource, "path/"); found {
			input["QueueUrl"] = "http://localhost/" + strings.Trim(path, "/")
		}
	}
	header := map[string][]string{}
	for name, value := range o.Request.Header {
		header[name] = []string{value}
	}
	o.Sending.tell("https://"+service+"."+who.Region+".amazonaws.com/?Action="+action, header, o.Request.Body)
	output, err := callOperation(ctx, s.Local, who, service, action, input, form)
	reply := &Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}}
	var refusal *fault.Fault
	switch {
	case errors.As(err, &refusal):
		reply.Status = refusal.Status
		output = map[string]any{"__type": refusal.Code, "message": refusal.Message}
		if form {
			output = map[string]any{"Error": map[string]any{"Code": refusal.Code, "Message": refusal.Message, "Type": "Sender"}, "RequestId": ids.UUID()}
		}
	case err != nil:
		return nil, err
	case form:
		output = map[string]any{action + "Response": map[string]any{action + "Result": output, "ResponseMetadata": map[string]any{"RequestId": ids.UUID()}}}
	}
	reply.Body, err = json.Marshal(output)
	return reply, err
}

// callOperation calls by the names of the API, or by those of the query protocol.
func callOperation(ctx context.Context, caller *local.Caller, who local.Identity, service, action string, input map[string]any, form bool) (map[string]any, error) {
	queue := strings.EqualFold(service, "sqs")
	if !form || !queue && !caller.Speaks(service, shape.Query) {
		return caller.Call(ctx, who, service, action, input)
	}
	values := url.Values{}
	for name, value := range input {
		if text, is := value.(string); is {
			values.Set(name, text)
		}
	}
	values.Set("Action", action)
	if queue {
		values = queueForm(values)
	}
	return caller.Form(ctx, who, service, values)
}

// rest makes a request of a service whose operations are methods and paths.
func (s *Services) rest(ctx context.Context, within time.Duration, who local.Identity, service, path string, o *Operation) (*Reply, error) {
	made := o.Request
	target, err := url.Parse("http://localhost/" + path)
	if err != nil {
		return nil, err
	}
	query := target.Query()
	maps.Copy(query, made.Query)
	if len(made.Query) > 0 {
		target.RawQuery = query.Encode()
	}
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out, err := http.NewRequestWithContext(bounded, o.Method, target.String(), strings.NewReader(made.Body))
	if err != nil {
		return nil, err
	}
	out.TLS = &tls.ConnectionState{} // it crosses no network: aws:SecureTransport is true
	out.RequestURI = target.RequestURI()
	if made.Body != "" {
		out.Header.Set("Content-Type", made.ContentType)
	}
	if err := made.setHeader(out.Header); err != nil {
		return nil, err
	}
	o.Sending.tell("https://"+service+"."+who.Region+".amazonaws.com/"+path, out.Header, made.Body)
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	switch err := s.Forward(w, out, who, service); {
	case bounded.Err() != nil && ctx.Err() == nil:
		return nil, ErrTimeout
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return &Reply{Status: w.status, Header: w.header, Body: w.body.Bytes()}, nil
}

// recorder keeps an answer of a service, of at most MaxAnswer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of the answer.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write keeps a part of the body.
func (r *recorder) Write(p []byte) (int, error) {
	if r.body.Len()+len(p) > MaxAnswer {
		return 0, errLongAnswer
	}
	return r.body.Write(p)
}

var errLongAnswer = errors.New("the answer of the service is too large")

// operation finds the operation and its input. form tells that the caller spoke as
// the query protocol does, and is answered so.
func operation(resource string, made *Request) (action string, input map[string]any, form bool, err error) {
	input = map[string]any{}
	for name, value := range made.Header {
		if http.CanonicalHeaderKey(name) == "X-Amz-Target" {
			action = value[strings.LastIndexByte(value, '.')+1:]
		}
	}
	values := url.Values(made.Query)
	if named, found := strings.CutPrefix(resource, "action/"); found {
		named, more, _ := strings.Cut(named, "&")
		action = named
		given, err := url.ParseQuery(more)
		if err != nil {
			return "", nil, false, err
		}
		for name, list := range given {
			values[name] = list
		}
	}
	contentType := made.ContentType
	for name, value := range made.Header {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			contentType = value
		}
	}
	switch {
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded") || strings.HasPrefix(strings.TrimSpace(made.Body), "Action="):
		given, err := url.ParseQuery(strings.TrimSpace(made.Body))
		if err != nil {
			return "", nil, false, err
		}
		for name, list := range given {
			values[name] = list
		}
		form = true
	case made.Body != "" && len(values) == 0:
		d := json.NewDecoder(strings.NewReader(made.Body))
		d.UseNumber()
		if err := d.Decode(&input); err != nil {
			return "", nil, false, err
		}
	}
	form = form || len(values) > 0
	for name, list := range values {
		switch {
		case len(list) == 0 || name == "Version":
		case name == "Action":
			action = list[0]
		default:
			input[name] = list[0]
		}
	}
	return action, input, form, nil
}
