package lint

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// rules is every rule with its name.
var rules = []struct {
	name  string
	check func(*Tree, *Policy) []Problem
}{
	{"parse", checkParse},
	{"layer", checkLayers},
	{"service", checkServices},
	{"owner", checkOwners},
	{"package-comment", checkPackageComments},
	{"function-lines", checkFunctionLines},
	{"function-paths", checkFunctionPaths},
	{"file-lines", checkFileLines},
	{"package-lines", checkPackageLines},
	{"init", checkInit},
	{"expression", checkExpressions},
	{"goroutine", checkGoroutines},
	{"unsafe", checkUnsafe},
	{"environment", checkEnvironment},
	{"kernel", checkKernel},
	{"clock", checkClock},
	{"sleep", checkSleep},
	{"error-words", checkErrorWords},
	{"dependency", checkDependencies},
	{"machine-path", checkMachinePaths},
}

func checkParse(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.Files {
		if f.ParseErr != nil {
			found = append(found, Problem{Path: f.Path, Text: f.ParseErr.Error()})
		}
	}
	return found
}

// layerOf is the index of the layer that a folder belongs to, or -1.
func (p *Policy) layerOf(dir string) int {
	return slices.IndexFunc(p.Layers, func(l Layer) bool { return withinAny(dir, l.Prefixes) })
}

// eachImport calls visit for every import of a file that is not a test.
func eachImport(t *Tree, visit func(f *File, line int, imported string)) {
	for _, f := range t.goFiles() {
		if f.Test {
			continue
		}
		for _, spec := range f.AST.Imports {
			if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
				visit(f, t.line(spec.Pos()), imported)
			}
		}
	}
}

func checkLayers(t *Tree, p *Policy) (found []Problem) {
	for _, dir := range t.dirs() {
		if p.layerOf(dir) < 0 {
			found = append(found, Problem{Path: dir, Text: "the folder belongs to no layer: add it to Layers in internal/lint/rules.go or move it"})
		}
	}
	eachImport(t, func(f *File, line int, imported string) {
		dir, ours := t.local(imported)
		from := p.layerOf(f.Dir())
		switch to := p.layerOf(dir); {
		case !ours && from == 0 && strings.Contains(strings.Split(imported, "/")[0], "."):
			found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("base imports %q: base uses the standard library only", imported)})
		case !ours || from < 0 || to < 0:
		case to > from:
			found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("layer %s imports %q of layer %s: imports point downward only", p.Layers[from].Name, imported, p.Layers[to].Name)})
		default:
			for _, only := range onlyImports {
				if within(f.Dir(), only.folder) && !within(dir, only.folder) && !withinAny(dir, only.allowed) {
					found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("%s imports %q: %s", only.folder, imported, only.reason)})
				}
			}
		}
	})
	return found
}

// checkServices keeps svc/a from importing svc/b: they meet in core interfaces
// that server fills.
func checkServices(t *Tree, _ *Policy) (found []Problem) {
	const services = "internal/svc"
	name := func(dir string) string {
		rest, ok := strings.CutPrefix(dir, services+"/")
		if !ok {
			return ""
		}
		return strings.Split(rest, "/")[0]
	}
	eachImport(t, func(f *File, line int, imported string) {
		dir, ours := t.local(imported)
		if from, to := name(f.Dir()), name(dir); ours && from != "" && to != "" && from != to {
			found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("service %s imports service %q: they meet in delivery.Target, poller.Source or stack.Resource", from, to)})
		}
	})
	return found
}

func checkOwners(t *Tree, _ *Policy) (found []Problem) {
	eachImport(t, func(f *File, line int, imported string) {
		for _, o := range owners {
			if within(imported, o.imported) && !withinAny(f.Dir(), o.folders) && !strings.HasPrefix(imported, "net/http/pprof") {
				found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("%s imports %q: %s", path.Dir(f.Path), imported, o.reason)})
			}
		}
	})
	return found
}
