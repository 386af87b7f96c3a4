package template

import (
	"slices"
	"strings"
)

// staticGraph are the dependencies that hold whatever the conditions say: what a
// branch of Fn::If refers to may never count.
func (t *Template) staticGraph() map[string][]string {
	graph := make(map[string][]string, len(t.Resources))
	for name, r := range t.Resources {
		w := &walker{template: t}
		w.walk(r.resolvable(), 0)
		graph[name] = t.edges(r, w.found)
	}
	return graph
}

// edges are the resources that a resource needs, sorted.
func (t *Template) edges(r *Resource, found []Reference) []string {
	needs := slices.Clone(r.DependsOn)
	for _, reference := range found {
		if reference.Source != ParameterReference && t.Resources[reference.Name] != nil {
			needs = append(needs, reference.Name)
		}
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// cycle refuses a graph with cycles and names all that are on one.
func cycle(graph map[string][]string) error {
	if on := onCycles(graph); len(on) > 0 {
		return refuse("Circular dependency between resources: [%s]", strings.Join(on, ", "))
	}
	return nil
}

// onCycles are the nodes on cycles: those that remain when nodes without a way
// in, and then nodes without a way out, are taken away again and again.
func onCycles(graph map[string][]string) []string {
	left := map[string]bool{}
	for name := range graph {
		left[name] = true
	}
	reverse := map[string][]string{}
	for name, needs := range graph {
		for _, other := range needs {
			reverse[other] = append(reverse[other], name)
		}
	}
	prune(left, graph, reverse)
	prune(left, reverse, graph)
	return sorted(left)
}

// prune takes away what has no edge to anything that is left.
func prune(left map[string]bool, out, in map[string][]string) {
	degree := map[string]int{}
	var free []string
	for name := range left {
		for _, other := range out[name] {
			if left[other] {
				degree[name]++
			}
		}
		if degree[name] == 0 {
			free = append(free, name)
		}
	}
	for len(free) > 0 {
		name := free[len(free)-1]
		free = free[:len(free)-1]
		delete(left, name)
		for _, other := range in[name] {
			if left[other] {
				if degree[other]--; degree[other] == 0 {
					free = append(free, other)
				}
			}
		}
	}
}

// checkConditionGraph refuses conditions that need each other in a circle.
func (t *Template) checkConditionGraph() error {
	graph := make(map[string][]string, len(t.Conditions))
	for name, value := range t.Conditions {
		var needs []string
		conditionNames(value, 0, func(other string) { needs = append(needs, other) })
		graph[name] = needs
	}
	if on := onCycles(graph); len(on) > 0 {
		return refuse("Template error: Found circular condition dependency between: [%s]", strings.Join(on, ", "))
	}
	return nil
}

// conditionNames shows the conditions that a condition names.
func conditionNames(value any, depth int, show func(name string)) {
	if depth > maxDepth {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sorted(value) {
			if name, ok := value[key].(string); ok && key == "Condition" {
				show(name)
			}
			conditionNames(value[key], depth+1, show)
		}
	case []any:
		for _, item := range value {
			conditionNames(item, depth+1, show)
		}
	}
}
