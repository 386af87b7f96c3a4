package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// integrate has the integration answer.
func (x *exchange) integrate() failure {
	i := x.route.integration
	if i.subtype != nil {
		return x.service(i)
	}
	if i.Type == httpapi.LambdaProxy {
		return x.lambda(i)
	}
	return x.forward(i)
}

// lambda runs the function of a Lambda proxy integration.
func (x *exchange) lambda(i *integration) failure {
	if i.broken != nil {
		x.fail("an integration names no function", i.broken)
		return internalError
	}
	p := x.proxyRequest()
	if len(i.request) > 0 {
		p = x.rewritten(p, i.request)
	}
	form, event := proxy.V2, []byte(nil)
	if i.PayloadFormatVersion == "1.0" {
		form = proxy.V1
		p.Context.Authorizer = x.authorized.context1
		event = p.EventV1()
	} else {
		p.Context.Authorizer = x.authorized.context2
		event = p.EventV2()
	}
	if len(event) > limit.SyncRequestBytes {
		return tooLarge
	}
	call := &functions.Call{Target: i.target, Service: functions.APIGateway, Source: x.source(x.route.path), RequestID: ids.UUID(), TraceID: x.r.TraceID(), Payload: event}
	if i.CredentialsARN != "" {
		call.Service, call.Role = "", i.CredentialsARN // the role's permissions count, where permissions are enforced
	}
	x.integrated.id = call.RequestID
	response, err := x.server.config.Functions.InvokeWithin(x.r.Context(), call, i.timeout)
	var throttledBy *invoke.ThrottledError
	switch {
	case errors.Is(err, functions.ErrTimeout), errors.As(err, &throttledBy), errors.Is(err, invoke.ErrShuttingDown):
		x.fail("a function did not answer", err)
		return unavailable
	case err != nil:
		x.fail("a function could not be called", err)
		return internalError
	}
	x.integrated.status = http.StatusOK
	if response.FunctionError != "" {
		x.integrated.err = "The Lambda function returned the following error: " + string(response.Payload[:min(len(response.Payload), maxLogged)])
		return internalError
	}
	x.answer, err = proxy.Parse(form, response.Payload)
	if err != nil {
		x.integrated.err = "The response from the Lambda function doesn't match the format that API Gateway expects. " + err.Error()
		return internalError
	}
	return failure{}
}

// maxLogged bounds what of an error is logged.
const maxLogged = 1024

// forward calls the server of an HTTP proxy integration.
func (x *exchange) forward(i *integration) failure {
	ctx, cancel := context.WithTimeout(x.r.Context(), i.timeout)
	defer cancel()
	request, err := x.outgoing(ctx, i)
	if err != nil {
		x.fail("an integration's request could not be made", err)
		return internalError
	}
	client := x.server.config.Outside
	if i.ForFunction {
		client = x.server.config.ForFunctions
	}
	reply, err := client.Do(request)
	if err != nil {
		x.fail("an integration's server could not be called", err)
		if ctx.Err() != nil {
			return unavailable
		}
		f := unavailable
		f.kind = "INTEGRATION_NETWORK_FAILURE"
		return f
	}
	defer reply.Body.Close()
	body, err := intake.ReadAll(reply.Body, reply.ContentLength, maxBody)
	if err != nil {
		x.fail("an integration's answer could not be read", err)
		if ctx.Err() != nil {
			return unavailable
		}
		return internalError
	}
	x.integrated.status = reply.StatusCode
	a := &proxy.Answer{Status: reply.StatusCode, Header: http.Header{}, Body: body}
	for name, values := range reply.Header {
		if !hop[name] && name != "Content-Length" {
			a.Header[name] = values
		}
	}
	x.answer = a
	return failure{}
}

// hop are headers that end at the next server.
var hop = map[string]bool{
	"Connection": true, "Expect": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// outgoing is the request to the server of an integration.
func (x *exchange) outgoing(ctx context.Context, i *integration) (*http.Request, error) {
	p := x.proxyRequest()
	target, err := url.Parse(x.place(i.URI))
	if err != nil {
		return nil, err
	}
	if target.RawQuery != "" && x.r.URL.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += x.r.URL.RawQuery
	method := i.Method
	if method == httpapi.AnyMethod {
		method = x.r.Method
	}
	var body io.Reader = bytes.NewReader(x.body)
	if len(x.body) == 0 {
		body = http.NoBody
	}
	out, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range p.HTTP.Header {
		if !hop[name] && name != "Content-Length" {
			out.Header[name] = slices.Clone(values)
		}
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // else Go's own
	}
	protocol := "http"
	if x.r.TLS != nil {
		protocol = "https"
	}
	// AWS: X-Forwarded-* become Forwarded for HTTP integrations.
	out.Header.Add("Forwarded", "by="+x.domain()+";for="+x.r.SourceIP+";host="+x.r.Host+";proto="+protocol)
	out.Header.Add("Via", "HTTP/1.1 AmazonAPIGateway")
	if len(i.request) > 0 {
		x.rewriteHead(out.Header, out.URL, i.request)
	}
	return out, nil
}

// place puts path parameters and stage variables into the address of an integration.
func (x *exchange) place(uri string) string {
	uri = httpapi.StageVariables(uri, x.stage.stage.Variables)
	for name, value := range x.values {
		greedy := strings.Contains(x.route.path, "{"+name+"+}")
		escaped := url.PathEscape(value)
		if greedy {
			segments := strings.Split(value, "/")
			for i := range segments {
				segments[i] = url.PathEscape(segments[i])
			}
			escaped = strings.Join(segments, "/")
		}
		uri = strings.ReplaceAll(uri, "{"+name+"}", escaped)
	}
	return uri
}

// rewritten is a copy of a request with a parameter mapping applied.
func (x *exchange) rewritten(p *proxy.Request, rewrites []httpapi.Rewrite) *proxy.Request {
	changed := *p
	request := p.HTTP.Clone(p.HTTP.Context())
	request.URL.Path, request.URL.RawPath = p.Path, ""
	x.rewriteHead(request.Header, request.URL, rewrites)
	changed.HTTP, changed.Path = request, request.URL.Path
	return &changed
}

// rewriteHead applies the mapping of an integration to a request.
func (x *exchange) rewriteHead(header http.Header, target *url.URL, rewrites []httpapi.Rewrite) {
	pairs := proxy.Query(target.RawQuery)
	query, changed := url.Values{}, false
	for _, p := range pairs {
		query.Add(p.Name, p.Value)
	}
	for _, r := range rewrites {
		value := clean(r.Value.Resolve(x.value))
		switch r.Place {
		case "header":
			rewriteHeader(header, &r, value)
		case "querystring":
			changed = true
			switch r.Action {
			case "remove":
				query.Del(r.Name)
			case "append":
				query.Add(r.Name, value)
			default:
				query.Set(r.Name, value)
			}
		case "path":
			target.Path, target.RawPath = "/"+strings.TrimPrefix(value, "/"), ""
		}
	}
	if changed {
		target.RawQuery = query.Encode()
	}
}

func rewriteHeader(header http.Header, r *httpapi.Rewrite, value string) {
	switch r.Action {
	case "remove":
		header.Del(r.Name)
	case "append":
		header.Add(r.Name, value)
	default:
		header.Set(r.Name, value)
	}
}

// clean takes out what would end a header.
func clean(value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, value)
}

// rewriteAnswer applies the mapping for the status of an answer.
func (x *exchange) rewriteAnswer() failure {
	for _, r := range x.route.integration.response[strconv.Itoa(x.answer.Status)] {
		value := clean(r.Value.Resolve(x.value))
		if r.Place == "header" {
			rewriteHeader(x.answer.Header, &r, value)
			continue
		}
		status, err := strconv.Atoi(value)
		if err != nil || status < http.StatusOK || status > 599 {
			x.fail("a mapping makes no status", errors.New(value))
			return internalError
		}
		x.answer.Status = status
	}
	return failure{}
}
