package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The rows of a message, all below "delivery":
//
//	due, time, number, lane          state: when it is tried next
//	order, lane, number              due:   only of a message with a Lane
//	message, number, chunk           what it is (encode)
//	aside, number, lane              state: of one that cannot be read
//
// The lane in a key says which messages share the bound on what is under way:
// those to one target, or those that keep their order.

const space = "delivery"

// state is what changes from try to try.
type state struct {
	Tries  int
	Chunks int
}

// place is what the key of a due row says.
type place struct {
	due    time.Time
	number string // see Outbox.number
	lane   string
}

func (p place) key() []byte { return tuple.Key(space, "due", p.due, p.number, p.lane) }

func (p place) orderKey() []byte { return tuple.Key(space, "order", p.lane, p.number) }

// id names a message among those under way.
func (p place) id() string { return p.lane + p.number }

// parsePlace reads the key of a due row.
func parsePlace(key []byte) (place, error) {
	parts, err := tuple.Parse(key)
	if err != nil {
		return place{}, err
	}
	if len(parts) == 5 {
		due, isTime := parts[2].(time.Time)
		number, isNumber := parts[3].(string)
		lane, isText := parts[4].(string)
		if isTime && isNumber && isText && lane != "" {
			return place{due: due, number: number, lane: lane}, nil
		}
	}
	return place{}, fmt.Errorf("%d parts that are not those of a due row", len(parts))
}

const orderedMark = "o"

// ordered tells whether the messages of the lane keep their order.
func (p place) ordered() bool { return p.lane[:1] == orderedMark }

// laneOf is a short name of what shares a bound with the message.
func laneOf(m *Message) string {
	mark, text := "t", m.Target
	if m.Lane != "" {
		mark, text = orderedMark, m.Target+"\x00"+m.Lane
	}
	sum := sha256.Sum256([]byte(text))
	return mark + hex.EncodeToString(sum[:16])
}

// put adds the rows of a new message to a batch.
func put(b *store.Batch, m *Message, number string, now time.Time) error {
	content, err := encode(m)
	if err != nil {
		return err
	}
	p := place{due: now, number: number, lane: laneOf(m)}
	return p.put(b, state{Chunks: chunk.Put(b, content, space, "message", number)})
}

// put adds the row of a message that is due.
func (p place) put(b *store.Batch, s state) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	b.Puts = append(b.Puts, store.KV{Key: p.key(), Value: value})
	if p.ordered() {
		b.Puts = append(b.Puts, store.KV{Key: p.orderKey(), Value: tuple.Key(p.due)})
	}
	return nil
}

// errCorrupt tells of a message that encode did not make.
var errCorrupt = errors.New("malformed message")

// encode writes the length of the head, the head and the body.
func encode(m *Message) ([]byte, error) {
	head, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	content := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(head)+len(m.Body)), uint64(len(head)))
	return append(append(content, head...), m.Body...), nil
}

func decode(content []byte) (*Message, error) {
	length, n := binary.Uvarint(content)
	if n <= 0 || length > uint64(len(content)-n) {
		return nil, errCorrupt
	}
	m := &Message{}
	if err := json.Unmarshal(content[n:n+int(length)], m); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	m.Body = content[n+int(length):]
	return m, nil
}
