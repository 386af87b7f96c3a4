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
	if id := UUIDOf(WithToken(t.Context(), "a")); id != UUIDOf(WithToken(t.Context(), "a")) || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("the UUID is %q", id)
	}
	for _, id := range []string{first, Short(t.Context(), 10)} {
		if !regexp.MustCompile(`^[a-z2-7]{10}$`).MatchString(id) {
			t.Errorf("the id is %q", id)
		}
	}
}
