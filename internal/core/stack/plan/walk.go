package plan

import (
	"maps"
	"slices"
)

// Walk visits nodes, each after all that it needs have been visited with success,
// and as many at once as limit says, until nothing is left that can be visited. It
// begins no more when more tells so, and returns after the last has ended. Needs
// that are no nodes are passed over.
func Walk(needs map[string][]string, limit int, more func() bool, visit func(name string) (ok bool)) {
	type end struct {
		name string
		ok   bool
	}
	waits, followers := map[string]int{}, map[string][]string{}
	var ready []string
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		for _, need := range slices.Compact(slices.Sorted(slices.Values(needs[name]))) {
			if _, there := needs[need]; there && need != name {
				waits[name]++
				followers[need] = append(followers[need], name)
			}
		}
		if waits[name] == 0 {
			ready = append(ready, name)
		}
	}
	ends := make(chan end)
	for running := 0; ; {
		for ; len(ready) > 0 && running < limit && more(); running++ {
			name := ready[0]
			ready = ready[1:]
			go func() { ends <- end{name, visit(name)} }() // ends with the visit
		}
		if running == 0 {
			return
		}
		e := <-ends
		running--
		if !e.ok {
			continue
		}
		for _, follower := range followers[e.name] {
			if waits[follower]--; waits[follower] == 0 {
				ready = append(ready, follower)
			}
		}
	}
}

// Reverse turns a graph around: what needed a node is now needed by it.
func Reverse(needs map[string][]string) map[string][]string {
	turned := make(map[string][]string, len(needs))
	for name := range needs {
		turned[name] = nil
	}
	for name, list := range needs {
		for _, need := range list {
			if _, there := needs[need]; there {
				turned[need] = append(turned[need], name)
			}
		}
	}
	return turned
}
