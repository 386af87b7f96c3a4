package httpapi

import (
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// Parameter mapping changes requests before an integration gets them, and answers
// before a client does. AWS:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html

// Rewrite is one change: "append:header.x", "overwrite:path", "remove:querystring.y".
type Rewrite struct {
	Action string // append, overwrite, remove
	Place  string // header, querystring, path, statuscode
	Name   string // of a header or parameter
	Value  Expression
}

// Expression is a text in which references stand for values.
type Expression []Piece

// Piece is a text or a reference.
type Piece struct {
	Text string
	// Ref is what a reference names: "request.header.x", "context.requestId",
	// "stageVariables.x", "response.body.a"; "" for a text.
	Ref string
}

// reference is what may stand in an expression, with or without braces.
var (
	reference = lazy.MustCompile(`\$\{([a-zA-Z]+(?:\.[^{}\s]+)?)\}`)
	whole     = lazy.MustCompile(`^\$(request|response|context|stageVariables)\.[^\s{}]+$`)
)

// reserved are headers that no mapping may change.
// AWS: the table in the page above.
var reserved = []string{
	"authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded", "keep-alive", "origin", "proxy-authenticate",
	"proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade", "via", "host",
}

var reservedPrefixes = []string{"access-control-", "apigw-", "x-amz-", "x-amzn-", "x-forwarded-"}

// ParseExpression reads a value.
func ParseExpression(text string) Expression {
	if whole.MatchString(text) {
		return Expression{{Ref: text[1:]}}
	}
	var out Expression
	at := 0
	for _, m := range reference.Get().FindAllStringSubmatchIndex(text, -1) {
		if m[0] > at {
			out = append(out, Piece{Text: text[at:m[0]]})
		}
		out, at = append(out, Piece{Ref: text[m[2]:m[3]]}), m[1]
	}
	if at < len(text) {
		out = append(out, Piece{Text: text[at:]})
	}
	return out
}

// Resolve puts values in the place of references; those of none are empty.
func (e Expression) Resolve(value func(ref string) string) string {
	if len(e) == 1 && e[0].Ref == "" {
		return e[0].Text
	}
	var out strings.Builder
	for _, p := range e {
		if p.Ref != "" {
			out.WriteString(value(p.Ref))
		} else {
			out.WriteString(p.Text)
		}
	}
	return out.String()
}

// known tells whether a reference is one of a request (or of its answer).
func known(ref string, response bool) bool {
	kind, name, _ := strings.Cut(ref, ".")
	switch kind {
	case "context", "stageVariables":
		return name != ""
	case "request", "response":
		if response != (kind == "response") {
			return false
		}
		place, detail, more := strings.Cut(name, ".")
		switch place {
		case "header", "querystring":
			return detail != "" && (place == "header" || !response)
		case "body":
			return !more || detail != ""
		case "path":
			return !response
		}
	}
	return false
}

// ParseRewrite reads one entry of a mapping.
func ParseRewrite(key, value string, response bool) (Rewrite, error) {
	action, target, ok := strings.Cut(key, ":")
	place, name, _ := strings.Cut(target, ".")
	r := Rewrite{Action: action, Place: place, Name: name, Value: ParseExpression(value)}
	fail := bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s, value: %s]", key, value)
	if !ok || !slices.Contains([]string{"append", "overwrite", "remove"}, action) {
		return r, fail
	}
	switch {
	case place == "header" && name != "":
		lower := strings.ToLower(name)
		if slices.Contains(reserved, lower) || slices.ContainsFunc(reservedPrefixes, func(prefix string) bool { return strings.HasPrefix(lower, prefix) }) {
			return r, bad("Operations on header %s are restricted", lower)
		}
	case place == "querystring" && name != "" && !response:
	case target == "path" && action == "overwrite" && !response:
	case target == "statuscode" && action == "overwrite" && response:
	default:
		return r, fail
	}
	for _, p := range r.Value {
		if p.Ref != "" && !known(p.Ref, response) {
			return r, fail
		}
	}
	return r, nil
}

// ParseRewrites reads a mapping, in order of its keys.
func ParseRewrites(mapping map[string]string, response bool) ([]Rewrite, error) {
	var out []Rewrite
	for _, key := range sortedKeys(mapping) {
		r, err := ParseRewrite(key, mapping[key], response)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// CheckRequestParameters refuses what is no mapping of a request.
func CheckRequestParameters(mapping map[string]string) error {
	_, err := ParseRewrites(mapping, false)
	return err
}

var statusCode = lazy.MustCompile(`^[2-5]\d\d$`)

// CheckResponseParameters refuses what are no mappings of answers, by status code.
func CheckResponseParameters(mappings map[string]map[string]string) error {
	for status, mapping := range mappings {
		if !statusCode.MatchString(status) {
			return bad("Invalid status code for response parameters: %s", status)
		}
		if _, err := ParseRewrites(mapping, true); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// StageVariables puts stage variables into a text.
func StageVariables(text string, values map[string]string) string {
	return ParseExpression(text).Resolve(func(ref string) string {
		if name, ok := strings.CutPrefix(ref, "stageVariables."); ok {
			return values[name]
		}
		return "${" + ref + "}"
	})
}
