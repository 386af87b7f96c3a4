package restapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
)

// unsent are headers of requests that end here, and those that the client for HTTP
// sets itself.
var unsent = map[string]bool{
	"Connection": true, "Content-Length": true, "Expect": true, "Host": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "X-Forwarded-For": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true,
}

// httpProxy hands the request to an endpoint as it is, and its answer to the client.
func (e *exchange) httpProxy(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(&restapi.Integration{RequestParameters: i.RequestParameters, PassthroughBehavior: restapi.PassWhenNoMatch})
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, values := range e.r.Header {
		if !unsent[name] {
			header[name] = values
		}
	}
	query := e.r.URL.Query()
	for name, values := range made.query {
		query[name] = values
	}
	made.query = query
	made.body = string(e.body)
	got, status, err := e.fetch(i, made, header)
	if err != nil {
		return nil, err
	}
	a := &proxy.Answer{Status: status, Header: http.Header{}, Body: got.body}
	for name, values := range got.header {
		for _, value := range values {
			if err := a.Add(proxy.REST, name, value); err != nil {
				return nil, errInternal.with(err)
			}
		}
	}
	return a, nil
}

// httpCall calls an endpoint with what the templates make.
func (e *exchange) httpCall(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(i)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if made.body != "" {
		header.Set("Content-Type", made.contentType)
	}
	got, status, err := e.fetch(i, made, header)
	if err != nil {
		return nil, err
	}
	got.choose = strconv.Itoa(status)
	return e.makeAnswer(i, got)
}

// fetch makes the request of an HTTP integration.
func (e *exchange) fetch(i *restapi.Integration, made *request, header http.Header) (*result, int, error) {
	target, err := e.target(i, made)
	if err != nil {
		return nil, 0, errInternal.with(err)
	}
	method := i.HttpMethod
	if method == restapi.AnyMethod {
		method = e.r.Method
	}
	ctx, cancel := context.WithTimeout(e.r.Context(), timeout(i))
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(made.body))
	if err != nil {
		return nil, 0, errInternal.with(err)
	}
	if made.body == "" {
		out.Body, out.ContentLength = http.NoBody, 0
	}
	out.Header = header
	for name, value := range made.header {
		if !validHeader(name, value) {
			return nil, 0, errInternal
		}
		out.Header.Set(name, value)
	}
	out.Header.Set("X-Amzn-Apigateway-Api-Id", e.id.ID)
	out.Header.Set("X-Amzn-Trace-Id", e.traceID)
	out.Header.Set("X-Forwarded-For", e.r.SourceIP)
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "AmazonAPIGateway_"+e.id.ID)
	}
	client := e.server.client
	if e.ofFunction() {
		client = e.server.forFunctions
	}
	if e.traced {
		e.sending(target, out.Header, []byte(made.body))
	}
	reply, err := client.Do(out)
	switch {
	case errors.Is(err, outbound.ErrForbidden):
		e.note("Execution failed due to configuration error: Invalid endpoint address")
		return nil, 0, errInternal.with(err)
	case ctx.Err() != nil && e.r.Context().Err() == nil:
		return nil, 0, errTimeout
	case err != nil:
		return nil, 0, errNetwork.with(err)
	}
	defer reply.Body.Close()
	body, err := intake.ReadAll(reply.Body, -1, MaxPayloadBytes)
	switch {
	case ctx.Err() != nil && e.r.Context().Err() == nil:
		return nil, 0, errTimeout
	case err != nil && !errors.Is(err, io.EOF):
		return nil, 0, errMalformedAnswer.with(err)
	}
	e.backend.status = reply.StatusCode
	if e.traced {
		e.heard(reply.StatusCode, reply.Header, body)
	}
	return &result{body: body, header: reply.Header}, reply.StatusCode, nil
}

// ofFunction tells that a function had a part in the integration.
func (e *exchange) ofFunction() bool {
	return e.api == nil || e.api.ForFunction || e.test && intake.FromFunction(e.r.Context())
}

// target is the address with its variables filled in.
func (e *exchange) target(i *restapi.Integration, made *request) (string, error) {
	target, err := url.Parse(fillPath(e.substitute(i.Uri), made.path))
	if err != nil {
		return "", err
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return "", errors.New("it is no address of HTTP")
	}
	if len(made.query) > 0 {
		query := target.Query()
		for name, values := range made.query {
			query[name] = values
		}
		target.RawQuery = query.Encode()
	}
	return target.String(), nil
}
