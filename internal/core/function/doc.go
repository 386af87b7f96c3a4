// Package function is the registry of everything that Lambda keeps: functions
// with their versions and aliases, layers, resource policies, tags, reservations,
// and the trees of files that versions run.
//
// It promises that a change is all or nothing and durable when it returns; that
// changes of one function happen one after the other; that Resolve answers from
// memory and never with what an earlier, acknowledged change has replaced; that a
// version's trees are complete before it becomes Active. Errors are the types of
// errors.go with AWS's own words, or a fault of this machine.
//
// Run owns all goroutines: workers that prepare what is pending, and a collector.
// Locks: those of queue and tree.Store, each for a few map operations. Versions
// and what Resolve gives are immutable and shared.
//
// Start reading at Registry in registry.go, then function.go; DESIGN.md has the
// rows and states.
package function
