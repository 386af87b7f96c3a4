package proxy

import (
	"encoding/json"
	"time"
)

// The kinds of events of WebSocket APIs.
const (
	SocketConnect    = "CONNECT"
	SocketMessage    = "MESSAGE"
	SocketDisconnect = "DISCONNECT"
)

// Socket is what the events of one connection to a WebSocket API have in common.
type Socket struct {
	APIID, Stage, DomainName, ConnectionID string
	Connected                              time.Time
	SourceIP, UserAgent                    string
	StageVariables                         map[string]string
	Authorizer                             any // the member of that name, or nil
	Identity                               Identity
}

// SocketEvent is one event of a connection.
type SocketEvent struct {
	*Socket
	Kind, RouteKey, RequestID string
	Received                  time.Time
	Handshake                 *Request // of SocketConnect: its headers and query
	Headers                   map[string]string
	MessageID, Body           string // of SocketMessage
	StatusCode                int    // of SocketDisconnect
	Reason                    string
}

// socketEvent is in AWS's order.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
// and the example events of https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-lambda-integration.html
type socketEvent struct {
	Type                            string              `json:"type,omitempty"` // of authorizers
	MethodARN                       string              `json:"methodArn,omitempty"`
	Headers                         map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders,omitempty"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	StageVariables                  map[string]string   `json:"stageVariables,omitempty"`
	RequestContext                  socketContext       `json:"requestContext"`
	Body                            *string             `json:"body,omitempty"`
	IsBase64Encoded                 *bool               `json:"isBase64Encoded,omitempty"`
}

type socketContext struct {
	RouteKey             string         `json:"routeKey"`
	DisconnectStatusCode int            `json:"disconnectStatusCode,omitempty"`
	Authorizer           any            `json:"authorizer,omitempty"`
	MessageID            string         `json:"messageId,omitempty"`
	EventType            string         `json:"eventType"`
	ExtendedRequestID    string         `json:"extendedRequestId"`
	RequestTime          string         `json:"requestTime"`
	MessageDirection     string         `json:"messageDirection"`
	DisconnectReason     *string        `json:"disconnectReason,omitempty"`
	Stage                string         `json:"stage"`
	ConnectedAt          int64          `json:"connectedAt"`
	RequestTimeEpoch     int64          `json:"requestTimeEpoch"`
	Identity             socketIdentity `json:"identity"`
	RequestID            string         `json:"requestId"`
	DomainName           string         `json:"domainName"`
	ConnectionID         string         `json:"connectionId"`
	APIID                string         `json:"apiId"`
}

type socketIdentity struct {
	AccessKey string `json:"accessKey,omitempty"`
	AccountID string `json:"accountId,omitempty"`
	Caller    string `json:"caller,omitempty"`
	UserARN   string `json:"userArn,omitempty"`
	User      string `json:"user,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	SourceIP  string `json:"sourceIp"`
}

// JSON is the event of a Lambda proxy integration.
func (e *SocketEvent) JSON() []byte {
	out, plain := e.event(), false
	out.IsBase64Encoded = &plain
	if e.Kind == SocketMessage {
		out.Body = &e.Body
	}
	return encode(out)
}

// AuthorizerJSON is the event of a Lambda authorizer, for what arn names.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
func (e *SocketEvent) AuthorizerJSON(arn string) []byte {
	out := e.event()
	out.Type, out.MethodARN = "REQUEST", arn
	return encode(out)
}

// Values are the members of requestContext, for templates.
func (e *SocketEvent) Values() map[string]any {
	var values map[string]any
	if err := json.Unmarshal(encode(e.event().RequestContext), &values); err != nil {
		panic("a context must be JSON: " + err.Error())
	}
	return values
}

func (e *SocketEvent) event() *socketEvent {
	out := &socketEvent{StageVariables: e.StageVariables, RequestContext: socketContext{
		RouteKey: e.RouteKey, Authorizer: e.Authorizer, MessageID: e.MessageID, EventType: e.Kind, ExtendedRequestID: e.RequestID,
		RequestTime: e.Received.UTC().Format(timeLayout), MessageDirection: "IN", Stage: e.Stage, ConnectedAt: e.Connected.UnixMilli(), RequestTimeEpoch: e.Received.UnixMilli(),
		Identity: socketIdentity{AccessKey: e.Identity.AccessKey, AccountID: e.Identity.AccountID, Caller: e.Identity.CallerID, UserARN: e.Identity.UserARN, User: e.Identity.UserID,
			UserAgent: e.UserAgent, SourceIP: e.SourceIP},
		RequestID: e.RequestID, DomainName: e.DomainName, ConnectionID: e.ConnectionID, APIID: e.APIID,
	}}
	switch {
	case e.Handshake != nil:
		v1 := e.Handshake.eventV1()
		out.Headers, out.MultiValueHeaders = v1.Headers, v1.MultiValueHeaders
		out.QueryStringParameters, out.MultiValueQueryStringParameters = v1.QueryStringParameters, v1.MultiValueQueryStringParameters
	case e.Headers != nil:
		out.Headers, out.MultiValueHeaders = e.Headers, map[string][]string{}
		for name, value := range e.Headers {
			out.MultiValueHeaders[name] = []string{value}
		}
	}
	if e.Kind == SocketDisconnect {
		out.RequestContext.DisconnectStatusCode, out.RequestContext.DisconnectReason = e.StatusCode, &e.Reason
	}
	return out
}
