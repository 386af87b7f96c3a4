// Package apimodel reads the AWS API models in the form in which botocore
// publishes them (service-2.json) and turns them into shape tables.
//
// It is used when code is generated and by tests, never by the running program.
// Parse keeps only what lambkin needs: writing the parsed model out again (Trim)
// gives the file that is committed, without documentation. The order of members
// is the order of the model, because the wire and the generated structs keep it.
//
// No goroutines, no locks. Start reading at Parse and Model.Service.
package apimodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Model is one service-2.json, reduced to what shape tables are made of.
type Model struct {
	Metadata   Metadata             `json:"metadata"`
	Operations map[string]Operation `json:"operations"`
	Shapes     map[string]Shape     `json:"shapes"`
}

// Metadata is about the whole service.
type Metadata struct {
	ServiceID      string           `json:"serviceId,omitempty"`
	APIVersion     string           `json:"apiVersion,omitempty"`
	EndpointPrefix string           `json:"endpointPrefix,omitempty"`
	SigningName    string           `json:"signingName,omitempty"`
	Protocol       string           `json:"protocol,omitempty"`
	Protocols      []string         `json:"protocols,omitempty"`
	TargetPrefix   string           `json:"targetPrefix,omitempty"`
	JSONVersion    string           `json:"jsonVersion,omitempty"`
	XMLNamespace   *XMLNamespace    `json:"xmlNamespace,omitempty"`
	QueryErrors    *json.RawMessage `json:"awsQueryCompatible,omitempty"`
}

// XMLNamespace is a text in metadata and an object everywhere else.
type XMLNamespace struct {
	URI    string `json:"uri,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

// UnmarshalJSON accepts both forms.
func (n *XMLNamespace) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte{'"'}) {
		return json.Unmarshal(data, &n.URI)
	}
	type plain XMLNamespace
	return json.Unmarshal(data, (*plain)(n))
}

// Operation is one call.
type Operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method string `json:"method,omitempty"`
		URI    string `json:"requestUri,omitempty"`
		Status int    `json:"responseCode,omitempty"`
	} `json:"http"`
	Input            *Ref      `json:"input,omitempty"`
	Output           *Ref      `json:"output,omitempty"`
	Errors           []Ref     `json:"errors,omitempty"`
	AuthType         string    `json:"authtype,omitempty"`
	Auth             []string  `json:"auth,omitempty"`
	ChecksumRequired bool      `json:"httpChecksumRequired,omitempty"`
	Checksum         *Checksum `json:"httpChecksum,omitempty"`
}

// Checksum is the flexible checksum of an operation.
type Checksum struct {
	Required bool `json:"requestChecksumRequired,omitempty"`
}

// Shape is one type.
type Shape struct {
	Type        string        `json:"type"`
	Required    []string      `json:"required,omitempty"`
	Members     Fields        `json:"members,omitempty"`
	Member      *Ref          `json:"member,omitempty"`
	Key         *Ref          `json:"key,omitempty"`
	Value       *Ref          `json:"value,omitempty"`
	Payload     string        `json:"payload,omitempty"`
	Enum        []string      `json:"enum,omitempty"`
	Pattern     string        `json:"pattern,omitempty"`
	Min         json.Number   `json:"min,omitempty"`
	Max         json.Number   `json:"max,omitempty"`
	Exception   bool          `json:"exception,omitempty"`
	Fault       bool          `json:"fault,omitempty"`
	Error       *ErrorTrait   `json:"error,omitempty"`
	Union       bool          `json:"union,omitempty"`
	Sparse      bool          `json:"sparse,omitempty"`
	Flattened   bool          `json:"flattened,omitempty"`
	Wrapper     bool          `json:"wrapper,omitempty"`
	EventStream bool          `json:"eventstream,omitempty"`
	Event       bool          `json:"event,omitempty"`
	Sensitive   bool          `json:"sensitive,omitempty"`
	Document    bool          `json:"document,omitempty"`
	Streaming   bool          `json:"streaming,omitempty"`
	Root        string        `json:"locationName,omitempty"`
	Namespace   *XMLNamespace `json:"xmlNamespace,omitempty"`
	Timestamp   string        `json:"timestampFormat,omitempty"`
}

// ErrorTrait is what an exception looks like from outside.
type ErrorTrait struct {
	Code   string `json:"code,omitempty"`
	Status int    `json:"httpStatusCode,omitempty"`
	Sender bool   `json:"senderFault,omitempty"`
}

// Ref is a use of a shape: member, element, input, output or error.
type Ref struct {
	Shape         string        `json:"shape"`
	LocationName  string        `json:"locationName,omitempty"`
	Location      string        `json:"location,omitempty"`
	QueryName     string        `json:"queryName,omitempty"`
	ResultWrapper string        `json:"resultWrapper,omitempty"`
	Flattened     bool          `json:"flattened,omitempty"`
	Streaming     bool          `json:"streaming,omitempty"`
	JSONValue     bool          `json:"jsonvalue,omitempty"`
	Attribute     bool          `json:"xmlAttribute,omitempty"`
	Namespace     *XMLNamespace `json:"xmlNamespace,omitempty"`
	Timestamp     string        `json:"timestampFormat,omitempty"`
	HostLabel     bool          `json:"hostLabel,omitempty"`
	Idempotency   bool          `json:"idempotencyToken,omitempty"`
	EventPayload  bool          `json:"eventpayload,omitempty"`
	EventHeader   bool          `json:"eventheader,omitempty"`
}

// Fields are the members of a structure in model order.
type Fields []Field

// Field is one of them.
type Field struct {
	Name string
	Ref  Ref
}

// UnmarshalJSON reads an object without losing its order.
func (f *Fields) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		field := Field{Name: name.(string)}
		if err := decoder.Decode(&field.Ref); err != nil {
			return fmt.Errorf("member %s: %w", field.Name, err)
		}
		*f = append(*f, field)
	}
	return nil
}

// MarshalJSON writes an object in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			out.WriteByte(',')
		}
		ref, err := encode(field.Ref)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q:%s", field.Name, ref)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// encode is json.Marshal without the escapes for HTML: patterns stay readable.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Parse reads a service-2.json, whole or trimmed.
func Parse(data []byte) (*Model, error) {
	m := new(Model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("parse API model: %w", err)
	}
	return m, nil
}

// Keep drops the operations that the test refuses, and the shapes that only they
// use.
func (m *Model) Keep(wanted func(operation string) bool) {
	maps.DeleteFunc(m.Operations, func(name string, _ Operation) bool { return !wanted(name) })
	used := map[string]bool{}
	var use func(*Ref)
	use = func(r *Ref) {
		if r == nil || used[r.Shape] {
			return
		}
		used[r.Shape] = true
		s := m.Shapes[r.Shape]
		for _, inner := range []*Ref{s.Member, s.Key, s.Value} {
			use(inner)
		}
		for i := range s.Members {
			use(&s.Members[i].Ref)
		}
	}
	for _, op := range m.Operations {
		use(op.Input)
		use(op.Output)
		for i := range op.Errors {
			use(&op.Errors[i])
		}
	}
	maps.DeleteFunc(m.Shapes, func(name string, _ Shape) bool { return !used[name] })
}

// Trim writes the model with one operation or shape a line, sorted: small, and
// what a new release changes can be read in the difference.
func (m *Model) Trim() ([]byte, error) {
	var out bytes.Buffer
	metadata, err := encode(m.Metadata)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&out, "{\"metadata\":%s,\n\"operations\":{", metadata)
	if err := lines(&out, m.Operations); err != nil {
		return nil, err
	}
	out.WriteString("},\n\"shapes\":{")
	if err := lines(&out, m.Shapes); err != nil {
		return nil, err
	}
	out.WriteString("}}\n")
	return out.Bytes(), nil
}

func lines[V any](out *bytes.Buffer, m map[string]V) error {
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			out.WriteByte(',')
		}
		value, err := encode(m[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "\n%q:%s", name, value)
	}
	return nil
}
