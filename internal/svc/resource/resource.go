// Package resource is what CloudFormation can make here: one stack.Type for each
// resource type, over local calls of the platform's own APIs, so that the same
// checks hold as for any client. It knows no other part of the platform.
//
// A type is a definition: the operations of its API, and where the names of
// template and API differ. What a property is (required, create-only, read back)
// comes from the published schemas (package schema); what the platform does with
// it is in the definition, and a property that no operation takes is refused when
// a change set is made. docs/cloudformation-types.md is written from the same data.
//
// It promises what stack.Type does: a call that is made again after a crash
// adopts what the earlier one made, and removing what is absent succeeds. What
// exists under a name of the user's own is adopted only if an earlier try was
// made and it is as the template has it.
//
// Types never change after New; no goroutines, no locks. Start reading at New,
// then definition.go (what a type may say) and kind.go (what is done with it).
package resource

import (
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/schema"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// New makes the types, by their names. Types whose service the caller does not
// know are there, but cannot be had (Facts.NotYet).
func New(caller *local.Caller) map[string]stack.Type {
	types := map[string]stack.Type{}
	for _, d := range definitions() {
		types[d.name] = newKind(caller, d)
	}
	for _, name := range schema.Types() {
		if types[name] == nil {
			types[name] = newKind(caller, &definition{name: name, notYet: "this platform does not have it yet"})
		}
	}
	return types
}

// definitions are all types that are provided, and those of which it is said why not.
func definitions() (all []*definition) {
	for _, some := range [][]*definition{
		functions(),
		mappings(),
		identities(),
		queues(),
		restAPIs(),
		httpAPIs(),
		topics(),
		buckets(),
		rules(),
		schedules(),
		configuration(),
		logGroups(),
		absentTypes(),
	} {
		all = append(all, some...)
	}
	for i, d := range all {
		for _, other := range all[:i] {
			if other.name == d.name {
				panic(fmt.Sprintf("resource: %s is defined twice", d.name))
			}
		}
	}
	return all
}
