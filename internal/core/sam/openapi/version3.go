package openapi

import (
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// ToVersion3 moves, in place, what Swagger 2 has elsewhere than OpenAPI 3: security,
// models, and what the answers to OPTIONS say.
func ToVersion3(body *dict) {
	for _, part := range [][2]string{{"securityDefinitions", "securitySchemes"}, {"definitions", "schemas"}} {
		if pyjson.Truthy(body.Get(part[0])) {
			components := fail.Dict(orEmpty(body.Get("components")))
			components.Set(part[1], body.Get(part[0]))
			body.Set("components", components)
			body.Delete(part[0])
		}
	}
	if !pyjson.Truthy(body.Get("paths")) {
		return
	}
	paths := MustDict(body.Get("paths"), "Value of paths must be a dictionary according to Swagger spec.")
	for _, path := range paths.Keys() {
		paths.Set(path, pyjson.Owned(paths.Get(path)))
		item := PathItem(paths.Get(path), path)
		item.Touch()
		if pyjson.Truthy(item.Get("options")) {
			optionsToVersion3(path, MustDict(item.Get("options"), "Value of options method for path %s must be a dictionary according to Swagger spec.", path))
		}
	}
}

func optionsToVersion3(path string, options *dict) {
	for _, field := range options.Keys() {
		if field == "produces" || field == "consumes" {
			options.Delete(field)
		}
		if field != "responses" {
			continue
		}
		value, wrong := GetDeep(options.Get(field), "200", "headers")
		if wrong != "" {
			fail.Document("Invalid responses in options method for path %s: %s.", path, wrong)
		}
		if !pyjson.Truthy(value) {
			continue
		}
		headers := MustDict(value, "Value of response's headers in options method for path %s must be a dictionary according to Swagger spec.", path)
		for _, name := range headers.Keys() {
			headers.Set(name, pyjson.New27("schema", headers.Get(name)))
		}
	}
}
