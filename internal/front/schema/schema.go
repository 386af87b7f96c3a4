// Package schema compares bodies with the models of REST and WebSocket APIs, which are
// JSON schemas of draft 4.
//
// It promises: no schema reads anything but models of its API, and no body and no schema
// makes a validation take more than a bounded amount of work.
//
// A lock for each model is over its idle validators, of which each has one user at a
// time. No goroutines. Start reading at Models.Validate.
package schema

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lambkin-dev/lambkin/internal/base/regular"
)

// Bounds of a validation. A small schema can want any amount of work: of two references
// to a schema with two references to a third, and so on, each doubles it.
const (
	maxEvaluations = 500_000 // of schemas
	workOfOne      = 150     // steps of regular expressions times bytes, that count as one
	maxDigits      = 400     // of a number, and the most of its exponent
	maxBodyValues  = 500_000
	maxSchemaDepth = 200
	maxIdle        = 8 // validators of a model that wait for the next request
)

var errCostly = errors.New("the validation needs too much")

// validator is the schema of a model for one request at a time: it counts.
type validator struct {
	schema *jsonschema.Schema
	left   int
}

// validate compares a value with the schema.
func (v *validator) validate(value any) (err error) {
	v.left = maxEvaluations
	defer func() { // there is no other way out of the library
		if p := recover(); p == errCostly {
			err = errCostly
		} else if p != nil {
			panic(p)
		}
	}()
	return v.schema.Validate(value)
}

func (v *validator) charge(n int) {
	if v.left -= n; v.left < 0 {
		panic(errCostly)
	}
}

// meter is a keyword that every schema has: it counts evaluations.
type meter struct{ of *validator }

// Validate counts.
func (m meter) Validate(*jsonschema.ValidatorContext, any) { m.of.charge(1) }

// meteredPattern is a regular expression that counts what it may need.
type meteredPattern struct {
	*regular.Expression
	of *validator
}

// MatchString counts, and searches.
func (p meteredPattern) MatchString(text string) bool {
	p.of.charge(1 + p.Work(text)/workOfOne)
	return p.Expression.MatchString(text)
}

// model are the validators of a model that wait.
type model struct {
	mu   sync.Mutex
	idle []*validator
}

// Models are those of an API; the zero value with Text is ready.
type Models struct {
	// Text is the schema of a model; "" for one that is not there, which takes all.
	Text func(name string) string
	kept sync.Map // name: *model
}

// Validate compares a body with a model; lacks says in one line what is wrong with the
// body, an error what is wrong with the model.
func (m *Models) Validate(name, body string) (lacks string, err error) {
	v, release, err := m.validator(name)
	if err != nil || v == nil {
		return "", err
	}
	defer release()
	value, err := readBody(body)
	if err == nil {
		err = v.validate(value)
	}
	if err == nil {
		return "", nil
	}
	return explain(err), nil
}

// validator is one for a model, to be given back; nil for a model that is not there.
func (m *Models) validator(name string) (v *validator, release func(), err error) {
	if m.Text(name) == "" {
		return nil, func() {}, nil
	}
	found, _ := m.kept.LoadOrStore(name, &model{})
	kept := found.(*model)
	kept.mu.Lock()
	if n := len(kept.idle); n > 0 {
		v, kept.idle = kept.idle[n-1], kept.idle[:n-1]
	}
	kept.mu.Unlock()
	if v == nil {
		if v, err = m.compile(name); err != nil {
			return nil, nil, err
		}
	}
	return v, func() {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		if len(kept.idle) < maxIdle {
			kept.idle = append(kept.idle, v)
		}
	}, nil
}

// compile makes the schema of a model.
func (m *Models) compile(name string) (*validator, error) {
	v := &validator{}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(loader{m})
	c.RegisterVocabulary(&jsonschema.Vocabulary{URL: modelURL, Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return meter{v}, nil }})
	c.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) {
		compiled, err := regular.Compile(text)
		if err != nil {
			return nil, err
		}
		return meteredPattern{compiled, v}, nil
	})
	var err error
	v.schema, err = c.Compile(modelURL + "api/models/" + name)
	return v, err
}

// modelURL begins the names of models in references.
const modelURL = "https://apigateway.amazonaws.com/restapis/"

// loader reads models only: no schema reads anything else.
type loader struct{ models *Models }

// Load is the schema of a model.
func (l loader) Load(url string) (any, error) {
	name, found := strings.CutPrefix(url, modelURL+"api/models/")
	text := l.models.Text(name)
	if !found || text == "" {
		return nil, fmt.Errorf("%s is no model of the API", url)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return point(document, document, 0), nil
}

// point makes the references to other models of a schema lead to them: those of
// documents (#/definitions/NAME, #/components/schemas/NAME) and those of the API
// (https://apigateway.amazonaws.com/restapis/ID/models/NAME).
func point(value, root any, depth int) any {
	if depth > maxSchemaDepth {
		return nil
	}
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = point(v[i], root, depth+1)
		}
	case map[string]any:
		for key, inner := range v {
			text, is := inner.(string)
			switch {
			case is && (key == "$schema" || key == "id"):
				delete(v, key) // draft 4 is the only one, and the name is ours
			case is && key == "$ref":
				v[key] = referenceTo(text, root)
			default:
				v[key] = point(inner, root, depth+1)
			}
		}
	}
	return value
}

// referenceTo is where a reference leads: one to what the schema itself defines stays.
func referenceTo(text string, root any) string {
	name := text[strings.LastIndexByte(text, '/')+1:]
	if own, is := root.(map[string]any); is && strings.HasPrefix(text, "#/definitions/") {
		if definitions, is := own["definitions"].(map[string]any); is && definitions[name] != nil {
			return text
		}
	}
	if strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "#/definitions/") && !strings.HasPrefix(text, "#/components/schemas/") {
		return text
	}
	return modelURL + "api/models/" + name
}

// readBody reads a body that is to be validated. It looks at the text first: a few bytes
// of JSON can stand for a number of a million digits, and a megabyte for a million values.
func readBody(text string) (any, error) {
	values := 1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case c == ',' || c == '[' || c == '{':
			if values++; values > maxBodyValues {
				return nil, errCostly
			}
		case c == '-' || c >= '0' && c <= '9':
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], "0123456789+-.eE"))
			if longNumber(text[i : i+n]) {
				return nil, errCostly
			}
			i += n - 1
		}
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(text))
}

// longNumber tells a number that is long, or would be if it were written out.
func longNumber(text string) bool {
	_, exponent, found := strings.Cut(strings.ToLower(text), "e")
	exponent = strings.TrimLeft(exponent, "+-0")
	return len(text) > maxDigits || found && (len(exponent) > 3 || len(exponent) == 3 && exponent > fmt.Sprint(maxDigits))
}

// explain is what a body lacks, in one line.
func explain(err error) string {
	var invalid *jsonschema.ValidationError
	if errors.Is(err, errCostly) {
		return "[" + err.Error() + "]"
	}
	if !errors.As(err, &invalid) {
		return "[the body is no JSON]"
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return fmt.Sprintf("[%s: %s]", "#/"+strings.Join(invalid.InstanceLocation, "/"), clip(firstLine(invalid.Error())))
}

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimLeft(lines[len(lines)-1], "- ")
}

// maxExplanation bounds what is told of a mistake.
const maxExplanation = 1024

func clip(text string) string {
	if len(text) > maxExplanation {
		return text[:maxExplanation] + "[TRUNCATED]"
	}
	return text
}
