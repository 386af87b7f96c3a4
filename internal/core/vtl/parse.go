package vtl

import (
	"fmt"
	"strings"
)

// parser reads a template from left to right.
type parser struct {
	text  string
	at    int
	depth int
}

func (p *parser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n")
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, line, fmt.Sprintf(format, args...))
}

// deeper guards what calls itself; the caller must call the function that it gets.
func (p *parser) deeper() (func(), error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("%w: it nests deeper than %d", ErrLimit, maxDepth)
	}
	return func() { p.depth-- }, nil
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.rest(), text) {
		return false
	}
	p.at += len(text)
	return true
}

// block reads until the end of the text or a directive that ends the block, whose
// name it returns.
func (p *parser) block() (b block, end string, err error) {
	up, err := p.deeper()
	if err != nil {
		return nil, "", err
	}
	defer up()
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			b = append(b, textNode(text.String()))
			text.Reset()
		}
	}
	for p.at < len(p.text) {
		plain := strings.IndexAny(p.rest(), `$#\`)
		if plain < 0 {
			plain = len(p.rest())
		}
		text.WriteString(p.text[p.at : p.at+plain])
		if p.at += plain; p.at == len(p.text) {
			break
		}
		var n node
		switch p.peek() {
		case '\\':
			n = p.escaped(&text)
		case '$':
			n, err = p.referenceNode(0)
		default:
			if name := p.directiveName(); name == "set" {
				cut := strings.TrimRight(text.String(), " \t") // Velocity: #set takes the space before it
				text.Reset()
				text.WriteString(cut)
			}
			n, end, err = p.directive()
		}
		if err != nil {
			return nil, "", err
		}
		if end != "" {
			flush()
			return b, end, nil
		}
		if literal, is := n.(textNode); is {
			text.WriteString(string(literal))
		} else if n != nil {
			flush()
			b = append(b, n)
		}
	}
	flush()
	return b, "", nil
}

// escaped reads backslashes. Before a reference they escape it if it has a value,
// before a directive always; elsewhere they are text.
func (p *parser) escaped(text *strings.Builder) node {
	count := len(p.rest()) - len(strings.TrimLeft(p.rest(), `\`))
	after := p.at + count
	if after < len(p.text) && p.text[after] == '$' {
		p.at = after
		if n, err := p.referenceNode(count); err == nil {
			return n
		}
		p.at = after - count
	}
	if after < len(p.text) && p.text[after] == '#' {
		p.at = after
		if directives[p.directiveName()] {
			text.WriteString(strings.Repeat(`\`, count/2))
			if count%2 == 1 {
				text.WriteByte('#')
				p.at++
			}
			return nil
		}
	}
	text.WriteString(strings.Repeat(`\`, count))
	p.at = after
	return nil
}

// directives are the names that have a meaning.
var directives = map[string]bool{"set": true, "if": true, "elseif": true, "else": true, "end": true, "foreach": true, "stop": true, "break": true}

// refusedDirectives are those of Velocity that we do not have.
//
// AWS: nor has it them: macros are "not supported by AWS" (openedx/edx-enterprise#154),
// #parse and #include are errors, the others have no effect, as users report.
var refusedDirectives = map[string]bool{"macro": true, "define": true, "parse": true, "include": true, "evaluate": true}

// directiveName is the name behind the # that is next, or "".
func (p *parser) directiveName() string {
	rest := p.text[p.at+1:]
	if inner, found := strings.CutPrefix(rest, "{"); found {
		name := word(inner)
		if !strings.HasPrefix(inner[len(name):], "}") {
			return ""
		}
		return name
	}
	name := word(rest)
	for _, glued := range []string{"else", "end", "stop", "break"} { // Velocity: #elsefoo is #else and foo
		if strings.HasPrefix(name, glued) && name != "elseif" {
			return glued
		}
	}
	return name
}

func word(text string) string {
	for i := range len(text) {
		if c := text[i]; !letter(c) && c != '_' && (i == 0 || !digit(c)) {
			return text[:i]
		}
	}
	return text
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// directive reads what begins with #. Of a directive that ends a block it returns
// the name; what is none is text.
func (p *parser) directive() (n node, end string, err error) {
	switch {
	case p.take("##"):
		if newline := strings.IndexByte(p.rest(), '\n'); newline >= 0 {
			p.at += newline + 1
		} else {
			p.at = len(p.text)
		}
		return nil, "", nil
	case p.take("#*"):
		return nil, "", p.skipPast("*#")
	case p.take("#[["):
		start := p.at
		if err := p.skipPast("]]#"); err != nil {
			return nil, "", err
		}
		return textNode(p.text[start : p.at-len("]]#")]), "", nil
	}
	name := p.directiveName()
	if refusedDirectives[name] {
		return nil, "", p.fail("this platform has no #%s", name)
	}
	if !directives[name] {
		p.at++
		return textNode("#"), "", nil
	}
	if p.at++; p.take("{") {
		p.at += len(name) + len("}")
	} else {
		p.at += len(name)
	}
	switch name {
	case "set":
		n, err = p.set()
	case "if":
		n, err = p.condition()
	case "foreach":
		n, err = p.foreach()
	case "stop":
		n = endNode{errStop}
	case "break":
		n = endNode{errBreak}
	case "elseif":
		return nil, name, nil
	default: // else, end
		p.lineEnd()
		return nil, name, nil
	}
	return n, "", err
}

func (p *parser) skipPast(end string) error {
	i := strings.Index(p.rest(), end)
	if i < 0 {
		return p.fail("%s is missing", end)
	}
	p.at += i + len(end)
	return nil
}

// lineEnd skips what is left of a line if it is empty, as Velocity does behind directives.
func (p *parser) lineEnd() {
	at := p.at
	for at < len(p.text) && (p.text[at] == ' ' || p.text[at] == '\t') {
		at++
	}
	switch rest := p.text[at:]; {
	case strings.HasPrefix(rest, "\r\n"):
		p.at = at + 2
	case strings.HasPrefix(rest, "\n"), strings.HasPrefix(rest, "\r"):
		p.at = at + 1
	}
}

func (p *parser) set() (node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	p.space()
	if p.peek() != '$' {
		return nil, p.fail("#set needs a reference")
	}
	target, err := p.reference()
	if err != nil {
		return nil, err
	}
	if err := p.expect("="); err != nil {
		return nil, err
	}
	value, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	p.lineEnd()
	return &setNode{target, value}, nil
}

// parenthesised reads the condition of #if and #elseif.
func (p *parser) parenthesised() (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e, err := p.expression()
	if err == nil {
		err = p.expect(")")
	}
	if err != nil {
		return nil, err
	}
	p.lineEnd()
	return e, nil
}

func (p *parser) condition() (node, error) {
	n := &ifNode{}
	for end := "elseif"; end != "end"; {
		var condition expression
		var err error
		if end == "elseif" {
			if condition, err = p.parenthesised(); err != nil {
				return nil, err
			}
		}
		last := end == "else"
		var b block
		if b, end, err = p.block(); err != nil {
			return nil, err
		}
		if end == "" || last && end != "end" {
			return nil, p.fail("#end of an #if is missing")
		}
		n.conditions, n.blocks = append(n.conditions, condition), append(n.blocks, b)
	}
	return n, nil
}

func (p *parser) foreach() (node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	p.space()
	if p.peek() != '$' {
		return nil, p.fail("#foreach needs a reference")
	}
	target, err := p.reference()
	if err != nil {
		return nil, err
	}
	p.space()
	if len(target.parts) > 0 || word(p.rest()) != "in" {
		return nil, p.fail("#foreach needs a variable and \"in\"")
	}
	p.at += len("in")
	over, err := p.expression()
	if err == nil {
		err = p.expect(")")
	}
	if err != nil {
		return nil, err
	}
	p.lineEnd()
	b, end, err := p.block()
	if err == nil && end != "end" {
		err = p.fail("#end of a #foreach is missing")
	}
	if err != nil {
		return nil, err
	}
	return &eachNode{target.name, over, b}, nil
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) expect(text string) error {
	p.space()
	if !p.take(text) {
		return p.fail("%q is missing", text)
	}
	return nil
}
