package delivery

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Policy says when a message is tried again, and what becomes of it if its
// target does not take it. The zero value tries once.
type Policy struct {
	Retries    []Phase       `json:"r,omitempty"` // one after the other; then the message is given up
	MaxRetries *int          `json:"n,omitempty"` // bounds those of Retries
	MaxAge     time.Duration `json:"a,omitempty"` // since Add; 0: no bound
	DeadLetter *DeadLetter   `json:"l,omitempty"`
}

// Phase is a part of the retries. The pauses before them grow from First to Last.
type Phase struct {
	Times  int           `json:"n"`
	First  time.Duration `json:"f,omitempty"`
	Last   time.Duration `json:"t,omitempty"`
	Growth Growth        `json:"g,omitempty"`
}

// Growth is how pauses grow: the words are those of a delivery policy of SNS.
type Growth string

// The ways to grow. AWS shows the curves in a figure without numbers
// (https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html);
// here arithmetic is a parabola and geometric lies between it and exponential.
const (
	Linear      Growth = "linear" // also ""
	Arithmetic  Growth = "arithmetic"
	Geometric   Growth = "geometric"
	Exponential Growth = "exponential"
)

// DeadLetter is the queue for a message that is given up.
type DeadLetter struct {
	Target     string               `json:"to"`          // ARN
	Role       string               `json:"o,omitempty"` // as in Message
	Body       []byte               `json:"b,omitempty"` // nil: that of the message
	Attributes map[string]Attribute `json:"a,omitempty"` // beside those of the message

	// Names of attributes that tell what happened; "" leaves one out.
	ErrorCode    string `json:"c,omitempty"`
	ErrorMessage string `json:"m,omitempty"`
	Condition    string `json:"e,omitempty"` // which bound was reached: a constant below
	Retries      string `json:"n,omitempty"`
}

// What the attribute DeadLetter.Condition says. It is left out after a Permanent error.
const (
	retriesReached = "MaximumRetryAttempts"
	ageReached     = "MaximumEventAgeInSeconds"
)

// ManagedEndpoints is how SNS tries a queue or a function: 100,015 retries over 23 days.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func ManagedEndpoints() Policy {
	return Policy{Retries: []Phase{
		{Times: 3},
		{Times: 2, First: time.Second, Last: time.Second},
		{Times: 10, First: time.Second, Last: 20 * time.Second, Growth: Exponential},
		{Times: 100_000, First: 20 * time.Second, Last: 20 * time.Second},
	}}
}

// BusTargets is how EventBridge tries the target of a rule: for 24 hours and up
// to 185 times, with exponential back-off.
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
//
// AWS: does not tell the pauses; these fill the 24 hours.
func BusTargets() Policy {
	return Policy{MaxAge: 24 * time.Hour, Retries: []Phase{
		{Times: 10, First: time.Second, Last: 512 * time.Second, Growth: Exponential},
		{Times: 175, First: 484 * time.Second, Last: 484 * time.Second},
	}}
}

// Internal is how destinations and dead letters of functions and notifications
// of buckets are tried.
//
// AWS: does not tell; S3 says "typically in seconds" and at least once
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html).
func Internal() Policy {
	return Policy{MaxAge: 24 * time.Hour, Retries: []Phase{
		{Times: 2},
		{Times: 10, First: time.Second, Last: 5 * time.Minute, Growth: Exponential},
		{Times: 1000, First: 5 * time.Minute, Last: 5 * time.Minute},
	}}
}

// next is the pause before a retry, counted from 0; without more it is given up.
func (p *Policy) next(retry int) (pause time.Duration, more bool) {
	if p.MaxRetries != nil && retry >= *p.MaxRetries {
		return 0, false
	}
	for _, phase := range p.Retries {
		if retry < phase.Times {
			return jitter(phase.pause(retry)), true
		}
		retry -= max(0, phase.Times)
	}
	return 0, false
}

// pause is the pause before the retry n of the phase.
func (p *Phase) pause(n int) time.Duration {
	first, last := float64(p.First), float64(p.Last)
	if p.Times < 2 || first >= last {
		return p.First
	}
	part := float64(n) / float64(p.Times-1)
	switch p.Growth {
	case Arithmetic:
		part *= part
	case Geometric:
		part *= part * part
	case Exponential:
		first = max(first, float64(time.Second))
		return time.Duration(first * math.Pow(last/first, part))
	}
	return time.Duration(first + part*(last-first))
}

// jitter takes up to a tenth off, so that what failed together is not tried
// again together.
func jitter(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - rand.N(d/10)
}

// letter is the message for the dead-letter queue; nil without one.
func (p *Policy) letter(m *Message, tries int, condition string, why error) *Message {
	d := p.DeadLetter
	if d == nil || d.Target == "" {
		return nil
	}
	letter := &Message{Target: d.Target, Body: m.Body, Attributes: map[string]Attribute{}, GroupID: m.GroupID, DeduplicationID: m.DeduplicationID, Lane: m.Lane,
		Principal: m.Principal, Source: m.Source, Role: d.Role, TraceID: m.TraceID, Purpose: m.Purpose + deadLetterOf, Policy: Internal()}
	if d.Body != nil {
		letter.Body = d.Body
	}
	for _, attributes := range []map[string]Attribute{m.Attributes, d.Attributes} {
		for name, a := range attributes {
			letter.Attributes[name] = a
		}
	}
	for _, told := range []struct{ name, kind, value string }{
		{d.ErrorCode, "String", codeOf(why)}, {d.ErrorMessage, "String", why.Error()},
		{d.Condition, "String", condition}, {d.Retries, "Number", strconv.Itoa(max(0, tries-1))},
	} {
		if told.name != "" && told.value != "" {
			letter.Attributes[told.name] = Attribute{Type: told.kind, String: told.value}
		}
	}
	return letter
}

// deadLetterOf ends the Purpose of a dead letter.
const deadLetterOf = " (dead letter)"
