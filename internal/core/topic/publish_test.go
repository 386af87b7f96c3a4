package topic

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func subject(s string) *string { return &s }

func TestWhatEachProtocolGets(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	plain := b.subscribe(id, SQS, queueARN("plain"), nil)
	b.subscribe(id, SQS, queueARN("raw"), map[string]string{"RawMessageDelivery": "true"})
	function := b.subscribe(id, Lambda, functionARN, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn": "` + queueARN("dlq") + `"}`})
	attributes := map[string]Attribute{"attr1": {Type: "Number", String: "99.12"}, "attr2": {Type: "Binary", Binary: []byte{2, 3, 4}}}
	p := b.publish(id, Message{Text: "hello <&> \u00f6", Subject: subject("s"), Attributes: attributes, GroupID: "g", Trace: "Root=1-3152b799-8954dae64eda91bc9a23a7e8"})
	got := map[string]added{}
	for _, m := range b.sent() {
		got[m.Target] = m
		if m.Principal != "sns.amazonaws.com" || m.Source != id.ARN() || m.TraceID != "Root=1-3152b799-8954dae64eda91bc9a23a7e8" {
			t.Errorf("%+v", m)
		}
	}
	if len(got) != 3 {
		t.Fatalf("%d deliveries", len(got))
	}
	// AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
	// has the form; order and spaces are those of its example.
	body := string(got[queueARN("plain")].Content)
	var e struct{ Signature string }
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	want := `{
  "Type" : "Notification",
  "MessageId" : "` + p.ID + `",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:t",
  "Subject" : "s",
  "Message" : "hello <&> ` + "\u00f6" + `",
  "Timestamp" : "2026-03-01T12:00:00.000Z",
  "SignatureVersion" : "1",
  "Signature" : "` + e.Signature + `",
  "SigningCertURL" : "http://127.0.0.1:4566/certificate.pem",
  "UnsubscribeURL" : "http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=` + plain.ID.ARN() + `",
  "MessageAttributes" : {
    "attr1" : {"Type":"Number","Value":"99.12"},
    "attr2" : {"Type":"Binary","Value":"AgME"}
  }
}`
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	if m := got[queueARN("plain")]; m.GroupID != "g" || len(m.Attributes) != 0 { // AWS: recorded, a standard queue gets the group
		t.Errorf("%+v", m)
	}
	raw := got[queueARN("raw")]
	if string(raw.Content) != "hello <&> \u00f6" || raw.Attributes["attr1"].String != "99.12" || string(raw.Attributes["attr2"].Binary) != "\x02\x03\x04" {
		t.Errorf("%+v", raw)
	}
	// AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
	event := string(got[functionARN].Content)
	want = `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"` + function.ID.ARN() + `","Sns":{"Type":"Notification","MessageId":"` + p.ID +
		`","TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Subject":"s","Message":"hello <&> ` + "\u00f6" + `","Timestamp":"2026-03-01T12:00:00.000Z","SignatureVersion":"1","Signature":"` + e.Signature +
		`","SigningCertUrl":"http://127.0.0.1:4566/certificate.pem","UnsubscribeUrl":"http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=` + function.ID.ARN() +
		`","MessageAttributes":{"attr1":{"Type":"Number","Value":"99.12"},"attr2":{"Type":"Binary","Value":"AgME"}}}}]}`
	if event != want {
		t.Errorf("got  %s\nwant %s", event, want)
	}
	letter := got[functionARN].Policy.DeadLetter
	if letter == nil || letter.Target != queueARN("dlq") || !strings.HasPrefix(string(letter.Body), "{\n  \"Type\" : \"Notification\"") {
		t.Errorf("%+v", letter)
	}
}

func TestAFunctionGetsNullWithoutASubject(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	b.subscribe(id, Lambda, functionARN, nil)
	b.publish(id, Message{Text: "x"})
	if b.outbox.woken == 0 {
		t.Error("the outbox sleeps")
	}
	if m := b.sent()[0]; !strings.Contains(string(m.Content), `"Subject":null,"Message":"x"`) {
		t.Errorf("%s", m.Content)
	}
}

// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func TestSignaturesCanBeVerified(t *testing.T) {
	b := newBench(t)
	certificate := func() *rsa.PublicKey {
		text, err := b.Certificate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c.PublicKey.(*rsa.PublicKey)
	}
	key := certificate()
	verify := func(m added, version string, fields ...string) {
		t.Helper()
		e := map[string]any{}
		if err := json.Unmarshal(m.Content, &e); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, name := range fields {
			if value, ok := e[name]; ok {
				text += name + "\n" + value.(string) + "\n"
			}
		}
		signature, err := base64.StdEncoding.DecodeString(e["Signature"].(string))
		if err != nil || e["SignatureVersion"] != version {
			t.Fatal(err, e)
		}
		old, recent := sha1.Sum([]byte(text)), sha256.Sum256([]byte(text))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, old[:], signature)
		if version == "2" {
			err = rsa.VerifyPKCS1v15(key, crypto.SHA256, recent[:], signature)
		}
		if err != nil {
			t.Errorf("version %s of %s: %v", version, e["Type"], err)
		}
	}
	for _, version := range []string{"1", "2"} {
		id := b.create("t"+version, map[string]string{"SignatureVersion": version})
		b.subscribe(id, HTTP, "http://host/x", nil)
		all := b.sent()
		verify(all[len(all)-1], version, "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
		b.subscribe(id, SQS, queueARN("q"), nil)
		for _, m := range []Message{{Text: "with", Subject: subject("s")}, {Text: "without"}} {
			b.publish(id, m)
			all = b.sent()
			verify(all[len(all)-1], version, "Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
		}
	}
	b.restart()
	if !certificate().Equal(key) {
		t.Error("the key is another after a restart")
	}
}

func TestAStructuredMessageHasATextForEachProtocol(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	b.subscribe(id, SQS, queueARN("q"), map[string]string{"RawMessageDelivery": "true"})
	for text, want := range map[string]string{
		`{"default": "d", "sqs": "for queues"}`: "for queues", `{"default": "d", "lambda": "f"}`: "d", `{"default": "d", "sqs": 1}`: "d",
		`{"default": "d", "sqs": "{\"field\": \"value\"}"}`: `{"field": "value"}`, `{"default": "1", "default": "2"}`: "2",
	} {
		b.publish(id, Message{Text: text, Structured: true})
		all := b.sent()
		if got := string(all[len(all)-1].Content); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for text, message := range map[string]string{
		`{"sqs": "x"}`: "No default entry in JSON message body", `{"default": {"a": 1}}`: "No default entry in JSON message body",
		`{invalid`: "JSON message body failed to parse", `[]`: "JSON message body failed to parse", `null`: "JSON message body failed to parse",
	} {
		_, err := b.Publish(t.Context(), id, Message{Text: text, Structured: true})
		refused(t, err, InvalidParameter, "Invalid parameter: Message Structure - "+message)
	}
}

func TestMessagesThatAWSRefuses(t *testing.T) {
	b := newBench(t)
	id, fifo := b.create("t", nil), b.create("t.fifo", nil)
	attribute := func(name string, a Attribute) Message {
		return Message{Text: "x", Attributes: map[string]Attribute{name: a}}
	}
	text := Attribute{Type: "String", String: "v"}
	for _, c := range []struct {
		id      ID
		m       Message
		code    Code
		message string
	}{
		{named("none"), Message{Text: "x"}, NotFound, "Topic does not exist"},
		{id, Message{}, InvalidParameter, "Invalid parameter: Empty message"},
		{id, Message{Text: "x", Subject: subject("")}, InvalidParameter, "Invalid parameter: Subject"},
		{id, Message{Text: "x", Subject: subject("a\nb")}, InvalidParameter, "Invalid parameter: Subject"},
		{id, Message{Text: "x", Subject: subject("a\x80")}, InvalidParameter, "Invalid parameter: Subject"},
		{id, Message{Text: "x", Subject: subject(strings.Repeat("s", 101))}, InvalidParameter, "Invalid parameter: Subject"},
		{id, Message{Text: strings.Repeat("x", MaxMessageBytes+1)}, InvalidParameter, "Invalid parameter: Message too long"},
		{id, Message{Text: strings.Repeat("x", MaxMessageBytes-5), Attributes: map[string]Attribute{"k": text}}, InvalidParameter, "Invalid parameter: Message too long"},
		{id, Message{Text: "x", DedupID: "d"}, InvalidParameter, "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"},
		{fifo, Message{Text: "x", DedupID: "d"}, InvalidParameter, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"},
		{fifo, Message{Text: "x", GroupID: "g"}, InvalidParameter, "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{id, attribute("attr1", Attribute{Type: "String"}), InvalidParameterValue, "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'String'."},
		{id, attribute("attr1", Attribute{Type: "Binary"}), InvalidParameterValue, "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'Binary'."},
		{id, attribute("attr1", Attribute{Type: "String", Binary: []byte("1")}), InvalidParameterValue, "The message attribute 'attr1' with type 'String' must use field 'String'."},
		{id, attribute("attr1", Attribute{Type: "Number", Binary: []byte("1")}), InvalidParameterValue, "The message attribute 'attr1' with type 'Number' must use field 'String'."},
		{id, attribute("attr1", Attribute{Type: "Binary", String: "1"}), InvalidParameterValue, "The message attribute 'attr1' with type 'Binary' must use field 'Binary'."},
		{id, attribute("attr1", Attribute{Type: "InvalidType", String: "1"}), InvalidParameterValue, "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{id, attribute("attr1", Attribute{Type: "Stringprefixed", String: "1"}), InvalidParameterValue, "The message attribute 'attr1' has an invalid message attribute type..."},
		{id, attribute(strings.Repeat("a", 257), text), InvalidParameterValue, "Length of message attribute name must be less than 256 bytes."},
		{id, attribute("a^*?", text), InvalidParameterValue, "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."},
		{id, attribute(".abc", text), InvalidParameterValue, "Invalid message attribute name starting with character '.' was found."},
		{id, attribute("abc.", text), InvalidParameterValue, "Invalid message attribute name ending with character '.' was found."},
		{id, attribute("a..bc", text), InvalidParameterValue, "Message attribute name can not have successive '.' character."},
	} {
		_, err := b.Publish(t.Context(), c.id, c.m)
		refused(t, err, c.code, c.message)
	}
	b.publish(id, Message{Text: "x", Subject: subject(strings.Repeat("\u00f6", 100))})
	half := Message{Text: strings.Repeat("x", MaxMessageBytes/2+1)}
	_, err := b.PublishBatch(t.Context(), id, []Message{half, half})
	refused(t, err, BatchRequestTooLong, "The length of all the messages put together is more than the limit.")
	for _, kind := range []string{"String.prefixed", "Binary.x", "Number.1"} {
		a := Attribute{Type: kind, String: "1"}
		if strings.HasPrefix(kind, "Binary") {
			a = Attribute{Type: kind, Binary: []byte("1")}
		}
		b.publish(id, attribute("a", a))
	}
}

func TestFilterPoliciesChoose(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	policies := map[string]map[string]string{
		"all":     nil,
		"number":  {"FilterPolicy": `{"attr1": [{"numeric": [">", 0, "<=", 100]}]}`},
		"prefix":  {"FilterPolicy": `{"store": [{"prefix": "example"}]}`},
		"but":     {"FilterPolicy": `{"store": [{"anything-but": ["other"]}]}`},
		"absent":  {"FilterPolicy": `{"store": [{"exists": false}]}`},
		"array":   {"FilterPolicy": `{"list": ["b"]}`},
		"or":      {"FilterPolicy": `{"$or": [{"store": ["none"]}, {"attr1": [50]}]}`},
		"address": {"FilterPolicy": `{"ip": [{"cidr": "10.0.0.0/24"}]}`},
		"body":    {"FilterPolicy": `{"object": {"key": [{"suffix": "png"}]}}`, "FilterPolicyScope": "MessageBody"},
	}
	for name, attributes := range policies {
		b.subscribe(id, SQS, queueARN(name), attributes)
	}
	text := func(s string) Attribute { return Attribute{Type: "String", String: s} }
	number := func(s string) Attribute { return Attribute{Type: "Number", String: s} }
	for _, c := range []struct {
		m    Message
		want string
	}{
		{Message{Text: "x"}, "absent all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"attr1": number("50")}}, "absent all number or"},
		{Message{Text: "x", Attributes: map[string]Attribute{"attr1": number("100.5")}}, "absent all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"attr1": text("50")}}, "absent all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"store": text("example_corp")}}, "all but prefix"},
		{Message{Text: "x", Attributes: map[string]Attribute{"store": text("other")}}, "all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"store": {Type: "Binary", Binary: []byte("example")}}}, "absent all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"list": {Type: "String.Array", String: `["a", "b"]`}}}, "absent all array"},
		{Message{Text: "x", Attributes: map[string]Attribute{"list": {Type: "String.Array", String: `["a", `}}}, "absent all"},
		{Message{Text: "x", Attributes: map[string]Attribute{"ip": text("10.0.0.7")}}, "absent address all"},
		{Message{Text: `{"object": {"key": "a.png"}}`}, "absent all body"},
		{Message{Text: `{"object": [{"key": "a.txt"}, {"key": "b.png"}]}`}, "absent all body"},
		{Message{Text: `{"object": `}, "absent all"},
	} {
		before := len(b.sent())
		b.publish(id, c.m)
		var got []string
		for _, m := range b.sent()[before:] {
			got = append(got, m.Target[strings.LastIndexByte(m.Target, ':')+1:])
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %v goes to %v, want %s", c.m.Text, c.m.Attributes, got, c.want)
		}
	}
}

func TestAChangeIsSeenByTheNextMessage(t *testing.T) {
	b := newBench(t)
	id := b.create("t.fifo", nil)
	m := Message{Text: "x", GroupID: "g"}
	_, err := b.Publish(t.Context(), id, m)
	refused(t, err, InvalidParameter, "Invalid parameter: The topic should...")
	if err := b.SetAttribute(t.Context(), id, "ContentBasedDeduplication", "true"); err != nil {
		t.Fatal(err)
	}
	b.publish(id, m)
	s := b.subscribe(id, SQS, queueARN("q.fifo"), nil)
	b.publish(id, Message{Text: "y", GroupID: "g"})
	if err := b.Unsubscribe(t.Context(), s.ID, true); err != nil {
		t.Fatal(err)
	}
	b.publish(id, Message{Text: "z", GroupID: "g"})
	if n := len(b.sent()); n != 1 {
		t.Errorf("%d deliveries, want that of y", n)
	}
	if err := b.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, err = b.Publish(t.Context(), id, m)
	refused(t, err, NotFound, "Topic does not exist")
}

// AWS: recorded; the deduplication id is the SHA-256 of the text, also at the queue.
func TestAFIFOTopicDropsDuplicatesAndNumbers(t *testing.T) {
	b := newBench(t)
	id := b.create("t.fifo", map[string]string{"ContentBasedDeduplication": "true"})
	b.subscribe(id, SQS, queueARN("q.fifo"), nil)
	b.subscribe(id, SQS, queueARN("q"), nil)
	first := b.publish(id, Message{Text: "Test", GroupID: "g"})
	if len(first.Sequence) != 20 {
		t.Errorf("sequence %q", first.Sequence)
	}
	if again := b.publish(id, Message{Text: "Test", GroupID: "g2"}); again != first {
		t.Errorf("%v, want %v", again, first)
	}
	b.restart()
	if again := b.publish(id, Message{Text: "Test", GroupID: "g"}); again != first {
		t.Errorf("after a restart %v, want %v", again, first)
	}
	other := b.publish(id, Message{Text: "Test", GroupID: "g", DedupID: "d"})
	if other.Sequence <= first.Sequence {
		t.Errorf("%v after %v", other, first)
	}
	all := b.sent()
	if len(all) != 4 {
		t.Fatalf("%d deliveries", len(all))
	}
	for _, m := range all[:2] {
		const hash = "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25"
		group, dedup := "g", hash
		if m.Target == queueARN("q") {
			group, dedup = "", ""
		}
		if m.GroupID != group || m.DeduplicationID != dedup || m.Lane == "" {
			t.Errorf("%+v", m.Message)
		}
		e := map[string]any{}
		if err := json.Unmarshal(m.Content, &e); err != nil || e["SequenceNumber"] != first.Sequence || e["Signature"] != nil || e["SigningCertURL"] != nil {
			t.Errorf("%s", m.Content)
		}
	}
	b.clock.pass(dedupWindow)
	if late := b.publish(id, Message{Text: "Test", GroupID: "g"}); late == first || late.Sequence <= other.Sequence {
		t.Errorf("%v five minutes after %v", late, first)
	}
	batch, err := b.PublishBatch(t.Context(), id, []Message{{Text: "1", GroupID: "g"}, {Text: "2", GroupID: "g"}, {Text: "1", GroupID: "g"}})
	if err != nil || batch[2] != batch[0] || batch[1].Sequence <= batch[0].Sequence {
		t.Errorf("%v, %v", batch, err)
	}
}

func TestDuplicatesOfAGroup(t *testing.T) {
	b := newBench(t)
	id := b.create("t.fifo", map[string]string{"ContentBasedDeduplication": "true", "FifoThroughputScope": "MessageGroup"})
	first := b.publish(id, Message{Text: "x", GroupID: "1"})
	if other := b.publish(id, Message{Text: "x", GroupID: "2"}); other == first {
		t.Error("a message of another group was dropped")
	}
	if again := b.publish(id, Message{Text: "x", GroupID: "1"}); again != first {
		t.Error("a duplicate within the group was kept")
	}
}

// The deliveries of many publishers at once are added in the order of the numbers.
func TestDeliveriesOfAFIFOTopicAreInOrder(t *testing.T) {
	b := newBench(t)
	id := b.create("t.fifo", nil)
	b.subscribe(id, SQS, queueARN("q.fifo"), nil)
	done := make(chan error)
	const publishers, each = 8, 20
	for p := range publishers {
		go func() {
			var err error
			for i := range each {
				_, one := b.Publish(context.Background(), id, Message{Text: "x", GroupID: "g", DedupID: fmt.Sprint(p, "-", i)})
				err = errors.Join(err, one)
			}
			done <- err
		}()
	}
	for range publishers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	last := ""
	all := b.sent()
	for _, m := range all {
		var e struct{ SequenceNumber string }
		if err := json.Unmarshal(m.Content, &e); err != nil || e.SequenceNumber <= last {
			t.Fatalf("%s after %s", e.SequenceNumber, last)
		}
		last = e.SequenceNumber
	}
	if len(all) != publishers*each {
		t.Errorf("%d deliveries", len(all))
	}
}

// many makes a topic whose fan-out needs several commits.
func (b *bench) many(name string) (ID, int) {
	id := b.create(name, nil)
	const subscribers = 80
	for i := range subscribers {
		b.subscribe(id, SQS, queueARN("q"+strconv.Itoa(i)), nil)
	}
	return id, subscribers
}

func TestAFanOutThatACrashInterruptsIsCompleted(t *testing.T) {
	for _, name := range []string{"t", "t.fifo"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id, subscribers := b.many(name)
			large := Message{Text: strings.Repeat("x", 200_000)}
			after := Message{Text: "after"}
			if isFIFO(name) {
				large.GroupID, large.DedupID, after.GroupID, after.DedupID = "g", "1", "g", "2"
			}
			if _, err := b.Certificate(t.Context()); err != nil { // its commit is not one of those that are counted
				t.Fatal(err)
			}
			commits := 0
			b.store.set(func(*store.Batch) error {
				if commits++; commits > 2 {
					return errors.New("the machine is gone")
				}
				return nil
			})
			b.publish(id, large) // it is acknowledged: its publication is durable
			b.store.set(nil)
			if n := len(b.sent()); n == 0 || n >= subscribers {
				t.Fatalf("%d deliveries were committed, so nothing is interrupted", n)
			}
			b.restart()
			if isFIFO(name) {
				b.publish(id, after) // must come after what is left
			} else if err := b.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, later := map[string]int{}, map[string]bool{}
			for _, m := range b.sent() {
				if strings.Contains(string(m.Content), "after") {
					later[m.Target] = true
					continue
				}
				if got[m.Target]++; later[m.Target] {
					t.Errorf("%s got the second message before the first", m.Target)
				}
			}
			if len(got) != subscribers {
				t.Errorf("%d of %d subscribers got it", len(got), subscribers)
			}
			for target, n := range got {
				if n != 1 {
					t.Errorf("%s got it %d times", target, n)
				}
			}
			if err := b.sweep(t.Context()); err != nil || len(b.sent()) > subscribers*2 {
				t.Error(err, len(b.sent()))
			}
		})
	}
}

func TestRetriesOverHTTPAreThoseOfTheDeliveryPolicy(t *testing.T) {
	given := `{"healthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 60, "numRetries": 20, "numNoDelayRetries": 3, "numMinDelayRetries": 2, "numMaxDelayRetries": 10, "backoffFunction": "exponential"}}`
	p, err := parseSubscriptionPolicy(given)
	if err != nil {
		t.Fatal(err)
	}
	want := delivery.Policy{MaxAge: time.Hour, Retries: []delivery.Phase{
		{Times: 3}, {Times: 2, First: 5 * time.Second, Last: 5 * time.Second},
		{Times: 5, First: 5 * time.Second, Last: time.Minute, Growth: delivery.Exponential}, {Times: 10, First: time.Minute, Last: time.Minute},
	}}
	if got := effective(&topicPolicy{}, p).Healthy.schedule().policy(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	off := &topicPolicy{}
	off.HTTP.DisableOverrides = true
	if got := effective(off, p).Healthy.schedule(); got.retries != defaultRetries {
		t.Errorf("an override that is disabled has an effect: %+v", got)
	}
}

func TestOtherServicesPublish(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	b.subscribe(id, SQS, queueARN("q"), map[string]string{"RawMessageDelivery": "true"})
	m := &delivery.Message{Target: id.ARN(), Body: []byte("letter"), Attributes: map[string]delivery.Attribute{"ErrorCode": {Type: "Number", String: "200"}}}
	if err := b.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if all := b.sent(); len(all) != 1 || string(all[0].Content) != "letter" || all[0].Attributes["ErrorCode"].String != "200" {
		t.Errorf("%+v", all)
	}
	for _, target := range []string{named("none").ARN(), queueARN("q")} {
		m.Target = target
		if err := b.Deliver(t.Context(), m); !delivery.IsPermanent(err) {
			t.Errorf("%s: %v", target, err)
		}
	}
}
