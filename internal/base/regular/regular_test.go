package regular

import (
	"errors"
	"regexp/syntax"
	"strings"
	"testing"
)

func TestCompileKeepsItsBounds(t *testing.T) {
	for text, want := range map[string]error{
		"^[a-z]+@x\\.org$":                      nil,
		"a{1000}":                               nil,
		strings.Repeat("a{1000}", 11):           ErrTooMuch,
		strings.Repeat("a", MaxBytes+1):         ErrTooLong,
		strings.Repeat("(?:x{10}){100}", 500):   ErrTooMuch,
		strings.Repeat("(a|b)", 1000) + "{1,2}": nil,
	} {
		e, err := Compile(text)
		if !errors.Is(err, want) {
			t.Errorf("%.50s: %v", text, err)
		}
		if err == nil && (e.Steps < 1 || e.Work("xyz") != 4*e.Steps) {
			t.Errorf("%.50s: %d steps", text, e.Steps)
		}
	}
	for _, text := range []string{"(", "a(?=b)", `(a)\1`, "a{2,1}", "[z-a]"} {
		var malformed *syntax.Error
		if _, err := Compile(text); !errors.As(err, &malformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzCompile: the program is never much longer than Steps says.
func FuzzCompile(f *testing.F) {
	f.Add("(a|b{3,}){2,50}[^x]*?")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text)
		if err != nil {
			return
		}
		parsed, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		program, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if len(program.Inst) > 8*e.Steps+100 {
			t.Errorf("%d instructions of %d steps", len(program.Inst), e.Steps)
		}
	})
}
