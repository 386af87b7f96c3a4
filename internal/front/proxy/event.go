package proxy

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// eventV2 is payload 2.0, in AWS's order.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type eventV2 struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        contextV2         `json:"requestContext"`
	Body                  string            `json:"body,omitempty"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type contextV2 struct {
	AccountID    string `json:"accountId"`
	APIID        string `json:"apiId"`
	Authorizer   any    `json:"authorizer,omitempty"`
	DomainName   string `json:"domainName"`
	DomainPrefix string `json:"domainPrefix"`
	HTTP         httpV2 `json:"http"`
	RequestID    string `json:"requestId"`
	RouteKey     string `json:"routeKey"`
	Stage        string `json:"stage"`
	Time         string `json:"time"`
	TimeEpoch    int64  `json:"timeEpoch"`
}

type httpV2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// EventV2 is the event of an HTTP API with payload 2.0.
// AWS: the Cookie header is in cookies only.
func (r *Request) EventV2() []byte { return r.eventV2(false) }

// EventURL is the event of a function URL.
// AWS: the Cookie header is in cookies and in headers.
func (r *Request) EventURL() []byte { return r.eventV2(true) }

func (r *Request) eventV2(cookieHeader bool) []byte {
	e := r.newV2(cookieHeader)
	if len(r.Body) > 0 {
		e.Body, e.IsBase64Encoded = r.text()
	}
	return encode(e)
}

// newV2 is all but the body.
func (r *Request) newV2(cookieHeader bool) *eventV2 {
	e := &eventV2{
		Version: "2.0", RouteKey: r.Context.RouteKey, RawPath: r.Path, RawQueryString: r.HTTP.URL.RawQuery,
		PathParameters: r.PathParameters, StageVariables: r.StageVariables,
		RequestContext: contextV2{
			AccountID: r.Context.AccountID, APIID: r.Context.APIID, Authorizer: r.Context.Authorizer,
			DomainName: r.Context.DomainName, DomainPrefix: r.Context.DomainPrefix,
			HTTP:      httpV2{Method: r.HTTP.Method, Path: r.Path, Protocol: r.HTTP.Proto, SourceIP: r.Context.SourceIP, UserAgent: r.HTTP.UserAgent()},
			RequestID: r.Context.RequestID, RouteKey: r.Context.RouteKey, Stage: r.Context.Stage,
			Time: r.Context.Received.UTC().Format(timeLayout), TimeEpoch: r.Context.Received.UnixMilli(),
		},
	}
	headers := r.headers()
	for _, line := range headers["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				e.Cookies = append(e.Cookies, cookie)
			}
		}
	}
	if !cookieHeader {
		delete(headers, "Cookie")
	}
	e.Headers = make(map[string]string, len(headers))
	for name, values := range headers {
		separator := ","
		if name == "Cookie" {
			separator = "; "
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, separator)
	}
	for _, p := range Query(r.HTTP.URL.RawQuery) {
		if e.QueryStringParameters == nil {
			e.QueryStringParameters = map[string]string{}
		}
		if before, ok := e.QueryStringParameters[p.Name]; ok {
			p.Value = before + "," + p.Value
		}
		e.QueryStringParameters[p.Name] = p.Value
	}
	return e
}

// eventV1 is payload 1.0 of HTTP APIs and the event of REST APIs, in AWS's order.
// What is not there is null.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type eventV1 struct {
	Version                         string              `json:"version,omitempty"`
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  contextV1           `json:"requestContext"`
	Body                            *string             `json:"body"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type contextV1 struct {
	ResourceID        *string    `json:"resourceId"`
	Authorizer        any        `json:"authorizer,omitempty"`
	ResourcePath      string     `json:"resourcePath"`
	OperationName     string     `json:"operationName,omitempty"`
	HTTPMethod        string     `json:"httpMethod"`
	ExtendedRequestID string     `json:"extendedRequestId"`
	RequestTime       string     `json:"requestTime"`
	Path              string     `json:"path"`
	AccountID         string     `json:"accountId"`
	Protocol          string     `json:"protocol"`
	Stage             string     `json:"stage"`
	DomainPrefix      string     `json:"domainPrefix"`
	RequestTimeEpoch  int64      `json:"requestTimeEpoch"`
	RequestID         string     `json:"requestId"`
	Identity          identityV1 `json:"identity"`
	DomainName        string     `json:"domainName"`
	DeploymentID      string     `json:"deploymentId,omitempty"`
	APIID             string     `json:"apiId"`
}

type identityV1 struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	APIKeyID                      string  `json:"apiKeyId,omitempty"`
	UserAgent                     string  `json:"userAgent"`
	User                          *string `json:"user"`
	APIKey                        string  `json:"apiKey,omitempty"`
}

// EventV1 is the event of an HTTP API with payload 1.0.
func (r *Request) EventV1() []byte {
	e := r.eventV1()
	e.Version = "1.0"
	if len(r.Body) > 0 {
		body, encoded := r.text()
		e.Body, e.IsBase64Encoded = &body, encoded
	}
	return encode(e)
}

// EventREST is the event of a REST API. The body is text unless the API says
// that its media type is binary.
func (r *Request) EventREST(binary bool) []byte {
	e := r.eventV1()
	if len(r.Body) > 0 {
		body := strings.ToValidUTF8(string(r.Body), "�")
		if binary {
			body = base64Text(r.Body)
		}
		e.Body, e.IsBase64Encoded = &body, binary
	}
	return encode(e)
}

// eventV1 is all but the body.
//
// AWS: keeps the spelling of header names that the client chose; Go's server
// knows only the canonical one.
func (r *Request) eventV1() *eventV1 {
	c := &r.Context
	e := &eventV1{
		Resource: c.Resource, Path: r.Path, HTTPMethod: r.HTTP.Method, PathParameters: r.PathParameters, StageVariables: r.StageVariables,
		Headers: map[string]string{}, MultiValueHeaders: r.headers(),
		RequestContext: contextV1{
			ResourceID: optional(c.ResourceID), Authorizer: c.Authorizer, ResourcePath: c.Resource, OperationName: c.OperationName, HTTPMethod: r.HTTP.Method,
			ExtendedRequestID: c.ExtendedRequestID, RequestTime: c.Received.UTC().Format(timeLayout), Path: c.FullPath, AccountID: c.AccountID, Protocol: r.HTTP.Proto,
			Stage: c.Stage, DomainPrefix: c.DomainPrefix, RequestTimeEpoch: c.Received.UnixMilli(), RequestID: c.RequestID, DomainName: c.DomainName,
			DeploymentID: c.DeploymentID, APIID: c.APIID,
			Identity: identityV1{
				AccountID: optional(c.Identity.AccountID), Caller: optional(c.Identity.CallerID), SourceIP: c.SourceIP, AccessKey: optional(c.Identity.AccessKey),
				UserARN: optional(c.Identity.UserARN), UserAgent: r.HTTP.UserAgent(), User: optional(c.Identity.UserID), APIKeyID: c.Identity.APIKeyID, APIKey: c.Identity.APIKey,
			},
		},
	}
	for name, values := range e.MultiValueHeaders {
		e.Headers[name] = values[len(values)-1]
	}
	if pairs := Query(r.HTTP.URL.RawQuery); len(pairs) > 0 {
		e.QueryStringParameters, e.MultiValueQueryStringParameters = map[string]string{}, map[string][]string{}
		for _, p := range pairs {
			e.QueryStringParameters[p.Name] = p.Value
			e.MultiValueQueryStringParameters[p.Name] = append(e.MultiValueQueryStringParameters[p.Name], p.Value)
		}
	}
	return e
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// encode writes JSON without the escapes that are for HTML.
func encode(event any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(event); err != nil {
		panic("an event must be writable as JSON: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// sortedNames are the names of a map in order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
