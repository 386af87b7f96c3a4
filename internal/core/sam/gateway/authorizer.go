package gateway

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// authorizer is one of a REST API.
type authorizer struct {
	api, name string
	iam       bool
	config    *dict
	pool      any // ARNs of user pools
	function  any // ARN
	identity  any
	payload   string // TOKEN or REQUEST
	scopes    []any
}

func newAuthorizer(api, name string, config *dict) *authorizer {
	a := &authorizer{api: api, name: name, config: config, pool: config.Get("UserPoolArn"), function: config.Get("FunctionArn"),
		identity: config.Get("Identity"), payload: "TOKEN"}
	switch payload := config.Get("FunctionPayloadType"); {
	case pyjson.Is(payload, "TOKEN"), payload == nil:
	case pyjson.Is(payload, "REQUEST"):
		if a.payload = "REQUEST"; a.missesIdentity() {
			fail.Resource(api, "%s Authorizer must specify Identity with at least one of Headers, QueryStrings, StageVariables, or Context.", name)
		}
	default:
		fail.Resource(api, "%s Authorizer has invalid 'FunctionPayloadType': %s.", name, pyjson.String(payload))
	}
	if a.scopes = []any{}; config.Get("AuthorizationScopes") != nil {
		a.scopes = fail.Property(api, "Authorizers."+name+".AuthorizationScopes").List(config.Get("AuthorizationScopes"))
	}
	if value := config.Get("DisableFunctionDefaultPermissions"); value != nil {
		fail.Property(api, "Authorizers."+name+".DisableFunctionDefaultPermissions").Bool(value)
	}
	return a
}

// identities are the parts of a request that tell who calls, and how API Gateway names them.
var identities = [][2]string{{"Headers", "method.request.header."}, {"QueryStrings", "method.request.querystring."},
	{"StageVariables", "stageVariables."}, {"Context", "context."}}

// missesIdentity tells whether answers would be kept without anything that tells callers apart.
func (a *authorizer) missesIdentity() bool {
	if !pyjson.Truthy(a.identity) {
		return true
	}
	identity := fail.Property(a.api, "Authorizer."+a.name+".Identity").Dict(a.identity)
	for _, kind := range identities {
		if pyjson.Truthy(identity.Get(kind[0])) {
			return false
		}
	}
	seconds, known := toInt(identity.Get("ReauthorizeEvery"))
	return !known || seconds.Sign() > 0
}

// toInt is Python's int() of a value.
func toInt(value any) (*big.Int, bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return big.NewInt(0), true
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		return big.NewInt(int64(f)), err == nil
	}
	text, ok := pyjson.Text(value)
	if !ok {
		return nil, false
	}
	return new(big.Int).SetString(strings.TrimSpace(text), 10)
}

// swagger is the definition of the authorizer.
func (a *authorizer) swagger(env *draft.Environment) *dict {
	const extension = "x-amazon-apigateway-authorizer"
	kind := "custom"
	switch {
	case a.iam:
		kind = "awsSigv4"
	case pyjson.Truthy(a.pool):
		kind = "cognito_user_pools"
	}
	d := pyjson.New27("type", "apiKey", "name", a.header(kind), "in", "header", "x-amazon-apigateway-authtype", kind)
	switch kind {
	case "cognito_user_pools":
		pools, ok := a.pool.([]any)
		if !ok {
			pools = []any{a.pool}
		}
		d.Set(extension, pyjson.New27("type", "cognito_user_pools", "providerARNs", pools))
	case "custom":
		d.Set(extension, a.lambda(env))
	}
	if kind == "cognito_user_pools" || kind == "custom" && a.payload == "TOKEN" {
		if pyjson.Truthy(a.identity) {
			if expression := fail.Dict(a.identity).Get("ValidationExpression"); pyjson.Truthy(expression) {
				d.Get(extension).(*dict).Set("identityValidationExpression", expression)
			}
		}
	}
	return d
}

func (a *authorizer) header(kind string) any {
	if kind == "custom" && a.payload == "REQUEST" {
		return "Unused"
	}
	identity, ok := a.identity.(*dict)
	if pyjson.Truthy(a.identity) && !ok {
		fail.Resource(a.api, "Auth.Authorizers.<Authorizer>.Identity must be a dict (LambdaTokenAuthorizationIdentity, LambdaRequestAuthorizationIdentity or CognitoAuthorizationIdentity).")
	}
	if header := identity.Get("Header"); pyjson.Truthy(header) {
		return header
	}
	return "Authorization"
}

// lambda is the extension for an authorizer that is a function.
func (a *authorizer) lambda(env *draft.Environment) *dict {
	uri := "arn:" + env.Partition() + ":apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations"
	d := pyjson.New27("type", strings.ToLower(a.payload), "authorizerUri", intrinsic.Sub(uri, "__FunctionArn__", a.function))
	var identity *dict
	if pyjson.Truthy(a.identity) {
		identity = fail.Dict(a.identity)
	}
	if every := identity.Get("ReauthorizeEvery"); every != nil {
		d.Set("authorizerResultTtlInSeconds", every)
	}
	if role := a.config.Get("FunctionInvokeRole"); pyjson.Truthy(role) && !pyjson.Is(role, "NONE") {
		d.Set("authorizerCredentials", role)
	}
	if a.payload == "REQUEST" {
		if source := a.identitySource(identity); pyjson.Truthy(source) {
			d.Set("identitySource", source)
		}
	}
	return d
}

func (a *authorizer) identitySource(identity *dict) any {
	var parts []string
	unicode := false
	for _, kind := range identities {
		values := identity.Get(kind[0])
		if !pyjson.Truthy(values) {
			continue
		}
		for _, value := range fail.Property(a.api, "Auth.Authorizers."+a.name+".Identity."+kind[0]).Texts(values) {
			text, _ := pyjson.Text(value)
			_, isUnicode := value.(pyjson.Unicode)
			unicode = unicode || isUnicode
			parts = append(parts, kind[1]+text)
		}
	}
	if source := strings.Join(parts, ", "); unicode {
		return pyjson.Unicode(source)
	} else {
		return source
	}
}
