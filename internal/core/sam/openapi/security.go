package openapi

import (
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// AddAuthorizer defines an authorizer.
func (s *Swagger) AddAuthorizer(name any, definition *dict) {
	s.definedSecurity().SetKey(name, definition)
}

func (s *Swagger) definedSecurity() *dict {
	d, ok := s.security.(*dict)
	if !ok {
		fail.Template("securityDefinitions must be a dictionary.")
	}
	return d
}

func (s *Swagger) addIAM() {
	if d := fail.Dict(s.security); !d.Has("AWS_IAM") {
		d.Update(pyjson.New27("AWS_IAM", pyjson.New27(
			"x-amazon-apigateway-authtype", "awsSigv4", "type", "apiKey", "name", "Authorization", "in", "header")))
	}
}

// AddAPIKey defines the API key as a way to be let in.
func (s *Swagger) AddAPIKey() {
	if d := s.definedSecurity(); !d.Has("api_key") {
		d.Update(pyjson.New27("api_key", pyjson.New27("type", "apiKey", "name", "x-api-key", "in", "header")))
	}
}

// split parts the security of a method by whether one of these names is in it.
func split(security []any, names []string, path, method string) (without, having []any) {
	for _, entry := range security {
		d := MustDict(entry, "%s in Security for path %s method %s is not a valid dictionary.", pyjson.String(entry), path, method)
		if slices.ContainsFunc(names, d.Has) {
			having = append(having, entry)
		} else {
			without = append(without, entry)
		}
	}
	return without, having
}

// withKey finds the first entry that has a key, -1 if there is none.
func withKey(security []any, key string) int {
	return slices.IndexFunc(security, func(entry any) bool { return entry.(*dict).Has(key) })
}

// setSecurity sets the security of a method, if there is any.
func (s *Swagger) setSecurity(definition *dict, security []any) {
	if len(security) == 0 {
		return
	}
	definition.Set("security", security)
	if first, ok := security[0].(*dict); ok && first.Has("AWS_IAM") {
		s.addIAM()
	}
}

// DefaultAuthorizer guards the methods of a path that have no authorizer of their own.
// names are all authorizers; a method that has NONE stays open.
func (s *Swagger) DefaultAuthorizer(path string, authorizer any, scopes []any, names []string, preflight bool) {
	s.eachMethod(path, func(method string, definition *dict) {
		if method == "options" && !preflight {
			return
		}
		others, own := split(securityOf(definition, path, method), append([]string{"AWS_IAM"}, names...), path, method)
		switch none := withKey(others, "NONE"); {
		case none >= 0:
			others, own = slices.Delete(others, none, none+1), nil
		case len(own) == 0:
			entry := pyjson.New27()
			entry.SetKey(authorizer, scopes)
			own = []any{entry}
		}
		s.setSecurity(definition, with(others, own...))
	})
}

// DefaultAPIKey asks for an API key at the methods of a path that do not say otherwise.
func (s *Swagger) DefaultAPIKey(path string, preflight bool) {
	s.eachMethod(path, func(method string, definition *dict) {
		existing := securityOf(definition, path, method)
		others, own := split(existing, []string{"api_key", "api_key_false"}, path, method)
		security := others
		if withKey(own, "api_key_false") < 0 && (method != "options" || preflight) {
			security = with(others, pyjson.New27("api_key", []any{}))
		}
		if !pyjson.Equal(security, existing) && !(len(security) == 0 && len(existing) == 0) {
			definition.Set("security", security)
		}
	})
}

// MethodAuthorizer guards one method. Its scopes come from it or from the authorizer.
func (s *Swagger) MethodAuthorizer(path string, method, authorizer, authorizers, scopes any) {
	name, _ := pyjson.Text(authorizer)
	methodName, _ := pyjson.Text(method)
	s.methodsAt(path, method, false, func(definition *dict) {
		existing := securityOf(definition, path, methodName)
		entry := pyjson.New27()
		entry.SetKey(authorizer, []any{})
		if name != "NONE" && pyjson.Truthy(authorizers) {
			own, found := authorizerScopes(authorizers, name)
			if scopes != nil {
				own = scopes
			}
			if found && own != nil {
				entry.Set(name, own)
			}
		}
		s.setSecurity(definition, with(existing, entry))
	})
}

// MethodAPIKey says whether one method asks for an API key.
func (s *Swagger) MethodAPIKey(path string, method any, required bool) {
	methodName, _ := pyjson.Text(method)
	s.methodsAt(path, method, false, func(definition *dict) {
		key := "api_key_false"
		if required {
			key = "api_key"
			s.AddAPIKey()
		}
		definition.Set("security", with(securityOf(definition, path, methodName), pyjson.New27(key, []any{})))
	})
}
