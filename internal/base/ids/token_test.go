package ids

import (
	"regexp"
	"testing"
)

func TestTheIDOfATokenIsAlwaysTheSame(t *testing.T) {
	first, second := Short(WithToken(t.Context(), "a"), 10), Short(WithToken(t.Context(), "b"), 10)
	if first == second || first != Short(WithToken(t.Context(), "a"), 10) {
		t.Errorf("%s, %s", first, second)
	}
	one := Short(t.Context(), 10)
	if another := Short(t.Context(), 10); one == another {
		t.Errorf("%s twice", one)
	}
	for _, id := range []string{first, Short(t.Context(), 10)} {
		if !regexp.MustCompile(`^[a-z2-7]{10}$`).MatchString(id) {
			t.Errorf("the id is %q", id)
		}
	}
}
