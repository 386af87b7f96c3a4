// Package jsonevent writes the event streams of the JSON protocols: each event
// of the model is one message of package eventstream, with JSON or the raw
// payload in it.
//
// Every event reaches the client at once, and the next one is asked for when it
// has been taken: nothing is kept for slow clients, and one that takes nothing
// for maxStall is cut off. A stream that fails before its first event is an
// error reply like any other; later a fault ends it with an exception message,
// any other error ends the connection. No goroutines, no locks. Start reading at
// Send.
package jsonevent

import (
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/eventstream"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonvalue"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Names of the headers of a message.
const (
	messageType   = ":message-type"
	eventType     = ":event-type"
	exceptionType = ":exception-type"
	contentType   = ":content-type"
	errorCode     = ":error-code"
	errorMessage  = ":error-message"

	mediaJSON  = "application/json"
	mediaBytes = "application/octet-stream"
	mediaText  = "text/plain"
)

// maxStall is how long a client may take for one message.
const maxStall = time.Minute

// Send writes the events of stream to w, after begin has sent the header; union
// is the shape of the events. initial, if not nil, is the JSON of the
// initial-response that the RPC protocols put in front. An error that came
// before begin was called is for the caller to answer.
func Send(w http.ResponseWriter, begin func(), model *shape.Service, union shape.Index, stream shape.EventStream, initial []byte) error {
	s := sender{w: w, begin: begin, connection: http.NewResponseController(w), stall: maxStall, model: model, union: &model.Shapes[union]}
	return s.run(stream, initial)
}

func (s *sender) run(stream shape.EventStream, initial []byte) error {
	if initial != nil {
		err := s.message([]eventstream.Header{
			{Name: eventType, Value: "initial-response"}, {Name: contentType, Value: mediaJSON}, {Name: messageType, Value: "event"},
		}, initial)
		if err != nil {
			return err
		}
	}
	var err error
	if stream != nil {
		err = stream(s.event)
	}
	if s.begin == nil { // it has begun
		if f := fault.From(err); f != nil {
			err = s.fault(f)
		}
		return errors.Join(err, s.deadline(time.Time{}))
	}
	if err == nil {
		s.begin()
	}
	return err
}

type sender struct {
	w          http.ResponseWriter
	begin      func() // nil once called
	connection *http.ResponseController
	stall      time.Duration
	model      *shape.Service
	union      *shape.Shape
	frame      []byte // reused
}

// deadline bounds the writing of a message, where the connection can do that.
func (s *sender) deadline(at time.Time) error {
	if err := s.connection.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (s *sender) message(headers []eventstream.Header, payload []byte) (err error) {
	if s.frame, err = eventstream.Append(s.frame[:0], eventstream.Message{Headers: headers, Payload: payload}); err != nil {
		return err
	}
	if err = s.deadline(time.Now().Add(s.stall)); err != nil {
		return err
	}
	if s.begin != nil {
		s.begin()
		s.begin = nil
	}
	if _, err = s.w.Write(s.frame); err != nil {
		return err
	}
	if err = s.connection.Flush(); errors.Is(err, http.ErrNotSupported) {
		return nil // a writer without Flush sends when it likes
	}
	return err
}

// event writes one event: the member of the union that is set.
func (s *sender) event(event any) error {
	v := reflect.Indirect(reflect.ValueOf(event))
	for i := range s.union.Members {
		m := &s.union.Members[i]
		if field := v.Field(i); !field.IsNil() {
			kind, name := "event", eventType
			if s.model.Shapes[m.Shape].Error != nil {
				kind, name = "exception", exceptionType
			}
			return s.member(m, field.Elem(), []eventstream.Header{{Name: name, Value: m.Name}, {Name: messageType, Value: kind}})
		}
	}
	return nil // nothing is set: nothing to send
}

func (s *sender) member(m *shape.Member, v reflect.Value, headers []eventstream.Header) error {
	event := &s.model.Shapes[m.Shape]
	var payload []byte
	media, raw := mediaJSON, false
	for i := range event.Members {
		inner := &event.Members[i]
		field := v.Field(i)
		switch {
		case inner.EventHeader:
			if value, ok := headerValue(field); ok {
				headers = append(headers, eventstream.Header{Name: inner.WireName(), Value: value})
			}
		case inner.EventPayload:
			raw = true
			payload, media = s.payload(inner, field)
		}
	}
	if !raw {
		payload = jsonvalue.AppendMember(nil, s.model, m, v)
	}
	return s.message(append(headers, eventstream.Header{Name: contentType, Value: media}), payload)
}

// payload is the content of the member that is the whole payload.
func (s *sender) payload(m *shape.Member, field reflect.Value) (payload []byte, media string) {
	switch value := field.Interface().(type) {
	case []byte:
		return value, mediaBytes
	case *string:
		if value == nil {
			return nil, mediaText
		}
		return []byte(*value), mediaText
	}
	return jsonvalue.AppendMember(nil, s.model, m, field), mediaJSON
}

// headerValue is the value of a field in a header, if it has one.
func headerValue(field reflect.Value) (any, bool) {
	if field.IsNil() {
		return nil, false
	}
	switch value := reflect.Indirect(field).Interface().(type) {
	case bool, int32, int64, string, []byte, time.Time:
		return value, true
	}
	return nil, false
}

// fault ends the stream with an exception of the union, or with an error
// message when the model has none of that name.
func (s *sender) fault(f *fault.Fault) error {
	for i := range s.union.Members {
		m := &s.union.Members[i]
		if s.model.Shapes[m.Shape].Name == f.Code {
			return s.message([]eventstream.Header{
				{Name: exceptionType, Value: m.Name}, {Name: contentType, Value: mediaJSON}, {Name: messageType, Value: "exception"},
			}, jsonvalue.AppendFault(nil, s.model, f, ""))
		}
	}
	return s.message([]eventstream.Header{
		{Name: messageType, Value: "error"}, {Name: errorCode, Value: f.Code}, {Name: errorMessage, Value: f.Message},
	}, nil)
}
