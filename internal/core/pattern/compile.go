package pattern

import (
	"maps"
	"slices"
	"strings"
)

// Compile reads a pattern in JSON. An error is a *Error.
func Compile(source []byte) (*Pattern, error) {
	c := &compiler{parser: newParser(source)}
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	if t.kind != objectBegin {
		return nil, c.fail("Filter is not an object")
	}
	if err := c.object("", false); err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	p := &Pattern{}
	for _, fields := range c.clauses {
		clause := &clause{fields: fields}
		clause.tree()
		p.clauses = append(p.clauses, clause)
	}
	return p, nil
}

// compiler collects the clauses of a pattern. A field goes into all that there
// are; $or makes copies of them, one for each of its alternatives.
type compiler struct {
	*parser
	clauses []map[string][]matcher
}

// reserved are the names that no field inside $or may have
// (Constants.java of event-ruler).
var reserved = []string{
	"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
	"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
	"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
}

// object reads the fields of an object that has begun; base is its path with a dot
// behind it, empty at the top.
func (c *compiler) object(base string, insideOr bool) error {
	for some := false; ; some = true {
		name, err := c.next()
		if err != nil {
			return err
		}
		if name.kind == objectEnd {
			if !some {
				return c.fail("Empty objects are not allowed")
			}
			return nil
		}
		if err := c.field(base, name.text, insideOr); err != nil {
			return err
		}
	}
}

func (c *compiler) field(base, name string, insideOr bool) error {
	if name == "$or" {
		return c.alternatives(base)
	}
	if insideOr && slices.Contains(reserved, name) {
		return c.fail("%s is Ruler reserved fieldName which cannot be used inside $or.", name)
	}
	t, err := c.next()
	if err != nil {
		return err
	}
	switch t.kind {
	case objectBegin:
		return c.object(base+name+".", insideOr)
	case arrayBegin:
		return c.list(base + name)
	}
	return c.fail("%q must be an object or an array", name)
}

// alternatives reads the list behind $or.
func (c *compiler) alternatives(base string) error {
	before := c.clauses
	if len(before) == 0 {
		before = []map[string][]matcher{{}}
	}
	t, err := c.next()
	if err != nil {
		return err
	}
	if t.kind != arrayBegin {
		return c.fail("It must be an Array followed with $or.")
	}
	var all []map[string][]matcher
	for count := 0; ; count++ {
		t, err := c.next()
		switch {
		case err != nil:
			return err
		case t.kind == arrayEnd && count < 2:
			return c.fail("There must have at least 2 Objects in $or relationship.")
		case t.kind == arrayEnd:
			c.clauses = all
			return nil
		case t.kind != objectBegin:
			return c.fail("Only JSON object is allowed in array of $or relationship.")
		}
		c.clauses = make([]map[string][]matcher, len(before))
		for i := range before {
			c.clauses[i] = maps.Clone(before[i])
		}
		if err := c.object(base, true); err != nil {
			return err
		}
		if all = append(all, c.clauses...); len(all) > maxClauses {
			return &Error{Reason: "Rule is too complex - the $or relationships have too many combinations"}
		}
	}
}

// list reads the values and matchers of a field.
func (c *compiler) list(path string) error {
	var matchers []matcher
	for {
		t, err := c.next()
		if err != nil {
			return err
		}
		switch t.kind {
		case arrayEnd:
			if len(matchers) == 0 {
				return c.fail("Empty arrays are not allowed")
			}
			if len(c.clauses) == 0 {
				c.clauses = []map[string][]matcher{{}}
			}
			for _, fields := range c.clauses {
				fields[path] = matchers // a second list for a path replaces the first, as in AWS's engine
			}
			return nil
		case objectBegin:
			m, err := c.expression()
			if err != nil {
				return err
			}
			matchers = append(matchers, m)
		case text, number, literal:
			c.use(t)
			matchers = append(matchers, matcher{kind: exactly, values: []value{newValue(t)}})
		default:
			return c.fail("Match value must be String, number, true, false, or null")
		}
	}
}

// expression reads {"prefix": "a"} and its like, after its opening brace.
func (c *compiler) expression() (matcher, error) {
	name, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	if name.kind != fieldName {
		return matcher{}, c.fail("Match expression name not found")
	}
	switch name.text {
	case "exactly":
		return c.textMatcher(exactly, "exact match pattern must be a string")
	case "prefix":
		return c.affix(prefix, prefixFold, "prefix")
	case "suffix":
		return c.affix(suffix, suffixFold, "suffix")
	case "equals-ignore-case":
		return c.textMatcher(folded, "equals-ignore-case match pattern must be a string")
	case "wildcard":
		return c.textMatcher(wildcard, "wildcard match pattern must be a string")
	case "cidr":
		return c.textMatcher(network, "prefix match pattern must be a string") // AWS's words indeed
	case "numeric":
		return c.numericMatcher()
	case "exists":
		return c.existsMatcher()
	case "anything-but":
		return c.anythingBut()
	}
	return matcher{}, c.fail("Unrecognized match type %s", name.text)
}

const onlyOneKey = "Only one key allowed in match expression"

// closed reads the end of an expression.
func (c *compiler) closed(refusal string) error {
	t, err := c.next()
	if err == nil && t.kind != objectEnd {
		err = c.fail("%s", refusal)
	}
	return err
}

// textMatcher reads the text of a matcher and the end of the expression.
func (c *compiler) textMatcher(k kind, refusal string) (matcher, error) {
	t, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	if t.kind != text {
		return matcher{}, c.fail("%s", refusal)
	}
	m := matcher{kind: k}
	if err := c.addText(&m, t); err != nil {
		return matcher{}, err
	}
	return m, c.closed(onlyOneKey)
}

// addText adds a text to what a matcher compares with.
func (c *compiler) addText(m *matcher, t token) error {
	s := c.use(t)
	switch m.kind {
	case exactly:
		m.values = append(m.values, newValue(t))
	case wildcard:
		w, err := parseWild(s)
		if err != nil {
			return c.fail("%s", err.Reason)
		}
		m.wilds = append(m.wilds, w)
	case network:
		lo, hi, err := parseNetwork(s)
		if err != nil {
			return err // AWS names no place here
		}
		m.lo, m.hi = lo, hi
	case folded, prefixFold, suffixFold:
		m.texts = append(m.texts, strings.ToLower(s))
	default:
		m.texts = append(m.texts, s)
	}
	return nil
}

// affix reads the text of a prefix or suffix, or {"equals-ignore-case": text}.
func (c *compiler) affix(plain, fold kind, word string) (matcher, error) {
	if c.value == nil || c.value.kind != objectBegin {
		return c.textMatcher(plain, word+" match pattern must be a string")
	}
	if _, err := c.next(); err != nil {
		return matcher{}, err
	}
	name, err := c.next()
	switch {
	case err != nil:
		return matcher{}, err
	case name.kind != fieldName:
		return matcher{}, c.fail("%s expression name not found", strings.ToUpper(word[:1])+word[1:])
	case name.text != "equals-ignore-case":
		return matcher{}, c.fail("Unsupported %s pattern: %s", word, name.text)
	}
	m, err := c.textMatcher(fold, "equals-ignore-case match pattern must be a string")
	if err != nil {
		return matcher{}, err
	}
	return m, c.closed(onlyOneKey)
}

func (c *compiler) existsMatcher() (matcher, error) {
	t, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	m := matcher{kind: exists}
	switch {
	case t.kind == literal && t.text == "false":
		m.kind = absent
	case t.kind != literal || t.text != "true":
		return matcher{}, c.fail("exists match pattern must be either true or false.")
	}
	return m, c.closed(onlyOneKey)
}
