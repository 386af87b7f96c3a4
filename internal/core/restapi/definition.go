package restapi

import (
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// The members of these types have the names that AWS's API gives them, so that
// svc/apigateway can copy them by name.

// API is a REST API with all that belongs to it. What Get and List return is never
// changed: a change replaces it.
type API struct {
	Id                        string
	Name                      string
	Description               string
	Version                   string
	CreatedDate               time.Time
	EndpointTypes             []string
	DisableExecuteApiEndpoint bool
	Tags                      map[string]string `json:",omitempty"`
	Warnings                  []string          `json:",omitempty"` // of the last import
	// ForFunction tells that a function had a part in it: its HTTP integrations call only
	// what functions may call.
	ForFunction bool `json:",omitempty"`
	Definition
	Deployments map[string]*Deployment
	Stages      map[string]*Stage
}

// Definition is what a deployment takes a snapshot of.
type Definition struct {
	BinaryMediaTypes       []string `json:",omitempty"`
	MinimumCompressionSize *int32   `json:",omitempty"`
	ApiKeySource           string
	Policy                 string `json:",omitempty"`
	Resources              map[string]*Resource
	Models                 map[string]*Model            `json:",omitempty"`
	Authorizers            map[string]*Authorizer       `json:",omitempty"`
	RequestValidators      map[string]*RequestValidator `json:",omitempty"`
	GatewayResponses       map[string]*GatewayResponse  `json:",omitempty"`
}

// Sources of API keys.
const (
	KeyInHeader     = "HEADER"
	KeyOfAuthorizer = "AUTHORIZER"
)

// Resource is a path.
type Resource struct {
	Id, ParentId, PathPart string
	Path                   string
	ResourceMethods        map[string]*Method `json:",omitempty"`
}

// AnyMethod is the method that takes every one without a method of its own.
const AnyMethod = "ANY"

// Method is what a client may call.
type Method struct {
	HttpMethod          string
	AuthorizationType   string
	AuthorizerId        string                     `json:",omitempty"`
	ApiKeyRequired      bool                       `json:",omitempty"`
	RequestValidatorId  string                     `json:",omitempty"`
	OperationName       string                     `json:",omitempty"`
	RequestParameters   map[string]bool            `json:",omitempty"`
	RequestModels       map[string]string          `json:",omitempty"`
	AuthorizationScopes []string                   `json:",omitempty"`
	MethodResponses     map[string]*MethodResponse `json:",omitempty"`
	MethodIntegration   *Integration               `json:",omitempty"`
}

// Types of authorization.
const (
	AuthNone    = "NONE"
	AuthIAM     = "AWS_IAM"
	AuthCustom  = "CUSTOM"
	AuthCognito = "COGNITO_USER_POOLS"
)

// MethodResponse is an answer that a client may get.
type MethodResponse struct {
	StatusCode         string
	ResponseParameters map[string]bool   `json:",omitempty"`
	ResponseModels     map[string]string `json:",omitempty"`
}

// Integration is what a method calls.
type Integration struct {
	Type                 string
	HttpMethod           string            `json:",omitempty"`
	Uri                  string            `json:",omitempty"`
	Credentials          string            `json:",omitempty"`
	RequestParameters    map[string]string `json:",omitempty"`
	RequestTemplates     map[string]string `json:",omitempty"`
	PassthroughBehavior  string
	ContentHandling      string `json:",omitempty"`
	TimeoutInMillis      int32
	CacheNamespace       string
	CacheKeyParameters   []string `json:",omitempty"`
	ConnectionType       string
	TlsInsecure          bool                            `json:",omitempty"`
	IntegrationResponses map[string]*IntegrationResponse `json:",omitempty"`
}

// Types of integrations.
const (
	TypeAWS       = "AWS"
	TypeAWSProxy  = "AWS_PROXY"
	TypeHTTP      = "HTTP"
	TypeHTTPProxy = "HTTP_PROXY"
	TypeMock      = "MOCK"
)

// What becomes of a body whose type has no template.
const (
	PassWhenNoMatch     = "WHEN_NO_MATCH"
	PassWhenNoTemplates = "WHEN_NO_TEMPLATES"
	PassNever           = "NEVER"
)

// What becomes of the bytes of a body.
const (
	ToBinary = "CONVERT_TO_BINARY"
	ToText   = "CONVERT_TO_TEXT"
)

// IntegrationResponse makes an answer of what was called.
type IntegrationResponse struct {
	StatusCode         string
	SelectionPattern   string            `json:",omitempty"`
	ResponseParameters map[string]string `json:",omitempty"`
	ResponseTemplates  map[string]string `json:",omitempty"`
	ContentHandling    string            `json:",omitempty"`
}

// Model is a JSON schema.
type Model struct {
	Id, Name, Description, Schema, ContentType string
}

// Authorizer decides who may call a method.
type Authorizer struct {
	Id                           string
	Name                         string
	Type                         string
	AuthType                     string
	AuthorizerUri                string
	AuthorizerCredentials        string
	IdentitySource               string
	IdentityValidationExpression string
	AuthorizerResultTtlInSeconds *int32
}

// Types of authorizers.
const (
	AuthorizerToken   = "TOKEN"
	AuthorizerRequest = "REQUEST"
)

// DefaultAuthorizerTTL is how many seconds an answer of an authorizer holds.
const DefaultAuthorizerTTL = 300

// RequestValidator says what is checked of requests.
type RequestValidator struct {
	Id, Name                  string
	ValidateRequestBody       bool
	ValidateRequestParameters bool
}

// GatewayResponse is an answer that the gateway gives itself.
type GatewayResponse struct {
	ResponseType       string
	StatusCode         string
	ResponseParameters map[string]string
	ResponseTemplates  map[string]string
	DefaultResponse    bool
}

// Deployment is a snapshot of the definition.
type Deployment struct {
	Id, Description string
	CreatedDate     time.Time
}

// Stage is a deployment that clients can call.
type Stage struct {
	StageName         string
	DeploymentId      string
	Description       string
	Variables         map[string]string         `json:",omitempty"`
	MethodSettings    map[string]*MethodSetting `json:",omitempty"`
	AccessLogSettings *AccessLogSettings        `json:",omitempty"`
	CanarySettings    *CanarySettings           `json:",omitempty"`
	TracingEnabled    bool
	Tags              map[string]string `json:",omitempty"`
	CreatedDate       time.Time
	LastUpdatedDate   time.Time
}

// MethodSetting is how a method is served. Its key is RESOURCE/METHOD, with ~1 for
// the slashes of the path, or */*.
type MethodSetting struct {
	MetricsEnabled       bool
	LoggingLevel         string
	DataTraceEnabled     bool
	ThrottlingBurstLimit *int32
	ThrottlingRateLimit  *float64
}

// AccessLogSettings is where a line for each request goes.
type AccessLogSettings struct{ Format, DestinationArn string }

// CanarySettings are another deployment, which a share of the requests meets.
type CanarySettings struct {
	PercentTraffic         float64
	DeploymentId           string
	StageVariableOverrides map[string]string `json:",omitempty"`
	UseStageCache          bool
}

// Root is the resource that all others are below.
func (d *Definition) Root() *Resource {
	for _, r := range d.Resources {
		if r.ParentId == "" {
			return r
		}
	}
	return nil
}

// At is the resource of a path, or nil.
func (d *Definition) At(path string) *Resource {
	for _, r := range d.Resources {
		if r.Path == path {
			return r
		}
	}
	return nil
}

// InvokeARN begins the ARNs of an API's methods in policies:
// arn:aws:execute-api:REGION:ACCOUNT:API.
func (id ID) InvokeARN() string {
	return arn.New("execute-api", id.Region, id.Account, id.ID).String()
}

// FunctionOf is the function that a URI of an integration or authorizer names, or "":
// arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations.
func FunctionOf(uri string) string {
	_, rest, found := strings.Cut(uri, ":lambda:path/")
	if !found {
		return ""
	}
	_, rest, found = strings.Cut(rest, "/functions/")
	if !found {
		return ""
	}
	function, found := strings.CutSuffix(rest, "/invocations")
	if !found {
		return ""
	}
	return function
}
