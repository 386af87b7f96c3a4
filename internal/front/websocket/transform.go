package websocket

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/regular"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// jsonType is the media type of messages, for what stands behind.
const jsonType = "application/json"

// response is one of an integration, made ready.
type response struct {
	httpapi.IntegrationResponse
	pattern   *regular.Expression // nil: $default
	selection *httpapi.TemplateSelection
}

func newResponse(row httpapi.IntegrationResponse) (*response, error) {
	selection, err := httpapi.ParseTemplateSelection(row.TemplateSelectionExpression, true)
	return &response{row, row.Pattern(), selection}, err
}

// makeRequest maps an event for an integration.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-mapping.html
func (x *exchange) makeRequest(ctx context.Context, i *integration) (*backend.Request, error) {
	made := &backend.Request{ContentType: jsonType, Header: map[string]string{}, Path: map[string]string{}, Query: map[string][]string{}}
	if h := x.event.Handshake; h != nil && i.Type == httpapi.HTTPProxy {
		for name, values := range h.HTTP.URL.Query() {
			made.Query[name] = values
		}
	}
	for target, source := range i.RequestParameters {
		values := x.sources(ctx, source)
		if len(values) == 0 {
			continue
		}
		where, name, _ := strings.Cut(strings.TrimPrefix(target, "integration.request."), ".")
		switch where {
		case "header":
			made.Header[name] = strings.Join(values, ",")
		case "path":
			made.Path[name] = values[0]
		case "querystring":
			made.Query[name] = values
		}
	}
	var err error
	made.Body, err = x.requestBody(ctx, i)
	return made, err
}

// sources are the values that an expression of a mapping stands for.
func (x *exchange) sources(ctx context.Context, expression string) []string {
	one := func(value string, found bool) []string {
		if !found || value == "" {
			return nil
		}
		return []string{value}
	}
	if inner, quoted := strings.CutPrefix(expression, "'"); quoted {
		return []string{strings.TrimSuffix(inner, "'")}
	}
	kind, name, _ := strings.Cut(expression, ".")
	switch kind {
	case "context":
		return one(x.variable(name), true)
	case "stageVariables":
		value, found := x.stage.stage.Variables[name]
		return one(value, found)
	}
	place, name, _ := strings.Cut(strings.TrimPrefix(name, "request."), ".")
	switch place {
	case "body":
		if name == "" {
			return one(x.event.Body, true)
		}
		return one(vtl.NewBody(ctx, x.event.Body).At("$." + name))
	case "header", "querystring", "multivalueheader", "multivaluequerystring":
		values := x.parameter(strings.TrimPrefix(place, "multivalue"), name)
		if len(values) > 1 && !strings.HasPrefix(place, "multivalue") {
			values = values[len(values)-1:]
		}
		return values
	}
	return nil
}

// parameter are the values of a header or parameter of the handshake; other events
// have none.
func (x *exchange) parameter(place, name string) []string {
	if x.event.Handshake == nil {
		return nil
	}
	r := x.event.Handshake.HTTP
	if place == "querystring" {
		return r.URL.Query()[name]
	}
	if http.CanonicalHeaderKey(name) == "Host" {
		return []string{r.Host}
	}
	return r.Header.Values(name)
}

// lacking is a parameter that the route wants and the handshake lacks, or "".
func (x *exchange) lacking() string {
	for parameter, constraint := range x.route.RequestParameters {
		place, name, _ := strings.Cut(strings.TrimPrefix(parameter, "route.request."), ".")
		if constraint.Required != nil && *constraint.Required && strings.Join(x.parameter(place, name), "") == "" {
			return name
		}
	}
	return ""
}

// validate compares a message with the model that its route selects.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-request-validation.html
func (x *exchange) validate() *refusal {
	if x.route.model == nil {
		return nil
	}
	name, found := x.route.RequestModels[x.route.model.Key([]byte(x.event.Body), nil)]
	if !found {
		name, found = x.route.RequestModels[httpapi.DefaultRoute]
	}
	lacks := "[no model fits]"
	if found {
		var err error
		if lacks, err = x.stage.models.Validate(name, x.event.Body); err != nil {
			x.note("Execution failed due to configuration error: " + err.Error())
			return failed
		}
	}
	if lacks == "" {
		return nil
	}
	return &refusal{status: http.StatusBadRequest, kind: "BadRequestException", text: "Invalid request body", detail: lacks}
}

// requestBody is the message by the template that is chosen for it, or as it came.
//
// AWS: a message that nothing lets through has no documented answer; here it is that of
// a failed integration.
func (x *exchange) requestBody(ctx context.Context, i *integration) (string, error) {
	body := x.event.Body
	if is(i.ContentHandlingStrategy, httpapi.ToBinary) {
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return "", fmt.Errorf("the message is no base64: %w", err)
		}
		body = string(decoded)
	}
	if i.Type == httpapi.HTTPProxy {
		return body, nil
	}
	template, found := i.RequestTemplates[i.selection.Key([]byte(x.event.Body), nil)]
	switch {
	case found:
		return x.render(ctx, template, body)
	case is(i.PassthroughBehavior, httpapi.PassNever), is(i.PassthroughBehavior, httpapi.PassWhenNoTemplates) && len(i.RequestTemplates) > 0:
		return "", errors.New("no request template fits, and the integration passes nothing through")
	case i.Type == httpapi.Mock:
		return `{"statusCode": 200}`, nil // a message is no status
	}
	return body, nil
}

func is(given *string, value string) bool { return given != nil && *given == value }

// makeAnswer makes the answer of a result, by the integration response whose pattern
// fits, or $default. Without one there is no body.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html
func (x *exchange) makeAnswer(ctx context.Context, i *integration, got *result) (*proxy.Answer, error) {
	answer := &proxy.Answer{Status: got.Status, Header: http.Header{}}
	r := i.response(got.choose)
	if r == nil {
		if i.Type == httpapi.AWS && i.service == "" && got.choose != "" {
			return nil, fmt.Errorf("the function failed: %.200s", got.Body)
		}
		x.note("No integration response fits, and there is no $default")
		return answer, nil
	}
	template, found := r.ResponseTemplates[r.selection.Key([]byte(x.event.Body), got.value)]
	answer.Body = got.Body
	if found {
		text, err := x.render(ctx, template, string(got.Body))
		if err != nil {
			return nil, err
		}
		answer.Body = []byte(text)
	}
	switch {
	case is(r.ContentHandlingStrategy, httpapi.ToText):
		answer.Body = []byte(base64.StdEncoding.EncodeToString(answer.Body))
	case is(r.ContentHandlingStrategy, httpapi.ToBinary):
		decoded, err := base64.StdEncoding.DecodeString(string(answer.Body))
		if err != nil {
			return nil, fmt.Errorf("the answer is no base64: %w", err)
		}
		answer.Body = decoded
	}
	return answer, nil
}

// value is what an expression of an answer stands for.
func (r *result) value(name string) string {
	place, header, _ := strings.Cut(name, ".")
	values := r.Header.Values(header)
	switch {
	case place == "statuscode":
		return strconv.Itoa(r.Status)
	case len(values) == 0:
		return ""
	case place == "header":
		return values[len(values)-1]
	}
	return strings.Join(values, ",")
}

// response is that for a text, or nil.
func (i *integration) response(text string) *response {
	var otherwise *response
	for _, r := range i.responses {
		switch {
		case r.pattern == nil:
			otherwise = r
		case text != "" && r.pattern.Work(text) <= regular.MaxWork && r.pattern.MatchString(text):
			return r
		}
	}
	return otherwise
}

// render runs a template.
func (x *exchange) render(ctx context.Context, text, body string) (string, error) {
	template, err := vtl.Parse(text)
	if err != nil {
		return "", err
	}
	input := &vtl.Input{Body: body}
	if h := x.event.Handshake; h != nil {
		input.Header, input.Query = vtl.MapOf(nil), vtl.MapOf(nil)
		for name := range h.HTTP.Header {
			input.Header.Put(name, h.HTTP.Header.Get(name))
		}
		for name, values := range h.HTTP.URL.Query() {
			input.Query.Put(name, values[len(values)-1])
		}
	}
	return template.Render(ctx, map[string]any{
		"input": input, "context": vtl.MapOf(x.event.Values()), "stageVariables": vtl.TextMap(x.stage.stage.Variables), "util": vtl.Util{},
	})
}
