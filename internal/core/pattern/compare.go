package pattern

import "errors"

const tooManyElements = "Too many elements in numeric expression"

// numericMatcher reads ["=", 5], [">", 0, "<=", 5] and their like.
func (c *compiler) numericMatcher() (matcher, error) {
	t, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	if t.kind != arrayBegin {
		return matcher{}, c.fail("Value of numeric must be an array.")
	}
	m := matcher{kind: numeric, numbers: all}
	operator, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	if operator.kind != text {
		return matcher{}, c.fail("Invalid member in numeric match: %s", operator.shown())
	}
	switch c.use(operator) {
	case "=", "<", "<=":
		err = c.bound(&m.numbers, operator.text)
		if err == nil {
			err = c.listEnd(tooManyElements)
		}
	case ">", ">=":
		err = c.span(&m.numbers, operator.text)
	default:
		// The number is read before the operator is looked at.
		if _, err = c.next(); err == nil {
			err = c.fail("Unrecognized numeric range operator: %s", operator.text)
		}
	}
	if err != nil {
		return matcher{}, err
	}
	if m.numbers.lo > m.numbers.hi {
		return matcher{}, c.fail("Bottom must be less than top")
	}
	return m, c.closed(tooManyElements)
}

// shown is a token as Jackson's getText shows it.
func (t token) shown() string {
	switch t.kind {
	case objectBegin:
		return "{"
	case objectEnd:
		return "}"
	case arrayBegin:
		return "["
	case arrayEnd:
		return "]"
	}
	return t.text
}

// span reads the number behind > or >=, and the upper end if there is one.
func (c *compiler) span(numbers *interval, operator string) error {
	if err := c.bound(numbers, operator); err != nil {
		return err
	}
	t, err := c.next()
	switch {
	case err != nil || t.kind == arrayEnd:
		return err
	case t.kind != text:
		return c.fail("Bad value in numeric range: %s", t.shown())
	}
	if upper := c.use(t); upper != "<" && upper != "<=" {
		return c.fail("Bad numeric range operator: %s", upper)
	}
	if err := c.bound(numbers, t.text); err != nil {
		return err
	}
	return c.listEnd("Too many terms in numeric range expression")
}

// bound reads the number of an operator and narrows the interval by it.
func (c *compiler) bound(numbers *interval, operator string) error {
	t, err := c.next()
	if err != nil {
		return err
	}
	if t.kind != number {
		word := operator
		if word == "=" {
			word = "equals"
		}
		return c.fail("Value of %s must be numeric", word)
	}
	n, ok := millionths(t.text)
	if !ok {
		return c.fail(outOfRange)
	}
	switch operator {
	case "=":
		*numbers = interval{n, n}
	case "<":
		numbers.hi = n - 1
	case "<=":
		numbers.hi = n
	case ">":
		numbers.lo = n + 1
	case ">=":
		numbers.lo = n
	}
	return nil
}

const outOfRange = "Value must be between -5.0E9 and 5.0E9, inclusive"

func (c *compiler) listEnd(refusal string) error {
	t, err := c.next()
	if err == nil && t.kind != arrayEnd {
		err = c.fail("%s", refusal)
	}
	return err
}

// inner are the matchers that anything-but may be applied to.
var inner = map[string]kind{"equals-ignore-case": folded, "prefix": prefix, "suffix": suffix, "wildcard": wildcard}

// anythingBut reads what no value may be: a text or number, a list of them, or a
// matcher with a text or a list of texts.
func (c *compiler) anythingBut() (matcher, error) {
	m := matcher{kind: exactly, not: true}
	t, err := c.next()
	if err != nil {
		return matcher{}, err
	}
	nested := t.kind == objectBegin
	if nested {
		name, err := c.next()
		if err != nil {
			return matcher{}, err
		}
		if name.kind != fieldName {
			return matcher{}, c.fail("Anything-But expression name not found")
		}
		k, known := inner[name.text]
		if !known {
			return matcher{}, c.fail("Unsupported anything-but pattern: %s", name.text)
		}
		m.kind = k
		if t, err = c.next(); err != nil {
			return matcher{}, err
		}
	}
	switch t.kind {
	case arrayBegin:
		err = c.butList(&m)
	case text, number:
		err = c.but(&m, t)
	default:
		err = c.fail("Value of anything-but must be an array or single string/number value.")
	}
	if err == nil {
		err = c.closed(tooManyElements)
	}
	if err == nil && nested {
		err = c.closed(tooManyElements)
	}
	return m, err
}

// butList reads a list of values. AWS's engine names the place twice in refusals
// of its members.
func (c *compiler) butList(m *matcher) error {
	for {
		t, err := c.next()
		if err != nil {
			return err
		}
		if t.kind == arrayEnd {
			break
		}
		if err := c.but(m, t); err != nil {
			var refusal *Error
			if errors.As(err, &refusal) && refusal.Location != "" {
				refusal.Location += refusal.Location
			}
			return err
		}
	}
	if m.kind != exactly {
		return nil
	}
	for i := range m.values {
		if m.values[i].kind != m.values[0].kind {
			return c.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		}
	}
	if len(m.values) == 0 {
		return c.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return nil
}

// but adds one value.
func (c *compiler) but(m *matcher, t token) error {
	switch {
	case m.kind == exactly && t.kind == number:
		v := newValue(t)
		if !v.exact {
			return c.fail(outOfRange)
		}
		m.values = append(m.values, v)
		return nil
	case t.kind == text && t.text == "" && (m.kind == prefix || m.kind == suffix):
		c.use(t)
		return c.fail("Null prefix/suffix not allowed")
	case t.kind == text:
		return c.addText(m, t)
	case m.kind == exactly:
		return c.fail("Inside anything but list, start|null|boolean is not supported.")
	case m.kind == folded:
		return c.fail("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
	case m.kind == wildcard:
		return c.fail("wildcard match pattern must be a string")
	}
	return c.fail("prefix/suffix match pattern must be a string")
}
