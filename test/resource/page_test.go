package resource

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
)

var update = flag.Bool("update", false, "write docs/cloudformation-types.md anew")

func TestThePageIsThatOfTheCode(t *testing.T) {
	const path = "../../docs/cloudformation-types.md"
	want := page(newPlatform(t).types)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: go test ./test/resource -update", path)
	}
}

// preamble is the head of the page.
const preamble = `# Resource types of CloudFormation

Written from the code (` + "`go test ./test/resource -update`" + `): what a template may declare, and what becomes of each property. **Supported** properties act as on AWS;
*inert* ones are checked, kept and shown, but change nothing here; a template that sets a *refused* one fails when the change set is made, and says why. A type that is not in
this list fails in the same way. Required properties are marked with an asterisk; those whose change makes a new resource with ` + "`r`" + `.

The CDK writes some handlers of custom resources in Node.js, which this platform does not run. Those of ` + "`Custom::S3AutoDeleteObjects`, `Custom::LogRetention` and `Custom::AWS`" + ` (AwsCustomResource), known by
the logical ids that the CDK gives to their functions, and the onEvent handler of its provider framework get a program in Python that does the same; a provider with isComplete needs Step Functions and
is refused with the runtime of its function. Handlers in Python, as those of ` + "`Custom::S3BucketNotifications` and `Custom::CDKBucketDeployment`" + `, run as they are, the latter whatever the processor.

Types of the service AWS::CloudFormation and custom resources belong to the engine itself.
`

// page is docs/cloudformation-types.md.
func page(types map[string]stack.Type) string {
	var out strings.Builder
	out.WriteString(preamble)
	out.WriteString("\n## Not here\n\nThese types are known, and a template that has one fails with the reason.\n\n| type | because |\n|---|---|\n")
	have := []*stack.Facts{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if f := types[name].Facts(); f.NotYet != "" {
			fmt.Fprintf(&out, "| %s | %s |\n", name, f.NotYet)
		} else {
			have = append(have, f)
		}
	}
	fmt.Fprintf(&out, "\n## %d types\n", len(have))
	for _, f := range have {
		section(&out, f)
	}
	return out.String()
}

func section(out *strings.Builder, f *stack.Facts) {
	fmt.Fprintf(out, "\n### %s\n\n", f.Type)
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
		fmt.Fprintf(out, "- Supported: %s\n", strings.Join(supported, ", "))
	}
	for _, line := range others {
		out.WriteString(line + "\n")
	}
	if len(f.Attributes) > 0 {
		fmt.Fprintf(out, "- GetAtt: %s\n", strings.Join(slices.Sorted(slices.Values(f.Attributes)), ", "))
	}
	if !f.Updatable {
		out.WriteString("- Every change makes a new one.\n")
	}
}
