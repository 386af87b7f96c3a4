package topic

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The types of messages.
const (
	notification   = "Notification"
	confirmation   = "SubscriptionConfirmation"
	unsubscription = "UnsubscribeConfirmation"
)

// envelope is what an endpoint is sent about a message.
type envelope struct {
	Type, ID, Topic, Message, Token string
	Subject                         *string
	Sequence                        string // of a FIFO topic
	Time                            time.Time
	Version, Signature              string // of the signature; AWS: recorded, FIFO topics sign nothing
	Attributes                      map[string]Attribute
}

// timestamp is a time as SNS writes it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// signed is the text of which the signature is.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (e *envelope) signed(subscribeURL string) string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	line("Message", e.Message)
	line("MessageId", e.ID)
	if e.Type != notification {
		line("SubscribeURL", subscribeURL)
	} else if e.Subject != nil {
		line("Subject", *e.Subject)
	}
	line("Timestamp", timestamp(e.Time))
	if e.Type != notification {
		line("Token", e.Token)
	}
	line("TopicArn", e.Topic)
	line("Type", e.Type)
	return b.String()
}

// object writes a JSON object in the order of its members; AWS does so by hand,
// with a space on both sides of the colon, when it is for endpoints.
type object struct {
	strings.Builder
	spread bool
}

func (o *object) member(name string, value any) {
	separator, colon := ",", ":"
	if o.spread {
		separator, colon = ",\n  ", " : "
	}
	switch {
	case o.Len() == 0 && o.spread:
		o.WriteString("{\n  ")
	case o.Len() == 0:
		o.WriteString("{")
	default:
		o.WriteString(separator)
	}
	o.WriteString(compact(name) + colon + compact(value))
}

func (o *object) end() string {
	if o.spread {
		return o.String() + "\n}"
	}
	return o.String() + "}"
}

// attributeValue is a message attribute in an envelope.
type attributeValue struct{ Type, Value string }

func (e *envelope) values() map[string]attributeValue {
	values := make(map[string]attributeValue, len(e.Attributes))
	for name, a := range e.Attributes {
		value := a.String
		if strings.HasPrefix(a.Type, "Binary") {
			value = base64.StdEncoding.EncodeToString(a.Binary)
		}
		values[name] = attributeValue{a.Type, value}
	}
	return values
}

// links are the addresses in an envelope.
type links struct{ certificate, unsubscribe, subscribe string }

func (t *Topics) links(s *Subscription, token string) links {
	return links{
		certificate: s.Base + t.config.CertificatePath,
		unsubscribe: s.Base + "/?Action=Unsubscribe&SubscriptionArn=" + s.ID.ARN(),
		subscribe:   s.Base + "/?Action=ConfirmSubscription&TopicArn=" + s.ID.Topic.ARN() + "&Token=" + url.QueryEscape(token),
	}
}

// text is the envelope for queues and HTTP endpoints.
// AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (e *envelope) text(l links) string {
	o := object{spread: true}
	o.member("Type", e.Type)
	o.member("MessageId", e.ID)
	if e.Sequence != "" {
		o.member("SequenceNumber", e.Sequence)
	}
	if e.Type != notification {
		o.member("Token", e.Token)
	}
	o.member("TopicArn", e.Topic)
	if e.Subject != nil {
		o.member("Subject", *e.Subject)
	}
	o.member("Message", e.Message)
	if e.Type != notification {
		o.member("SubscribeURL", l.subscribe)
	}
	o.member("Timestamp", timestamp(e.Time))
	if e.Signature != "" {
		o.member("SignatureVersion", e.Version)
		o.member("Signature", e.Signature)
		o.member("SigningCertURL", l.certificate)
	}
	if e.Type == notification {
		o.member("UnsubscribeURL", l.unsubscribe)
	}
	if len(e.Attributes) > 0 {
		values := e.values()
		inner := make([]string, 0, len(values))
		for _, name := range slices.Sorted(maps.Keys(values)) {
			inner = append(inner, "    "+compact(name)+" : "+compact(values[name]))
		}
		o.WriteString(",\n  \"MessageAttributes\" : {\n" + strings.Join(inner, ",\n") + "\n  }")
	}
	return o.end()
}

// event is the envelope for functions.
// AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (e *envelope) event(l links, subscription string) string {
	o := object{}
	o.member("Type", e.Type)
	o.member("MessageId", e.ID)
	o.member("TopicArn", e.Topic)
	o.member("Subject", e.Subject) // AWS: null without one
	o.member("Message", e.Message)
	o.member("Timestamp", timestamp(e.Time))
	o.member("SignatureVersion", e.Version)
	o.member("Signature", e.Signature)
	o.member("SigningCertUrl", l.certificate)
	o.member("UnsubscribeUrl", l.unsubscribe)
	o.member("MessageAttributes", e.values())
	record := object{}
	record.member("EventSource", "aws:sns")
	record.member("EventVersion", "1.0")
	record.member("EventSubscriptionArn", subscription)
	record.member("Sns", json.RawMessage(o.end()))
	return `{"Records":[` + record.end() + `]}`
}
