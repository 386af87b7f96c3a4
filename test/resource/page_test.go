package resource

import (
	"flag"
	"os"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/svc/resource"
)

var update = flag.Bool("update", false, "write docs/cloudformation-types.md anew")

func TestThePageIsThatOfTheCode(t *testing.T) {
	const path = "../../docs/cloudformation-types.md"
	want := resource.Page(newPlatform(t).types)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: go test ./test/resource -update", path)
	}
}
