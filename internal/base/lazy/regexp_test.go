package lazy

import (
	"sync"
	"testing"
)

func TestExpressionIsCompiledOnceWhenItIsUsed(t *testing.T) {
	broken := MustCompile("(") // nothing happens yet
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a broken expression does not panic")
			}
		}()
		broken.MatchString("")
	}()
	word := MustCompile(`([a-z])([a-z]*)`)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { // ends at once
			if !word.MatchString("abc") || word.Get() == nil || word.String() != `([a-z])([a-z]*)` {
				t.Error("it does not match")
			}
		})
	}
	all.Wait()
	if word.FindString("1 ab") != "ab" || word.FindStringSubmatch("ab")[2] != "b" || len(word.FindAllStringSubmatch("a b", -1)) != 2 ||
		word.ReplaceAllString("ab", "$2") != "b" || word.ReplaceAllStringFunc("ab", func(string) string { return "x" }) != "x" {
		t.Error("it does not do as package regexp does")
	}
}
