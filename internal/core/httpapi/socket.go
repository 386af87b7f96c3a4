package httpapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// The routes of WebSocket APIs that no message selects: they are about connections.
const (
	ConnectRoute    = "$connect"
	DisconnectRoute = "$disconnect"
)

// The types of integrations that only WebSocket APIs have: those whose requests and
// answers templates make.
const (
	Mock    = "MOCK" // answers by itself
	AWS     = "AWS"  // a function, or an operation of a service
	Backend = "HTTP" // an endpoint
)

// The values of PassthroughBehavior.
const (
	PassWhenNoMatch     = "WHEN_NO_MATCH"
	PassWhenNoTemplates = "WHEN_NO_TEMPLATES"
	PassNever           = "NEVER"
)

// The values of ContentHandlingStrategy.
const (
	ToText   = "CONVERT_TO_TEXT"
	ToBinary = "CONVERT_TO_BINARY"
)

// bodyReference is where in a message a selection looks: names of members and
// indexes of lists.
var bodyReference = lazy.MustCompile(`^request\.body((?:\.[A-Za-z0-9_-]+(?:\[[0-9]{1,4}\])*)+)$`)

// Bounds of an expression.
const (
	maxSelection = 1024
	maxRouteKey  = 128
)

// Selection chooses the route of a message.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
type Selection struct{ expression Expression }

// ParseSelection reads a RouteSelectionExpression of a WebSocket API:
// "$request.body.action", "${request.body.a}/${request.body.b[0]}".
func ParseSelection(text string) (*Selection, error) {
	refusal := bad("Invalid route selection expression %q: it names members of the message, as $request.body.action does", text)
	if len(text) > maxSelection {
		return nil, refusal
	}
	s := &Selection{ParseExpression(text)}
	found := false
	for _, p := range s.expression {
		switch {
		case p.Ref == "" && strings.Contains(p.Text, "$"):
			return nil, refusal
		case p.Ref == "":
		case !bodyReference.MatchString(p.Ref):
			return nil, refusal
		default:
			found = true
		}
	}
	if !found {
		return nil, refusal
	}
	return s, nil
}

// Key is the route key that a message selects; "" if it is no JSON or has no such
// members.
func (s *Selection) Key(message []byte) string {
	var body any
	if json.Unmarshal(message, &body) != nil {
		return ""
	}
	return s.expression.Resolve(func(ref string) string { return scalar(member(body, strings.TrimPrefix(ref, "request.body."))) })
}

// member is what a path of names and indexes leads to, or nil.
func member(value any, path string) any {
	for segment := range strings.SplitSeq(path, ".") {
		name, indexes, _ := strings.Cut(segment, "[")
		object, _ := value.(map[string]any)
		value = object[name]
		for indexes != "" {
			number, rest, _ := strings.Cut(indexes, "]")
			indexes = strings.TrimPrefix(rest, "[")
			list, _ := value.([]any)
			at, err := strconv.Atoi(number)
			if err != nil || at >= len(list) {
				return nil
			}
			value = list[at]
		}
	}
	return value
}

// scalar is a text, number or truth value as a route key has it.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// checkSocket refuses what is no WebSocket API.
func (a *API) checkSocket() error {
	if a.RouteSelectionExpression == routeSelection || a.RouteSelectionExpression == "" {
		return bad("RouteSelectionExpression is a required parameter for WEBSOCKET protocol")
	}
	if _, err := ParseSelection(a.RouteSelectionExpression); err != nil {
		return err
	}
	if a.CORS != nil {
		return bad("CorsConfiguration is not supported for WEBSOCKET protocol")
	}
	return nil
}

// checkSocket refuses what is no route of a WebSocket API. Only connecting is
// authorized, as on AWS.
func (r *Route) checkSocket() error {
	connect := r.Key == ConnectRoute
	switch {
	case r.Key == "" || len(r.Key) > maxRouteKey:
		return bad("The provided route key must have 1 to %d characters", maxRouteKey)
	case strings.HasPrefix(r.Key, "$") && !connect && r.Key != DisconnectRoute && r.Key != DefaultRoute:
		return bad("The provided route key %s is invalid: keys that begin with $ are $connect, $disconnect and $default", r.Key)
	case r.APIKeyRequired:
		return bad("ApiKeyRequired is not supported for WebSocket APIs by this platform")
	case !connect && r.AuthorizationType != "" && r.AuthorizationType != AuthNone:
		return bad("Authorization is only supported on the $connect route of WebSocket APIs")
	case r.AuthorizationType == AuthJWT || len(r.AuthorizationScopes) > 0:
		return bad("JWT authorization is not supported for WebSocket APIs")
	}
	if e := r.RouteResponseSelectionExpression; e != nil && *e != "" && *e != DefaultRoute {
		return bad("RouteResponseSelectionExpression must be $default")
	}
	return r.checkParameters()
}

func (r *Route) checkParameters() error {
	for name := range r.RequestParameters {
		if r.Key != ConnectRoute || !routeParameter.MatchString(name) {
			return bad("Invalid request parameter %s: the $connect route has those of route.request.header and route.request.querystring", name)
		}
	}
	return nil
}

// checkSocket refuses what is no integration of a WebSocket API.
func (i *Integration) checkSocket() error {
	if i.TimeoutMS == 0 {
		i.TimeoutMS = MaxSocketTimeoutMS
	}
	if i.ConnectionType == "" {
		i.ConnectionType = "INTERNET"
	}
	switch {
	case i.TimeoutMS < minTimeoutMS || i.TimeoutMS > MaxSocketTimeoutMS:
		return bad("Timeout should be between %d ms and %d ms", minTimeoutMS, MaxSocketTimeoutMS)
	case i.ConnectionType != "INTERNET" || i.ConnectionID != "":
		return bad("ConnectionType %s is not supported by this platform: there are no VPCs", i.ConnectionType)
	case i.Subtype != "" || i.TLS != nil || i.ResponseParameters != nil:
		return bad("IntegrationSubtype, TlsConfig and ResponseParameters are not supported for WebSocket APIs")
	case i.PayloadFormatVersion != "" && i.PayloadFormatVersion != "1.0":
		return bad("PayloadFormatVersion of WebSocket APIs is 1.0")
	}
	if err := checkContentHandling(i.ContentHandlingStrategy); err != nil {
		return err
	}
	i.PayloadFormatVersion = "1.0"
	return i.checkSocketType()
}

// checkSocketType refuses what does not fit the type.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
func (i *Integration) checkSocketType() error {
	if i.Type == LambdaProxy && i.Method == "" {
		i.Method = "POST"
	}
	i.ResponseSelectionExpression = i.responseSelection()
	proxies := i.Type == LambdaProxy || i.Type == HTTPProxy
	switch {
	case proxies && (len(i.RequestTemplates) > 0 || i.TemplateSelectionExpression != nil && *i.TemplateSelectionExpression != ""):
		return bad("Mapping templates are not supported for %s integrations", i.Type)
	// Messages of clients are text anyway; Chalice asks for it.
	case proxies && i.ContentHandlingStrategy != nil && !(i.Type == LambdaProxy && *i.ContentHandlingStrategy == ToText):
		return bad("ContentHandlingStrategy is not supported for %s integrations", i.Type)
	case (i.Type == LambdaProxy || i.Type == Mock) && len(i.RequestParameters) > 0:
		return bad("RequestParameters have no effect on %s integrations", i.Type)
	}
	if err := join(CheckSocketParameters(i.RequestParameters), i.checkSocketURI()); err != nil {
		return err
	}
	if p := i.PassthroughBehavior; p != nil && *p != "" && !slices.Contains([]string{PassWhenNoMatch, PassWhenNoTemplates, PassNever}, *p) {
		return bad("Invalid PassthroughBehavior %s", *p)
	}
	return checkTemplates(i.RequestTemplates, i.TemplateSelectionExpression, false)
}

// checkSocketURI refuses what leads nowhere.
func (i *Integration) checkSocketURI() error {
	switch i.Type {
	case LambdaProxy, AWS:
		if !strings.HasPrefix(i.URI, "arn:") {
			return bad("Invalid function ARN or invalid uri")
		}
		if i.Type == AWS && i.Method == "" {
			return bad("HTTP method is required for AWS integrations")
		}
		if i.Type == AWS && !IsFunction(i.URI) && i.CredentialsARN == "" {
			return bad("Role ARN must be specified for AWS integrations")
		}
	case HTTPProxy, Backend:
		return i.checkHTTP()
	case Mock:
		if i.PassthroughBehavior != nil && *i.PassthroughBehavior == PassNever && len(i.RequestTemplates) == 0 {
			return bad("A MOCK integration with PassthroughBehavior NEVER needs a request template")
		}
	default:
		return bad("IntegrationType %s is not supported for WebSocket APIs", i.Type)
	}
	return nil
}

// IsFunction tells whether a URI leads to a function: by its ARN, or by that of its API.
func IsFunction(uri string) bool {
	return strings.HasPrefix(uri, "arn:aws:lambda:") || strings.Contains(uri, ":lambda:path/")
}

// responseSelection is the expression whose value chooses the integration response.
// AWS: it is fixed,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-transformations.html
func (i *Integration) responseSelection() *string {
	text := "${integration.response.statuscode}"
	switch i.Type {
	case LambdaProxy, HTTPProxy:
		return nil
	case AWS:
		if IsFunction(i.URI) {
			text = "${integration.response.body.errorMessage}"
		}
	}
	return &text
}

func checkContentHandling(strategy *string) error {
	if strategy != nil && *strategy != "" && *strategy != ToText && *strategy != ToBinary {
		return bad("Invalid ContentHandlingStrategy %s", *strategy)
	}
	return nil
}

// The forms of parameters of requests.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-mapping.html
var (
	routeParameter  = lazy.MustCompile(`^route\.request\.(header|querystring)\.[A-Za-z0-9._$-]+$`)
	socketParameter = lazy.MustCompile(`^integration\.request\.(header|querystring|path)\.[A-Za-z0-9._$-]+$`)
	socketSource    = lazy.MustCompile(`^('[^']*'|route\.request\.(header|querystring|multivalueheader|multivaluequerystring)\.[A-Za-z0-9._$-]+|route\.request\.body(\.\S+)?|context\.[A-Za-z0-9._]+|stageVariables\.[A-Za-z0-9_]+)$`)
)

// CheckSocketParameters refuses what is no mapping of a request of a WebSocket API.
func CheckSocketParameters(mapping map[string]string) error {
	for target, source := range mapping {
		if !socketParameter.MatchString(target) || !socketSource.MatchString(source) {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s, value: %s]", target, source)
		}
	}
	return nil
}

// MaxSocketTimeoutMS is the time that an integration of a WebSocket API has.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const MaxSocketTimeoutMS = 29000

// checkSocket refuses what is no authorizer of a WebSocket API.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
func (a *Authorizer) checkSocket() error {
	switch {
	case a.Type != Request:
		return bad("AuthorizerType of WebSocket APIs is REQUEST")
	case a.JWT != nil || a.EnableSimpleResponses != nil || a.PayloadFormatVersion != "" || a.TTLSeconds != nil && *a.TTLSeconds != 0:
		return bad("JwtConfiguration, EnableSimpleResponses, AuthorizerPayloadFormatVersion and AuthorizerResultTtlInSeconds are for HTTP APIs")
	case a.IdentityValidationExpression != nil && *a.IdentityValidationExpression != "":
		return bad("IdentityValidationExpression is not supported for WebSocket APIs")
	case !strings.HasPrefix(a.URI, "arn:"):
		return bad("Invalid authorizer uri: %s", a.URI)
	}
	for _, source := range a.IdentitySource {
		if !socketIdentity.MatchString(source) {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", source)
		}
	}
	return nil
}

// socketIdentity is where an authorizer of a WebSocket API looks.
var socketIdentity = lazy.MustCompile(`^(route\.request\.(header|querystring)\.[^\s]+|context\.[A-Za-z0-9._]+|stageVariables\.[A-Za-z0-9_]+)$`)

// checkSocket refuses what a stage of a WebSocket API cannot have.
func (s *Stage) checkSocket() error {
	if s.Name == DefaultStage {
		return bad("Stage name only allows a-zA-Z0-9_-")
	}
	settings := []Settings{}
	if s.Settings != nil {
		settings = append(settings, *s.Settings)
	}
	for _, of := range s.RouteSettings {
		settings = append(settings, of)
	}
	for _, of := range settings {
		if level := of.LoggingLevel; level != nil && !slices.Contains([]string{"", LogOff, LogError, LogInfo}, *level) {
			return bad("Invalid LoggingLevel %s: it is OFF, ERROR or INFO", *level)
		}
	}
	return nil
}

// The values of LoggingLevel.
const (
	LogOff   = "OFF"
	LogError = "ERROR"
	LogInfo  = "INFO"
)
