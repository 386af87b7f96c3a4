package template

import (
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// Parameters is the Parameters section.
type Parameters map[string]*Parameter

// Parameter is one declared parameter.
type Parameter struct {
	Name                  string
	Type                  string
	Description           string
	Default               *string // nil = none
	NoEcho                bool
	AllowedValues         []string
	AllowedPattern        string
	ConstraintDescription string
	MinLength, MaxLength  *int
	MinValue, MaxValue    json.Number // empty = none

	kind    kind
	pattern *expression
}

// kind is what a parameter's type means.
type kind struct {
	list   bool   // Ref gives a list
	stored bool   // the value names a parameter of Parameter Store
	of     string // String, Number or an AWS-specific type: the type of each value
}

// Sorted are the parameters by name.
func (p Parameters) Sorted() []*Parameter {
	list := make([]*Parameter, 0, len(p))
	for _, name := range sorted(p) {
		list = append(list, p[name])
	}
	return list
}

// ReadParameters reads the Parameters section alone: macros run before the rest
// of a template is checked, and get the parameters' values.
func ReadParameters(values map[string]any) (Parameters, error) {
	found, err := members(values, "Parameters")
	if err != nil {
		return nil, err
	}
	if err := tooMany("parameters", len(found), MaxParameters); err != nil {
		return nil, err
	}
	parameters := Parameters{}
	for _, name := range sorted(found) {
		if err := checkLogicalName("Parameter", name); err != nil {
			return nil, err
		}
		if parameters[name], err = readParameter(name, found[name]); err != nil {
			return nil, err
		}
	}
	return parameters, nil
}

func readParameter(name string, member map[string]any) (*Parameter, error) {
	p := &Parameter{Name: name}
	if member["Type"] == nil {
		return nil, refuse("Template format error: Every Parameters object must contain a Type member.")
	}
	for _, key := range sorted(member) {
		if err := p.read(key, member[key]); err != nil {
			return nil, err
		}
	}
	var ok bool
	if p.kind, ok = kindOf(p.Type); !ok {
		return nil, refuse("Template format error: Unrecognized parameter type: %s", p.Type)
	}
	return p, p.checkDeclaration()
}

func (p *Parameter) read(key string, value any) (err error) {
	text := func(into *string) {
		var ok bool
		if *into, ok = Text(value); !ok {
			err = refuse("Template format error: Every %s member must be a string.", key)
		}
	}
	number := func(into *json.Number) {
		t, ok := Text(value)
		if *into = json.Number(t); !ok || !isNumber(t) {
			err = refuse("Template format error: Parameter '%s' %s must be a number.", p.Name, key)
		}
	}
	length := func(into **int) {
		var n json.Number
		if number(&n); err == nil {
			whole, problem := n.Int64()
			if size := int(whole); problem == nil && size >= 0 {
				*into = &size
			} else {
				err = refuse("Template format error: Parameter '%s' %s must be a whole number.", p.Name, key)
			}
		}
	}
	switch key {
	case "Type":
		text(&p.Type)
	case "Description":
		text(&p.Description)
	case "Default":
		p.Default = new(string)
		text(p.Default)
	case "NoEcho":
		p.NoEcho, err = boolean(value, "/Parameters/"+p.Name+"/NoEcho")
	case "AllowedValues":
		err = p.readAllowedValues(value)
	case "AllowedPattern":
		text(&p.AllowedPattern)
	case "ConstraintDescription":
		text(&p.ConstraintDescription)
	case "MinLength":
		length(&p.MinLength)
	case "MaxLength":
		length(&p.MaxLength)
	case "MinValue":
		number(&p.MinValue)
	case "MaxValue":
		number(&p.MaxValue)
	default:
		err = refuse("Invalid template parameter property '%s'", key)
	}
	return err
}

func (p *Parameter) readAllowedValues(value any) error {
	list, ok := value.([]any)
	if !ok {
		return refuse("Template format error: Every AllowedValues member must be a list.")
	}
	for _, item := range list {
		text, ok := Text(item)
		if !ok {
			return refuse("Template format error: Every AllowedValues value must be a string.")
		}
		p.AllowedValues = append(p.AllowedValues, text)
	}
	return nil
}

// checkDeclaration checks what depends on several members.
func (p *Parameter) checkDeclaration() error {
	if p.MinLength != nil && p.MaxLength != nil && *p.MinLength > *p.MaxLength {
		return refuse("Template error: Parameter '%s' MinLength must be less than MaxLength.", p.Name)
	}
	if p.MinValue != "" && p.MaxValue != "" && compareNumbers(string(p.MinValue), string(p.MaxValue)) > 0 {
		return refuse("Template error: Parameter '%s' MinValue must be less than MaxValue.", p.Name)
	}
	if p.AllowedPattern != "" {
		var err error
		if p.pattern, err = compile(p.AllowedPattern); err != nil {
			return refuse("Template error: Parameter '%s' AllowedPattern must be a valid regular expression: %s", p.Name, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	return nil
}

// specific are the AWS-specific types with the form of their values: what there
// is in an account cannot be asked, as the services are not here.
//
// AWS: the value must exist in the account.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
var specific = map[string]*lazy.Regexp{
	"AWS::EC2::AvailabilityZone::Name":   lazy.MustCompile(`^[a-z]{2}(?:-[a-z]+)+-\d+(?:[a-z]|-[a-z0-9-]+)$`),
	"AWS::EC2::Image::Id":                lazy.MustCompile(`^ami-[0-9a-f]{8,17}$`),
	"AWS::EC2::Instance::Id":             lazy.MustCompile(`^i-[0-9a-f]{8,17}$`),
	"AWS::EC2::KeyPair::KeyName":         lazy.MustCompile(`^.{1,255}$`),
	"AWS::EC2::SecurityGroup::GroupName": lazy.MustCompile(`^.{1,255}$`),
	"AWS::EC2::SecurityGroup::Id":        lazy.MustCompile(`^sg-[0-9a-f]{8,17}$`),
	"AWS::EC2::Subnet::Id":               lazy.MustCompile(`^subnet-[0-9a-f]{8,17}$`),
	"AWS::EC2::Volume::Id":               lazy.MustCompile(`^vol-[0-9a-f]{8,17}$`),
	"AWS::EC2::VPC::Id":                  lazy.MustCompile(`^vpc-[0-9a-f]{8,17}$`),
	"AWS::Route53::HostedZone::Id":       lazy.MustCompile(`^Z[0-9A-Z]{1,31}$`),
}

const storedPrefix = "AWS::SSM::Parameter::Value<"

// parameterName is the type of a parameter that names one of Parameter Store.
const parameterName = "AWS::SSM::Parameter::Name"

func kindOf(typeName string) (kind, bool) {
	if inner, ok := strings.CutPrefix(typeName, storedPrefix); ok && strings.HasSuffix(inner, ">") {
		k, ok := kindOf(strings.TrimSuffix(inner, ">"))
		if typeName == storedPrefix+"List<String>>" {
			k, ok = kind{list: true, of: "String"}, true
		}
		k.stored = true
		return k, ok && !strings.Contains(inner, storedPrefix) && k.of != "Number" && k.of != parameterName
	}
	if typeName == "CommaDelimitedList" {
		return kind{list: true, of: "String"}, true
	}
	k := kind{of: typeName}
	if inner, ok := strings.CutPrefix(typeName, "List<"); ok && strings.HasSuffix(inner, ">") {
		k = kind{list: true, of: strings.TrimSuffix(inner, ">")}
	}
	switch {
	case k.of == "Number", specific[k.of] != nil:
		return k, true
	case k.of == "String":
		// List<String> is no parameter type, but the documentation of SAM and older
		// templates have it, and CloudFormation takes it as a list of texts.
		return k, true
	}
	return k, k.of == parameterName && !k.list
}
