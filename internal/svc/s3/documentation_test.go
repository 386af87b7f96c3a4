package s3

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// What the members are of which the documentation does not say "supported".
var (
	// commonMembers are in many operations; docs/api.md has them once.
	commonMembers = []string{
		"RequestPayer", "ServerSideEncryption", "OptionalObjectAttributes",
		"SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5",
		"SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP",
		"MFA", "ChecksumXXHASH64", "ChecksumXXHASH3", "ChecksumXXHASH128",
	}
	inertMembers   = []string{"StorageClass", "WebsiteRedirectLocation", "ACL", "PublicAccessBlockConfiguration", "OwnershipControls", "ConfirmRemoveSelfBucketAccess", "TransitionDefaultMinimumObjectSize"}
	refusedMembers = []string{"WriteOffsetBytes", "Token", "BucketNamespace", "AnnotationDirective", "AccessControlPolicy"}
)

// row is the line of the table for an operation.
func row(service *wire.Service, name string, op wire.Operation) string {
	var columns [3][]string
	if op.Model.Input != shape.None {
		for _, m := range service.Model.Shapes[op.Model.Input].Members {
			switch {
			case slices.Contains(commonMembers, m.Name):
			case slices.Contains(inertMembers, m.Name):
				columns[1] = append(columns[1], m.Name)
			case slices.Contains(refusedMembers, m.Name):
				columns[2] = append(columns[2], m.Name)
			default:
				columns[0] = append(columns[0], m.Name)
			}
		}
	}
	line := "| " + name
	for _, members := range columns {
		if members == nil {
			members = []string{"-"}
		}
		line += " | " + strings.Join(members, ", ")
	}
	return line + " |"
}

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	data, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(data), "\n## S3\n")
	if !ok {
		t.Fatal("docs/api.md has no section S3")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	lines := strings.Split(section, "\n")
	service := Service(nil)
	for _, gap := range guard.Gaps(service) {
		t.Error(gap)
	}
	var missing []string
	for _, op := range service.Model.Operations {
		do, there := service.Operations[op.Name]
		if !there {
			missing = append(missing, op.Name)
		} else if want := row(service, op.Name, do); !slices.Contains(lines, want) {
			t.Errorf("docs/api.md lacks the line\n%s", want)
		}
	}
	if want := "Not implemented (answered with a 4xx): " + strings.Join(missing, ", ") + "."; !slices.Contains(lines, want) {
		t.Errorf("docs/api.md lacks the line\n%s", want)
	}
	for _, name := range commonMembers {
		if !strings.Contains(section, name) {
			t.Errorf("docs/api.md does not say what becomes of %s", name)
		}
	}
}
