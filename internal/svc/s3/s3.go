// Package s3 is the S3 API: it translates between the wire and core/object.
//
// It promises AWS's codes, statuses and texts of errors, and that an option which
// would change nothing here is refused, or is named inert in docs/api.md. Bodies of
// objects pass through it as streams: their digests are compared when they have
// ended, before anything is stored. What a bucket does is core/object's; settings
// that only exist to be shown are kept there as they were given.
//
// No goroutines, no locks. Start reading at Service.
package s3

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
	"github.com/lambkin-dev/lambkin/internal/wire/restxml"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

type api struct {
	objects *object.Objects
	model   *shape.Service
}

// Service is the operations that are there.
func Service(objects *object.Objects) *wire.Service {
	a := &api{objects: objects, model: model()}
	return wire.NewService(a.model, append(a.objectOperations(), a.bucketOperations()...)...)
}

func (a *api) objectOperations() []wire.Operation {
	return []wire.Operation{
		s3api.HandleAbortMultipartUpload(wrap(a, a.abortMultipartUpload)),
		s3api.HandleCompleteMultipartUpload(wrap(a, a.completeMultipartUpload)),
		s3api.HandleCopyObject(wrap(a, a.copyObject)),
		s3api.HandleCreateMultipartUpload(wrap(a, a.createMultipartUpload)),
		s3api.HandleDeleteObject(wrap(a, a.deleteObject)),
		s3api.HandleDeleteObjectTagging(wrap(a, a.deleteObjectTagging)),
		s3api.HandleDeleteObjects(wrap(a, a.deleteObjects)),
		s3api.HandleGetObject(wrap(a, a.getObject)),
		s3api.HandleGetObjectAcl(wrap(a, a.getObjectACL)),
		s3api.HandleGetObjectAttributes(wrap(a, a.getObjectAttributes)),
		s3api.HandleGetObjectTagging(wrap(a, a.getObjectTagging)),
		s3api.HandleHeadObject(wrap(a, a.headObject)),
		s3api.HandleListMultipartUploads(wrap(a, a.listMultipartUploads)),
		s3api.HandleListObjectVersions(wrap(a, a.listObjectVersions)),
		s3api.HandleListObjects(wrap(a, a.listObjects)),
		s3api.HandleListObjectsV2(wrap(a, a.listObjectsV2)),
		s3api.HandleListParts(wrap(a, a.listParts)),
		s3api.HandlePutObject(wrap(a, a.putObject)),
		s3api.HandlePutObjectAcl(wrap(a, a.putObjectACL)),
		s3api.HandlePutObjectTagging(wrap(a, a.putObjectTagging)),
		s3api.HandleUploadPart(wrap(a, a.uploadPart)),
		s3api.HandleUploadPartCopy(wrap(a, a.uploadPartCopy)),
	}
}

func (a *api) bucketOperations() []wire.Operation {
	return []wire.Operation{
		s3api.HandleCreateBucket(wrap(a, a.createBucket)),
		s3api.HandleDeleteBucket(wrap(a, a.deleteBucket)),
		s3api.HandleDeleteBucketCors(wrap(a, a.deleteBucketCORS)),
		s3api.HandleDeleteBucketEncryption(wrap(a, a.deleteBucketEncryption)),
		s3api.HandleDeleteBucketLifecycle(wrap(a, a.deleteBucketLifecycle)),
		s3api.HandleDeleteBucketOwnershipControls(wrap(a, a.deleteBucketOwnershipControls)),
		s3api.HandleDeleteBucketPolicy(wrap(a, a.deleteBucketPolicy)),
		s3api.HandleDeleteBucketReplication(wrap(a, a.deleteBucketReplication)),
		s3api.HandleDeleteBucketWebsite(wrap(a, a.deleteBucketWebsite)),
		s3api.HandleDeleteBucketTagging(wrap(a, a.deleteBucketTagging)),
		s3api.HandleDeletePublicAccessBlock(wrap(a, a.deletePublicAccessBlock)),
		s3api.HandleGetBucketAccelerateConfiguration(wrap(a, a.getBucketAccelerateConfiguration)),
		s3api.HandleGetBucketAcl(wrap(a, a.getBucketACL)),
		s3api.HandleGetBucketCors(wrap(a, a.getBucketCORS)),
		s3api.HandleGetBucketEncryption(wrap(a, a.getBucketEncryption)),
		s3api.HandleGetBucketLifecycleConfiguration(wrap(a, a.getBucketLifecycle)),
		s3api.HandleGetBucketLocation(wrap(a, a.getBucketLocation)),
		s3api.HandleGetBucketLogging(wrap(a, a.getBucketLogging)),
		s3api.HandleGetBucketNotificationConfiguration(wrap(a, a.getBucketNotificationConfiguration)),
		s3api.HandleGetBucketOwnershipControls(wrap(a, a.getBucketOwnershipControls)),
		s3api.HandleGetBucketPolicy(wrap(a, a.getBucketPolicy)),
		s3api.HandleGetBucketPolicyStatus(wrap(a, a.getBucketPolicyStatus)),
		s3api.HandleGetBucketReplication(wrap(a, a.getBucketReplication)),
		s3api.HandleGetBucketRequestPayment(wrap(a, a.getBucketRequestPayment)),
		s3api.HandleGetBucketTagging(wrap(a, a.getBucketTagging)),
		s3api.HandleGetBucketVersioning(wrap(a, a.getBucketVersioning)),
		s3api.HandleGetBucketWebsite(wrap(a, a.getBucketWebsite)),
		s3api.HandleGetObjectLegalHold(wrap(a, a.getObjectLegalHold)),
		s3api.HandleGetObjectLockConfiguration(wrap(a, a.getObjectLockConfiguration)),
		s3api.HandleGetObjectRetention(wrap(a, a.getObjectRetention)),
		s3api.HandleGetPublicAccessBlock(wrap(a, a.getPublicAccessBlock)),
		s3api.HandleHeadBucket(wrap(a, a.headBucket)),
		s3api.HandleListBuckets(wrap(a, a.listBuckets)),
		s3api.HandlePutBucketAccelerateConfiguration(wrap(a, a.putBucketAccelerateConfiguration)),
		s3api.HandlePutBucketAcl(wrap(a, a.putBucketACL)),
		s3api.HandlePutBucketCors(wrap(a, a.putBucketCORS)),
		s3api.HandlePutBucketEncryption(wrap(a, a.putBucketEncryption)),
		s3api.HandlePutBucketLifecycleConfiguration(wrap(a, a.putBucketLifecycle)),
		s3api.HandlePutBucketLogging(wrap(a, a.putBucketLogging)),
		s3api.HandlePutBucketNotificationConfiguration(wrap(a, a.putBucketNotificationConfiguration)),
		s3api.HandlePutBucketOwnershipControls(wrap(a, a.putBucketOwnershipControls)),
		s3api.HandlePutBucketPolicy(wrap(a, a.putBucketPolicy)),
		s3api.HandlePutBucketRequestPayment(wrap(a, a.putBucketRequestPayment)),
		s3api.HandlePutBucketTagging(wrap(a, a.putBucketTagging)),
		s3api.HandlePutBucketVersioning(wrap(a, a.putBucketVersioning)),
		s3api.HandlePutObjectLegalHold(wrap(a, a.putObjectLegalHold)),
		s3api.HandlePutObjectLockConfiguration(wrap(a, a.putObjectLockConfiguration)),
		s3api.HandlePutObjectRetention(wrap(a, a.putObjectRetention)),
		s3api.HandlePutPublicAccessBlock(wrap(a, a.putPublicAccessBlock)),
	}
}

// wrap refuses what no operation takes and translates the errors.
func wrap[In, Out any](a *api, do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return func(ctx context.Context, call *wire.Call, in *In) (*Out, error) {
		if err := refuse(call, in); err != nil {
			return nil, err
		}
		out, err := do(ctx, call, in)
		return out, translate(err)
	}
}

// statuses are those of the errors of core/object, where they are not 400.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var statuses = map[object.Code]int{
	object.AccessDenied: 403, object.BucketAlreadyExists: 409, object.BucketAlreadyOwnedByYou: 409, object.BucketNotEmpty: 409,
	object.MethodNotAllowed: 405, object.NoSuchBucket: 404, object.NoSuchKey: 404, object.NoSuchUpload: 404, object.NoSuchVersion: 404,
	object.PreconditionFailed: 412, "InvalidPartNumber": 416,
}

// translate makes the fault of an error of core/object; other errors stay what they are.
func translate(err error) error {
	var refusal *object.Error
	switch {
	case errors.As(err, &refusal):
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refused(400, "IncompleteBody", "The request body terminated unexpectedly")
	default:
		return err
	}
	status := statuses[refusal.Code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	f := refused(status, string(refusal.Code), refusal.Message)
	for name, text := range refusal.Detail {
		f = f.With(name, text)
	}
	if marker := refusal.Marker; marker != nil {
		f = f.WithHeader("x-amz-delete-marker", "true").WithHeader("x-amz-version-id", marker.ID)
		if status == http.StatusMethodNotAllowed {
			f = f.WithHeader("Allow", "DELETE").WithHeader("Last-Modified", marker.Modified.Format(http.TimeFormat))
		}
	}
	return f
}

// refused makes a fault; details are pairs of element and text.
func refused(status int, code, message string, details ...string) *fault.Fault {
	f := &fault.Fault{Code: code, Message: message, Status: status, Sender: true}
	if len(details) > 0 {
		f.Detail = map[string]any{}
	}
	for i := 0; i+1 < len(details); i += 2 {
		f.Detail[details[i]] = details[i+1]
	}
	return f
}

// notImplemented refuses an option; why ends the sentence.
func notImplemented(option, why string) error {
	return refused(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented: "+option+" ("+why+").", "Header", option)
}

func invalidArgument(message, name, value string) error {
	return refused(400, "InvalidArgument", message, "ArgumentName", name, "ArgumentValue", value)
}

func malformedXML() error {
	return refused(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func ptr[T any](v T) *T { return &v }

// place is where an operation works.
func place(call *wire.Call, bucket, key *string) object.Place {
	return object.Place{Account: call.Account, Bucket: member.Text(bucket), Key: member.Text(key), By: caller(call)}
}

// caller is who calls, as event records tell it.
func caller(call *wire.Call) object.Caller {
	address, _, err := net.SplitHostPort(call.Request.RemoteAddr)
	if err != nil {
		address = call.Request.RemoteAddr
	}
	return object.Caller{PrincipalID: "AWS:" + call.UserID, Address: address, RequestID: call.RequestID, HostID: restxml.HostID(call.RequestID), TraceID: call.Request.Header.Get("X-Amzn-Trace-Id")}
}

// quoted is an ETag as it travels.
func quoted(etag string) *string { return ptr(`"` + etag + `"`) }

// owner is the canonical user of an account: a hash of 64 digits on AWS, opaque to clients.
func owner(account string) *s3api.Owner { return &s3api.Owner{ID: ptr(canonicalID(account))} }

// header sets a header that is in no output of the model.
func header(call *wire.Call, name, value string) {
	if value != "" {
		call.Header.Set(name, value)
	}
}

// httpTime reads a date of a request; zero for none and for one that cannot be read,
// which S3 ignores.
func httpTime(call *wire.Call, name string) time.Time {
	t, err := http.ParseTime(call.Request.Header.Get(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// lower is a copy of user metadata; nil for none.
func lower(metadata map[string]string) map[string]string {
	if len(metadata) == 0 {
		return nil
	}
	return maps.Clone(metadata)
}

// translated is the fault of an error; nil for none and for trouble of our own.
func translated(err error) *fault.Fault {
	return fault.From(translate(err))
}
