package proxy

import (
	"fmt"
	"strings"
)

// authorizerV2 is the event of a Lambda authorizer of an HTTP API.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
type authorizerV2 struct {
	Version               string            `json:"version"`
	Type                  string            `json:"type"`
	RouteARN              string            `json:"routeArn"`
	IdentitySource        []string          `json:"identitySource"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        contextV2         `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type authorizerV1 struct {
	Version               string            `json:"version"`
	Type                  string            `json:"type"`
	MethodARN             string            `json:"methodArn"`
	IdentitySource        string            `json:"identitySource"`
	AuthorizationToken    string            `json:"authorizationToken"`
	Resource              string            `json:"resource"`
	Path                  string            `json:"path"`
	HTTPMethod            string            `json:"httpMethod"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters"`
	PathParameters        map[string]string `json:"pathParameters"`
	StageVariables        map[string]string `json:"stageVariables"`
	RequestContext        contextV1         `json:"requestContext"`
}

// AuthorizerEvent is the event of a Lambda authorizer of an HTTP API, for what arn
// names, with the values of its identity sources.
func (r *Request) AuthorizerEvent(version, arn string, identity []string) ([]byte, error) {
	switch version {
	case "2.0":
		e := r.newV2(false)
		return encode(&authorizerV2{Version: "2.0", Type: "REQUEST", RouteARN: arn, IdentitySource: identity, RouteKey: e.RouteKey, RawPath: e.RawPath,
			RawQueryString: e.RawQueryString, Cookies: e.Cookies, Headers: e.Headers, QueryStringParameters: e.QueryStringParameters, RequestContext: e.RequestContext,
			PathParameters: e.PathParameters, StageVariables: e.StageVariables}), nil
	case "1.0":
		e := r.eventV1()
		joined := strings.Join(identity, ",")
		return encode(&authorizerV1{Version: "1.0", Type: "REQUEST", MethodARN: arn, IdentitySource: joined, AuthorizationToken: joined, Resource: e.Resource,
			Path: e.Path, HTTPMethod: e.HTTPMethod, Headers: e.Headers, QueryStringParameters: e.QueryStringParameters, PathParameters: e.PathParameters,
			StageVariables: e.StageVariables, RequestContext: e.RequestContext}), nil
	}
	return nil, fmt.Errorf("there is no payload format %q for authorizers", version)
}
