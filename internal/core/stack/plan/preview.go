package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// Preview is the world of a stack that nothing is done to: what it has is known,
// and what a change would make is not.
type Preview struct {
	records *state.Records
	scope   state.Scope
	rows    map[string]*state.Resource
	unknown map[string]bool // what will be made or made anew
	moving  map[string]bool // what will be changed: its attributes may be others
	Imports map[string]bool
}

// NewPreview has the resources of a stack, or none of a new one.
func NewPreview(records *state.Records, s state.Scope, rows map[string]*state.Resource) *Preview {
	return &Preview{records: records, scope: s, rows: rows, unknown: map[string]bool{}, moving: map[string]bool{}, Imports: map[string]bool{}}
}

// Value is what Ref, or Fn::GetAtt, gives as far as it is known.
func (v *Preview) Value(_ context.Context, name, attribute string) (any, error) {
	row := v.rows[name]
	switch {
	case row == nil || !row.Live() || v.unknown[name] || attribute != "" && v.moving[name]:
		return template.Unknown, nil
	case attribute == "":
		return row.GetRef(), nil
	}
	if value, there := state.AttributeOf(row.Attributes, attribute); there {
		return value, nil
	}
	return template.Unknown, nil
}

// Export is what Fn::ImportValue gives.
func (v *Preview) Export(ctx context.Context, name string) (any, error) {
	value, err := v.records.ReadExport(ctx, v.scope, name)
	if err == nil {
		v.Imports[name] = true
	}
	return value, err
}

// Capabilities that a user acknowledges.
const (
	CapabilityIAM      = "CAPABILITY_IAM"
	CapabilityNamedIAM = "CAPABILITY_NAMED_IAM"
	AutoExpand         = "CAPABILITY_AUTO_EXPAND"
)

// Acknowledged refuses what the user has not acknowledged.
// Text: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-template.html, as recorded.
func (p *Program) Acknowledged(capabilities []string) error {
	needed, _ := p.Capabilities()
	switch {
	case needed == "", slices.Contains(capabilities, CapabilityNamedIAM), needed == CapabilityIAM && slices.Contains(capabilities, CapabilityIAM):
		return nil
	}
	return stack.Refuse(stack.InsufficientCaps, "Requires capabilities : [%s]", needed)
}

// Capabilities are what the template needs, with the types that need it.
func (p *Program) Capabilities() (needed string, types []string) {
	for _, name := range p.Resources() {
		r, facts := p.Template.Resources[name], p.types[name].Facts()
		if facts.Capability == "" {
			continue
		}
		types = append(types, r.Type)
		if _, named := r.Properties[facts.NameProperty]; named && facts.NameProperty != "" {
			needed = CapabilityNamedIAM
		} else if needed == "" {
			needed = CapabilityIAM
		}
	}
	slices.Sort(types)
	return needed, slices.Compact(types)
}

// Allowed compares the types with ResourceTypes, which may end in "*".
func (p *Program) Allowed(patterns []string) error {
	if len(patterns) == 0 {
		return nil
	}
	for _, name := range p.Resources() {
		typeName := p.Template.Resources[name].Type
		if !slices.ContainsFunc(patterns, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return open && strings.HasPrefix(typeName, prefix) || pattern == typeName
		}) {
			return stack.Invalid("Resource type %s is not allowed by parameter ResourceTypes [%s]", typeName, strings.Join(patterns, ", "))
		}
	}
	return nil
}
