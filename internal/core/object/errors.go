package object

import "fmt"

// Code is the name of an error as S3 has it.
type Code string

// The errors of the package.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const (
	AccessDenied            Code = "AccessDenied"
	BadDigest               Code = "BadDigest"
	BucketAlreadyExists     Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty          Code = "BucketNotEmpty"
	EntityTooLarge          Code = "EntityTooLarge"
	EntityTooSmall          Code = "EntityTooSmall"
	InvalidArgument         Code = "InvalidArgument"
	InvalidBucketName       Code = "InvalidBucketName"
	InvalidPart             Code = "InvalidPart"
	InvalidPartOrder        Code = "InvalidPartOrder"
	InvalidRequest          Code = "InvalidRequest"
	InvalidTag              Code = "InvalidTag"
	KeyTooLongError         Code = "KeyTooLongError"
	MetadataTooLarge        Code = "MetadataTooLarge"
	MethodNotAllowed        Code = "MethodNotAllowed"
	NoSuchBucket            Code = "NoSuchBucket"
	NoSuchKey               Code = "NoSuchKey"
	NoSuchUpload            Code = "NoSuchUpload"
	NoSuchVersion           Code = "NoSuchVersion"
	PreconditionFailed      Code = "PreconditionFailed"
	TooManyBuckets          Code = "TooManyBuckets"
)

// Error is an error of the caller with S3's text.
type Error struct {
	Code    Code
	Message string
	Detail  map[string]string // further elements of the reply
	Marker  *Version          // the delete marker that was found instead of an object
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is compares the codes.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// fail makes an Error; details are pairs of element and text.
func fail(code Code, message string, details ...string) *Error {
	e := &Error{Code: code, Message: message}
	for i := 0; i+1 < len(details); i += 2 {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[details[i]] = details[i+1]
	}
	return e
}

func noSuchBucket(name string) *Error {
	return fail(NoSuchBucket, "The specified bucket does not exist", "BucketName", name)
}

func noSuchKey(key string) *Error {
	return fail(NoSuchKey, "The specified key does not exist.", "Key", key)
}

func noSuchVersion(key, id string) *Error {
	return fail(NoSuchVersion, "The specified version does not exist.", "Key", key, "VersionId", id)
}

func noSuchUpload(id string) *Error {
	return fail(NoSuchUpload, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", "UploadId", id)
}

// trouble is an error of our own with what was being done.
func trouble(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }
