package compute

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/sam/policies"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// StateMachineProperties are those of a SAM state machine.
const StateMachineProperties = "Definition:d DefinitionUri:s|d Logging:d Role:s RolePath~:* DefinitionSubstitutions:d Events:{d} Name:s Type:s Tags:d" +
	" PropagateTags:b Policies:s|[s|d] Tracing:d PermissionsBoundary:s AutoPublishAlias~:* DeploymentPreference~:* UseAliasAsEventTarget~:b"

// stateMachineEvents are the types of events of state machines.
var stateMachineEvents = sync.OnceValue(func() map[string]*eventKind {
	all := map[string]*eventKind{}
	add := func(name, properties string, link func(*translator, *draft.Macro) link, make func(*translator, *event) []*draft.Resource) {
		all[name] = &eventKind{property.Parse(name, properties), link, make}
	}
	rule := "EventBusName:s RuleName:s Pattern:d Input:s InputPath:s DeadLetterConfig:d RetryPolicy:d State:s Target~:d InputTransformer:d"
	add("Schedule", "Schedule!:s Input:s Enabled:b State:s Name:s Description:s DeadLetterConfig:d RetryPolicy:d Target~:d RoleArn~:s", nil, (*translator).scheduleMachine)
	add("ScheduleV2", schedulerProperties, nil, (*translator).scheduler)
	add("CloudWatchEvent", rule, nil, (*translator).machineRule)
	add("EventBridgeRule", rule, nil, (*translator).machineRule)
	add("Api", "Path!:s Method!:s RestApiId!:s Stage:s Auth:d UnescapeMappingTemplate~:b", (*translator).linkRestAPI, (*translator).machineMethod)
	return all
})

// StateMachine replaces a SAM state machine.
func StateMachine(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	return (&translator{t}).stateMachine(m)
}

func (t *translator) stateMachine(m *draft.Macro) []*draft.Resource {
	links := t.linkEvents(m, stateMachineEvents())
	s := draft.New("AWS::StepFunctions::StateMachine", m.ID, m.Attributes).After(m.DependsOn)
	resources := []*draft.Resource{s}
	if m.Truthy("DefinitionSubstitutions") {
		s.Set("DefinitionSubstitutions", m.Get("DefinitionSubstitutions"))
	}
	t.setDefinition(m, s)
	tags := draft.With(draft.Tags(pyjson.New("stateMachine:createdBy", "SAM")), draft.Tags(m.Dict("Tags"))...)
	if m.Truthy("Role") && m.Truthy("Policies") {
		fail.Resource(m.ID, "Specify either 'Role' or 'Policies' (but not both at the same time) or neither of them")
	}
	if m.Truthy("Role") {
		s.Set("RoleArn", m.Get("Role"))
	} else {
		role := t.machineRole(m, tags)
		s.Set("RoleArn", role.ARN())
		resources = append(resources, role)
	}
	s.Set("StateMachineName", m.Get("Name"))
	s.Set("StateMachineType", m.Get("Type"))
	s.Set("LoggingConfiguration", m.Get("Logging"))
	s.Set("TracingConfiguration", m.Get("Tracing"))
	s.Set("Tags", tags)
	published := publishMachine(m, s)
	resources = append(resources, published...)
	target := &eventTarget{s, m.Get("PermissionsBoundary")}
	if m.Truthy("UseAliasAsEventTarget") {
		target.Resource = published[1]
	}
	for _, l := range links {
		l.event.target = target
		resources = append(resources, l.kind.make(t, l.event)...)
	}
	draft.PropagateTags(resources, m.Dict("Tags"), m.Get("PropagateTags"))
	return resources
}

// setDefinition sets the definition of a state machine: what CloudFormation has to resolve in
// it becomes a substitution.
func (t *translator) setDefinition(m *draft.Macro, s *draft.Resource) {
	switch {
	case m.Truthy("Definition") && m.Truthy("DefinitionUri"):
		fail.Resource(m.ID, "Specify either 'Definition' or 'DefinitionUri' property and not both.")
	case m.Truthy("Definition"):
		definition := pyjson.Clone(m.Get("Definition"))
		found := pyjson.New()
		substitute(definition, found)
		if found.Len() > 0 {
			all := s.Get("DefinitionSubstitutions")
			if all == nil {
				s.Set("DefinitionSubstitutions", found)
			} else {
				fail.Dict(all).Update(found)
			}
		}
		s.Set("DefinitionString", intrinsic.Join("\n", draft.Anys(strings.Split(pyjson.Indented(definition), "\n"))...))
	case m.Truthy("DefinitionUri"):
		at := draft.S3Location(m.ID, "DefinitionUri", m.Get("DefinitionUri"), false)
		where := pyjson.New("Bucket", at.Bucket, "Key", at.Key)
		if at.Version != nil {
			where.Set("Version", at.Version)
		}
		s.Set("DefinitionS3Location", where)
	default:
		fail.Resource(m.ID, "Either 'Definition' or 'DefinitionUri' property must be specified.")
	}
}

var dynamicReference = regexp.MustCompile(`^\{\{resolve:([a-z-]+):(.+)\}\}\n?$`)

// substitute replaces intrinsic functions and dynamic references within a value by
// variables, numbered in the order of keys.
func substitute(value any, found *dict) {
	each := func(item any, set func(any)) {
		text, _ := pyjson.Text(item)
		switch {
		case intrinsic.Is(item) || dynamicReference.MatchString(text):
			name := "definition_substitution_" + pyjson.Itoa(found.Len()+1)
			found.Set(name, item)
			set("${" + name + "}")
		default:
			substitute(item, found)
		}
	}
	switch v := value.(type) {
	case *dict:
		for _, key := range slices.Sorted(slices.Values(v.Keys())) {
			each(v.Get(key), func(by any) { v.Set(key, by) })
		}
	case []any:
		for i := range v {
			each(v[i], func(by any) { v[i] = by })
		}
	}
}

func (t *translator) machineRole(m *draft.Macro, tags []any) *draft.Resource {
	entries := policies.List(m.Get("Policies"))
	if m.Dict("Tracing").Get("Enabled") == true {
		entries = draft.With(entries, t.Env.TracingPolicy())
	}
	return t.Role(m, draft.RoleParts{Trust: draft.AssumeRole("states.amazonaws.com"), Entries: entries, Tags: tags})
}

// publishMachine makes a version of a state machine and the alias that points to it.
func publishMachine(m *draft.Macro, s *draft.Resource) []*draft.Resource {
	if !m.Truthy("AutoPublishAlias") {
		for _, name := range []string{"UseAliasAsEventTarget", "DeploymentPreference"} {
			if m.Truthy(name) {
				fail.Resource(m.ID, "'%s' requires 'AutoPublishAlias' property to be specified.", name)
			}
		}
		return nil
	}
	attributes := m.Passed()
	attributes.Default("DeletionPolicy", "Retain")
	attributes.Default("UpdateReplacePolicy", "Retain")
	version := draft.New("AWS::StepFunctions::StateMachineVersion", m.ID+"Version", attributes, "StateMachineArn", s.Ref(),
		"StateMachineRevisionId", intrinsic.GetAtt(s.ID, "StateMachineRevisionId"))
	shift := m.Get("DeploymentPreference")
	if !pyjson.Truthy(shift) {
		shift = pyjson.New("Type", "ALL_AT_ONCE")
	}
	fail.Dict(shift).Set("StateMachineVersionArn", version.Ref())
	alias := draft.New("AWS::StepFunctions::StateMachineAlias", m.ID+"Alias"+pyjson.String(m.Get("AutoPublishAlias")), m.Passed(),
		"Name", m.Get("AutoPublishAlias"), "DeploymentPreference", shift)
	return []*draft.Resource{version, alias}
}

// starter is the role with which a service starts a state machine.
func (t *translator) starter(e *event, service string) *draft.Resource {
	id := e.Macro.ID + "Role"
	role := draft.New("AWS::IAM::Role", id, e.target.Passed(), "AssumeRolePolicyDocument", draft.AssumeRole(service),
		"Policies", []any{draft.Allow(id+"StartExecutionPolicy", "states:StartExecution", e.target.ARN())})
	if pyjson.Truthy(e.target.boundary) {
		role.Set("PermissionsBoundary", e.target.boundary)
	}
	return role
}

func (t *translator) scheduleMachine(e *event) []*draft.Resource {
	rule := draft.New("AWS::Events::Rule", e.Macro.ID, e.target.Passed(), "ScheduleExpression", e.Get("Schedule"), "State", e.state(),
		"Name", e.Get("Name"), "Description", e.Get("Description"))
	resources := []*draft.Resource{rule}
	role := e.Get("RoleArn")
	if role == nil {
		made := t.starter(e, "events.amazonaws.com")
		resources = append(resources, made)
		role = made.ARN()
	}
	queue, made := e.deadLetters(rule, true)
	rule.Set("Targets", e.ruleTarget("StepFunctionsTarget", queue, role, "Input", "RetryPolicy"))
	return append(resources, made...)
}

func (t *translator) machineRule(e *event) []*draft.Resource {
	rule := draft.New("AWS::Events::Rule", e.Macro.ID, e.target.Passed(), "EventBusName", e.Get("EventBusName"), "EventPattern", e.Get("Pattern"),
		"Name", e.Get("RuleName"))
	if e.Truthy("State") {
		rule.Set("State", e.Get("State"))
	}
	role := t.starter(e, "events.amazonaws.com")
	queue, made := e.deadLetters(rule, true)
	rule.Set("Targets", e.ruleTarget("StepFunctionsTarget", queue, role.ARN(), "Input", "InputPath", "RetryPolicy", "InputTransformer"))
	return append([]*draft.Resource{rule, role}, made...)
}

// machineMethod lets a method of a REST API start a state machine.
func (t *translator) machineMethod(e *event) []*draft.Resource {
	e.Properties.Set("Method", pyjson.As(e.Get("Method"), strings.ToLower(fail.Text(e.Get("Method")))))
	role := t.starter(e, "apigateway.amazonaws.com")
	if !pyjson.Truthy(e.api.Get(draft.Managed)) || e.api.Get("DefinitionBody") == nil {
		return []*draft.Resource{role}
	}
	editor := openapi.NewSwagger(e.api.Get("DefinitionBody"))
	path, method := fail.Text(e.Get("Path")), fail.Text(e.Get("Method"))
	if editor.HasIntegration(path, method) {
		fail.Event(e.Relative, `API method "%s" defined multiple times for path "%s".`, method, path)
	}
	body := pyjson.Dump(pyjson.New("input", "$util.escapeJavaScript($input.json('$'))", "stateMachineArn", "${"+e.target.ID+"}"))
	if e.Truthy("UnescapeMappingTemplate") {
		body = `{"input": "$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")", "stateMachineArn": "${` + e.target.ID + `}"}`
	}
	editor.AddStateMachine(e.Get("Path"), e.Get("Method"), openapi.Integration{
		URI: intrinsic.Sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:states:action/StartExecution"), Credentials: role.ARN(), Condition: e.target.condition(),
	}, pyjson.New("application/json", intrinsic.Sub(body)))
	if e.Truthy("Auth") {
		// AWS: the stage in the ARNs of a resource policy is the event's, not the API's.
		e.stage = e.Get("Stage")
		t.guard(e, editor)
	}
	e.api.Set("DefinitionBody", editor.Document())
	return []*draft.Resource{role}
}
