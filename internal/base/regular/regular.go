// Package regular compiles regular expressions that users write.
//
// It promises: what is compiled is bounded, and how much a search may take is known
// before it begins: the time of Go's expressions is at most the product of Steps and
// the length of a text, which is much for a short expression that repeats itself.
//
// Pure: no state, no goroutines. Start reading at Compile.
package regular

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// Limits of an expression.
const (
	MaxBytes = 16 << 10
	MaxSteps = 10_000
)

// MaxWork bounds what one search may take, in steps times bytes: about a second.
const MaxWork = 75_000_000

// The errors of what is too much.
var (
	ErrTooLong = errors.New("the regular expression is too long")
	ErrTooMuch = errors.New("the counts of the regular expression are too large")
)

// Expression is a compiled expression.
type Expression struct {
	*regexp.Regexp
	Steps int // about how long its program is
}

// Compile compiles an expression in Go's syntax, which has neither look-around nor back
// references: those can take exponential time.
func Compile(text string) (*Expression, error) {
	if len(text) > MaxBytes {
		return nil, ErrTooLong
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := steps(parsed)
	if n > MaxSteps {
		return nil, ErrTooMuch
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &Expression{compiled, n}, nil
}

// Work is what a search in a text may take.
func (e *Expression) Work(text string) int { return e.Steps * (1 + len(text)) }

// steps is about how long the program of an expression is.
func steps(e *syntax.Regexp) int {
	n := 1
	if e.Op == syntax.OpLiteral {
		n = len(e.Rune)
	}
	for _, inner := range e.Sub {
		n += steps(inner)
	}
	if e.Op == syntax.OpRepeat {
		n *= max(e.Min, e.Max, 1)
	}
	return min(n, MaxSteps+1)
}
