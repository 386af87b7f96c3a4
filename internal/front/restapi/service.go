package restapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// lambdaEvent queues an asynchronous call of a function.
func (e *exchange) lambdaEvent(i *restapi.Integration, made *request) (*proxy.Answer, error) {
	target, err := functions.Parse(e.substitute(i.Uri))
	if err != nil {
		return nil, errInternal.with(err)
	}
	source := e.methodARN(e.r.Method, e.resource.Path)
	permitted, err := e.server.config.Functions.Registry.Permits(e.r.Context(), target, function.Caller{Service: functions.APIGateway, Source: source})
	if err != nil || !permitted {
		return nil, errInternal.with(errors.Join(functions.ErrForbidden, err))
	}
	_, err = e.server.config.Local.Call(e.r.Context(), e.platform(target.Scope.Region), "lambda", "Invoke", map[string]any{"FunctionName": target.ARN(), "InvocationType": "Event", "Payload": []byte(made.body)})
	if err != nil {
		return nil, errInternal.with(err)
	}
	e.backend.status = http.StatusAccepted
	return e.makeAnswer(i, &result{header: http.Header{}})
}

// platform is who calls where API Gateway acts itself.
func (e *exchange) platform(region string) local.Identity {
	return local.Identity{Account: e.id.Account, Region: region, Function: e.ofFunction(), CallerARN: "arn:aws:iam::" + e.id.Account + ":root"}
}

// serviceCall calls an operation of one of our own services, by
// arn:aws:apigateway:REGION:SERVICE:action/NAME or :path/PATH, where SERVICE may be
// SUBDOMAIN.SERVICE. The operation is named by the ARN, by the header X-Amz-Target, by
// Action in a form, or by the path, as the service's protocol has it.
//
// AWS: signs a request for the service. Here the call stays inside.
func (e *exchange) serviceCall(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(i)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(e.substitute(i.Uri), ":", 6)
	if len(parts) < 6 {
		return nil, errInternal
	}
	who, err := e.role(i, parts[3])
	if err != nil {
		return nil, errInternal.with(err)
	}
	service, subdomain := parts[4], ""
	if dot := strings.LastIndexByte(service, '.'); dot >= 0 {
		subdomain, service = service[:dot], service[dot+1:]
	}
	resource := fillPath(parts[5], made.path)
	if path, found := strings.CutPrefix(resource, "path/"); found && e.server.config.Local.Speaks(service, shape.RestXML, shape.RestJSON) {
		return e.restCall(i, made, who, service, strings.TrimPrefix(subdomain+"/"+strings.TrimPrefix(path, "/"), "/"))
	}
	action, input, form, err := operationOf(resource, made)
	if err != nil {
		return nil, errInternal.with(err)
	}
	if service == "sqs" && input["QueueUrl"] == nil {
		if path, found := strings.CutPrefix(resource, "path/"); found {
			input["QueueUrl"] = "http://localhost/" + strings.Trim(path, "/")
		}
	}
	if e.traced {
		e.sending("https://"+service+"."+who.Region+".amazonaws.com/?Action="+action, single(made.header), []byte(made.body))
	}
	output, err := e.callOperation(who, service, action, input, form)
	got := &result{header: http.Header{"Content-Type": {jsonType}}}
	e.backend.status = http.StatusOK
	var refusal *fault.Fault
	switch {
	case errors.As(err, &refusal):
		e.backend.status = refusal.Status
		output = map[string]any{"__type": refusal.Code, "message": refusal.Message}
		if form {
			output = map[string]any{"Error": map[string]any{"Code": refusal.Code, "Message": refusal.Message, "Type": "Sender"}, "RequestId": ids.UUID()}
		}
	case err != nil:
		return nil, errInternal.with(err)
	case form:
		output = map[string]any{action + "Response": map[string]any{action + "Result": output, "ResponseMetadata": map[string]any{"RequestId": ids.UUID()}}}
	}
	if got.body, err = json.Marshal(output); err != nil {
		return nil, errInternal.with(err)
	}
	got.choose = strconv.Itoa(e.backend.status)
	if e.traced {
		e.heard(e.backend.status, got.header, got.body)
	}
	return e.makeAnswer(i, got)
}

// callOperation calls by the names of the API, or by those of the query protocol.
func (e *exchange) callOperation(who local.Identity, service, action string, input map[string]any, form bool) (map[string]any, error) {
	caller := e.server.config.Local
	queue := strings.EqualFold(service, "sqs")
	if !form || !queue && !caller.Speaks(service, shape.Query) {
		return caller.Call(e.r.Context(), who, service, action, input)
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
	return caller.Form(e.r.Context(), who, service, values)
}

// fillPath fills the variables of a path in; a greedy one keeps its slashes.
func fillPath(text string, variables map[string]string) string {
	for name, value := range variables {
		escaped := strings.ReplaceAll(url.PathEscape(value), "%2F", "/")
		text = strings.ReplaceAll(text, "{"+name+"+}", escaped)
		text = strings.ReplaceAll(text, "{"+name+"}", escaped)
	}
	return text
}

// restCall makes a request of a service whose operations are methods and paths.
func (e *exchange) restCall(i *restapi.Integration, made *request, who local.Identity, service, path string) (*proxy.Answer, error) {
	target, err := url.Parse("http://localhost/" + path)
	if err != nil {
		return nil, errInternal.with(err)
	}
	query := target.Query()
	maps.Copy(query, made.query)
	if len(made.query) > 0 {
		target.RawQuery = query.Encode()
	}
	ctx, cancel := context.WithTimeout(e.r.Context(), timeout(i))
	defer cancel()
	method := i.HttpMethod
	if method == restapi.AnyMethod {
		method = e.r.Method
	}
	out, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(made.body))
	if err != nil {
		return nil, errInternal.with(err)
	}
	out.TLS = &tls.ConnectionState{} // it crosses no network: aws:SecureTransport is true
	out.RequestURI = target.RequestURI()
	if made.body != "" {
		out.Header.Set("Content-Type", made.contentType)
	}
	for name, value := range made.header {
		if !validHeader(name, value) {
			return nil, errInternal
		}
		out.Header.Set(name, value)
	}
	address := "https://" + service + "." + who.Region + ".amazonaws.com/" + path
	if e.traced {
		e.sending(address, out.Header, []byte(made.body))
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	switch err := e.server.config.Forward(w, out, who, service); {
	case ctx.Err() != nil && e.r.Context().Err() == nil:
		return nil, errTimeout
	case err != nil:
		return nil, errMalformedAnswer.with(err)
	}
	e.backend.status = w.status
	if e.traced {
		e.heard(w.status, w.header, w.body.Bytes())
	}
	return e.makeAnswer(i, &result{body: w.body.Bytes(), header: w.header, choose: strconv.Itoa(w.status)})
}

// recorder keeps an answer of a service, of at most MaxPayloadBytes.
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
	if r.body.Len()+len(p) > MaxPayloadBytes {
		return 0, errLongAnswer
	}
	return r.body.Write(p)
}

var errLongAnswer = errors.New("the answer of the service is too large")

// role is on whose behalf an integration calls.
func (e *exchange) role(i *restapi.Integration, region string) (local.Identity, error) {
	allowed := roles.Roles{Assume: e.server.config.Assume}
	who, err := allowed.Identity(e.r.Context(), e.id.Account, e.substitute(i.Credentials), region)
	who.Function = e.ofFunction()
	return who, err
}

// operationOf finds the operation and its input. form tells that the caller spoke as
// the query protocol does, and is answered so.
func operationOf(resource string, made *request) (action string, input map[string]any, form bool, err error) {
	input = map[string]any{}
	for name, value := range made.header {
		if http.CanonicalHeaderKey(name) == "X-Amz-Target" {
			action = value[strings.LastIndexByte(value, '.')+1:]
		}
	}
	values := url.Values(made.query)
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
	contentType := made.contentType
	for name, value := range made.header {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			contentType = value
		}
	}
	switch {
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded") || strings.HasPrefix(strings.TrimSpace(made.body), "Action="):
		given, err := url.ParseQuery(strings.TrimSpace(made.body))
		if err != nil {
			return "", nil, false, err
		}
		for name, list := range given {
			values[name] = list
		}
		form = true
	case made.body != "" && len(values) == 0:
		d := json.NewDecoder(strings.NewReader(made.body))
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
