// Package cbor is the codec of Smithy's RPC v2 CBOR protocol
// (https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html), which
// newer clients use with CloudWatch, Kinesis and others.
//
// Decoding is bounded: nesting by MaxDepth, elements by MaxElements, everything
// else by the length of the body, which the caller bounds; a length that the
// text promises is never allocated before it is there. Unknown members are
// skipped, null is absence. No goroutines, no locks. Start reading at Codec.
package cbor

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// The headers of the protocol.
const (
	ContentType    = "application/cbor"
	ProtocolHeader = "Smithy-Protocol"
	ProtocolName   = "rpc-v2-cbor"
)

// Codec is the RPC v2 CBOR protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

// Decode reads the operation's input; see wire.Codec.
func (Codec) Decode(x *wire.Exchange) (any, error) {
	in := x.Operation.NewInput()
	if x.Operation.Input == shape.None || len(x.Body) == 0 {
		return in, nil
	}
	d := decoder{model: x.Service, data: x.Body}
	if err := d.document(x.Operation.Input, reflect.ValueOf(in).Elem()); err != nil {
		return nil, &fault.Fault{Code: "SerializationException", Message: err.Error(), Status: http.StatusBadRequest, Sender: true}
	}
	return in, nil
}

// Encode writes the reply; see wire.Codec.
func (Codec) Encode(w http.ResponseWriter, x *wire.Exchange, out any) error {
	e := encoder{model: x.Service}
	if v := reflect.ValueOf(out); x.Operation.Output != shape.None && v.IsValid() && !v.IsNil() {
		e.structure(&x.Service.Shapes[x.Operation.Output], v.Elem())
	} else if x.Operation.Output != shape.None {
		e.head(majorMap, 0)
	}
	return send(w, x, http.StatusOK, e.out)
}

// EncodeFault writes an error reply; see wire.Codec.
func (Codec) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	e := encoder{model: x.Service}
	e.fault(f)
	if f.QueryCode != "" && x.Service != nil && x.Service.QueryErrors {
		kind := "Receiver"
		if f.Sender {
			kind = "Sender"
		}
		w.Header().Set("X-Amzn-Query-Error", f.QueryCode+";"+kind)
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	send(w, x, f.Status, e.out) // a client that is gone needs no error
}

func send(w http.ResponseWriter, x *wire.Exchange, status int, body []byte) error {
	header := w.Header()
	for name, values := range x.Call.Header {
		header[name] = values
	}
	header.Set(ProtocolHeader, ProtocolName)
	header.Set("X-Amzn-Requestid", x.Call.RequestID)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if len(body) > 0 {
		header.Set("Content-Type", ContentType)
	}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
