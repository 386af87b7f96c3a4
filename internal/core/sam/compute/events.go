package compute

import (
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// eventKind is a type of events: its properties, what it refers to in the template, and
// the resources that let it call its target.
type eventKind struct {
	properties *property.Type
	link       func(*translator, *draft.Macro) link
	make       func(*translator, *event) []*draft.Resource
}

// link is what an event refers to in the template.
type link struct {
	api      *dict // properties of an API; events add to its definition
	apiID    string
	stage    any   // for the id of a permission
	resource *dict // a bucket or a user pool
	id       string
}

// event is one event of a function or a state machine.
type event struct {
	*draft.Macro
	link
	target *eventTarget
	role   *draft.Resource // of the function, which may need more rights
}

// eventTarget is what an event calls: a function, its alias, a state machine.
type eventTarget struct {
	*draft.Resource
	boundary any // of the permissions of roles that start it
}

// name is how the target is named in calls.
func (t *eventTarget) name() *dict { return t.Ref() }

// ARN hides that of a resource: what is no function is known by its reference.
func (t *eventTarget) ARN() *dict {
	if t.Kind == "AWS::Lambda::Function" {
		return t.Resource.ARN()
	}
	return t.Ref() // an alias, a state machine or its alias
}

func (t *eventTarget) condition() any { return t.Attributes.Get("Condition") }

func (t *eventTarget) conditional() bool { return t.Attributes.Has("Condition") }

const (
	scheduleProperties  = "Schedule!:s RuleName:s Input:s Enabled:b State:s Name:s Description:s DeadLetterConfig:d RetryPolicy:d"
	ruleProperties      = "EventBusName:s RuleName:s Pattern:d DeadLetterConfig:d RetryPolicy:d Input:s InputPath:s Target:d Enabled:b State:s InputTransformer:d"
	schedulerProperties = "PermissionsBoundary:s ScheduleExpression!:s FlexibleTimeWindow:d Name:s State:s Description:s StartDate:s EndDate:s" +
		" ScheduleExpressionTimezone:s GroupName:s KmsKeyArn:s Input:s RoleArn:s DeadLetterConfig:d RetryPolicy:d OmitName~:b"
)

// functionEvents are the types of events of functions.
var functionEvents = sync.OnceValue(func() map[string]*eventKind {
	all := map[string]*eventKind{}
	add := func(name, properties string, link func(*translator, *draft.Macro) link, make func(*translator, *event) []*draft.Resource) {
		all[name] = &eventKind{property.Parse(name, properties), link, make}
	}
	add("Schedule", scheduleProperties, nil, (*translator).schedule)
	add("ScheduleV2", schedulerProperties, nil, (*translator).scheduler)
	add("CloudWatchEvent", ruleProperties, nil, (*translator).rule)
	add("EventBridgeRule", ruleProperties, nil, (*translator).rule)
	add("S3", "Bucket!:s Events!~:s|[s] Filter:{s}", (*translator).linkBucket, (*translator).notification)
	add("SNS", "Topic!:s Region:s FilterPolicy~:* FilterPolicyScope~:* SqsSubscription:b|d RedrivePolicy:d", nil, (*translator).topicEvent)
	add("AlexaSkill", "SkillId:s", nil, (*translator).skill)
	add("IoTRule", "Sql!:s AwsIotSqlVersion:s", nil, (*translator).iotRule)
	add("Cognito", "UserPool!:s Trigger!~:s|[s]", (*translator).linkUserPool, (*translator).trigger)
	add("CloudWatchLogs", "LogGroupName!:s FilterPattern!:s", nil, (*translator).logEvent)
	add("Api", "Path!:s Method!:s RestApiId!:s Stage:s Auth:d RequestModel:d RequestParameters:l TimeoutInMillis:i ResponseTransferMode:s",
		(*translator).linkRestAPI, (*translator).restEvent)
	add("HttpApi", "Path:s Method:s ApiId:s Stage:s Auth:d TimeoutInMillis:i RouteSettings:d PayloadFormatVersion:s",
		(*translator).linkHTTPAPI, (*translator).httpEvent)
	for name, pull := range pullKinds() {
		all[name] = &eventKind{pull.properties, nil, (*translator).mapping}
	}
	return all
})

// linked is an event that was read, with its place in the order of making.
type linked struct {
	event *event
	kind  *eventKind
	order string
}

// linkEvents reads the events of a resource and finds what they refer to.
func (t *translator) linkEvents(m *draft.Macro, kinds map[string]*eventKind) []linked {
	events := m.Dict("Events")
	var all []linked
	failure := fail.Catch(func() {
		for _, name := range events.Keys() {
			value, ok := events.Get(name).(*dict)
			if !ok {
				fail.Event(name, "'%s' object has no attribute 'get'", pyjson.TypeName(events.Get(name)))
			}
			kindName, isText := pyjson.Text(value.Get("Type"))
			kind := kinds[kindName]
			if !isText || kind == nil {
				fail.Event(name, "Resource dict has missing or invalid value for key Type. Event Type is: %s.", pyjson.String(value.Get("Type")))
			}
			l := linked{&event{Macro: draft.Read(kind.properties, m.ID+name, name, value, nil)}, kind, name}
			if kind.link != nil {
				l.event.link = kind.link(t, l.event.Macro)
			}
			if properties, _ := value.Get("Properties").(*dict); properties.Has("Path") {
				l.order, _ = pyjson.Text(properties.Get("Path"))
			}
			all = append(all, l)
		}
	})
	inResource(m.ID, failure)
	return all
}

// inResource ends a step with a failure; that of an event is told of its resource.
func inResource(id string, failure *fail.Failure) {
	switch {
	case failure == nil:
	case failure.Kind == fail.InEvent:
		fail.Resource(id, "%s", failure.Message())
	default:
		panic(failure)
	}
}

// functionEvents makes the resources of a function's events, by path and name.
func (t *translator) functionEvents(m *draft.Macro, target *eventTarget, role *draft.Resource, all []linked) []*draft.Resource {
	slices.SortStableFunc(all, func(a, b linked) int { return strings.Compare(a.order, b.order) })
	var resources []*draft.Resource
	inResource(m.ID, fail.Catch(func() {
		for _, l := range all {
			l.event.target, l.event.role = target, role
			resources = append(resources, l.kind.make(t, l.event)...)
		}
	}))
	return resources
}

// permissionParts are what permissions of events differ in.
type permissionParts struct {
	principal, prefix, suffix string
	source, account, token    any
}

// permission lets a service call the target.
func (e *event) permission(p permissionParts) *draft.Resource {
	id := e.Macro.ID
	if p.prefix != "" {
		id = p.prefix
	}
	id += "Permission"
	if draft.IsAlphanumeric(p.suffix) {
		id += p.suffix
	} else {
		id = draft.HashedID(id, p.suffix)
	}
	return draft.New("AWS::Lambda::Permission", id, e.target.Passed(), "Action", "lambda:InvokeFunction", "FunctionName", e.target.name(),
		"Principal", p.principal, "SourceArn", p.source, "SourceAccount", p.account, "EventSourceToken", p.token)
}

// targetID is the id of a rule's target, of bounded length.
func (e *event) targetID(suffix string) any {
	if target := e.Dict("Target"); target.Has("Id") {
		return target.Get("Id")
	}
	const most = 64
	return e.Macro.ID[:min(len(e.Macro.ID), most-len(suffix))] + suffix
}

// state says whether a rule is on.
func (e *event) state() any {
	enabled := e.Get("Enabled")
	if e.Truthy("State") && enabled != nil {
		fail.Event(e.Relative, "State and Enabled Properties cannot both be specified.")
	}
	switch {
	case enabled != nil && pyjson.Truthy(enabled):
		return "ENABLED"
	case enabled != nil:
		return "DISABLED"
	case e.Truthy("State"):
		return e.Get("State")
	}
	return nil
}

// deadLetters reads where events go that could not be delivered; a queue is made if it
// is not given. withPolicy lets the rule send to it.
func (e *event) deadLetters(rule *draft.Resource, withPolicy bool) (arn any, made []*draft.Resource) {
	config := e.Dict("DeadLetterConfig")
	if config == nil {
		return nil, nil
	}
	id := e.Macro.ID
	switch {
	case config.Has("Arn") && config.Has("Type"):
		fail.Event(id, "You can either define 'Arn' or 'Type' property of DeadLetterConfig.")
	case config.Has("Type") && !pyjson.Is(config.Get("Type"), "SQS"):
		fail.Event(id, "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.")
	case !config.Has("Arn") && !config.Has("Type"):
		fail.Event(id, "No 'Arn' or 'Type' property provided for DeadLetterConfig.")
	}
	if config.Get("Arn") != nil {
		return config.Get("Arn"), nil
	}
	name, ok := pyjson.Text(config.Get("QueueLogicalId"))
	if config.Get("QueueLogicalId") != nil && !ok {
		fail.Event(id, "QueueLogicalId must be a string")
	}
	if name == "" {
		name = id + "Queue"
	}
	queue := draft.New("AWS::SQS::Queue", name, e.target.Passed())
	made = []*draft.Resource{queue}
	if withPolicy {
		made = append(made, draft.New("AWS::SQS::QueuePolicy", id+"QueuePolicy", e.target.Passed(),
			"PolicyDocument", queuePolicy(pyjson.New("Service", "events.amazonaws.com"), queue.ARN(), rule.ARN()), "Queues", []any{queue.Ref()}))
	}
	return queue.ARN(), made
}

// queuePolicy lets a principal send to a queue on behalf of a source.
func queuePolicy(principal, queue, source any) *dict {
	return pyjson.New("Version", "2012-10-17", "Statement", []any{pyjson.New("Action", "sqs:SendMessage", "Effect", "Allow", "Principal", principal,
		"Resource", queue, "Condition", pyjson.New("ArnEquals", pyjson.New("aws:SourceArn", source)))})
}

// ruleTarget is the target of a rule, with the properties of the event that it has.
func (e *event) ruleTarget(suffix string, deadLetters any, role any, names ...string) []any {
	target := pyjson.New("Arn", e.target.ARN(), "Id", e.targetID(suffix))
	if role != nil {
		target.Set("RoleArn", role)
	}
	if e.Has("DeadLetterConfig") {
		target.Set("DeadLetterConfig", pyjson.New("Arn", deadLetters))
	}
	for _, name := range names {
		if e.Has(name) {
			target.Set(name, e.Get(name))
		}
	}
	return []any{target}
}

func (t *translator) schedule(e *event) []*draft.Resource {
	rule := draft.New("AWS::Events::Rule", e.Macro.ID, e.target.Passed(), "ScheduleExpression", e.Get("Schedule"), "State", e.state(),
		"Name", e.Get("Name"), "Description", e.Get("Description"))
	arn, made := e.deadLetters(rule, true)
	rule.Set("Targets", e.ruleTarget("LambdaTarget", arn, nil, "Input", "RetryPolicy"))
	resources := append([]*draft.Resource{rule}, made...)
	return append(resources, e.permission(permissionParts{principal: "events.amazonaws.com", source: rule.ARN()}))
}

func (t *translator) rule(e *event) []*draft.Resource {
	rule := draft.New("AWS::Events::Rule", e.Macro.ID, e.target.Passed(), "EventBusName", e.Get("EventBusName"), "EventPattern", e.Get("Pattern"),
		"Name", e.Get("RuleName"))
	arn, made := e.deadLetters(rule, true)
	rule.Set("State", e.state())
	rule.Set("Targets", e.ruleTarget("LambdaTarget", arn, nil, "Input", "InputPath", "RetryPolicy", "InputTransformer"))
	return append(made, rule, e.permission(permissionParts{principal: "events.amazonaws.com", source: rule.ARN()}))
}

// scheduler is an event of EventBridge Scheduler.
func (t *translator) scheduler(e *event) []*draft.Resource {
	id := e.Macro.ID
	s := draft.New("AWS::Scheduler::Schedule", id, e.target.Passed(), "ScheduleExpression", e.Get("ScheduleExpression"), "Name", e.Get("Name"),
		"Description", e.Get("Description"), "FlexibleTimeWindow", e.Get("FlexibleTimeWindow"), "StartDate", e.Get("StartDate"), "EndDate", e.Get("EndDate"),
		"ScheduleExpressionTimezone", e.Get("ScheduleExpressionTimezone"), "GroupName", e.Get("GroupName"), "KmsKeyArn", e.Get("KmsKeyArn"))
	if e.Truthy("State") {
		s.Set("State", e.Get("State"))
	}
	switch {
	case e.Truthy("OmitName") && e.Truthy("Name"):
		fail.Event(id, "Name cannot be set when OmitName is True")
	case e.Truthy("OmitName"):
		s.Set("Name", nil)
	case !e.Truthy("Name"):
		s.Set("Name", id)
	}
	if !e.Truthy("FlexibleTimeWindow") {
		s.Set("FlexibleTimeWindow", pyjson.New("Mode", "OFF"))
	}
	queue, made := e.deadLetters(s, false)
	resources := append([]*draft.Resource{s}, made...)
	role := e.Get("RoleArn")
	if !pyjson.Truthy(role) {
		policies := []any{draft.Allow(id+"LambdaPolicy", "lambda:InvokeFunction", e.target.ARN())}
		if strings.HasPrefix(e.target.Kind, "AWS::StepFunctions::") {
			policies = []any{draft.Allow(id+"StartExecutionPolicy", "states:StartExecution", e.target.ARN())}
		}
		if pyjson.Truthy(queue) {
			policies = append(policies, draft.Allow(id+"SQSPolicy", "sqs:SendMessage", queue))
		}
		r := draft.New("AWS::IAM::Role", id+"Role", e.target.Passed(), "AssumeRolePolicyDocument", draft.AssumeRole("scheduler.amazonaws.com"), "Policies", policies)
		if e.Truthy("PermissionsBoundary") {
			r.Set("PermissionsBoundary", e.Get("PermissionsBoundary"))
		}
		resources = append(resources, r)
		role = r.ARN()
	}
	target := pyjson.New("Arn", e.target.ARN(), "RoleArn", role)
	if e.Has("DeadLetterConfig") {
		target.Set("DeadLetterConfig", pyjson.New("Arn", queue))
	}
	for _, name := range []string{"Input", "RetryPolicy"} {
		if e.Has(name) {
			target.Set(name, e.Get(name))
		}
	}
	s.Set("Target", target)
	return resources
}

// referred finds the resource that a property refers to.
func (t *translator) referred(value any) (resource *dict, id string, isText bool) {
	d, _ := value.(*dict)
	if !d.Has("Ref") {
		return nil, "", true
	}
	id, isText = pyjson.Text(d.Get("Ref"))
	resource, _ = t.Inputs.Get(id).(*dict)
	return resource, id, isText
}

func (t *translator) linkBucket(m *draft.Macro) link {
	bucket, id, ok := t.referred(m.Get("Bucket"))
	if !ok {
		fail.Event(m.Relative, "'Ref' value in S3 events is not a valid string.")
	}
	if bucket == nil {
		fail.Event(m.Relative, "S3 events must reference an S3 bucket in the same template.")
	}
	return link{resource: bucket, id: id}
}

// bucketType are the properties of buckets.
var bucketType = sync.OnceValue(func() *property.Type {
	return property.Parse("AWS::S3::Bucket", "AccessControl~:* AccelerateConfiguration~:* AnalyticsConfigurations~:* BucketEncryption~:* BucketName~:*"+
		" CorsConfiguration~:* IntelligentTieringConfigurations~:* InventoryConfigurations~:* LifecycleConfiguration~:* LoggingConfiguration~:*"+
		" MetricsConfigurations~:* NotificationConfiguration~:* ObjectLockConfiguration~:* ObjectLockEnabled~:* OwnershipControls~:*"+
		" PublicAccessBlockConfiguration~:* ReplicationConfiguration~:* Tags~:* VersioningConfiguration~:* WebsiteConfiguration~:*")
})

// notification lets a bucket call a function.
func (t *translator) notification(e *event) []*draft.Resource {
	permission := e.permission(permissionParts{principal: "s3.amazonaws.com", account: intrinsic.Ref("AWS::AccountId")})
	bucket := e.link.resource
	if e.target.conditional() {
		e.dependByTag(permission)
	} else {
		bucket.Set("DependsOn", dependsAlso(e.Macro.ID, bucket, permission.ID))
	}
	e.notify()
	return []*draft.Resource{permission, t.changed(bucketType(), e.link.id, bucket)}
}

// changed is a resource of the template after events have added to it.
func (t *translator) changed(kind *property.Type, id string, source *dict) *draft.Resource {
	m := draft.Read(kind, id, "", source, nil)
	r := draft.New(kind.Name, id, m.Attributes).After(m.DependsOn)
	r.Properties = m.Properties
	return r
}

func dependsAlso(id string, resource *dict, on string) []any {
	existing := resource.Get("DependsOn")
	list, ok := existing.([]any)
	if text, isText := pyjson.Text(existing); isText {
		list, ok = []any{text}, true
	}
	if d, isDict := existing.(*dict); isDict { // the translator makes a set of it, of the keys then
		list, ok = draft.Anys(d.Keys()), true
	}
	nested := slices.ContainsFunc(list, func(v any) bool { kind := pyjson.TypeName(v); return kind == "dict" || kind == "list" })
	if resource.Has("DependsOn") && (!ok || nested) {
		fail.Resource(id, "Invalid type for field 'DependsOn'. Expected a string or list of strings.")
	}
	if pyjson.Contains(list, on) {
		return list
	}
	return draft.With(list, on)
}

// dependByTag lets a bucket depend on a permission that exists under a condition only:
// a reference in a tag.
func (e *event) dependByTag(permission *draft.Resource) {
	properties := madeIn(e.link.resource, "Properties")
	if properties.Get("Tags") == nil {
		properties.Set("Tags", []any{})
	}
	tags := fail.Property(e.link.id, "Tags").List(properties.Get("Tags"))
	properties.Set("Tags", draft.With(tags, pyjson.New("Key", "sam:ConditionalDependsOn:"+permission.ID, "Value",
		intrinsic.IfElse(e.target.condition(), permission.Ref(), "no dependency"))))
}

// madeIn returns a map within a map, made if it is missing.
func madeIn(d *dict, key string) *dict {
	if d.Get(key) == nil {
		d.Set(key, pyjson.New())
	}
	return fail.Dict(d.Get(key))
}

// notify adds to the notifications of the bucket.
func (e *event) notify() {
	types, ok := e.Get("Events").([]any)
	if !ok {
		types = []any{e.Get("Events")}
	}
	bucket, id := e.link.resource, e.link.id
	if !bucket.Has("Properties") {
		bucket.Set("Properties", pyjson.New())
	}
	properties := fail.Property(id, "").Saying("Properties should be a map.").Dict(bucket.Get("Properties"))
	if properties.Get("NotificationConfiguration") == nil {
		properties.Set("NotificationConfiguration", pyjson.New())
	}
	config := fail.Property(id, "NotificationConfiguration").Dict(properties.Get("NotificationConfiguration"))
	list, ok := config.Get("LambdaConfigurations").([]any)
	if !ok && config.Get("LambdaConfigurations") != nil {
		fail.Resource(id, "Invalid type for LambdaConfigurations. Must be a list.")
	}
	for _, kind := range types {
		added := pyjson.New("Function", e.target.ARN())
		if e.Has("Filter") {
			added.Set("Filter", pyjson.Clone(e.Get("Filter")))
		}
		added.Set("Event", kind)
		if e.target.conditional() {
			added = intrinsic.If(e.target.condition(), added)
		}
		if !pyjson.Contains(list, added) {
			list = draft.With(list, added)
		}
	}
	config.Set("LambdaConfigurations", list)
}

// topicEvent lets a topic call a function, or send to a queue that calls it.
func (t *translator) topicEvent(e *event) []*draft.Resource {
	topic := e.Get("Topic")
	if !e.Truthy("SqsSubscription") {
		return []*draft.Resource{e.permission(permissionParts{principal: "sns.amazonaws.com", source: topic}), e.subscription("lambda", e.target.ARN())}
	}
	id := e.Macro.ID
	config, isDict := e.Get("SqsSubscription").(*dict)
	var queue *draft.Resource
	var arn, url, batch any = nil, nil, numberOf(defaultBatch)
	policyID := id + "QueuePolicy"
	if !isDict {
		queue = draft.New("AWS::SQS::Queue", id+"Queue", e.target.Passed())
		if fifo := t.isFIFO(topic); pyjson.Truthy(fifo) {
			queue.Set("FifoQueue", fifo)
		}
		arn, url = queue.ARN(), queue.Ref()
	} else {
		arn, url = config.Get("QueueArn"), config.Get("QueueUrl")
		if !pyjson.Truthy(arn) || !pyjson.Truthy(url) {
			fail.Event(e.Relative, "No QueueARN or QueueURL provided.")
		}
		if name := config.Get("QueuePolicyLogicalId"); pyjson.Truthy(name) {
			policyID = pyjson.String(name)
		}
		if pyjson.Truthy(config.Get("BatchSize")) {
			batch = config.Get("BatchSize")
		}
	}
	policy := draft.New("AWS::SQS::QueuePolicy", policyID, e.target.Passed(), "PolicyDocument", queuePolicy("*", arn, topic), "Queues", []any{url})
	properties := pyjson.New("Queue", arn, "BatchSize", batch, "Enabled", true)
	source := &event{Macro: &draft.Macro{ID: id + "EventSourceMapping", Kind: "SQS", Properties: properties}, target: e.target, role: e.role}
	subscription := e.subscription("sqs", arn)
	resources := t.mapping(source)
	if queue != nil {
		resources = append(resources, queue)
	}
	return append(resources, policy, subscription)
}

func (e *event) subscription(protocol string, endpoint any) *draft.Resource {
	s := draft.New("AWS::SNS::Subscription", e.Macro.ID, e.target.Passed(), "Protocol", protocol, "Endpoint", endpoint, "TopicArn", e.Get("Topic"))
	for _, name := range []string{"Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"} {
		s.Set(name, e.Get(name))
	}
	return s
}

func (t *translator) isFIFO(topic any) any {
	resource, _ := t.Inputs.Get(intrinsic.LogicalID(topic)).(*dict)
	properties, _ := resource.Get("Properties").(*dict)
	return t.Resolver.Resolve(properties.Get("FifoTopic"))
}

func (t *translator) skill(e *event) []*draft.Resource {
	return []*draft.Resource{e.permission(permissionParts{principal: "alexa-appkit.amazon.com", token: e.Get("SkillId")})}
}

func (t *translator) iotRule(e *event) []*draft.Resource {
	permission := e.permission(permissionParts{principal: "iot.amazonaws.com", account: intrinsic.Sub("${AWS::AccountId}"),
		source: intrinsic.Sub(t.Env.ARN("iot", "rule/${RuleName}"), "RuleName", intrinsic.Ref(e.Macro.ID))})
	payload := pyjson.New("Sql", e.Get("Sql"), "RuleDisabled", false, "Actions", []any{pyjson.New("Lambda", pyjson.New("FunctionArn", e.target.ARN()))})
	if e.Truthy("AwsIotSqlVersion") {
		payload.Set("AwsIotSqlVersion", e.Get("AwsIotSqlVersion"))
	}
	return []*draft.Resource{permission, draft.New("AWS::IoT::TopicRule", e.Macro.ID, e.target.Passed(), "TopicRulePayload", payload)}
}

func (t *translator) linkUserPool(m *draft.Macro) link {
	pool, id, ok := t.referred(m.Get("UserPool"))
	if !ok {
		fail.Event(m.ID, "Ref in Userpool is not a string.")
	}
	if pool == nil {
		fail.Event(m.Relative, "Cognito events must reference a Cognito UserPool in the same template.")
	}
	return link{resource: pool, id: id}
}

// userPoolType are the properties of user pools.
var userPoolType = sync.OnceValue(func() *property.Type {
	return property.Parse("AWS::Cognito::UserPool", "AccountRecoverySetting~:* AdminCreateUserConfig~:* AliasAttributes~:* AutoVerifiedAttributes~:*"+
		" DeletionProtection~:* DeviceConfiguration~:* EmailAuthenticationMessage~:* EmailAuthenticationSubject~:* EmailConfiguration~:*"+
		" EmailVerificationMessage~:* EmailVerificationSubject~:* EnabledMfas~:* LambdaConfig~:* MfaConfiguration~:* Policies~:* Schema~:*"+
		" SmsAuthenticationMessage~:* SmsConfiguration~:* SmsVerificationMessage~:* UserAttributeUpdateSettings~:* UsernameAttributes~:*"+
		" UsernameConfiguration~:* UserPoolAddOns~:* UserPoolName~:* UserPoolTags~:* UserPoolTier~:* VerificationMessageTemplate~:*"+
		" WebAuthnRelyingPartyID~:* WebAuthnUserVerification~:*")
})

// trigger lets a user pool call a function.
func (t *translator) trigger(e *event) []*draft.Resource {
	permission := e.permission(permissionParts{principal: "cognito-idp.amazonaws.com", source: intrinsic.GetAtt(e.link.id, "Arn"), prefix: e.target.ID + "Cognito"})
	triggers, ok := e.Get("Trigger").([]any)
	if !ok {
		triggers = []any{e.Get("Trigger")}
	}
	properties := madeIn(e.link.resource, "Properties")
	if properties.Get("LambdaConfig") == nil {
		properties.Set("LambdaConfig", pyjson.New())
	}
	config := fail.Property(e.link.id, "LambdaConfig").Dict(properties.Get("LambdaConfig"))
	for _, trigger := range triggers {
		name := fail.Text(trigger)
		if config.Has(name) {
			fail.Event(e.Relative, `Cognito trigger "%s" defined multiple times.`, pyjson.String(e.Get("Trigger")))
		}
		config.Set(name, e.target.ARN())
	}
	return []*draft.Resource{permission, t.changed(userPoolType(), e.link.id, e.link.resource)}
}

func (t *translator) logEvent(e *event) []*draft.Resource {
	permission := e.permission(permissionParts{principal: "logs.amazonaws.com",
		source: intrinsic.Sub(t.Env.ARN("logs", "log-group:${__LogGroupName__}:*"), "__LogGroupName__", e.Get("LogGroupName"))})
	filter := draft.New("AWS::Logs::SubscriptionFilter", e.Macro.ID, e.target.Passed(), "LogGroupName", e.Get("LogGroupName"),
		"FilterPattern", e.Get("FilterPattern"), "DestinationArn", e.target.ARN())
	return []*draft.Resource{permission, filter.After([]any{permission.ID})}
}
