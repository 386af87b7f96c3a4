package intrinsic

import (
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

const (
	depthLimit = 2000       // of values within each other; values of parameters may hold themselves
	costLimit  = 20_000_000 // bytes and values that one transform may visit while it resolves
)

// Resolver puts the values of parameters in place of references to them.
type Resolver struct {
	parameters *dict
	cost       int
}

// NewResolver makes a resolver for the values of parameters, defaults included.
func NewResolver(parameters *dict) *Resolver { return &Resolver{parameters: parameters} }

// Resolve resolves all references within a value, in place, and returns it.
func (r *Resolver) Resolve(value any) any {
	if r.parameters.Len() == 0 {
		return value
	}
	return r.walk(value, r.parameter, 0)
}

// walk visits a value, then what it became, in depth.
func (r *Resolver) walk(value any, visit func(*dict, string) any, depth int) any {
	if r.spend(1); depth > depthLimit {
		fail.Odd("Values are nested too deep.")
	}
	if d, name := single(value); d != nil {
		value = visit(d, name)
	}
	switch v := value.(type) {
	case *dict:
		for _, key := range v.Keys() {
			v.Set(key, r.walk(v.Get(key), visit, depth+1))
		}
	case []any:
		for i := range v {
			v[i] = r.walk(v[i], visit, depth+1)
		}
	}
	return value
}

func (r *Resolver) spend(cost int) {
	if r.cost += cost; r.cost > costLimit {
		fail.Odd("The template is too complex.")
	}
}

// value returns a parameter's value. The service marks those that it does not know
// yet with a text of its own.
func (r *Resolver) value(name string, otherwise any) any {
	if !r.parameters.Has(name) {
		return otherwise
	}
	value := r.parameters.Get(name)
	if text, _ := pyjson.Text(value); strings.HasPrefix(text, "{{IntrinsicFunction:") {
		return otherwise
	}
	return value
}

func (r *Resolver) parameter(d *dict, function string) any {
	switch function {
	case "Ref":
		if name, ok := pyjson.Text(d.Get("Ref")); ok {
			return r.value(name, d)
		}
	case "Fn::Sub":
		r.substitute(d, func(whole, name string) any { return r.value(name, whole) })
	}
	return d
}

var variable = regexp.MustCompile(`\$\{([A-Za-z0-9.]+|AWS::[A-Z][A-Za-z]*)\}`)

// substitute replaces the variables of an Fn::Sub.
func (r *Resolver) substitute(d *dict, replace func(whole, name string) any) {
	switch v := d.Get("Fn::Sub").(type) {
	case string, pyjson.Unicode:
		d.Set("Fn::Sub", r.substituteText(v, replace))
	case []any:
		if len(v) > 0 {
			if _, ok := pyjson.Text(v[0]); ok {
				v[0] = r.substituteText(v[0], replace)
			}
		}
	}
}

// substituteText goes through the variables of a text; each result takes the place of
// the first text that looks like the variable, also within an earlier result.
func (r *Resolver) substituteText(origin any, replace func(whole, name string) any) any {
	text, _ := pyjson.Text(origin)
	result := text
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		value := replace(match[0], match[1])
		by, ok := pyjson.Text(value)
		if !ok {
			fail.Document("Invalid Fn::Sub variable value %s. Fn::Sub expects all variables to be strings.", pyjson.String(value))
		}
		if by == match[0] {
			continue
		}
		r.spend(len(result))
		result = strings.Replace(result, match[0], by, 1)
	}
	return pyjson.As(origin, result)
}

// FindInMap resolves the Fn::FindInMap with known keys within a value.
func (r *Resolver) FindInMap(value any) any {
	if r.parameters.Len() == 0 {
		return value
	}
	return r.walk(value, r.inMap, 0)
}

func (r *Resolver) inMap(d *dict, function string) any {
	if function != "Fn::FindInMap" {
		return d
	}
	return r.findInMap(d, 0)
}

func (r *Resolver) findInMap(value any, depth int) any {
	d, function := single(value)
	if function != "Fn::FindInMap" {
		return value
	}
	if r.spend(1); depth > depthLimit {
		fail.Odd("Values are nested too deep.")
	}
	args, ok := d.Get(function).([]any)
	if !ok || len(args) != 3 {
		fail.Document("Invalid FindInMap value %s. FindInMap expects an array with 3 values.", pyjson.String(d.Get(function)))
	}
	var keys [3]string
	for i := range args {
		if keys[i], ok = pyjson.Text(r.findInMap(args[i], depth+1)); !ok {
			return value
		}
	}
	found := any(r.parameters)
	for _, key := range keys {
		level, ok := found.(*dict)
		if !ok {
			fail.Document("Cannot use Fn::FindInMap on Mapping '%s' which is not a a two-level map.", keys[0])
		}
		if !level.Has(key) {
			return value
		}
		found = level.Get(key)
	}
	return found
}

// Changes are the resources that the transform put in place of SAM's: by id of the
// SAM resource, the new id, and the ids behind properties as in Ref: Function.Alias.
type Changes struct {
	IDs        map[string]string
	Properties map[string]map[string]string
}

// Rewrite lets references to SAM resources point to those that replaced them.
func (r *Resolver) Rewrite(template any, changes *Changes) {
	if len(changes.IDs) > 0 {
		r.walk(template, r.changeID(changes.IDs), 0)
	}
	if len(changes.Properties) > 0 {
		r.walk(template, r.changeProperty(changes.Properties), 0)
	}
}

func (r *Resolver) changeID(ids map[string]string) func(*dict, string) any {
	return func(d *dict, function string) any {
		switch function {
		case "Ref":
			if id, _ := pyjson.Text(d.Get("Ref")); ids[id] != "" {
				return Ref(ids[id])
			}
		case "Fn::Sub":
			r.substitute(d, func(whole, name string) any {
				id, _, _ := strings.Cut(name, ".")
				if ids[id] == "" {
					return whole
				}
				return strings.ReplaceAll(whole, id, ids[id])
			})
		case "Fn::GetAtt":
			if path := getAttPath(d); path != nil && ids[path[0]] != "" {
				path[0] = ids[path[0]]
				d.Set(function, anyTexts(path))
			}
		}
		return d
	}
}

func (r *Resolver) changeProperty(properties map[string]map[string]string) func(*dict, string) any {
	return func(d *dict, function string) any {
		switch function {
		case "Ref":
			text, _ := pyjson.Text(d.Get("Ref"))
			id, property, _ := strings.Cut(text, ".")
			if by := properties[id][property]; by != "" && id != "" {
				return Ref(by)
			}
		case "Fn::Sub":
			r.substitute(d, func(whole, name string) any {
				parts := strings.Split(name, ".")
				if len(parts) < 2 || properties[parts[0]][parts[1]] == "" {
					return whole
				}
				return strings.ReplaceAll(whole, parts[0]+"."+parts[1], properties[parts[0]][parts[1]])
			})
		case "Fn::GetAtt":
			if path := getAttPath(d); path != nil && properties[path[0]][path[1]] != "" {
				d.Set(function, anyTexts(append([]string{properties[path[0]][path[1]]}, path[2:]...)))
			}
		}
		return d
	}
}

// getAttPath splits the argument of Fn::GetAtt at dots; nil if it is of another form.
func getAttPath(d *dict) []string {
	list, ok := d.Get("Fn::GetAtt").([]any)
	if !ok || len(list) < 2 {
		return nil
	}
	parts := make([]string, len(list))
	for i := range list {
		if parts[i], ok = pyjson.Text(list[i]); !ok {
			return nil
		}
	}
	return strings.Split(strings.Join(parts, "."), ".")
}

func anyTexts(texts []string) []any {
	list := make([]any, len(texts))
	for i := range texts {
		list[i] = texts[i]
	}
	return list
}
