package logs

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher tells whether a message matches a filter pattern.
type matcher func(message string) bool

// parsePattern reads a filter pattern: terms, a JSON expression in braces or
// space-delimited fields in brackets. The error's text is for the client.
//
// AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
func parsePattern(text string) (matcher, error) {
	p := &patternParser{text: strings.TrimSpace(text)}
	var m matcher
	var err error
	switch {
	case p.text == "":
		return anything, nil
	case p.text[0] == '{':
		m, err = p.json()
	case p.text[0] == '[':
		m, err = p.fields()
	default:
		m, err = p.terms()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// patternParser is a cursor over a pattern.
type patternParser struct {
	text    string
	at      int
	regexes int
	depth   int
}

var errEnd = errors.New("unexpected end of the pattern")

func (p *patternParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// peek is the byte at the cursor, 0 at the end.
func (p *patternParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// take steps over token if it is next.
func (p *patternParser) take(token string) bool {
	if strings.HasPrefix(p.text[p.at:], token) {
		p.at += len(token)
		return true
	}
	return false
}

func (p *patternParser) unexpected() error {
	if p.at >= len(p.text) {
		return errEnd
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return fmt.Errorf("unexpected character '%c' at position %d", r, p.at+1)
}

// quoted reads a text in double quotes; \" and \\ stand for themselves.
func (p *patternParser) quoted() (string, error) {
	var text strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return text.String(), nil
		case c == '\\' && p.at+1 < len(p.text) && strings.IndexByte(`"\`, p.text[p.at+1]) >= 0:
			p.at++
			text.WriteByte(p.text[p.at])
		default:
			text.WriteByte(c)
		}
	}
	return "", errEnd
}

// regex reads %expression%; \% is a percent sign in it.
func (p *patternParser) regex() (*regexp.Regexp, error) {
	var text strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '%':
			p.at++
			if p.regexes++; p.regexes > maxPatternRegex {
				return nil, fmt.Errorf("no more than %d regular expressions are allowed", maxPatternRegex)
			}
			return regexp.Compile(text.String())
		case c == '\\' && p.at+1 < len(p.text) && p.text[p.at+1] == '%':
			p.at++
			text.WriteByte('%')
		default:
			text.WriteByte(c)
		}
	}
	return nil, errEnd
}

// word reads characters that accept allows.
func (p *patternParser) word(accept func(rune) bool) string {
	start := p.at
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if !accept(r) {
			break
		}
		p.at += size
	}
	return p.text[start:p.at]
}

func wordRune(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// terms reads words, "quoted texts" and %regular expressions%, each with - for
// "not" or ? for "or" before it. Where both kinds are there, AWS ignores the
// terms with a question mark.
func (p *patternParser) terms() (matcher, error) {
	var all, none, some []matcher
	for p.space(); p.at < len(p.text); p.space() {
		list := &all
		if p.take("-") {
			list = &none
		} else if p.take("?") {
			list = &some
		}
		m, err := p.term()
		if err != nil {
			return nil, err
		}
		*list = append(*list, m)
	}
	if len(all) > 0 || len(none) > 0 {
		some = nil
	}
	return func(message string) bool {
		for _, m := range all {
			if !m(message) {
				return false
			}
		}
		for _, m := range none {
			if m(message) {
				return false
			}
		}
		return len(some) == 0 || anyMatch(some, message)
	}, nil
}

func anyMatch(list []matcher, message string) bool {
	for _, m := range list {
		if m(message) {
			return true
		}
	}
	return false
}

func (p *patternParser) term() (matcher, error) {
	switch p.peek() {
	case '"':
		text, err := p.quoted()
		return func(message string) bool { return strings.Contains(message, text) }, err
	case '%':
		expression, err := p.regex()
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	}
	text := p.word(wordRune)
	if text == "" {
		return nil, p.unexpected()
	}
	if c := p.peek(); c != 0 && strings.IndexByte(" \t\r\n", c) < 0 {
		// AWS: a term with other characters must be in double quotes.
		return nil, fmt.Errorf("invalid character(s) in term '%s'", text+p.word(func(r rune) bool { return !unicode.IsSpace(r) }))
	}
	return func(message string) bool { return strings.Contains(message, text) }, nil
}

// operand is the right side of a comparison.
type operand struct {
	text   string
	number float64
	isNum  bool
	regex  *regexp.Regexp
	quoted bool
}

// comparison compares a text with the operand.
type comparison struct {
	op string
	operand
}

// operators, longer ones first.
var operators = []string{"!=", "<=", ">=", "=", "<", ">"}

func (p *patternParser) operator() (string, bool) {
	for _, op := range operators {
		if p.take(op) {
			return op, true
		}
	}
	return "", false
}

// compare reads an operator and what follows it.
func (p *patternParser) compare() (comparison, error) {
	p.space()
	op, ok := p.operator()
	if !ok {
		return comparison{}, p.unexpected()
	}
	p.space()
	right, err := p.operand()
	if err != nil {
		return comparison{}, err
	}
	if strings.ContainsAny(op, "<>") && !right.isNum {
		return comparison{}, fmt.Errorf("operator %s needs a number", op)
	}
	return comparison{op, right}, nil
}

func (p *patternParser) operand() (operand, error) {
	switch p.peek() {
	case '"':
		text, err := p.quoted()
		return operand{text: text, quoted: true}, err
	case '%':
		expression, err := p.regex()
		return operand{regex: expression}, err
	}
	text := p.word(func(r rune) bool { return wordRune(r) || strings.ContainsRune("*.+-:/@#$", r) })
	if text == "" {
		return operand{}, p.unexpected()
	}
	number, err := strconv.ParseFloat(text, 64)
	return operand{text: text, number: number, isNum: err == nil && strings.IndexByte("0123456789+-.", text[0]) >= 0}, nil
}

// matchText compares a text: with a number as numbers where both are, else as
// texts with * as a wildcard.
func (c *comparison) matchText(text string) bool {
	if c.isNum {
		if number, err := strconv.ParseFloat(text, 64); err == nil {
			return c.matchNumber(number)
		}
	}
	switch c.op {
	case "=":
		return c.equal(text)
	case "!=":
		return !c.equal(text)
	}
	return false
}

func (c *comparison) equal(text string) bool {
	if c.regex != nil {
		return c.regex.MatchString(text)
	}
	return wildcard(c.text, text)
}

func (c *comparison) matchNumber(number float64) bool {
	switch c.op {
	case "=":
		return number == c.number
	case "!=":
		return number != c.number
	case "<":
		return number < c.number
	case "<=":
		return number <= c.number
	case ">":
		return number > c.number
	case ">=":
		return number >= c.number
	}
	return false
}

// wildcard matches text against a pattern where * stands for any text. It goes
// back to the last * only, so its cost is the product of the lengths at most.
func wildcard(pattern, text string) bool {
	star, mark, i, j := -1, 0, 0, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == text[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// maxDepth bounds parentheses in a pattern.
const maxDepth = 50

// logical reads alternatives of conjunctions of primary, with parentheses.
func logical[In any](p *patternParser, primary func() (func(In) bool, error)) (func(In) bool, error) {
	left, err := conjunction(p, primary)
	if err != nil {
		return nil, err
	}
	for p.space(); p.take("||"); p.space() {
		right, err := conjunction(p, primary)
		if err != nil {
			return nil, err
		}
		first := left
		left = func(in In) bool { return first(in) || right(in) }
	}
	return left, nil
}

func conjunction[In any](p *patternParser, primary func() (func(In) bool, error)) (func(In) bool, error) {
	left, err := parenthesised(p, primary)
	if err != nil {
		return nil, err
	}
	for p.space(); p.take("&&"); p.space() {
		right, err := parenthesised(p, primary)
		if err != nil {
			return nil, err
		}
		first := left
		left = func(in In) bool { return first(in) && right(in) }
	}
	return left, nil
}

func parenthesised[In any](p *patternParser, primary func() (func(In) bool, error)) (func(In) bool, error) {
	p.space()
	if !p.take("(") {
		return primary()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("too many parentheses")
	}
	defer func() { p.depth-- }()
	inner, err := logical(p, primary)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take(")") {
		return nil, p.unexpected()
	}
	return inner, nil
}
