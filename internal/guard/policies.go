package guard

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
)

// documentOf is the policy of a resource, "" for none. A role's is its trust policy,
// which counts where it is assumed.
func (g *Guard) documentOf(ctx context.Context, on *resource, action string) (string, error) {
	a, err := arn.Parse(on.arn)
	if err != nil {
		return "", nil // the resource is * or what the operation will refuse
	}
	switch a.Service {
	case "lambda":
		return g.documentOfFunction(ctx, a)
	case "sqs":
		return g.documentOfQueue(ctx, on.arn)
	case "sns":
		return g.documentOfTopic(ctx, on.arn)
	case "events":
		return g.documentOfBus(a)
	case "s3":
		bucket, _, _ := strings.Cut(a.Resource, "/")
		return g.documentOfBucket(ctx, bucket)
	case "secretsmanager":
		s, err := g.secret(ctx, secret.Scope{Account: a.Account, Region: a.Region}, on.arn)
		if s == nil {
			return "", err
		}
		return s.Policy, nil
	case "iam":
		if ofTrust[action] {
			return g.trustOf(ctx, on.arn)
		}
	}
	return "", nil
}

func (g *Guard) documentOfFunction(ctx context.Context, a arn.ARN) (string, error) {
	if g.config.Functions == nil {
		return "", nil
	}
	scope := function.Scope{Account: a.Account, Region: a.Region}
	var p *function.Policy
	var err error
	if strings.HasPrefix(a.Resource, "layer:") {
		t, wrong := function.ParseLayerARN(a.String())
		if wrong != nil {
			return "", nil
		}
		p, err = g.config.Functions.LayerPolicy(ctx, t)
	} else {
		t, wrong := function.ParseTarget(scope, a.String(), "")
		if wrong != nil {
			return "", nil
		}
		p, err = g.config.Functions.GetPolicy(ctx, t)
	}
	var missing *function.NotFoundError
	switch {
	case errors.As(err, &missing):
		return "", nil
	case err != nil:
		return "", err
	}
	return p.Document, nil
}

func (g *Guard) documentOfQueue(ctx context.Context, text string) (string, error) {
	id, err := queue.ParseARN(text)
	if err != nil || g.config.Queues == nil {
		return "", nil
	}
	attributes, err := g.config.Queues.Attributes(ctx, id, []string{"Policy"})
	if errors.Is(err, &queue.Error{Code: queue.QueueDoesNotExist}) {
		return "", nil
	}
	return attributes["Policy"], err
}

func (g *Guard) documentOfTopic(ctx context.Context, text string) (string, error) {
	id, err := topic.ParseARN(text)
	if err != nil || g.config.Topics == nil {
		return "", nil
	}
	attributes, err := g.config.Topics.Attributes(ctx, id)
	var refusal *topic.Error
	if errors.As(err, &refusal) {
		return "", nil
	}
	return attributes["Policy"], err
}

// documentOfBus is the policy of a bus, for the bus itself and its rules.
func (g *Guard) documentOfBus(a arn.ARN) (string, error) {
	kind, rest, _ := strings.Cut(a.Resource, "/")
	id := bus.ID{Scope: bus.Scope{Account: a.Account, Region: a.Region}, Name: rest}
	switch kind {
	case "event-bus":
	case "rule":
		var inBus bool
		if id.Name, _, inBus = strings.Cut(rest, "/"); !inBus {
			id.Name = bus.DefaultBus
		}
	default:
		return "", nil
	}
	if g.config.Buses == nil {
		return "", nil
	}
	b, err := g.config.Buses.Get(id)
	var refusal *bus.Error
	switch {
	case errors.As(err, &refusal):
		return "", nil
	case err != nil:
		return "", err
	}
	return b.Policy, nil
}

// bucketPolicy is the setting of a bucket that is its policy, as svc/s3 keeps it.
const bucketPolicy = "policy"

func (g *Guard) documentOfBucket(ctx context.Context, name string) (document string, err error) {
	b, err := g.bucket(ctx, name)
	if b == nil || b.Settings[bucketPolicy] == nil {
		return "", err
	}
	return document, json.Unmarshal(b.Settings[bucketPolicy], &document)
}

// bucket finds a bucket of anybody; nil for none.
func (g *Guard) bucket(ctx context.Context, name string) (*object.Bucket, error) {
	if g.config.Objects == nil {
		return nil, nil
	}
	b, err := g.config.Objects.Bucket(ctx, object.Place{Bucket: name})
	var refusal *object.Error
	if errors.As(err, &refusal) {
		return nil, nil
	}
	return b, err
}

// secret finds a secret; nil for none.
func (g *Guard) secret(ctx context.Context, where secret.Scope, id string) (*secret.Secret, error) {
	if g.config.Secrets == nil {
		return nil, nil
	}
	s, err := g.config.Secrets.Describe(ctx, where, id)
	var refusal *secret.Error
	if errors.As(err, &refusal) {
		return nil, nil
	}
	return s, err
}

// trustOf is the trust policy of a role, "" if there is no such role.
func (g *Guard) trustOf(ctx context.Context, roleARN string) (string, error) {
	a, err := arn.Parse(roleARN)
	if err != nil {
		return "", nil
	}
	e, err := g.config.IAM.Get(ctx, a.Account, iam.Role, iam.RoleName(roleARN))
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return "", nil
	case err != nil:
		return "", err
	case e.ARN() != roleARN:
		return "", nil
	}
	return e.Trust, nil
}
