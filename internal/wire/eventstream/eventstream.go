// Package eventstream frames messages as application/vnd.amazon.eventstream:
// what Lambda's response streams, CloudWatch Logs' live tail and Kinesis'
// subscriptions send.
//
// A message is a prelude (total length, length of the headers, CRC-32 of both),
// typed headers, a payload and a CRC-32 of all before. Parse refuses whatever is
// damaged or over the limits; what it returns points into its input. No
// goroutines, no locks. Start reading at Append and Parse.
package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// ContentType is the media type of a stream.
const ContentType = "application/vnd.amazon.eventstream"

// Limits of a message, as AWS's own clients have them.
const (
	MaxHeaderBytes  = 128 << 10
	MaxPayloadBytes = 24 << 20
)

const (
	preludeBytes = 12
	overhead     = preludeBytes + 4 // prelude and the CRC at the end
	maxNameBytes = 255
	maxTextBytes = 1<<15 - 1 // of a string or byte value
)

// Header is one header. Value is a bool, int8, int16, int32, int64, []byte,
// string, time.Time or UUID.
type Header struct {
	Name  string
	Value any
}

// UUID is the value of a header of that type.
type UUID [16]byte

// Message is one message.
type Message struct {
	Headers []Header
	Payload []byte
}

// Text is the value of a string header, or empty.
func (m *Message) Text(name string) string {
	for _, h := range m.Headers {
		if text, ok := h.Value.(string); ok && h.Name == name {
			return text
		}
	}
	return ""
}

// The types of header values.
const (
	typeTrue byte = iota
	typeFalse
	typeByte
	typeShort
	typeInteger
	typeLong
	typeBytes
	typeString
	typeTimestamp
	typeUUID
)

// ErrTooLarge is a message over the limits.
var ErrTooLarge = errors.New("event stream message is too large")

// Append writes a message behind dst.
func Append(dst []byte, m Message) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, preludeBytes)...)
	for _, h := range m.Headers {
		var err error
		if dst, err = appendHeader(dst, h); err != nil {
			return dst[:start], err
		}
	}
	headers := len(dst) - start - preludeBytes
	if headers > MaxHeaderBytes || len(m.Payload) > MaxPayloadBytes {
		return dst[:start], ErrTooLarge
	}
	dst = append(dst, m.Payload...)
	prelude := dst[start : start+preludeBytes]
	binary.BigEndian.PutUint32(prelude, uint32(overhead+headers+len(m.Payload)))
	binary.BigEndian.PutUint32(prelude[4:], uint32(headers))
	binary.BigEndian.PutUint32(prelude[8:], crc32.ChecksumIEEE(prelude[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:])), nil
}

func appendHeader(dst []byte, h Header) ([]byte, error) {
	if len(h.Name) == 0 || len(h.Name) > maxNameBytes {
		return dst, fmt.Errorf("event stream header name of %d bytes", len(h.Name))
	}
	dst = append(append(dst, byte(len(h.Name))), h.Name...)
	switch v := h.Value.(type) {
	case bool:
		if v {
			return append(dst, typeTrue), nil
		}
		return append(dst, typeFalse), nil
	case int8:
		return append(dst, typeByte, byte(v)), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, typeShort), uint16(v)), nil
	case int32:
		return binary.BigEndian.AppendUint32(append(dst, typeInteger), uint32(v)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, typeLong), uint64(v)), nil
	case time.Time:
		return binary.BigEndian.AppendUint64(append(dst, typeTimestamp), uint64(v.UnixMilli())), nil
	case UUID:
		return append(append(dst, typeUUID), v[:]...), nil
	case []byte:
		return appendText(dst, typeBytes, h.Name, string(v))
	case string:
		return appendText(dst, typeString, h.Name, v)
	}
	return dst, fmt.Errorf("event stream header %s has a value of type %T", h.Name, h.Value)
}

func appendText(dst []byte, kind byte, name, text string) ([]byte, error) {
	if len(text) > maxTextBytes {
		return dst, fmt.Errorf("event stream header %s: %w", name, ErrTooLarge)
	}
	dst = binary.BigEndian.AppendUint16(append(dst, kind), uint16(len(text)))
	return append(dst, text...), nil
}

// ErrMalformed is input that is no event stream.
var ErrMalformed = errors.New("malformed event stream")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// lengths reads and checks a prelude.
func lengths(prelude []byte) (total, headers int, err error) {
	if crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]) {
		return 0, 0, malformed("checksum of the prelude")
	}
	t, h := binary.BigEndian.Uint32(prelude), binary.BigEndian.Uint32(prelude[4:])
	if h > MaxHeaderBytes || t > MaxPayloadBytes+MaxHeaderBytes+overhead {
		return 0, 0, ErrTooLarge
	}
	if t < overhead+h {
		return 0, 0, malformed("lengths")
	}
	if t-overhead-h > MaxPayloadBytes {
		return 0, 0, ErrTooLarge
	}
	return int(t), int(h), nil
}

// Parse reads the first message of data and returns what follows it.
// io.ErrUnexpectedEOF means that data ends inside the message.
func Parse(data []byte) (m Message, rest []byte, err error) {
	if len(data) < preludeBytes {
		return m, data, io.ErrUnexpectedEOF
	}
	total, headers, err := lengths(data[:preludeBytes])
	if err != nil {
		return m, data, err
	}
	if len(data) < total {
		return m, data, io.ErrUnexpectedEOF
	}
	body := data[: total-4 : total-4]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(data[total-4:]) {
		return m, data, malformed("checksum of the message")
	}
	if m.Headers, err = parseHeaders(body[preludeBytes : preludeBytes+headers]); err != nil {
		return m, data, err
	}
	m.Payload = body[preludeBytes+headers:]
	return m, data[total:], nil
}

// Read reads one message. io.EOF means that the stream ended between messages.
func Read(r io.Reader) (Message, error) {
	prelude := make([]byte, preludeBytes)
	if _, err := io.ReadFull(r, prelude); err != nil {
		return Message{}, err
	}
	total, _, err := lengths(prelude)
	if err != nil {
		return Message{}, err
	}
	data := append(make([]byte, 0, total), prelude...)[:total]
	if _, err := io.ReadFull(r, data[preludeBytes:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	m, _, err := Parse(data)
	return m, err
}

func parseHeaders(data []byte) (headers []Header, err error) {
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 || len(data) < 1+n+1 {
			return nil, malformed("header name")
		}
		h := Header{Name: string(data[1 : 1+n])}
		if h.Value, data, err = parseValue(data[1+n], data[1+n+1:]); err != nil {
			return nil, err
		}
		headers = append(headers, h)
	}
	return headers, nil
}

// sizes of the values that have a fixed one.
var sizes = [...]int{typeTrue: 0, typeFalse: 0, typeByte: 1, typeShort: 2, typeInteger: 4, typeLong: 8, typeTimestamp: 8, typeUUID: 16}

func parseValue(kind byte, data []byte) (value any, rest []byte, err error) {
	size, lead := 0, 0
	switch {
	case kind == typeBytes || kind == typeString:
		if lead = 2; len(data) < lead {
			return nil, nil, malformed("header value")
		}
		size = int(binary.BigEndian.Uint16(data))
	case int(kind) < len(sizes):
		size = sizes[kind]
	default:
		return nil, nil, malformed("header type")
	}
	if len(data) < lead+size {
		return nil, nil, malformed("header value")
	}
	raw, rest := data[lead:lead+size], data[lead+size:]
	switch kind {
	case typeTrue, typeFalse:
		value = kind == typeTrue
	case typeByte:
		value = int8(raw[0])
	case typeShort:
		value = int16(binary.BigEndian.Uint16(raw))
	case typeInteger:
		value = int32(binary.BigEndian.Uint32(raw))
	case typeLong:
		value = int64(binary.BigEndian.Uint64(raw))
	case typeTimestamp:
		value = time.UnixMilli(int64(binary.BigEndian.Uint64(raw))).UTC()
	case typeUUID:
		value = UUID(raw)
	case typeString:
		value = string(raw)
	default:
		value = append([]byte(nil), raw...)
	}
	return value, rest, nil
}
