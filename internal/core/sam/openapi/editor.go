// Package openapi edits the API definitions that the SAM transform writes into REST
// APIs (Swagger 2.0 or OpenAPI 3, type Swagger) and HTTP APIs (OpenAPI 3, type
// OpenAPI): paths with integrations, security, CORS, models, policies.
//
// The order in which keys are set is part of the behaviour: the logical id of a REST
// API's deployment is a hash of its definition as Python printed it. An editor works
// on a copy of the definition; Document returns a copy of the result. No goroutines,
// no locks. Start reading at editor and NewSwagger.
package openapi

import (
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

type dict = pyjson.Dict

// Names of API Gateway's extensions.
const (
	integration = "x-amazon-apigateway-integration"
	AnyMethod   = "x-amazon-apigateway-any-method"
	endpoint    = "x-amazon-apigateway-endpoint-configuration"
)

var version3 = regexp.MustCompile(`^3(\.\d)(\.\d)?$`)

// IsVersion3 tells the version of an OpenAPI 3 document.
func IsVersion3(version any) bool {
	return version3.MatchString(strings.TrimSuffix(pyjson.String(version), "\n"))
}

// editor is what both kinds of documents have in common.
type editor struct {
	doc   *dict
	paths *dict
}

// Contents are the values that an item may have: itself, or the branches of an Fn::If.
func contents(item any) []any {
	d, ok := item.(*dict)
	if !ok || !d.Has("Fn::If") {
		return []any{item}
	}
	list, ok := d.Get("Fn::If").([]any)
	if !ok {
		fail.Document("Value of Fn::If must be a list.")
	}
	var branches []any
	for i, branch := range list {
		if i > 0 && !intrinsic.IsNoValue(branch) {
			branches = append(branches, branch)
		}
	}
	return branches
}

// MustDict checks that a part of the document is a map.
func MustDict(value any, format string, args ...any) *dict {
	d, ok := value.(*dict)
	if !ok {
		fail.Document(format, args...)
	}
	return d
}

// PathItem checks that the value of a path is a map.
func PathItem(value any, path string) *dict {
	return MustDict(value, "Value of '%s' path must be a dictionary according to Swagger spec.", path)
}

func methodDefinition(value any, path, method string) *dict {
	return MustDict(value, "Definition of method '%s' for path '%s' should be a map.", method, path)
}

// copied copies a document. The items of its paths are shared as long as nobody changes
// them, since a document is copied for each event that adds to it.
func copied(doc *dict) *dict {
	return doc.CloneWith(func(key string, value any) any {
		if paths, ok := value.(*dict); ok && key == "paths" {
			return paths.CloneWith(func(_ string, item any) any { return pyjson.Share(item) })
		}
		return pyjson.Clone(value)
	})
}

// own makes the item of a path one that may be changed.
func (e *editor) own(path string) any {
	item, isDict := e.paths.Get(path).(*dict)
	if !isDict {
		return e.paths.Get(path)
	}
	owned := pyjson.Owned(item)
	e.paths.Set(path, owned)
	return owned
}

// checkItems checks that the items of all paths are maps.
func (e *editor) checkItems() {
	for _, path := range e.Paths() {
		for _, item := range contents(e.paths.Get(path)) {
			PathItem(item, path)
		}
	}
}

// items are the maps that a path may have, to be changed.
func (e *editor) items(path string) []*dict {
	if e.paths.Has(path) {
		e.own(path)
	}
	var items []*dict
	for _, item := range contents(e.paths.Get(path)) {
		items = append(items, PathItem(item, path))
	}
	return items
}

// Paths lists the paths in their order.
func (e *editor) Paths() []string { return e.paths.Keys() }

// normalize makes the key of a method: lower case, and the name of the extension for any.
func normalize(method any) any {
	text, _ := pyjson.Text(method)
	if text = strings.ToLower(text); text == "any" {
		return AnyMethod
	}
	return pyjson.As(method, text)
}

func hasIntegration(definition *dict) bool { return pyjson.Truthy(definition.Get(integration)) }

// HasIntegration tells whether a method of a path has an integration already.
func (e *editor) HasIntegration(path string, method any) bool {
	name, _ := pyjson.Text(normalize(method))
	if !e.paths.Has(path) {
		return false
	}
	all := contents(e.paths.Get(path))
	for _, item := range all {
		if d, ok := item.(*dict); !ok || !d.Has(name) {
			return false
		}
	}
	for _, item := range all {
		definition, ok := item.(*dict).Get(name).(*dict)
		if !ok {
			return false
		}
		found := false
		for _, content := range contents(definition) {
			if hasIntegration(methodDefinition(content, path, name)) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// AddPath adds a path and a method without a definition.
func (e *editor) AddPath(path, method any) {
	name, _ := pyjson.Text(path)
	if !e.paths.Has(name) {
		e.paths.SetKey(path, pyjson.New27())
	}
	value := e.own(name)
	PathItem(value, name)
	key := normalize(method)
	for _, content := range contents(value) {
		item := fail.Dict(content)
		if text, _ := pyjson.Text(key); item != nil && !item.Has(text) {
			item.SetKey(key, pyjson.New27())
		}
	}
}

// MakePathConditional puts a path under a condition.
func (e *editor) MakePathConditional(path string, condition any) {
	e.paths.Set(path, intrinsic.If(condition, e.paths.Get(path)))
}

// methodsAt visits the definitions of a method of a path that have an integration, or all.
func (e *editor) methodsAt(path string, method any, all bool, visit func(*dict)) {
	key, _ := pyjson.Text(normalize(method))
	name, _ := pyjson.Text(method)
	for _, item := range e.items(path) {
		for _, content := range contents(item.Get(key)) {
			if definition := methodDefinition(content, path, name); all || hasIntegration(definition) {
				visit(definition)
			}
		}
	}
}

// AddTimeout limits an integration.
func (e *editor) AddTimeout(path string, method, timeout any) {
	e.methodsAt(path, method, false, func(definition *dict) {
		fail.Dict(definition.Get(integration)).Set("timeoutInMillis", timeout)
	})
}

// securityOf returns the security of a method, which must be a list.
func securityOf(definition *dict, path, method string) []any {
	if !definition.Has("security") {
		return nil
	}
	list, ok := definition.Get("security").([]any)
	if !ok {
		fail.Document("Type of security for path %s method %s must be a list", path, method)
	}
	return list
}

// authorizerScopes are the scopes of an API's authorizer for one method.
func authorizerScopes(authorizers any, name string) (scopes any, found bool) {
	all := fail.Dict(authorizers)
	if !all.Has(name) {
		return nil, false
	}
	authorizer, ok := all.Get(name).(*dict)
	if !ok {
		fail.Document("Type of authorizer '%s' must be a dictionary", name)
	}
	return authorizer.Get("AuthorizationScopes"), true
}

// with appends to a list that others may hold.
func with(list []any, items ...any) []any {
	return append(list[:len(list):len(list)], items...)
}

// setDeep sets a value in maps within a map, which are made where they are missing.
// It returns the path of what is no map, and whether there was such.
func setDeep(value any, path []string, leaf any) (wrong string, bad bool) {
	for i, key := range path {
		d, ok := value.(*dict)
		if !ok {
			return strings.Join(path[:i], "."), true
		}
		if i == len(path)-1 {
			d.Set(key, leaf)
			break
		}
		value = d.Default(key, pyjson.New())
	}
	return "", false
}

// GetDeep reads a value in maps within a map; wrong says what is no map.
func GetDeep(value any, path ...string) (found any, wrong string) {
	for i, key := range path {
		if value == nil {
			return nil, ""
		}
		d, ok := value.(*dict)
		if !ok {
			return nil, notMap(strings.Join(path[:i], "."))
		}
		value = d.Get(key)
	}
	return value, ""
}

func notMap(path string) string {
	if path == "" {
		return "It should be a map"
	}
	return "The value of '" + path + "' should be a map"
}

// PathKey is a path as it was set: a string or Unicode.
func (e *editor) PathKey(path string) any { return e.paths.Key(path) }
