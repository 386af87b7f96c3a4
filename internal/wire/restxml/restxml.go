// Package restxml is the rest-xml protocol: members travel in the path, the
// query, headers and an XML body, or one member is the body. S3 speaks it.
//
// A blob that is the whole body is neither copied nor looked at. S3 words its
// errors without the envelope that other rest-xml services have: see Codec.Bare.
// No goroutines, no locks. Start reading at Codec.
package restxml

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/restbind"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/xmlvalue"
)

// Codec is the protocol.
type Codec struct {
	// Bare is S3's way: errors are <Error>…<RequestId/><HostId/></Error> (else they
	// stand in an <ErrorResponse>), and the request's id has S3's headers.
	Bare bool
}

var _ wire.Codec = Codec{}

const (
	mediaXML   = "application/xml"
	mediaBytes = "application/octet-stream"
	mediaText  = "text/plain"
)

// malformed is AWS's answer to a body that is no XML of the operation.
func malformed(err error) *fault.Fault {
	return &fault.Fault{Code: "MalformedXML", Status: http.StatusBadRequest, Sender: true,
		Message: "The XML you provided was not well-formed or did not validate against our published schema: " + err.Error()}
}

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
	if s.Payload != 0 {
		err = decodePayload(x, &s.Members[s.Payload-1], v.Field(int(s.Payload-1)))
	} else {
		var root *xmlvalue.Node
		if root, err = xmlvalue.Parse(x.Body); err == nil && root != nil {
			err = xmlvalue.Decode(x.Service, x.Operation.Input, root, v, true)
		}
	}
	if err != nil {
		return nil, malformed(err)
	}
	return in, nil
}

// decodePayload sets the member that is the whole body.
func decodePayload(x *wire.Exchange, m *shape.Member, field reflect.Value) error {
	switch p := field.Addr().Interface().(type) {
	case *io.ReadCloser:
		*p = x.Call.Request.Body
		return nil
	case *shape.EventStream:
		return errors.New("events in a request are not spoken")
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
	}
	root, err := xmlvalue.Parse(x.Body)
	if err != nil || root == nil {
		return err
	}
	return xmlvalue.DecodeValue(x.Service, m, root, field)
}

// Encode writes the reply; see wire.Codec.
func (c Codec) Encode(w http.ResponseWriter, x *wire.Exchange, out any) error {
	v := reflect.ValueOf(out)
	if v.Kind() == reflect.Pointer {
		v = v.Elem() // the zero Value for nil
	}
	h := w.Header()
	for name, values := range x.Call.Header {
		h[name] = values
	}
	c.identify(h, x)
	status := restbind.Response(x, h, v)
	if c.Bare {
		lowerMetadata(h)
	}
	if x.Operation.Output == shape.None || !v.IsValid() {
		return send(w, status, nil)
	}
	s := &x.Service.Shapes[x.Operation.Output]
	if s.Payload != 0 {
		return encodePayload(w, x, status, &s.Members[s.Payload-1], v.Field(int(s.Payload-1)))
	}
	if !hasBody(s) || status == http.StatusNoContent {
		return send(w, status, nil)
	}
	e := &xmlvalue.Encoder{Model: x.Service}
	root := s.Root
	if root == "" {
		root = s.Name
	}
	namespace := s.Namespace
	if namespace == "" {
		namespace = x.Service.XMLNamespace
	}
	e.Raw(xmlvalue.Declaration)
	e.Document(x.Operation.Output, root, namespace, v)
	h.Set("Content-Type", mediaXML)
	return send(w, status, e.Bytes())
}

// identify writes the headers that name the request.
func (c Codec) identify(h http.Header, x *wire.Exchange) {
	if !c.Bare {
		h.Set("X-Amzn-Requestid", x.Call.RequestID)
		return
	}
	h.Set("X-Amz-Request-Id", x.Call.RequestID)
	h.Set("X-Amz-Id-2", HostID(x.Call.RequestID))
}

// lowerMetadata gives the names of user metadata the case that AWS sends, because
// clients make keys of them.
func lowerMetadata(h http.Header) {
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// HostID is the second id of a request to S3, which names the machine there.
func HostID(requestID string) string {
	sum := sha256.Sum256([]byte(requestID))
	return base64.StdEncoding.EncodeToString(sum[:])
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
	case *shape.EventStream:
		return errors.New("events of rest-xml are not spoken")
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
	if (field.Kind() == reflect.Pointer || field.Kind() == reflect.Slice) && field.IsNil() {
		return send(w, status, nil)
	}
	e := &xmlvalue.Encoder{Model: x.Service}
	name := m.Wire
	if name == "" {
		name = x.Service.Shapes[m.Shape].Root
	}
	if name == "" {
		name = x.Service.Shapes[m.Shape].Name
	}
	e.Raw(xmlvalue.Declaration)
	e.Value(m, name, field)
	h.Set("Content-Type", mediaXML)
	return send(w, status, e.Bytes())
}

// contentType sets the type of a body that the service gave none.
func contentType(h http.Header, media string) {
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", media)
	}
}

func send(w http.ResponseWriter, status int, body []byte) error {
	head := len(body) == 0 && w.Header().Get("Content-Length") != "" // the length that GET would have
	if status != http.StatusNoContent && status != http.StatusNotModified && !head {
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
func (c Codec) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	e := &xmlvalue.Encoder{Model: x.Service}
	e.Raw(xmlvalue.Declaration)
	if c.Bare {
		e.BareFault(f, x.Call.RequestID, HostID(x.Call.RequestID))
	} else {
		namespace := ""
		if x.Service != nil {
			namespace = x.Service.XMLNamespace
		}
		e.Open("ErrorResponse", namespace)
		e.Fault(f)
		e.Element("RequestId", x.Call.RequestID)
		e.Close("ErrorResponse")
	}
	h := w.Header()
	restbind.Fault(x.Service, h, f)
	h.Set("Content-Type", mediaXML)
	c.identify(h, x)
	h.Del("Content-Length")
	if f.Status == http.StatusNotModified {
		h.Del("Content-Type") // has no body
		send(w, f.Status, nil)
		return
	}
	send(w, f.Status, e.Bytes()) // a client that is gone needs no error
}
