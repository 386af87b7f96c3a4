package apimodel

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Service makes the shape tables of the model. Shapes and operations are sorted
// by name; NewInput and NewOutput are left nil, because they need Go types.
func (m *Model) Service() (*shape.Service, error) {
	c := converter{model: m, index: map[string]shape.Index{}}
	c.names = slices.Sorted(maps.Keys(m.Shapes))
	for i, name := range c.names {
		c.index[name] = shape.Index(i)
	}
	s := &shape.Service{
		ID:             m.Metadata.ServiceID,
		EndpointPrefix: m.Metadata.EndpointPrefix,
		SigningName:    m.Metadata.SigningName,
		TargetPrefix:   m.Metadata.TargetPrefix,
		JSONVersion:    m.Metadata.JSONVersion,
		APIVersion:     m.Metadata.APIVersion,
		QueryErrors:    m.Metadata.QueryErrors != nil,
	}
	if s.SigningName == "" {
		s.SigningName = s.EndpointPrefix
	}
	if m.Metadata.XMLNamespace != nil {
		s.XMLNamespace = m.Metadata.XMLNamespace.URI
	}
	for _, p := range m.Metadata.Protocols {
		s.Protocols = append(s.Protocols, shape.Protocol(p))
	}
	if len(s.Protocols) == 0 {
		s.Protocols = []shape.Protocol{shape.Protocol(m.Metadata.Protocol)}
	}
	for _, name := range c.names {
		converted, err := c.shape(name, m.Shapes[name])
		if err != nil {
			return nil, fmt.Errorf("shape %s: %w", name, err)
		}
		s.Shapes = append(s.Shapes, converted)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		converted, err := c.operation(name, m.Operations[name])
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", name, err)
		}
		s.Operations = append(s.Operations, converted)
	}
	return s, nil
}

type converter struct {
	model *Model
	names []string
	index map[string]shape.Index
}

func (c *converter) find(ref *Ref) (shape.Index, error) {
	if ref == nil {
		return shape.None, nil
	}
	i, ok := c.index[ref.Shape]
	if !ok {
		return shape.None, fmt.Errorf("there is no shape %q", ref.Shape)
	}
	return i, nil
}

func (c *converter) operation(name string, o Operation) (shape.Operation, error) {
	path, query, _ := strings.Cut(o.HTTP.URI, "?")
	out := shape.Operation{
		Name:     name,
		Method:   o.HTTP.Method,
		Path:     path,
		Query:    query,
		Status:   o.HTTP.Status,
		Unsigned: o.AuthType == "none" || slices.Contains(o.Auth, "smithy.api#noAuth"),
		Checksum: o.ChecksumRequired || o.Checksum != nil && o.Checksum.Required,
	}
	if out.Status == http.StatusOK {
		out.Status = 0
	}
	var err error
	if out.Input, err = c.find(o.Input); err != nil {
		return out, err
	}
	if out.Output, err = c.find(o.Output); err != nil {
		return out, err
	}
	if o.Input != nil {
		out.Root = o.Input.LocationName
		if o.Input.Namespace != nil {
			out.Namespace = o.Input.Namespace.URI
		}
	}
	if o.Output != nil {
		out.Wrapper = o.Output.ResultWrapper
	}
	for i := range o.Errors {
		index, err := c.find(&o.Errors[i])
		if err != nil {
			return out, err
		}
		out.Errors = append(out.Errors, index)
	}
	return out, nil
}

var kinds = map[string]shape.Kind{
	"structure": shape.Structure,
	"list":      shape.List,
	"map":       shape.Map,
	"string":    shape.String,
	"character": shape.String,
	"blob":      shape.Blob,
	"boolean":   shape.Boolean,
	"byte":      shape.Integer,
	"short":     shape.Integer,
	"integer":   shape.Integer,
	"long":      shape.Long,
	"float":     shape.Float,
	"double":    shape.Double,
	"timestamp": shape.Timestamp,
}

func (c *converter) shape(name string, s Shape) (shape.Shape, error) {
	kind, ok := kinds[s.Type]
	if !ok {
		return shape.Shape{}, fmt.Errorf("unknown type %q", s.Type)
	}
	if s.Document {
		kind = shape.Document
	}
	out := shape.Shape{
		Name: name, Kind: kind,
		Union: s.Union, Sparse: s.Sparse, Flattened: s.Flattened, Wrapper: s.Wrapper,
		EventStream: s.EventStream, Event: s.Event, Sensitive: s.Sensitive,
		Root: s.Root, Timestamp: shape.TimestampFormat(s.Timestamp),
		Pattern: s.Pattern, Enum: s.Enum,
	}
	if s.Namespace != nil {
		out.Namespace = s.Namespace.URI
	}
	var err error
	if out.Range, err = interval(s.Min, s.Max); err != nil {
		return out, err
	}
	for i := range s.Members {
		f := &s.Members[i]
		member, err := c.member(f.Name, &f.Ref)
		if err != nil {
			return out, err
		}
		member.Required = slices.Contains(s.Required, f.Name)
		out.Members = append(out.Members, *member)
		if f.Name == s.Payload {
			out.Payload = int32(i) + 1
		}
	}
	elem := s.Member
	if kind == shape.Map {
		elem = s.Value
	}
	if out.Elem, err = c.member("", elem); err != nil {
		return out, err
	}
	if out.Key, err = c.member("", s.Key); err != nil {
		return out, err
	}
	if s.Exception {
		out.Error = errorInfo(name, &s)
	}
	return out, nil
}

func interval(low, high json.Number) (*shape.Range, error) {
	if low == "" && high == "" {
		return nil, nil
	}
	r := &shape.Range{MinText: low.String(), MaxText: high.String()}
	var err error
	if low != "" {
		if r.Min, err = low.Float64(); err != nil {
			return nil, err
		}
	}
	if high != "" {
		if r.Max, err = high.Float64(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func errorInfo(name string, s *Shape) *shape.ErrorInfo {
	info := &shape.ErrorInfo{Status: http.StatusBadRequest}
	if s.Fault {
		info.Status = http.StatusInternalServerError
	}
	if s.Error != nil {
		if s.Error.Status != 0 {
			info.Status = s.Error.Status
		}
		if s.Error.Code != name {
			info.Code = s.Error.Code
		}
		info.Sender = s.Error.Sender
	}
	// Most models of rest-json services say nothing about the sender: there the
	// status decides, as the clients do.
	info.Sender = info.Sender || !s.Fault && info.Status < http.StatusInternalServerError
	for _, f := range s.Members {
		if strings.EqualFold(f.Name, "message") {
			info.MessageMember = f.Name
			if f.Ref.LocationName != "" {
				info.MessageMember = f.Ref.LocationName
			}
		}
	}
	return info
}

var locations = map[string]shape.Location{
	"":            shape.Body,
	"uri":         shape.URI,
	"querystring": shape.Query_,
	"header":      shape.Header,
	"headers":     shape.Headers,
	"statusCode":  shape.StatusCode,
}

func (c *converter) member(name string, ref *Ref) (*shape.Member, error) {
	if ref == nil {
		return nil, nil
	}
	index, err := c.find(ref)
	if err != nil {
		return nil, err
	}
	location, ok := locations[ref.Location]
	if !ok {
		return nil, fmt.Errorf("member %s: unknown location %q", name, ref.Location)
	}
	target := c.model.Shapes[ref.Shape]
	out := &shape.Member{
		Name: name, Wire: ref.LocationName, QueryName: ref.QueryName,
		Location: location, Shape: index,
		Flattened: ref.Flattened,
		Streaming: (ref.Streaming || target.Streaming) && target.Type == "blob",
		JSONValue: ref.JSONValue, Attribute: ref.Attribute,
		Timestamp: shape.TimestampFormat(ref.Timestamp),
		HostLabel: ref.HostLabel, Idempotency: ref.Idempotency,
		EventPayload: ref.EventPayload, EventHeader: ref.EventHeader,
	}
	if location == shape.Header || location == shape.Headers {
		out.Wire = http.CanonicalHeaderKey(ref.LocationName)
	}
	if out.Wire == name && location != shape.Headers { // an empty prefix is not the name
		out.Wire = ""
	}
	if ref.Namespace != nil {
		out.Namespace, out.Prefix = ref.Namespace.URI, ref.Namespace.Prefix
	}
	return out, nil
}
