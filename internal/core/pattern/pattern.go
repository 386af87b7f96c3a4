// Package pattern is the language in which AWS's services choose events: the
// event patterns of EventBridge, the filter criteria of event source mappings and
// the filter policies of SNS are all written in it.
//
// It promises: Compile accepts and refuses what AWS's own engine does (the
// published one, github.com/aws/event-ruler, read for its rules), with its
// words; a Pattern never changes and may be used by many goroutines; matching
// takes time in proportion to the event and to the pattern, whatever either
// holds, so neither can be made to stall a host.
//
// A pattern is a list of clauses, of which one must match; a clause is a list of
// fields, of which all must; a field is a path and a list of matchers, of which
// one must accept a value that the event has there. Fields are not compared with
// objects of different elements of one array. A Set finds those of many patterns
// that match, by what hangs at the values of the event.
//
// No goroutines, no locks. Start reading at Compile, Pattern.Match and Set.
package pattern

import (
	"slices"
	"strings"
)

// Limits of a pattern. Services have their own limits of its length.
const (
	maxClauses = 1000 // that $or may multiply to, as EventBridge documents
	maxDepth   = 100  // of objects and arrays, in patterns and events
)

// Error tells why a pattern was refused, in the words of AWS's engine.
type Error struct {
	Reason   string // "Empty arrays are not allowed"
	Location string // " at [Source: ...]" after a line break, where AWS has one; may be empty
}

// Error is what AWS's services put behind "Event pattern is not valid. Reason: ".
func (e *Error) Error() string { return e.Reason + e.Location }

// Pattern is a condition on events.
type Pattern struct{ clauses []*clause }

// clause is fields that must all match.
type clause struct {
	fields map[string][]matcher // by path; the names of a path are joined by dots
	root   *condition           // the same as a tree
	absent []*condition         // leaves that are content with the absence of their path
}

// condition is a place in the tree of a clause: matchers for the values there,
// conditions for what is below.
type condition struct {
	path     string
	matchers []matcher
	absence  bool // one of the matchers is exists false
	names    []string
	below    []*condition // in the order of names
}

// tree builds the conditions of the fields.
func (c *clause) tree() {
	c.root, c.absent = &condition{}, nil
	paths := make([]string, 0, len(c.fields))
	for path := range c.fields {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		at := c.root
		for name := range strings.SplitSeq(path, ".") {
			at = at.child(name)
		}
		at.path, at.matchers = path, c.fields[path]
		for i := range at.matchers {
			at.absence = at.absence || at.matchers[i].kind == absent
		}
		if at.absence {
			c.absent = append(c.absent, at)
		}
	}
}

func (c *condition) child(name string) *condition {
	if i := slices.Index(c.names, name); i >= 0 {
		return c.below[i]
	}
	child := &condition{}
	c.names, c.below = append(c.names, name), append(c.below, child)
	return child
}

// Match tells whether the event meets the pattern.
func (p *Pattern) Match(e *Event) bool {
	return slices.ContainsFunc(p.clauses, func(c *clause) bool { return c.match(e) })
}

func (c *clause) match(e *Event) bool {
	// Absence is of the whole event, not of one element of an array.
	gone := map[*condition]bool{}
	for _, leaf := range c.absent {
		gone[leaf] = !e.root.has(strings.Split(leaf.path, "."))
	}
	return c.root.match(&e.root, gone)
}

// match tells whether a node of an event, nil for none, meets the condition.
func (c *condition) match(n *node, gone map[*condition]bool) bool {
	if len(c.matchers) > 0 && !gone[c] && !c.accepts(n) {
		return false
	}
	if len(c.below) == 0 {
		return true
	}
	if n == nil {
		return c.belowMatches(nil, gone)
	}
	// Fields of the object itself, or all of one element of the array. An object
	// has no elements, but a key with dots can make a node of both kinds.
	if len(n.fields) > 0 || len(n.elements) == 0 {
		if c.belowMatches(n, gone) {
			return true
		}
	}
	below := condition{names: c.names, below: c.below}
	return slices.ContainsFunc(n.elements, func(element *node) bool { return below.match(element, gone) })
}

func (c *condition) belowMatches(n *node, gone map[*condition]bool) bool {
	for i, name := range c.names {
		var field *node
		if n != nil {
			field = n.fields[name]
		}
		if !c.below[i].match(field, gone) {
			return false
		}
	}
	return true
}

// accepts tells whether one of the matchers accepts one of the node's values.
func (c *condition) accepts(n *node) bool {
	if n == nil {
		return false
	}
	for i := range n.values {
		for j := range c.matchers {
			if c.matchers[j].accepts(&n.values[i]) {
				return true
			}
		}
	}
	return slices.ContainsFunc(n.elements, c.accepts)
}
