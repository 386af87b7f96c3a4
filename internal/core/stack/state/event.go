package state

import (
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// stackType is the resource type of stacks.
const StackType = "AWS::CloudFormation::Stack"

// eventTime is how CloudFormation writes a time into ids and notifications.
const eventTime = "2006-01-02T15:04:05.000Z"

// eventStep lies between two events at least: clients see milliseconds and sort by
// them, so that a resource that is made at once would be complete before it is begun.
const eventStep = time.Millisecond

// number is that of the next event: later ones have greater numbers.
func (e *Records) number() int64 {
	for {
		last := e.last.Load()
		next := max(last+int64(eventStep), e.Clock.Now().UnixNano())
		if e.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// say adds an event to a batch, and what the stack's topics are told of it.
func (e *Records) Say(b *store.Batch, s *Stack, event Event) error {
	number := e.number()
	event.Time = time.Unix(0, number).UTC()
	if o := s.Operation; o != nil {
		event.Token, event.Operation, event.Kind = o.Token, o.ID, o.Kind
	}
	if event.Type == StackType && event.PhysicalID == s.ARN() {
		event.ID = ids.UUID()
	} else {
		event.ID = fmt.Sprintf("%s-%s-%s", event.LogicalID, event.Status, event.Time.Format(eventTime))
	}
	if _, err := e.Put(b, s.Key("event", s.ID, number), Place{}, &event); err != nil {
		return err
	}
	if e.Outbox == nil || s.Now == nil {
		return nil
	}
	for _, topic := range s.Now.Notifications {
		if err := e.Outbox.Add(b, &delivery.Message{Target: topic, Body: []byte(notification(s, &event)), Subject: "AWS CloudFormation Notification",
			Principal: "cloudformation.amazonaws.com", Source: s.ARN(), Purpose: "an event of the stack " + s.Name, Policy: delivery.Internal()}); err != nil {
			return err
		}
	}
	return nil
}

// sayStack adds an event of the stack itself.
func (e *Records) SayStack(b *store.Batch, s *Stack) error {
	return e.Say(b, s, Event{LogicalID: s.Name, PhysicalID: s.ARN(), Type: StackType, Status: s.Status, Reason: s.Reason})
}

// notification is an event as a stack's topics get it.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-add-tags.html, as recorded.
func notification(s *Stack, event *Event) string {
	var text strings.Builder
	for _, line := range [][2]string{
		{"StackId", s.ARN()}, {"Timestamp", event.Time.Format(eventTime)}, {"EventId", event.ID}, {"LogicalResourceId", event.LogicalID},
		{"Namespace", s.Account}, {"PhysicalResourceId", event.PhysicalID}, {"ResourceProperties", event.Properties}, {"ResourceStatus", string(event.Status)},
		{"ResourceStatusReason", event.Reason}, {"ResourceType", event.Type}, {"StackName", s.Name}, {"ClientRequestToken", event.Token},
	} {
		fmt.Fprintf(&text, "%s='%s'\n", line[0], line[1])
	}
	return text.String()
}
