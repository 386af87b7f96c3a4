package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// requireLine is one module of go.mod, in either form of require.
var requireLine = regexp.MustCompile(`(?m)^(?:require\s+|\t)([a-z0-9][^\s]*\.[^\s]*)\s+v[^\s]+`)

// directModules finds the modules that our own packages import, tests included,
// whatever go.mod says about "indirect".
func (t *Tree) directModules() map[string]Problem {
	var required []string
	for _, m := range requireLine.FindAllSubmatch(t.GoMod, -1) {
		required = append(required, string(m[1]))
	}
	// The longest match wins: modules nest.
	slices.SortFunc(required, func(a, b string) int { return len(b) - len(a) })
	direct := map[string]Problem{}
	for _, f := range t.goFiles() {
		for _, spec := range f.AST.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil || !strings.Contains(strings.Split(imported, "/")[0], ".") || within(imported, t.Module) {
				continue
			}
			module := imported
			if i := slices.IndexFunc(required, func(m string) bool { return within(imported, m) }); i >= 0 {
				module = required[i]
			}
			if _, seen := direct[module]; !seen {
				direct[module] = Problem{Path: f.Path, Line: t.line(spec.Pos())}
			}
		}
	}
	return direct
}

// checkDependencies wants a reason for every direct module and no reason
// without its module.
func checkDependencies(t *Tree, p *Policy) (found []Problem) {
	direct := t.directModules()
	for module, at := range direct {
		if p.Deps[module] == "" {
			at.Text = fmt.Sprintf("module %q has no reason in internal/lint/deps.go", module)
			found = append(found, at)
		}
	}
	for module := range p.Deps {
		if _, used := direct[module]; !used {
			found = append(found, Problem{Path: "internal/lint/deps.go", Text: fmt.Sprintf("module %q is no longer imported: remove its line and run go mod tidy", module)})
		}
	}
	if len(direct) > p.Budgets.DirectModules {
		found = append(found, Problem{Path: "go.mod", Text: fmt.Sprintf("%d direct modules, budget %d", len(direct), p.Budgets.DirectModules)})
	}
	return found
}
