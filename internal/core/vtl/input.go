package vtl

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
)

// Input is $input: the body and the parameters of a request, or of an answer.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
type Input struct {
	Body                string
	Path, Query, Header *Map // of texts; nil for none

	parsed any
	read   bool
	err    error
}

// BodyError tells of a body that is no JSON, of which a template needs a part.
type BodyError struct{ Err error }

// Error words it as AWS does.
func (e *BodyError) Error() string { return "Could not parse request body into json: " + e.Err.Error() }

// Unwrap is what is wrong with the JSON.
func (e *BodyError) Unwrap() error { return e.Err }

// body is the text; AWS: {} if there is none.
func (in *Input) body() string {
	if in.Body == "" {
		return "{}"
	}
	return in.Body
}

func (in *Input) method(r *run, name string, args []any) (any, error) {
	switch {
	case name == "params" && len(args) == 0:
		return newMap("path", full(in.Path), "querystring", full(in.Query), "header", full(in.Header)), nil
	case name == "params" && len(args) == 1:
		return in.parameter(text(args[0])), nil
	case name == "path" && len(args) == 1:
		return in.at(r, text(args[0]))
	case name == "json" && len(args) == 1:
		value, err := in.at(r, text(args[0]))
		if err != nil {
			return nil, err
		}
		if value == nil {
			value = "" // AWS: the text "" for what is not there
		}
		return r.toJSON(value)
	}
	return nil, nil
}

func full(m *Map) *Map {
	if m == nil {
		return &Map{}
	}
	return m
}

// parameter looks in the path, the query and the headers, in that order; without
// one it is empty.
func (in *Input) parameter(name string) any {
	for _, where := range []*Map{in.Path, in.Query, in.Header} {
		if value, found := full(where).Get(name); found {
			return value
		}
	}
	header := full(in.Header)
	for _, key := range header.keys {
		if strings.EqualFold(key, name) {
			return header.values[key]
		}
	}
	return ""
}

// at is what a JSONPath finds in the body.
func (in *Input) at(r *run, path string) (any, error) {
	if !in.read {
		in.read = true
		if in.err = r.charge(len(in.Body)); in.err == nil {
			if in.parsed, in.err = ParseJSON(in.body()); in.err != nil {
				in.err = &BodyError{in.err}
			}
		}
	}
	if in.err != nil {
		return nil, in.err
	}
	return find(r, in.parsed, path)
}

// Util is $util.
type Util struct{}

func (Util) method(r *run, name string, args []any) (any, error) {
	if len(args) != 1 {
		return nil, nil
	}
	s, err := r.print(args[0])
	if err != nil {
		return nil, err
	}
	var made string
	switch name {
	case "escapeJavaScript":
		made = escapeJavaScript(s)
	case "urlEncode":
		made = formEncoder.Replace(url.QueryEscape(s))
	case "urlDecode":
		if made, err = url.QueryUnescape(s); err != nil {
			return nil, fmt.Errorf("$util.urlDecode: %w", err)
		}
	case "base64Encode":
		made = base64.StdEncoding.EncodeToString([]byte(s))
	case "base64Decode":
		decoded, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("$util.base64Decode: %w", err)
		}
		made = string(decoded)
	case "parseJson":
		if err := r.charge(len(s)); err != nil {
			return nil, err
		}
		value, err := ParseJSON(s)
		if err != nil {
			return nil, fmt.Errorf("$util.parseJson: %w", err)
		}
		return value, nil
	default:
		return nil, nil
	}
	return made, r.charge(len(made))
}

// formEncoder is where Java's URLEncoder differs.
var formEncoder = strings.NewReplacer("%2A", "*", "~", "%7E")

// escapeJavaScript escapes what must not be in a JavaScript text.
//
// AWS: single quotes too, which JSON does not allow ("If your backend ... use
// replaceAll", says the reference of the mapping templates).
func escapeJavaScript(s string) string {
	var b strings.Builder
	short := map[rune]string{'\'': `\'`, '"': `\"`, '\\': `\\`, '\b': `\b`, '\n': `\n`, '\t': `\t`, '\f': `\f`, '\r': `\r`}
	for _, c := range s {
		switch {
		case short[c] != "":
			b.WriteString(short[c])
		case c < ' ' || c > '~':
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04X`, unit)
			}
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
