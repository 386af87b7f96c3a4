package topic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The protocols of subscriptions.
const (
	SQS    = "sqs"
	Lambda = "lambda"
	HTTP   = "http"
	HTTPS  = "https"
)

// absent are AWS's protocols that need a service, or a world, which is not here.
var absent = map[string]string{
	"email": "sends no mail", "email-json": "sends no mail", "sms": "sends no text messages",
	"application": "has no mobile push", "firehose": "has no Firehose",
}

// Names of attributes of subscriptions.
const (
	attributeRaw     = "RawMessageDelivery"
	attributeFilter  = "FilterPolicy"
	attributeBody    = "FilterPolicyScope"
	attributeRedrive = "RedrivePolicy"

	scopeAttributes = "MessageAttributes"
	scopeBody       = "MessageBody"
)

// SubscriptionID names a subscription.
type SubscriptionID struct {
	Topic ID
	ID    string
}

// ARN is the subscription's Amazon Resource Name.
func (s SubscriptionID) ARN() string { return s.Topic.ARN() + ":" + s.ID }

// Subscription is a subscription as the store has it.
type Subscription struct {
	ID            SubscriptionID `json:"-"`
	Protocol      string
	Endpoint      string
	Principal     string            // who subscribed
	Function      bool              `json:",omitempty"` // they were a function: what functions may not call is not called for them
	Base          string            // scheme://host:port by which they came: what the endpoint can reach us by
	Attributes    map[string]string `json:",omitempty"`
	Confirmed     bool
	Authenticated bool `json:",omitempty"` // whoever confirmed it had the right to subscribe
	Protected     bool `json:",omitempty"` // only its owner may remove it
	Created       time.Time
	Asked         time.Time `json:",omitzero"` // when its endpoint was last asked to confirm
}

func (s *Subscription) sameEndpoint(other *Subscription) bool {
	return s.Protocol == other.Protocol && s.Endpoint == other.Endpoint
}

// overHTTP tells of an endpoint that must confirm.
func (s *Subscription) overHTTP() bool { return s.Protocol == HTTP || s.Protocol == HTTPS }

func subscriptionKey(s SubscriptionID) []byte {
	return tuple.Key("sns", "subscription", s.Topic.Account, s.Topic.Region, s.Topic.Name, s.ID)
}

// subscriptionRange bounds the subscriptions of a topic.
func subscriptionRange(id ID) (lo, hi []byte) {
	return tuple.Range("sns", "subscription", id.Account, id.Region, id.Name)
}

// parseSubscription reads an entry of the store.
func parseSubscription(entry store.Entry) (*Subscription, error) {
	parts, err := tuple.Parse(entry.Key)
	if err != nil || len(parts) != 6 {
		return nil, fmt.Errorf("read a subscription: key %x, %w", entry.Key, err)
	}
	s := &Subscription{ID: SubscriptionID{Topic: ID{parts[2].(string), parts[3].(string), parts[4].(string)}, ID: parts[5].(string)}}
	if err := json.Unmarshal(entry.Value, s); err != nil {
		return nil, fmt.Errorf("read subscription %s: %w", s.ID.ARN(), err)
	}
	return s, nil
}

// subscriptions reads all subscriptions of the topic.
func subscriptions(snap store.Snap, id ID) ([]*Subscription, error) {
	var list []*Subscription
	lo, hi := subscriptionRange(id)
	for {
		entries, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return nil, fmt.Errorf("read the subscriptions of %s: %w", id.Name, err)
		}
		for _, entry := range entries {
			s, err := parseSubscription(entry)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
		if len(entries) < scanPage {
			return list, nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

// Request is what Subscribe is asked for.
type Request struct {
	Protocol, Endpoint string
	Attributes         map[string]string
	Principal          string
	Base               string
	Function           bool
}

// Subscribe adds a subscription, or finds the one that is there for the endpoint.
// One over HTTP is to be confirmed by what its endpoint is sent.
func (t *Topics) Subscribe(ctx context.Context, id ID, in Request) (*Subscription, error) {
	if err := checkEndpoint(id, in.Protocol, in.Endpoint); err != nil {
		return nil, err
	}
	var made *Subscription
	err := t.update(ctx, id, func(c *change) error {
		all, err := subscriptions(c.snap, id)
		if err != nil {
			return err
		}
		asked := &Subscription{ID: SubscriptionID{Topic: id, ID: ids.UUID()}, Protocol: in.Protocol, Endpoint: in.Endpoint, Principal: in.Principal,
			Base: in.Base, Function: in.Function, Created: t.config.Clock.Now().UTC()}
		if err := asked.setAll(in.Attributes); err != nil {
			return err
		}
		if i := slices.IndexFunc(all, asked.sameEndpoint); i >= 0 {
			made = all[i]
			if err := made.same(asked, in.Attributes); err != nil || made.Confirmed {
				return err
			}
			return errors.Join(c.ask(made, confirmation), put(c.batch, subscriptionKey(made.ID), made))
		}
		if len(all) >= MaxSubscriptions {
			return fail(SubscriptionLimitExceeded, "A topic has at most %d subscriptions on this platform", MaxSubscriptions)
		}
		made = asked
		c.touch = true
		if asked.overHTTP() {
			c.row.Counts.Pending++
			if err := c.ask(asked, confirmation); err != nil {
				return err
			}
		} else {
			asked.Confirmed, asked.Authenticated = true, true
			c.row.Counts.Confirmed++
		}
		return put(c.batch, subscriptionKey(asked.ID), asked)
	})
	if err != nil {
		return nil, err
	}
	t.wake()
	return made, nil
}

// checkEndpoint checks the protocol and what it is to be delivered to.
func checkEndpoint(id ID, protocol, endpoint string) error {
	if why, known := absent[protocol]; known {
		return invalid("Protocol Reason: This platform %s: it delivers to sqs, lambda, http and https", why)
	}
	if isFIFO(id.Name) && slices.Contains([]string{Lambda, HTTP, HTTPS}, protocol) {
		return invalid("Invalid protocol type: %s", protocol) // AWS: recorded
	}
	switch protocol {
	case SQS:
		a, ok := parseQueue(endpoint)
		switch {
		case !ok:
			return invalid("SQS endpoint ARN") // AWS: recorded
		case isFIFO(a.Resource) && !isFIFO(id.Name):
			return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics") // AWS: recorded
		}
		return sameOwner(id, a)
	case Lambda:
		a, err := arn.Parse(endpoint)
		if err != nil || a.Service != "lambda" || a.Region == "" || a.Account == "" || !strings.HasPrefix(a.Resource, "function:") || strings.Count(a.Resource, ":") > 2 {
			return invalid("Lambda endpoint ARN")
		}
		return sameOwner(id, a)
	case HTTP, HTTPS:
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != protocol || u.Host == "" || u.Fragment != "" {
			return invalid("Endpoint must match the specified protocol") // AWS: recorded
		}
		return nil
	}
	return invalid("Amazon SNS does not support this protocol string: %s", protocol) // AWS: recorded
}

// parseQueue reads the ARN of a queue.
func parseQueue(text string) (arn.ARN, bool) {
	a, err := arn.Parse(text)
	return a, err == nil && a.Service == "sqs" && a.Region != "" && a.Account != "" && !strings.ContainsAny(a.Resource, ":/")
}

// sameOwner refuses endpoints of other accounts. AWS: there a subscription waits
// until the other account confirms it.
func sameOwner(id ID, a arn.ARN) error {
	if a.Account != id.Account {
		return invalid("Endpoint Reason: This platform delivers only within the account of the topic")
	}
	return nil
}

// same compares what a second Subscribe asks for with what there is.
func (s *Subscription) same(asked *Subscription, given map[string]string) error {
	for name := range given {
		old, value := s.shown(name), asked.shown(name)
		if old != value && !sameJSON(old, value) {
			return invalid("Attributes Reason: Subscription already exists with different attributes") // AWS: recorded
		}
	}
	return nil
}

// shown is an attribute with its default.
func (s *Subscription) shown(name string) string {
	switch value := s.Attributes[name]; {
	case value == "" && name == attributeRaw:
		return "false"
	case value == "" && name == attributeBody:
		return scopeAttributes
	default:
		return value
	}
}

// setAll sets the attributes that Subscribe is given.
func (s *Subscription) setAll(given map[string]string) error {
	names := slices.Sorted(maps.Keys(given))
	if i := slices.Index(names, attributeBody); i >= 0 { // the filter policy is read by it
		names = append([]string{attributeBody}, slices.Delete(names, i, i+1)...)
	}
	for _, name := range names {
		err := s.set(name, given[name])
		if refusal, ok := err.(*Error); ok && refusal.Code == InvalidParameter {
			err = invalid("Attributes Reason: %s", strings.TrimPrefix(refusal.Message, "Invalid parameter: "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// set checks and sets one attribute. An error has the text of
// SetSubscriptionAttributes.
func (s *Subscription) set(name, value string) error {
	kept, err := s.check(name, value)
	if err != nil {
		return err
	}
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	if kept == "" {
		delete(s.Attributes, name)
	} else {
		s.Attributes[name] = kept
	}
	return nil
}

// check gives the value to keep of one that is given.
func (s *Subscription) check(name, value string) (string, error) {
	switch name {
	case attributeRaw:
		switch flag := strings.ToLower(value); {
		case flag != "true" && flag != "false":
			return "", invalid("%s: Invalid value [%s]. Must be true or false.", name, value) // AWS: recorded
		case flag == "true" && s.Protocol == Lambda:
			return "", invalid("Delivery protocol [%s] does not support raw message delivery.", s.Protocol) // AWS: recorded
		default:
			return flag, nil
		}
	case attributeBody:
		if value != scopeAttributes && value != scopeBody {
			return "", invalid("%s: Invalid value [%s]. Please use either MessageBody or MessageAttributes", name, value) // AWS: recorded
		}
		_, err := parseFilter(s.Attributes[attributeFilter], value)
		return value, err
	case attributeFilter:
		if value == "{}" {
			value = ""
		}
		_, err := parseFilter(value, s.shown(attributeBody))
		return value, err
	case attributeRedrive:
		_, err := s.parseRedrive(value)
		return value, err
	case attributeDelivery:
		return s.checkDelivery(value)
	case "ReplayPolicy":
		return "", invalid("ReplayPolicy Reason: This platform does not archive messages.")
	case "SubscriptionRoleArn":
		return "", invalid("SubscriptionRoleArn Reason: It is for Firehose, which this platform does not have.")
	}
	return "", invalid("AttributeName") // AWS: recorded
}

func (s *Subscription) checkDelivery(value string) (string, error) {
	p, err := parseSubscriptionPolicy(value)
	switch {
	case err != nil || value == "":
		return "", err
	case !s.overHTTP():
		return "", invalid("DeliveryPolicy: delivery policies are for HTTP and HTTPS endpoints only")
	}
	return compact(p), nil
}

// parseRedrive gives the ARN of the dead-letter queue; "" for none.
func (s *Subscription) parseRedrive(text string) (string, error) {
	if text == "" || text == "{}" {
		return "", nil
	}
	var p struct {
		DeadLetterTargetARN *string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalid("RedrivePolicy: failed to parse JSON.")
	}
	if p.DeadLetterTargetARN == nil {
		return "", invalid("RedrivePolicy: deadLetterTargetArn is missing")
	}
	a, ok := parseQueue(*p.DeadLetterTargetARN)
	switch {
	case !ok:
		return "", invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn") // AWS: recorded
	case isFIFO(s.ID.Topic.Name) && isFIFO(s.Endpoint) && !isFIFO(a.Resource):
		return "", invalid("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.") // AWS: recorded
	case a.Account != s.ID.Topic.Account:
		return "", invalid("RedrivePolicy: the dead-letter queue must be of the account of the topic")
	}
	return a.String(), nil
}
