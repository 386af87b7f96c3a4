package vtl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// pathCost is what a byte of a path is charged with, each time it is read.
const pathCost = 16

// find is what a JSONPath finds: for a path that can name one value only, that
// value or nil; for any other a list.
//
// The language is that of the library Jayway JsonPath without its functions but
// length(): names, ['names'], indexes, slices, *, .. and filters of one comparison
// or of the existence of a value.
func find(r *run, root any, path string) (any, error) {
	if err := r.charge(pathCost * len(path)); err != nil {
		return nil, err
	}
	p := &pathReader{text: path}
	if !p.take("$") && !p.take("@") {
		p.text = "$." + path // Jayway: what does not begin at the root does so
		p.at = 1
	}
	found, definite := []any{root}, true
	for p.at < len(p.text) {
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		var next []any
		for _, value := range found {
			if err := s.visit(r, value, 0, &next); err != nil {
				return nil, err
			}
		}
		found, definite = next, definite && s.definite
	}
	switch {
	case !definite:
		return &List{found}, nil
	case len(found) == 0:
		return nil, nil
	}
	return found[0], nil
}

// pathStep is one step of a path.
type pathStep struct {
	deep     bool // also below, at any depth
	names    []string
	indexes  []int
	slice    *[3]*int // from, to, step
	all      bool
	length   bool
	filter   *filter
	definite bool
}

// visit appends what the step finds in a value.
func (s *pathStep) visit(r *run, value any, depth int, found *[]any) error {
	if err := r.step(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: a path goes deeper than %d", ErrLimit, maxDepth)
	}
	before := len(*found)
	if err := s.pick(r, value, found); err != nil {
		return err
	}
	if err := r.charge(entryBytes * (len(*found) - before)); err != nil {
		return err
	}
	if !s.deep {
		return nil
	}
	for _, inner := range elements(value) {
		if err := s.visit(r, inner, depth+1, found); err != nil {
			return err
		}
	}
	return nil
}

func (s *pathStep) pick(r *run, value any, found *[]any) error {
	m, isMap := value.(*Map)
	list, isList := value.(*List)
	switch {
	case s.length:
		switch v := value.(type) {
		case *Map:
			*found = append(*found, int64(len(v.keys)))
		case *List:
			*found = append(*found, int64(len(v.items)))
		case string:
			*found = append(*found, int64(len(units(v))))
		}
	case s.all:
		*found = append(*found, elements(value)...)
	case s.filter != nil:
		candidates := []any{value}
		if isList {
			candidates = list.items
		}
		for _, candidate := range candidates {
			holds, err := s.filter.holds(r, candidate)
			if err != nil {
				return err
			}
			if holds {
				*found = append(*found, candidate)
			}
		}
	case isMap:
		for _, name := range s.names {
			if inner, there := m.Get(name); there {
				*found = append(*found, inner)
			}
		}
	case isList:
		s.pickItems(list.items, found)
	}
	return nil
}

func (s *pathStep) pickItems(items []any, found *[]any) {
	for _, i := range s.indexes {
		if i < 0 {
			i += len(items)
		}
		if i >= 0 && i < len(items) {
			*found = append(*found, items[i])
		}
	}
	if s.slice == nil {
		return
	}
	bound := func(i *int, otherwise int) int {
		switch {
		case i == nil:
			return otherwise
		case *i < 0:
			return max(0, *i+len(items))
		}
		return min(*i, len(items))
	}
	step := 1
	if s.slice[2] != nil && *s.slice[2] > 0 {
		step = *s.slice[2]
	}
	for i := bound(s.slice[0], 0); i < bound(s.slice[1], len(items)); i += min(step, len(items)) {
		*found = append(*found, items[i])
	}
}

type pathReader struct {
	text string
	at   int
}

func (p *pathReader) rest() string { return p.text[p.at:] }

func (p *pathReader) take(text string) bool {
	if !strings.HasPrefix(p.rest(), text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *pathReader) fail() error {
	return fmt.Errorf("%w: the JSON path %q", ErrSyntax, p.text)
}

func (p *pathReader) step() (*pathStep, error) {
	s := &pathStep{definite: true}
	if p.take("..") {
		s.deep, s.definite = true, false
		if strings.HasPrefix(p.rest(), "[") {
			return s, p.bracket(s)
		}
	} else if strings.HasPrefix(p.rest(), "[") {
		return s, p.bracket(s)
	} else if !p.take(".") {
		return nil, p.fail()
	}
	switch {
	case p.take("*"):
		s.all, s.definite = true, false
		return s, nil
	case p.take("length()"), p.take("size()"):
		s.length = true
		return s, nil
	}
	end := strings.IndexAny(p.rest(), ".[")
	if end < 0 {
		end = len(p.rest())
	}
	name := p.rest()[:end]
	if name == "" || strings.ContainsAny(name, "() ") {
		return nil, p.fail()
	}
	s.names = []string{name}
	p.at += end
	return s, nil
}

var (
	indexList = lazy.MustCompile(`^\s*-?\d{1,9}\s*(,\s*-?\d{1,9}\s*)*$`)
	sliceForm = lazy.MustCompile(`^\s*(-?\d{1,9})?\s*:\s*(-?\d{1,9})?\s*(?::\s*(\d{1,9})?\s*)?$`)
)

// bracket reads a step in brackets.
func (p *pathReader) bracket(s *pathStep) error {
	p.at++
	p.space()
	if c := p.peek(); c == '\'' || c == '"' {
		return p.names(s)
	}
	if p.take("?") {
		s.definite = false
		return p.filter(s)
	}
	end := strings.IndexByte(p.rest(), ']')
	if end < 0 {
		return p.fail()
	}
	inner := p.rest()[:end]
	p.at += end + 1
	switch {
	case strings.TrimSpace(inner) == "*":
		s.all, s.definite = true, false
	case indexList.MatchString(inner):
		for index := range strings.SplitSeq(inner, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(index))
			if err != nil {
				return p.fail()
			}
			s.indexes = append(s.indexes, n)
		}
		s.definite = s.definite && len(s.indexes) == 1
	case sliceForm.MatchString(inner):
		s.definite, s.slice = false, &[3]*int{}
		for i, bound := range sliceForm.FindStringSubmatch(inner)[1:] {
			if n, err := strconv.Atoi(bound); err == nil {
				s.slice[i] = &n
			}
		}
	default:
		return p.fail()
	}
	return nil
}

func (p *pathReader) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *pathReader) space() {
	for p.take(" ") {
	}
}

// names reads ['a','b'].
func (p *pathReader) names(s *pathStep) error {
	for {
		name, ok := p.quoted()
		if !ok {
			return p.fail()
		}
		s.names = append(s.names, name)
		p.space()
		if p.take("]") {
			s.definite = s.definite && len(s.names) == 1
			return nil
		}
		if !p.take(",") {
			return p.fail()
		}
		p.space()
	}
}

func (p *pathReader) quoted() (string, bool) {
	quote := p.peek()
	if quote != '\'' && quote != '"' {
		return "", false
	}
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == quote:
			p.at++
			return b.String(), true
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			b.WriteByte(p.text[p.at])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// filter is [?(@.path)] or [?(@.path == value)].
type filter struct {
	path     string // from the candidate
	operator string // "" asks whether it is there
	value    any
}

func (f *filter) holds(r *run, candidate any) (bool, error) {
	value, err := find(r, candidate, f.path)
	if err != nil {
		return false, err
	}
	switch f.operator {
	case "":
		return value != nil, nil
	case "==":
		return r.equal(value, f.value, 0)
	case "!=":
		same, err := r.equal(value, f.value, 0)
		return !same, err
	}
	return compare(f.operator, value, f.value), nil
}

var filterOperators = []string{"==", "!=", "<=", ">=", "<", ">"}

func (p *pathReader) filter(s *pathStep) error {
	p.space()
	if !p.take("(") {
		return p.fail()
	}
	p.space()
	if p.peek() != '@' {
		return p.fail()
	}
	start := p.at
	p.at++
	for p.at < len(p.text) && strings.IndexByte(" )=!<>[?", p.text[p.at]) < 0 {
		p.at++
	}
	s.filter = &filter{path: p.text[start:p.at]}
	p.space()
	for _, operator := range filterOperators {
		if p.take(operator) {
			s.filter.operator = operator
			break
		}
	}
	p.space()
	if s.filter.operator != "" {
		if value, ok := p.quoted(); ok {
			s.filter.value = value
		} else {
			end := strings.IndexAny(p.rest(), " )")
			if end < 0 {
				return p.fail()
			}
			value, err := ParseJSON(p.rest()[:end])
			if err != nil {
				return p.fail()
			}
			s.filter.value = value
			p.at += end
		}
		p.space()
	}
	if !p.take(")") {
		return p.fail()
	}
	p.space()
	if !p.take("]") {
		return p.fail()
	}
	return nil
}
