package shape

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
)

// patterns caches what compile made of the patterns of the models. It is
// bounded by the tables, which do not change at run time.
var patterns sync.Map // pattern as in the model -> *pattern

// pattern is a Java regular expression as far as Go's engine can express it.
type pattern struct {
	whole *regexp.Regexp   // must match all of the value; nil = cannot be checked
	not   []*regexp.Regexp // each leading (?!…): must not match at the beginning
	must  []*regexp.Regexp // each leading (?=…): must match at the beginning
}

// matches tells whether text matches the pattern of the model as a whole. What
// Go cannot express (look-behind, look-ahead in the middle, intersections of
// classes) is left out, so that too much may pass, but nothing that AWS takes is
// refused: there the service has to look at the value itself.
func matches(source, text string) bool {
	cached, ok := patterns.Load(source)
	if !ok {
		cached, _ = patterns.LoadOrStore(source, compile(source))
	}
	p := cached.(*pattern)
	if p.whole == nil {
		return true
	}
	for _, re := range p.not {
		if re.MatchString(text) {
			return false
		}
	}
	for _, re := range p.must {
		if !re.MatchString(text) {
			return false
		}
	}
	return p.whole.MatchString(text)
}

// compile translates a Java pattern. Leading look-aheads, which models use to
// forbid a prefix, become expressions of their own.
func compile(source string) *pattern {
	p := new(pattern)
	rest := strings.TrimPrefix(source, "^")
	var err error
	for strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?=") {
		end := closing(rest)
		if end < 0 {
			return p
		}
		ahead, negative := rest[3:end], rest[2] == '!'
		rest = rest[end+1:]
		re, err := regexp.Compile(`\A(?:` + translate(ahead) + `)`)
		switch {
		case err != nil:
			return p
		case negative:
			p.not = append(p.not, re)
		default:
			p.must = append(p.must, re)
		}
	}
	if strings.Contains(rest, "&&[") {
		return p
	}
	if p.whole, err = regexp.Compile(`\A(?:` + translate(rest) + `)\z`); err == nil {
		return p
	}
	if p.whole, err = regexp.Compile(`\A(?:` + translate(withoutLooks(rest)) + `)\z`); err != nil {
		p.whole = nil
	}
	return p
}

// withoutLooks takes all look-aheads and look-behinds out of a pattern.
func withoutLooks(source string) string {
	for _, open := range []string{"(?!", "(?=", "(?<!", "(?<="} {
		for from := 0; ; {
			i := strings.Index(source[from:], open)
			if i < 0 {
				break
			}
			i += from
			end := closing(source[i:])
			if end < 0 {
				break
			}
			source, from = source[:i]+source[i+end+1:], i
		}
	}
	return source
}

// closing is the index of the parenthesis that closes the one at 0, or -1.
func closing(s string) int {
	depth, class := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
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

// properties are the names of character classes that Java has and Go has not,
// as they are written inside brackets.
var properties = map[string]string{
	"Alnum": "[:alnum:]", "Alpha": "[:alpha:]", "Digit": "[:digit:]", "Lower": "[:lower:]", "Upper": "[:upper:]",
	"Punct": "[:punct:]", "Graph": "[:graph:]", "Print": "[:print:]", "Space": "[:space:]", "Blank": "[:blank:]",
	"Cntrl": "[:cntrl:]", "XDigit": "[:xdigit:]", "ASCII": "[:ascii:]",
	"IsAlphabetic": `\p{L}\p{Nl}`, "IsLetter": `\p{L}`, "IsDigit": `\p{Nd}`, "IsUppercase": `\p{Lu}`, "IsLowercase": `\p{Ll}`,
}

// translate rewrites what Java and Go spell differently.
func translate(source string) string {
	// Meant is every character beyond the first 65,536; the surrogates in this
	// order are no such range, in Java neither.
	source = strings.ReplaceAll(source, `\uD800\uDBFF-\uDC00\uDFFF`, `\x{10000}-\x{10FFFF}`)
	var out strings.Builder
	depth := 0 // of brackets
	repeated := false
	for i := 0; i < len(source); {
		c := source[i]
		quantified := repeated
		repeated = false
		switch {
		case c == '\\' && i+1 < len(source):
			i += escape(&out, source[i:], depth > 0)
			continue
		case c == '[' && depth == 0:
			depth++
			i += openClass(&out, source[i:])
			continue
		case c == '[':
			if !strings.HasPrefix(source[i:], "[:") {
				out.WriteByte('\\')
			}
		case c == ']' && depth > 0:
			depth--
		case c == '{' && depth == 0:
			i += repeat(&out, source[i:])
			repeated = true
			continue
		case c == '+' && quantified:
			i++ // possessive, as in a*+: the same set of texts for the patterns of the models
			continue
		case depth == 0:
			repeated = c == '*' || c == '+' || c == '?'
		}
		out.WriteByte(c)
		i++
	}
	return out.String()
}

// openClass translates the beginning of a character class and returns its length.
func openClass(out *strings.Builder, s string) int {
	n := 1
	if strings.HasPrefix(s, "[^") {
		n++
	}
	out.WriteString(s[:n])
	if n < len(s) && s[n] == ']' { // a bracket first is itself
		out.WriteString(`\]`)
		n++
	}
	return n
}

// escape translates the escape at the beginning of s and returns its length.
func escape(out *strings.Builder, s string, inClass bool) int {
	n := 0
	switch s[1] {
	case 'u':
		n = codePoint(out, s)
	case 'p', 'P':
		n = property(out, s, inClass)
	case 'h':
		if n = 2; inClass {
			out.WriteString(`\t\p{Zs}`)
		} else {
			out.WriteString(`[\t\p{Zs}]`)
		}
	case 'Z':
		n = 2
		out.WriteString(`\z`)
	}
	if n == 0 {
		n = 2
		out.WriteString(s[:n])
	}
	return n
}

// codePoint translates a \uXXXX or a pair of them that is one character; 0 means
// that s begins with none.
func codePoint(out *strings.Builder, s string) int {
	high, ok := unit(s)
	if !ok {
		return 0
	}
	if low, ok := unit(s[6:]); ok && utf16.DecodeRune(high, low) != unicode.ReplacementChar {
		out.WriteString(`\x{` + strconv.FormatInt(int64(utf16.DecodeRune(high, low)), 16) + "}")
		return 12
	}
	out.WriteString(`\x{` + s[2:6] + "}")
	return 6
}

// unit is the number of the \uXXXX at the beginning of s.
func unit(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// property translates a \p{Name} or \P{Name}; 0 means that s begins with none.
func property(out *strings.Builder, s string, inClass bool) int {
	end := strings.IndexByte(s, '}')
	if end < 0 || s[2] != '{' {
		return 0
	}
	name := s[3:end]
	class, ok := properties[name]
	switch {
	case !ok || s[1] == 'P':
		out.WriteString(s[:2] + "{" + strings.TrimPrefix(name, "Is") + "}")
	case inClass:
		out.WriteString(class)
	default:
		out.WriteString("[" + class + "]")
	}
	return end + 1
}

// maxRepeat is the highest count that Go's engine takes.
const maxRepeat = 1000

// repeat translates {m,n}. Counts that Go refuses are left open at the top: the
// range of the shape limits the length nearly always.
func repeat(out *strings.Builder, s string) int {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		out.WriteString(s[:1])
		return 1
	}
	low, high, both := strings.Cut(s[1:end], ",")
	m, err := strconv.Atoi(low)
	if err != nil {
		out.WriteString(s[:1])
		return 1
	}
	n, err := strconv.Atoi(high)
	if !both {
		n, err = m, nil
	}
	switch {
	case m > maxRepeat:
		out.WriteString("+")
	case err == nil && n > maxRepeat:
		out.WriteString("{" + low + ",}")
	default:
		out.WriteString(s[:end+1])
	}
	return end + 1
}
