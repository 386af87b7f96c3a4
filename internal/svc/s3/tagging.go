package s3

import (
	"context"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// tagMap reads a set of tags.
func tagMap(set []s3api.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(set))
	for _, tag := range set {
		if tag.Key == nil || tag.Value == nil {
			return nil, malformedXML()
		}
		if _, twice := tags[*tag.Key]; twice {
			return nil, refused(400, "InvalidTag", "Cannot provide multiple Tags with the same key", "TagKey", *tag.Key)
		}
		tags[*tag.Key] = *tag.Value
	}
	return tags, nil
}

// tagSet writes tags, by key.
func tagSet(tags map[string]string) []s3api.Tag {
	set := []s3api.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, s3api.Tag{Key: ptr(key), Value: ptr(tags[key])})
	}
	return set
}

func (a *api) putObjectTagging(ctx context.Context, call *wire.Call, in *s3api.PutObjectTaggingInput) (*s3api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := tagMap(in.Tagging.TagSet)
	if err != nil {
		return nil, err
	}
	v, err := a.objects.SetTags(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId), tags)
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectTaggingOutput{VersionId: versionOf(v)}, nil
}

func (a *api) getObjectTagging(ctx context.Context, call *wire.Call, in *s3api.GetObjectTaggingInput) (*s3api.GetObjectTaggingOutput, error) {
	found, err := a.objects.Find(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return &s3api.GetObjectTaggingOutput{VersionId: versionOf(found.Version), TagSet: tagSet(found.Tags)}, nil
}

func (a *api) deleteObjectTagging(ctx context.Context, call *wire.Call, in *s3api.DeleteObjectTaggingInput) (*s3api.DeleteObjectTaggingOutput, error) {
	v, err := a.objects.SetTags(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId), nil)
	if err != nil {
		return nil, err
	}
	return &s3api.DeleteObjectTaggingOutput{VersionId: versionOf(v)}, nil
}

// grants are those of everything: its owner may do all.
func grants(account string) []s3api.Grant {
	return []s3api.Grant{{Grantee: &s3api.Grantee{ID: owner(account).ID, Type: ptr("CanonicalUser")}, Permission: ptr("FULL_CONTROL")}}
}

func (a *api) getObjectACL(ctx context.Context, call *wire.Call, in *s3api.GetObjectAclInput) (*s3api.GetObjectAclOutput, error) {
	found, err := a.objects.Find(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId))
	if err != nil {
		return nil, err
	}
	found.Close()
	return &s3api.GetObjectAclOutput{Owner: owner(call.Account), Grants: grants(call.Account)}, nil
}

// putObjectACL takes only what is so anyway, see refuseACL.
func (a *api) putObjectACL(ctx context.Context, call *wire.Call, in *s3api.PutObjectAclInput) (*s3api.PutObjectAclOutput, error) {
	found, err := a.objects.Find(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId))
	if err != nil {
		return nil, err
	}
	found.Close()
	if in.AccessControlPolicy != nil || in.ACL == nil {
		return nil, aclsOff()
	}
	return &s3api.PutObjectAclOutput{}, nil
}
