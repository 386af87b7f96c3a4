package s3

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// encryption is what AWS says of every object; here it is the host's disk that is
// encrypted, or not (docs/api.md).
const encryption = "AES256"

// defaultType is that of an object that was given none.
const defaultType = "binary/octet-stream"

// storedHeaders reads what is kept of the headers of a new object; they have the same
// names in all inputs.
func storedHeaders(call *wire.Call) object.Headers {
	h := call.Request.Header
	stored := object.Headers{
		ContentType: h.Get("Content-Type"), CacheControl: h.Get("Cache-Control"), ContentDisposition: h.Get("Content-Disposition"),
		ContentEncoding: h.Get("Content-Encoding"), ContentLanguage: h.Get("Content-Language"), Expires: h.Get("Expires"),
		WebsiteRedirect: h.Get("X-Amz-Website-Redirect-Location"), StorageClass: h.Get("X-Amz-Storage-Class"),
	}
	if stored.ContentType == "" {
		stored.ContentType = defaultType
	}
	if stored.StorageClass == "STANDARD" {
		stored.StorageClass = "" // AWS: is not told of either
	}
	return stored
}

// attributes are those of a new object.
func attributes(call *wire.Call, metadata map[string]string, tagging *string) (object.Attributes, error) {
	tags, err := tagQuery(member.Text(tagging))
	return object.Attributes{Headers: storedHeaders(call), Metadata: lower(metadata), Tags: tags}, err
}

// tagQuery reads the tags of a header: "key=value&…".
func tagQuery(query string) (map[string]string, error) {
	if query == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", query)
	}
	tags := map[string]string{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", query)
		}
		tags[name] = all[0]
	}
	return tags, nil
}

func (a *api) putObject(ctx context.Context, call *wire.Call, in *s3api.PutObjectInput) (*s3api.PutObjectOutput, error) {
	stated, err := state(call)
	if err != nil {
		return nil, err
	}
	condition, err := writeCondition(in.IfMatch, in.IfNoneMatch)
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
	event := object.CreatedPut
	if call.Form {
		event = object.CreatedPost
	}
	where := place(call, in.Bucket, in.Key)
	v, err := a.objects.Put(ctx, where, attributes, stated.body(call), stated.kept(), condition, event)
	if err != nil {
		return nil, err
	}
	out := &s3api.PutObjectOutput{ETag: quoted(v.ETag), ServerSideEncryption: ptr(encryption), VersionId: versionOf(v), Expiration: a.expirationOf(ctx, where, v)}
	setObjectChecksum(out, v)
	return out, nil
}

// versionOf is the id to tell a client; nil where versioning was never switched on.
func versionOf(v *object.Version) *string {
	if v.ID == object.NullVersion {
		return nil
	}
	return &v.ID
}

// reading is what GetObject and HeadObject have in common.
type reading struct {
	found *object.Found
	span  span
	parts int // the number of them, if one was asked for
}

// open finds the version and the bytes that a read asks for. The caller closes found.
func (a *api) open(ctx context.Context, call *wire.Call, in *s3api.GetObjectInput) (*reading, error) {
	if id := member.Text(in.VersionId); in.VersionId != nil && !object.ValidVersionID(id) {
		return nil, invalidArgument("Invalid version id specified", "versionId", id)
	}
	found, err := a.objects.Find(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId))
	if err != nil {
		return nil, err
	}
	r := &reading{found: found, span: span{size: found.Size}}
	if err := r.choose(ctx, call, in); err != nil {
		found.Close()
		return nil, err
	}
	return r, nil
}

func (r *reading) choose(ctx context.Context, call *wire.Call, in *s3api.GetObjectInput) error {
	c := conditions{match: member.Text(in.IfMatch), noneMatch: member.Text(in.IfNoneMatch), since: httpTime(call, "If-Modified-Since"), before: httpTime(call, "If-Unmodified-Since")}
	err := c.check(r.found.Version)
	switch {
	case err != nil:
		return err
	case in.PartNumber != nil && member.Text(in.Range) != "":
		return refused(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
	case in.PartNumber != nil:
		part, err := r.found.Part(ctx, int(*in.PartNumber))
		r.span, r.parts = span{part.Offset, part.Size, true}, r.found.PartsCount()
		return err
	}
	r.span, err = byteRange(member.Text(in.Range), r.found.Size)
	return err
}

func (a *api) getObject(ctx context.Context, call *wire.Call, in *s3api.GetObjectInput) (*s3api.GetObjectOutput, error) {
	r, err := a.open(ctx, call, in)
	if err != nil {
		return nil, err
	}
	out := r.output(call, in)
	if out.Body, err = r.found.Read(ctx, r.span.offset, r.span.size); err != nil {
		return nil, err
	}
	return out, nil
}

// output is the answer without the body.
func (r *reading) output(call *wire.Call, in *s3api.GetObjectInput) *s3api.GetObjectOutput {
	v, h := r.found.Version, &r.found.Headers
	out := &s3api.GetObjectOutput{
		AcceptRanges: ptr("bytes"), LastModified: &v.Modified, ContentLength: &r.span.size, ETag: quoted(v.ETag), ServerSideEncryption: ptr(encryption),
		CacheControl: member.Optional(h.CacheControl), ContentDisposition: member.Optional(h.ContentDisposition), ContentEncoding: member.Optional(h.ContentEncoding),
		ContentLanguage: member.Optional(h.ContentLanguage), ContentType: member.Optional(h.ContentType), Metadata: v.Metadata,
		WebsiteRedirectLocation: member.Optional(h.WebsiteRedirect), StorageClass: member.Optional(h.StorageClass), VersionId: versionOf(v), Expiration: expiration(r.found.Bucket, v),
	}
	if r.found.Bucket.Versioning != "" {
		out.VersionId = &v.ID
	}
	if r := v.Keeping.Retention; r != nil {
		out.ObjectLockMode, out.ObjectLockRetainUntilDate = &r.Mode, &r.Until
	}
	if r, k := v.Keeping.Retention, v.Keeping; k.Hold || r != nil {
		out.ObjectLockLegalHoldStatus = holdStatus(k)
	}
	if n := len(v.Tags); n > 0 {
		out.TagCount = ptr(int32(n))
	}
	if r.span.partial {
		call.Status = http.StatusPartialContent
		out.ContentRange = ptr(r.span.contentRange(v.Size))
		if v.Size == 0 {
			call.Status, out.ContentRange = 0, nil // part 1 of an empty object
		}
	}
	if r.parts > 0 {
		out.PartsCount = ptr(int32(r.parts))
	}
	if strings.EqualFold(member.Text(in.ChecksumMode), "ENABLED") && r.span.size == v.Size {
		setObjectChecksum(out, v)
	}
	expires := h.Expires
	override(&out.CacheControl, in.ResponseCacheControl)
	override(&out.ContentDisposition, in.ResponseContentDisposition)
	override(&out.ContentEncoding, in.ResponseContentEncoding)
	override(&out.ContentLanguage, in.ResponseContentLanguage)
	override(&out.ContentType, in.ResponseContentType)
	if in.ResponseExpires != nil {
		expires = in.ResponseExpires.Format(http.TimeFormat)
	}
	header(call, "Expires", expires)
	return out
}

func override(member **string, given *string) {
	if given != nil {
		*member = given
	}
}

func (a *api) headObject(ctx context.Context, call *wire.Call, in *s3api.HeadObjectInput) (*s3api.HeadObjectOutput, error) {
	get := &s3api.GetObjectInput{
		Bucket: in.Bucket, IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch, Key: in.Key, Range: in.Range, VersionId: in.VersionId, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode,
		ResponseCacheControl: in.ResponseCacheControl, ResponseContentDisposition: in.ResponseContentDisposition, ResponseContentEncoding: in.ResponseContentEncoding,
		ResponseContentLanguage: in.ResponseContentLanguage, ResponseContentType: in.ResponseContentType, ResponseExpires: in.ResponseExpires,
	}
	r, err := a.open(ctx, call, get)
	if err != nil {
		return nil, err
	}
	defer r.found.Close()
	got := r.output(call, get)
	out := &s3api.HeadObjectOutput{
		AcceptRanges: got.AcceptRanges, LastModified: got.LastModified, ContentLength: got.ContentLength, ETag: got.ETag, ServerSideEncryption: got.ServerSideEncryption,
		CacheControl: got.CacheControl, ContentDisposition: got.ContentDisposition, ContentEncoding: got.ContentEncoding, ContentLanguage: got.ContentLanguage,
		ContentType: got.ContentType, ContentRange: got.ContentRange, Metadata: got.Metadata, WebsiteRedirectLocation: got.WebsiteRedirectLocation,
		StorageClass: got.StorageClass, VersionId: got.VersionId, PartsCount: got.PartsCount, TagCount: got.TagCount, Expiration: got.Expiration,
		ObjectLockMode: got.ObjectLockMode, ObjectLockRetainUntilDate: got.ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus: got.ObjectLockLegalHoldStatus,
	}
	if got.ChecksumType != nil {
		setObjectChecksum(out, r.found.Version)
	}
	return out, nil
}

func (a *api) deleteObject(ctx context.Context, call *wire.Call, in *s3api.DeleteObjectInput) (*s3api.DeleteObjectOutput, error) {
	condition, err := deleteCondition(in.IfMatch, httpTime(call, "X-Amz-If-Match-Last-Modified-Time"), in.IfMatchSize)
	if err != nil {
		return nil, err
	}
	done, err := a.objects.Delete(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId), condition, yes(in.BypassGovernanceRetention))
	if err != nil {
		return nil, err
	}
	out := &s3api.DeleteObjectOutput{VersionId: in.VersionId}
	if done.Marker {
		out.DeleteMarker, out.VersionId = ptr(true), &done.Version.ID
	}
	return out, nil
}

func deleteCondition(match *string, modified time.Time, size *int64) (*object.DeleteCondition, error) {
	if member.Text(match) == "" && modified.IsZero() && size == nil {
		return nil, nil
	}
	return &object.DeleteCondition{ETag: unquote(member.Text(match)), Modified: modified, Size: size}, nil
}

func (a *api) deleteObjects(ctx context.Context, call *wire.Call, in *s3api.DeleteObjectsInput) (*s3api.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > object.MaxDeleteObjects {
		return nil, malformedXML()
	}
	targets := make([]object.Target, len(in.Delete.Objects))
	for i := range in.Delete.Objects {
		o := &in.Delete.Objects[i]
		if member.Text(o.Key) == "" {
			return nil, malformedXML()
		}
		modified := time.Time{}
		if o.LastModifiedTime != nil {
			modified = *o.LastModifiedTime
		}
		condition, err := deleteCondition(o.ETag, modified, o.Size)
		if err != nil {
			return nil, err
		}
		targets[i] = object.Target{Key: *o.Key, VersionID: member.Text(o.VersionId), Match: condition, Bypass: yes(in.BypassGovernanceRetention)}
	}
	outcomes, err := a.objects.DeleteMany(ctx, place(call, in.Bucket, nil), targets)
	if err != nil {
		return nil, err
	}
	quiet := in.Delete.Quiet != nil && *in.Delete.Quiet
	out := &s3api.DeleteObjectsOutput{}
	for i, outcome := range outcomes {
		key, id := &targets[i].Key, member.Optional(targets[i].VersionID)
		switch f := translated(outcome.Err); {
		case f != nil:
			out.Errors = append(out.Errors, s3api.Error{Key: key, VersionId: id, Code: &f.Code, Message: &f.Message})
		case quiet:
		case outcome.Marker:
			out.Deleted = append(out.Deleted, s3api.DeletedObject{Key: key, VersionId: id, DeleteMarker: ptr(true), DeleteMarkerVersionId: &outcome.Version.ID})
		default:
			out.Deleted = append(out.Deleted, s3api.DeletedObject{Key: key, VersionId: id})
		}
	}
	return out, nil
}

func (a *api) getObjectAttributes(ctx context.Context, call *wire.Call, in *s3api.GetObjectAttributesInput) (*s3api.GetObjectAttributesOutput, error) {
	found, err := a.objects.Find(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	out := &s3api.GetObjectAttributesOutput{LastModified: &found.Modified, VersionId: versionOf(found.Version)}
	for _, name := range in.ObjectAttributes {
		switch name {
		case "ETag":
			out.ETag = &found.ETag // AWS: without quotes here
		case "Checksum":
			out.Checksum = &s3api.Checksum{}
			setObjectChecksum(out.Checksum, found.Version)
		case "ObjectParts":
			if out.ObjectParts, err = objectParts(ctx, found, in); err != nil {
				return nil, err
			}
		case "StorageClass":
			out.StorageClass = ptr(storageClass(found.Version))
		case "ObjectSize":
			out.ObjectSize = &found.Size
		default:
			return nil, invalidArgument("Invalid attribute name specified.", "x-amz-object-attributes", name)
		}
	}
	return out, nil
}

func storageClass(v *object.Version) string {
	if v.Headers.StorageClass == "" {
		return "STANDARD"
	}
	return v.Headers.StorageClass
}

// objectParts is nil for an object that was not uploaded in parts.
func objectParts(ctx context.Context, found *object.Found, in *s3api.GetObjectAttributesInput) (*s3api.GetObjectAttributesParts, error) {
	count := found.PartsCount()
	if count == 0 {
		return nil, nil
	}
	most, marker := object.MaxPage, 0
	if in.MaxParts != nil {
		most = min(max(int(*in.MaxParts), 0), most)
	}
	if in.PartNumberMarker != nil {
		marker = max(int(*in.PartNumberMarker), 0)
	}
	parts, err := found.Parts(ctx)
	if err != nil {
		return nil, err
	}
	out := &s3api.GetObjectAttributesParts{TotalPartsCount: ptr(int32(count)), PartNumberMarker: ptr(int32(marker)), MaxParts: ptr(int32(most)), IsTruncated: ptr(false)}
	if !found.Checksum.Composite {
		return out, nil // AWS: lists parts only where each has a checksum of its own
	}
	last := marker
	for _, p := range parts[min(marker, len(parts)):] {
		if len(out.Parts) == most {
			out.IsTruncated = ptr(true)
			break
		}
		entry := s3api.ObjectPart{PartNumber: ptr(p.Number), Size: ptr(p.Size)}
		setChecksum(&entry, object.Checksum{Algorithm: found.Checksum.Algorithm, Value: p.Checksum}, "")
		out.Parts, last = append(out.Parts, entry), int(p.Number)
	}
	out.NextPartNumberMarker = ptr(int32(last))
	return out, nil
}
