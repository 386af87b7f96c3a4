package restapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// request is what an integration that is no proxy gets.
type request = backend.Request

const jsonType = "application/json"

// makeRequest maps the request for an integration.
func (e *exchange) makeRequest(i *restapi.Integration) (*request, error) {
	made := &request{Header: map[string]string{}, Path: map[string]string{}, Query: map[string][]string{}}
	for target, source := range i.RequestParameters {
		value, found := e.value(source)
		if !found {
			continue
		}
		where, name, _ := strings.Cut(strings.TrimPrefix(target, "integration.request."), ".")
		switch where {
		case "header":
			made.Header[name] = value
		case "path":
			made.Path[name] = value
		case "querystring":
			if values := e.allValues(source); len(values) > 1 {
				made.Query[name] = values
			} else {
				made.Query[name] = []string{value}
			}
		}
	}
	var err error
	if made.Body, err = e.requestBody(i, made); err != nil {
		return nil, err
	}
	maps.Copy(made.Header, e.overrides.of(e.overrides.request, "header"))
	maps.Copy(made.Path, e.overrides.of(e.overrides.request, "path"))
	for name, value := range e.overrides.of(e.overrides.request, "querystring") {
		made.Query[name] = []string{value}
	}
	return made, nil
}

// allValues are those of a source that has several.
func (e *exchange) allValues(source string) []string {
	if name, found := strings.CutPrefix(source, "method.request.multivaluequerystring."); found {
		return e.r.URL.Query()[name]
	}
	return nil
}

// requestBody is the body by the template of its media type, or as it came.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
func (e *exchange) requestBody(i *restapi.Integration, made *request) (string, error) {
	contentType := e.r.Header.Get("Content-Type")
	mediaType, _, _ := strings.Cut(contentType, ";")
	if mediaType = strings.TrimSpace(mediaType); mediaType == "" {
		mediaType = jsonType
	}
	made.ContentType = mediaType
	body := string(e.body)
	switch {
	case i.ContentHandling == restapi.ToText && e.binary(mediaType):
		body = base64.StdEncoding.EncodeToString(e.body)
	case i.ContentHandling == restapi.ToBinary && !e.binary(mediaType):
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return "", errBadRequest.with(err)
		}
		body = string(decoded)
	}
	template, found := i.RequestTemplates[mediaType]
	switch {
	case found:
		rendered, err := e.render(template, body)
		return rendered, templateError(err)
	case i.PassthroughBehavior == restapi.PassNever, i.PassthroughBehavior == restapi.PassWhenNoTemplates && len(i.RequestTemplates) > 0:
		return "", errMediaType
	}
	return body, nil
}

// templateError words what a template could not do. AWS: a body that is no JSON is the
// client's mistake.
func templateError(err error) error {
	var body *vtl.BodyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &body):
		made := *errBadRequest
		made.message = body.Error()
		return &made
	}
	return errInternal.with(err)
}

// result is what an integration that is no proxy answered.
type result struct {
	body    []byte
	header  http.Header
	choose  string // what the selection patterns are compared with
	content *content
}

// makeAnswer makes the client's answer of a result, by the integration response whose
// pattern fits, or the one without a pattern.
func (e *exchange) makeAnswer(i *restapi.Integration, got *result) (*proxy.Answer, error) {
	chosen, err := e.choose(i.IntegrationResponses, got.choose)
	if err != nil {
		e.note("Execution failed due to configuration error: " + err.Error())
		return nil, errInternal.with(err)
	}
	if chosen == nil {
		e.note("Execution failed due to configuration error: No match for output mapping and no default output mapping configured")
		return nil, errInternal
	}
	status, err := strconv.Atoi(chosen.StatusCode)
	if err != nil {
		return nil, errInternal.with(err)
	}
	body, contentType, err := e.answerBody(chosen, got)
	if err != nil {
		return nil, err
	}
	a := &proxy.Answer{Status: status, Header: http.Header{}, Body: body}
	a.Header.Set("Content-Type", contentType)
	set := map[string]string{}
	for target, source := range chosen.ResponseParameters {
		if value, found := e.answerValue(source, got); found {
			set[strings.TrimPrefix(target, "method.response.header.")] = value
		}
	}
	maps.Copy(set, e.overrides.of(e.overrides.response, "header"))
	for name, value := range set {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			a.Header.Del("Content-Type")
		}
		if err := a.Add(proxy.REST, name, value); err != nil {
			return nil, errInternal.with(err)
		}
	}
	if e.overrides.response != nil {
		if value, found := e.overrides.response.Get("status"); found {
			if n, err := strconv.Atoi(vtl.Text(value)); err == nil && n >= 200 && n <= 599 {
				a.Status = n
			}
		}
	}
	return a, nil
}

// choose is the integration response for a text.
func (e *exchange) choose(all map[string]*restapi.IntegrationResponse, text string) (*restapi.IntegrationResponse, error) {
	var otherwise *restapi.IntegrationResponse
	for _, status := range slices.Sorted(maps.Keys(all)) {
		r := all[status]
		if r.SelectionPattern == "" {
			if otherwise == nil {
				otherwise = r
			}
			continue
		}
		if text == "" {
			continue
		}
		if fits, err := e.deployed.fits(r.SelectionPattern, text); fits || err != nil {
			return r, err
		}
	}
	return otherwise, nil
}

// answerBody is the body of an answer with its media type.
func (e *exchange) answerBody(r *restapi.IntegrationResponse, got *result) ([]byte, string, error) {
	contentType, template := e.chooseTemplate(r.ResponseTemplates)
	if len(r.ResponseTemplates) == 0 {
		if given := got.header.Get("Content-Type"); given != "" {
			contentType = given
		}
		return e.convert(r.ContentHandling, got.body), contentType, nil
	}
	rendered, err := e.render(template, string(got.body))
	if err != nil {
		return nil, "", errInternal.with(err)
	}
	return e.convert(r.ContentHandling, []byte(rendered)), contentType, nil
}

// convert is the contentHandling of an answer.
func (e *exchange) convert(how string, body []byte) []byte {
	switch how {
	case restapi.ToText:
		if e.acceptsBinary() {
			return []byte(base64.StdEncoding.EncodeToString(body))
		}
	case restapi.ToBinary:
		if decoded, err := base64.StdEncoding.DecodeString(string(body)); err == nil {
			return decoded
		}
	}
	return body
}

// chooseTemplate is the template of the media type that the client accepts, else that
// of JSON, else the first.
func (e *exchange) chooseTemplate(templates map[string]string) (contentType, template string) {
	for accepted := range strings.SplitSeq(e.r.Header.Get("Accept"), ",") {
		accepted, _, _ = strings.Cut(accepted, ";")
		if accepted = strings.TrimSpace(accepted); templates[accepted] != "" {
			return accepted, templates[accepted]
		}
	}
	if template, found := templates[jsonType]; found {
		return jsonType, template
	}
	for _, contentType := range slices.Sorted(maps.Keys(templates)) {
		return contentType, templates[contentType]
	}
	return jsonType, ""
}

// answerValue is what an expression of an answer stands for.
func (e *exchange) answerValue(source string, got *result) (string, bool) {
	rest, ofAnswer := strings.CutPrefix(source, "integration.response.")
	if !ofAnswer {
		return e.value(source)
	}
	if path, body := strings.CutPrefix(rest, "body"); body {
		return e.at(&got.content, got.body, path)
	}
	where, name, _ := strings.Cut(rest, ".")
	return pick(got.header.Values(name), where == "header")
}

// mock answers by the status that the request template gives.
func (e *exchange) mock(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(i)
	if err != nil {
		return nil, err
	}
	status, found := backend.MockStatus(made.Body)
	if !found {
		e.note("Execution failed due to configuration error: Unable to parse statusCode. It should be an integer and set to a valid HTTP status code.")
		return nil, errInternal
	}
	e.backend.status = status
	return e.makeAnswer(i, &result{header: http.Header{}, choose: strconv.Itoa(status)})
}

// lambdaCall hands a function what the template makes.
func (e *exchange) lambdaCall(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(i)
	if err != nil {
		return nil, err
	}
	if made.Body == "" {
		made.Body = "{}"
	}
	for name, value := range made.Header {
		if http.CanonicalHeaderKey(name) == "X-Amz-Invocation-Type" && strings.EqualFold(value, "Event") {
			return e.lambdaEvent(i, made)
		}
	}
	if !json.Valid([]byte(made.Body)) {
		// AWS: Lambda answers 400, with its own error as the body.
		e.backend.status = http.StatusBadRequest
		return e.makeAnswer(i, &result{header: http.Header{}, body: []byte(`{"message":"Could not parse request body into json","Type":"User"}`), choose: "Could not parse request body into json"})
	}
	payload, failed, err := e.invoke(i.Uri, []byte(made.Body), timeout(i), e.methodARN(e.r.Method, e.resource.Path))
	if err != nil {
		return nil, err
	}
	e.backend.status = http.StatusOK
	got := &result{body: payload, header: http.Header{"Content-Type": {jsonType}, "X-Amzn-Trace-Id": {e.traceID}}}
	if failed != "" {
		var told struct {
			ErrorMessage string `json:"errorMessage"`
		}
		if json.Unmarshal(payload, &told) == nil {
			got.choose = told.ErrorMessage
		}
		got.header.Set("X-Amz-Function-Error", failed)
	}
	answer, err := e.makeAnswer(i, got)
	if err == nil {
		answer.Header.Set("X-Amzn-Trace-Id", e.traceID)
	}
	return answer, err
}
