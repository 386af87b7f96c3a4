// Package syntax reads the text of CloudFormation templates into plain values
// and writes values back as text.
//
// Values are nil, bool, json.Number (as it was written), string, []any and
// map[string]any; YAML's short tags become the long forms (!Ref x is
// {"Ref": "x"}). It promises: memory within a small multiple of the text,
// nesting bounded by MaxDepth, no expansion of aliases in templates, and
// AWS's words with line and column for what is not well-formed. What the values
// mean is package template's.
//
// No goroutines; room bounds how many large texts are read at once. Start reading at Parse.
package syntax

import (
	"fmt"
	"strings"
)

// MaxDepth bounds the nesting of a text's maps and lists.
const MaxDepth = 100

// largeBytes is from where on a text waits for one of the places in room: reading
// YAML takes up to two hundred times its bytes.
const largeBytes = 100_000

var room = make(chan struct{}, 2)

// maxSnippetValues bounds what the aliases of a snippet may expand to.
const maxSnippetValues = 200_000

// Error is why a text is refused, in AWS's words. Line and Column count from 1;
// both are 0 where the text as a whole is meant.
type Error struct {
	Message      string
	Line, Column int
}

// Error is the text with the place behind it, as AWS shows it.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d, column %d)", e.Message, e.Line, e.Column)
}

// The beginnings of AWS's refusals.
const (
	notYAML     = "Template format error: YAML not well-formed."
	notJSON     = "Template format error: JSON not well-formed."
	unsupported = "Template format error: unsupported structure."
	noAliases   = "Template error: YAML aliases are not allowed in CloudFormation templates"
)

// Parse reads a template in JSON or YAML.
func Parse(text string) (map[string]any, error) {
	value, err := parse(text, false)
	if err != nil {
		return nil, err
	}
	if m, ok := value.(map[string]any); ok {
		return m, nil
	}
	return nil, &Error{Message: unsupported}
}

// ParseSnippet reads what AWS::Include brings: any value; a snippet in YAML may
// use aliases and merge keys, which a template may not.
func ParseSnippet(text string) (any, error) { return parse(text, true) }

func parse(text string, snippet bool) (any, error) {
	if len(text) >= largeBytes {
		room <- struct{}{}
		defer func() { <-room }()
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return parseYAML(text, snippet)
	}
	value, err := ParseJSON(text)
	if err == nil {
		return value, nil
	}
	// CloudFormation takes commas behind the last member, as YAML does (localstack
	// deploys such a template on AWS: cfn_lambda_serverless.yml).
	if plain, found := withoutLastCommas(text); found {
		if value, other := ParseJSON(plain); other == nil {
			return value, nil
		}
	}
	return nil, err
}

// withoutLastCommas blanks the commas between a value and a closing bracket.
func withoutLastCommas(text string) (plain string, found bool) {
	bytes, comma, last := []byte(text), -1, byte('[')
	quoted := false
	for i := 0; i < len(bytes); i++ {
		c := bytes[i]
		switch {
		case quoted && c == '\\':
			i++
			continue
		case c == '"':
			quoted = !quoted
		case quoted || strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		case c == ',' && strings.IndexByte("[{,:", last) < 0:
			comma = i
		case (c == '}' || c == ']') && last == ',' && comma >= 0:
			bytes[comma], found = ' ', true
		case c == ',':
			comma = -1
		}
		last = c
	}
	return string(bytes), found
}

// place is the line and column of an offset.
func place(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	return strings.Count(before, "\n") + 1, len(before) - (strings.LastIndexByte(before, '\n') + 1) + 1
}

// templateWords are those of errors that are about CloudFormation.
var templateWords = strings.NewReplacer("Template format error: ", "", "Template error: ", "", " in CloudFormation templates", "", "the template is", "the document is")

// Reason words an error for a document that is no template.
func Reason(err error) string { return templateWords.Replace(err.Error()) }
