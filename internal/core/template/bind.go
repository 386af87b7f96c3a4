package template

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// Input is what a caller gives for one parameter.
type Input struct {
	Value            string
	UsePreviousValue bool
	Unknown          bool // what a change set would make gives it; Value is what is shown
}

// Argument is the value of one parameter.
type Argument struct {
	Given    string // as it was given, or the default; what a stack keeps as previous value
	Resolved string // what Parameter Store holds, for parameters that name one there; else empty
	Value    any    // what Ref gives: a string, or a []any of strings
	NoEcho   bool
	Unknown  bool // Value is Unknown, and Given what is shown
}

// Arguments are the values of a template's parameters.
type Arguments map[string]Argument

// masked is what is shown of a NoEcho parameter
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html).
const masked = "****"

// Shown is the value as descriptions of stacks show it.
func (a Argument) Shown() string {
	if a.NoEcho {
		return masked
	}
	return a.Given
}

// Stored is a parameter of Parameter Store.
type Stored struct{ Type, Value string }

// ErrNotStored is the answer of a Store that has no such parameter.
var ErrNotStored = errors.New("no such parameter")

// Store looks a parameter up in Parameter Store: name, or name:version.
type Store func(ctx context.Context, name string) (Stored, error)

// Bind gives every parameter its value: the given one, the previous one if that is
// asked for, or the default; and checks it. previous are the Given values of the
// stack's last update (nil for a new stack).
func (p Parameters) Bind(ctx context.Context, given map[string]Input, previous map[string]string, store Store) (Arguments, error) {
	if err := p.checkInputs(given, previous); err != nil {
		return nil, err
	}
	arguments := Arguments{}
	var missing []string
	for _, name := range sorted(p) {
		text, ok := p[name].choose(given, previous)
		if !ok {
			missing = append(missing, name)
			continue
		}
		arguments[name] = Argument{Given: text, NoEcho: p[name].NoEcho, Unknown: given[name].Unknown}
	}
	if len(missing) > 0 {
		return nil, refuse("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	if err := p.lookUp(ctx, arguments, store); err != nil {
		return nil, err
	}
	for _, name := range sorted(p) {
		a := arguments[name]
		if a.Unknown {
			a.Value = Unknown
			arguments[name] = a
			continue
		}
		value, err := p[name].value(a)
		if err != nil {
			return nil, err
		}
		a.Value = value
		arguments[name] = a
	}
	return arguments, nil
}

func (p Parameters) checkInputs(given map[string]Input, previous map[string]string) error {
	var unknown []string
	for _, name := range sorted(given) {
		input := given[name]
		switch _, kept := previous[name]; {
		case input.UsePreviousValue && input.Value != "":
			return refuse("Invalid input for parameter key %s. Cannot specify usePreviousValue as true and non empty value for a parameter", name)
		case input.UsePreviousValue && !kept:
			return refuse("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", name)
		case p[name] == nil && !input.UsePreviousValue:
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return refuse("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	return nil
}

func (p *Parameter) choose(given map[string]Input, previous map[string]string) (string, bool) {
	switch input, ok := given[p.Name]; {
	case ok && input.UsePreviousValue:
		return previous[p.Name], true
	case ok:
		return input.Value, true
	case p.Default != nil:
		return *p.Default, true
	}
	return "", false
}

// lookUp fills Resolved of the parameters that name one of Parameter Store.
func (p Parameters) lookUp(ctx context.Context, arguments Arguments, store Store) error {
	var absent, secret []string
	for _, name := range sorted(p) {
		a := arguments[name]
		if a.Unknown {
			continue
		}
		if p[name].kind.of == parameterName {
			// The value stays the name; but the parameter must be there.
			if _, err := store(ctx, a.Given); errors.Is(err, ErrNotStored) {
				return doesNotExist(a.Given, name)
			} else if err != nil {
				return err
			}
		}
		if !p[name].kind.stored {
			continue
		}
		if a.Given == "" {
			// Recorded: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
			// names a parameter always.
			return refuse("Parameter %s should either have input value or default value", name)
		}
		stored, err := store(ctx, a.Given)
		switch {
		case errors.Is(err, ErrNotStored):
			absent = append(absent, a.Given)
		case err != nil:
			return err
		case stored.Type == "SecureString":
			secret = append(secret, a.Given)
		}
		a.Resolved = stored.Value
		arguments[name] = a
	}
	switch {
	case len(absent) > 0:
		return refuse("Unable to fetch parameters [%s] from parameter store for this account.", strings.Join(absent, ","))
	case len(secret) > 0:
		return refuse("Parameters [%s] referenced by template have types not supported by CloudFormation.", strings.Join(secret, ","))
	}
	return nil
}

// value checks a text and makes of it what Ref gives.
func (p *Parameter) value(a Argument) (any, error) {
	text := a.Given
	if p.kind.stored {
		// The constraints are about the name; the type about the value.
		if err := p.checkOne(text, "String"); err != nil {
			return nil, err
		}
		text = a.Resolved
	}
	if len(text) > MaxParameterBytes {
		return nil, refuse("Parameter %s exceeds the maximum parameter value length of %d bytes.", p.Name, MaxParameterBytes)
	}
	items := []string{text}
	if p.kind.list {
		items = strings.Split(text, ",")
	}
	list := make([]any, 0, len(items))
	for _, item := range items {
		if p.kind.list {
			item = strings.TrimSpace(item)
		}
		if err := p.checkValue(item); err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	if p.kind.list {
		return list, nil
	}
	return list[0], nil
}

func (p *Parameter) checkValue(item string) error {
	if !p.kind.stored {
		return p.checkOne(item, p.kind.of)
	}
	return p.checkForm(item, p.kind.of)
}

// checkOne checks one value against the constraints and its type.
func (p *Parameter) checkOne(item, of string) error {
	problem := ""
	switch length := utf8.RuneCountInString(item); {
	case len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, item):
		problem = "must be one of AllowedValues"
	case p.pattern != nil && !p.pattern.matches(item):
		problem = "must match pattern " + p.AllowedPattern
	case p.MinLength != nil && length < *p.MinLength:
		return p.violated("must contain at least %d characters", *p.MinLength)
	case p.MaxLength != nil && length > *p.MaxLength:
		return p.violated("must contain at most %d characters", *p.MaxLength)
	case of == "Number" && !isNumber(item):
		// Recorded by localstack's test_invalid_parameter_type.
		problem = "must be a number."
	case of == "Number" && p.MinValue != "" && compareNumbers(item, string(p.MinValue)) < 0:
		problem = "must be a number not less than " + string(p.MinValue)
	case of == "Number" && p.MaxValue != "" && compareNumbers(item, string(p.MaxValue)) > 0:
		problem = "must be a number not greater than " + string(p.MaxValue)
	}
	if problem != "" {
		return p.violated("%s", problem)
	}
	return p.checkForm(item, of)
}

// violated is a constraint's own description, if it has one.
func (p *Parameter) violated(format string, args ...any) error {
	if p.ConstraintDescription != "" {
		return refuse("Parameter %s failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
	}
	return refuse("Parameter '"+p.Name+"' "+format, args...)
}

func (p *Parameter) checkForm(item, of string) error {
	if form := specific[of]; form != nil && !form.MatchString(item) {
		return doesNotExist(item, p.Name)
	}
	return nil
}

func doesNotExist(value, name string) error {
	return refuse("Parameter validation failed: parameter value %s for parameter name %s does not exist", value, name)
}
