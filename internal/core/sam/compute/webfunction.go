package compute

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// WebFunctionProperties are those of a SAM web function.
const WebFunctionProperties = "FunctionName:s|d Tags:d ReplicaRegions:l|d AuthType~:* Runtime~:* CodeUri~:* InlineCode~:* RevisionDescription~:* KmsKeyArn~:*" +
	" ExecutionRoleArn:s EnvironmentVariables:d EntryPoint~:* MaxConcurrencyPerEnvironment~:* EgressNetworkConnectorArn~:* Timeout:i LoggingConfig~:*" +
	" RevisionWeights~:* EndpointName~:* EndpointType~:* EndpointDescription~:* ScalingConfig~:* ThrottleConfig~:* AutoDeploymentMode~:*"

// webMaker makes the resources of one web function.
type webMaker struct {
	*draft.Transform
	*draft.Macro
}

// WebFunction replaces a SAM web function.
func WebFunction(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	w := &webMaker{t, m}
	w.checkDeployment()
	w.checkTimeout()
	w.checkWeights()
	w.checkVariables()
	w.checkConnector()
	var resources []*draft.Resource
	role := m.Get("ExecutionRoleArn")
	if role == nil {
		made := t.Role(&draft.Macro{ID: m.ID, Attributes: m.Attributes}, draft.RoleParts{Trust: draft.AssumeRole("lambda.amazonaws.com"),
			Managed: []any{t.Env.AWSPolicy("service-role/AWSLambdaBasicExecutionRole")}, Tags: m.OwnTags(nil)})
		resources, role = append(resources, made), made.ARN()
	}
	function := draft.New("AWS::Lambda::WebFunction", m.ID, m.Attributes, "FunctionName", w.name(), "Tags", m.OwnTags(nil)).After(m.DependsOn)
	revision := draft.New("AWS::Lambda::WebFunctionRevision", m.ID+"Revision", m.Passed(), "FunctionName", w.name(),
		"Description", m.Get("RevisionDescription"), "KmsKeyArn", m.Get("KmsKeyArn"), "BuildConfig", w.build(), "ServiceConfig", w.service(role)).
		After([]any{m.ID})
	return append(resources, function, revision, w.endpoint(revision))
}

// known is a property with references to parameters resolved, or what it is otherwise.
func (w *webMaker) known(name string, otherwise any) any {
	if value := w.Resolver.Resolve(w.Get(name)); pyjson.Truthy(value) {
		return value
	}
	return otherwise
}

func (w *webMaker) checkDeployment() {
	modes := []any{"LatestRevision", "Disabled"}
	mode := w.known("AutoDeploymentMode", "LatestRevision")
	if intrinsic.Is(mode) {
		fail.Resource(w.ID, "'AutoDeploymentMode' must resolve to one of %s at transform time; unresolved intrinsic functions are not supported because it is not passed through to CloudFormation.", pyjson.Repr(modes))
	}
	if !pyjson.Contains(modes, mode) {
		fail.Resource(w.ID, "'AutoDeploymentMode' must be one of %s, got '%s'.", pyjson.Repr(modes), pyjson.String(mode))
	}
	if !w.Truthy("AuthType") {
		fail.Resource(w.ID, "'AuthType' is required. Specify 'IamAuth' (Lambda authorizes requests with SigV4/IAM) or 'ApplicationManaged' (the endpoint is public and your function handles authorization).")
	}
	kind, _ := pyjson.Text(w.known("EndpointType", "HomeRegion"))
	regional := kind == "MultiRegion" || kind == "PerRegion"
	disabled := pyjson.Is(mode, "Disabled")
	switch {
	case !disabled && w.Truthy("RevisionWeights"):
		fail.Resource(w.ID, "'RevisionWeights' cannot be specified when 'AutoDeploymentMode' is 'LatestRevision'.")
	case regional && !disabled:
		fail.Resource(w.ID, "'AutoDeploymentMode' must be 'Disabled' when 'EndpointType' is '%s'.", kind)
	case disabled && !regional && !w.Truthy("RevisionWeights"):
		fail.Resource(w.ID, "'RevisionWeights' must be specified when 'AutoDeploymentMode' is 'Disabled'. Set 'AutoDeploymentMode' to 'LatestRevision' to route all traffic to the latest revision.")
	}
}

// intOf is the value of an int, which may be a boolean in Python.
func intOf(value any) (n int64, ok bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil && pyjson.IsInt(v)
	}
	return 0, false
}

func (w *webMaker) checkTimeout() {
	const shortest, longest = 3, 900
	value := w.Get("Timeout")
	if n, ok := intOf(value); property.IsInt(value) && (!ok || n < shortest || n > longest) {
		fail.Resource(w.ID, "'Timeout' must be an integer between %d and %d.", shortest, longest)
	}
}

func (w *webMaker) checkWeights() {
	const most, whole = 2, 100
	if !w.Truthy("RevisionWeights") {
		return
	}
	weights, ok := w.Get("RevisionWeights").(*dict)
	if !ok {
		fail.Resource(w.ID, `'RevisionWeights' must be a map of revision IDs to weights (e.g., {"rev-id": 100}).`)
	}
	if intrinsic.Is(weights) {
		fail.Resource(w.ID, `'RevisionWeights' does not support top-level intrinsic functions; provide a map of revision IDs to weights (e.g., {"rev-id": 100}). Intrinsic functions may be used for individual weight values.`)
	}
	var sum int64
	all := true
	for _, key := range weights.Keys() {
		value := weights.Get(key)
		n, ok := intOf(value)
		if !ok && !property.IsInt(value) {
			if all = false; !intrinsic.Is(value) {
				fail.Resource(w.ID, "'RevisionWeights' values must be integers or intrinsic functions.")
			}
			continue
		}
		if n < 1 || n > whole {
			fail.Resource(w.ID, "'RevisionWeights' values must be between 1 and %d, got %s.", whole, pyjson.String(value))
		}
		sum += n
	}
	if weights.Len() > most {
		fail.Resource(w.ID, "'RevisionWeights' supports a maximum of %d entries.", most)
	}
	if all && sum != whole {
		fail.Resource(w.ID, "'RevisionWeights' values must sum to %d, got %d.", whole, sum)
	}
}

var variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*\n?$`)

func (w *webMaker) checkVariables() {
	const longest = 4096
	variables := w.Dict("EnvironmentVariables")
	if intrinsic.Is(variables) {
		return
	}
	for _, key := range variables.Keys() {
		if !variableName.MatchString(key) {
			fail.Resource(w.ID, "Environment variable key '%s' must match pattern '^[a-zA-Z][a-zA-Z0-9_]*$'.", key)
		}
		text, ok := pyjson.Text(variables.Get(key))
		if ok && text == "" {
			fail.Resource(w.ID, "Environment variable '%s' value must not be empty.", key)
		}
		if len([]rune(text)) > longest {
			fail.Resource(w.ID, "Environment variable '%s' value exceeds maximum length of %d characters.", key, longest)
		}
	}
}

var connectorARN = regexp.MustCompile(`^arn:[^:]+:lambda:[^:]*:[^:]*:network-connector:[^:]+:[^:]+$`)

func (w *webMaker) checkConnector() {
	if text, ok := pyjson.Text(w.Get("EgressNetworkConnectorArn")); ok && !connectorARN.MatchString(text) {
		fail.Resource(w.ID, "'EgressNetworkConnectorArn' must be a version-qualified network-connector ARN (ending in ':<version>', e.g. the connector's LatestVersionArn).")
	}
}

// name is the function's name: made of the ids of the resource and the stack if it is
// not given.
func (w *webMaker) name() any {
	if w.Truthy("FunctionName") {
		return w.Get("FunctionName")
	}
	const longest, suffix = 64, 9
	id := w.ID[:min(len(w.ID), longest-suffix)]
	return intrinsic.Sub(id+"-${StackIdSuffix}", "StackIdSuffix", selected("-", selected("/", intrinsic.Ref("AWS::StackId"), "2"), "0"))
}

func (w *webMaker) build() *dict {
	if w.Has("CodeUri") && w.Has("InlineCode") {
		fail.Resource(w.ID, "Only one of 'InlineCode' or 'CodeUri' can be set.")
	}
	if !w.Truthy("CodeUri") {
		if w.Truthy("InlineCode") {
			fail.Resource(w.ID, "'InlineCode' is not yet supported for 'AWS::Serverless::WebFunction'. Please use 'CodeUri' instead.")
		}
		fail.Resource(w.ID, "Either 'InlineCode' or 'CodeUri' must be set.")
	}
	at := draft.S3Location(w.ID, "CodeUri", w.Get("CodeUri"), true)
	code := pyjson.New("Bucket", at.Bucket, "Key", at.Key)
	if at.Version != nil {
		code.Set("VersionId", at.Version)
	}
	if !w.Has("Runtime") {
		fail.Resource(w.ID, "'Runtime' is required.")
	}
	return pyjson.New("CodeConfig", pyjson.New("S3Object", code), "RuntimeConfig", pyjson.New("Runtime", w.Get("Runtime")))
}

func (w *webMaker) service(role any) *dict {
	config := pyjson.New("ExecutionRoleArn", role)
	variables := w.Dict("EnvironmentVariables")
	if intrinsic.Is(variables) {
		if w.Truthy("EntryPoint") {
			fail.Resource(w.ID, "'EntryPoint' cannot be used when 'EnvironmentVariables' is an intrinsic function.")
		}
	} else {
		variables = draft.OrNew(variables).Copy()
		for _, key := range variables.Keys() {
			switch v := variables.Get(key).(type) {
			case bool:
				variables.Set(key, strings.ToLower(pyjson.String(v)))
			case json.Number:
				variables.Set(key, pyjson.String(v))
			}
		}
		if w.Truthy("EntryPoint") {
			variables.Set("AWS_LAMBDA_NODEJS_ENTRYPOINT", w.Get("EntryPoint"))
		}
	}
	if variables.Len() > 0 {
		config.Set("EnvironmentVariables", variables)
	}
	if w.Truthy("LoggingConfig") {
		config.Set("TelemetryConfig", pyjson.New("LoggingConfig", w.Get("LoggingConfig")))
	}
	for _, name := range []string{"MaxConcurrencyPerEnvironment", "EgressNetworkConnectorArn"} {
		if w.Has(name) {
			config.Set(name, w.Get(name))
		}
	}
	config.Set("TimeoutSeconds", json.Number("30"))
	if w.Truthy("Timeout") {
		config.Set("TimeoutSeconds", w.Get("Timeout"))
	}
	return config
}

func (w *webMaker) endpoint(revision *draft.Resource) *draft.Resource {
	either := func(name, otherwise string) any {
		if w.Truthy(name) {
			return w.Get(name)
		}
		return otherwise
	}
	weights := []any{pyjson.New("RevisionId", intrinsic.GetAtt(revision.ID, "RevisionId"), "Weight", json.Number("100"))}
	if given, ok := w.Get("RevisionWeights").(*dict); ok && given.Len() > 0 {
		weights = nil
		for _, id := range given.Keys() {
			weights = append(weights, pyjson.New("RevisionId", given.Key(id), "Weight", given.Get(id)))
		}
	}
	return draft.New("AWS::Lambda::WebFunctionEndpoint", w.ID+"Endpoint", w.Passed(), "FunctionName", w.name(), "EndpointName", either("EndpointName", "prod"),
		"EndpointType", either("EndpointType", "HomeRegion"), "AuthType", w.Get("AuthType"), "RevisionWeights", weights, "Regions", w.regions(),
		"Description", w.Get("EndpointDescription"), "ScalingConfig", w.Get("ScalingConfig"), "ThrottleConfig", w.Get("ThrottleConfig")).
		After([]any{w.ID, revision.ID})
}

// regions are those that a function is replicated to.
func (w *webMaker) regions() any {
	value := w.Get("ReplicaRegions")
	if value == nil || intrinsic.Is(value) {
		return value
	}
	if list, ok := value.([]any); ok {
		names, functions := split(list)
		return append(draft.Anys(w.expand(names)), functions...)
	}
	config := fail.Dict(value)
	unknown := slices.DeleteFunc(config.Keys(), func(key string) bool { return key == "IncludeRegions" || key == "ExcludeRegions" })
	if slices.Sort(unknown); len(unknown) > 0 {
		fail.Resource(w.ID, "'ReplicaRegions' contains unrecognized keys: %s. Valid keys are: IncludeRegions, ExcludeRegions.", pyjson.Repr(draft.Anys(unknown)))
	}
	include, exclude := config.Get("IncludeRegions"), config.Get("ExcludeRegions")
	if pyjson.Truthy(exclude) && !pyjson.Truthy(include) {
		fail.Resource(w.ID, "'ExcludeRegions' requires 'IncludeRegions' to also be specified in 'ReplicaRegions'.")
	}
	if intrinsic.Is(include) || intrinsic.Is(exclude) {
		fail.Resource(w.ID, "'IncludeRegions' and 'ExcludeRegions' do not support top-level intrinsic functions.")
	}
	names, functions := split(fail.List(include))
	without, wrong := split(fail.List(exclude))
	if len(wrong) > 0 {
		fail.Resource(w.ID, "'ExcludeRegions' does not support intrinsic functions in entries.")
	}
	if len(without) > 0 && len(functions) > 0 {
		fail.Resource(w.ID, "'ExcludeRegions' cannot be used when 'IncludeRegions' contains intrinsic functions, because the exclusion cannot be applied to an intrinsic value at transform time.")
	}
	left := w.expand(names)
	excluded := w.expand(without)
	left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(excluded, name) })
	return append(draft.Anys(left), functions...)
}

func split(list []any) (names []string, functions []any) {
	for _, value := range list {
		if text, ok := pyjson.Text(value); ok {
			names = append(names, text)
		} else {
			functions = append(functions, value)
		}
	}
	return names, functions
}

// regionGroups are names for several regions at once.
var regionGroups = map[string]string{
	"US": "us-east-1 us-east-2 us-west-1 us-west-2", "AP": "ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 ap-southeast-2",
	"CA": "ca-central-1", "EU": "eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1", "SA": "sa-east-1",
	"SPARSE_GLOBAL": "us-east-1 eu-west-1 eu-central-1 ap-northeast-1 ap-southeast-2 sa-east-1 ap-southeast-1",
}

// expand lists the regions of names and groups, each once.
func (w *webMaker) expand(names []string) []string {
	var regions []string
	for _, name := range names {
		group := regionGroups[strings.ToUpper(name)]
		switch {
		case strings.EqualFold(name, "ALL_STANDARD"):
			for _, group := range regionGroups {
				regions = append(regions, strings.Fields(group)...)
			}
		case group != "":
			regions = append(regions, strings.Fields(group)...)
		case strings.Contains(name, "-"):
			regions = append(regions, name)
		default:
			fail.Resource(w.ID, "Unknown region key or code: '%s'.", name)
		}
	}
	slices.Sort(regions)
	return slices.Compact(regions)
}
