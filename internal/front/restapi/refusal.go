package restapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// refusal is an answer that is not the integration's.
type refusal struct {
	kind       string // of the gateway response
	status     int    // instead of that of the kind
	errorType  string // instead of that of the kind
	message    string
	capital    bool   // AWS: the member is "Message" in those of policies
	noMessage  bool   // the message is null
	validation string // what a request body lacks
	cause      string // for the log
}

// Error is for the log.
func (r *refusal) Error() string { return r.kind + ": " + r.message + " " + r.cause }

// with adds the cause to a copy.
func (r *refusal) with(cause error) *refusal {
	made := *r
	made.cause = cause.Error()
	return &made
}

// The refusals. AWS: the texts are recorded from its answers.
var (
	errMissingToken    = &refusal{kind: restapi.MissingAuthenticationToken, message: "Missing Authentication Token"}
	errUnauthorized    = &refusal{kind: restapi.Unauthorized, message: "Unauthorized"}
	errAuthorizer      = &refusal{kind: restapi.AuthorizerConfigurationError, noMessage: true}
	errInvalidKey      = &refusal{kind: restapi.InvalidAPIKey, message: "Forbidden"}
	errThrottled       = &refusal{kind: restapi.Throttled, message: "Too Many Requests"}
	errQuota           = &refusal{kind: restapi.QuotaExceeded, message: "Limit Exceeded"}
	errTooLarge        = &refusal{kind: restapi.RequestTooLarge, message: "Request Too Long"}
	errBadRequest      = &refusal{kind: restapi.Default4XX, status: http.StatusBadRequest, errorType: "BadRequestException", message: "Bad Request"}
	errMediaType       = &refusal{kind: restapi.UnsupportedMediaType, message: "Unsupported Media Type"}
	errBody            = &refusal{kind: restapi.BadRequestBody, message: "Invalid request body"}
	errTimeout         = &refusal{kind: restapi.IntegrationTimeout, message: "Endpoint request timed out"}
	errNetwork         = &refusal{kind: restapi.IntegrationFailure, message: "Network error communicating with endpoint"}
	errInternal        = &refusal{kind: restapi.Default5XX, status: http.StatusInternalServerError, message: "Internal server error"}
	errMalformedAnswer = &refusal{kind: restapi.Default5XX, status: http.StatusBadGateway, message: "Internal server error"}
)

// errorTypes are the values of x-amzn-ErrorType.
var errorTypes = map[string]string{
	restapi.AccessDenied: "AccessDeniedException", restapi.APIConfigurationError: "InternalServerErrorException", restapi.AuthorizerConfigurationError: "AuthorizerConfigurationException",
	restapi.AuthorizerFailure: "InternalServerErrorException", restapi.BadRequestBody: "BadRequestException", restapi.BadRequestParameters: "BadRequestException",
	restapi.Default5XX: "InternalServerErrorException", restapi.ExpiredToken: "ExpiredTokenException", restapi.IntegrationFailure: "InternalServerErrorException",
	restapi.IntegrationTimeout: "InternalServerErrorException", restapi.InvalidAPIKey: "ForbiddenException", restapi.InvalidSignature: "InvalidSignatureException",
	restapi.MissingAuthenticationToken: "MissingAuthenticationTokenException", restapi.QuotaExceeded: "LimitExceededException", restapi.RequestTooLarge: "RequestTooLargeException",
	restapi.Throttled: "TooManyRequestsException", restapi.Unauthorized: "UnauthorizedException", restapi.UnsupportedMediaType: "UnsupportedMediaTypeException",
}

// refuse words an error as the gateway response of its type.
func (e *exchange) refuse(err error) *proxy.Answer {
	r, known := refused(err)
	if !known {
		if e.r.Context().Err() == nil {
			e.server.config.Logger.Error("internal error", "request_id", e.r.RequestID, "op", "REST API", "api", e.id.ID, "err", err)
		}
		r = errInternal
	}
	e.failed = r
	g := e.deployed.EffectiveResponse(r.kind)
	status, _ := strconv.Atoi(g.StatusCode)
	if status == 0 || g.DefaultResponse && r.status != 0 {
		status = r.status
	}
	if r.status != 0 && (r.kind == restapi.Default4XX || r.kind == restapi.Default5XX) && g.StatusCode == "" {
		status = r.status
	}
	errorType := r.errorType
	if errorType == "" {
		errorType = errorTypes[r.kind]
	}
	e.status = status
	a := &proxy.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}}
	if errorType != "" {
		a.Header.Set("X-Amzn-Errortype", errorType)
	}
	if g.DefaultResponse {
		a.Body = r.body()
	} else {
		a.Body = e.gatewayBody(g, a.Header)
	}
	for target, source := range g.ResponseParameters {
		name := strings.TrimPrefix(target, "gatewayresponse.header.")
		if value, ok := e.value(source); ok && validHeader(name, value) {
			a.Header.Set(name, value)
		}
	}
	return a
}

// body is AWS's own.
func (r *refusal) body() []byte {
	text := "null"
	if !r.noMessage {
		text = quote(r.message)
	}
	if r.capital {
		return []byte(`{"Message":` + text + `}`)
	}
	return []byte(`{"message":` + text + `}`)
}

func quote(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always encodes
	}
	return string(encoded)
}

// reference is a variable in the template of a gateway response. AWS: they are
// replaced; it is no VTL.
var reference = regexp.MustCompile(`\$(context|stageVariables|method\.request)\.[A-Za-z0-9_.\-]*[A-Za-z0-9_\-]`)

// gatewayBody is the API's own body of a type.
func (e *exchange) gatewayBody(g *restapi.GatewayResponse, header http.Header) []byte {
	contentType, template := e.chooseTemplate(g.ResponseTemplates)
	header.Set("Content-Type", contentType)
	size := 0
	return []byte(reference.ReplaceAllStringFunc(template, func(found string) string {
		value, _ := e.value(found[1:])
		if size += len(value); size > MaxPayloadBytes {
			return ""
		}
		return value
	}))
}
