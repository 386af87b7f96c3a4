package engine

import "testing"

func TestWhatATemplateLeavesEmptyIsNoDrift(t *testing.T) {
	type object = map[string]any
	for _, one := range []struct {
		expected, actual any
		differences      int
	}{
		{object{"Throttle": object{}, "Tags": []any{}, "Deep": []any{object{"A": object{}}}}, object{}, 0},
		{object{"Throttle": object{"Burst": "1"}}, object{}, 1},
		{[]any{object{"ApiId": "a", "Throttle": object{}}}, []any{object{"ApiId": "a"}}, 0},
		{object{"Name": ""}, object{}, 1},
	} {
		if found := differences("", one.expected, one.actual); len(found) != one.differences {
			t.Errorf("%v and %v differ by %v", one.expected, one.actual, found)
		}
	}
}
