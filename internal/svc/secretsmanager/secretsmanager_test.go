package secretsmanager

import (
	"testing"

	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "Secrets Manager", Service(nil))
}
