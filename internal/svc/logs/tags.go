package logs

import (
	"context"
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// checkTags holds new tags to the limits, together with those that are there.
func checkTags(old, added map[string]string) error {
	total := len(old)
	for key := range added {
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return logsapi.InvalidParameterException("Tag keys that begin with aws: are reserved.")
		}
		if _, there := old[key]; !there {
			total++
		}
	}
	if total > maxTags {
		return logsapi.TooManyTagsException("A resource can have no more than %d tags.", maxTags)
	}
	return nil
}

func (l *Logs) addTags(ctx context.Context, s scope, name string, tags map[string]string) error {
	return l.change(ctx, s, name, func(g *groupRow) error {
		if err := checkTags(g.Tags, tags); err != nil {
			return err
		}
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, tags)
		return nil
	})
}

func (l *Logs) removeTags(ctx context.Context, s scope, name string, keys []string) error {
	return l.change(ctx, s, name, func(g *groupRow) error {
		for _, key := range keys {
			delete(g.Tags, key)
		}
		return nil
	})
}

func (l *Logs) tags(ctx context.Context, s scope, name string) (map[string]string, error) {
	g, err := l.group(ctx, s, name)
	if err != nil {
		return nil, err
	}
	if g.Tags == nil {
		return map[string]string{}, nil
	}
	return g.Tags, nil
}

func (l *Logs) tagResource(ctx context.Context, call *wire.Call, in *logsapi.TagResourceInput) (*logsapi.TagResourceOutput, error) {
	s := scopeOf(call)
	return &logsapi.TagResourceOutput{}, l.addTags(ctx, s, nameOf(s, *in.ResourceArn), in.Tags)
}

func (l *Logs) untagResource(ctx context.Context, call *wire.Call, in *logsapi.UntagResourceInput) (*logsapi.UntagResourceOutput, error) {
	s := scopeOf(call)
	return &logsapi.UntagResourceOutput{}, l.removeTags(ctx, s, nameOf(s, *in.ResourceArn), in.TagKeys)
}

func (l *Logs) listTagsForResource(ctx context.Context, call *wire.Call, in *logsapi.ListTagsForResourceInput) (*logsapi.ListTagsForResourceOutput, error) {
	s := scopeOf(call)
	tags, err := l.tags(ctx, s, nameOf(s, *in.ResourceArn))
	return &logsapi.ListTagsForResourceOutput{Tags: tags}, err
}

func (l *Logs) tagLogGroup(ctx context.Context, call *wire.Call, in *logsapi.TagLogGroupInput) (*logsapi.TagLogGroupOutput, error) {
	return &logsapi.TagLogGroupOutput{}, l.addTags(ctx, scopeOf(call), *in.LogGroupName, in.Tags)
}

func (l *Logs) untagLogGroup(ctx context.Context, call *wire.Call, in *logsapi.UntagLogGroupInput) (*logsapi.UntagLogGroupOutput, error) {
	return &logsapi.UntagLogGroupOutput{}, l.removeTags(ctx, scopeOf(call), *in.LogGroupName, in.Tags)
}

func (l *Logs) listTagsLogGroup(ctx context.Context, call *wire.Call, in *logsapi.ListTagsLogGroupInput) (*logsapi.ListTagsLogGroupOutput, error) {
	tags, err := l.tags(ctx, scopeOf(call), *in.LogGroupName)
	return &logsapi.ListTagsLogGroupOutput{Tags: tags}, err
}
