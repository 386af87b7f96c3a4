package restapi

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var stageVariable = regexp.MustCompile(`\$\{stageVariables\.[A-Za-z0-9_]+\}`)

// Substitute fills ${stageVariables.name} in.
func Substitute(text string, variables map[string]string) string {
	return stageVariable.ReplaceAllStringFunc(text, func(found string) string {
		return variables[strings.TrimSuffix(strings.TrimPrefix(found, "${stageVariables."), "}")]
	})
}

// RolesBy are the roles that integrations act by as the variables of a stage say. Roles
// that are written out are none of them: they were handed over with the integration.
func (d *Definition) RolesBy(variables map[string]string) []string {
	roles := map[string]bool{}
	for _, r := range d.Resources {
		for _, m := range r.ResourceMethods {
			if i := m.MethodIntegration; i != nil && stageVariable.MatchString(i.Credentials) {
				roles[Substitute(i.Credentials, variables)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(roles))
}

// Effective are the variables of the stage's canary: its own over those of the stage.
func (c *CanarySettings) Effective(variables map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, variables)
	maps.Copy(all, c.StageVariableOverrides)
	return all
}
