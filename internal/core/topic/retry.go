package topic

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// healthyPolicy is when a delivery over HTTP is tried again; the order of its
// fields is AWS's.
type healthyPolicy struct {
	MinDelayTarget     *int    `json:"minDelayTarget,omitempty"` // seconds
	MaxDelayTarget     *int    `json:"maxDelayTarget,omitempty"`
	NumRetries         *int    `json:"numRetries,omitempty"`
	NumMaxDelayRetries *int    `json:"numMaxDelayRetries,omitempty"`
	NumNoDelayRetries  *int    `json:"numNoDelayRetries,omitempty"`
	NumMinDelayRetries *int    `json:"numMinDelayRetries,omitempty"`
	BackoffFunction    *string `json:"backoffFunction,omitempty"`
}

type throttlePolicy struct {
	MaxReceivesPerSecond *int `json:"maxReceivesPerSecond,omitempty"`
}

type requestPolicy struct {
	HeaderContentType *string `json:"headerContentType,omitempty"`
}

// topicPolicy is the DeliveryPolicy of a topic.
type topicPolicy struct {
	HTTP struct {
		Healthy          *healthyPolicy  `json:"defaultHealthyRetryPolicy,omitempty"`
		Sickly           *healthyPolicy  `json:"defaultSicklyRetryPolicy,omitempty"`
		DisableOverrides bool            `json:"disableSubscriptionOverrides"`
		Throttle         *throttlePolicy `json:"defaultThrottlePolicy,omitempty"`
		Request          *requestPolicy  `json:"defaultRequestPolicy,omitempty"`
	} `json:"http"`
}

// subscriptionPolicy is the DeliveryPolicy of a subscription. AWS: recorded, the
// members without a value are written.
type subscriptionPolicy struct {
	Healthy    *healthyPolicy  `json:"healthyRetryPolicy"`
	Sickly     *healthyPolicy  `json:"sicklyRetryPolicy"`
	Throttle   *throttlePolicy `json:"throttlePolicy"`
	Request    *requestPolicy  `json:"requestPolicy"`
	Guaranteed bool            `json:"guaranteed"`
}

// defaultContentType is what requests to HTTP endpoints say of themselves.
const defaultContentType = "text/plain; charset=UTF-8"

// AWS: the content types that
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
// lists; a parameter may follow.
var contentTypes = []string{
	"application/atom+xml", "application/json", "application/octet-stream", "application/soap+xml", "application/x-www-form-urlencoded",
	"application/xhtml+xml", "application/xml", "text/css", "text/csv", "text/html", "text/plain", "text/xml",
}

func decodePolicy(text string, policy any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(policy); err != nil || decoder.More() {
		return invalid("DeliveryPolicy: failed to parse JSON.")
	}
	return nil
}

// parseTopicPolicy reads the DeliveryPolicy of a topic; "" is none.
func parseTopicPolicy(text string) (*topicPolicy, error) {
	p := &topicPolicy{}
	if text == "" {
		return p, nil
	}
	if err := decodePolicy(text, p); err != nil {
		return nil, err
	}
	if p.HTTP.Sickly != nil {
		return nil, invalid("DeliveryPolicy: defaultSicklyRetryPolicy is not supported.")
	}
	return p, checkDelivery("http.defaultHealthyRetryPolicy", p.HTTP.Healthy, p.HTTP.Throttle, p.HTTP.Request)
}

func parseSubscriptionPolicy(text string) (*subscriptionPolicy, error) {
	p := &subscriptionPolicy{}
	if text == "" {
		return p, nil
	}
	if err := decodePolicy(text, p); err != nil {
		return nil, err
	}
	if p.Sickly != nil || p.Guaranteed {
		return nil, invalid("DeliveryPolicy: sicklyRetryPolicy and guaranteed are not supported.")
	}
	return p, checkDelivery("healthyRetryPolicy", p.Healthy, p.Throttle, p.Request)
}

func checkDelivery(name string, h *healthyPolicy, throttle *throttlePolicy, request *requestPolicy) error {
	if throttle != nil && throttle.MaxReceivesPerSecond != nil && *throttle.MaxReceivesPerSecond < 1 {
		return invalid("DeliveryPolicy: throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1")
	}
	if request != nil && request.HeaderContentType != nil && !knownContentType(*request.HeaderContentType) {
		return invalid("DeliveryPolicy: requestPolicy.headerContentType is not a supported content type")
	}
	if h == nil {
		return nil
	}
	for member, value := range map[string]*int{
		"numRetries": h.NumRetries, "numMaxDelayRetries": h.NumMaxDelayRetries, "numNoDelayRetries": h.NumNoDelayRetries, "numMinDelayRetries": h.NumMinDelayRetries,
	} {
		if value != nil && (*value < 0 || *value > maxRetries) {
			return invalid("DeliveryPolicy: %s.%s must be between 0 and %d", name, member, maxRetries)
		}
	}
	s := h.schedule()
	switch {
	case s.least < 1 || s.least > maxDelaySeconds || s.most < s.least || s.most > maxDelaySeconds:
		return invalid("DeliveryPolicy: %s.minDelayTarget and maxDelayTarget must be between 1 and %d, the first not greater than the second", name, maxDelaySeconds)
	case s.atOnce+s.early+s.late > s.retries:
		return invalid("DeliveryPolicy: %s.numRetries must be greater than or equal to the sum of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries", name)
	case !slices.Contains(growths, s.function):
		return invalid("DeliveryPolicy: %s.backoffFunction must be one of linear, arithmetic, geometric and exponential", name)
	}
	return nil
}

func knownContentType(text string) bool {
	kind, _, _ := strings.Cut(text, ";")
	for _, known := range contentTypes {
		if strings.EqualFold(strings.TrimSpace(kind), known) {
			return !strings.ContainsAny(text, "\r\n")
		}
	}
	return false
}

// schedule is a retry policy with AWS's defaults put in.
type schedule struct {
	least, most                  int // seconds
	retries, atOnce, early, late int
	function                     delivery.Growth
}

// AWS: recorded, the EffectiveDeliveryPolicy of a new topic.
const (
	defaultDelay   = 20
	defaultRetries = 3
)

func (h *healthyPolicy) schedule() schedule {
	s := schedule{least: defaultDelay, most: defaultDelay, retries: defaultRetries, function: delivery.Linear}
	if h == nil {
		return s
	}
	for to, from := range map[*int]*int{
		&s.least: h.MinDelayTarget, &s.most: h.MaxDelayTarget, &s.retries: h.NumRetries,
		&s.late: h.NumMaxDelayRetries, &s.atOnce: h.NumNoDelayRetries, &s.early: h.NumMinDelayRetries,
	} {
		if from != nil {
			*to = *from
		}
	}
	if h.BackoffFunction != nil {
		s.function = delivery.Growth(*h.BackoffFunction)
	}
	return s
}

// shown is the schedule with all its members.
func (s schedule) shown() *healthyPolicy {
	return &healthyPolicy{&s.least, &s.most, &s.retries, &s.late, &s.atOnce, &s.early, (*string)(&s.function)}
}

// growths are the functions by which pauses may grow.
var growths = []delivery.Growth{delivery.Linear, delivery.Arithmetic, delivery.Geometric, delivery.Exponential}

// policy is the schedule as core/delivery has it.
func (s schedule) policy() delivery.Policy {
	least, most := time.Duration(s.least)*time.Second, time.Duration(s.most)*time.Second
	p := delivery.Policy{MaxAge: maxRetryTime, Retries: []delivery.Phase{
		{Times: s.atOnce}, {Times: s.early, First: least, Last: least},
		{Times: s.retries - s.atOnce - s.early - s.late, First: least, Last: most, Growth: s.function},
		{Times: s.late, First: most, Last: most},
	}}
	p.Retries = slices.DeleteFunc(p.Retries, func(phase delivery.Phase) bool { return phase.Times == 0 })
	return p
}

// effective is the delivery policy that applies to a subscription.
func effective(topic *topicPolicy, own *subscriptionPolicy) *subscriptionPolicy {
	e := &subscriptionPolicy{Healthy: topic.HTTP.Healthy, Throttle: topic.HTTP.Throttle, Request: topic.HTTP.Request}
	if own != nil && !topic.HTTP.DisableOverrides {
		if own.Healthy != nil {
			e.Healthy = own.Healthy
		}
		if own.Throttle != nil {
			e.Throttle = own.Throttle
		}
		if own.Request != nil {
			e.Request = own.Request
		}
	}
	e.Healthy = e.Healthy.schedule().shown()
	if e.Request == nil || e.Request.HeaderContentType == nil {
		kind := defaultContentType
		e.Request = &requestPolicy{HeaderContentType: &kind}
	}
	return e
}

// effectiveTopicPolicy is what a topic shows of the policy that applies to it.
func effectiveTopicPolicy(p *topicPolicy) *topicPolicy {
	all := effective(p, nil)
	shown := &topicPolicy{}
	shown.HTTP.Healthy, shown.HTTP.Throttle, shown.HTTP.Request = all.Healthy, all.Throttle, all.Request
	shown.HTTP.DisableOverrides = p.HTTP.DisableOverrides
	return shown
}

// compact is JSON without HTML escapes, as AWS prints it.
func compact(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("what is kept must be writable as JSON: " + err.Error())
	}
	return strings.TrimSuffix(out.String(), "\n")
}
