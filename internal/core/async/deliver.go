package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
)

// Deliver accepts a message of another service as an event of the function whose
// ARN, with a version or alias if it has one, is the target. The id of the
// message is the request id, so that a function can tell a second delivery.
func (q *Queue) Deliver(ctx context.Context, m *delivery.Message) error {
	a, err := arn.Parse(m.Target)
	if err != nil {
		return delivery.Permanent(err)
	}
	t, err := function.ParseTarget(function.Scope{Account: a.Account, Region: a.Region}, m.Target, "")
	switch {
	case err != nil:
		return delivery.Permanent(err)
	case len(m.Body) > limit.AsyncRequestBytes:
		return delivery.Permanent(fmt.Errorf("%d bytes are more than an event may have", len(m.Body)))
	case !json.Valid(m.Body):
		return delivery.Permanent(errors.New("the event is not JSON"))
	}
	_, err = q.config.Resolver.Resolve(ctx, t.Scope, t.Name, t.Qualifier)
	var gone *function.NotFoundError
	if errors.As(err, &gone) {
		return delivery.Permanent(delivery.Coded("ResourceNotFoundException", err))
	} else if err != nil {
		return err // it is being made, or the host is in trouble
	}
	if err := q.permit(ctx, t, m); err != nil {
		return err
	}
	return q.Put(ctx, &Event{Scope: t.Scope, Name: t.Name, Qualifier: t.Qualifier, RequestID: m.ID, TraceID: m.TraceID, Payload: m.Body})
}

// byPolicy are the services that may invoke a function only if its policy says so.
// AWS: the others use a role.
var byPolicy = []string{"sns.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com"}

// permit refuses a message of a service that the function's policy does not name.
func (q *Queue) permit(ctx context.Context, t function.Target, m *delivery.Message) error {
	if q.config.Permits == nil || !slices.Contains(byPolicy, m.Principal) {
		return nil
	}
	permitted, err := q.config.Permits(ctx, t, function.Caller{Service: m.Principal, Source: m.Source})
	if err == nil && !permitted {
		err = delivery.Permanent(delivery.Coded("NO_PERMISSIONS", fmt.Errorf("the policy of %s does not let %s invoke it for %s: add a permission", t.ARN(), m.Principal, m.Source)))
	}
	return err
}
