package restapi

import (
	"net/url"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/regular"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
	"github.com/lambkin-dev/lambkin/internal/front/schema"
)

// deployment is a snapshot made ready.
type deployment struct {
	*restapi.Snapshot
	root      *node
	policy    *policy.Policy // nil: none
	templates sync.Map       // text: *vtl.Template
	models    schema.Models
	patterns  sync.Map // text: *regular.Expression
}

func newDeployment(id restapi.ID, snapshot *restapi.Snapshot) *deployment {
	d := &deployment{Snapshot: snapshot, root: &node{}}
	d.models.Text = func(name string) string {
		if m := snapshot.Models[name]; m != nil {
			return m.Schema
		}
		return ""
	}
	for _, r := range snapshot.Resources {
		d.root.add(r)
	}
	if snapshot.Policy != "" {
		d.policy = compilePolicy(id, snapshot.Policy)
	}
	return d
}

// template compiles a text once.
func (d *deployment) template(text string) (*vtl.Template, error) {
	if found, ok := d.templates.Load(text); ok {
		return found.(*vtl.Template), nil
	}
	made, err := vtl.Parse(text)
	if err != nil {
		return nil, err
	}
	d.templates.Store(text, made)
	return made, nil
}

// fits tells whether a regular expression, which is compiled once, fits the whole of a
// text.
func (d *deployment) fits(pattern, text string) (bool, error) {
	compiled, known := d.patterns.Load(pattern)
	if !known {
		made, err := restapi.CompilePattern(pattern)
		if err != nil {
			return false, err
		}
		compiled, _ = d.patterns.LoadOrStore(pattern, made)
	}
	e := compiled.(*regular.Expression)
	if e.Work(text) > regular.MaxWork {
		return false, regular.ErrTooMuch
	}
	return e.MatchString(text), nil
}

// node is a segment of the paths of an API.
type node struct {
	fixed    map[string]*node
	variable *node // {name}
	greedy   *restapi.Resource
	resource *restapi.Resource // that ends here
	name     string            // of a variable
}

func (n *node) add(r *restapi.Resource) {
	for segment := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		switch {
		case segment == "":
		case strings.HasSuffix(segment, "+}"):
			n.greedy = r
			return
		case strings.HasPrefix(segment, "{"):
			if n.variable == nil {
				n.variable = &node{name: strings.Trim(segment, "{}")}
			}
			n = n.variable
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
	n.resource = r
}

// find walks down the segments of a path. AWS: a fixed segment counts more than
// {name}, and that more than {name+}. Each node is visited once at most: its depth is
// that of the path.
func (n *node) find(segments []string, parameters map[string]string, usable func(*restapi.Resource) bool) *restapi.Resource {
	if len(segments) == 0 {
		if n.resource != nil && usable(n.resource) {
			return n.resource
		}
		return nil
	}
	segment := unescape(segments[0])
	if next := n.fixed[segment]; next != nil {
		if found := next.find(segments[1:], parameters, usable); found != nil {
			return found
		}
	}
	if n.variable != nil && segment != "" {
		if found := n.variable.find(segments[1:], parameters, usable); found != nil {
			parameters[n.variable.name] = segment
			return found
		}
	}
	if n.greedy != nil && usable(n.greedy) {
		parameters[strings.Trim(n.greedy.PathPart, "{}+")] = unescape(strings.Join(segments, "/"))
		return n.greedy
	}
	return nil
}

func unescape(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// route finds the resource and method of a request. The resource that fits best
// and has the method, or ANY, is taken.
func (d *deployment) route(path, method string) (*restapi.Resource, *restapi.Method, map[string]string) {
	parameters := map[string]string{}
	var segments []string
	if trimmed := strings.Trim(path, "/"); trimmed != "" {
		segments = strings.Split(trimmed, "/")
	}
	if len(segments) > maxSegments {
		return nil, nil, nil
	}
	r := d.root.find(segments, parameters, func(r *restapi.Resource) bool { return methodOf(r, method) != nil })
	if r == nil {
		return nil, nil, nil
	}
	return r, methodOf(r, method), parameters
}

// maxSegments bounds a path that is looked up.
const maxSegments = 1000

func methodOf(r *restapi.Resource, method string) *restapi.Method {
	if m := r.ResourceMethods[method]; m != nil {
		return m
	}
	return r.ResourceMethods[restapi.AnyMethod]
}

// firstSegment cuts a path behind its first segment.
func firstSegment(path string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return unescape(first), "/" + rest
}
