package template

import (
	"slices"
	"strings"
)

// Capabilities that an operation on a stack must acknowledge
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-template.html).
const (
	CapabilityIAM        = "CAPABILITY_IAM"
	CapabilityNamedIAM   = "CAPABILITY_NAMED_IAM"
	CapabilityAutoExpand = "CAPABILITY_AUTO_EXPAND"
)

// Summary is what ValidateTemplate and GetTemplateSummary tell of a template.
type Summary struct {
	Version, Description string
	Parameters           Parameters
	Types                []string            // of the resources, sorted
	ByType               map[string][]string // the resources of a type, sorted
	Capabilities         []string
	Reason               string // why these capabilities
	Metadata             any
	Transforms           []string // as they are declared
}

// Summarize looks at a template as it is written; transforms are the names of
// those it uses. One with transforms is not checked further than its parameters
// and sections: what it comes to is known after they ran.
func Summarize(values map[string]any, transforms []string) (*Summary, error) {
	s := &Summary{Transforms: transforms, ByType: map[string][]string{}, Metadata: values["Metadata"]}
	var err error
	if len(transforms) == 0 {
		t, err := Read(values)
		if err != nil {
			return nil, err
		}
		s.Parameters = t.Parameters
	} else if s.Parameters, err = ReadParameters(values); err != nil {
		return nil, err
	}
	s.Version, _ = Text(values["AWSTemplateFormatVersion"])
	s.Description, _ = Text(values["Description"])
	resources, err := members(values, "Resources")
	if err != nil {
		return nil, err
	}
	if len(resources) == 0 {
		return nil, refuse("Template format error: At least one Resources member must be defined.")
	}
	for _, name := range sorted(resources) {
		if kind, ok := resources[name]["Type"].(string); ok {
			s.ByType[kind] = append(s.ByType[kind], name)
		}
	}
	s.Types = sorted(s.ByType)
	s.Capabilities, s.Reason = capabilities(resources, transforms)
	return s, nil
}

// Capabilities are those that a processed template needs; with the reason.
func (t *Template) Capabilities() ([]string, string) {
	resources := map[string]map[string]any{}
	for name, r := range t.Resources {
		resources[name] = map[string]any{"Type": r.Type, "Properties": plain(r.Properties)}
	}
	return capabilities(resources, nil)
}

// nameable are the types that need a capability, with the property that makes it
// the stronger one; empty: none does.
var nameable = map[string]string{
	"AWS::IAM::AccessKey": "", "AWS::IAM::Group": "GroupName", "AWS::IAM::InstanceProfile": "InstanceProfileName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
	"AWS::IAM::Policy": "", "AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName", "AWS::IAM::UserToGroupAddition": "",
}

func capabilities(resources map[string]map[string]any, transforms []string) (needed []string, reason string) {
	kinds, named := []string{}, false
	for _, name := range sorted(resources) {
		kind, _ := resources[name]["Type"].(string)
		property, counts := nameable[kind]
		if !counts {
			continue
		}
		kinds = append(kinds, kind)
		properties, _ := resources[name]["Properties"].(map[string]any)
		named = named || property != "" && properties[property] != nil
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	switch {
	case named:
		needed = append(needed, CapabilityNamedIAM)
	case len(kinds) > 0:
		needed = append(needed, CapabilityIAM)
	}
	// Recorded: localstack, test_describe_template.
	reason = "The following resource(s) require capabilities: [" + strings.Join(kinds, ", ") + "]"
	if len(transforms) > 0 {
		needed = append(needed, CapabilityAutoExpand)
		if len(kinds) == 0 {
			reason = "The following transform(s) require capabilities: [" + strings.Join(transforms, ", ") + "]"
		}
	}
	if len(needed) == 0 {
		reason = ""
	}
	return needed, reason
}
