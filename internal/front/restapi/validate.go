package restapi

import (
	"slices"
	"strings"

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
	// AWS: a body that is not there is an empty one.
	text := string(e.body)
	if text == "" {
		text = "{}"
	}
	lacks, err := e.deployed.models.Validate(name, text)
	switch {
	case err != nil:
		return errInternal.with(err)
	case lacks == "":
		return nil
	}
	refused := *errBody
	refused.validation = lacks
	return &refused
}
