// Package compute transforms what runs: SAM functions with their roles, versions,
// URLs, destinations and events, and state machines with theirs.
//
// Functions, File by file: function.go, version.go (and CodeDeploy), events.go (what
// calls a function), httpevents.go (APIs), pull.go (sources that Lambda polls),
// statemachine.go. All follow the rules of package draft. Start reading at Function.
package compute

import (
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/policies"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// FunctionProperties are those of a SAM function.
const FunctionProperties = "FunctionName:s|d Handler~:* Runtime~:* CodeUri~:* ImageUri~:* PackageType~:* InlineCode~:* DeadLetterQueue:d Description~:*" +
	" MemorySize~:* Timeout~:* VpcConfig~:* Role:s AssumeRolePolicyDocument:d Policies:s|d|[s|d] RolePath~:* PermissionsBoundary:s Environment:{d}" +
	" Events:{d} Tags:d PropagateTags:b Tracing:d|s KmsKeyArn~:* DeploymentPreference:d ReservedConcurrentExecutions~:* Layers:[s|d]" +
	" EventInvokeConfig:d EphemeralStorage~:* AutoPublishAlias:(s) AutoPublishCodeSha256:(s) AutoPublishAliasAllProperties~:b VersionDescription~:*" +
	" ProvisionedConcurrencyConfig~:* FileSystemConfigs~:* ImageConfig~:* CodeSigningConfigArn~:* Architectures~:* SnapStart:d FunctionUrlConfig:d" +
	" RuntimeManagementConfig~:* LoggingConfig~:* RecursiveLoop~:* SourceKMSKeyArn~:* CapacityProviderConfig:d FunctionScalingConfig:d" +
	" VersionDeletionPolicy:=Delete,Retain PublishToLatestPublished~:* TenancyConfig~:* DurableConfig:d"

// copied are the properties of a SAM function that its function has unchanged.
var copied = strings.Fields("Handler Runtime Description MemorySize Timeout VpcConfig Role Environment KmsKeyArn ReservedConcurrentExecutions Layers" +
	" FileSystemConfigs ImageConfig PackageType Architectures SnapStart EphemeralStorage CodeSigningConfigArn RuntimeManagementConfig LoggingConfig" +
	" TenancyConfig RecursiveLoop DurableConfig PublishToLatestPublished")

type dict = pyjson.Dict

// translator is a transform, with what this package does in it.
type translator struct{ *draft.Transform }

// Function replaces a SAM function.
func Function(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	return (&translator{t}).function(m)
}

func (t *translator) function(m *draft.Macro) []*draft.Resource {
	links := t.linkEvents(m, functionEvents())
	t.noteFunctionName(m)
	checkFunction(m)
	f := t.lambdaFunction(m)
	resources := []*draft.Resource{f}
	if m.Truthy("ProvisionedConcurrencyConfig") && !m.Truthy("AutoPublishAlias") {
		fail.Resource(m.ID, "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function")
	}
	var alias *draft.Resource
	if m.Truthy("AutoPublishAlias") {
		published := t.publish(m, f)
		alias = published[1]
		resources = append(resources, published...)
	}
	if m.Truthy("FunctionUrlConfig") {
		resources = append(resources, functionURL(m, f, alias)...)
	}
	t.shiftTraffic(m, alias)
	var destinations []any
	if m.Truthy("EventInvokeConfig") {
		var made []*draft.Resource
		made, destinations = t.eventInvokeConfig(m, alias)
		resources = append(resources, made...)
	}
	role := t.executionRole(m, destinations)
	switch given := f.Get("Role"); {
	case given == nil:
		f.Set("Role", role.ARN())
		resources = append(resources, role)
	case intrinsic.IsIf(given):
		if t.chooseRole(m, f, role) {
			resources = append(resources, role)
		}
	}
	target := f
	if alias != nil {
		target = alias
	}
	resources = append(resources, t.functionEvents(m, &eventTarget{target, nil}, role, links)...)
	draft.PropagateTags(resources, m.Dict("Tags"), m.Get("PropagateTags"))
	return resources
}

// noteFunctionName notes under which name a function is called by a REST API: a new
// name makes a new deployment.
func (t *translator) noteFunctionName(m *draft.Macro) {
	events := m.Dict("Events")
	for _, name := range events.Keys() {
		event := fail.Dict(events.Get(name))
		properties, _ := event.Get("Properties").(*dict)
		if !pyjson.Is(event.Get("Type"), "Api") || !pyjson.Truthy(properties.Get("RestApiId")) {
			continue
		}
		api, ok := pyjson.Text(draft.APIID(properties.Get("RestApiId")))
		resolved := t.Resolver.Resolve(pyjson.Clone(m.Get("FunctionName")))
		if ok && pyjson.Truthy(resolved) {
			t.FunctionNames[api] += pyjson.String(resolved)
		}
	}
}

func checkFunction(m *draft.Macro) {
	var wrong []string
	both := func(a, b string) {
		if m.Has(a) && m.Has(b) {
			wrong = append(wrong, "Cannot specify '"+a+"' and '"+b+"' together.")
		}
	}
	needs := func(a, b string) {
		if m.Has(a) && !m.Has(b) {
			wrong = append(wrong, "'"+a+"' requires '"+b+"'.")
		}
	}
	both("CapacityProviderConfig", "ProvisionedConcurrencyConfig")
	both("CapacityProviderConfig", "VpcConfig")
	needs("FunctionScalingConfig", "CapacityProviderConfig")
	needs("VersionDeletionPolicy", "AutoPublishAlias")
	if len(wrong) > 0 {
		fail.Resource(m.ID, "%s", strings.Join(wrong, "\n"))
	}
	if m.Truthy("DeadLetterQueue") {
		checkDeadLetters(m)
	}
	if m.Truthy("TenancyConfig") {
		checkTenancy(m)
	}
}

// deadLetterActions are the types of dead-letter queues and what the function does with them.
var deadLetterActions = map[string]string{"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}

func checkDeadLetters(m *draft.Macro) {
	queue := m.Dict("DeadLetterQueue")
	kind := queue.Get("Type")
	if !pyjson.Truthy(kind) || !pyjson.Truthy(queue.Get("TargetArn")) {
		fail.Resource(m.ID, "'DeadLetterQueue' requires Type and TargetArn properties to be specified.")
	}
	if deadLetterActions[fail.Property(m.ID, "DeadLetterQueue.Type").Text(kind)] == "" {
		fail.Resource(m.ID, "'DeadLetterQueue' requires Type of ['SQS', 'SNS']")
	}
}

func checkTenancy(m *draft.Macro) {
	for _, row := range [][2]string{
		{"ProvisionedConcurrencyConfig", "Provisioned concurrency"}, {"FunctionUrlConfig", "Function URL"}, {"SnapStart", "SnapStart"},
	} {
		if m.Truthy(row[0]) {
			fail.Resource(m.ID, "%s is not supported for functions enabled with tenancy configuration.", row[1])
		}
	}
	events := m.Dict("Events")
	for _, name := range events.Keys() {
		kind := fail.Dict(events.Get(name)).Get("Type")
		if !pyjson.Is(kind, "Api") && !pyjson.Is(kind, "HttpApi") {
			fail.Resource(m.ID, "Event source '%s' is not supported for functions enabled with tenancy configuration. Only Api and HttpApi event sources are supported.", pyjson.String(kind))
		}
	}
}

func (t *translator) lambdaFunction(m *draft.Macro) *draft.Resource {
	f := draft.New("AWS::Lambda::Function", m.ID, m.Attributes).After(m.DependsOn)
	if m.Truthy("FunctionName") {
		f.Set("FunctionName", m.Get("FunctionName"))
	}
	for _, name := range copied {
		f.Set(name, m.Get(name))
	}
	f.Set("Code", functionCode(m))
	f.Set("Tags", m.OwnTags(nil))
	if t.traces(m) {
		f.Set("TracingConfig", pyjson.New("Mode", m.Get("Tracing")))
	}
	if m.Truthy("DeadLetterQueue") {
		f.Set("DeadLetterConfig", pyjson.New("TargetArn", m.Dict("DeadLetterQueue").Get("TargetArn")))
	}
	if m.Truthy("CapacityProviderConfig") {
		f.Set("CapacityProviderConfig", capacityOf(m))
	}
	if m.Truthy("FunctionScalingConfig") {
		f.Set("FunctionScalingConfig", m.Get("FunctionScalingConfig"))
	}
	checkPackage(m, f)
	return f
}

func (t *translator) traces(m *draft.Macro) bool {
	return m.Truthy("Tracing") && !pyjson.Is(t.Resolver.Resolve(m.Get("Tracing")), "Disabled")
}

// capacityConfig is the property CapacityProviderConfig.
var capacityConfig = property.NewSchema("config", map[string]string{
	"config": "Arn:d|s ?PerExecutionEnvironmentMaxConcurrency:d|i ?ExecutionEnvironmentMemoryGiBPerVCpu:d|i|f",
})

func capacityOf(m *draft.Macro) *dict {
	given := m.Dict("CapacityProviderConfig")
	config := pyjson.New("CapacityProviderArn", given.Get("Arn"))
	if wrong := capacityConfig.Listing("CapacityProviderConfig", given); wrong != "" {
		fail.Resource(m.ID, "Invalid CapacityProviderConfig: %s", wrong)
	}
	for _, name := range []string{"PerExecutionEnvironmentMaxConcurrency", "ExecutionEnvironmentMemoryGiBPerVCpu"} {
		if given.Get(name) != nil {
			config.Set(name, given.Get(name))
		}
	}
	return pyjson.New("LambdaManagedInstancesCapacityProviderConfig", config)
}

// functionCode is where the code of a function is.
func functionCode(m *draft.Macro) *dict {
	var code *dict
	switch kind := packageType(m.Get("PackageType")); {
	case kind == "Image":
		if !m.Has("ImageUri") {
			fail.Resource(m.ID, "'ImageUri' must be set.")
		}
		if !m.Truthy("ImageUri") {
			fail.Resource(m.ID, "'ImageUri' requires that a image hosted at a registry be specified.")
		}
		return pyjson.New("ImageUri", m.Get("ImageUri"))
	case kind != "Zip":
		fail.Resource(m.ID, "invalid 'PackageType' : %s", kind)
	case m.Has("InlineCode"):
		code = pyjson.New("ZipFile", m.Get("InlineCode"))
	case m.Has("CodeUri"):
		at := draft.S3Location(m.ID, "CodeUri", m.Get("CodeUri"), true)
		code = pyjson.New("S3Bucket", at.Bucket, "S3Key", at.Key)
		if at.Version != nil {
			code.Set("S3ObjectVersion", at.Version)
		}
		if at.Mode != nil {
			code.Set("S3ObjectStorageMode", at.Mode)
		}
	default:
		fail.Resource(m.ID, "Only one of 'InlineCode' or 'CodeUri' can be set.")
	}
	if m.Truthy("SourceKMSKeyArn") {
		code.Set("SourceKMSKeyArn", m.Get("SourceKMSKeyArn"))
	}
	return code
}

func packageType(value any) string {
	if !pyjson.Truthy(value) {
		return "Zip"
	}
	return pyjson.String(value)
}

func checkPackage(m *draft.Macro, f *draft.Resource) {
	has := func(name string) bool { return pyjson.Truthy(f.Get(name)) }
	if packageType(f.Get("PackageType")) == "Image" {
		if has("Handler") || has("Runtime") || has("Layers") {
			fail.Resource(m.ID, "Runtime, Handler, Layers cannot be present when PackageType is of type `Image`")
		}
		return
	}
	if !has("Runtime") || !has("Handler") {
		fail.Resource(m.ID, "Runtime and Handler needs to be present when PackageType is of type `Zip`")
	}
	if has("ImageConfig") {
		fail.Resource(m.ID, "ImageUri or ImageConfig cannot be present when PackageType is of type `Zip`")
	}
}

// executionRole is the role that a function gets if it names none.
func (t *translator) executionRole(m *draft.Macro, destinations []any) *draft.Resource {
	trust := any(draft.AssumeRole("lambda.amazonaws.com"))
	if m.Has("AssumeRolePolicyDocument") {
		trust = m.Get("AssumeRolePolicyDocument")
	}
	basic := "service-role/AWSLambdaBasicExecutionRole"
	if m.Truthy("DurableConfig") {
		basic = "service-role/AWSLambdaBasicDurableExecutionRolePolicy"
	}
	managed := []any{t.Env.AWSPolicy(basic)}
	if t.traces(m) {
		managed = append(managed, t.Env.AWSPolicy(t.Env.TracingPolicy()))
	}
	if m.Truthy("VpcConfig") {
		managed = append(managed, t.Env.AWSPolicy("service-role/AWSLambdaVPCAccessExecutionRole"))
	}
	var documents []any
	if m.Truthy("DeadLetterQueue") {
		queue := m.Dict("DeadLetterQueue")
		documents = append(documents, pyjson.New("PolicyName", "DeadLetterQueuePolicy", "PolicyDocument", pyjson.New("Version", "2012-10-17", "Statement", []any{
			pyjson.New("Action", deadLetterActions[fail.Text(queue.Get("Type"))], "Resource", queue.Get("TargetArn"), "Effect", "Allow")})))
	}
	return t.Role(m, draft.RoleParts{Trust: trust, Entries: policies.List(m.Get("Policies")), Managed: managed, Documents: append(documents, destinations...),
		Tags: m.OwnTags(nil)})
}

// destinationPolicy lets a role send to a destination of a type; nil if there is none.
func destinationPolicy(kind string, arn any, id string) *dict {
	switch kind {
	case "SQS":
		return draft.Allow(id+"SQSPolicy", "sqs:SendMessage", arn)
	case "SNS":
		return draft.Allow(id+"SNSPolicy", "sns:publish", arn)
	case "EventBridge":
		return draft.Allow(id+"EventBridgePolicy", "events:PutEvents", arn)
	case "Lambda":
		return draft.Allow(id+"LambdaPolicy", "lambda:InvokeFunction", arn)
	case "S3", "S3Bucket":
		policy := draft.Allow(id+"S3Policy", "s3:PutObject", intrinsic.Join("/", arn, "*"))
		document := policy.Get("PolicyDocument").(*dict)
		document.Set("Statement", append(document.Get("Statement").([]any), pyjson.New("Action", "s3:ListBucket", "Effect", "Allow", "Resource", arn)))
		return policy
	}
	return nil
}

// chooseRole keeps a role that is given under a condition and uses the generated one
// otherwise. It tells whether that is needed.
func (t *translator) chooseRole(m *draft.Macro, f, role *draft.Resource) bool {
	list, ok := fail.Dict(t.Resolver.Resolve(f.Get("Role"))).Get("Fn::If").([]any)
	if !ok || len(list) != 3 {
		fail.Resource(m.ID, "Malformed 'Role' property: Fn::If requires 3 arguments.")
	}
	none, otherwiseNone := intrinsic.IsNoValue(list[1]), intrinsic.IsNoValue(list[2])
	switch {
	case none && otherwiseNone:
		f.Set("Role", role.ARN())
	case none:
		f.Set("Role", intrinsic.IfElse(list[0], role.ARN(), list[2]))
		role.Attributes.Set("Condition", list[0])
	case otherwiseNone:
		f.Set("Role", intrinsic.IfElse(list[0], list[1], role.ARN()))
		name := "NOT" + pyjson.String(list[0])
		role.Attributes.Set("Condition", name)
		t.Define(name, intrinsic.Not(list[0]))
	default:
		return false
	}
	return true
}

// functionURL makes a function's URL and, if everybody may call it, the permissions.
func functionURL(m *draft.Macro, f, alias *draft.Resource) []*draft.Resource {
	config := m.Dict("FunctionUrlConfig")
	auth := config.Get("AuthType")
	if !intrinsic.Is(config) {
		text, _ := pyjson.Text(auth)
		if !intrinsic.Is(auth) && text != "AWS_IAM" && text != "NONE" {
			fail.Resource(m.ID, "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.")
		}
		checkURLCORS(m.ID, config.Get("Cors"))
	}
	target := f.Ref()
	if alias != nil {
		target = alias.Ref()
	}
	u := draft.New("AWS::Lambda::Url", m.ID+"Url", m.Passed(), "AuthType", auth, "TargetFunctionArn", target, "InvokeMode", config.Get("InvokeMode"))
	if pyjson.Truthy(config.Get("Cors")) {
		u.Set("Cors", config.Get("Cors"))
	}
	if !pyjson.Is(auth, "NONE") || intrinsic.Is(config) {
		return []*draft.Resource{u}
	}
	return []*draft.Resource{u,
		draft.New("AWS::Lambda::Permission", m.ID+"UrlPublicPermissions", m.Passed(), "Action", "lambda:InvokeFunctionUrl", "FunctionName", target,
			"Principal", "*", "FunctionUrlAuthType", auth),
		draft.New("AWS::Lambda::Permission", m.ID+"URLInvokeAllowPublicAccess", m.Passed(), "Action", "lambda:InvokeFunction", "Principal", "*",
			"FunctionName", target, "InvokedViaFunctionUrl", true)}
}

// urlCORS are the properties of a function URL's Cors and their types.
var urlCORS = map[string]string{"AllowOrigins": "list", "AllowMethods": "list", "AllowCredentials": "bool", "AllowHeaders": "list", "ExposeHeaders": "list", "MaxAge": "int"}

func checkURLCORS(id string, value any) {
	if !pyjson.Truthy(value) || intrinsic.Is(value) {
		return
	}
	cors := fail.Property(id, "FunctionUrlConfig.Cors").Dict(value)
	for _, name := range cors.Keys() {
		kind := urlCORS[name]
		if kind == "" {
			fail.Resource(id, "%s is not a valid property for configuring Cors.", name)
		}
		value := cors.Get(name)
		if is := pyjson.TypeName(value); !intrinsic.Is(value) && is != kind && !(kind == "int" && is == "bool") {
			fail.Resource(id, "%s must be of type %s.", name, kind)
		}
	}
}

// eventInvokeConfig makes the configuration of a function's asynchronous calls and the
// queues and topics that are missing, and returns the policies for its destinations.
func (t *translator) eventInvokeConfig(m *draft.Macro, alias *draft.Resource) (made []*draft.Resource, allowed []any) {
	given := m.Dict("EventInvokeConfig")
	resolved := fail.Dict(t.Resolver.Resolve(given))
	c := draft.New("AWS::Lambda::EventInvokeConfig", m.ID+"EventInvokeConfig", m.Attributes, "FunctionName", intrinsic.Ref(m.ID), "Qualifier", "$LATEST")
	if alias != nil {
		c.After([]any{alias.ID})
		c.Set("Qualifier", alias.Get("Name"))
	}
	destinations := pyjson.New()
	if value := resolved.Get("DestinationConfig"); pyjson.Truthy(value) {
		config := fail.Property(m.ID, "EventInvokeConfig.DestinationConfig").Dict(value)
		for _, event := range []string{"OnSuccess", "OnFailure"} {
			if config.Get(event) == nil {
				continue
			}
			to := fail.Property(m.ID, "EventInvokeConfig.DestinationConfig."+event).Dict(config.Get(event))
			created, arn, policy := t.destination(m, to, c.ID, event)
			destinations.Set(event, pyjson.New("Destination", arn))
			to.Set("Destination", arn)
			if created != nil {
				made = append(made, created)
			}
			if policy != nil {
				allowed = append(allowed, policy)
			}
		}
	}
	c.Set("DestinationConfig", destinations)
	c.Set("MaximumEventAgeInSeconds", resolved.Get("MaximumEventAgeInSeconds"))
	c.Set("MaximumRetryAttempts", resolved.Get("MaximumRetryAttempts"))
	return append(made, c), allowed
}

var destinationTypes = []any{"SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"}

// destination reads one destination. One of a type that we can make is made if it is
// not given, or under a condition.
func (t *translator) destination(m *draft.Macro, config *dict, id, event string) (made *draft.Resource, arn any, policy *dict) {
	kind, _ := pyjson.Text(config.Get("Type"))
	if !slices.Contains(destinationTypes, any(kind)) {
		fail.Resource(m.ID, "'Type: %s' must be one of %s", pyjson.String(config.Get("Type")), pyjson.Repr(destinationTypes))
	}
	arn = config.Get("Destination")
	condition, given := t.destinationCondition(arn, id)
	if arn == nil || condition != nil {
		combined := t.both(m, m.Passed().Get("Condition"), condition)
		switch kind {
		case "SQS":
			made = draft.New("AWS::SQS::Queue", id+event+"Queue", m.Passed())
			arn = made.ARN()
		case "SNS":
			made = draft.New("AWS::SNS::Topic", id+event+"Topic", m.Passed())
			arn = made.Ref()
		default:
			fail.Resource(m.ID, "Destination is required if Type is not ['SQS', 'SNS']")
		}
		if pyjson.Truthy(combined) {
			made.Attributes.Set("Condition", combined)
		}
		if pyjson.Truthy(condition) {
			arn = intrinsic.IfElse(condition, arn, given)
		}
	}
	return made, arn, destinationPolicy(kind, arn, id+event)
}

// destinationCondition returns the condition under which a destination is not given,
// and the destination otherwise.
func (t *translator) destinationCondition(destination any, id string) (condition, given any) {
	if !intrinsic.IsIf(destination) {
		return nil, nil
	}
	list, ok := destination.(*dict).Get("Fn::If").([]any)
	if !ok || len(list) != 3 {
		fail.Resource(id, "Malformed 'Destination' property: Fn::If requires 3 arguments.")
	}
	switch none := intrinsic.IsNoValue(list[1]); {
	case none && intrinsic.IsNoValue(list[2]):
		return nil, nil
	case none:
		return list[0], list[2]
	case intrinsic.IsNoValue(list[2]):
		name := draft.HashedID("NOT"+pyjson.String(list[0]), id)
		t.Define(name, intrinsic.Not(list[0]))
		return name, list[1]
	}
	return nil, nil
}

// both defines a condition that is true if two are, unless one of them is none.
func (t *translator) both(m *draft.Macro, a, b any) any {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	name := draft.HashedID(pyjson.String(a)+"AND"+pyjson.String(b), m.ID)
	// AWS: the official translator nests "Condition" twice here, which is not valid in
	// CloudFormation; it is kept, since the templates are to be equal.
	t.Define(name, pyjson.New("Fn::And", []any{
		pyjson.New("Condition", pyjson.New("Condition", a)), pyjson.New("Condition", pyjson.New("Condition", b))}))
	return name
}
