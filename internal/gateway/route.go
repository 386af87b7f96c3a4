package gateway

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// service is one API with what dispatch needs of it.
type service struct {
	model      *shape.Service
	protocols  map[shape.Protocol]bool
	operations map[string]*operation
}

// operation is one operation of the model, implemented or not.
type operation struct {
	service *service
	model   *shape.Operation
	do      *wire.Operation // nil when it is not implemented
	limit   bodyLimit
	streams bool // reads its payload from the request itself
}

// group is all services that sign with one name: only their operations
// together can tell which one a request is for.
type group struct {
	name    string // signing name
	first   *service
	actions map[string]*operation // of the query and ec2 protocols, by name
	query   *service              // one that speaks query, for the form of errors
	rest    *node                 // of the rest protocols
	restOf  *service              // one that speaks rest, for the form of errors
}

// tables are the maps of dispatch. They are built once.
type tables struct {
	targets map[string]*service   // by X-Amz-Target prefix, which also is the service name of rpc-v2-cbor paths
	groups  map[string]*group     // by signing name
	hosts   map[string]*group     // by first label of the host, for unsigned requests
	open    map[string]*operation // those that are called unsigned, by version and name
}

func newTables(services []*wire.Service) (*tables, error) {
	t := &tables{targets: map[string]*service{}, groups: map[string]*group{}, hosts: map[string]*group{}, open: map[string]*operation{}}
	for _, s := range services {
		svc := newService(s)
		if prefix := s.Model.TargetPrefix; prefix != "" {
			if other := t.targets[prefix]; other != nil {
				return nil, fmt.Errorf("services %s and %s have the target prefix %q", other.model.ID, s.Model.ID, prefix)
			}
			t.targets[prefix] = svc
		}
		g := t.groups[s.Model.SigningName]
		if g == nil {
			g = &group{name: s.Model.SigningName, first: svc, actions: map[string]*operation{}}
			t.groups[g.name] = g
		}
		if err := g.add(svc); err != nil {
			return nil, err
		}
		if t.hosts[s.Model.EndpointPrefix] == nil {
			t.hosts[s.Model.EndpointPrefix] = g
		}
		for name, op := range svc.operations {
			if op.model.Unsigned && svc.protocols[shape.Query] {
				t.open[s.Model.APIVersion+"."+name] = op
				t.open["."+name] = op // AWS: the links in SNS's messages name no version
			}
		}
	}
	return t, nil
}

func newService(s *wire.Service) *service {
	svc := &service{model: s.Model, protocols: map[shape.Protocol]bool{}, operations: make(map[string]*operation, len(s.Model.Operations))}
	for _, p := range s.Model.Protocols {
		svc.protocols[p] = true
	}
	for i := range s.Model.Operations {
		model := &s.Model.Operations[i]
		op := &operation{service: svc, model: model, limit: limitOf(s.Model.ID, model.Name), streams: wire.StreamsInput(s.Model, model)}
		if do, ok := s.Operations[model.Name]; ok {
			op.do = &do
		}
		svc.operations[model.Name] = op
	}
	return svc
}

func (g *group) add(svc *service) error {
	if svc.protocols[shape.Query] || svc.protocols[shape.EC2] {
		g.query = svc
		for name, op := range svc.operations {
			if g.actions[name] == nil {
				g.actions[name] = op
			}
		}
	}
	if !svc.protocols[shape.RestJSON] && !svc.protocols[shape.RestXML] {
		return nil
	}
	g.restOf = svc
	if g.rest == nil {
		g.rest = &node{}
	}
	for _, op := range svc.operations {
		if err := g.rest.add(op); err != nil {
			return fmt.Errorf("route of %s.%s: %w", svc.model.ID, op.model.Name, err)
		}
	}
	return nil
}

// node is one segment of the paths of a rest API.
type node struct {
	fixed   map[string]*node
	label   *node              // {Name}: any non-empty segment
	greedy  map[string]*choice // {Name+}: all that is left, by method
	methods map[string]*choice // operations that end here, by method
}

// choice is the operations of one method and path; they differ by a constant
// part of the query, or by the parameters and headers that they require.
type choice struct {
	plain []*operation            // those that require most come first
	query map[string][]*operation // by name of their first query constant
}

// add enters the path template of an operation.
func (n *node) add(op *operation) error {
	path := strings.TrimSuffix(strings.TrimPrefix(op.model.Path, "/"), "/")
	for path != "" {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		switch {
		case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "+}"):
			if path != "" {
				return fmt.Errorf("path %q goes on after a greedy label", op.model.Path)
			}
			if n.greedy == nil {
				n.greedy = map[string]*choice{}
			}
			return addChoice(n.greedy, op)
		case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}"):
			if n.label == nil {
				n.label = &node{}
			}
			n = n.label
		case strings.ContainsAny(segment, "{}"):
			return fmt.Errorf("path %q has a label that is only part of a segment", op.model.Path)
		default:
			if n.fixed == nil {
				n.fixed = map[string]*node{}
			}
			if n.fixed[segment] == nil {
				n.fixed[segment] = &node{}
			}
			n = n.fixed[segment]
		}
	}
	if n.methods == nil {
		n.methods = map[string]*choice{}
	}
	return addChoice(n.methods, op)
}

func addChoice(methods map[string]*choice, op *operation) error {
	c := methods[op.model.Method]
	if c == nil {
		c = &choice{}
		methods[op.model.Method] = c
	}
	if op.model.Query == "" {
		for _, other := range c.plain {
			if slices.Equal(other.requires(), op.requires()) {
				return fmt.Errorf("%s %s is also %s.%s", op.model.Method, op.model.Path, other.service.model.ID, other.model.Name)
			}
		}
		c.plain = append(c.plain, op)
		slices.SortFunc(c.plain, func(a, b *operation) int { return len(b.requires()) - len(a.requires()) })
		return nil
	}
	name, _, _ := strings.Cut(firstParameter(op.model.Query), "=")
	if c.query == nil {
		c.query = map[string][]*operation{}
	}
	c.query[name] = append(c.query[name], op)
	return nil
}

// find walks down an escaped path. Fixed segments win over labels; where both
// fit, the walk comes back. It is bounded by the depth of the tree.
func (n *node) find(path string) map[string]*choice {
	if path == "" {
		return n.methods
	}
	segment, rest, _ := strings.Cut(path, "/")
	if next := n.fixed[segment]; next != nil {
		if found := next.find(rest); found != nil {
			return found
		}
	}
	if n.label != nil && segment != "" {
		if found := n.label.find(rest); found != nil {
			return found
		}
	}
	return n.greedy
}

// requires lists what must be in the query or the headers of a request for the
// operation: S3 has operations that differ in nothing else.
func (o *operation) requires() (names []string) {
	if o.model.Input == shape.None {
		return nil
	}
	members := o.service.model.Shapes[o.model.Input].Members
	for i := range members {
		if m := &members[i]; m.Required && (m.Location == shape.Query_ || m.Location == shape.Header) {
			names = append(names, m.WireName())
		}
	}
	return names
}

// fits tells whether the request has all that the operation requires.
func (o *operation) fits(r *http.Request) bool {
	members := o.service.model.Shapes[o.model.Input].Members
	for i := range members {
		m := &members[i]
		if !m.Required {
			continue
		}
		switch m.Location {
		case shape.Query_:
			if _, ok := parameter(r.URL.RawQuery, m.WireName()); !ok {
				return false
			}
		case shape.Header:
			if r.Header.Get(m.WireName()) == "" {
				return false
			}
		}
	}
	return true
}

// pick chooses by the query of the request, then by what the operations require.
func (c *choice) pick(r *http.Request) *operation {
	if c == nil {
		return nil
	}
	rawQuery := r.URL.RawQuery
	if c.query != nil {
		for rest, more := rawQuery, rawQuery != ""; more; {
			var part string
			part, rest, more = strings.Cut(rest, "&")
			name, _, _ := strings.Cut(part, "=")
			for _, op := range c.query[name] {
				if hasParameters(rawQuery, op.model.Query) {
					return op
				}
			}
		}
	}
	for _, op := range c.plain {
		if len(c.plain) == 1 || op.fits(r) {
			return op
		}
	}
	return nil
}

func firstParameter(query string) string {
	first, _, _ := strings.Cut(query, "&")
	return first
}

// hasParameters tells whether the query has every constant, with its value
// where the template gives one.
func hasParameters(query, constants string) bool {
	for rest, more := constants, true; more; {
		var want string
		want, rest, more = strings.Cut(rest, "&")
		name, value, valued := strings.Cut(want, "=")
		if got, ok := parameter(query, name); !ok || valued && got != value {
			return false
		}
	}
	return true
}

// destination is where a request goes. Whatever is nil is not known (yet).
type destination struct {
	service  *service
	op       *operation
	group    *group // of a query request: the operation is named in its body
	protocol shape.Protocol
	signing  string // signing name for the form of errors when service is nil
	path     string // escaped, where it is not that of the URL: a bucket may be named by the host
}

// route finds the destination by the headers and the URL. Not found is told by a
// destination without operation and a message.
func (t *tables) route(r *http.Request, signingName string) (destination, string) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return t.routeTarget(target, signingName)
	}
	if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		return t.routeCBOR(r.URL.Path, signingName)
	}
	g := t.groups[signingName]
	if signingName == "" {
		g = t.hosts[firstLabel(r.Host)]
		if s3Host(r.Host) {
			g = t.groups[s3Name]
		}
	}
	_, action := parameter(r.URL.RawQuery, "Action")
	action = action || formBody(r)
	switch {
	case g == nil && signingName == "" && action:
		return destination{protocol: shape.Query}, "" // one that is called unsigned, perhaps
	case g == nil:
		d := destination{protocol: guess(r, signingName, action), signing: signingName}
		return d, "This platform does not have the service '" + echo(signingName) + "'."
	case action && g.query != nil:
		d := destination{service: g.query, group: g, protocol: shape.Query, signing: g.name}
		if g.query.protocols[shape.EC2] {
			d.protocol = shape.EC2
		}
		return d, ""
	case g.rest != nil:
		return g.routeREST(r)
	}
	d := destination{service: g.first, protocol: g.first.model.Protocols[0], signing: g.name}
	return d, "The request names no operation of the service '" + g.name + "'."
}

func (t *tables) routeTarget(target, signingName string) (destination, string) {
	d := destination{protocol: shape.JSON, signing: signingName}
	dot := strings.LastIndexByte(target, '.')
	if dot >= 0 {
		d.service = t.targets[target[:dot]]
	}
	if d.service == nil {
		return d, "The operation '" + echo(target) + "' is not of a service that this platform has."
	}
	d.op = d.service.operations[target[dot+1:]]
	return d, "The service '" + d.service.model.ID + "' has no operation '" + echo(target[dot+1:]) + "'."
}

// routeCBOR reads /service/{name}/operation/{name}, perhaps behind a prefix.
func (t *tables) routeCBOR(path, signingName string) (destination, string) {
	d := destination{protocol: shape.CBOR, signing: signingName}
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	n := len(parts)
	if n < 4 || parts[n-4] != "service" || parts[n-2] != "operation" {
		return d, "The path '" + echo(path) + "' names no operation."
	}
	if d.service = t.targets[parts[n-3]]; d.service == nil {
		return d, "This platform does not have the service '" + echo(parts[n-3]) + "'."
	}
	d.op = d.service.operations[parts[n-1]]
	return d, "The service '" + d.service.model.ID + "' has no operation '" + echo(parts[n-1]) + "'."
}

func (g *group) routeREST(r *http.Request) (destination, string) {
	d := destination{service: g.restOf, protocol: restProtocol(g.restOf), signing: g.name}
	path := r.URL.EscapedPath()
	trimmed := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if sigv4.S3Family(g.name) {
		path = bucketPath(r.Host, path)
		d.path, trimmed = path, objectPath(path)
	}
	methods := g.rest.find(trimmed)
	if op := methods[r.Method].pick(r); op != nil {
		d.service, d.op, d.protocol = op.service, op, restProtocol(op.service)
		return d, ""
	}
	return d, "The service '" + d.service.model.ID + "' has no operation " + echo(r.Method) + " '" + echo(path) + "'."
}

func restProtocol(s *service) shape.Protocol {
	if s.protocols[shape.RestXML] {
		return shape.RestXML
	}
	return shape.RestJSON
}

// guess is the protocol of a service that we do not have, so that its client
// can read our error.
func guess(r *http.Request, signingName string, action bool) shape.Protocol {
	contentType, accept := r.Header.Get("Content-Type"), r.Header.Get("Accept")
	switch {
	case action:
		return shape.Query
	case strings.Contains(contentType, "xml"), strings.Contains(accept, "xml"):
		return shape.RestXML
	case signingName == "s3", signingName == "route53", signingName == "cloudfront":
		return shape.RestXML
	case strings.HasPrefix(contentType, "application/x-amz-json-"):
		return shape.JSON
	}
	return shape.RestJSON
}

func formBody(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// firstLabel is the first label of a host name, or "" for an address.
func firstLabel(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	label, _, _ := strings.Cut(host, ".")
	return strings.ToLower(label)
}

// hostLabel is the second label of a host name: "lambda-url" of
// id.lambda-url.us-east-1.localhost.
func hostLabel(host string) string {
	_, rest, _ := strings.Cut(host, ".")
	label, _, more := strings.Cut(rest, ".")
	if !more {
		return ""
	}
	return strings.ToLower(label)
}
