package object

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Bounds of a tag, in UTF-16 code units.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// CheckTags refuses tags that S3 does not take.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
func CheckTags(tags map[string]string, most int) error {
	if len(tags) > most {
		if most == MaxObjectTags {
			return fail(InvalidTag, "Object tags cannot be greater than 10")
		}
		return fail(InvalidTag, fmt.Sprintf("Bucket tag count cannot be greater than %d", most))
	}
	for key, value := range tags {
		switch {
		case key == "" || len(utf16.Encode([]rune(key))) > maxTagKey:
			return fail(InvalidTag, "The TagKey you have provided is invalid", "TagKey", key)
		case len(utf16.Encode([]rune(value))) > maxTagValue:
			return fail(InvalidTag, "The TagValue you have provided is invalid", "TagKey", key, "TagValue", value)
		case strings.HasPrefix(key, "aws:"):
			return fail(InvalidTag, "System tags cannot be added/updated by requester", "TagKey", key)
		}
	}
	return nil
}

// SetTags replaces the tags of a version, without a new one.
func (o *Objects) SetTags(ctx context.Context, in Place, versionID string, tags map[string]string) (*Version, error) {
	if err := CheckTags(tags, MaxObjectTags); err != nil {
		return nil, err
	}
	var v *Version
	err := o.update(ctx, in, func(c *change) (func(), error) {
		found, err := pick(c.snap, c.bucket, in.Key, versionID)
		if err != nil {
			return nil, err
		}
		v = found
		v.Tags = tags
		if err := c.rewrite(v); err != nil {
			return nil, err
		}
		event := TaggingPut
		if tags == nil {
			event = TaggingDelete
		}
		return nil, c.notify(event, v, in.By)
	})
	return v, err
}
