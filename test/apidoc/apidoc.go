// Package apidoc compares the tables of docs/api.md with what a service
// registers: every operation has a row, every member of its input stands in one
// column of it, and no row is left over. It also asks internal/guard whether it
// knows the permission that each operation needs.
//
// No goroutines, no locks. Start reading at Check.
package apidoc

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// row is "| operation | supported | inert | refused |".
var row = regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)

// Check compares the section with the service.
func Check(t *testing.T, section string, service *wire.Service) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	data, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(data), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/api.md has no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	rows := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		members := []string{}
		for _, column := range m[2:] {
			if column != "-" {
				members = append(members, strings.Split(column, ", ")...)
			}
		}
		rows[m[1]] = members
	}
	delete(rows, "operation") // the head of the table
	for name, op := range service.Operations {
		var members []string
		if op.Model.Input != shape.None {
			for _, m := range service.Model.Shapes[op.Model.Input].Members {
				members = append(members, m.Name)
			}
		}
		documented, found := rows[name]
		delete(rows, name)
		slices.Sort(members)
		slices.Sort(documented)
		if !found || !slices.Equal(members, documented) {
			t.Errorf("%s: docs/api.md has %v, the model %v", name, documented, members)
		}
	}
	for _, gap := range guard.Gaps(service) {
		t.Error(gap)
	}
	for name := range rows {
		t.Errorf("docs/api.md has %s, the service does not", name)
	}
}
