package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func checkInit(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.goFiles() {
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, Problem{Path: f.Path, Line: t.line(fn.Pos()), Text: "no init functions: build it in a constructor that server calls"})
			}
		}
	}
	return found
}

// checkExpressions compiles what package lazy compiles at its first use only.
func checkExpressions(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.goFiles() {
		if f.Test {
			continue
		}
		ast.Inspect(f.AST, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if of, ok := call.Fun.(*ast.SelectorExpr); !ok || of.Sel.Name != "MustCompile" || !isName(of.X, "lazy") {
				return true
			}
			literal, _ := call.Args[0].(*ast.BasicLit)
			if literal == nil {
				found = append(found, Problem{Path: f.Path, Line: t.line(call.Pos()), Text: "an expression that is compiled later must be one literal, so that this test can compile it"})
				return true
			}
			expression, err := strconv.Unquote(literal.Value)
			if err == nil {
				_, err = regexp.Compile(expression)
			}
			if err != nil {
				found = append(found, Problem{Path: f.Path, Line: t.line(call.Pos()), Text: err.Error()})
			}
			return true
		})
	}
	return found
}

func isName(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// goroutineEnd is how the comment of a go statement begins.
var goroutineEnd = regexp.MustCompile(`^//.*\bends (when|with|after|at)\b`)

// checkGoroutines wants go statements (and the Go methods of wait and error
// groups, which are the same thing) in few places, each with the comment that
// says when the goroutine ends: on its line or in the comment above it.
func checkGoroutines(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.goFiles() {
		if f.Test {
			continue
		}
		ends := map[int]bool{} // lines that such a comment covers
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				if goroutineEnd.MatchString(c.Text) {
					ends[t.line(c.Pos())], ends[t.line(group.End())+1] = true, true
				}
			}
		}
		ast.Inspect(f.AST, func(node ast.Node) bool {
			if !startsGoroutine(node) {
				return true
			}
			line := t.line(node.Pos())
			if !withinAny(f.Dir(), goroutineFolders) {
				found = append(found, Problem{Path: f.Path, Line: line, Text: "starts a goroutine: only " + strings.Join(goroutineFolders, ", ") + " may; offer a blocking Run(ctx)"})
			}
			if !ends[line] {
				found = append(found, Problem{Path: f.Path, Line: line, Text: "starts a goroutine without the comment \"// ends when …\""})
			}
			return true
		})
	}
	return found
}

func startsGoroutine(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		sel, ok := node.Fun.(*ast.SelectorExpr)
		return ok && (sel.Sel.Name == "Go" || sel.Sel.Name == "TryGo") && len(node.Args) == 1
	}
	return false
}

func checkUnsafe(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.goFiles() {
		for _, spec := range f.AST.Imports {
			if spec.Path.Value == `"unsafe"` && !strings.HasSuffix(strings.TrimSuffix(f.Path, ".go"), "_unsafe") {
				found = append(found, Problem{Path: f.Path, Line: t.line(spec.Pos()), Text: "imports unsafe: only files named *_unsafe.go may"})
			}
		}
	}
	return found
}

// callsOf reports the uses of pkg.name in a file, for the packages and names
// given. Packages are matched by import, so a local rename does not hide one.
func callsOf(t *Tree, f *File, pkgs, names []string, report func(line int, call string)) {
	local := map[string]string{} // identifier -> package
	for _, spec := range f.AST.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !slices.Contains(pkgs, imported) {
			continue
		}
		name := imported[strings.LastIndexByte(imported, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		local[name] = imported
	}
	if len(local) == 0 {
		return
	}
	ast.Inspect(f.AST, func(node ast.Node) bool {
		sel, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && local[id.Name] != "" && slices.Contains(names, sel.Sel.Name) {
			report(t.line(sel.Pos()), id.Name+"."+sel.Sel.Name)
		}
		return true
	})
}

// checkCalls is the common form of the rules "only these folders may call that".
func checkCalls(t *Tree, applies func(*File) bool, pkgs, names []string, text string) (found []Problem) {
	for _, f := range t.goFiles() {
		if !applies(f) {
			continue
		}
		callsOf(t, f, pkgs, names, func(line int, call string) {
			found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("uses %q: %s", call, text)})
		})
	}
	return found
}

func checkEnvironment(t *Tree, _ *Policy) []Problem {
	applies := func(f *File) bool { return !f.Test && !withinAny(f.Dir(), environmentFolders) }
	return checkCalls(t, applies, []string{"os", "syscall"}, environmentFuncs, "only "+strings.Join(environmentFolders, ", ")+" read the environment; pass a Config")
}

func checkKernel(t *Tree, _ *Policy) []Problem {
	applies := func(f *File) bool { return !f.Test && !withinAny(f.Dir(), kernelFolders) }
	return checkCalls(t, applies, []string{"syscall", "golang.org/x/sys/unix"}, kernelFuncs, "only the sandbox touches namespaces, mounts, landlock and pidfds")
}

func checkClock(t *Tree, _ *Policy) []Problem {
	applies := func(f *File) bool { return !f.Test && withinAny(f.Dir(), coreFolders) }
	return checkCalls(t, applies, []string{"time"}, clockFuncs, "core tells the time by a clock.Clock only")
}

func checkSleep(t *Tree, _ *Policy) []Problem {
	applies := func(f *File) bool { return f.Test || within(f.Dir(), "test") }
	return checkCalls(t, applies, []string{"time"}, []string{"Sleep"}, "tests wait on conditions, hooks or testing/synctest")
}

// checkErrorWords keeps "failed to" out of errors: wrap with the action.
func checkErrorWords(t *Tree, _ *Policy) (found []Problem) {
	for _, f := range t.goFiles() {
		callsOfErrors := func(call *ast.CallExpr) {
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || len(call.Args) == 0 {
				return
			}
			id, ok := sel.X.(*ast.Ident)
			if !ok || id.Name+"."+sel.Sel.Name != "fmt.Errorf" && id.Name+"."+sel.Sel.Name != "errors.New" {
				return
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && (strings.HasPrefix(text, "failed to ") || strings.HasPrefix(text, "error ")) {
					found = append(found, Problem{Path: f.Path, Line: t.line(lit.Pos()), Text: fmt.Sprintf("error text %.40q: name the action without \"failed to\"", text)})
				}
			}
		}
		ast.Inspect(f.AST, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				callsOfErrors(call)
			}
			return true
		})
	}
	return found
}

// checkMachinePaths looks at every text file for paths of one machine, and for
// the folder in which this very checkout lies.
func checkMachinePaths(t *Tree, _ *Policy) (found []Problem) {
	patterns := make([]*regexp.Regexp, 0, len(machineWords)+1)
	for _, word := range machineWords {
		patterns = append(patterns, regexp.MustCompile(word))
	}
	if t.Root != "" {
		patterns = append(patterns, regexp.MustCompile(regexp.QuoteMeta(t.Root)+`(/|\b)`))
	}
	for _, f := range t.Files {
		if within(f.Path, "internal/lint/rules.go") || within(f.Path, "internal/lint/testdata") {
			continue // the words themselves, and what tests them
		}
		for _, pattern := range patterns {
			if at := pattern.FindIndex(f.Source); at != nil {
				line := 1 + strings.Count(string(f.Source[:at[0]]), "\n")
				found = append(found, Problem{Path: f.Path, Line: line, Text: fmt.Sprintf("names %q, a path of one machine", f.Source[at[0]:at[1]])})
			}
		}
	}
	return found
}
