package lint

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite modules.txt from the build list")

// binary is the product; everything that reaches it is listed in modules.txt.
const binary = "./cmd/lambkin"

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheTreeKeepsTheRules(t *testing.T) {
	dir := root(t)
	tree, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	tree.Root = dir
	if len(tree.goFiles()) < 30 {
		t.Fatalf("only %d Go files found below %s: the test looks at the wrong place", len(tree.goFiles()), dir)
	}
	for _, p := range Check(tree, House) {
		t.Error(p)
	}
}

func TestExceptionsHaveReasons(t *testing.T) {
	for _, e := range House.Exceptions {
		if len(e.Reason) < 20 {
			t.Errorf("exception %s %s %q: %q is no reason", e.Rule, e.Path, e.Name, e.Reason)
		}
	}
	for module, reason := range Deps {
		if len(reason) < 20 || strings.Contains(reason, "\n") {
			t.Errorf("module %s: %q is not a one-line reason", module, reason)
		}
	}
}

// TestCases runs the small trees below testdata. The comment of each archive
// says what must be found: "want RULE PATH:LINE", nothing more and nothing less.
func TestCases(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			policy, want := header(t, archive.Comment)
			fsys := fstest.MapFS{}
			for _, f := range archive.Files {
				fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			tree, err := Load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range Check(tree, policy) {
				got = append(got, fmt.Sprintf("%s %s:%d", p.Rule, p.Path, p.Line))
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryRuleHasACase keeps a rule from being added that cannot fail.
func TestEveryRuleHasACase(t *testing.T) {
	proven := map[string]bool{}
	for _, name := range cases(t) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, want := header(t, archive.Comment)
		for _, line := range want {
			proven[strings.Fields(line)[0]] = true
		}
	}
	for _, rule := range rules {
		if !proven[rule.name] {
			t.Errorf("no case below testdata breaks rule %q", rule.name)
		}
	}
}

func cases(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases below testdata: %v", err)
	}
	return names
}

// header reads the comment of a case: want, budget NAME N, dep MODULE,
// exception RULE PATH NAME.
func header(t *testing.T, comment []byte) (*Policy, []string) {
	t.Helper()
	policy := *House
	policy.Exceptions, policy.Deps = nil, map[string]string{}
	var want []string
	lines := bufio.NewScanner(bytes.NewReader(comment))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 3 && words[0] == "want":
			want = append(want, words[1]+" "+words[2])
		case len(words) == 3 && words[0] == "budget":
			n, err := strconv.Atoi(words[2])
			if err != nil {
				t.Fatal(err)
			}
			reflect.ValueOf(&policy.Budgets).Elem().FieldByName(words[1]).SetInt(int64(n))
		case len(words) == 2 && words[0] == "dep":
			policy.Deps[words[1]] = "a reason for the test"
		case len(words) == 4 && words[0] == "exception":
			policy.Exceptions = append(policy.Exceptions, Exception{Rule: words[1], Path: words[2], Name: words[3], Reason: "a reason for the test"})
		case len(words) > 0 && words[0] != "#":
			t.Fatalf("line %q: want RULE PATH:LINE, budget NAME N, dep MODULE or exception RULE PATH NAME", lines.Text())
		}
	}
	return &policy, want
}

// TestModulesOfTheBinary compares the modules that are really linked with the
// committed list, so that a new one is seen in review. Refresh it with
// go test ./internal/lint -run Modules -update.
func TestModulesOfTheBinary(t *testing.T) {
	got := goList(t, "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}")
	const list = "modules.txt"
	if *update {
		if err := os.WriteFile(list, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(text)), got); diff != "" {
		t.Errorf("modules of the binary changed (-modules.txt +build); if that is meant: go test ./internal/lint -run Modules -update\n%s", diff)
	}
}

// TestNoTestCodeInTheBinary looks at the packages that are really linked.
func TestNoTestCodeInTheBinary(t *testing.T) {
	for _, pkg := range goList(t, "{{.ImportPath}}") {
		if pkg == "testing" || strings.HasPrefix(pkg, "testing/") || strings.HasPrefix(pkg, "github.com/aws/aws-sdk-go") {
			t.Errorf("package %s reaches the binary", pkg)
		}
	}
}

// goList lists a property of every package in the binary for Linux, sorted,
// without repeats.
func goList(t *testing.T, format string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", format, binary)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
}
