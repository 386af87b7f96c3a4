package s3

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// The options that the platform cannot honour are refused here, in one place, for all
// operations that have them. docs/api.md lists every option and its state; a test compares.

const (
	whyNoKMS  = "there is no KMS service"
	whyNoSSEC = "objects are not encrypted by customers' keys"
)

// refuse looks at the members that many inputs share.
func refuse(call *wire.Call, in any) error {
	f := fields{reflect.ValueOf(in).Elem()}
	if expected := f.text("ExpectedBucketOwner"); expected != "" && expected != call.Account {
		return refused(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	if expected := f.text("ExpectedSourceBucketOwner"); expected != "" && expected != call.Account {
		return refused(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	for _, name := range []string{"SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5"} {
		if f.text(name) != "" {
			return notImplemented("x-amz-server-side-encryption-customer-algorithm", whyNoSSEC)
		}
	}
	if err := refuseEncryption(f); err != nil {
		return err
	}
	if err := refuseACL(f); err != nil {
		return err
	}
	if f.text("MFA") != "" {
		return notImplemented("x-amz-mfa", "there are no devices for multi-factor authentication")
	}
	if f.set("WriteOffsetBytes") {
		return notImplemented("x-amz-write-offset-bytes", "objects are written whole")
	}
	return refuseStorageClass(f.text("StorageClass"))
}

func refuseEncryption(f fields) error {
	switch kind := f.text("ServerSideEncryption"); {
	case kind == "aws:kms:dsse", kind == "aws:fsx":
		return notImplemented("x-amz-server-side-encryption", whyNoKMS)
	case kind != "" && kind != encryption && kind != managedEncryption:
		return invalidArgument("The encryption method specified is not supported", "x-amz-server-side-encryption", kind)
	}
	if !isManagedKey(f.text("SSEKMSKeyId")) {
		return notImplemented("x-amz-server-side-encryption-aws-kms-key-id", whyNoKMS)
	}
	if f.text("SSEKMSEncryptionContext") != "" {
		return notImplemented("x-amz-server-side-encryption-context", whyNoKMS)
	}
	return nil
}

// managedEncryption is that with a key of KMS; with the one that AWS manages itself it
// asks nothing of anybody, and is what the buckets of deployment tools have.
const managedEncryption = "aws:kms"

// isManagedKey tells whether a key's name is that of the AWS managed one, or absent.
func isManagedKey(key string) bool {
	const alias = "alias/aws/s3"
	return key == "" || key == alias || strings.HasPrefix(key, "arn:aws:kms:") && strings.HasSuffix(key, ":"+alias)
}

// refuseACL takes the access control lists that say what is so anyway. All buckets have
// the setting that is AWS's default, BucketOwnerEnforced, which switches them off.
func refuseACL(f fields) error {
	_, bucket := f.value("ObjectOwnership").(*string) // only CreateBucket has it
	switch acl := f.text("ACL"); {
	case acl == "", acl == "private", acl == "bucket-owner-full-control" && !bucket:
	case bucket:
		return refused(400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	default:
		return aclsOff()
	}
	for _, name := range []string{"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"} {
		if f.text(name) != "" {
			return aclsOff()
		}
	}
	return nil
}

func aclsOff() error {
	return refused(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

// refuseStorageClass takes the classes whose objects can be read at once.
func refuseStorageClass(class string) error {
	switch class {
	case "", "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY", "GLACIER_IR":
		return nil
	case "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP":
		return notImplemented("x-amz-storage-class", "there is one class of storage, whose objects are read at once")
	}
	return refused(400, "InvalidStorageClass", "The storage class you specified is not valid", "StorageClassRequested", class)
}

// fields finds members of an input by name.
type fields struct{ reflect.Value }

func (f fields) value(name string) any {
	if field := f.FieldByName(name); field.IsValid() {
		return field.Interface()
	}
	return nil
}

func (f fields) text(name string) string {
	s, _ := f.value(name).(*string)
	return member.Text(s)
}

// set tells whether the member is there and has a value.
func (f fields) set(name string) bool {
	field := f.FieldByName(name)
	return field.IsValid() && !field.IsNil()
}
