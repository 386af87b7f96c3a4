package websocket

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// goingAway is the status of connections that we end.
const goingAway = websocket.CloseGoingAway

// What a connection ends with that we do not want any longer.
const (
	closeWithin = time.Second     // to send the frame that says so
	answerClose = 3 * time.Second // for the client to answer it
)

// buffers are for writing; a connection has one only while it writes.
var buffers sync.Pool

// ending is with what a connection ended.
type ending struct {
	code   int
	reason string
}

// connection is an open one.
type connection struct {
	server  *Server
	stage   *compiled // as it was at the handshake
	context context.Context
	host    string
	socket  *proxy.Socket // does not change once the connection is open

	open    *websocket.Conn
	last    atomic.Int64 // Unix nanoseconds
	ended   atomic.Pointer[ending]
	waiting atomic.Int32  // what waits to be sent
	slots   chan struct{} // full when maxAtWork messages are at work
	writing sync.Mutex

	patience time.Duration // for a client that does not read
}

// begin starts the goroutine of a connection whose handshake is done.
func (c *connection) begin(socket *websocket.Conn) {
	c.open, c.slots, c.context = socket, make(chan struct{}, maxAtWork), context.WithoutCancel(c.context)
	c.patience = writeTime
	c.touch()
	socket.SetReadLimit(maxMessage)
	pong := socket.PingHandler()
	socket.SetPingHandler(func(data string) error { c.touch(); return pong(data) })
	socket.SetPongHandler(func(string) error { c.touch(); return nil })
	if !c.server.enter(c) {
		// The client is gone, or reads it.
		_ = socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseTryAgainLater, "Limit Exceeded"), time.Now().Add(closeWithin))
		socket.Close()
		return
	}
	go c.run() // ends with the connection: Stop ends all
	// A stage may have been deleted while $connect was at work.
	if _, err := c.server.config.APIs.Live(c.context, c.socket.APIID, c.socket.Stage); httpapi.IsMissing(err) {
		c.close(goingAway, "Going away")
	}
}

func (c *connection) touch() { c.last.Store(c.server.config.Clock.Now().UnixNano()) }

// active is when the client or a sender last gave a sign.
func (c *connection) active() time.Time { return time.Unix(0, c.last.Load()) }

// run reads until the connection ends, and calls $disconnect.
func (c *connection) run() {
	defer c.server.running.Done()
	defer c.recover()
	how := c.read()
	if own := c.ended.Load(); own != nil {
		how = *own
	}
	c.server.leave(c)
	c.open.Close()
	c.exchange(c.now(), proxy.SocketDisconnect).disconnected(how)
}

// recover ends one connection with a panic, not the server.
func (c *connection) recover() {
	if p := recover(); p != nil {
		c.server.config.Logger.Error("panic", "api", c.socket.APIID, "err", p, "stack", string(debug.Stack()))
		c.server.leave(c)
		c.open.Close()
	}
}

// read takes messages until there are no more, and tells why.
func (c *connection) read() ending {
	for {
		kind, reader, err := c.open.NextReader()
		if err != nil {
			return c.why(err)
		}
		message, err := io.ReadAll(reader)
		if err != nil {
			return c.why(err)
		}
		c.touch()
		switch {
		case c.ended.Load() != nil: // only the client's answer to our close is waited for
		case kind == websocket.BinaryMessage:
			// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html
			c.close(websocket.CloseUnsupportedData, "Unsupported data")
		case !utf8.Valid(message):
			c.close(websocket.CloseInvalidFramePayloadData, "Invalid UTF-8")
		default:
			c.take(message)
		}
	}
}

// why is what an error of reading says about the end.
func (c *connection) why(err error) ending {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, errFrame), errors.Is(err, websocket.ErrReadLimit):
		c.close(websocket.CloseMessageTooBig, "Message too big")
		return ending{websocket.CloseMessageTooBig, "Message too big"}
	case errors.As(err, &closed) && closed.Code == websocket.CloseNoStatusReceived:
		return ending{closed.Code, "Client-side close frame status not set"} // AWS: the text of its example
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return ending{closed.Code, closed.Text}
	}
	return ending{websocket.CloseAbnormalClosure, "Connection closed abnormally"}
}

// close ends the connection from our side; the reader sees it.
func (c *connection) close(code int, reason string) {
	if !c.ended.CompareAndSwap(nil, &ending{code, reason}) {
		return
	}
	now := time.Now() // of the network, which knows no other clock
	if c.open.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), now.Add(closeWithin)) != nil {
		c.open.Close()
		return
	}
	if c.open.SetReadDeadline(now.Add(answerClose)) != nil {
		c.open.Close()
	}
}

// Errors of send.
var (
	errGone    = errors.New("the connection has ended")
	errWaiting = errors.New("too much waits for the client")
)

// send sends a message. A client that does not take it in time is cut off.
//
// AWS: sends text only. What is no UTF-8 would make clients end the connection:
// here it comes as a binary message.
func (c *connection) send(message []byte) error {
	if c.waiting.Add(1) > maxWaiting {
		c.waiting.Add(-1)
		return errWaiting
	}
	defer c.waiting.Add(-1)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.ended.Load() != nil {
		return errGone
	}
	kind := websocket.TextMessage
	if !utf8.Valid(message) {
		kind = websocket.BinaryMessage
	}
	if err := c.write(kind, message); err != nil {
		c.open.Close()
		return errGone
	}
	c.touch()
	return nil
}

// write sends frames of at most maxFrame.
func (c *connection) write(kind int, message []byte) error {
	if err := c.open.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	if len(message) <= maxFrame {
		return c.open.WriteMessage(kind, message)
	}
	w, err := c.open.NextWriter(kind)
	if err != nil {
		return err
	}
	for len(message) > 0 {
		n := min(len(message), maxFrame)
		if _, err := w.Write(message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return w.Close()
}

// take has a message worked on beside the reading, when there is room for it.
//
// AWS: messages of one connection are worked on at the same time too.
func (c *connection) take(message []byte) {
	c.slots <- struct{}{}
	// The context does not end.
	if c.server.work.Acquire(c.context, int64(len(message))) != nil {
		<-c.slots
		return
	}
	c.server.running.Add(1)
	go func() { // ends with the integration, whose time is bounded
		defer c.server.running.Done()
		defer func() { <-c.slots }()
		defer c.server.work.Release(int64(len(message)))
		defer c.recover()
		c.exchange(c.now(), proxy.SocketMessage).answer(message)
	}()
}
