package main

import (
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// tables writes the shape and operation tables. They are arrays of constants
// and addresses only, so the linker lays them out and nothing runs at start.
func (g *generator) tables() {
	g.printf("var operations = []shape.Operation{\n")
	for i := range g.service.Operations {
		g.operation(&g.service.Operations[i])
	}
	g.printf("}\n\nvar shapes = []shape.Shape{\n")
	for i := range g.service.Shapes {
		g.printf("%d: {", i)
		g.shape(&g.service.Shapes[i])
		g.printf("},\n")
	}
	g.printf("}\n")
}

// strings writes the pairs of field and text that are not empty.
func (g *generator) strings(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			g.printf("%s: %s,", pairs[i], quote(pairs[i+1]))
		}
	}
}

// quote prefers the raw form: patterns are full of backslashes.
func quote(s string) string {
	if strconv.CanBackquote(s) && len(strconv.Quote(s)) > len(s)+2 {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

// bools writes a field if it is true.
func (g *generator) bools(name string, set bool) {
	if set {
		g.printf("%s: true,", name)
	}
}

func (g *generator) operation(op *shape.Operation) {
	g.printf("{")
	g.strings("Name", op.Name, "Method", op.Method, "Path", op.Path, "Query", op.Query)
	if op.Status != 0 {
		g.printf("Status: %d,", op.Status)
	}
	g.printf("Input: %d, Output: %d,", op.Input, op.Output)
	g.strings("Wrapper", op.Wrapper, "Root", op.Root, "Namespace", op.Namespace)
	g.bools("Unsigned", op.Unsigned)
	g.bools("Checksum", op.Checksum)
	if len(op.Errors) > 0 {
		g.printf("Errors: []shape.Index{")
		for _, e := range op.Errors {
			g.printf("%d,", e)
		}
		g.printf("},")
	}
	g.printf("NewInput: func() any { return new(%s) }, NewOutput: func() any { return new(%s) },", g.structName(op.Input), g.structName(op.Output))
	g.printf("},\n")
}

var kindNames = map[shape.Kind]string{
	shape.Structure: "Structure", shape.List: "List", shape.Map: "Map", shape.String: "String", shape.Blob: "Blob",
	shape.Boolean: "Boolean", shape.Integer: "Integer", shape.Long: "Long", shape.Float: "Float", shape.Double: "Double",
	shape.Timestamp: "Timestamp", shape.Document: "Document",
}

func (g *generator) shape(s *shape.Shape) {
	g.printf("Name: %q, Kind: shape.%s,", s.Name, kindNames[s.Kind])
	if len(s.Members) > 0 {
		g.printf("Members: []shape.Member{\n")
		for i := range s.Members {
			g.printf("{")
			g.member(&s.Members[i])
			g.printf("},\n")
		}
		g.printf("},")
	}
	g.memberPointer("Elem", s.Elem)
	g.memberPointer("Key", s.Key)
	if s.Payload != 0 {
		g.printf("Payload: %d,", s.Payload)
	}
	flags := map[string]bool{
		"Union": s.Union, "Sparse": s.Sparse, "Flattened": s.Flattened, "Wrapper": s.Wrapper,
		"EventStream": s.EventStream, "Event": s.Event, "Sensitive": s.Sensitive,
	}
	for _, name := range sortedKeys(flags) {
		g.bools(name, flags[name])
	}
	g.strings("Root", s.Root, "Namespace", s.Namespace, "Timestamp", string(s.Timestamp))
	if r := s.Range; r != nil {
		g.printf("Range: &shape.Range{")
		if r.MinText != "" {
			g.printf("Min: %s, MinText: %q,", r.MinText, r.MinText)
		}
		if r.MaxText != "" {
			g.printf("Max: %s, MaxText: %q,", r.MaxText, r.MaxText)
		}
		g.printf("},")
	}
	g.strings("Pattern", s.Pattern)
	if len(s.Enum) > 0 {
		g.printf("Enum: []string{")
		for _, value := range s.Enum {
			g.printf("%q,", value)
		}
		g.printf("},")
	}
	if e := s.Error; e != nil {
		g.printf("Error: &shape.ErrorInfo{")
		g.strings("Code", e.Code)
		g.printf("Status: %d,", e.Status)
		g.bools("Sender", e.Sender)
		g.strings("MessageMember", e.MessageMember)
		g.printf("},")
	}
}

func (g *generator) memberPointer(name string, m *shape.Member) {
	if m == nil {
		return
	}
	g.printf("%s: &shape.Member{", name)
	g.member(m)
	g.printf("},")
}

var locationNames = map[shape.Location]string{
	shape.URI: "URI", shape.Query_: "Query_", shape.Header: "Header", shape.Headers: "Headers", shape.StatusCode: "StatusCode",
}

func (g *generator) member(m *shape.Member) {
	g.strings("Name", m.Name, "Wire", m.Wire, "QueryName", m.QueryName)
	if m.Location != shape.Body {
		g.printf("Location: shape.%s,", locationNames[m.Location])
	}
	g.printf("Shape: %d,", m.Shape)
	flags := map[string]bool{
		"Required": m.Required, "Flattened": m.Flattened, "Streaming": m.Streaming, "JSONValue": m.JSONValue,
		"Attribute": m.Attribute, "HostLabel": m.HostLabel, "Idempotency": m.Idempotency,
		"EventPayload": m.EventPayload, "EventHeader": m.EventHeader,
	}
	for _, name := range sortedKeys(flags) {
		g.bools(name, flags[name])
	}
	g.strings("Namespace", m.Namespace, "Prefix", m.Prefix, "Timestamp", string(m.Timestamp))
}
