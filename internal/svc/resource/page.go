package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
)

// preamble is the head of the page.
const preamble = `# Resource types of CloudFormation

Written from the code (` + "`go test ./test/resource -update`" + `): what a template may declare, and what becomes of each property. **Supported** properties act as on AWS;
*inert* ones are checked, kept and shown, but change nothing here; a template that sets a *refused* one fails when the change set is made, and says why. A type that is not in
this list fails in the same way. Required properties are marked with an asterisk; those whose change makes a new resource with ` + "`r`" + `.

Types of the service AWS::CloudFormation and custom resources belong to the engine itself.
`

// Page is docs/cloudformation-types.md.
func Page(types map[string]stack.Type) string {
	var page strings.Builder
	page.WriteString(preamble)
	page.WriteString("\n## Not here\n\nThese types are known, and a template that has one fails with the reason.\n\n| type | because |\n|---|---|\n")
	have := []*stack.Facts{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if f := types[name].Facts(); f.NotYet != "" {
			fmt.Fprintf(&page, "| %s | %s |\n", name, f.NotYet)
		} else {
			have = append(have, f)
		}
	}
	fmt.Fprintf(&page, "\n## %d types\n", len(have))
	for _, f := range have {
		section(&page, f)
	}
	return page.String()
}

func section(page *strings.Builder, f *stack.Facts) {
	fmt.Fprintf(page, "\n### %s\n\n", f.Type)
	supported, others := []string{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(f.Properties)) {
		p := f.Properties[name]
		shown := name
		if p.Required {
			shown += "*"
		}
		if p.CreateOnly {
			shown += " `r`"
		}
		switch {
		case p.Refused != "":
			others = append(others, fmt.Sprintf("- %s: refused, %s", name, p.Refused))
		case p.Inert != "":
			others = append(others, fmt.Sprintf("- %s: inert, %s", shown, p.Inert))
		default:
			supported = append(supported, shown)
		}
	}
	if len(supported) > 0 {
		fmt.Fprintf(page, "- Supported: %s\n", strings.Join(supported, ", "))
	}
	for _, line := range others {
		page.WriteString(line + "\n")
	}
	if len(f.Attributes) > 0 {
		fmt.Fprintf(page, "- GetAtt: %s\n", strings.Join(slices.Sorted(slices.Values(f.Attributes)), ", "))
	}
	if !f.Updatable {
		page.WriteString("- Every change makes a new one.\n")
	}
}
