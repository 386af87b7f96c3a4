// Package sns is the SNS API: it translates between the wire and core/topic, and
// makes the requests to HTTP endpoints (Webhook).
//
// It promises AWS's codes, statuses and texts of errors; what a topic does is
// core/topic's. ConfirmSubscription and Unsubscribe are called without a
// signature too, by the links in messages.
//
// No goroutines, no locks. Start reading at New.
package sns

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/snsapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

type api struct{ topics *topic.Topics }

// New makes the service.
func New(topics *topic.Topics) *wire.Service {
	a := &api{topics}
	return wire.NewService(model(),
		snsapi.HandleAddPermission(wrap(a.addPermission)),
		snsapi.HandleConfirmSubscription(wrap(a.confirmSubscription)),
		snsapi.HandleCreateTopic(wrap(a.createTopic)),
		snsapi.HandleDeleteTopic(wrap(a.deleteTopic)),
		snsapi.HandleGetDataProtectionPolicy(wrap(a.getDataProtectionPolicy)),
		snsapi.HandleGetSubscriptionAttributes(wrap(a.getSubscriptionAttributes)),
		snsapi.HandleGetTopicAttributes(wrap(a.getTopicAttributes)),
		snsapi.HandleListSubscriptions(wrap(a.listSubscriptions)),
		snsapi.HandleListSubscriptionsByTopic(wrap(a.listSubscriptionsByTopic)),
		snsapi.HandleListTagsForResource(wrap(a.listTagsForResource)),
		snsapi.HandleListTopics(wrap(a.listTopics)),
		snsapi.HandlePublish(wrap(a.publish)),
		snsapi.HandlePublishBatch(wrap(a.publishBatch)),
		snsapi.HandlePutDataProtectionPolicy(wrap(a.putDataProtectionPolicy)),
		snsapi.HandleRemovePermission(wrap(a.removePermission)),
		snsapi.HandleSetSubscriptionAttributes(wrap(a.setSubscriptionAttributes)),
		snsapi.HandleSetTopicAttributes(wrap(a.setTopicAttributes)),
		snsapi.HandleSubscribe(wrap(a.subscribe)),
		snsapi.HandleTagResource(wrap(a.tagResource)),
		snsapi.HandleUnsubscribe(wrap(a.unsubscribe)),
		snsapi.HandleUntagResource(wrap(a.untagResource)),
	)
}

// model is the API model with the two operations that links call.
func model() *shape.Service {
	m := *snsapi.Model
	m.Operations = slices.Clone(m.Operations)
	for i := range m.Operations {
		if op := &m.Operations[i]; op.Name == "ConfirmSubscription" || op.Name == "Unsubscribe" {
			op.Unsigned = true
		}
	}
	return &m
}

// Certificate serves the certificate of the key that signs messages.
func Certificate(topics *topic.Topics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := topics.Certificate(r.Context())
		if err != nil {
			http.Error(w, "the certificate cannot be read now", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(text) // a client that is gone needs none
	})
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

var faults = map[topic.Code]func(string, ...any) *fault.Fault{
	topic.NotFound:                  snsapi.NotFoundException,
	topic.InvalidParameter:          snsapi.InvalidParameterException,
	topic.InvalidParameterValue:     snsapi.InvalidParameterValueException,
	topic.AuthorizationError:        snsapi.AuthorizationErrorException,
	topic.TagLimitExceeded:          snsapi.TagLimitExceededException,
	topic.SubscriptionLimitExceeded: snsapi.SubscriptionLimitExceededException,
	topic.BatchRequestTooLong:       snsapi.BatchRequestTooLongException,
}

// translate makes AWS's error; one that is not the caller's stays as it is.
func translate(err error) error {
	var refusal *topic.Error
	if !errors.As(err, &refusal) || faults[refusal.Code] == nil {
		return err
	}
	return faults[refusal.Code]("%s", refusal.Message)
}

// invalid is AWS's usual text of a wrong parameter.
func invalid(format string, args ...any) error {
	return snsapi.InvalidParameterException("Invalid parameter: "+format, args...)
}

// arnElements is how many elements an ARN has at least.
const arnElements = 6

// parse reads an ARN of SNS. AWS: the texts are recorded.
func parse(parameter, given string) (arn.ARN, error) {
	if n := strings.Count(given, ":") + 1; n < arnElements {
		return arn.ARN{}, invalid("%s Reason: An ARN must have at least 6 elements, not %d", parameter, n)
	}
	a, err := arn.Parse(given)
	if err != nil || a.Service != "sns" || a.Partition != arn.Partition {
		return a, invalid("%s", parameter)
	}
	return a, nil
}

// topic reads the ARN of a topic of the caller, who wants to do action with it.
func (a *api) topic(call *wire.Call, action, parameter string, given *string) (topic.ID, error) {
	parsed, err := parse(parameter, member.Text(given))
	if err != nil {
		return topic.ID{}, err
	}
	id, err := topic.ParseARN(member.Text(given))
	switch {
	case err != nil || parsed.Region != call.Region:
		return topic.ID{}, invalid("%s", parameter) // AWS: recorded
	case parsed.Account != call.Account: // policies are not evaluated yet
		return topic.ID{}, snsapi.AuthorizationErrorException("User: %s is not authorized to perform: SNS:%s on resource: %s because no resource-based policy allows the SNS:%s action",
			call.CallerARN, action, *given, action)
	}
	return id, nil
}

// subscription reads the ARN of a subscription.
func (a *api) subscription(call *wire.Call, action string, given *string) (topic.SubscriptionID, error) {
	none := topic.SubscriptionID{}
	if given != nil && *given == "" {
		return none, invalid("SubscriptionArn Reason: no value for required parameter") // AWS: recorded
	}
	parsed, err := parse("SubscriptionArn", member.Text(given))
	if err != nil {
		return none, err
	}
	name, id, ok := strings.Cut(parsed.Resource, ":")
	if !ok || id == "" || strings.Contains(id, ":") {
		return none, invalid("SubscriptionId") // AWS: recorded
	}
	parsed.Resource = name
	of := parsed.String()
	if call.AccessKeyID == "" { // who follows a link proves nothing and names everything
		topicID, err := topic.ParseARN(of)
		if err != nil {
			return none, invalid("SubscriptionArn")
		}
		return topic.SubscriptionID{Topic: topicID, ID: id}, nil
	}
	topicID, err := a.topic(call, action, "SubscriptionArn", &of)
	return topic.SubscriptionID{Topic: topicID, ID: id}, err
}

// Tokens of pages are what the next page begins after.
func encodeToken(after string) *string {
	if after == "" {
		return nil
	}
	token := base64.StdEncoding.EncodeToString([]byte(after))
	return &token
}

func decodeToken(token *string) (string, error) {
	after, err := base64.StdEncoding.DecodeString(member.Text(token))
	if err != nil {
		return "", invalid("NextToken")
	}
	return string(after), nil
}
