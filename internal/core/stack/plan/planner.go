// Package plan finds what a template makes of a stack: it compiles templates,
// checks them against the types of resources, and compares what they want with what
// is there.
//
// It promises that the comparison that a change set shows is the one by which the
// engine decides, and that nothing here changes anything.
//
// No goroutines but those of a Walk, which end with it; no locks. Start reading at
// Planner.Compile and Planner.Difference.
package plan

import (
	"crypto/rand"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// TypeOf is the type of that name; nil if there is none.
func (e *Planner) TypeOf(name string) stack.Type {
	if strings.HasPrefix(name, CustomPrefix) {
		name = CustomType
	}
	return e.Types.Type(name)
}

// Custom resources may have names of their own.
const (
	CustomPrefix = "Custom::"
	CustomType   = "AWS::CloudFormation::CustomResource"
)

// randomLength is how much of a made name is random.
const randomLength = 12

func MakeName(t stack.Type, stackName, logical string) string {
	rule := stack.NameRule{}
	if t != nil {
		rule = t.Facts().Name
	}
	if rule.MaxLength == 0 {
		rule.MaxLength = stack.DefaultNameLength
	}
	if rule.Characters == "" {
		rule.Characters = "-"
	}
	random := rand.Text()[:randomLength]
	room := rule.MaxLength - len(rule.Suffix) - randomLength - 2*len(rule.Characters)
	if len(stackName)+len(logical) > room {
		// CloudFormation cuts both; half of the room is for each, and what one does not
		// need is for the other.
		half := room / 2
		if len(stackName) > half {
			stackName = stackName[:max(half, room-len(logical))]
		}
		if len(logical) > room-len(stackName) {
			logical = logical[:room-len(stackName)]
		}
	}
	name := strings.Join([]string{stackName, logical, random}, rule.Characters)
	if rule.LowerCase {
		name = strings.ToLower(name)
	}
	return name + rule.Suffix
}

// Planner knows the types and reads what the engine keeps.
type Planner struct {
	Types   stack.Types
	Records *state.Records
}
