package sam

import (
	"github.com/lambkin-dev/lambkin/internal/core/sam/compute"
	"github.com/lambkin-dev/lambkin/internal/core/sam/connector"
	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/policies"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// kind is a type of SAM resources: its properties and what it becomes.
type kind struct {
	properties *property.Type
	round      int // in which it is transformed: functions add to APIs, connectors see all others
	transform  func(*translator, *draft.Macro) []*draft.Resource
	references map[string]string // properties that can be referred to, and the type of their resource
}

// translator is one transform under way.
type translator struct {
	*draft.Transform
	applications map[string]application // that the template nests

	failures []*fail.Failure
	changes  intrinsic.Changes
}

func translate(template, parameters *dict, env *Environment) *dict {
	checkTypes(template)
	python27 := needsPython27(template)
	if python27 {
		toPython27(template, parameters)
	}
	t := &translator{
		Transform: &draft.Transform{
			Env: env, Input: template, Python27: python27, RecordSets: map[string]*draft.Resource{}, FunctionNames: map[string]string{},
		},
		changes: intrinsic.Changes{IDs: map[string]string{}, Properties: map[string]map[string]string{}},
	}
	t.addDefaults(parameters)
	t.Resolver = intrinsic.NewResolver(parameters)
	t.Mappings = intrinsic.NewResolver(t.mappingsOf())
	t.prepare()
	t.Inputs = template.Get("Resources").(*dict)
	connector.Expand(t.Transform, t.try)
	t.Output = pyjson.Clone(template).(*dict)
	t.Outputs = t.Output.Get("Resources").(*dict)
	t.Conditions, _ = t.Output.Get("Conditions").(*dict)
	t.Mappings = intrinsic.NewResolver(t.mappingsOf())
	for round := range lastRound + 1 {
		for _, id := range t.Inputs.Keys() {
			resource := t.Inputs.Get(id).(*dict)
			if k := kindOf(resource); k != nil && k.round == round {
				t.try(func() { t.transform(id, resource, k) })
			}
		}
	}
	compute.AddDeployments(t.Transform, t.try)
	t.Output.Delete("Transform")
	if len(t.failures) > 0 {
		fail.With(t.failures...)
	}
	renameDependencies(t.Output, t.changes.IDs)
	t.Resolver.Rewrite(t.Output, &t.changes)
	return t.Output
}

// try runs a step and notes its failure, unless that ends the transform.
func (t *translator) try(step func()) {
	switch failure := fail.Catch(step); {
	case failure == nil:
	case failure.Kind == fail.InDocument || failure.Kind == fail.Internal:
		panic(failure)
	default:
		t.failures = append(t.failures, failure)
	}
}

// checkTypes checks what all that follows relies on.
func checkTypes(template *dict) {
	resources, ok := template.Get("Resources").(*dict)
	if !ok || resources.Len() == 0 {
		fail.Document("'Resources' section is required")
	}
	for _, id := range resources.Keys() {
		if _, ok := resources.Get(id).(*dict); !ok {
			fail.Document("All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.")
		}
	}
	eachSAM(template, func(id string, resource *dict) {
		if resource.Has("Properties") {
			endsDocument(func() { fail.Attribute(id, "Properties").Dict(resource.Get("Properties")) })
		}
	})
}

// endsDocument runs a step whose failure is the only one told.
func endsDocument(step func()) {
	if failure := fail.Catch(step); failure != nil {
		if failure.Kind == fail.InDocument || failure.Kind == fail.Internal {
			panic(failure)
		}
		fail.With(failure)
	}
}

// samTypes are those that Globals and the implicit APIs look at.
var samTypes = map[string]bool{
	draft.APIType: true, draft.FunctionType: true, draft.WebFunctionType: true, draft.SimpleTableType: true, draft.ApplicationType: true, draft.LayerType: true, draft.HTTPAPIType: true,
	draft.WebSocketType: true, draft.StateMachineType: true, draft.CapacityProviderType: true, draft.MicroVMImageType: true, draft.NetworkConnectorType: true,
}

// eachSAM visits the resources of samTypes, or of those given.
func eachSAM(template *dict, visit func(id string, resource *dict), types ...string) {
	resources := template.Get("Resources").(*dict)
	for _, id := range resources.Keys() {
		resource, ok := resources.Get(id).(*dict)
		if !ok {
			continue
		}
		if condition := resource.Get("Condition"); pyjson.Truthy(condition) {
			if _, ok := pyjson.Text(condition); !ok {
				fail.Document("Every Condition member must be a string.")
			}
		}
		name, _ := pyjson.Text(resource.Get("Type"))
		wanted := len(types) == 0
		for _, t := range types {
			wanted = wanted || t == name
		}
		if wanted && samTypes[name] {
			visit(id, resource)
		}
	}
}

// propertiesOf returns a resource's properties, made if it has none.
func propertiesOf(resource *dict) *dict {
	if !resource.Has("Properties") {
		resource.Set("Properties", pyjson.New())
	}
	return fail.Dict(resource.Get("Properties"))
}

// addDefaults completes the values of parameters.
func (t *translator) addDefaults(parameters *dict) {
	defined, _ := t.Input.Get("Parameters").(*dict)
	for _, name := range defined.Keys() {
		definition, ok := defined.Get(name).(*dict)
		if ok && definition.Has("Default") && !parameters.Has(name) {
			parameters.SetKey(defined.Key(name), definition.Get("Default"))
		}
	}
	parameters.Default("AWS::Region", t.Env.Region)
	parameters.Default("AWS::Partition", t.Env.Partition())
}

func (t *translator) mappingsOf() *dict {
	source := t.Input
	if t.Output != nil {
		source = t.Output
	}
	if !source.Has("Mappings") {
		return nil
	}
	mappings, ok := source.Get("Mappings").(*dict)
	if !ok {
		fail.Document("'Mappings' or 'Parameters' is either null or not a valid dictionary.")
	}
	return mappings
}

// prepare adds to the template what is not written in it, in the translator's order.
func (t *translator) prepare() {
	t.findApplications()
	addDefaultBodies(t.Input)
	restAPIs.addTo(t.Input)
	httpAPIs.addTo(t.Input)
	mergeGlobals(t.Input)
}

// transform replaces a SAM resource.
func (t *translator) transform(id string, source *dict, k *kind) {
	m := draft.Read(k.properties, id, "", source, func(properties *dict) {
		switch k.properties.Name {
		case draft.ApplicationType:
			t.locate(id, properties)
		case draft.FunctionType, draft.StateMachineType:
			policies.Expand(id, properties)
		}
	})
	made := k.transform(t, m)
	t.refer(id, k, made)
	if m.ID != id {
		t.changes.IDs[id] = m.ID
	}
	t.Outputs.Delete(id)
	for _, r := range made {
		if t.isTaken(r) {
			t.try(func() { fail.Taken(id, r.ID, r.Kind) })
			continue
		}
		d := r.Dict()
		if t.Env.PassMetadata && pyjson.Truthy(source.Get("Metadata")) && !t.Outputs.Has(r.ID) {
			d.Set("Metadata", source.Get("Metadata"))
		}
		t.Outputs.Set(r.ID, d)
	}
}

// refer notes which resources the properties of a SAM resource stand for.
func (t *translator) refer(id string, k *kind, made []*draft.Resource) {
	byKind := map[string]string{}
	for _, r := range made {
		byKind[r.Kind] = r.ID
	}
	for name, kind := range k.references {
		if byKind[kind] == "" {
			continue
		}
		if t.changes.Properties[id] == nil {
			t.changes.Properties[id] = map[string]string{}
		}
		t.changes.Properties[id][name] = byKind[kind]
	}
}

// replaceable are the types of generated resources that may have the id of a resource
// in the template, and the types that this one has then.
var replaceable = map[string][]string{
	"AWS::Lambda::Function": {draft.FunctionType}, "AWS::Lambda::WebFunction": {draft.WebFunctionType}, "AWS::Lambda::LayerVersion": {draft.LayerType},
	"AWS::Lambda::CapacityProvider": {draft.CapacityProviderType}, "AWS::Lambda::MicrovmImage": {draft.MicroVMImageType},
	"AWS::Lambda::NetworkConnector": {draft.NetworkConnectorType}, "AWS::ApiGateway::RestApi": {draft.APIType}, draft.V2APIType: {draft.HTTPAPIType, draft.WebSocketType},
	"AWS::S3::Bucket": {"AWS::S3::Bucket"}, "AWS::SNS::Topic": {"AWS::SNS::Topic"}, "AWS::DynamoDB::Table": {draft.SimpleTableType},
	"AWS::CloudFormation::Stack": {draft.ApplicationType}, "AWS::Cognito::UserPool": {"AWS::Cognito::UserPool"},
	"AWS::ApiGateway::DomainName": {"AWS::ApiGateway::DomainName"}, "AWS::ApiGateway::BasePathMapping": {"AWS::ApiGateway::BasePathMapping"},
	"AWS::ApiGateway::DomainNameV2": {"AWS::ApiGateway::DomainNameV2"}, "AWS::ApiGateway::BasePathMappingV2": {"AWS::ApiGateway::BasePathMappingV2"},
	"AWS::StepFunctions::StateMachine": {draft.StateMachineType}, "AWS::AppSync::GraphQLApi": {draft.GraphQLType},
}

// isTaken tells whether the template has another resource of a generated one's id.
func (t *translator) isTaken(r *draft.Resource) bool {
	existing, ok := t.Inputs.Get(r.ID).(*dict)
	if !ok {
		return false
	}
	for _, kind := range replaceable[r.Kind] {
		if pyjson.Is(existing.Get("Type"), kind) {
			return false
		}
	}
	return true
}

// renameDependencies lets DependsOn name the resources that took the place of others.
func renameDependencies(value any, ids map[string]string) {
	if len(ids) == 0 {
		return
	}
	renamed := func(id any) any {
		if text, _ := pyjson.Text(id); ids[text] != "" {
			return ids[text]
		}
		return id
	}
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			renameDependencies(item, ids)
		}
	case *dict:
		switch on := v.Get("DependsOn").(type) {
		case []any:
			for i := range on {
				on[i] = renamed(on[i])
			}
		case string, pyjson.Unicode:
			v.Set("DependsOn", renamed(on))
		}
		for _, key := range v.Keys() {
			renameDependencies(v.Get(key), ids)
		}
	}
}

// needsPython27 tells templates whose deployments have ids that were first made by
// Python 2.7: with REST APIs, or HTTP APIs with an authorizer for all routes.
func needsPython27(template *dict) bool {
	globals, _ := template.Get("Globals").(*dict)
	global, _ := globals.Get("HttpApi").(*dict)
	auth, _ := global.Get("Auth").(*dict)
	always := pyjson.Truthy(auth.Get("DefaultAuthorizer"))
	resources := template.Get("Resources").(*dict)
	for _, id := range resources.Keys() {
		resource := resources.Get(id).(*dict)
		properties, _ := resource.Get("Properties").(*dict)
		kind, _ := pyjson.Text(resource.Get("Type"))
		auth, _ := properties.Get("Auth").(*dict)
		switch {
		case kind == draft.APIType,
			kind == draft.HTTPAPIType && (always || pyjson.Truthy(auth.Get("DefaultAuthorizer"))),
			(kind == draft.FunctionType || kind == draft.StateMachineType) && hasEvent(properties, "Api"),
			kind == draft.FunctionType && always && hasEvent(properties, "HttpApi"):
			return true
		}
	}
	return false
}

func hasEvent(properties *dict, kind string) bool {
	events, _ := properties.Get("Events").(*dict)
	for _, name := range events.Keys() {
		if event, ok := events.Get(name).(*dict); ok && pyjson.Is(event.Get("Type"), kind) {
			return true
		}
	}
	return false
}

// toPython27 makes the parts of a template that get into a REST API's definition look
// as they did to Python 2.7.
func toPython27(template, parameters *dict) {
	convert := func(d *dict, key string) {
		if d.Has(key) {
			d.Set(key, pyjson.Convert27(d.Get(key)))
		}
	}
	if globals, ok := template.Get("Globals").(*dict); ok {
		convert(globals, "Api")
	}
	if defined, ok := template.Get("Parameters").(*dict); ok {
		for _, name := range defined.Keys() {
			if definition, ok := defined.Get(name).(*dict); ok {
				convert(definition, "Default")
			}
		}
		template.Set("Parameters", rekeyed(defined))
	}
	resources := template.Get("Resources").(*dict)
	for _, id := range resources.Keys() {
		resource := resources.Get(id).(*dict)
		properties, ok := resource.Get("Properties").(*dict)
		if !ok {
			continue
		}
		switch kind, _ := pyjson.Text(resource.Get("Type")); kind {
		case draft.APIType, draft.HTTPAPIType:
			convert(resource, "Properties")
		case draft.FunctionType, draft.StateMachineType:
			convert(resource, "Condition")
			convert(properties, "FunctionName")
			convert(properties, "Events")
		}
	}
	template.Set("Resources", rekeyed(resources))
	for _, name := range parameters.Keys() {
		convert(parameters, name)
	}
}

func rekeyed(d *dict) *dict {
	c := pyjson.New27()
	for _, key := range d.Keys() {
		c.SetKey(pyjson.Unicode(key), d.Get(key))
	}
	return c
}
