// Package restjson is the rest-json protocol: members travel in the path, the
// query, headers and a JSON body, or one member is the body.
//
// A blob that is the whole body is neither copied nor looked at: the input field
// is the request's body, and the output field is written as it is. Malformed
// requests are SerializationExceptions with AWS's texts. No goroutines, no
// locks. Start reading at Codec.
package restjson

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/eventstream"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonevent"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonvalue"
	"github.com/lambkin-dev/lambkin/internal/wire/restbind"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Codec is the protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

const (
	mediaJSON  = "application/json"
	mediaBytes = "application/octet-stream"
	mediaText  = "text/plain"
)

// Decode reads the operation's input; see wire.Codec.
func (Codec) Decode(x *wire.Exchange) (any, error) {
	in := x.Operation.NewInput()
	if x.Operation.Input == shape.None {
		return in, nil
	}
	s := &x.Service.Shapes[x.Operation.Input]
	v := reflect.ValueOf(in).Elem()
	if err := restbind.Request(x, v); err != nil {
		return nil, err
	}
	var err error
	switch {
	case s.Payload != 0:
		err = decodePayload(x, &s.Members[s.Payload-1], v.Field(int(s.Payload-1)))
	case hasBody(s):
		err = jsonvalue.DecodeBody(x.Service, x.Operation.Input, x.Body, in)
	}
	if err != nil {
		return nil, jsonvalue.Fault(err)
	}
	return in, nil
}

// hasBody tells whether any member travels in the body.
func hasBody(s *shape.Shape) bool {
	for i := range s.Members {
		if s.Members[i].Location == shape.Body {
			return true
		}
	}
	return false
}

// decodePayload sets the member that is the whole body.
func decodePayload(x *wire.Exchange, m *shape.Member, field reflect.Value) error {
	switch p := field.Addr().Interface().(type) {
	case *io.ReadCloser:
		*p = x.Call.Request.Body
		return nil
	case *shape.EventStream:
		return nil // no operation with events in its request is spoken
	case *[]byte:
		if len(x.Body) > 0 {
			*p = x.Body
		}
		return nil
	case **string:
		if len(x.Body) > 0 {
			text := string(x.Body)
			*p = &text
		}
		return nil
	case *json.RawMessage:
		if len(x.Body) == 0 {
			return nil
		}
	}
	return jsonvalue.DecodeMember(x.Service, m, x.Body, field)
}

// Encode writes the reply; see wire.Codec.
func (Codec) Encode(w http.ResponseWriter, x *wire.Exchange, out any) error {
	v := reflect.ValueOf(out)
	if v.Kind() == reflect.Pointer {
		v = v.Elem() // the zero Value for nil
	}
	if m := events(x); m != nil && v.IsValid() {
		return encodeEvents(w, x, m, v)
	}
	h := w.Header()
	status := head(x, h, v)
	if x.Operation.Output == shape.None {
		return send(w, status, nil)
	}
	s := &x.Service.Shapes[x.Operation.Output]
	if s.Payload != 0 {
		m := &s.Members[s.Payload-1]
		if !v.IsValid() {
			return send(w, status, nil)
		}
		return encodePayload(w, x, status, m, v.Field(int(s.Payload-1)))
	}
	if status == http.StatusNoContent {
		return send(w, status, nil)
	}
	h.Set("Content-Type", mediaJSON)
	return send(w, status, jsonvalue.AppendBody(nil, x.Service, x.Operation.Output, out))
}

// head sets the headers of a reply and returns its status.
func head(x *wire.Exchange, h http.Header, v reflect.Value) int {
	for name, values := range x.Call.Header {
		h[name] = values
	}
	h.Set("X-Amzn-Requestid", x.Call.RequestID)
	return restbind.Response(x, h, v)
}

// events is the member of the output that is a stream of events, or nil.
func events(x *wire.Exchange) *shape.Member {
	if x.Operation.Output == shape.None {
		return nil
	}
	s := &x.Service.Shapes[x.Operation.Output]
	if s.Payload == 0 || !x.Service.Shapes[s.Members[s.Payload-1].Shape].EventStream {
		return nil
	}
	return &s.Members[s.Payload-1]
}

// encodeEvents writes a stream. Its header waits for the first event, because
// until then the reply may still become an error.
func encodeEvents(w http.ResponseWriter, x *wire.Exchange, m *shape.Member, v reflect.Value) error {
	h := http.Header{}
	status := head(x, h, v)
	h.Set("Content-Type", eventstream.ContentType)
	stream, _ := v.Field(int(x.Service.Shapes[x.Operation.Output].Payload - 1)).Interface().(shape.EventStream)
	begin := func() {
		maps.Copy(w.Header(), h)
		w.WriteHeader(status)
	}
	return jsonevent.Send(w, begin, x.Service, m.Shape, stream, nil)
}

// encodePayload writes the member that is the whole body.
func encodePayload(w http.ResponseWriter, x *wire.Exchange, status int, m *shape.Member, field reflect.Value) error {
	h := w.Header()
	switch p := field.Addr().Interface().(type) {
	case *io.ReadCloser:
		if *p == nil {
			return send(w, status, nil)
		}
		defer (*p).Close() // read to its end: closing has nothing to tell
		contentType(h, mediaBytes)
		w.WriteHeader(status)
		if _, err := io.Copy(w, *p); err != nil {
			return fmt.Errorf("send stream of %s: %w", x.Operation.Name, err)
		}
		return nil
	case *[]byte:
		if *p != nil {
			contentType(h, mediaBytes)
		}
		return send(w, status, *p)
	case **string:
		if *p == nil {
			return send(w, status, nil)
		}
		contentType(h, mediaText)
		return send(w, status, []byte(**p))
	}
	h.Set("Content-Type", mediaJSON)
	if (field.Kind() == reflect.Pointer || field.Kind() == reflect.Slice) && field.IsNil() {
		if s := &x.Service.Shapes[m.Shape]; s.Kind == shape.Structure && !s.Union {
			return send(w, status, []byte("{}"))
		}
		return send(w, status, nil)
	}
	return send(w, status, jsonvalue.AppendMember(nil, x.Service, m, field))
}

// contentType sets the type of a body that the service gave none.
func contentType(h http.Header, media string) {
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", media)
	}
}

func send(w http.ResponseWriter, status int, body []byte) error {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// EncodeFault writes an error reply; see wire.Codec.
func (Codec) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	h := w.Header()
	restbind.Fault(x.Service, h, f)
	h.Set("Content-Type", mediaJSON)
	h.Set("X-Amzn-Requestid", x.Call.RequestID)
	h.Set("X-Amzn-Errortype", f.Code)
	send(w, f.Status, jsonvalue.AppendFault(nil, x.Service, f, "")) // a client that is gone needs no error
}
