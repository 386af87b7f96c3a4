package async

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// record is what a destination gets; the order of its fields is AWS's.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type record struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  requestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID              string    `json:"requestId"`
	FunctionARN            string    `json:"functionArn"`
	Condition              condition `json:"condition"`
	ApproximateInvokeCount int       `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// Purposes of messages, by which GivenUp knows them.
const (
	purposeDestination = "lambda destination"
	purposeDeadLetter  = "lambda dead letter"
)

// messages are what is sent after an event that is over.
func (q *Queue) messages(t *task, o *outcome) ([]*delivery.Message, error) {
	if o.end == dropped {
		return nil, nil
	}
	var list []*delivery.Message
	if to := t.settings.destination(o.end); to != "" {
		m, err := q.recordFor(to, t, o)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if o.end != success && o.resolved != nil && o.resolved.Version.DeadLetterARN != "" {
		list = append(list, q.deadLetter(o.resolved.Version.DeadLetterARN, t, o))
	}
	kept := list[:0]
	for _, m := range list {
		if len(m.Body) > delivery.MaxBodyBytes { // no target takes so much
			q.GivenUp(m, fmt.Errorf("%d bytes", len(m.Body)))
			continue
		}
		kept = append(kept, m)
	}
	return kept, nil
}

// message is what all messages about an event have in common. The trace header
// goes on to whoever gets it: it tells how often a chain has run in a circle.
func (q *Queue) message(target, purpose string, t *task, o *outcome) *delivery.Message {
	m := &delivery.Message{Target: target, Purpose: purpose, Source: t.row.function(), Detail: map[string]string{detailName: t.row.Name}, Policy: delivery.Internal()}
	if o.resolved != nil {
		m.Principal = o.resolved.Version.Role
	}
	if o.response != nil {
		m.TraceID = o.response.TraceID
	} else {
		m.TraceID = invoke.TraceHeader(t.row.TraceID, q.config.Clock.Now())
	}
	return m
}

// detailName is the Detail of a message that has the function's name.
const detailName = "function"

func (r *row) function() string {
	t := r.target()
	t.Qualifier = ""
	return t.ARN()
}

// recordFor is the record of an event in the form that its destination takes.
func (q *Queue) recordFor(target string, t *task, o *outcome) (*delivery.Message, error) {
	now := q.config.Clock.Now().UTC()
	text, err := encode(t.record(o, now))
	if err != nil {
		return nil, err
	}
	m := q.message(target, purposeDestination, t, o)
	m.Body = text
	switch delivery.Service(target) {
	case "events":
		resources, err := encode([]string{SettingsARN(t.row.target()), target})
		if err != nil {
			return nil, err
		}
		m.Detail[bus.DetailSource], m.Detail[bus.DetailType], m.Detail[bus.DetailResources] = "lambda", detailType(o.end), string(resources)
	case "s3":
		m.Subject = fmt.Sprintf("aws/lambda/async/%s/%s/%s-%s", t.row.Name, now.Format("2006/01/02"), now.Format("2006-01-02T15.04.05"), ids.UUID())
	}
	return m, nil
}

func detailType(end condition) string {
	if end == success {
		return "Lambda Function Invocation Result - Success"
	}
	return "Lambda Function Invocation Result - Failure"
}

func (t *task) record(o *outcome, now time.Time) record {
	count := t.row.Failures
	if o.end == success {
		count++
	}
	r := record{
		Version: "1.0", Timestamp: now.Format("2006-01-02T15:04:05.000Z"), RequestPayload: jsonOf(t.payload),
		RequestContext: requestContext{RequestID: t.row.RequestID, FunctionARN: SettingsARN(t.row.target()), Condition: o.end, ApproximateInvokeCount: count},
	}
	if o.response != nil {
		r.ResponseContext = &responseContext{StatusCode: statusRan, ExecutedVersion: o.resolved.Version.Version, FunctionError: o.response.FunctionError}
		r.ResponsePayload = jsonOf(o.response.Payload)
	}
	return r
}

// statusRan is the status of a function that ran, whether it failed or not.
const statusRan = 200

// encode is JSON as AWS writes it: compact, without the escapes of HTML.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// jsonOf is a payload as part of a record. A function may answer with what is no
// JSON (NaN, bytes): that becomes a string.
func jsonOf(payload []byte) json.RawMessage {
	text := plain(string(payload))
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, err := encode(text)
	if err != nil {
		return json.RawMessage("null") // a string can always be written
	}
	return quoted
}

// plain replaces what a queue would refuse in a message: JSON may hold it, and a
// letter must not be lost for it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// maxErrorMessage is how much of the error a dead letter shows ("the first 1 KB").
const maxErrorMessage = 1 << 10

// deadLetter is the event itself, with attributes that tell why it is there.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
// ("Understanding Amazon SQS and SNS message attributes"); types recorded.
func (q *Queue) deadLetter(target string, t *task, o *outcome) *delivery.Message {
	m := q.message(target, purposeDeadLetter, t, o)
	m.Body = []byte(plain(string(t.payload)))
	code, text := t.row.ErrorCode, t.row.ErrorMessage
	if o.response != nil {
		code, text = statusRan, errorMessage(o.response.Payload)
	}
	m.Attributes = map[string]delivery.Attribute{"RequestID": {Type: "String", String: t.row.RequestID}}
	if code != 0 {
		m.Attributes["ErrorCode"] = delivery.Attribute{Type: "Number", String: strconv.Itoa(code)}
	}
	if text != "" {
		m.Attributes["ErrorMessage"] = delivery.Attribute{Type: "String", String: text}
	}
	return m
}

// errorMessage is the message of a function's error body.
func errorMessage(payload []byte) string {
	var body struct {
		ErrorMessage string `json:"errorMessage"`
	}
	text := ""
	if json.Unmarshal(payload, &body) == nil {
		text = plain(body.ErrorMessage)
	}
	if len(text) > maxErrorMessage {
		text = strings.ToValidUTF8(text[:maxErrorMessage], "")
	}
	return text
}

// GivenUp counts the records and dead letters that did not arrive; the outbox
// calls it (delivery.Config.GivenUp).
func (q *Queue) GivenUp(m *delivery.Message, _ error) {
	name := map[string]string{purposeDestination: telemetry.DestinationDeliveryFailures, purposeDeadLetter: telemetry.DeadLetterErrors}[m.Purpose]
	if name == "" {
		return
	}
	r := row{Name: m.Detail[detailName]}
	if a, err := arn.Parse(m.Source); err == nil {
		r.Account, r.Region = a.Account, a.Region
	}
	q.measure(&r, name, 1)
}
