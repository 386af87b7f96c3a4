package iam

import (
	"fmt"
	"testing"

	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "IAM", Service(nil))
}

// TestPagesShowEachItemOnce, also when the list changes between them.
func TestPagesShowEachItemOnce(t *testing.T) {
	var all []string
	for n := range 25 {
		all = append(all, fmt.Sprintf("%02d", n))
	}
	seen := map[string]int{}
	var marker *string
	most := int32(10)
	for pages := 0; ; pages++ {
		page, more, next, err := cut(all, itself, marker, &most)
		if err != nil || *more != (next != nil) || pages > 3 {
			t.Fatalf("page %d: %v %v %v", pages, *more, next, err)
		}
		for _, name := range page {
			seen[name]++
		}
		if marker = next; marker == nil {
			break
		}
		all = all[3:] // what was shown goes
	}
	for n := range 25 {
		if name := fmt.Sprintf("%02d", n); seen[name] != 1 {
			t.Errorf("%s came %d times", name, seen[name])
		}
	}
	bad := "%"
	if _, _, _, err := cut(all, itself, &bad, nil); err == nil {
		t.Error("a bad marker is taken")
	}
}

// TestDocumentsAreEncoded by RFC 3986.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html.
func TestDocumentsAreEncoded(t *testing.T) {
	if got, want := *encoded(`{"a b": "*+~"}`), "%7B%22a%20b%22%3A%20%22%2A%2B~%22%7D"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
