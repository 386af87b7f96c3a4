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

// addDefaultBodies gives APIs without a definition one without paths.
func addDefaultBodies(template *dict) {
	add := func(skeleton func() *dict) func(string, *dict) {
		return func(_ string, resource *dict) {
			if !resource.Has("Properties") && !pyjson.Is(resource.Get("Type"), draft.HTTPAPIType) {
				return // AWS: a REST API without properties gets none here
			}
			properties := propertiesOf(resource)
			if pyjson.Truthy(properties.Get("DefinitionBody")) || pyjson.Truthy(properties.Get("DefinitionUri")) {
				return
			}
			properties.Set("DefinitionBody", skeleton())
			properties.Set(draft.Managed, true)
		}
	}
	eachSAM(template, add(openapi.SwaggerSkeleton), draft.APIType)
	eachSAM(template, add(openapi.Skeleton), draft.HTTPAPIType)
}

// pathEditor is what the two kinds of definitions have in common here.
type pathEditor interface {
	AddPath(path, method any)
	Paths() []string
	MakePathConditional(path string, condition any)
	Document() *dict
}

// implicitAPI adds the API that events belong to that name none, and the paths of all
// events to the APIs that the transform writes.
type implicitAPI struct {
	property  string // of an event, with its API
	id        string // of the implicit API
	condition string // of the implicit API, if all its events have one
	event     string // type
	resource  string // type
	generate  func() *dict
	valid     func(any) bool
	edit      func(any) pathEditor
}

var restAPIs = implicitAPI{
	property: "RestApiId", id: "ServerlessRestApi", condition: "ServerlessRestApiCondition", event: "Api", resource: draft.APIType,
	generate: func() *dict {
		return pyjson.New("StageName", "Prod", "DefinitionBody", openapi.SwaggerSkeleton(), draft.Managed, true)
	},
	valid: openapi.IsSwagger,
	edit:  func(body any) pathEditor { return openapi.NewSwagger(body) },
}

var httpAPIs = implicitAPI{
	property: "ApiId", id: "ServerlessHttpApi", condition: "ServerlessHttpApiCondition", event: "HttpApi", resource: draft.HTTPAPIType,
	generate: func() *dict { return pyjson.New("DefinitionBody", openapi.Skeleton(), draft.Managed, true) },
	valid:    openapi.IsOpenAPI,
	edit:     func(body any) pathEditor { return openapi.NewOpenAPI(body) },
}

// implicitRun is one pass over a template.
type implicitRun struct {
	*implicitAPI
	template, resources *dict
	apis                map[string]*apiUse
}

// apiUse is what the events of an API tell about it.
type apiUse struct {
	conditions         map[string]map[string]any // of the resources of events, by path and method; nil for none
	deletion, replaces []any                     // policies of these resources
}

func (a *implicitAPI) addTo(template *dict) {
	run := &implicitRun{a, template, template.Get("Resources").(*dict), map[string]*apiUse{}}
	existing := pyjson.Clone(run.resources.Get(a.id))
	run.resources.Set(a.id, pyjson.New("Type", a.resource, "Properties", a.generate()))
	var failures []*fail.Failure
	eachSAM(template, func(id string, resource *dict) {
		failure := fail.Catch(func() { run.addEvents(resource) })
		switch {
		case failure == nil:
		case failure.Kind == fail.InEvent:
			failures = append(failures, &fail.Failure{Kind: fail.InResource, ID: id, Text: failure.Message()})
		default:
			endsDocument(func() { panic(failure) })
		}
	}, draft.FunctionType, draft.StateMachineType)
	run.addAttributes()
	run.addPathConditions()
	run.removeUnused(existing)
	if len(failures) > 0 {
		fail.With(failures...)
	}
}

// addEvents adds the paths of a resource's events.
func (r *implicitRun) addEvents(resource *dict) {
	properties, _ := resource.Get("Properties").(*dict)
	events, _ := properties.Get("Events").(*dict)
	mine := pyjson.New27()
	for _, name := range events.Keys() {
		if event, ok := events.Get(name).(*dict); ok && pyjson.Is(event.Get("Type"), r.event) {
			mine.SetKey(events.Key(name), event)
		}
	}
	for _, name := range mine.Keys() {
		event := mine.Get(name).(*dict)
		value := event.Get("Properties")
		if r.resource == draft.HTTPAPIType && !event.Has("Properties") {
			value = pyjson.New()
			event.Set("Properties", value)
		}
		if r.resource == draft.APIType && !pyjson.Truthy(value) {
			continue
		}
		r.addEvent(name, fail.EventProperty(name, "").Saying("Properties should be a map.").Dict(value), resource)
	}
	if mine.Len() > 0 {
		events.Update(mine)
	}
}

func (r *implicitRun) addEvent(name string, event, resource *dict) {
	r.addTags(event, resource)
	if !event.Has(r.property) {
		event.Set(r.property, intrinsic.Ref(r.id))
	}
	if r.resource == draft.HTTPAPIType && !pyjson.Truthy(event.Get("Path")) && !pyjson.Truthy(event.Get("Method")) {
		event.Set("Path", openapi.DefaultRoute)
		event.Set("Method", openapi.AnyMethod)
	}
	api, path, method := draft.APIID(event.Get(r.property)), event.Get("Path"), event.Get("Method")
	fail.EventProperty(name, "Path").Present(path)
	fail.EventProperty(name, "Method").Present(method)
	id := fail.EventProperty(name, r.property).Text(api)
	pathText := fail.EventProperty(name, "Path").Text(path)
	methodText := fail.EventProperty(name, "Method").Text(method)
	r.note(id, pathText, methodText, resource)
	r.addPath(name, id, path, method)
	if r.resource == draft.HTTPAPIType && event.Has("RouteSettings") {
		r.addRouteSettings(name, id, event, resource.Get("Condition"))
	}
}

// addTags gives the implicit API the tags of a resource that propagates them.
func (r *implicitRun) addTags(event, resource *dict) {
	if event.Has(r.property) {
		return
	}
	globals, _ := r.template.Get("Globals").(*dict)
	kind := strings.TrimPrefix(fail.Text(resource.Get("Type")), "AWS::Serverless::")
	global, _ := globals.Get(kind).(*dict)
	properties := propertiesOf(resource)
	either := func(name string) any {
		if value := properties.Get(name); pyjson.Truthy(value) {
			return value
		}
		return global.Get(name)
	}
	implicit, _ := r.resources.Get(r.id).(*dict)
	if tags := either("Tags"); implicit != nil && pyjson.Truthy(tags) && pyjson.Truthy(either("PropagateTags")) {
		own := propertiesOf(implicit)
		fail.Dict(own.Default("Tags", pyjson.New())).Update(fail.Dict(tags))
		own.Set("PropagateTags", true)
	}
}

func (r *implicitRun) note(id, path, method string, resource *dict) {
	use := r.apis[id]
	if use == nil {
		use = &apiUse{conditions: map[string]map[string]any{}}
		r.apis[id] = use
	}
	if use.conditions[path] == nil {
		use.conditions[path] = map[string]any{}
	}
	use.conditions[path][method] = resource.Get("Condition")
	use.deletion = append(use.deletion, resource.Get("DeletionPolicy"))
	use.replaces = append(use.replaces, resource.Get("UpdateReplacePolicy"))
}

func (r *implicitRun) addPath(event, id string, path, method any) {
	api, found := r.resources.Get(id).(*dict)
	if !found || (r.resource == draft.APIType && pyjson.Is(api.Get("Type"), draft.HTTPAPIType)) {
		fail.Event(event, "%s must be a valid reference to an '%s' resource in same template.", r.property, r.resource)
	}
	properties, _ := api.Get("Properties").(*dict)
	if !r.valid(properties.Get("DefinitionBody")) || !pyjson.Truthy(properties.Get(draft.Managed)) {
		return
	}
	editor := r.edit(properties.Get("DefinitionBody"))
	editor.AddPath(path, method)
	properties.Set("DefinitionBody", editor.Document())
}

// addRouteSettings moves the settings of an event's route to its API.
func (r *implicitRun) addRouteSettings(name, id string, event *dict, condition any) {
	properties := propertiesOf(fail.Dict(r.resources.Get(id)))
	path, method := fail.Text(event.Get("Path")), fail.Text(event.Get("Method"))
	route := strings.ToUpper(method) + " " + path
	if method == openapi.AnyMethod {
		route = path
	}
	if !properties.Has("RouteSettings") {
		properties.Set("RouteSettings", pyjson.New())
	}
	all := fail.Property(id, "RouteSettings").Dict(properties.Get("RouteSettings"))
	settings := event.Get("RouteSettings")
	if pyjson.Truthy(condition) {
		settings = intrinsic.If(condition, settings)
	}
	added := fail.EventProperty(name, "RouteSettings").Dict(settings)
	fail.Dict(all.Default(route, pyjson.New())).Update(added)
}

// addAttributes gives the implicit API a condition, if all of its events have one, and
// the strictest policies of the resources of its events.
func (r *implicitRun) addAttributes() {
	use := r.apis[r.id]
	if use == nil {
		return
	}
	api := r.resources.Get(r.id).(*dict)
	all := map[string]any{}
	for path, methods := range use.conditions {
		for method, condition := range methods {
			all[method+" "+path] = condition
		}
	}
	if condition := r.oneCondition(all, r.condition); condition != nil {
		api.Set("Condition", condition)
	}
	set := func(name string, found []any, strictest ...string) {
		for _, policy := range strictest {
			if slices.ContainsFunc(found, func(v any) bool { return pyjson.Is(v, policy) }) {
				api.Set(name, policy)
				return
			}
		}
	}
	set("DeletionPolicy", use.deletion, "Retain", "Delete")
	set("UpdateReplacePolicy", use.replaces, "Retain", "Snapshot", "Delete")
}

// oneCondition returns a condition that is true if one of several is, nil if one of
// them is none. It defines it, by the name given, if they are not all the same.
func (r *implicitRun) oneCondition(conditions map[string]any, name string) any {
	var distinct []any
	for _, condition := range conditions {
		if condition == nil {
			return nil
		}
		switch condition.(type) {
		case *dict, []any:
			fail.Odd("The condition %s is no name.", pyjson.Repr(condition))
		}
		if !pyjson.Contains(distinct, condition) {
			distinct = append(distinct, condition)
		}
	}
	switch len(distinct) {
	case 0:
		return nil
	case 1:
		return distinct[0]
	}
	slices.SortFunc(distinct, func(a, b any) int { return strings.Compare(pyjson.String(a), pyjson.String(b)) })
	defined := fail.Dict(r.template.Default("Conditions", pyjson.New()))
	defined.Update(intrinsic.Combined(distinct, name))
	return name
}

// addPathConditions puts each path under the conditions of its events.
func (r *implicitRun) addPathConditions() {
	eachSAM(r.template, func(id string, api *dict) {
		properties, _ := api.Get("Properties").(*dict)
		if !pyjson.Truthy(properties.Get(draft.Managed)) {
			return
		}
		editor := r.edit(properties.Get("DefinitionBody"))
		for _, path := range editor.Paths() {
			use := r.apis[id]
			if use == nil {
				fail.Odd("The API %s has paths without events.", id)
			}
			name := id + strings.NewReplacer("/", "SLASH", "{", "OB", "}", "CB").Replace(path) + "PathCondition"
			if condition := r.oneCondition(use.conditions[path], name); condition != nil {
				editor.MakePathConditional(path, condition)
			}
		}
		properties.Set("DefinitionBody", editor.Document())
	}, r.resource)
}

// removeUnused takes the implicit API away if no event uses it.
func (r *implicitRun) removeUnused(existing any) {
	body := fail.Dict(propertiesOf(r.resources.Get(r.id).(*dict)).Get("DefinitionBody"))
	switch {
	case fail.Dict(body.Get("paths")).Len() > 0:
	case existing != nil:
		r.resources.Set(r.id, existing)
	default:
		r.resources.Delete(r.id)
	}
}
