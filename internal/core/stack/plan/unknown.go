package plan

import (
	"fmt"
	"slices"
	"strings"
)

// maxNear is how many letters may differ between a type that is not here and one that
// may be meant.
const maxNear = 4

// unknownTypes says which types are not here, in CloudFormation's words, then which
// may be meant, then what there is, a line for each service.
//
// AWS: the text ends after the first line.
func unknownTypes(unknown, have []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Template format error: Unrecognized resource types: [%s]", strings.Join(unknown, ", "))
	for _, name := range unknown {
		near := slices.DeleteFunc(slices.Clone(have), func(other string) bool { return distance(name, other) > maxNear })
		if len(near) > 0 {
			fmt.Fprintf(&text, "\n%s: is it %s?", name, strings.Join(near, " or "))
		}
	}
	text.WriteString("\nThis platform has:")
	service := ""
	for _, name := range have {
		at := strings.LastIndex(name, "::")
		if of := name[:max(at, 0)]; of != service {
			service = of
			fmt.Fprintf(&text, "\n%s:: %s", of, name[at+2:])
			continue
		}
		text.WriteString(", " + name[at+2:])
	}
	return text.String()
}

// distance is how many letters must be changed, added or removed to make one text
// of another; small and large letters are the same.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
