package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxTextBytes is how much of a file the word rules read; nothing that people
// write is longer, and captured data is not worth the time.
const maxTextBytes = 2 << 20

// File is one file of the tree. AST is nil unless it is Go that parses.
type File struct {
	Path      string // slash-separated, relative to the root
	Test      bool
	Generated bool
	Data      bool // below a testdata folder: only the rules about words apply
	Source    []byte
	AST       *ast.File
	ParseErr  error
}

// Dir is the file's folder, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Go tells whether the file is Go source that the build would read.
func (f *File) Go() bool { return strings.HasSuffix(f.Path, ".go") && !f.Data }

// Lines counts the file's lines.
func (f *File) Lines() int { return strings.Count(string(f.Source), "\n") }

// Tree is the source of a module, read once.
type Tree struct {
	Module string
	GoMod  []byte
	Files  []*File
	Fset   *token.FileSet
	Root   string // absolute path where the tree lies; empty for trees in memory
}

// skippedDirs are not ours to judge.
var skippedDirs = map[string]bool{"vendor": true, "node_modules": true, "__pycache__": true, "lambkin-data": true}

// generatedMark is the standard mark of generated Go (go help generate).
var generatedMark = regexp.MustCompile(`(?m)^(//|#) Code generated .* DO NOT EDIT\.?$`)

// Load reads a source tree. Folders that begin with a dot are skipped, except
// .ci, which is ours.
func Load(fsys fs.FS) (*Tree, error) {
	tree := &Tree{Fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (skippedDirs[base] || base[0] == '.' && base != ".ci"):
			return fs.SkipDir
		case !d.Type().IsRegular() || name == ".git": // a file in a linked work tree
			return nil
		}
		return tree.add(fsys, name)
	})
	if err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	if m := regexp.MustCompile(`(?m)^module\s+(\S+)`).FindSubmatch(tree.GoMod); m != nil {
		tree.Module = string(m[1])
	}
	return tree, nil
}

func (t *Tree) add(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name)
	if err != nil || info.Size() > maxTextBytes {
		return err
	}
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	f := &File{Path: name, Source: source, Test: strings.HasSuffix(name, "_test.go"), Generated: strings.HasSuffix(name, "_gen.go") || generatedMark.Match(source)}
	if name == "go.mod" {
		t.GoMod = source
	}
	f.Data = slices.Contains(strings.Split(f.Dir(), "/"), "testdata")
	if f.Go() {
		f.AST, f.ParseErr = parser.ParseFile(t.Fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	}
	t.Files = append(t.Files, f)
	return nil
}

// line is the line of a position.
func (t *Tree) line(pos token.Pos) int { return t.Fset.Position(pos).Line }

// goFiles are the Go files that parsed.
func (t *Tree) goFiles() []*File {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f *File) bool { return !f.Go() || f.ParseErr != nil })
}

// packages groups the Go files by folder and package name.
func (t *Tree) packages() map[string][]*File {
	out := map[string][]*File{}
	for _, f := range t.goFiles() {
		out[f.Dir()] = append(out[f.Dir()], f)
	}
	return out
}

// dirs are the folders with Go files, in order.
func (t *Tree) dirs() []string { return slices.Sorted(maps.Keys(t.packages())) }

// local turns an import path of this module into a folder.
func (t *Tree) local(imported string) (dir string, ok bool) {
	if imported == t.Module {
		return ".", true
	}
	return strings.CutPrefix(imported, t.Module+"/")
}

// within tells whether dir is folder or lies below it.
func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// withinAny is within for a list.
func withinAny(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(dir, f) })
}
