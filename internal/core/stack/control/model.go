package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// Description is a resource.
type Description struct {
	Identifier, Properties string
}

// check compares what is wanted with the schema, and with what this platform can do.
func (t *handled) check(desired map[string]any, absent []string) error {
	problems := t.schema.Check(desired, absent...)
	facts := t.Facts()
	for name := range desired {
		p, settable := facts.Properties[name]
		switch {
		case settable && p.Refused != "":
			problems = append(problems, fmt.Sprintf("#/%s: %s", name, p.Refused))
		case !settable && t.schema.Properties[name] != nil:
			problems = append(problems, fmt.Sprintf("#: extraneous key [%s] is not permitted", name))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return refuse(Validation, "Model validation failed (%s)", strings.Join(problems, "\n"))
}

// located finds what an identifier names: the values of the primary identifier,
// joined by "|", or as a JSON object.
// https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-identifier.html
func (t *handled) located(identifier string) (physical string, properties map[string]any, err error) {
	names, parts := t.schema.Primary(), map[string]string{}
	if strings.HasPrefix(identifier, "{") {
		given, err := object(identifier)
		if err != nil {
			return "", nil, refuse(Validation, "Identifier %s is not valid: %v", identifier, err)
		}
		for _, name := range names {
			parts[name], _ = given[name].(string)
		}
	} else {
		values := strings.Split(identifier, "|")
		if len(names) == 1 {
			values = []string{identifier}
		}
		if len(values) == len(names) {
			for i, name := range names {
				parts[name] = values[i]
			}
		}
	}
	for _, name := range names {
		if parts[name] == "" {
			return "", nil, refuse(Validation, "Identifier %s is not valid for identifier [/properties/%s]", identifier, strings.Join(names, ", /properties/"))
		}
	}
	physical, properties = t.Locate(parts)
	return physical, properties, nil
}

// request is one to the type.
func request(s state.Scope, who stack.Caller, kind, physical string, properties map[string]any) *stack.Request {
	return &stack.Request{Account: s.Account, Region: s.Region, Caller: who, Type: kind, LogicalID: kind, PhysicalID: physical, Properties: properties, Progress: func(string) {}}
}

// read is the model of a resource.
func (c *Control) read(ctx context.Context, t *handled, in *Input) (map[string]any, error) {
	who, err := c.acts(ctx, in)
	if err != nil {
		return nil, err
	}
	physical, properties, err := t.located(in.Identifier)
	if err != nil {
		return nil, err
	}
	model, err := t.model(ctx, request(in.Scope, who, in.Type, physical, properties))
	return model, t.failed(err, in.Identifier, "")
}

// model reads a resource, in the form of its schema.
func (t *handled) model(ctx context.Context, r *stack.Request) (map[string]any, error) {
	properties, attributes, err := t.Read(ctx, r)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for name, value := range r.Properties { // what the identifier told
		all[name] = value
	}
	for name, value := range properties {
		all[name] = value
	}
	for name, value := range attributes {
		parts := strings.Split(name, ".")
		within := all
		for _, part := range parts[:len(parts)-1] {
			below, ok := within[part].(map[string]any)
			if !ok {
				below = map[string]any{}
				within[part] = below
			}
			within = below
		}
		within[parts[len(parts)-1]] = value
	}
	model := t.schema.Shaped(all)
	for _, name := range t.schema.WriteOnly() {
		if !strings.Contains(name, "/") {
			delete(model, name)
		}
	}
	return model, nil
}

// identifier is that of a resource.
func (t *handled) identifier(physical string, model, attributes map[string]any) string {
	parts := t.Identify(physical, model, attributes)
	values := []string{}
	for _, name := range t.schema.Primary() {
		values = append(values, parts[name])
	}
	return strings.Join(values, "|")
}

// Get describes a resource.
func (c *Control) Get(ctx context.Context, in *Input) (*Description, error) {
	t, err := c.kind(in.Type, "read")
	if err != nil {
		return nil, err
	}
	model, err := c.read(ctx, t, in)
	if err != nil {
		return nil, err
	}
	return &Description{in.Identifier, state.JSON(model)}, nil
}

// List are a page of the resources of a type: their identifiers.
func (c *Control) List(ctx context.Context, in *Input) (page []Description, next string, err error) {
	t, err := c.kind(in.Type, "list")
	if err != nil {
		return nil, "", err
	}
	model := map[string]any{}
	if in.Model != "" {
		if model, err = object(in.Model); err != nil {
			return nil, "", refuse(InvalidRequest, "The resource model is no JSON object: %v", err)
		}
	}
	missing := []string{}
	for _, name := range t.schema.Handlers["list"].HandlerSchema.Required {
		if text, ok := model[name].(string); !ok || text == "" {
			missing = append(missing, fmt.Sprintf("#: required key [%s] not found", name))
		}
	}
	if len(missing) > 0 {
		// As it is reported, without the blank: https://github.com/awslabs/mcp/issues/403
		return nil, "", refuse(InvalidRequest, "Missing or invalid ResourceModel property in %s list handler request input.Required property:  (%s)", in.Type, strings.Join(missing, ", "))
	}
	who, err := c.acts(ctx, in)
	if err != nil {
		return nil, "", err
	}
	found, err := t.List(ctx, request(in.Scope, who, in.Type, "", model))
	if err != nil {
		return nil, "", t.failed(err, "", "")
	}
	all := []Description{}
	for _, parts := range found {
		values, shown := []string{}, map[string]any{}
		for _, name := range t.schema.Primary() {
			values = append(values, parts[name])
			shown[name] = parts[name]
		}
		all = append(all, Description{strings.Join(values, "|"), state.JSON(shown)})
	}
	page, next = paged(all, in, func(d Description) string { return d.Identifier })
	return page, next, nil
}

// handlerErrors are the exceptions of errors of handlers.
var handlerErrors = map[string]Code{
	"AlreadyExists": AlreadyExists, "NotFound": NotFound, "AccessDenied": AccessDenied, "Throttling": Throttling, "ServiceLimitExceeded": LimitExceeded,
	"ResourceConflict": ResourceConflict, "ServiceInternalError": ServiceInternal, "InvalidRequest": InvalidRequest, "NotUpdatable": NotUpdatable,
}

// why are the code and the words of a handler's error; ok is false for trouble of
// our own.
func (t *handled) why(err error, identifier string) (code, message string, ok bool) {
	if errors.Is(err, stack.ErrAbsent) {
		return "NotFound", fmt.Sprintf("Resource of type '%s' with identifier '%s' was not found.", t.schema.TypeName, identifier), true
	}
	var handler interface{ Handler() (code, message string) }
	if errors.As(err, &handler) {
		code, message = handler.Handler()
		return code, message, true
	}
	return "InternalFailure", "Internal error occurred.", false
}

// failed is the error of an operation that is answered at once.
func (t *handled) failed(err error, identifier, token string) error {
	if err == nil {
		return nil
	}
	code, message, ok := t.why(err, identifier)
	if !ok {
		return err
	}
	exception := handlerErrors[code]
	if exception == "" {
		exception = GeneralService
	}
	// As it is reported: https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-cloudformation/issues/113
	return refuse(exception, "%s Handler returned status FAILED: %s (HandlerErrorCode: %s, RequestToken: %s)", t.schema.TypeName, message, code, newToken(token))
}

// within is the value at a path of members, or nil.
func within(v any, path []string) any {
	for _, part := range path {
		members, _ := v.(map[string]any)
		v = members[part]
	}
	return v
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
