package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// answerOf is the answer of an integration.
func (x *exchange) answerOf(ctx context.Context, i *integration) (*proxy.Answer, error) {
	if i.Type == httpapi.Mock {
		return i.mock(ctx, x.event)
	}
	if i.broken != nil {
		return nil, i.broken
	}
	call := &functions.Call{Target: i.target, Service: functions.APIGateway, Source: x.stage.arn(x.route.Key), RequestID: ids.UUID(), TraceID: x.trace, Payload: x.event.JSON()}
	if i.CredentialsARN != "" {
		call.Service, call.Role = "", i.CredentialsARN // the role's permissions count, where permissions are enforced
	}
	response, err := x.server.config.Functions.InvokeWithin(ctx, call, time.Duration(i.TimeoutMS)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	x.integrated.status = http.StatusOK // AWS: of the call, whatever the function makes of it
	if response.FunctionError != "" {
		return nil, fmt.Errorf("the function failed: %.200s", response.Payload)
	}
	return proxy.Parse(proxy.V1, response.Payload)
}

// mock answers by the templates: that of the request makes the status, that of the
// response which fits it the body.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-transformations.html
func (i *integration) mock(ctx context.Context, e *proxy.SocketEvent) (*proxy.Answer, error) {
	status := http.StatusOK
	template, found := i.RequestTemplates[httpapi.TemplateKey(i.TemplateSelectionExpression)]
	switch {
	case found:
		text, err := render(ctx, template, e.Body, e)
		if err != nil {
			return nil, err
		}
		if status, err = statusOf(text); err != nil {
			return nil, err
		}
	case i.PassthroughBehavior != nil && *i.PassthroughBehavior == "NEVER":
		return nil, errors.New("no request template fits, and the integration passes nothing through")
	}
	answer := &proxy.Answer{Status: status, Header: http.Header{}}
	response := i.response(status)
	if response == nil {
		return answer, nil
	}
	template, found = response.ResponseTemplates[httpapi.TemplateKey(response.TemplateSelectionExpression)]
	if !found {
		return answer, nil
	}
	text, err := render(ctx, template, "", e)
	answer.Body = []byte(text)
	return answer, err
}

// statusOf reads the statusCode that a template made.
func statusOf(text string) (int, error) {
	value, err := vtl.ParseJSON(text)
	if err != nil {
		return 0, fmt.Errorf("the request template of a mock makes no JSON: %w", err)
	}
	object, _ := value.(*vtl.Map)
	if object == nil {
		return 0, errors.New("the request template of a mock makes no object")
	}
	value, _ = object.Get("statusCode")
	status, err := strconv.Atoi(vtl.Text(value))
	if err != nil || status < http.StatusOK || status > 599 {
		return 0, errors.New("the request template of a mock makes no statusCode")
	}
	return status, nil
}

// response is that for a status, or nil.
func (i *integration) response(status int) *httpapi.IntegrationResponse {
	var otherwise *httpapi.IntegrationResponse
	for n := range i.responses {
		r := &i.responses[n]
		if r.Key == httpapi.DefaultRoute {
			otherwise = r
			continue
		}
		// What does not compile was refused when it was configured.
		if fits, err := regexp.MatchString("^(?:"+strings.Trim(r.Key, "/")+")$", strconv.Itoa(status)); err == nil && fits {
			return r
		}
	}
	return otherwise
}

// render runs a template.
func render(ctx context.Context, text, body string, e *proxy.SocketEvent) (string, error) {
	template, err := vtl.Parse(text)
	if err != nil {
		return "", err
	}
	return template.Render(ctx, map[string]any{
		"input": &vtl.Input{Body: body}, "context": vtl.MapOf(e.Values()), "stageVariables": vtl.TextMap(e.StageVariables), "util": vtl.Util{},
	})
}
