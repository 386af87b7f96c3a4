package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// Frame types; see pyboot/PROTOCOL.md.
const (
	frameBind      = 1
	frameInvoke    = 2
	frameClone     = 3
	frameIdentity  = 4
	frameParked    = 16
	frameReady     = 17
	frameInitError = 18
	frameResult    = 19
	frameError     = 20
	frameTooLarge  = 21
	frameChunk     = 22
	frameCloned    = 23
)

// Bounds of a frame.
const (
	headerBytes     = 12
	maxMetaBytes    = 64 << 10
	maxPayloadBytes = limit.SyncRequestBytes + 1<<10
)

// errProtocol tells that an environment broke the frame protocol.
var errProtocol = errors.New("the environment broke the frame protocol")

// frame is one message of the data socket.
type frame struct {
	kind    byte
	meta    []byte
	payload []byte
}

// readFrame reads one frame from hostile hands: lengths are checked before
// anything is allocated.
func readFrame(r io.Reader) (frame, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	meta, payload := binary.BigEndian.Uint32(header[4:]), binary.BigEndian.Uint32(header[8:])
	most := uint32(maxPayloadBytes)
	if header[0] == frameChunk {
		most = limit.StreamChunkBytes
	}
	if header[1]|header[2]|header[3] != 0 || meta > maxMetaBytes || payload > most {
		return frame{}, fmt.Errorf("%w: frame type %d, meta %d bytes, payload %d bytes", errProtocol, header[0], meta, payload)
	}
	body := make([]byte, meta+payload)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, err
	}
	return frame{kind: header[0], meta: body[:meta:meta], payload: body[meta:]}, nil
}

func putHeader(header []byte, kind byte, meta, payload int) {
	header[0], header[1], header[2], header[3] = kind, 0, 0, 0
	binary.BigEndian.PutUint32(header[4:], uint32(meta))
	binary.BigEndian.PutUint32(header[8:], uint32(payload))
}
