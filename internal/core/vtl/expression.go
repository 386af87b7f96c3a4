package vtl

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An expression has a value.
type expression interface {
	value(r *run) (any, error)
}

// operators by how strong they bind, weakest first. Those of letters are alike.
var operators = [][]string{
	{"||", "or"},
	{"&&", "and"},
	{"==", "!=", "eq", "ne"},
	{"<=", ">=", "<", ">", "le", "ge", "lt", "gt"},
	{"+", "-"},
	{"*", "/", "%"},
}

// symbols are the operators of letters as signs.
var symbols = map[string]string{"or": "||", "and": "&&", "eq": "==", "ne": "!=", "le": "<=", "ge": ">=", "lt": "<", "gt": ">"}

func (p *parser) expression() (expression, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	return p.binary(0)
}

func (p *parser) binary(level int) (expression, error) {
	if level == len(operators) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		operator := p.operator(level)
		if operator == "" {
			return left, nil
		}
		var right expression
		right, err = p.binary(level + 1)
		left = &operation{operator, left, right}
	}
	return nil, err
}

// operator reads one of a level, or "".
func (p *parser) operator(level int) string {
	p.space()
	for _, operator := range operators[level] {
		if sign := symbols[operator]; sign != "" {
			if word(p.rest()) == operator {
				p.at += len(operator)
				return sign
			}
		} else if p.take(operator) {
			return operator
		}
	}
	return ""
}

func (p *parser) unary() (expression, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	p.space()
	if p.take("!") {
		e, err := p.unary()
		return &not{e}, err
	}
	if word(p.rest()) == "not" {
		p.at += len("not")
		e, err := p.unary()
		return &not{e}, err
	}
	return p.primary()
}

func (p *parser) primary() (expression, error) {
	switch c := p.peek(); {
	case c == '(':
		p.at++
		e, err := p.expression()
		if err == nil {
			err = p.expect(")")
		}
		return e, err
	case c == '$':
		ref, err := p.reference()
		if err == nil && ref == nil {
			err = p.fail("a reference is malformed")
		}
		return ref, err
	case c == '\'', c == '"':
		return p.quoted(c)
	case c == '[':
		p.at++
		return p.bracket()
	case c == '{':
		p.at++
		return p.mapping()
	case digit(c), c == '-', c == '.':
		return p.number()
	}
	name := word(p.rest())
	p.at += len(name)
	switch name {
	case "true":
		return constant{true}, nil
	case "false":
		return constant{false}, nil
	case "null":
		return constant{nil}, nil
	}
	return nil, p.fail("an expression is missing")
}

type constant struct{ is any }

func (c constant) value(*run) (any, error) { return c.is, nil }

func (p *parser) number() (expression, error) {
	start := p.at
	p.take("-")
	for digit(p.peek()) {
		p.at++
	}
	whole := true
	if p.peek() == '.' && !strings.HasPrefix(p.rest(), "..") {
		whole = false
		for p.at++; digit(p.peek()); {
			p.at++
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		mark := p.at
		p.at++
		if !p.take("-") {
			p.take("+")
		}
		if digit(p.peek()) {
			whole = false
			for digit(p.peek()) {
				p.at++
			}
		} else {
			p.at = mark
		}
	}
	text := p.text[start:p.at]
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return constant{n}, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, p.fail("%q is no number", text)
	}
	return constant{f}, nil
}

// quoted reads a text. In double quotes references and directives are run.
func (p *parser) quoted(quote byte) (expression, error) {
	p.at++
	start := p.at
	for p.peek() != quote {
		if quote == '"' && p.peek() == '\\' && p.at+1 < len(p.text) {
			p.at++
		}
		if p.at++; p.at >= len(p.text) {
			return nil, p.fail("a text has no end")
		}
	}
	text := p.text[start:p.at]
	p.at++
	if quote == '\'' || !strings.ContainsAny(text, "$#") {
		return constant{text}, nil
	}
	inner := &parser{text: text, depth: p.depth}
	b, end, err := inner.block()
	if err == nil && end != "" {
		err = p.fail("#%s in a text without its block", end)
	}
	return &interpolation{b}, err
}

// interpolation is a text with references.
type interpolation struct{ block block }

func (i *interpolation) value(r *run) (any, error) {
	if r.quoted++; r.quoted > maxDepth {
		return nil, fmt.Errorf("%w: texts nest deeper than %d", ErrLimit, maxDepth)
	}
	outer := r.out
	r.out = strings.Builder{}
	err := i.block.render(r)
	made := r.out.String()
	r.out = outer
	r.quoted--
	return made, err
}

// bracket reads a list or a range behind its bracket.
func (p *parser) bracket() (expression, error) {
	p.space()
	if p.take("]") {
		return &listing{}, nil
	}
	first, err := p.expression()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.take("..") {
		last, err := p.expression()
		if err == nil {
			err = p.expect("]")
		}
		return &span{first, last}, err
	}
	items := []expression{first}
	if p.take(",") {
		rest, err := p.list("]")
		return &listing{append(items, rest...)}, err
	}
	return &listing{items}, p.expect("]")
}

// list reads expressions up to what ends them.
func (p *parser) list(end string) (items []expression, err error) {
	p.space()
	if p.take(end) {
		return nil, nil
	}
	for {
		item, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		p.space()
		if p.take(end) {
			return items, nil
		}
		if !p.take(",") {
			return nil, p.fail("%q is missing", end)
		}
	}
}

type listing struct{ items []expression }

func (l *listing) value(r *run) (any, error) {
	list := &List{}
	for _, item := range l.items {
		value, err := item.value(r)
		if err != nil {
			return nil, err
		}
		if err := list.add(r, value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// span is [first..last], in either direction.
type span struct{ first, last expression }

func (s *span) value(r *run) (any, error) {
	first, err := s.first.value(r)
	if err != nil {
		return nil, err
	}
	last, err := s.last.value(r)
	if err != nil {
		return nil, err
	}
	from, isFrom := first.(int64)
	to, isTo := last.(int64)
	if !isFrom || !isTo {
		return nil, nil
	}
	step := int64(1)
	if to < from {
		step = -1
	}
	list := &List{}
	for n := from; ; n += step {
		if err := list.add(r, n); err != nil {
			return nil, err
		}
		if n == to {
			return list, nil
		}
	}
}

func (p *parser) mapping() (expression, error) {
	m := &mapping{}
	for p.space(); !p.take("}"); {
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		m.keys, m.values = append(m.keys, key), append(m.values, value)
		p.space()
		if p.take(",") {
			p.space()
		} else if p.peek() != '}' {
			return nil, p.fail("\"}\" is missing")
		}
	}
	return m, nil
}

type mapping struct{ keys, values []expression }

func (m *mapping) value(r *run) (any, error) {
	made := &Map{}
	for i := range m.keys {
		key, err := m.keys[i].value(r)
		if err != nil {
			return nil, err
		}
		value, err := m.values[i].value(r)
		if err != nil {
			return nil, err
		}
		if err := made.put(r, text(key), value); err != nil {
			return nil, err
		}
	}
	return made, nil
}

type not struct{ of expression }

func (n *not) value(r *run) (any, error) {
	value, err := n.of.value(r)
	return !truth(value), err
}

type operation struct {
	operator    string
	left, right expression
}

func (o *operation) value(r *run) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	left, err := o.left.value(r)
	if err != nil {
		return nil, err
	}
	switch {
	case o.operator == "||" && truth(left):
		return true, nil
	case o.operator == "&&" && !truth(left):
		return false, nil
	}
	right, err := o.right.value(r)
	if err != nil {
		return nil, err
	}
	switch o.operator {
	case "||", "&&":
		return truth(right), nil
	case "==":
		return r.same(left, right)
	case "!=":
		same, err := r.same(left, right)
		return !same, err
	case "<", "<=", ">", ">=":
		return compare(o.operator, left, right), nil
	case "+":
		_, leftText := left.(string)
		_, rightText := right.(string)
		if (leftText || rightText) && left != nil && right != nil {
			return r.join(left, right)
		}
	}
	return arithmetic(o.operator, left, right), nil
}

// same is ==. Velocity 1.7: values of two classes are compared by their texts.
func (r *run) same(left, right any) (bool, error) {
	if left == nil || right == nil || class(left) == class(right) {
		return r.equal(left, right, 0)
	}
	a, err := r.print(left)
	if err != nil {
		return false, err
	}
	b, err := r.print(right)
	return a == b, err
}

// class tells the values apart that equal cannot compare; objects have none.
func class(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case bool:
		return "boolean"
	case int64, float64, json.Number:
		return "number"
	case *List:
		return "list"
	case *Map:
		return "map"
	}
	return ""
}

// join is + of texts.
func (r *run) join(left, right any) (any, error) {
	a, err := r.print(left)
	if err != nil {
		return nil, err
	}
	b, err := r.print(right)
	if err != nil {
		return nil, err
	}
	if err := r.charge(len(a) + len(b)); err != nil {
		return nil, err
	}
	return a + b, nil
}

// compare orders numbers; of anything else it says no.
func compare(operator string, left, right any) bool {
	a, isA := number(left)
	b, isB := number(right)
	if !isA || !isB {
		return false
	}
	switch operator {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// arithmetic calculates with numbers; with anything else the result is no value,
// and so is a division by zero.
func arithmetic(operator string, left, right any) any {
	x, isX := left.(int64)
	y, isY := right.(int64)
	if isX && isY {
		switch operator {
		case "+":
			return x + y
		case "-":
			return x - y
		case "*":
			return x * y
		}
		switch {
		case y == 0:
			return nil
		case operator == "/":
			return x / y
		}
		return x % y
	}
	a, isA := number(left)
	b, isB := number(right)
	if !isA || !isB {
		return nil
	}
	switch operator {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	}
	switch {
	case b == 0:
		return nil
	case operator == "/":
		return a / b
	}
	return math.Mod(a, b)
}
