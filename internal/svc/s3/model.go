package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// superseded are operations of the model that have a successor of the same method
// and path, and those that belong to other kinds of buckets.
var superseded = []string{
	"GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification",
	"ListDirectoryBuckets", "CreateSession", "WriteGetObjectResponse",
}

// roots are the names of the elements that the model does not tell.
// AWS: the examples of https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
var roots = map[string]string{
	"ListBucketsOutput": "ListAllMyBucketsResult", "ListObjectsOutput": "ListBucketResult", "ListObjectsV2Output": "ListBucketResult",
	"ListObjectVersionsOutput": "ListVersionsResult", "ListMultipartUploadsOutput": "ListMultipartUploadsResult", "ListPartsOutput": "ListPartsResult",
	"CreateMultipartUploadOutput": "InitiateMultipartUploadResult", "CompleteMultipartUploadOutput": "CompleteMultipartUploadResult",
	"DeleteObjectsOutput": "DeleteResult", "GetObjectAttributesOutput": "GetObjectAttributesResponse",
	"GetBucketAclOutput": "AccessControlPolicy", "GetObjectAclOutput": "AccessControlPolicy",
	"GetBucketVersioningOutput": "VersioningConfiguration", "GetBucketTaggingOutput": "Tagging", "GetObjectTaggingOutput": "Tagging",
	"GetBucketCorsOutput": "CORSConfiguration", "GetBucketLifecycleConfigurationOutput": "LifecycleConfiguration",
	"GetBucketLoggingOutput": "BucketLoggingStatus", "GetBucketRequestPaymentOutput": "RequestPaymentConfiguration",
	"GetBucketAccelerateConfigurationOutput": "AccelerateConfiguration", "GetBucketWebsiteOutput": "WebsiteConfiguration",
	"NotificationConfiguration": "NotificationConfiguration",
}

// rawDates are members that the operations read from the headers themselves: S3
// ignores conditions that are no dates, and gives Expires back as it came.
var rawDates = []string{
	"Expires", "IfModifiedSince", "IfUnmodifiedSince", "CopySourceIfModifiedSince", "CopySourceIfUnmodifiedSince",
	"IfMatchLastModifiedTime", "IfMatchInitiatedTime",
}

// model is the API model as S3 acts on it: constraints are checked by the operations,
// because S3 words these errors unlike other services.
func model() *shape.Service {
	m := *s3api.Model
	m.ValidationCode = "InvalidArgument"
	m.Shapes = slices.Clone(m.Shapes)
	for i := range m.Shapes {
		relax(&m.Shapes[i])
	}
	m.Operations = slices.DeleteFunc(slices.Clone(m.Operations), func(op shape.Operation) bool { return slices.Contains(superseded, op.Name) })
	return &m
}

func relax(s *shape.Shape) {
	s.Enum, s.Range, s.Pattern = nil, nil, ""
	if root := roots[s.Name]; root != "" {
		s.Root = root
	}
	s.Members = slices.Clone(s.Members)
	for j := range s.Members {
		m := &s.Members[j]
		if m.Location != shape.Query_ && m.Location != shape.Header {
			m.Required = false // dispatch needs it of the others
		}
		if m.Name == "Grantee" { // the model has it at the shape: the prefix of its attribute must be told
			m.Namespace, m.Prefix = "http://www.w3.org/2001/XMLSchema-instance", "xsi"
		}
		if m.Location == shape.Header && slices.Contains(rawDates, m.Name) && strings.HasSuffix(s.Name, "Request") {
			m.Location = shape.Body // of a request that has none
		}
	}
	if s.Name == "GetBucketLocationOutput" {
		s.Payload = 1 // its only member is the text of the root element
	}
}

// canonicalID makes up the canonical user id of an account.
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user " + account))
	return hex.EncodeToString(sum[:])
}
