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
	v, release, err := e.deployed.validator(name)
	if err != nil {
		return errInternal.with(err)
	}
	if v == nil {
		return nil
	}
	defer release()
	// AWS: a body that is not there is an empty one.
	text := string(e.body)
	if text == "" {
		text = "{}"
	}
	value, err := readBody(text)
	if err == nil {
		err = v.validate(value)
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
	if errors.Is(err, errCostly) {
		return "[" + err.Error() + "]"
	}
	if !errors.As(err, &invalid) {
		return "[the body is no JSON]"
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return fmt.Sprintf("[%s: %s]", "#/"+strings.Join(invalid.InstanceLocation, "/"), clip([]byte(firstLine(invalid.Error()))))
}

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimLeft(lines[len(lines)-1], "- ")
}
