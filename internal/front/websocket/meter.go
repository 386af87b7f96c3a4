package websocket

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
)

// errFrame tells of a frame that is too large: the library bounds messages only.
var errFrame = errors.New("a frame is too large")

// meteredWriter gives the library a connection whose frames are bounded.
type meteredWriter struct{ http.ResponseWriter }

// Hijack takes the connection over.
func (w *meteredWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &meteredConn{Conn: c}, buffered, nil
}

// meteredConn is a connection that reads no more of a frame that is too large than
// its head.
type meteredConn struct {
	net.Conn
	meter meter
	over  bool
}

// Read reads up to the head of such a frame; then it fails.
func (c *meteredConn) Read(p []byte) (int, error) {
	if c.over {
		return 0, errFrame
	}
	n, err := c.Conn.Read(p)
	within, ok := c.meter.pass(p[:n])
	if ok {
		return n, err
	}
	if c.over = true; within == 0 {
		return 0, errFrame
	}
	return within, nil
}

// meter follows the frames of a stream of bytes.
// https://www.rfc-editor.org/rfc/rfc6455#section-5.2
type meter struct {
	head [maxHead]byte
	have int    // bytes of the head
	left uint64 // bytes of the payload that are to come
}

// Of a head: two bytes, then up to eight of the length, then the mask.
const (
	minHead   = 2
	maxHead   = 14
	maskBytes = 4
	length16  = 126
	length64  = 127
	lengthBit = 0x7f
	maskedBit = 0x80
)

// pass takes bytes in; false if a frame is too large, with how many came before
// that was known.
func (m *meter) pass(p []byte) (int, bool) {
	at := 0
	for at < len(p) {
		if m.left > 0 {
			n := min(m.left, uint64(len(p)-at))
			m.left -= n
			at += int(n)
			continue
		}
		m.head[m.have] = p[at]
		m.have++
		if size, whole := m.size(); whole {
			if size > maxFrame {
				return at, false
			}
			m.have, m.left = 0, size
		}
		at++
	}
	return at, true
}

// size is the length of the payload, once the head is whole.
func (m *meter) size() (uint64, bool) {
	if m.have < minHead {
		return 0, false
	}
	end, extended := minHead, 0
	switch short := m.head[1] & lengthBit; short {
	case length16:
		extended = 2
	case length64:
		extended = 8
	}
	end += extended
	if m.head[1]&maskedBit != 0 {
		end += maskBytes
	}
	if m.have < end {
		return 0, false
	}
	switch extended {
	case 2:
		return uint64(binary.BigEndian.Uint16(m.head[minHead:])), true
	case 8:
		return binary.BigEndian.Uint64(m.head[minHead:]), true
	}
	return uint64(m.head[1] & lengthBit), true
}
