package queue

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Attribute is an attribute that the sender gave a message.
type Attribute struct {
	DataType string `json:"t"`
	String   string `json:"s,omitempty"`
	Binary   []byte `json:"b,omitempty"`
}

// messageRow is what the index needs of a message, as the store has it.
type messageRow struct {
	Sent     int64  `json:"s"`
	Due      int64  `json:"d"`
	First    int64  `json:"f,omitempty"`
	Received int64  `json:"r,omitempty"`
	Nonce    uint64 `json:"n,omitempty"`
	Count    int32  `json:"c,omitempty"`
	Before   int32  `json:"b,omitempty"`
	Chunks   uint8  `json:"k"`
	Group    string `json:"g,omitempty"`
}

func (m *messageRow) entry(seq uint64) *entry {
	return &entry{seq: seq, sent: m.Sent, due: m.Due, first: m.First, received: m.Received, nonce: m.Nonce, count: m.Count, before: m.Before, chunks: m.Chunks, slot: -1}
}

// put is the row of an entry.
func (o *owner) put(e *entry) store.KV {
	m := messageRow{Sent: e.sent, Due: e.due, First: e.first, Received: e.received, Nonce: e.nonce, Count: e.count, Before: e.before, Chunks: e.chunks}
	if e.group != nil {
		m.Group = e.group.name
	}
	value, _ := json.Marshal(m) // numbers and a text can always be written
	return store.KV{Key: indexKey(o.key, e.seq), Value: value}
}

// head is what a message has besides its body.
type head struct {
	ID         string               `json:"i"`
	Sender     string               `json:"u,omitempty"`
	Attributes map[string]Attribute `json:"a,omitempty"`
	Trace      string               `json:"x,omitempty"`
	Group      string               `json:"g,omitempty"`
	DedupID    string               `json:"d,omitempty"`
	Source     string               `json:"l,omitempty"` // ARN of the queue that a dead letter comes from
}

// errCorrupt tells of content that encodeContent did not make.
var errCorrupt = errors.New("malformed content of a message")

// encodeContent writes the length of the head, the head and the body.
func encodeContent(h *head, body string) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	content := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(text)+len(body)), uint64(len(text)))
	return append(append(content, text...), body...), nil
}

func decodeContent(content []byte) (*head, string, error) {
	length, n := binary.Uvarint(content)
	if n <= 0 || length > uint64(len(content)-n) {
		return nil, "", errCorrupt
	}
	end := n + int(length)
	h := &head{}
	if err := json.Unmarshal(content[n:end], h); err != nil {
		return nil, "", fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return h, string(content[end:]), nil
}

// putContent adds the rows of a message's content to a batch.
func (o *owner) putContent(b *store.Batch, e *entry, content []byte) {
	e.chunks = 0
	for rest := content; len(rest) > 0; e.chunks++ {
		n := min(len(rest), chunkBytes)
		b.Puts = append(b.Puts, store.KV{Key: contentKey(o.key, e.seq, int(e.chunks)), Value: rest[:n]})
		rest = rest[n:]
	}
}

// remove adds the removal of a message to a batch.
func (o *owner) remove(b *store.Batch, e *entry) {
	b.Deletes = append(b.Deletes, indexKey(o.key, e.seq))
	for chunk := range int(e.chunks) {
		b.Deletes = append(b.Deletes, contentKey(o.key, e.seq, chunk))
	}
}

// content reads a message; store.ErrNotFound if it is gone.
func (o *owner) content(ctx context.Context, seq uint64) (*head, string, error) {
	snap, err := o.queues.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, "", err
	}
	defer snap.Close()
	return o.contentIn(snap, seq)
}

func (o *owner) contentIn(snap store.Snap, seq uint64) (*head, string, error) {
	lo, hi := tuple.Range("sqs", "content", o.key, seq)
	rows, err := snap.Scan(lo, hi, maxChunks, false)
	if err != nil {
		return nil, "", err
	}
	if len(rows) == 0 {
		return nil, "", store.ErrNotFound
	}
	whole := rows[0].Value
	if len(rows) > 1 {
		var all bytes.Buffer
		for _, row := range rows {
			all.Write(row.Value)
		}
		whole = all.Bytes()
	}
	return decodeContent(whole)
}

// maxChunks is more than the content of the largest message takes, whose
// attributes are written as base64.
const maxChunks = 64

// A receipt handle is base64 of: the sequence number, the nonce of the receive,
// and the beginning of a keyed hash of both, which also tells the queues apart.
const handleMAC = 16

func (o *owner) handle(e *entry) string {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, e.seq), e.nonce)
	return base64.StdEncoding.EncodeToString(append(b, o.mac(b)...))
}

func (o *owner) mac(b []byte) []byte {
	h := hmac.New(sha256.New, o.secret)
	h.Write([]byte(o.key))
	h.Write(b)
	return h.Sum(nil)[:handleMAC]
}

// parseHandle reads a handle that this queue made.
func (o *owner) parseHandle(text string) (seq, nonce uint64, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 16+handleMAC || !hmac.Equal(b[16:], o.mac(b[:16])) {
		return 0, 0, fail(ReceiptHandleIsInvalid, `The input receipt handle "%s" is not a valid receipt handle.`, text)
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), nil
}

// sequenceText is a sequence number as clients see it: 20 digits, in order.
func sequenceText(seq uint64) string { return fmt.Sprintf("1%019d", seq) }
