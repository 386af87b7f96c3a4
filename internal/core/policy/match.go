package policy

import "strings"

// Marks of wildcards within a pattern: bytes that no text of a document has,
// because it is valid UTF-8.
const (
	anyText = '\xff' // *
	anyOne  = '\xfe' // ?
)

// pattern is a text with wildcards and policy variables.
type pattern []part

// part is a text, with marks for its wildcards, or a variable.
type part struct {
	text      string
	variable  string // lower case
	otherwise string // what stands for a variable without a value
	defaulted bool
}

// maxVariables bounds the variables of one text.
const maxVariables = 64

// newPattern reads a text. Wildcards count if wild is set; variables if the
// version of the document knows them.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func newPattern(text string, wild, variables bool) pattern {
	var p pattern
	for n := 0; variables && n < maxVariables; n++ {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			break
		}
		p = append(p, part{text: marked(before, wild)})
		switch name {
		case "*", "?", "$": // the letters themselves
			p = append(p, part{text: name})
		default:
			p = append(p, newVariable(name))
		}
		text = after
	}
	return append(p, part{text: marked(text, wild)})
}

// newVariable reads "key" or "key, 'default'".
func newVariable(text string) part {
	name, otherwise, defaulted := strings.Cut(text, ",")
	otherwise = strings.TrimSpace(otherwise)
	return part{variable: strings.ToLower(strings.TrimSpace(name)), otherwise: strings.Trim(otherwise, "'"), defaulted: defaulted}
}

func marked(text string, wild bool) string {
	if !wild || !strings.ContainsAny(text, "*?") {
		return text
	}
	b := []byte(text)
	for i, c := range b {
		switch c {
		case '*':
			b[i] = anyText
		case '?':
			b[i] = anyOne
		}
	}
	return string(b)
}

// expand puts in the variables; false if one has no value, or more than one.
func (p pattern) expand(r *Request) (string, bool) {
	if len(p) == 1 {
		return p[0].text, true
	}
	var out strings.Builder
	for i := range p {
		switch part := &p[i]; {
		case part.variable == "":
			out.WriteString(part.text)
		default:
			values := r.values(part.variable)
			switch {
			case len(values) == 1:
				out.WriteString(plain(values[0]))
			case len(values) == 0 && part.defaulted:
				out.WriteString(part.otherwise)
			default:
				return "", false
			}
		}
	}
	return out.String(), true
}

// plain keeps a value of a request from having marks.
func plain(value string) string {
	if strings.IndexByte(value, anyText) >= 0 || strings.IndexByte(value, anyOne) >= 0 {
		return strings.ToValidUTF8(value, "\uFFFD")
	}
	return value
}

// arnElements is how many elements of an ARN are compared one by one.
const arnElements = 6

// matchARN compares an ARN with a pattern: * and ? stand for texts and letters
// within each of the six elements. A * alone is every resource.
func matchARN(pattern, text string) bool {
	if strings.Trim(pattern, string([]byte{anyText})) == "" && pattern != "" {
		return true
	}
	for range arnElements - 1 {
		p, restOfPattern, inPattern := strings.Cut(pattern, ":")
		t, restOfText, inText := strings.Cut(text, ":")
		if !inPattern || !inText || !glob(p, t) {
			return false
		}
		pattern, text = restOfPattern, restOfText
	}
	return glob(pattern, text)
}

// glob compares a whole text with a pattern. It goes back to the last * only, so
// it takes no more than the product of both lengths.
func glob(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == anyOne:
			p++
			t += letter(text[t:])
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == anyText {
		p++
	}
	return p == len(pattern)
}

// letter is the length of the first letter of a text.
func letter(text string) int {
	n := 1
	for n < len(text) && text[n]&0xC0 == 0x80 { // what continues a letter in UTF-8
		n++
	}
	return n
}
