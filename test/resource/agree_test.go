package resource

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// apiRow is "| operation | supported | inert | refused |" of docs/api.md.
var apiRow = regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)

// made by these operations; a property of the same name is what the member is.
var madeBy = map[string]string{
	"AWS::Lambda::Function": "CreateFunction", "AWS::Lambda::EventSourceMapping": "CreateEventSourceMapping", "AWS::Events::Archive": "CreateArchive", "AWS::Events::EventBus": "CreateEventBus",
	"AWS::Scheduler::Schedule": "CreateSchedule", "AWS::SSM::Parameter": "PutParameter", "AWS::ECR::Repository": "CreateRepository",
}

// A property whose member the API refuses is refused when a change set is made,
// and one whose member is inert there is not promised here.
func TestTypesAgreeWithTheDocumentationOfTheAPIs(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	types := newPlatform(t).types
	for name, operation := range madeBy {
		var row []string
		for _, m := range apiRow.FindAllStringSubmatch(string(text), -1) {
			if m[1] == operation {
				row = m
			}
		}
		if row == nil {
			t.Errorf("docs/api.md has no operation %s", operation)
			continue
		}
		inert, refused := strings.Split(strings.ToLower(row[3]), ", "), strings.Split(strings.ToLower(row[4]), ", ")
		for property, p := range types[name].Facts().Properties {
			switch member := strings.ToLower(property); {
			case slices.Contains(refused, member) && p.Refused == "" && p.Inert == "":
				t.Errorf("%s of %s: %s refuses it", property, name, operation)
			case slices.Contains(inert, member) && p.Inert == "":
				t.Errorf("%s of %s is inert in %s", property, name, operation)
			}
		}
	}
}
