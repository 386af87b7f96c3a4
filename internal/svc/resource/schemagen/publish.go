package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// foreign are keywords that cfn-lint adds to the schemas, and prose.
var foreign = []string{
	"$comment", "$schema", "dependentExcluded", "dependentRequired", "deprecatedProperties", "description", "else", "examples", "if", "maxUniqueItems", "prefixItems", "relationshipRef",
	"requiredOr", "requiredXor", "then", "title", "uniqueKeys",
}

// named are keywords whose members are names of properties or definitions.
var named = []string{"definitions", "dependencies", "patternProperties", "properties"}

// publish writes a schema as a line, behind the name of its type.
func publish(out *bytes.Buffer, wheel fs.FS, file string) error {
	var s map[string]any
	if err := read(wheel, schemas+"resources/"+file+".json", &s); err != nil {
		return err
	}
	name, _ := s["typeName"].(string)
	out.WriteString(name + " ")
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	plain := plainSchema(s)
	if name == "AWS::SSM::Parameter" {
		// cfn-lint leaves out the type that no template can have, of which the service tells why.
		kind := plain.(map[string]any)["properties"].(map[string]any)["Type"].(map[string]any)
		kind["enum"] = append(kind["enum"].([]any), "SecureString")
	}
	return encoder.Encode(plain)
}

// plainSchema is a schema without what is not CloudFormation's.
func plainSchema(v any) any {
	switch v := v.(type) {
	case []any:
		all := []any{}
		for _, element := range v {
			if plain := plainSchema(element); !isEmpty(plain) {
				all = append(all, plain)
			}
		}
		return all
	case map[string]any:
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			given := v[name]
			if format, ok := given.(string); slices.Contains(foreign, name) || name == "format" && ok && strings.HasPrefix(format, "AWS::") {
				continue
			}
			if members, ok := given.(map[string]any); ok && slices.Contains(named, name) {
				below := map[string]any{}
				for member, schema := range members {
					below[member] = plainSchema(schema)
				}
				out[name] = below
				continue
			}
			plain := plainSchema(given)
			if list, ok := plain.([]any); ok && len(list) == 0 && strings.HasSuffix(name, "Of") { // alternatives of nothing else
				continue
			}
			out[name] = plain
		}
		return out
	}
	return v
}

func isEmpty(v any) bool {
	members, ok := v.(map[string]any)
	return ok && len(members) == 0
}
