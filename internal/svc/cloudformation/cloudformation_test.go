package cloudformation

import (
	"testing"

	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "CloudFormation", Service(nil, nil, nil))
}
