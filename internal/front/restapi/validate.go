package restapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

// validate checks what a request validator wants.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
func (e *exchange) validate() error {
	v := e.deployed.RequestValidators[e.method.RequestValidatorId]
	if v == nil {
		return nil
	}
	if v.ValidateRequestParameters {
		if lacking := e.lacking(); len(lacking) > 0 {
			return &refusal{kind: restapi.BadRequestParameters, message: "Missing required request parameters: [" + strings.Join(lacking, ", ") + "]"}
		}
	}
	if v.ValidateRequestBody {
		return e.validateBody()
	}
	return nil
}

// lacking are the names of required parameters that are not there, or empty.
func (e *exchange) lacking() (names []string) {
	for parameter, required := range e.method.RequestParameters {
		if !required {
			continue
		}
		expression := strings.TrimPrefix(parameter, "method.request.")
		if value, found := e.requestValue(expression); !found || value == "" {
			_, name, _ := strings.Cut(expression, ".")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// validateBody compares the body with the model of its media type.
func (e *exchange) validateBody() error {
	mediaType, _, _ := strings.Cut(e.r.Header.Get("Content-Type"), ";")
	if mediaType = strings.TrimSpace(mediaType); mediaType == "" {
		mediaType = jsonType
	}
	name, found := e.method.RequestModels[mediaType]
	if !found {
		if name, found = e.method.RequestModels["$default"]; !found {
			return nil
		}
	}
	schema, err := e.deployed.schema(name)
	if err != nil {
		return errInternal.with(err)
	}
	if schema == nil {
		return nil
	}
	// AWS: a body that is not there is an empty one.
	text := string(e.body)
	if text == "" {
		text = "{}"
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = schema.Validate(value)
	}
	if err == nil {
		return nil
	}
	refused := *errBody
	refused.validation = explain(err)
	return &refused
}

// explain is what a body lacks, in one line.
func explain(err error) string {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return "[the body is no JSON]"
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return fmt.Sprintf("[%s: %s]", "#/"+strings.Join(invalid.InstanceLocation, "/"), firstLine(invalid.Error()))
}

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimLeft(lines[len(lines)-1], "- ")
}

// noLoader lets no schema read anything: models refer to models only.
type noLoader struct{}

// Load refuses.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is no model of the API", url)
}

// modelURL begins the names of models in references.
const modelURL = "https://apigateway.amazonaws.com/restapis/"

// schema compiles a model once; nil for one that is not there, which takes all.
func (d *deployment) schema(name string) (*jsonschema.Schema, error) {
	if found, ok := d.schemas.Load(name); ok {
		return found.(*jsonschema.Schema), nil
	}
	if d.Models[name] == nil || d.Models[name].Schema == "" {
		return nil, nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(noLoader{})
	for _, m := range d.Models {
		if m.Schema == "" {
			continue
		}
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(m.Schema))
		if err != nil {
			continue // a model that is no schema matters to nobody else
		}
		if err := c.AddResource(modelURL+"api/models/"+m.Name, point(document, document, 0)); err != nil {
			return nil, err
		}
	}
	made, err := c.Compile(modelURL + "api/models/" + name)
	if err != nil {
		return nil, err
	}
	d.schemas.Store(name, made)
	return made, nil
}

// maxSchemaDepth bounds what point visits.
const maxSchemaDepth = 200

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
