package wire

import (
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Exchange is one request and its reply on the way through a codec.
type Exchange struct {
	Service   *shape.Service
	Operation *shape.Operation // nil when the request names none that exists: only EncodeFault may follow
	Call      *Call            // Request, RequestID and the extra response Header are used
	Path      string           // escaped path as the operation's template has it; empty: that of the URL
	Body      []byte           // the whole body; nil when StreamsInput(Service, Operation). Input blobs point into it: it must not be reused
}

// Codec is one wire protocol. Codecs hold no state and are safe for concurrent use.
//
// All three write x-amzn-RequestId themselves and nothing about CORS, dates or
// signatures: that is the gateway's.
type Codec interface {
	// Decode makes the operation's input, a pointer to its generated struct (to
	// struct{} for an operation without input, never nil). An error is a *fault.Fault
	// (SerializationException and the like). Constraints are not checked:
	// shape.Validate does that.
	Decode(x *Exchange) (in any, err error)

	// Encode writes the reply: status, headers and body of out, a pointer to
	// the generated output struct; nil (also a typed nil) stands for one without
	// members. A streaming output is copied to the end and closed. The error is
	// one of writing or of the stream, after the header was sent: the caller can
	// only drop the connection.
	Encode(w http.ResponseWriter, x *Exchange, out any) error

	// EncodeFault writes an error reply. x.Operation may be nil.
	EncodeFault(w http.ResponseWriter, x *Exchange, f *fault.Fault)
}

// StreamsInput tells that the operation reads its payload from the request
// itself, so that the gateway must not read the body into memory.
func StreamsInput(model *shape.Service, op *shape.Operation) bool {
	if op.Input == shape.None || model.Shapes[op.Input].Payload == 0 {
		return false
	}
	s := &model.Shapes[op.Input]
	m := &s.Members[s.Payload-1]
	return m.Streaming || model.Shapes[m.Shape].EventStream
}

// Label cuts the value of the first label out of path by the template: both
// begin at the same place and are still escaped. It returns what follows, so
// that a caller walks through all labels without allocating; name is empty when
// there is no further label, ok is false when the path does not fit.
func Label(template, path string) (name, value, templateRest, pathRest string, ok bool) {
	open := strings.IndexByte(template, '{')
	if open < 0 {
		return "", "", "", "", strings.TrimSuffix(template, "/") == strings.TrimSuffix(path, "/")
	}
	end := strings.IndexByte(template, '}')
	if end < open || len(path) < open || path[:open] != template[:open] {
		return "", "", "", "", false
	}
	name, templateRest = template[open+1:end], template[end+1:]
	stop := len(path)
	if greedy := strings.HasSuffix(name, "+"); !greedy {
		if slash := strings.IndexByte(path[open:], '/'); slash >= 0 {
			stop = open + slash
		}
	} else {
		name = name[:len(name)-1]
		if !strings.HasSuffix(path, templateRest) || len(path)-len(templateRest) < open {
			return "", "", "", "", false
		}
		stop = len(path) - len(templateRest)
	}
	return name, path[open:stop], templateRest, path[stop:], true
}
