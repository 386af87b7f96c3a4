// Package connector transforms SAM's connectors: what permits one resource of a template
// to use another, by a policy of a role, a queue or a topic, or a permission to call.
//
// What can be connected is data of the official translator (see ../NOTICE). Connectors
// come last in a transform: they look at what the other SAM resources became. All
// follow the rules of package draft. Start reading at Transform.
package connector

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Properties are those of a connector.
const Properties = "Source!:{*} Destination!:{*}|[{*}] Permissions!:[s]"

type dict = pyjson.Dict

//go:embed connectors.json
var connectorsText []byte

// profiles say which types of resources a connector can connect, and how (see NOTICE).
var profiles = sync.OnceValue(func() *dict {
	value, err := pyjson.Decode(connectorsText)
	if err != nil {
		panic("sam: connectors.json of the binary: " + err.Error())
	}
	return value.(*dict)
})

// generatedTypes are SAM's types and those that take their place.
var generatedTypes = map[string]string{draft.FunctionType: "AWS::Lambda::Function", draft.StateMachineType: "AWS::StepFunctions::StateMachine",
	draft.APIType: "AWS::ApiGateway::RestApi", draft.HTTPAPIType: draft.V2APIType, draft.SimpleTableType: "AWS::DynamoDB::Table"}

// translator is a transform, with what this package does in it.
type translator struct{ *draft.Transform }

// Expand makes resources of the connectors within other resources. try runs a step that
// may fail without ending the transform.
func Expand(shared *draft.Transform, try func(step func())) {
	t := &translator{shared}
	added := pyjson.New()
	for _, id := range t.Inputs.Keys() {
		source := t.Inputs.Get(id).(*dict)
		if !source.Has("Connectors") {
			continue
		}
		try(func() {
			connectors := fail.Attribute(id, id+".Connectors").Dict(source.Get("Connectors"))
			for _, name := range connectors.Keys() {
				try(func() { added.Set(id+name, t.expandConnector(id, name, connectors.Get(name))) })
			}
		})
	}
	t.Inputs.Update(added)
	for _, id := range t.Inputs.Keys() {
		t.Inputs.Get(id).(*dict).Delete("Connectors")
	}
}

func (t *translator) expandConnector(id, name string, value any) *dict {
	whole := id + name
	given, ok := value.(*dict)
	if !ok {
		fail.Resource(whole, "%s.%s should be a map.", id, whole)
	}
	c := pyjson.Clone(given).(*dict)
	c.Set("Type", draft.ConnectorType)
	properties := fail.Attribute(id, "Connectors."+name+".Properties").Dict(c.Get("Properties"))
	source := pyjson.New("Id", id)
	if properties.Has("SourceReference") {
		reference := fail.Property(id, "Connectors."+name+".Properties.SourceReference").Dict(properties.Get("SourceReference"))
		if reference.Has("Id") {
			fail.Resource(name, "'Id' shouldn't be defined in 'SourceReference'.")
		}
		source.Update(reference)
		properties.Delete("SourceReference")
	}
	properties.Set("Source", source)
	m := draft.Read(Kind(), whole, "", c, nil)
	if t.Inputs.Has(whole) {
		fail.Taken(id, whole, draft.ConnectorType)
	}
	r := draft.New(draft.ConnectorType, whole, m.Attributes).After(m.DependsOn)
	r.Properties = m.Properties
	return r.Dict()
}

// Kind is the type of connectors; other SAM resources make some too.
var Kind = sync.OnceValue(func() *property.Type { return property.Parse(draft.ConnectorType, Properties) })

// endpoint is one end of a connector.
type endpoint struct {
	id, kind                                         string
	arn, role, queueURL, resourceID, name, qualifier any
}

// Transform replaces a SAM connector.
func Transform(shared *draft.Transform, m *draft.Macro) []*draft.Resource {
	t := &translator{shared}
	destinations, many := m.Get("Destination").([]any)
	if !many {
		destinations = []any{m.Get("Destination")}
	}
	var resources []*draft.Resource
	for i, value := range destinations {
		to := fail.Dict(value)
		destination := t.endpoint(m, to, m.Dict("Source"))
		source := t.endpoint(m, m.Dict("Source"), to)
		suffix := ""
		if many {
			suffix = "Destination" + pyjson.Itoa(i)
		}
		made := t.connect(m, source, destination, suffix)
		t.noteConnector(m, made, source, destination)
		resources = append(resources, made...)
	}
	t.replaceDependency(m.ID, resources)
	if len(resources) == 0 {
		fail.Resource(m.ID, "'Destination' is an empty list")
	}
	return resources
}

// endpoint reads one end: the id of a resource in the template, or properties of one.
func (t *translator) endpoint(m *draft.Macro, given, other *dict) endpoint {
	others := slices.ContainsFunc(given.Keys(), func(key string) bool { return key != "Id" && key != "Qualifier" })
	if given.Has("Id") == others {
		fail.Resource(m.ID, "Must provide 'Id' (with optional 'Qualifier') or a supported combination of other properties.")
	}
	typeOf := func(value any) string {
		name, _ := pyjson.Text(value)
		if name == "" {
			fail.Resource(m.ID, "'Type' is missing or not a string.")
		}
		return name
	}
	if !pyjson.Truthy(given.Get("Id")) {
		kind := typeOf(given.Get("Type"))
		if generatedTypes[kind] != "" {
			kind = generatedTypes[kind]
		}
		return endpoint{"", kind, given.Get("Arn"), given.Get("RoleName"), given.Get("QueueUrl"), given.Get("ResourceId"), given.Get("Name"), given.Get("Qualifier")}
	}
	id, ok := pyjson.Text(given.Get("Id"))
	if !ok {
		fail.Resource(m.ID, "'Id' is missing or not a string.")
	}
	resource, _ := t.Outputs.Get(id).(*dict)
	if resource.Len() == 0 {
		fail.Resource(m.ID, "Unable to find resource with logical ID '%s'.", id)
	}
	e := endpoint{id: id, kind: typeOf(resource.Get("Type"))}
	known, _ := profiles().Get("CfnResourceProperties").(*dict).Get(e.kind).(*dict)
	facts := t.fill(m, pyjson.Clone(draft.OrNew(known)), []variable{{"logicalId", id}}).(*dict)
	outputs, _ := facts.Get("Outputs").(*dict)
	e.arn, e.queueURL, e.resourceID, e.name = outputs.Get("Arn"), outputs.Get("Url"), outputs.Get("Id"), outputs.Get("Name")
	if e.qualifier = outputs.Get("Qualifier"); given.Has("Qualifier") {
		e.qualifier = given.Get("Qualifier")
	}
	properties, _ := resource.Get("Properties").(*dict)
	inputs, _ := facts.Get("Inputs").(*dict)
	if role := intrinsic.LogicalID(roleOf(inputs.Get("Role"), properties, other)); role != "" {
		e.role = intrinsic.Ref(role)
	}
	return e
}

// roleOf finds the role of a resource: in a property, or that of a rule's target.
func roleOf(where any, properties, other *dict) any {
	if name, ok := where.(string); ok {
		return properties.Get(name)
	}
	if d, _ := where.(*dict); !pyjson.Is(d.Get("Function"), "GetEventsRuleRole") {
		return nil
	}
	for _, value := range fail.List(properties.Get("Targets")) {
		target := fail.Dict(value)
		id := intrinsic.LogicalID(target.Get("Arn"))
		if id != "" && pyjson.Is(other.Get("Id"), id) || pyjson.Truthy(other.Get("Arn")) && pyjson.Equal(target.Get("Arn"), other.Get("Arn")) {
			return target.Get("RoleArn")
		}
	}
	return nil
}

// variable is one that profiles have, written %{name}.
type variable struct {
	name  string
	value any
}

var plainVariable = regexp.MustCompile(`\$\{.+`)

// fill puts values in place of variables within a value; parts of texts become Fn::Sub.
func (t *translator) fill(m *draft.Macro, value any, variables []variable) any {
	switch v := value.(type) {
	case *dict:
		for _, key := range v.Keys() {
			v.Set(key, t.fill(m, v.Get(key), variables))
		}
		return v
	case []any:
		for i := range v {
			v[i] = t.fill(m, v[i], variables)
		}
		return v
	}
	text, ok := pyjson.Text(value)
	if !ok {
		return value
	}
	used := pyjson.New()
	for _, each := range variables {
		pattern := "%{" + each.name + "}"
		if strings.Contains(text, pattern) && each.value == nil {
			fail.Resource(m.ID, "%s is missing.", each.name)
		}
		if text == pattern {
			return each.value
		}
		if strings.Contains(text, pattern) {
			name := strings.ReplaceAll(each.name, ".", "")
			text = strings.ReplaceAll(text, pattern, "${"+name+"}")
			used.Set(name, each.value)
		}
	}
	if !plainVariable.MatchString(text) {
		return text
	}
	if used.Len() > 0 {
		return pyjson.New("Fn::Sub", []any{text, used})
	}
	return intrinsic.Sub(text)
}

// connect makes what lets one resource use another.
func (t *translator) connect(m *draft.Macro, source, destination endpoint, suffix string) []*draft.Resource {
	bySource, _ := profiles().Get("Permissions").(*dict).Get(source.kind).(*dict)
	profile, ok := bySource.Get(destination.kind).(*dict)
	if !ok {
		fail.Resource(m.ID, "Unable to create connector from %s to %s; it's not supported or the template is invalid.", source.kind, destination.kind)
	}
	profile = pyjson.Clone(profile).(*dict)
	properties := profile.Get("Properties").(*dict)
	wanted := permissionsOf(m, properties, source.kind, destination.kind)
	t.fill(m, properties, []variable{
		{"Source.Arn", source.arn}, {"Destination.Arn", destination.arn}, {"Source.ResourceId", source.resourceID},
		{"Destination.ResourceId", destination.resourceID}, {"Source.Name", source.name}, {"Destination.Name", destination.name},
		{"Source.Qualifier", source.qualifier}, {"Destination.Qualifier", destination.qualifier},
	})
	c := &connection{m, properties, wanted, suffix, source, destination, "Destination", destination}
	if pyjson.Truthy(properties.Get("SourcePolicy")) {
		c.owner, c.side = source, "Source"
	}
	switch kind, _ := pyjson.Text(profile.Get("Type")); kind {
	case "AWS_IAM_ROLE_MANAGED_POLICY":
		return []*draft.Resource{t.rolePolicy(c, source, destination)}
	case "AWS_SQS_QUEUE_POLICY":
		url := c.need(c.owner.queueURL, "SQS queue URL")
		return []*draft.Resource{c.make("AWS::SQS::QueuePolicy", "QueuePolicy", "PolicyDocument", c.document(), "Queues", []any{url})}
	case "AWS_SNS_TOPIC_POLICY":
		arn := c.need(c.owner.arn, "SNS topic ARN")
		return []*draft.Resource{c.make("AWS::SNS::TopicPolicy", "TopicPolicy", "Topics", []any{arn}, "PolicyDocument", c.document())}
	default:
		return c.callPermissions()
	}
}

// permissionsOf reads what a connector permits.
func permissionsOf(m *draft.Macro, properties *dict, source, destination string) []string {
	categories := properties.Get("AccessCategories").(*dict)
	valid := strings.Join(categories.Keys(), ", ")
	var wanted []string
	for _, value := range fail.List(m.Get("Permissions")) {
		if text := fail.Text(value); !slices.Contains(wanted, text) {
			wanted = append(wanted, text)
		}
	}
	if len(wanted) == 0 {
		fail.Resource(m.ID, "'Permissions' cannot be empty; valid values are: %s.", valid)
	}
	unsupported := "Unsupported 'Permissions' provided for connector from " + source + " to " + destination + "; valid "
	for _, permission := range wanted {
		if !categories.Has(permission) {
			fail.Resource(m.ID, "%svalues are: %s.", unsupported, valid)
		}
	}
	slices.Sort(wanted)
	var combinations []string
	for _, value := range fail.List(properties.Get("ValidAccessCategories")) {
		var names []string
		for _, name := range fail.List(value) {
			names = append(names, fail.Text(name))
		}
		slices.Sort(names)
		if slices.Equal(names, wanted) {
			return wanted
		}
		combinations = append(combinations, strings.Join(names, " + "))
	}
	if len(combinations) > 0 {
		fail.Resource(m.ID, "%scombinations are: %s.", unsupported, strings.Join(combinations, ", "))
	}
	return wanted
}

// connection is one destination of a connector.
type connection struct {
	m                   *draft.Macro
	properties          *dict // of the profile
	wanted              []string
	suffix              string
	source, destination endpoint
	side                string
	owner               endpoint
}

func (c *connection) need(value any, what string) any {
	if !pyjson.Truthy(value) {
		fail.Resource(c.m.ID, "Unable to get %s from '%s' resource.", what, c.side)
	}
	return value
}

func (c *connection) make(kind, name string, pairs ...any) *draft.Resource {
	return draft.New(kind, c.m.ID+name+c.suffix, c.m.Attributes, pairs...).After(c.m.DependsOn)
}

// document is the policy with the statements that are wanted.
func (c *connection) document() *dict {
	statements := []any{}
	c.each(func(_ string, category *dict) {
		statements = append(statements, fail.List(category.Get("Statement"))...)
	})
	return pyjson.New("Version", "2012-10-17", "Statement", statements)
}

func (c *connection) each(visit func(name string, category *dict)) {
	categories := c.properties.Get("AccessCategories").(*dict)
	for _, name := range categories.Keys() {
		if slices.Contains(c.wanted, name) {
			visit(name, fail.Dict(categories.Get(name)))
		}
	}
}

func (c *connection) callPermissions() (permissions []*draft.Resource) {
	function := c.need(c.owner.arn, "Lambda function ARN")
	c.each(func(name string, category *dict) {
		permissions = append(permissions, c.make("AWS::Lambda::Permission", name+"LambdaPermission", "Action", category.Get("Action"), "FunctionName", function,
			"Principal", category.Get("Principal"), "SourceArn", category.Get("SourceArn"), "SourceAccount", category.Get("SourceAccount")))
	})
	return permissions
}

// rolePolicy makes a policy for the role of one end; what uses the role waits for it.
func (t *translator) rolePolicy(c *connection, source, destination endpoint) *draft.Resource {
	role := c.need(c.owner.role, "IAM role name")
	policy := c.make("AWS::IAM::ManagedPolicy", "Policy", "PolicyDocument", c.document(), "Roles", []any{role})
	switch by, _ := pyjson.Text(c.properties.Get("DependedBy")); {
	case by == "DESTINATION_EVENT_SOURCE_MAPPING" && source.id != "" && destination.id != "":
		if ids := t.mappingsBetween(source.id, destination.id); len(ids) == 1 {
			t.addDependency(ids[0], policy.ID)
		}
	case by == "SOURCE" && source.id != "":
		t.addDependency(source.id, policy.ID)
	}
	return policy
}

func (t *translator) mappingsBetween(source, function string) (ids []string) {
	for _, id := range t.Outputs.Keys() {
		r, _ := t.Outputs.Get(id).(*dict)
		properties, _ := r.Get("Properties").(*dict)
		if pyjson.Is(r.Get("Type"), "AWS::Lambda::EventSourceMapping") && intrinsic.LogicalID(properties.Get("FunctionName")) == function &&
			intrinsic.LogicalID(properties.Get("EventSourceArn")) == source {
			ids = append(ids, id)
		}
	}
	return ids
}

func asList(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{value}
}

func (t *translator) addDependency(id, on string) {
	if r, _ := t.Outputs.Get(id).(*dict); r.Len() > 0 {
		list := asList(r.Get("DependsOn"))
		if !pyjson.Contains(list, on) {
			list = draft.With(list, on)
		}
		r.Set("DependsOn", list)
	}
}

// replaceDependency lets what depends on a connector depend on what it became.
func (t *translator) replaceDependency(id string, resources []*draft.Resource) {
	for _, other := range t.Outputs.Keys() {
		r, _ := t.Outputs.Get(other).(*dict)
		list := asList(r.Get("DependsOn"))
		if !pyjson.Contains(list, id) {
			continue
		}
		list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return pyjson.Is(v, id) })
		for _, made := range resources {
			if !pyjson.Contains(list, made.ID) {
				list = draft.With(list, made.ID)
			}
		}
		r.Set("DependsOn", list)
	}
}

// noteConnector writes into what was made which connector it is of.
func (t *translator) noteConnector(m *draft.Macro, made []*draft.Resource, source, destination endpoint) {
	typeOf := func(e endpoint) *dict {
		original, _ := t.Inputs.Get(e.id).(*dict)
		if kind := original.Get("Type"); pyjson.Truthy(kind) {
			return pyjson.New("Type", kind)
		}
		return pyjson.New("Type", e.kind)
	}
	for _, r := range made {
		metadata := pyjson.New()
		if given := r.Attributes.Get("Metadata"); given != nil {
			metadata.Update(fail.Dict(given))
		}
		metadata.Set("aws:sam:connectors", pyjson.New(m.ID, pyjson.New("Source", typeOf(source), "Destination", typeOf(destination))))
		r.Attributes.Set("Metadata", metadata)
	}
}
