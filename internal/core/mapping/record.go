package mapping

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

// systemOrder is the order in which AWS writes a message's attributes
// (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).
var systemOrder = []string{
	"ApproximateReceiveCount", "AWSTraceHeader", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId", "MessageDeduplicationId",
	"ApproximateFirstReceiveTimestamp", "DeadLetterQueueSourceArn",
}

// attribute is a message attribute as functions see it.
type attribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func attributes(of map[string]queue.Attribute) map[string]attribute {
	seen := make(map[string]attribute, len(of))
	for name, a := range of {
		out := attribute{BinaryValue: a.Binary, StringListValues: []string{}, BinaryListValues: []string{}, DataType: a.DataType}
		if len(a.Binary) == 0 {
			out.StringValue = &a.String
		}
		seen[name] = out
	}
	return seen
}

// record writes a message as an element of Records. gathered says that the
// mapping has a batching window.
func record(r *queue.Received, id queue.ID, gathered bool) ([]byte, error) {
	w := &writer{}
	w.field("{", "messageId", r.ID)
	w.field(",", "receiptHandle", r.Handle)
	w.field(",", "body", r.Body)
	w.buffer.WriteString(`,"attributes":`)
	separator := "{"
	for _, name := range systemOrder {
		if value, ok := r.System[name]; ok {
			w.field(separator, name, value)
			separator = ","
		}
	}
	w.buffer.WriteByte('}')
	w.field(",", "messageAttributes", attributes(r.Attributes))
	if len(r.Attributes) > 0 {
		w.field(",", "md5OfMessageAttributes", queue.Digest(r.Attributes))
	} else if gathered {
		// AWS: the member is null with a batching window, absent without (recorded).
		w.field(",", "md5OfMessageAttributes", nil)
	}
	w.field(",", "md5OfBody", md5Text(r.Body))
	w.field(",", "eventSource", "aws:sqs")
	w.field(",", "eventSourceARN", id.ARN())
	w.field(",", "awsRegion", id.Region)
	w.buffer.WriteByte('}')
	return w.buffer.Bytes(), w.err
}

// writer writes JSON members in the order in which they come.
type writer struct {
	buffer bytes.Buffer
	err    error
}

func (w *writer) field(separator, name string, value any) {
	w.buffer.WriteString(separator + `"` + name + `":`)
	encoder := json.NewEncoder(&w.buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		w.err = err
	}
	w.buffer.Truncate(w.buffer.Len() - 1) // the line break of the encoder
}

func md5Text(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// accepted tells whether a message passes the filters: one must match.
//
// AWS: a body that is JSON is matched as JSON, any other as text,
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
func accepted(filters []*pattern.Pattern, r *queue.Received, id queue.ID) (bool, error) {
	if len(filters) == 0 {
		return true, nil
	}
	var body any = r.Body
	if json.Valid([]byte(r.Body)) {
		body = json.RawMessage(r.Body)
	}
	system := map[string]any{}
	for name, value := range r.System {
		system[name] = value
	}
	user, err := json.Marshal(attributes(r.Attributes))
	if err != nil {
		return false, err
	}
	event, err := pattern.NewEvent(map[string]any{
		"messageId": r.ID, "receiptHandle": r.Handle, "body": body, "attributes": system, "messageAttributes": json.RawMessage(user),
		"md5OfBody": md5Text(r.Body), "eventSource": "aws:sqs", "eventSourceARN": id.ARN(), "awsRegion": id.Region,
	})
	if err != nil {
		return false, nil // a body that is nested too deeply matches nothing
	}
	return slices.ContainsFunc(filters, func(p *pattern.Pattern) bool { return p.Match(event) }), nil
}

const (
	eventBegin = `{"Records":[`
	eventEnd   = `]}`
)

// event is the payload of a call with these records.
func event(records [][]byte) []byte {
	return slices.Concat([]byte(eventBegin), bytes.Join(records, []byte{','}), []byte(eventEnd))
}

// fits tells whether records of so many bytes can be one payload.
func fits(count, sum int) bool {
	return len(eventBegin)+len(eventEnd)+sum+max(0, count-1) <= limit.SyncRequestBytes
}

// failures reads from the answer of a function which messages of a batch failed.
// all says that the answer cannot be trusted: every message counts as failed.
//
// AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
func failures(answer []byte, batch map[string]bool) (failed map[string]bool, all bool) {
	trimmed := bytes.TrimSpace(answer)
	if slices.Contains([]string{"", `""`, "null", "[]"}, string(trimmed)) {
		return nil, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(answer, &members) != nil {
		return nil, true
	}
	list, given := members["batchItemFailures"] // in this very case
	if !given {
		return nil, false
	}
	var items []map[string]json.RawMessage
	if json.Unmarshal(list, &items) != nil {
		return nil, true
	}
	failed = map[string]bool{}
	for _, failure := range items {
		var id string
		if json.Unmarshal(failure["itemIdentifier"], &id) != nil || !batch[id] {
			return nil, true
		}
		failed[id] = true
	}
	return failed, false
}
