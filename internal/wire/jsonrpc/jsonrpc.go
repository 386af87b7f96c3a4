// Package jsonrpc is the json protocol, versions 1.0 and 1.1: every operation is
// a POST of a JSON object, named by the header X-Amz-Target.
//
// The version is the model's; a request may come with either media type. The
// errors of services that used to speak the query protocol carry its code in a
// header. No goroutines, no locks. Start reading at Codec.
package jsonrpc

import (
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

// Decode reads the operation's input; see wire.Codec.
func (Codec) Decode(x *wire.Exchange) (any, error) {
	in := x.Operation.NewInput()
	if x.Operation.Input == shape.None {
		return in, nil
	}
	if err := jsonvalue.Decode(x.Service, x.Operation.Input, x.Body, in); err != nil {
		return nil, jsonvalue.Fault(err)
	}
	return in, nil
}

// Encode writes the reply; see wire.Codec.
//
// AWS: an operation without output answers an empty body in Kinesis and an
// empty object elsewhere; every client reads the object.
func (Codec) Encode(w http.ResponseWriter, x *wire.Exchange, out any) error {
	h := w.Header()
	for name, values := range x.Call.Header {
		h[name] = values
	}
	if m, stream := events(x, out); m != nil {
		h.Set("Content-Type", eventstream.ContentType)
		h.Set("X-Amzn-Requestid", x.Call.RequestID)
		return jsonevent.Send(w, func() { w.WriteHeader(http.StatusOK) }, x.Service, m.Shape, stream, initial(x, out))
	}
	body := []byte("{}")
	if v := reflect.ValueOf(out); x.Operation.Output != shape.None && v.IsValid() {
		body = jsonvalue.Append(nil, x.Service, x.Operation.Output, out)
	}
	return send(w, x, http.StatusOK, body)
}

// events finds the member of the output that is an event stream.
func events(x *wire.Exchange, out any) (*shape.Member, shape.EventStream) {
	if x.Operation.Output == shape.None {
		return nil, nil
	}
	v := reflect.ValueOf(out)
	s := &x.Service.Shapes[x.Operation.Output]
	for i := range s.Members {
		if m := &s.Members[i]; x.Service.Shapes[m.Shape].EventStream {
			if v.Kind() != reflect.Pointer || v.IsNil() {
				return m, nil
			}
			return m, v.Elem().Field(i).Interface().(shape.EventStream)
		}
	}
	return nil, nil
}

// initial is the JSON of the members beside the stream.
func initial(x *wire.Exchange, out any) []byte {
	body := []byte{'{'}
	s := &x.Service.Shapes[x.Operation.Output]
	v := reflect.Indirect(reflect.ValueOf(out))
	for i := range s.Members {
		m := &s.Members[i]
		if !v.IsValid() || x.Service.Shapes[m.Shape].EventStream || v.Field(i).IsNil() {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(jsonvalue.AppendString(body, m.WireName()), ':')
		body = jsonvalue.AppendMember(body, x.Service, m, v.Field(i))
	}
	return append(body, '}')
}

// EncodeFault writes an error reply; see wire.Codec.
func (Codec) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	h := w.Header()
	restbind.Fault(nil, h, f)
	if x.Service != nil && x.Service.QueryErrors {
		code, who := f.QueryCode, "Receiver"
		if code == "" {
			code = f.Code
		}
		if f.Sender {
			who = "Sender"
		}
		h.Set("X-Amzn-Query-Error", code+";"+who)
	}
	send(w, x, f.Status, jsonvalue.AppendFault(nil, x.Service, f, "__type")) // a client that is gone needs no error
}

func send(w http.ResponseWriter, x *wire.Exchange, status int, body []byte) error {
	version := "1.1"
	if x.Service != nil && x.Service.JSONVersion != "" {
		version = x.Service.JSONVersion
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+version)
	h.Set("X-Amzn-Requestid", x.Call.RequestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
