package sam

import (
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// globalProperties are what the section Globals may say of a type of resources.
var globalProperties = map[string]string{
	"Function": "Handler Runtime CodeUri DeadLetterQueue Description MemorySize Timeout VpcConfig Environment Tags PropagateTags Tracing KmsKeyArn" +
		" AutoPublishAlias AutoPublishAliasAllProperties Layers DeploymentPreference RolePath PermissionsBoundary ReservedConcurrentExecutions" +
		" ProvisionedConcurrencyConfig AssumeRolePolicyDocument EventInvokeConfig FileSystemConfigs CodeSigningConfigArn Architectures SnapStart" +
		" EphemeralStorage FunctionUrlConfig RuntimeManagementConfig LoggingConfig RecursiveLoop SourceKMSKeyArn TenancyConfig DurableConfig" +
		" CapacityProviderConfig FunctionScalingConfig PublishToLatestPublished VersionDeletionPolicy",
	"Api": "Auth Name DefinitionUri CacheClusterEnabled CacheClusterSize MergeDefinitions Variables EndpointConfiguration MethodSettings" +
		" BinaryMediaTypes MinimumCompressionSize Cors GatewayResponses AccessLogSetting CanarySetting TracingEnabled OpenApiVersion Domain" +
		" AlwaysDeploy PropagateTags SecurityPolicy EndpointAccessMode",
	"HttpApi":          "Auth AccessLogSettings StageVariables Tags CorsConfiguration DefaultRouteSettings Domain RouteSettings FailOnWarnings PropagateTags",
	"SimpleTable":      "SSESpecification",
	"StateMachine":     "PropagateTags",
	"LayerVersion":     "PublishLambdaVersion",
	"CapacityProvider": "VpcConfig OperatorRole Tags InstanceRequirements ScalingConfig KmsKeyArn PropagateTags LoggingConfig ManagedResourceTags",
	"MicrovmImage": "BuildRoleArn BaseImageArn BaseImageVersion Logging EgressNetworkConnectors CpuConfigurations Resources AdditionalOsCapabilities" +
		" Hooks EnvironmentVariables Tags PropagateTags",
	"NetworkConnector": "OperatorRole Tags PropagateTags",
	"WebSocketApi": "AccessLogSettings ApiKeySelectionExpression DefaultRouteSettings DisableExecuteApiEndpoint DisableSchemaValidation Domain" +
		" FailOnWarnings IpAddressType PropagateTags RouteSelectionExpression RouteSettings StageVariables Tags",
}

// Properties that are not merged as others are: those that a resource replaces, and
// those of which it keeps only its own keys.
var (
	replacedGlobals = []string{"Function.Architectures", "CapacityProvider.InstanceRequirements.Architectures"}
	prunedGlobals   = []string{"CapacityProvider.ManagedResourceTags"}
)

// mergeGlobals takes the section Globals into the resources and removes it.
func mergeGlobals(template *dict) {
	globals := readGlobals(template)
	eachSAM(template, func(id string, resource *dict) {
		section := strings.TrimPrefix(fail.Text(resource.Get("Type")), "AWS::Serverless::")
		properties := propertiesOf(resource)
		if globals.Has(section) {
			endsDocument(func() {
				own := withoutIgnored(id, resource.Get("IgnoreGlobals"), fail.Dict(globals.Get(section)))
				resource.Set("Properties", merged(section, own, properties))
			})
		}
	})
	template.Delete("Globals")
	fixOpenAPIVersions(template)
}

func readGlobals(template *dict) *dict {
	if !template.Has("Globals") {
		return nil
	}
	globals, ok := template.Get("Globals").(*dict)
	if !ok {
		fail.Globals("It must be a non-empty dictionary")
	}
	for _, section := range globals.Keys() {
		supported := strings.Fields(globalProperties[section])
		if len(supported) == 0 {
			names := make([]any, 0, len(globalProperties))
			for name := range globalProperties {
				names = append(names, name)
			}
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			fail.Globals("'%s' is not supported. Must be one of the following values - %s", section, pyjson.Repr(names))
		}
		properties, ok := globals.Get(section).(*dict)
		if !ok {
			fail.Globals("Value of ${section} must be a dictionary")
		}
		for _, name := range properties.Keys() {
			if !slices.Contains(supported, name) {
				fail.Globals("'%s' is not a supported property of '%s'. Must be one of the following values - %s", name, section, pyjson.Repr(draft.Anys(supported)))
			}
		}
	}
	return globals
}

// withoutIgnored leaves out what a resource's IgnoreGlobals names.
func withoutIgnored(id string, ignored any, globals *dict) *dict {
	if !pyjson.Truthy(ignored) {
		return globals
	}
	if pyjson.Is(ignored, "*") {
		return pyjson.New()
	}
	names, ok := ignored.([]any)
	if !ok {
		fail.Resource(id, "Resource %s has invalid resource attribute 'IgnoreGlobals'.", id)
	}
	kept := pyjson.Clone(globals).(*dict)
	for _, name := range names {
		text, _ := pyjson.Text(name)
		if !kept.Has(text) {
			fail.Resource(id, "Resource %s has invalid resource attribute 'IgnoreGlobals' on item '%s'.", id, pyjson.String(name))
		}
		kept.Delete(text)
	}
	return kept
}

// merged merges a global value and that of a resource, which wins: maps key by key,
// lists one after the other.
func merged(path string, global, local any) any {
	switch g := global.(type) {
	case *dict:
		l, ok := local.(*dict)
		if !ok || intrinsic.Is(g) || intrinsic.Is(l) || slices.Contains(replacedGlobals, path) {
			return local
		}
		if slices.Contains(prunedGlobals, path) && l.Len() > 0 {
			return mergedInto(pyjson.New(), path, g, l)
		}
		return mergedInto(g.Copy(), path, g, l)
	case []any:
		if l, ok := local.([]any); ok && !slices.Contains(replacedGlobals, path) {
			return draft.With(g, l...)
		}
	}
	return local
}

func mergedInto(result *dict, path string, global, local *dict) *dict {
	for _, key := range local.Keys() {
		value := local.Get(key)
		if global.Has(key) {
			value = merged(path+"."+key, global.Get(key), value)
		}
		result.SetKey(local.Key(key), value)
	}
	return result
}

// fixOpenAPIVersions makes the definitions of REST APIs that we write what their
// OpenApiVersion says.
func fixOpenAPIVersions(template *dict) {
	resources := template.Get("Resources").(*dict)
	for _, id := range resources.Keys() {
		resource := resources.Get(id).(*dict)
		properties, _ := resource.Get("Properties").(*dict)
		version := properties.Get("OpenApiVersion")
		if !pyjson.Is(resource.Get("Type"), draft.APIType) || !properties.Has("__MANAGE_SWAGGER") || !properties.Has("OpenApiVersion") || !openapi.IsVersion3(version) {
			continue
		}
		if _, ok := pyjson.Text(version); !ok {
			version = pyjson.String(version)
			properties.Set("OpenApiVersion", version)
		}
		if body := fail.Dict(properties.Get("DefinitionBody")); body != nil {
			body.Set("openapi", version)
			if pyjson.Truthy(body.Get("swagger")) {
				body.Delete("swagger")
			}
		}
	}
}
