package httpapi

import (
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// The types below have the members of AWS's API model with its names (in JSON),
// so that the service translates between both by name. What is nil was not given.
// AWS: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/resources.html

// Scope is what APIs belong to.
type Scope struct{ Account, Region string }

// ARN is that of an API or of what is below it: "/apis/ID", "/apis/ID/stages/NAME".
func (s Scope) ARN(path string) string { return arn.New("apigateway", s.Region, "", path).String() }

// The protocols of APIs. WebSocket APIs are kept by the same types.
const (
	HTTP      = "HTTP"
	WebSocket = "WEBSOCKET"
)

// API is one.
type API struct {
	ID                        string            `json:"ApiId"`
	Managed                   bool              `json:"ApiGatewayManaged,omitempty"`
	APIKeySelectionExpression string            `json:"ApiKeySelectionExpression,omitempty"`
	CORS                      *CORS             `json:"CorsConfiguration,omitempty"`
	Created                   time.Time         `json:"CreatedDate"`
	Description               *string           `json:"Description,omitempty"`
	DisableSchemaValidation   *bool             `json:"DisableSchemaValidation,omitempty"`
	DisableExecuteAPIEndpoint bool              `json:"DisableExecuteApiEndpoint"`
	ImportInfo                []string          `json:"ImportInfo,omitempty"`
	IPAddressType             string            `json:"IpAddressType,omitempty"`
	Name                      string            `json:"Name"`
	ProtocolType              string            `json:"ProtocolType"`
	RouteSelectionExpression  string            `json:"RouteSelectionExpression"`
	Tags                      map[string]string `json:"Tags,omitempty"`
	Version                   *string           `json:"Version,omitempty"`
	Warnings                  []string          `json:"Warnings,omitempty"`

	Scope    Scope // not of the API model
	Revision int64 // counts the changes of the API and of all that belongs to it
}

// CORS is what browsers are told.
type CORS struct {
	AllowCredentials *bool    `json:"AllowCredentials,omitempty"`
	AllowHeaders     []string `json:"AllowHeaders,omitempty"`
	AllowMethods     []string `json:"AllowMethods,omitempty"`
	AllowOrigins     []string `json:"AllowOrigins,omitempty"`
	ExposeHeaders    []string `json:"ExposeHeaders,omitempty"`
	MaxAge           *int     `json:"MaxAge,omitempty"`
}

// The values of AuthorizationType.
const (
	AuthNone   = "NONE"
	AuthJWT    = "JWT"
	AuthLambda = "CUSTOM"
	AuthIAM    = "AWS_IAM"
)

// Constraint is what is wanted of a parameter.
type Constraint struct {
	Required *bool `json:"Required,omitempty"`
}

// Route leads requests to an integration.
type Route struct {
	ID                               string                `json:"RouteId"`
	Managed                          bool                  `json:"ApiGatewayManaged,omitempty"`
	APIKeyRequired                   bool                  `json:"ApiKeyRequired"`
	AuthorizationScopes              []string              `json:"AuthorizationScopes,omitempty"`
	AuthorizationType                string                `json:"AuthorizationType"`
	AuthorizerID                     string                `json:"AuthorizerId,omitempty"`
	ModelSelectionExpression         *string               `json:"ModelSelectionExpression,omitempty"`
	OperationName                    string                `json:"OperationName,omitempty"`
	RequestModels                    map[string]string     `json:"RequestModels,omitempty"`
	RequestParameters                map[string]Constraint `json:"RequestParameters,omitempty"`
	Key                              string                `json:"RouteKey"`
	RouteResponseSelectionExpression *string               `json:"RouteResponseSelectionExpression,omitempty"`
	Target                           string                `json:"Target,omitempty"` // "integrations/ID"
}

// The types of integrations that HTTP APIs have.
const (
	LambdaProxy = "AWS_PROXY"
	HTTPProxy   = "HTTP_PROXY"
)

// Integration is what answers a route.
type Integration struct {
	ID                          string                       `json:"IntegrationId"`
	Managed                     bool                         `json:"ApiGatewayManaged,omitempty"`
	ConnectionID                string                       `json:"ConnectionId,omitempty"`
	ConnectionType              string                       `json:"ConnectionType,omitempty"`
	ContentHandlingStrategy     *string                      `json:"ContentHandlingStrategy,omitempty"`
	CredentialsARN              string                       `json:"CredentialsArn,omitempty"`
	Description                 *string                      `json:"Description,omitempty"`
	ResponseSelectionExpression *string                      `json:"IntegrationResponseSelectionExpression,omitempty"`
	Method                      string                       `json:"IntegrationMethod,omitempty"`
	Subtype                     string                       `json:"IntegrationSubtype,omitempty"`
	Type                        string                       `json:"IntegrationType"`
	URI                         string                       `json:"IntegrationUri,omitempty"`
	PassthroughBehavior         *string                      `json:"PassthroughBehavior,omitempty"`
	PayloadFormatVersion        string                       `json:"PayloadFormatVersion,omitempty"`
	RequestParameters           map[string]string            `json:"RequestParameters,omitempty"`
	RequestTemplates            map[string]string            `json:"RequestTemplates,omitempty"`
	ResponseParameters          map[string]map[string]string `json:"ResponseParameters,omitempty"`
	TemplateSelectionExpression *string                      `json:"TemplateSelectionExpression,omitempty"`
	TimeoutMS                   int                          `json:"TimeoutInMillis,omitempty"`
	TLS                         *TLS                         `json:"TlsConfig,omitempty"`

	// ForFunction tells that a function configured it: it calls only what functions
	// may. Not of the API model.
	ForFunction bool `json:",omitempty"`
}

// TLS is how the server of an HTTP integration is verified.
type TLS struct {
	ServerNameToVerify string `json:"ServerNameToVerify,omitempty"`
}

// The types of authorizers.
const (
	Request = "REQUEST"
	JWT     = "JWT"
)

// Authorizer decides who may call a route.
type Authorizer struct {
	ID                           string     `json:"AuthorizerId"`
	CredentialsARN               string     `json:"AuthorizerCredentialsArn,omitempty"`
	PayloadFormatVersion         string     `json:"AuthorizerPayloadFormatVersion,omitempty"`
	TTLSeconds                   *int       `json:"AuthorizerResultTtlInSeconds,omitempty"`
	Type                         string     `json:"AuthorizerType"`
	URI                          string     `json:"AuthorizerUri,omitempty"`
	EnableSimpleResponses        *bool      `json:"EnableSimpleResponses,omitempty"`
	IdentitySource               []string   `json:"IdentitySource,omitempty"`
	IdentityValidationExpression *string    `json:"IdentityValidationExpression,omitempty"`
	JWT                          *JWTConfig `json:"JwtConfiguration,omitempty"`
	Name                         string     `json:"Name"`
	ForFunction                  bool       `json:",omitempty"` // as of an Integration
}

// JWTConfig is whose tokens are taken.
type JWTConfig struct {
	Audience []string `json:"Audience,omitempty"`
	Issuer   string   `json:"Issuer,omitempty"`
}

// Settings are those of the routes of a stage.
type Settings struct {
	DataTraceEnabled       *bool    `json:"DataTraceEnabled,omitempty"`
	DetailedMetricsEnabled *bool    `json:"DetailedMetricsEnabled,omitempty"`
	LoggingLevel           *string  `json:"LoggingLevel,omitempty"`
	ThrottlingBurstLimit   *int     `json:"ThrottlingBurstLimit,omitempty"`
	ThrottlingRateLimit    *float64 `json:"ThrottlingRateLimit,omitempty"`
}

// AccessLog is where a stage logs its requests, and how.
type AccessLog struct {
	DestinationARN string `json:"DestinationArn,omitempty"`
	Format         string `json:"Format,omitempty"`
}

// DefaultStage is the stage whose name is not in the path.
const DefaultStage = "$default"

// Stage is a deployment with its settings, under a name.
type Stage struct {
	Name                        string              `json:"StageName"`
	AccessLog                   *AccessLog          `json:"AccessLogSettings,omitempty"`
	Managed                     bool                `json:"ApiGatewayManaged,omitempty"`
	AutoDeploy                  bool                `json:"AutoDeploy,omitempty"`
	ClientCertificateID         string              `json:"ClientCertificateId,omitempty"`
	Created                     time.Time           `json:"CreatedDate"`
	Settings                    *Settings           `json:"DefaultRouteSettings"`
	DeploymentID                string              `json:"DeploymentId,omitempty"`
	Description                 *string             `json:"Description,omitempty"`
	LastDeploymentStatusMessage string              `json:"LastDeploymentStatusMessage,omitempty"`
	Updated                     time.Time           `json:"LastUpdatedDate"`
	RouteSettings               map[string]Settings `json:"RouteSettings"`
	Variables                   map[string]string   `json:"StageVariables"`
	Tags                        map[string]string   `json:"Tags,omitempty"`
}

// Deployment is a snapshot of an API. It never changes but for its description.
type Deployment struct {
	ID            string    `json:"DeploymentId"`
	AutoDeployed  bool      `json:"AutoDeployed"`
	Created       time.Time `json:"CreatedDate"`
	Status        string    `json:"DeploymentStatus"`
	StatusMessage string    `json:"DeploymentStatusMessage,omitempty"`
	Description   *string   `json:"Description,omitempty"`
	Parts         int       // rows of the snapshot; not of the API model
}

// Model describes bodies; WebSocket APIs have them.
type Model struct {
	ID          string  `json:"ModelId"`
	ContentType string  `json:"ContentType,omitempty"`
	Description *string `json:"Description,omitempty"`
	Name        string  `json:"Name"`
	Schema      string  `json:"Schema,omitempty"`
}

// Definition is what a deployment freezes.
type Definition struct {
	CORS         *CORS `json:",omitempty"`
	Routes       []Route
	Integrations map[string]Integration
	Authorizers  map[string]Authorizer

	// Of WebSocket APIs.
	Selection string                           `json:",omitempty"`
	Answers   map[string]bool                  `json:",omitempty"` // routes with a route response
	Responses map[string][]IntegrationResponse `json:",omitempty"` // by integration
	Models    map[string]string                `json:",omitempty"` // schemas by the names of models
}
