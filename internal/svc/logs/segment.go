package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment file is a row of blocks, each written by one append and never
// changed. A block is a header of headerBytes and a payload: for each event its
// time as a zigzag varint above the block's least, the length of its message as
// a uvarint, the message. All numbers of the header are big-endian.
const (
	headerBytes = 56
	magic       = "LKLOG1\r\n"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// errBadBlock tells that the bytes are not a whole block: the end of a segment
// that a crash cut, or damage.
var errBadBlock = errors.New("not a log block")

// event is one stored event. seq numbers the events of a stream from 1 on, in
// the order in which they came.
type event struct {
	time    int64 // ms
	seq     uint64
	message string
}

// header describes a block.
type header struct {
	payloadBytes uint32
	count        uint32
	firstSeq     uint64
	min, max     int64 // ms
	ingested     int64 // ms
	payloadSum   uint32
}

// appendBlock encodes events, numbered from firstSeq on.
func appendBlock(dst []byte, events []event, firstSeq uint64, ingested int64) []byte {
	h := header{count: uint32(len(events)), firstSeq: firstSeq, min: events[0].time, max: events[0].time, ingested: ingested}
	for _, e := range events {
		h.min, h.max = min(h.min, e.time), max(h.max, e.time)
	}
	start := len(dst)
	dst = append(dst, make([]byte, headerBytes)...)
	for _, e := range events {
		dst = binary.AppendUvarint(dst, uint64(e.time-h.min))
		dst = binary.AppendUvarint(dst, uint64(len(e.message)))
		dst = append(dst, e.message...)
	}
	payload := dst[start+headerBytes:]
	h.payloadBytes, h.payloadSum = uint32(len(payload)), checksum(payload)
	h.encode(dst[start : start+headerBytes])
	return dst
}

func (h *header) encode(b []byte) {
	copy(b, magic)
	binary.BigEndian.PutUint32(b[8:], h.payloadBytes)
	binary.BigEndian.PutUint32(b[12:], h.count)
	binary.BigEndian.PutUint64(b[16:], h.firstSeq)
	binary.BigEndian.PutUint64(b[24:], uint64(h.min))
	binary.BigEndian.PutUint64(b[32:], uint64(h.max))
	binary.BigEndian.PutUint64(b[40:], uint64(h.ingested))
	binary.BigEndian.PutUint32(b[48:], h.payloadSum)
	binary.BigEndian.PutUint32(b[52:], checksum(b[:52]))
}

// decodeHeader reads a header; its sum makes a torn one impossible to mistake.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerBytes || string(b[:len(magic)]) != magic {
		return header{}, errBadBlock
	}
	if checksum(b[:52]) != binary.BigEndian.Uint32(b[52:]) {
		return header{}, errBadBlock
	}
	h := header{
		payloadBytes: binary.BigEndian.Uint32(b[8:]),
		count:        binary.BigEndian.Uint32(b[12:]),
		firstSeq:     binary.BigEndian.Uint64(b[16:]),
		min:          int64(binary.BigEndian.Uint64(b[24:])),
		max:          int64(binary.BigEndian.Uint64(b[32:])),
		ingested:     int64(binary.BigEndian.Uint64(b[40:])),
		payloadSum:   binary.BigEndian.Uint32(b[48:]),
	}
	if h.payloadBytes > maxBlockBytes || h.count == 0 || h.count > h.payloadBytes || h.max < h.min {
		return header{}, errBadBlock
	}
	return h, nil
}

// decodeEvents reads the payload of a block.
func decodeEvents(h header, payload []byte) ([]event, error) {
	if uint32(len(payload)) != h.payloadBytes || checksum(payload) != h.payloadSum {
		return nil, errBadBlock
	}
	events := make([]event, 0, min(int(h.count), len(payload)/2+1))
	for i := range h.count {
		above, n := binary.Uvarint(payload)
		if n <= 0 || above > uint64(h.max-h.min) {
			return nil, errBadBlock
		}
		payload = payload[n:]
		length, n := binary.Uvarint(payload)
		if n <= 0 || length > uint64(len(payload)-n) {
			return nil, errBadBlock
		}
		payload = payload[n:]
		events = append(events, event{time: h.min + int64(above), seq: h.firstSeq + uint64(i), message: string(payload[:length])})
		payload = payload[length:]
	}
	if len(payload) != 0 {
		return nil, errBadBlock
	}
	return events, nil
}

// block is a header and where it is.
type block struct {
	header
	offset int64
}

// end is where the next block begins.
func (b block) end() int64 { return b.offset + headerBytes + int64(b.payloadBytes) }

// readHeaders reads the headers of whole blocks from offset to size. What does
// not begin a block or reaches over size ends the walk without an error.
func readHeaders(r io.ReaderAt, offset, size int64) ([]block, error) {
	var blocks []block
	buffer := make([]byte, headerBytes)
	for offset+headerBytes <= size {
		if _, err := r.ReadAt(buffer, offset); err != nil {
			return nil, fmt.Errorf("read log block: %w", err)
		}
		h, err := decodeHeader(buffer)
		b := block{header: h, offset: offset}
		if err != nil || b.end() > size {
			break
		}
		blocks = append(blocks, b)
		offset = b.end()
	}
	return blocks, nil
}

// readBlock reads the events of one block.
func readBlock(r io.ReaderAt, b block) ([]event, error) {
	payload := make([]byte, b.payloadBytes)
	if _, err := r.ReadAt(payload, b.offset+headerBytes); err != nil {
		return nil, fmt.Errorf("read log block: %w", err)
	}
	return decodeEvents(b.header, payload)
}
