package guard

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
)

// values are those of a condition key, nil if the call does not have it: those of
// the permission's row first, then AWS's global keys.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (c *call) values(key string) []string {
	if from := c.need.source(key); from != nil {
		// What cannot be read now is as if it were not there: the operation meets the
		// same trouble.
		if values, err := from(c); err == nil && len(values) > 0 {
			return values
		}
		return nil
	}
	if values := c.extra[key]; values != nil {
		return values
	}
	if name, found := strings.CutPrefix(key, "aws:principaltag/"); found {
		return one(c.principalTag(name))
	}
	if name, found := strings.CutPrefix(key, "aws:requesttag/"); found {
		return one(lookup(c.requestTags(), name))
	}
	if _, name, found := strings.Cut(key, ":resourcetag/"); found {
		return one(lookup(c.resourceTags(), name))
	}
	if values := c.principalValues(key); values != nil {
		return values
	}
	return c.requestValues(key)
}

func (n *need) source(key string) source {
	if n == nil {
		return nil
	}
	return n.keys[key]
}

// one is a value that is there or not.
func one(value string, found bool) []string {
	if !found {
		return nil
	}
	return []string{value}
}

// some is a value that is there unless it is empty.
func some(value string) []string { return one(value, value != "") }

// lookup finds a tag, whose name came in lower case.
func lookup(tags map[string]string, name string) (string, bool) {
	for key, value := range tags {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// principalValues are the keys about who calls.
func (c *call) principalValues(key string) []string {
	who := &c.caller.who
	switch key {
	case "aws:principalarn":
		if who.Role != "" {
			return []string{who.Role}
		}
		return some(who.ARN)
	case "aws:principalaccount":
		return some(who.Account)
	case "aws:principaltype":
		return some(c.caller.kind)
	case "aws:userid":
		return some(c.UserID)
	case "aws:username":
		return some(c.caller.name)
	case "aws:principalisawsservice", "aws:viaawsservice":
		return []string{"false"}
	case "aws:tokenissuetime":
		if c.Session != nil && !c.Session.Issued.IsZero() {
			return []string{c.Session.Issued.UTC().Format(time.RFC3339)}
		}
	case "aws:multifactorauthpresent":
		if c.Session != nil {
			return []string{"false"}
		}
	case "aws:sourceidentity":
		if c.Session != nil {
			return some(c.Session.SourceIdentity)
		}
	}
	return nil
}

func (c *call) principalTag(name string) (string, bool) {
	if c.Session != nil {
		if value, found := lookup(c.Session.Tags, name); found {
			return value, true
		}
	}
	return lookup(c.caller.tags, name)
}

// requestValues are the keys about the request.
func (c *call) requestValues(key string) []string {
	now := c.guard.config.Clock.Now().UTC()
	switch key {
	case "aws:currenttime":
		return []string{now.Format(time.RFC3339)}
	case "aws:epochtime":
		return []string{strconv.FormatInt(now.Unix(), 10)}
	case "aws:requestedregion":
		return some(c.Region)
	case "aws:resourceaccount":
		if c.on.owner != "" {
			return []string{c.on.owner}
		}
		if account := accountOf(c.on.arn); account != "" {
			return []string{account}
		}
		return some(c.Account)
	case "aws:tagkeys":
		return c.tagNames()
	case "aws:securetransport":
		// What comes out of a sandbox crosses no network, and code that is right on AWS calls by TLS there.
		return []string{strconv.FormatBool(c.Function || c.Request != nil && c.Request.TLS != nil)}
	case "aws:sourceip", "aws:useragent", "aws:referer":
		return c.headerValues(key)
	}
	return nil
}

func (c *call) headerValues(key string) []string {
	if c.Request == nil {
		return nil
	}
	switch key {
	case "aws:useragent":
		return some(c.Request.Header.Get("User-Agent"))
	case "aws:referer":
		return some(c.Request.Header.Get("Referer"))
	}
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	return one(host, err == nil)
}

func (c *call) requestTags() map[string]string {
	if c.plan.tags == nil {
		return nil
	}
	return c.plan.tags(c)
}

func (c *call) tagNames() (names []string) {
	for name := range c.requestTags() {
		names = append(names, name)
	}
	if c.plan.tagKeys != nil {
		keys, err := c.plan.tagKeys(c)
		if err == nil {
			names = append(names, keys...)
		}
	}
	return names
}

// resourceTags are the tags of the resource that is being decided, where they can
// be had: of functions, queues, topics, secrets, roles and users. They are read
// only if a policy asks for them.
func (c *call) resourceTags() map[string]string {
	tags, err := c.guard.tagsOf(c.ctx, c.on.arn)
	if err != nil {
		return nil // what is not there has none
	}
	return tags
}

func (g *Guard) tagsOf(ctx context.Context, text string) (map[string]string, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case isFunction(text) && g.config.Functions != nil:
		name, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, "function:"), ":")
		a.Resource = "function:" + name
		return g.config.Functions.Tags(ctx, function.Scope{Account: a.Account, Region: a.Region}, a.String())
	case a.Service == "sqs" && g.config.Queues != nil:
		return g.config.Queues.Tags(ctx, queue.ID{Account: a.Account, Region: a.Region, Name: a.Resource})
	case a.Service == "sns" && g.config.Topics != nil:
		return g.config.Topics.Tags(ctx, topic.ID{Account: a.Account, Region: a.Region, Name: a.Resource})
	case a.Service == "secretsmanager":
		s, err := g.secret(ctx, secret.Scope{Account: a.Account, Region: a.Region}, text)
		if s == nil {
			return nil, err
		}
		return s.Tags, nil
	case a.Service == "iam":
		return g.tagsOfEntity(ctx, a)
	}
	return nil, nil
}
