package httpapi

import (
	"net/url"
	"strings"
)

// table finds the route of a request. It is a tree of segments, so that a
// thousand routes cost no more than ten.
//
// AWS: a route of the whole path comes before one with a greedy parameter, which
// comes before $default; fixed segments before parameters; a method before ANY:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
type table struct {
	root     *node
	fallback *route // $default
}

// node is a segment of paths.
type node struct {
	fixed   map[string]*node
	label   *node             // {name}
	methods map[string]*route // routes that end here
	greedy  map[string]*route // routes that go on with {name+}
}

// anyMethod takes every method.
const anyMethod = "ANY"

// add enters a route.
func (t *table) add(r *route) {
	if r.method == "" {
		t.fallback = r
		return
	}
	if t.root == nil {
		t.root = &node{}
	}
	n := t.root
	for segment := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
		switch {
		case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "+}"):
			r.names = append(r.names, segment[1:len(segment)-2])
			enter(&n.greedy, r)
			return
		case strings.HasPrefix(segment, "{"):
			r.names = append(r.names, segment[1:len(segment)-1])
			if n.label == nil {
				n.label = &node{}
			}
			n = n.label
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
	enter(&n.methods, r)
}

func enter(methods *map[string]*route, r *route) {
	if *methods == nil {
		*methods = map[string]*route{}
	}
	(*methods)[r.method] = r
}

// find finds the route of an escaped path, with the values of its parameters.
func (t *table) find(method, path string) (*route, map[string]string) {
	path = strings.TrimPrefix(path, "/")
	if t.root != nil {
		var values []string
		if r := t.root.whole(method, path, &values); r != nil {
			return r, r.parameters(values)
		}
		values = nil
		if r := t.root.rest(method, path, &values); r != nil {
			return r, r.parameters(values)
		}
	}
	return t.fallback, nil
}

func choose(methods map[string]*route, method string) *route {
	if r := methods[method]; r != nil {
		return r
	}
	return methods[anyMethod]
}

// whole finds a route of the whole path.
func (n *node) whole(method, path string, values *[]string) *route {
	segment, rest, more := strings.Cut(path, "/")
	follow := func(next *node) *route {
		if next == nil {
			return nil
		}
		if !more {
			return choose(next.methods, method)
		}
		return next.whole(method, rest, values)
	}
	if r := follow(n.fixed[segment]); r != nil {
		return r
	}
	if n.label == nil || segment == "" {
		return nil
	}
	before := len(*values)
	*values = append(*values, segment)
	if r := follow(n.label); r != nil {
		return r
	}
	*values = (*values)[:before]
	return nil
}

// rest finds the route with a greedy parameter whose beginning is the longest.
func (n *node) rest(method, path string, values *[]string) *route {
	segment, after, more := strings.Cut(path, "/")
	before := len(*values)
	if more {
		if next := n.fixed[segment]; next != nil {
			if r := next.rest(method, after, values); r != nil {
				return r
			}
			*values = (*values)[:before]
		}
		if n.label != nil && segment != "" {
			*values = append(*values, segment)
			if r := n.label.rest(method, after, values); r != nil {
				return r
			}
			*values = (*values)[:before]
		}
	}
	if r := choose(n.greedy, method); r != nil && path != "" {
		*values = append(*values, path)
		return r
	}
	return nil
}

// parameters names the values, decoded.
func (r *route) parameters(values []string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]string, len(values))
	for i, value := range values {
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		out[r.names[i]] = value
	}
	return out
}
