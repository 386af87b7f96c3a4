package template

import (
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/base/regular"
)

// expression is an AllowedPattern: it must match a whole value.
//
// AWS: Java's regular expressions. Of what Go's do not have, look-ahead at the
// beginning and counts over a thousand are done here, and possessive counts are
// taken as greedy ones; look-around elsewhere and back references, which can take
// exponential time, are refused.
type expression struct {
	whole *regular.Expression
	ahead []assertion
}

// assertion is a look-ahead at the beginning.
type assertion struct {
	pattern *regular.Expression
	not     bool
}

func compile(text string) (*expression, error) {
	e := &expression{}
	rest, anchored := strings.CutPrefix(text, "^")
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		end := groupEnd(rest)
		if end < 0 {
			break
		}
		inner, err := regular.Compile(`\A(?:` + counts(rest[len("(?="):end]) + `)`)
		if err != nil {
			return nil, err
		}
		e.ahead = append(e.ahead, assertion{inner, rest[2] == '!'})
		rest, anchored = rest[end+1:], true
	}
	if !anchored || len(e.ahead) == 0 {
		rest = text
	}
	var err error
	e.whole, err = regular.Compile(`\A(?:` + counts(rest) + `)\z`)
	return e, err
}

func (e *expression) matches(value string) bool {
	for _, a := range e.ahead {
		if a.pattern.MatchString(value) == a.not {
			return false
		}
	}
	return e.whole.MatchString(value)
}

// groupEnd is the index of the bracket that closes the group at the beginning, or -1.
func groupEnd(text string) int {
	depth, class := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if strings.HasPrefix(text[i+1:], "]") || strings.HasPrefix(text[i+1:], "^]") {
				i += strings.IndexByte(text[i:], ']')
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// maxCount is the largest count of Go's expressions, maxWritten what a count is
// written out to: no value is longer.
const (
	maxCount   = 1000
	maxWritten = MaxParameterBytes
)

// counted is a single character or class with a count.
var counted = lazy.MustCompile(`(\\.|\[\^?(?:\\.|[^\]\\])(?:\\.|[^\]\\])*\]|[^\\\[\](){}|*+?^$])\{(\d{1,5})(?:(,)(\d{0,5}))?\}`)

// possessive is a count that gives nothing back: it cannot be confused with an
// escaped character, since these have no count of their own in front.
var possessive = lazy.MustCompile(`([^\\]\{\d+(?:,\d*)?\}|[\])\w.][*+?])\+`)

// counts writes counts over a thousand as several.
func counts(text string) string {
	text = possessive.ReplaceAllString(text, "$1")
	return counted.ReplaceAllStringFunc(text, func(found string) string {
		m := counted.FindStringSubmatch(found)
		atom := m[1]
		least, _ := strconv.Atoi(m[2])
		most := least
		if m[3] != "" && m[4] != "" {
			most, _ = strconv.Atoi(m[4])
		}
		if least <= maxCount && most <= maxCount || least > maxWritten {
			return found
		}
		var b strings.Builder
		b.WriteString("(?:")
		for n := least; n > 0; n -= maxCount {
			b.WriteString(atom + "{" + strconv.Itoa(min(n, maxCount)) + "}")
		}
		if m[3] != "" && m[4] == "" {
			b.WriteString(atom + "*")
		}
		for n := min(most, maxWritten) - least; n > 0; n -= maxCount {
			b.WriteString(atom + "{0," + strconv.Itoa(min(n, maxCount)) + "}")
		}
		return b.String() + ")"
	})
}
