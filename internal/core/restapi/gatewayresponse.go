package restapi

import (
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// defaultStatus are the types of answers that the gateway gives itself, with their
// status. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var defaultStatus = map[string]string{
	AccessDenied: "403", APIConfigurationError: "500", AuthorizerConfigurationError: "500", AuthorizerFailure: "500", BadRequestBody: "400", BadRequestParameters: "400",
	Default4XX: "", Default5XX: "", ExpiredToken: "403", IntegrationFailure: "504", IntegrationTimeout: "504", InvalidAPIKey: "403", InvalidSignature: "403",
	MissingAuthenticationToken: "403", QuotaExceeded: "429", RequestTooLarge: "413", ResourceNotFound: "404", Throttled: "429", Unauthorized: "401",
	UnsupportedMediaType: "415", "WAF_FILTERED": "403",
}

// The types of gateway responses.
const (
	AccessDenied                 = "ACCESS_DENIED"
	APIConfigurationError        = "API_CONFIGURATION_ERROR"
	AuthorizerConfigurationError = "AUTHORIZER_CONFIGURATION_ERROR"
	AuthorizerFailure            = "AUTHORIZER_FAILURE"
	BadRequestBody               = "BAD_REQUEST_BODY"
	BadRequestParameters         = "BAD_REQUEST_PARAMETERS"
	Default4XX                   = "DEFAULT_4XX"
	Default5XX                   = "DEFAULT_5XX"
	ExpiredToken                 = "EXPIRED_TOKEN"
	IntegrationFailure           = "INTEGRATION_FAILURE"
	IntegrationTimeout           = "INTEGRATION_TIMEOUT"
	InvalidAPIKey                = "INVALID_API_KEY"
	InvalidSignature             = "INVALID_SIGNATURE"
	MissingAuthenticationToken   = "MISSING_AUTHENTICATION_TOKEN"
	QuotaExceeded                = "QUOTA_EXCEEDED"
	RequestTooLarge              = "REQUEST_TOO_LARGE"
	ResourceNotFound             = "RESOURCE_NOT_FOUND"
	Throttled                    = "THROTTLED"
	Unauthorized                 = "UNAUTHORIZED"
	UnsupportedMediaType         = "UNSUPPORTED_MEDIA_TYPE"
)

// defaultTemplate is what they are made of.
const defaultTemplate = `{"message":$context.error.messageString}`

// GatewayResponseTypes are all types, in order.
func GatewayResponseTypes() []string { return slices.Sorted(maps.Keys(defaultStatus)) }

// GatewayResponse is the answer of a type: the API's own, else AWS's.
func (d *Definition) GatewayResponse(kind string) (*GatewayResponse, error) {
	if own := d.GatewayResponses[kind]; own != nil {
		return own, nil
	}
	status, known := defaultStatus[kind]
	if !known {
		return nil, Invalid("Invalid gateway response type specified: %s", kind)
	}
	return &GatewayResponse{ResponseType: kind, StatusCode: status, ResponseParameters: map[string]string{}, ResponseTemplates: map[string]string{"application/json": defaultTemplate}, DefaultResponse: true}, nil
}

// EffectiveResponse is what a client gets for a type: the API's own, else its
// DEFAULT_4XX or DEFAULT_5XX with the status of the type, else AWS's.
func (d *Definition) EffectiveResponse(kind string) *GatewayResponse {
	if own := d.GatewayResponses[kind]; own != nil {
		return own
	}
	status := defaultStatus[kind]
	class := Default5XX
	if status != "" && status[0] == '4' {
		class = Default4XX
	}
	if own := d.GatewayResponses[class]; own != nil {
		shared := *own
		if shared.StatusCode == "" {
			shared.StatusCode = status
		}
		return &shared
	}
	return &GatewayResponse{ResponseType: kind, StatusCode: status, ResponseTemplates: map[string]string{"application/json": defaultTemplate}, DefaultResponse: true}
}

var gatewayTarget = lazy.MustCompile(`^gatewayresponse\.header\.[a-zA-Z0-9_-]+$`)

// Check refuses what no answer of the gateway can be.
func (g *GatewayResponse) Check() error {
	if _, known := defaultStatus[g.ResponseType]; !known {
		return Invalid("Invalid gateway response type specified: %s", g.ResponseType)
	}
	for target := range g.ResponseParameters {
		if !gatewayTarget.MatchString(target) {
			return Invalid("Invalid mapping expression parameter specified: %s", target)
		}
	}
	for kind, template := range g.ResponseTemplates {
		if len(template) > maxTemplateBytes {
			return Invalid("The response template of %s is larger than %d bytes", kind, maxTemplateBytes)
		}
	}
	g.DefaultResponse = false
	return checkStatus(g.StatusCode)
}

// PutGatewayResponse sets the API's own answer of a type.
func (d *Definition) PutGatewayResponse(wanted *GatewayResponse) error {
	if err := wanted.Check(); err != nil {
		return err
	}
	if d.GatewayResponses == nil {
		d.GatewayResponses = map[string]*GatewayResponse{}
	}
	if wanted.StatusCode == "" {
		wanted.StatusCode = defaultStatus[wanted.ResponseType]
	}
	if len(wanted.ResponseTemplates) == 0 {
		wanted.ResponseTemplates = map[string]string{"application/json": defaultTemplate}
	}
	d.GatewayResponses[wanted.ResponseType] = wanted
	return nil
}

// DeleteGatewayResponse gives a type AWS's answer back.
func (d *Definition) DeleteGatewayResponse(kind string) error {
	if d.GatewayResponses[kind] == nil {
		return fail(NotFound, "Gateway response type not defined on api")
	}
	delete(d.GatewayResponses, kind)
	return nil
}
