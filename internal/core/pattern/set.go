package pattern

import (
	"slices"
	"strconv"
	"strings"
)

// Set finds those of many patterns that match an event, without asking each. A
// clause hangs at one of its fields, the one that fewest others hang at alike: at
// the values that the field wants, at what they begin or end with, or at the
// field's being there at all. An event brings up what hangs at its own values, and
// only that is asked.
//
// A Set may be asked by many goroutines while nobody changes it. DESIGN.md says
// why it is no automaton.
type Set[K comparable] struct {
	members map[K]*member[K]
	root    branch[K]
	always  hook[K] // clauses that may match without any value: each field may be absent
}

// member is a pattern of the set with the hooks that it hangs at.
type member[K comparable] struct {
	key     K
	pattern *Pattern
	hooks   []*hook[K]
}

// hook is what hangs at one place.
type hook[K comparable] struct{ members []*member[K] }

// branch is a place in the tree of all paths that something hangs at.
type branch[K comparable] struct {
	below map[string]*branch[K]

	values, lower      map[string]*hook[K] // by value: see key; by text in lower case
	prefixes, suffixes texts[K]
	present            hook[K]
}

// texts are hooks by a part of a text.
type texts[K comparable] struct {
	hooks   map[string]*hook[K]
	lengths []int // of the texts, sorted
}

func (t *texts[K]) at(s string) *hook[K] {
	h := hookAt(&t.hooks, s)
	if i, found := slices.BinarySearch(t.lengths, len(s)); !found {
		t.lengths = slices.Insert(t.lengths, i, len(s))
	}
	return h
}

func hookAt[K comparable](hooks *map[string]*hook[K], key string) *hook[K] {
	if *hooks == nil {
		*hooks = map[string]*hook[K]{}
	}
	h := (*hooks)[key]
	if h == nil {
		h = &hook[K]{}
		(*hooks)[key] = h
	}
	return h
}

// key is equal for values that are equal; see value.equal.
func (v *value) key() string {
	switch {
	case v.kind == number && v.exact:
		return "n" + strconv.FormatInt(v.decimal, 10)
	case v.address.IsValid():
		return "a" + v.address.String()
	case v.kind == text:
		return "t" + v.text
	case v.kind == number:
		return "N" + v.text
	}
	return "l" + v.text
}

// Len is the number of patterns.
func (s *Set[K]) Len() int { return len(s.members) }

// Put adds a pattern, or replaces the one of that key.
func (s *Set[K]) Put(key K, p *Pattern) {
	s.Remove(key)
	if s.members == nil {
		s.members = map[K]*member[K]{}
	}
	m := &member[K]{key: key, pattern: p}
	s.members[key] = m
	for _, c := range p.clauses {
		for _, h := range s.best(c) {
			h.members = append(h.members, m)
			m.hooks = append(m.hooks, h)
		}
	}
}

// Remove takes a pattern out. Its hooks stay: they are few, and may be used again.
func (s *Set[K]) Remove(key K) {
	m := s.members[key]
	if m == nil {
		return
	}
	delete(s.members, key)
	for _, h := range m.hooks {
		h.members = slices.DeleteFunc(h.members, func(other *member[K]) bool { return other == m })
	}
}

// best finds the hooks for a clause: those of the field at which, at the fullest of
// them, the fewest hang.
func (s *Set[K]) best(c *clause) (best []*hook[K]) {
	least := 0
	for path, matchers := range c.fields {
		hooks := s.hooks(path, matchers)
		fullest := 0
		for _, h := range hooks {
			fullest = max(fullest, 1+len(h.members))
		}
		if hooks != nil && (best == nil || fullest < least) {
			best, least = hooks, fullest
		}
	}
	if best == nil {
		return []*hook[K]{&s.always}
	}
	return best
}

// hooks are where a clause may hang for one of its fields: a value that one of the
// matchers accepts brings up at least one of them. Nil if the field may be absent.
func (s *Set[K]) hooks(path string, matchers []matcher) (hooks []*hook[K]) {
	b := &s.root
	for name := range strings.SplitSeq(path, ".") {
		if b.below == nil {
			b.below = map[string]*branch[K]{}
		}
		child := b.below[name]
		if child == nil {
			child = &branch[K]{}
			b.below[name] = child
		}
		b = child
	}
	for i := range matchers {
		m := &matchers[i]
		if m.kind == absent {
			return nil
		}
		hooks = append(hooks, b.hooks(m)...)
	}
	return hooks
}

func (b *branch[K]) hooks(m *matcher) (hooks []*hook[K]) {
	if m.not {
		return []*hook[K]{&b.present}
	}
	switch m.kind {
	case exactly:
		for i := range m.values {
			hooks = append(hooks, hookAt(&b.values, m.values[i].key()))
		}
	case folded:
		for _, s := range m.texts {
			hooks = append(hooks, hookAt(&b.lower, s))
		}
	case prefix:
		for _, s := range m.texts {
			hooks = append(hooks, b.prefixes.at(s))
		}
	case suffix:
		for _, s := range m.texts {
			hooks = append(hooks, b.suffixes.at(s))
		}
	case wildcard:
		for _, w := range m.wilds {
			if first, last := w[0], w[len(w)-1]; len(first) >= len(last) {
				hooks = append(hooks, b.prefixes.at(first))
			} else {
				hooks = append(hooks, b.suffixes.at(last))
			}
		}
	case numeric:
		if m.numbers.lo == m.numbers.hi {
			v := value{kind: number, exact: true, decimal: m.numbers.lo}
			return []*hook[K]{hookAt(&b.values, v.key())}
		}
		fallthrough
	default:
		hooks = []*hook[K]{&b.present}
	}
	return hooks
}

// Match visits the keys of the patterns that match the event, each once.
func (s *Set[K]) Match(e *Event, visit func(K)) {
	asked := map[*member[K]]bool{}
	ask := func(h *hook[K]) {
		if h == nil {
			return
		}
		for _, m := range h.members {
			if !asked[m] {
				asked[m] = true
				if m.pattern.Match(e) {
					visit(m.key)
				}
			}
		}
	}
	ask(&s.always)
	s.root.bring(&e.root, ask)
}

// bring asks what hangs at the values of a node and below it.
func (b *branch[K]) bring(n *node, ask func(*hook[K])) {
	for i := range n.values {
		v := &n.values[i]
		ask(&b.present)
		if b.values != nil {
			ask(b.values[v.key()])
		}
		if v.kind != text {
			continue
		}
		if b.lower != nil {
			ask(b.lower[strings.ToLower(v.text)])
		}
		for _, length := range b.prefixes.lengths {
			if length > len(v.text) {
				break
			}
			ask(b.prefixes.hooks[v.text[:length]])
		}
		for _, length := range b.suffixes.lengths {
			if length > len(v.text) {
				break
			}
			ask(b.suffixes.hooks[v.text[len(v.text)-length:]])
		}
	}
	if len(b.below) > 0 {
		for name, field := range n.fields {
			if child := b.below[name]; child != nil {
				child.bring(field, ask)
			}
		}
	}
	for _, element := range n.elements {
		b.bring(element, ask)
	}
}
