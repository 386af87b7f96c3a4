package restapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
)

// httpProxy hands the request to an endpoint as it is, and its answer to the client.
func (e *exchange) httpProxy(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(&restapi.Integration{RequestParameters: i.RequestParameters, PassthroughBehavior: restapi.PassWhenNoMatch})
	if err != nil {
		return nil, err
	}
	header := backend.Sent(e.r.Header)
	query := e.r.URL.Query()
	for name, values := range made.Query {
		query[name] = values
	}
	made.Query = query
	made.Body = string(e.body)
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
	if made.Body != "" {
		header.Set("Content-Type", made.ContentType)
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
	method := i.HttpMethod
	if method == restapi.AnyMethod {
		method = e.r.Method
	}
	own := http.Header{"X-Amzn-Apigateway-Api-Id": {e.id.ID}, "X-Amzn-Trace-Id": {e.traceID}, "X-Forwarded-For": {e.r.SourceIP}}
	client := e.server.client
	if e.ofFunction() {
		client = e.server.forFunctions
	}
	reply, err := backend.Fetch(e.r.Context(), client, timeout(i), &backend.Call{Method: method, URI: e.substitute(i.Uri), API: e.id.ID, Header: header, Own: own, Request: made, Sending: e.tracing()})
	switch {
	case errors.Is(err, outbound.ErrForbidden):
		e.note("Execution failed due to configuration error: Invalid endpoint address")
		return nil, 0, errInternal.with(err)
	case errors.Is(err, backend.ErrAddress):
		return nil, 0, errInternal.with(err)
	case errors.Is(err, backend.ErrTimeout):
		return nil, 0, errTimeout
	case errors.Is(err, backend.ErrAnswer):
		return nil, 0, errMalformedAnswer.with(err)
	case err != nil:
		return nil, 0, errNetwork.with(err)
	}
	e.backend.status = reply.Status
	if e.traced {
		e.heard(reply.Status, reply.Header, reply.Body)
	}
	return &result{body: reply.Body, header: reply.Header}, reply.Status, nil
}

// tracing is what execution logs hear of a request; nil where they are not kept.
func (e *exchange) tracing() backend.Sending {
	if !e.traced {
		return nil
	}
	return e.sending
}

// ofFunction tells that a function had a part in the integration.
func (e *exchange) ofFunction() bool {
	return e.api == nil || e.api.ForFunction || e.test && intake.FromFunction(e.r.Context())
}
