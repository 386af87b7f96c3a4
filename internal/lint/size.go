package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// checkPackageComments wants one comment a package, short enough to be read.
// A package of tests only may have it in a test file.
func checkPackageComments(t *Tree, p *Policy) (found []Problem) {
	for dir, files := range t.packages() {
		var doc *ast.CommentGroup
		var where *File
		sized := files
		if slices.ContainsFunc(files, func(f *File) bool { return !f.Test }) {
			sized = slices.DeleteFunc(slices.Clone(files), func(f *File) bool { return f.Test })
		}
		for _, f := range sized {
			if f.AST.Doc == nil || isDirective(f.AST.Doc) {
				continue
			}
			if doc != nil {
				found = append(found, Problem{Path: f.Path, Line: t.line(f.AST.Doc.Pos()), Text: fmt.Sprintf("a second package comment; the first is in %q", where.Path)})
				continue
			}
			doc, where = f.AST.Doc, f
		}
		if doc == nil {
			found = append(found, Problem{Path: dir, Text: "no package comment: what it is for, what it promises, who owns goroutines and locks, where to start reading"})
			continue
		}
		name := sized[0].AST.Name.Name
		if text := doc.Text(); name != "main" && !where.Generated && !strings.HasPrefix(text, "Package "+strings.TrimSuffix(name, "_test")) {
			found = append(found, Problem{Path: where.Path, Line: t.line(doc.Pos()), Text: fmt.Sprintf("the package comment must begin with %q", "Package "+name)})
		}
		if lines := t.line(doc.End()) - t.line(doc.Pos()) + 1; lines > p.Budgets.PackageCommentLines {
			found = append(found, Problem{Path: where.Path, Line: t.line(doc.Pos()), Text: fmt.Sprintf("the package comment has %d lines, budget %d: move the reasoning to DESIGN.md", lines, p.Budgets.PackageCommentLines)})
		}
	}
	return found
}

// isDirective tells a comment group of machine instructions or of the mark of
// generated code from one for people.
func isDirective(doc *ast.CommentGroup) bool {
	text := strings.TrimSpace(doc.Text())
	return text == "" || strings.HasPrefix(text, "Code generated ")
}

// eachFunc visits the functions of the files that people write.
func eachFunc(t *Tree, visit func(f *File, decl *ast.FuncDecl)) {
	for _, f := range t.goFiles() {
		if f.Generated {
			continue
		}
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				visit(f, fn)
			}
		}
	}
}

func checkFunctionLines(t *Tree, p *Policy) (found []Problem) {
	eachFunc(t, func(f *File, fn *ast.FuncDecl) {
		if lines := t.line(fn.End()) - t.line(fn.Pos()) + 1; lines > p.Budgets.FunctionLines {
			found = append(found, Problem{Path: f.Path, Line: t.line(fn.Pos()), Text: fmt.Sprintf("function %q has %d lines, budget %d", fn.Name.Name, lines, p.Budgets.FunctionLines)})
		}
	})
	return found
}

func checkFunctionPaths(t *Tree, p *Policy) (found []Problem) {
	eachFunc(t, func(f *File, fn *ast.FuncDecl) {
		if n := paths(fn); n > p.Budgets.FunctionPaths {
			found = append(found, Problem{Path: f.Path, Line: t.line(fn.Pos()), Text: fmt.Sprintf("function %q has %d paths, budget %d", fn.Name.Name, n, p.Budgets.FunctionPaths)})
		}
	})
	return found
}

// paths is McCabe's count: one, and one for each place where the way divides.
func paths(fn *ast.FuncDecl) int {
	n := 1
	ast.Inspect(fn, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// checkFileLines holds for Go and Python alike.
func checkFileLines(t *Tree, p *Policy) (found []Problem) {
	for _, f := range t.Files {
		ours := f.Go() || strings.HasSuffix(f.Path, ".py") && !f.Data
		if n := f.Lines(); ours && !f.Generated && n > p.Budgets.FileLines {
			found = append(found, Problem{Path: f.Path, Text: fmt.Sprintf("%d lines, budget %d: split it", n, p.Budgets.FileLines)})
		}
	}
	return found
}

func checkPackageLines(t *Tree, p *Policy) (found []Problem) {
	packages := t.packages()
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		sum := 0
		for _, f := range packages[dir] {
			if !f.Test && !f.Generated {
				sum += f.Lines()
			}
		}
		if sum > p.Budgets.PackageLines {
			found = append(found, Problem{Path: dir, Text: fmt.Sprintf("the package has %d lines, budget %d: split it", sum, p.Budgets.PackageLines)})
		}
	}
	return found
}
