// Package lint keeps the house rules that a compiler does not: the layers, the
// budgets, the package comments, who may start goroutines, who may be unsafe,
// who may read the environment, and which modules the product is made of.
//
// It promises that each rule can fail: every rule has a small tree below
// testdata that breaks it, and TestEveryRuleHasACase says so. It reads the
// source with the standard parser and never runs it, so it works on a tree that
// does not compile. The rules themselves are plain tables in rules.go, with
// every exception as a named line and a reason.
//
// No goroutines, no locks. Start reading at rules.go; Check runs all of it.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one broken rule.
type Problem struct {
	Path string // slash-separated, relative to the root of the tree
	Line int    // 0 when the rule is about the whole file or package
	Rule string // name of the rule, as in the table of rules.go
	Text string
}

// String is the form that editors understand: path:line: [rule] text.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: [%s] %s", p.Path, p.Line, p.Rule, p.Text)
}

// Check applies every rule to the tree and returns what is broken, in order of
// path and line. Exceptions that no longer excuse anything are problems too.
func Check(tree *Tree, policy *Policy) []Problem {
	var found []Problem
	for _, rule := range rules {
		for _, p := range rule.check(tree, policy) {
			p.Rule = rule.name
			found = append(found, p)
		}
	}
	found = policy.excuse(found)
	slices.SortFunc(found, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), strings.Compare(a.Rule, b.Rule))
	})
	return found
}

// excuse drops the problems that an exception names and adds one for every
// exception that named nothing, so the list can only shrink.
func (p *Policy) excuse(found []Problem) []Problem {
	used := make([]bool, len(p.Exceptions))
	found = slices.DeleteFunc(found, func(problem Problem) bool {
		for i, e := range p.Exceptions {
			if e.Rule == problem.Rule && e.covers(problem) {
				used[i] = true
				return true
			}
		}
		return false
	})
	for i, e := range p.Exceptions {
		if !used[i] {
			found = append(found, Problem{Path: e.Path, Rule: e.Rule, Text: "the exception in rules.go excuses nothing any more: remove it"})
		}
	}
	return found
}

// covers tells whether the exception names this problem: the same path, and
// where the exception names a function or word, a text that holds it in quotes.
func (e Exception) covers(p Problem) bool {
	return e.Path == p.Path && (e.Name == "" || strings.Contains(p.Text, fmt.Sprintf("%q", e.Name)))
}
