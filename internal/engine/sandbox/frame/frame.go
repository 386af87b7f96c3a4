// Package frame reads and writes the messages between the supervisor and the
// first process of an environment; pyboot/PROTOCOL.md describes them.
//
// It promises: what comes from hostile hands is bounded before anything is
// allocated for it. No goroutines, no locks. Start reading at Read.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// Frame types; see pyboot/PROTOCOL.md.
const (
	Bind      = 1
	Invoke    = 2
	Clone     = 3
	Identity  = 4
	Parked    = 16
	Ready     = 17
	InitError = 18
	Result    = 19
	Error     = 20
	TooLarge  = 21
	Chunk     = 22
	Cloned    = 23
)

// Frame types between the supervisor and a keeper.
const (
	Keep       = 40 // down: the binding; its extensions are started
	Run        = 41 // down: start the runtime
	Signal     = 42 // down: name of a process; the payload is the signal
	Exited     = 50 // up: name of a process; the payload is the wait status
	NotStarted = 51 // up: name of a process; the payload is the error
)

// Bounds of a frame.
const (
	HeaderBytes     = 12
	maxMetaBytes    = 64 << 10
	MaxPayloadBytes = limit.SyncRequestBytes + 1<<10
)

// ErrProtocol tells that an environment broke the frame protocol.
var ErrProtocol = errors.New("the environment broke the frame protocol")

// Frame is one message of the data socket.
type Frame struct {
	Kind    byte
	Meta    []byte
	Payload []byte
}

// Read reads one frame from hostile hands: lengths are checked before
// anything is allocated.
func Read(r io.Reader) (Frame, error) {
	var header [HeaderBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Frame{}, err
	}
	meta, payload := binary.BigEndian.Uint32(header[4:]), binary.BigEndian.Uint32(header[8:])
	most := uint32(MaxPayloadBytes)
	if header[0] == Chunk {
		most = limit.StreamChunkBytes
	}
	if header[1]|header[2]|header[3] != 0 || meta > maxMetaBytes || payload > most {
		return Frame{}, fmt.Errorf("%w: frame type %d, meta %d bytes, payload %d bytes", ErrProtocol, header[0], meta, payload)
	}
	body := make([]byte, meta+payload)
	if _, err := io.ReadFull(r, body); err != nil {
		return Frame{}, err
	}
	return Frame{Kind: header[0], Meta: body[:meta:meta], Payload: body[meta:]}, nil
}

// PutHeader writes the header of a frame whose parts have these lengths.
func PutHeader(header []byte, kind byte, meta, payload int) {
	header[0], header[1], header[2], header[3] = kind, 0, 0, 0
	binary.BigEndian.PutUint32(header[4:], uint32(meta))
	binary.BigEndian.PutUint32(header[8:], uint32(payload))
}

// Append appends a whole frame.
func Append[M string | []byte](to []byte, kind byte, meta M, payload []byte) []byte {
	var header [HeaderBytes]byte
	PutHeader(header[:], kind, len(meta), len(payload))
	return append(append(append(to, header[:]...), meta...), payload...)
}
