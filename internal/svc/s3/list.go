package s3

import (
	"context"
	"encoding/base64"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// encoder writes keys into an answer.
type encoder struct{ url bool }

// encoding reads encoding-type.
func encoding(kind *string) (encoder, error) {
	switch member.Text(kind) {
	case "":
		return encoder{}, nil
	case "url":
		return encoder{url: true}, nil
	}
	return encoder{}, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", member.Text(kind))
}

func (e encoder) text(s string) *string {
	if e.url {
		s = escape(s)
	}
	return &s
}

// optional is nil for a member that the request did not have.
func (e encoder) optional(s *string) *string {
	if s == nil {
		return nil
	}
	return e.text(*s)
}

// escape is the URL form of keys: slashes stay.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '/', c == '*':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

func (e encoder) prefixes(all []string) (out []s3api.CommonPrefix) {
	for _, p := range all {
		out = append(out, s3api.CommonPrefix{Prefix: e.text(p)})
	}
	return out
}

// pageSize reads max-keys and its like.
func pageSize(given *int32, name string, call *wire.Call) (int, error) {
	if given == nil {
		return object.MaxPage, nil
	}
	if *given < 0 {
		return 0, invalidArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, call.Request.URL.Query().Get(name))
	}
	return min(int(*given), object.MaxPage), nil
}

// entry is an object in a list.
func entry(v *object.Version, e encoder) s3api.Object {
	o := s3api.Object{Key: e.text(v.Key), LastModified: &v.Modified, ETag: quoted(v.ETag), Size: &v.Size, StorageClass: ptr(storageClass(v))}
	if v.Checksum.Algorithm != "" {
		o.ChecksumAlgorithm, o.ChecksumType = []string{string(v.Checksum.Algorithm)}, ptr(checksumType(v.Checksum))
	}
	return o
}

func (a *api) listObjects(ctx context.Context, call *wire.Call, in *s3api.ListObjectsInput) (*s3api.ListObjectsOutput, error) {
	most, err := pageSize(in.MaxKeys, "max-keys", call)
	if err != nil {
		return nil, err
	}
	e, err := encoding(in.EncodingType)
	if err != nil {
		return nil, err
	}
	page, err := a.objects.List(ctx, place(call, in.Bucket, nil), object.Query{Prefix: member.Text(in.Prefix), Delimiter: member.Text(in.Delimiter), After: member.Text(in.Marker), Max: most})
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsOutput{
		Name: in.Bucket, Prefix: e.text(member.Text(in.Prefix)), Marker: e.text(member.Text(in.Marker)), MaxKeys: ptr(int32(most)), Delimiter: e.optional(in.Delimiter),
		EncodingType: in.EncodingType, IsTruncated: &page.Truncated, CommonPrefixes: e.prefixes(page.Prefixes),
	}
	for _, v := range page.Versions {
		o := entry(v, e)
		o.Owner = owner(call.Account)
		out.Contents = append(out.Contents, o)
	}
	if page.Truncated && member.Text(in.Delimiter) != "" { // AWS: else the last key is the marker
		out.NextMarker = e.text(page.Next)
	}
	return out, nil
}

func (a *api) listObjectsV2(ctx context.Context, call *wire.Call, in *s3api.ListObjectsV2Input) (*s3api.ListObjectsV2Output, error) {
	most, err := pageSize(in.MaxKeys, "max-keys", call)
	if err != nil {
		return nil, err
	}
	e, err := encoding(in.EncodingType)
	if err != nil {
		return nil, err
	}
	after := member.Text(in.StartAfter)
	if in.ContinuationToken != nil {
		token, err := base64.RawURLEncoding.DecodeString(*in.ContinuationToken)
		if err != nil || len(token) == 0 {
			return nil, invalidArgument("The continuation token provided is incorrect", "continuation-token", *in.ContinuationToken)
		}
		after = string(token)
	}
	page, err := a.objects.List(ctx, place(call, in.Bucket, nil), object.Query{Prefix: member.Text(in.Prefix), Delimiter: member.Text(in.Delimiter), After: after, Max: most})
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsV2Output{
		Name: in.Bucket, Prefix: e.text(member.Text(in.Prefix)), MaxKeys: ptr(int32(most)), Delimiter: e.optional(in.Delimiter), EncodingType: in.EncodingType,
		IsTruncated: &page.Truncated, CommonPrefixes: e.prefixes(page.Prefixes), KeyCount: ptr(int32(len(page.Versions) + len(page.Prefixes))),
		ContinuationToken: in.ContinuationToken, StartAfter: e.optional(in.StartAfter),
	}
	for _, v := range page.Versions {
		o := entry(v, e)
		if in.FetchOwner != nil && *in.FetchOwner {
			o.Owner = owner(call.Account)
		}
		out.Contents = append(out.Contents, o)
	}
	if page.Truncated {
		out.NextContinuationToken = ptr(base64.RawURLEncoding.EncodeToString([]byte(page.Next)))
	}
	return out, nil
}

func (a *api) listObjectVersions(ctx context.Context, call *wire.Call, in *s3api.ListObjectVersionsInput) (*s3api.ListObjectVersionsOutput, error) {
	most, err := pageSize(in.MaxKeys, "max-keys", call)
	if err != nil {
		return nil, err
	}
	e, err := encoding(in.EncodingType)
	if err != nil {
		return nil, err
	}
	if member.Text(in.VersionIdMarker) != "" && member.Text(in.KeyMarker) == "" {
		return nil, invalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", *in.VersionIdMarker)
	}
	page, err := a.objects.ListVersions(ctx, place(call, in.Bucket, nil), object.Query{
		Prefix: member.Text(in.Prefix), Delimiter: member.Text(in.Delimiter), After: member.Text(in.KeyMarker), Version: member.Text(in.VersionIdMarker), Max: most})
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectVersionsOutput{
		Name: in.Bucket, Prefix: e.text(member.Text(in.Prefix)), KeyMarker: e.text(member.Text(in.KeyMarker)), VersionIdMarker: ptr(member.Text(in.VersionIdMarker)), MaxKeys: ptr(int32(most)),
		Delimiter: e.optional(in.Delimiter), EncodingType: in.EncodingType, IsTruncated: &page.Truncated, CommonPrefixes: e.prefixes(page.Prefixes),
	}
	for _, v := range page.Versions {
		if v.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, s3api.DeleteMarkerEntry{Owner: owner(call.Account), Key: e.text(v.Key), VersionId: &v.ID, IsLatest: &v.Latest, LastModified: &v.Modified})
			continue
		}
		o := entry(v, e)
		out.Versions = append(out.Versions, s3api.ObjectVersion{
			ETag: o.ETag, ChecksumAlgorithm: o.ChecksumAlgorithm, ChecksumType: o.ChecksumType, Size: o.Size, StorageClass: o.StorageClass, Key: o.Key,
			VersionId: &v.ID, IsLatest: &v.Latest, LastModified: o.LastModified, Owner: owner(call.Account),
		})
	}
	if page.Truncated {
		out.NextKeyMarker, out.NextVersionIdMarker = e.text(page.Next), member.Optional(page.NextID)
	}
	return out, nil
}
