package s3

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) createMultipartUpload(ctx context.Context, call *wire.Call, in *s3api.CreateMultipartUploadInput) (*s3api.CreateMultipartUploadOutput, error) {
	sum, err := algorithm(member.Text(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	composite, err := composite(sum, member.Text(in.ChecksumType))
	if err != nil {
		return nil, err
	}
	attributes, err := attributes(call, in.Metadata, in.Tagging)
	if err == nil {
		attributes.Keeping, err = a.keeping(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
	}
	if err != nil {
		return nil, err
	}
	id, err := a.objects.CreateUpload(ctx, place(call, in.Bucket, in.Key), object.Upload{Attributes: attributes, Algorithm: sum, Composite: composite})
	if err != nil {
		return nil, err
	}
	out := &s3api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &id, ServerSideEncryption: ptr(encryption), ChecksumAlgorithm: member.Optional(string(sum))}
	if sum != "" {
		out.ChecksumType = ptr(checksumType(object.Checksum{Composite: composite}))
	}
	return out, nil
}

// composite tells whether the checksum of an upload is over those of its parts.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func composite(sum checksum.Algorithm, kind string) (bool, error) {
	switch kind {
	case "":
		return sum != "" && sum != checksum.CRC64NVME, nil
	case "COMPOSITE":
		if sum == "" || sum == checksum.CRC64NVME {
			return false, refused(400, "InvalidRequest", "The COMPOSITE checksum type cannot be used with the "+string(sum)+" checksum algorithm.")
		}
		return true, nil
	case "FULL_OBJECT":
		if sum != "" && !sum.Cyclic() {
			return false, refused(400, "InvalidRequest", "The FULL_OBJECT checksum type cannot be used with the "+strings.ToLower(string(sum))+" checksum algorithm.")
		}
		return false, nil
	}
	return false, refused(400, "InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
}

func (a *api) uploadPart(ctx context.Context, call *wire.Call, in *s3api.UploadPartInput) (*s3api.UploadPartOutput, error) {
	stated, err := state(call)
	if err != nil {
		return nil, err
	}
	where := place(call, in.Bucket, in.Key)
	u, err := a.objects.Upload(ctx, where, *in.UploadId)
	if err != nil {
		return nil, err
	}
	if u.Algorithm != "" && stated.algorithm != "" && u.Algorithm != stated.algorithm {
		return nil, refused(400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+strings.ToLower(string(u.Algorithm))+", actual checksum Type: "+strings.ToLower(string(stated.algorithm)))
	}
	p, err := a.objects.UploadPart(ctx, where, *in.UploadId, *in.PartNumber, stated.body(call))
	if err != nil {
		return nil, err
	}
	out := &s3api.UploadPartOutput{ETag: quoted(p.ETag), ServerSideEncryption: ptr(encryption)}
	if stated.algorithm != "" {
		setChecksum(out, object.Checksum{Algorithm: stated.algorithm, Value: stated.value}, "")
	} else {
		setChecksum(out, p.Checksum, "")
	}
	return out, nil
}

func (a *api) completeMultipartUpload(ctx context.Context, call *wire.Call, in *s3api.CompleteMultipartUploadInput) (*s3api.CompleteMultipartUploadOutput, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 || len(in.MultipartUpload.Parts) > object.MaxParts {
		return nil, malformedXML()
	}
	if in.UploadId == nil {
		return nil, invalidArgument("This operation does not accept a query-string.", "ResourceType", "")
	}
	condition, err := writeCondition(in.IfMatch, in.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	where := place(call, in.Bucket, in.Key)
	how := object.Completion{Size: in.MpuObjectSize, Condition: condition}
	u, err := a.objects.Upload(ctx, where, *in.UploadId)
	sum := checksum.CRC64NVME
	if err == nil && u.Algorithm != "" {
		sum = u.Algorithm
	} // without an upload Complete knows whether it is complete already
	for i := range in.MultipartUpload.Parts {
		p := &in.MultipartUpload.Parts[i]
		if p.PartNumber == nil || p.ETag == nil {
			return nil, malformedXML()
		}
		how.Parts = append(how.Parts, object.CompletedPart{Number: *p.PartNumber, ETag: unquote(*p.ETag), Sum: statedChecksum(p, sum)})
	}
	how.Checksum, _, _ = strings.Cut(statedChecksum(in, sum), "-")
	v, err := a.objects.Complete(ctx, where, *in.UploadId, how)
	if err != nil {
		return nil, err
	}
	out := &s3api.CompleteMultipartUploadOutput{
		Location: ptr(call.Endpoint + "/" + *in.Bucket + "/" + escape(*in.Key)), Bucket: in.Bucket, Key: in.Key, ETag: quoted(v.ETag),
		ServerSideEncryption: ptr(encryption), VersionId: versionOf(v), Expiration: a.expirationOf(ctx, where, v),
	}
	setObjectChecksum(out, v)
	return out, nil
}

func (a *api) abortMultipartUpload(ctx context.Context, call *wire.Call, in *s3api.AbortMultipartUploadInput) (*s3api.AbortMultipartUploadOutput, error) {
	where := place(call, in.Bucket, in.Key)
	if initiated := httpTime(call, "X-Amz-If-Match-Initiated-Time"); !initiated.IsZero() {
		u, err := a.objects.Upload(ctx, where, *in.UploadId)
		if err != nil {
			return nil, err
		}
		if !u.Initiated.Equal(initiated) {
			return nil, failed("x-amz-if-match-initiated-time")
		}
	}
	return &s3api.AbortMultipartUploadOutput{}, a.objects.Abort(ctx, where, *in.UploadId)
}

func (a *api) listParts(ctx context.Context, call *wire.Call, in *s3api.ListPartsInput) (*s3api.ListPartsOutput, error) {
	most, err := pageSize(in.MaxParts, "max-parts", call)
	if err != nil {
		return nil, err
	}
	marker := 0
	if in.PartNumberMarker != nil {
		if marker = int(*in.PartNumberMarker); marker < 0 {
			return nil, invalidArgument("Argument part-number-marker must be an integer between 0 and 2147483647", "part-number-marker", strconv.Itoa(marker))
		}
	}
	u, parts, more, err := a.objects.Parts(ctx, place(call, in.Bucket, in.Key), *in.UploadId, marker, most)
	if err != nil {
		return nil, err
	}
	who := owner(call.Account)
	out := &s3api.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, PartNumberMarker: ptr(int32(marker)), MaxParts: ptr(int32(most)), IsTruncated: &more, Owner: who,
		Initiator: &s3api.Initiator{ID: who.ID}, StorageClass: ptr(uploadClass(u)), ChecksumAlgorithm: member.Optional(string(u.Algorithm)),
	}
	if u.Algorithm != "" {
		out.ChecksumType = ptr(checksumType(object.Checksum{Composite: u.Composite}))
	}
	for _, p := range parts {
		listed := s3api.Part{PartNumber: &p.Number, LastModified: &p.Modified, ETag: quoted(p.ETag), Size: &p.Size}
		setChecksum(&listed, p.Checksum, "")
		out.Parts, out.NextPartNumberMarker = append(out.Parts, listed), &p.Number
	}
	return out, nil
}

func uploadClass(u *object.Upload) string {
	return storageClass(&object.Version{Headers: u.Attributes.Headers})
}

func (a *api) listMultipartUploads(ctx context.Context, call *wire.Call, in *s3api.ListMultipartUploadsInput) (*s3api.ListMultipartUploadsOutput, error) {
	most, err := pageSize(in.MaxUploads, "max-uploads", call)
	if err != nil {
		return nil, err
	}
	e, err := encoding(in.EncodingType)
	if err != nil {
		return nil, err
	}
	q := object.Query{Prefix: member.Text(in.Prefix), Delimiter: member.Text(in.Delimiter), After: member.Text(in.KeyMarker), Max: most}
	if q.After != "" { // AWS: else the other marker is ignored
		q.Version = member.Text(in.UploadIdMarker)
	}
	page, uploads, err := a.objects.Uploads(ctx, place(call, in.Bucket, nil), q)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListMultipartUploadsOutput{
		Bucket: in.Bucket, KeyMarker: e.text(member.Text(in.KeyMarker)), UploadIdMarker: ptr(member.Text(in.UploadIdMarker)), Prefix: e.optional(in.Prefix), Delimiter: e.optional(in.Delimiter),
		MaxUploads: ptr(int32(most)), IsTruncated: &page.Truncated, EncodingType: in.EncodingType, CommonPrefixes: e.prefixes(page.Prefixes),
	}
	who := owner(call.Account)
	for _, u := range uploads {
		listed := s3api.MultipartUpload{UploadId: &u.ID, Key: e.text(u.Key), Initiated: &u.Initiated, StorageClass: ptr(uploadClass(u)), Owner: who, Initiator: &s3api.Initiator{ID: who.ID}, ChecksumAlgorithm: member.Optional(string(u.Algorithm))}
		if u.Algorithm != "" {
			listed.ChecksumType = ptr(checksumType(object.Checksum{Composite: u.Composite}))
		}
		out.Uploads = append(out.Uploads, listed)
	}
	if page.Truncated {
		out.NextKeyMarker, out.NextUploadIdMarker = e.text(page.Next), ptr(page.NextID)
	}
	return out, nil
}

// copySource reads x-amz-copy-source: "bucket/key", perhaps with "?versionId=…".
func copySource(call *wire.Call, given string, c conditions) (object.Source, error) {
	bad := invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", given)
	path, query, _ := strings.Cut(given, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return object.Source{}, bad
	}
	if strings.HasPrefix(path, "arn:") {
		return object.Source{}, notImplemented("x-amz-copy-source", "there are no access points")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		return object.Source{}, bad
	}
	from := object.Source{Place: object.Place{Account: call.Account, Bucket: bucket, Key: key}, Check: c.check}
	if query != "" {
		id, ok := strings.CutPrefix(query, "versionId=")
		if from.VersionID = id; !ok || !object.ValidVersionID(id) {
			return object.Source{}, invalidArgument("Invalid version id specified", "x-amz-copy-source", given)
		}
	}
	return from, nil
}

func (a *api) copyObject(ctx context.Context, call *wire.Call, in *s3api.CopyObjectInput) (*s3api.CopyObjectOutput, error) {
	from, err := copySource(call, *in.CopySource, conditions{copying: true, match: member.Text(in.CopySourceIfMatch), noneMatch: member.Text(in.CopySourceIfNoneMatch),
		since: httpTime(call, "X-Amz-Copy-Source-If-Modified-Since"), before: httpTime(call, "X-Amz-Copy-Source-If-Unmodified-Since")})
	if err != nil {
		return nil, err
	}
	how, err := copying(call, in)
	if err == nil {
		how.Keeping, err = a.keeping(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
	}
	if err != nil {
		return nil, err
	}
	to := place(call, in.Bucket, in.Key)
	if from.Bucket == to.Bucket && from.Key == to.Key && from.VersionID == "" && how.Attributes == nil && !how.ReplaceTags && in.StorageClass == nil && in.WebsiteRedirectLocation == nil && in.ServerSideEncryption == nil && how.Algorithm == "" {
		return nil, refused(400, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	v, source, err := a.objects.Copy(ctx, from, to, how)
	if err != nil {
		return nil, err
	}
	out := &s3api.CopyObjectOutput{CopyObjectResult: &s3api.CopyObjectResult{ETag: quoted(v.ETag), LastModified: &v.Modified}, VersionId: versionOf(v), CopySourceVersionId: versionOf(source), ServerSideEncryption: ptr(encryption), Expiration: a.expirationOf(ctx, to, v)}
	setObjectChecksum(out.CopyObjectResult, v)
	return out, nil
}

// copying reads what is to be copied and what is to be replaced.
func copying(call *wire.Call, in *s3api.CopyObjectInput) (how object.Copying, err error) {
	if how.Condition, err = writeCondition(in.IfMatch, in.IfNoneMatch); err != nil {
		return how, err
	}
	if how.Algorithm, err = algorithm(member.Text(in.ChecksumAlgorithm)); err != nil {
		return how, err
	}
	given := storedHeaders(call)
	how.StorageClass, how.WebsiteRedirect = given.StorageClass, given.WebsiteRedirect
	switch directive := member.Text(in.MetadataDirective); directive {
	case "", "COPY":
	case "REPLACE":
		how.Attributes = &object.Attributes{Headers: given, Metadata: lower(in.Metadata)}
	default:
		return how, invalidArgument("Unknown metadata directive.", "x-amz-metadata-directive", directive)
	}
	switch directive := member.Text(in.TaggingDirective); directive {
	case "", "COPY":
	case "REPLACE":
		how.ReplaceTags = true
		how.Tags, err = tagQuery(member.Text(in.Tagging))
	default:
		err = invalidArgument("Unknown tagging directive.", "x-amz-tagging-directive", directive)
	}
	if member.Text(in.AnnotationDirective) != "" && err == nil {
		err = notImplemented("x-amz-annotation-directive", "objects have no annotations")
	}
	return how, err
}

func (a *api) uploadPartCopy(ctx context.Context, call *wire.Call, in *s3api.UploadPartCopyInput) (*s3api.UploadPartCopyOutput, error) {
	from, err := copySource(call, *in.CopySource, conditions{copying: true, match: member.Text(in.CopySourceIfMatch), noneMatch: member.Text(in.CopySourceIfNoneMatch),
		since: httpTime(call, "X-Amz-Copy-Source-If-Modified-Since"), before: httpTime(call, "X-Amz-Copy-Source-If-Unmodified-Since")})
	if err != nil {
		return nil, err
	}
	found, err := a.objects.OpenSource(ctx, from)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	part := span{size: found.Size}
	if given := member.Text(in.CopySourceRange); given != "" {
		part, err = byteRange(given, found.Size)
		if _, last, _ := strings.Cut(given, "-"); err != nil || !part.partial || last == "" || strings.HasPrefix(given, "bytes=-") {
			return nil, refused(http.StatusBadRequest, "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
				"ArgumentName", "x-amz-copy-source-range", "ArgumentValue", given)
		}
		if last, _ := parseBytes(given[strings.LastIndexByte(given, '-')+1:]); last >= found.Size {
			return nil, invalidArgument("Range specified is not valid for source object of size: "+strconv.FormatInt(found.Size, 10), "x-amz-copy-source-range", given)
		}
	}
	if part.size > object.MaxCopyBytes {
		return nil, refused(400, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	reader, err := found.Read(ctx, part.offset, part.size)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	p, err := a.objects.UploadPart(ctx, place(call, in.Bucket, in.Key), *in.UploadId, *in.PartNumber, object.Body{Reader: reader})
	if err != nil {
		return nil, err
	}
	out := &s3api.UploadPartCopyOutput{CopyPartResult: &s3api.CopyPartResult{ETag: quoted(p.ETag), LastModified: &p.Modified}, CopySourceVersionId: versionOf(found.Version), ServerSideEncryption: ptr(encryption)}
	setChecksum(out.CopyPartResult, p.Checksum, "")
	return out, nil
}
