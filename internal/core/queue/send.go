package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Message is what a sender sends.
type Message struct {
	Body       string
	Attributes map[string]Attribute
	Trace      string // AWSTraceHeader
	GroupID    string
	DedupID    string
	Delay      *time.Duration // nil: the queue's
	Sender     string         // unique id of the caller
}

// Sent is what became of one message; Err is a refusal of this message alone.
type Sent struct {
	ID       string
	Sequence string // of a FIFO queue
	Err      error
}

// duplicate is a deduplication id that was used.
type duplicate struct {
	id        string
	Expires   int64         `json:"e"`
	MessageID string        `json:"i"`
	Sequence  uint64        `json:"q"`
	done      chan struct{} // not nil while its commit runs; closed after it
}

// sending is a batch on its way into the store.
type sending struct {
	entries []*entry
	dups    []*duplicate
	batch   *store.Batch
}

// decidedLocked lets those go on who wait for the batch's deduplication ids.
func (s *sending) decidedLocked() {
	for _, d := range s.dups {
		close(d.done)
		d.done = nil
	}
}

// Send puts a message into a queue; it is durable when Send returns nil.
func (q *Queues) Send(ctx context.Context, id ID, message Message) (Sent, error) {
	results, err := q.send(ctx, id, []Message{message}, false)
	if err != nil {
		return Sent{}, err
	}
	return results[0], results[0].Err
}

// SendBatch puts messages into a queue, in their order. It returns after all are
// durable, one result a message.
//
// AWS: what a FIFO queue needs and one message has not, refuses the whole batch.
func (q *Queues) SendBatch(ctx context.Context, id ID, messages []Message) ([]Sent, error) {
	return q.send(ctx, id, messages, true)
}

func (q *Queues) send(ctx context.Context, id ID, messages []Message, whole bool) ([]Sent, error) {
	for {
		results, wait, err := q.trySend(ctx, id, messages, whole)
		if wait == nil {
			return results, err
		}
		// Another sender uses one of the deduplication ids: whether ours is a
		// duplicate is known once its commit is over.
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *Queues) trySend(ctx context.Context, id ID, messages []Message, whole bool) (results []Sent, wait <-chan struct{}, err error) {
	o, err := q.enter(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	defer o.exit()
	now := q.config.Clock.Now()
	if err := o.settings.checkBatch(messages); whole && err != nil {
		return nil, nil, err
	}
	results, s, wait, err := o.prepareLocked(now, messages, whole)
	if wait != nil || err != nil {
		return nil, wait, err
	}
	if len(s.entries) > 0 {
		o.mu.Unlock()
		err = q.commit(ctx, s.batch)
		o.mu.Lock()
	}
	s.decidedLocked()
	if err != nil {
		o.stale = true // it may have been kept after all
		o.wakeAllLocked()
		return nil, nil, fmt.Errorf("send to queue %s: %w", id.Name, err)
	}
	o.publishLocked(s.entries, milliseconds(now))
	return results, nil, nil
}

// publishLocked makes messages visible whose commit is over.
func (o *owner) publishLocked(list []*entry, now int64) {
	for _, e := range list {
		to := ready
		if e.due > now {
			to = delayed
		}
		o.index.move(e, to)
	}
	o.wakeLocked(len(list))
}

// prepareLocked checks the messages and gives them their places. If it returns
// wait it has changed nothing.
func (o *owner) prepareLocked(now time.Time, messages []Message, whole bool) (results []Sent, s *sending, wait <-chan struct{}, err error) {
	o.forgetDuplicatesLocked(milliseconds(now))
	dupIDs := make([]string, len(messages))
	results = make([]Sent, len(messages))
	for i := range messages {
		if results[i].Err = o.settings.check(&messages[i], whole); results[i].Err != nil || !o.settings.fifo {
			continue
		}
		dupIDs[i] = o.settings.dupID(&messages[i])
		if d := o.dups[dupIDs[i]]; d != nil && d.done != nil {
			return nil, nil, d.done, nil
		}
	}
	s = &sending{batch: &store.Batch{}}
	for i := range messages {
		if results[i].Err != nil {
			continue
		}
		if d := o.dups[dupIDs[i]]; o.settings.fifo && d != nil {
			results[i].ID, results[i].Sequence = d.MessageID, sequenceText(d.Sequence)
			continue
		}
		if err := o.prepareOneLocked(now, s, &messages[i], &results[i], dupIDs[i]); err != nil {
			o.stale = true // some may have their places already
			s.decidedLocked()
			return nil, nil, nil, err
		}
	}
	return results, s, nil, nil
}

func (o *owner) prepareOneLocked(now time.Time, s *sending, m *Message, result *Sent, dupID string) error {
	h := &head{ID: ids.UUID(), Sender: m.Sender, Attributes: m.Attributes, Trace: m.Trace, Group: m.GroupID, DedupID: m.DedupID}
	if o.settings.fifo && h.DedupID == "" {
		h.DedupID = contentID(m.Body)
	}
	delay := o.settings.delay
	if m.Delay != nil && !o.settings.fifo {
		delay = *m.Delay
	}
	e, err := o.placeLocked(s.batch, &entry{sent: milliseconds(now), due: milliseconds(now.Add(delay))}, h, m.Body)
	if err != nil {
		return err
	}
	s.entries = append(s.entries, e)
	result.ID = h.ID
	if !o.settings.fifo {
		return nil
	}
	result.Sequence = sequenceText(e.seq)
	d := &duplicate{id: dupID, Expires: milliseconds(now.Add(dedupWindow)), MessageID: h.ID, Sequence: e.seq, done: make(chan struct{})}
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	s.batch.Puts = append(s.batch.Puts, store.KV{Key: dupKey(o.key, dupID), Value: value})
	s.dups = append(s.dups, d)
	o.dups[dupID] = d
	o.dupOrder = append(o.dupOrder, d)
	return nil
}

// placeLocked gives a message its sequence number and its place, still pending,
// and adds its rows to a batch.
func (o *owner) placeLocked(b *store.Batch, e *entry, h *head, body string) (*entry, error) {
	content, err := encodeContent(h, body)
	if err != nil {
		return nil, err
	}
	e.seq, e.slot = o.next, -1
	o.next++
	// Half a step is left when more are reserved, so that no other commit can
	// overtake the one that reserves its number.
	if e.seq+markStep/2 >= o.mark {
		o.mark = e.seq + markStep
		b.Puts = append(b.Puts, store.KV{Key: markKey(o.key), Value: strconv.AppendUint(nil, o.mark, 10)})
	}
	o.index.add(e, h.Group)
	o.putContent(b, e, content)
	b.Puts = append(b.Puts, o.put(e))
	return e, nil
}

// forgetDuplicatesLocked forgets the ids whose window is over. Their rows are
// removed by sweep.
func (o *owner) forgetDuplicatesLocked(now int64) {
	n := 0
	for _, d := range o.dupOrder {
		if d.Expires > now || d.done != nil {
			break
		}
		if o.dups[d.id] == d {
			delete(o.dups, d.id)
		}
		o.dupGone = append(o.dupGone, d.id)
		n++
	}
	o.dupOrder = o.dupOrder[n:]
}

func contentID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// dupID is what makes a message a duplicate of another.
func (s *settings) dupID(m *Message) string {
	id := m.DedupID
	if id == "" {
		id = contentID(m.Body)
	}
	if s.dedupByGroup {
		return m.GroupID + "\x00" + id
	}
	return id
}

// idPattern is what group and deduplication ids are made of.
var idPattern = lazy.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

func checkID(parameter, value string) error {
	if !idPattern.MatchString(value) {
		return invalid(value, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}

// check checks one message, of a batch or alone, against the settings of its queue.
func (s *settings) check(m *Message, ofBatch bool) error {
	if m.Body == "" {
		return fail(MissingRequiredParameter, "The request must contain the parameter MessageBody.")
	}
	if err := checkAttributes(m.Attributes); err != nil {
		return err
	}
	if err := checkText(m.Body); err != nil {
		return err
	}
	if Size(m) > s.maxBytes {
		problem := "are invalid"
		if ofBatch {
			problem = "cannot be validated" // AWS: recorded
		}
		return fail(InvalidParameterValue, "One or more parameters %s. Reason: Message must be shorter than %d bytes.", problem, s.maxBytes)
	}
	if m.GroupID != "" {
		if err := checkID("MessageGroupId", m.GroupID); err != nil {
			return err
		}
	}
	if s.fifo {
		return s.checkFIFO(m)
	}
	if m.DedupID != "" {
		return invalid(m.DedupID, "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
	}
	return checkDelay(m.Delay)
}

func (s *settings) checkFIFO(m *Message) error {
	switch {
	case m.GroupID == "":
		return fail(MissingRequiredParameter, "The request must contain the parameter MessageGroupId.")
	case m.Delay != nil && *m.Delay != 0:
		return invalid(int(m.Delay.Seconds()), "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	case m.DedupID != "":
		return checkID("MessageDeduplicationId", m.DedupID)
	case !s.contentDedup:
		return noDedupID()
	}
	return nil
}

// checkBatch checks what refuses a whole batch.
func (s *settings) checkBatch(messages []Message) error {
	for i := range messages {
		switch m := &messages[i]; {
		case !s.fifo:
			return nil
		case m.GroupID == "":
			return fail(InvalidParameterValue, "The request must contain the parameter MessageGroupId.")
		case m.DedupID == "" && !s.contentDedup:
			return noDedupID()
		}
	}
	return nil
}

func noDedupID() error {
	return fail(InvalidParameterValue, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
}

func checkDelay(delay *time.Duration) error {
	if delay != nil && (*delay < 0 || *delay > MaxDelay) {
		return invalid(int(delay.Seconds()), "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	}
	return nil
}

// Size is what a message counts against the limits.
func Size(m *Message) int {
	size := len(m.Body)
	for name, a := range m.Attributes {
		size += len(name) + len(a.DataType) + len(a.String) + len(a.Binary)
	}
	return size
}

// checkText allows the characters of XML, as AWS does.
func checkText(text string) error {
	allowed := utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
	if !allowed {
		return fail(InvalidMessageContents, "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	return nil
}

var attributeName = lazy.MustCompile(`^[A-Za-z0-9_.\-]+$`)

const maxAttributeName = 256 // also of a type

func checkAttributes(attributes map[string]Attribute) error {
	if len(attributes) > MaxAttributes {
		return fail(InvalidParameterValue, "Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attributes), MaxAttributes)
	}
	for name, a := range attributes {
		lower := strings.ToLower(name)
		switch {
		case len(name) > maxAttributeName:
			return fail(InvalidParameterValue, "Message (user) attribute names must be shorter than 256 Bytes")
		case !attributeName.MatchString(name):
			return fail(InvalidParameterValue, "Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
		case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."), strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
			return fail(InvalidParameterValue, "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
		}
		if err := checkValue(name, a); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name string, a Attribute) error {
	kind, _, _ := strings.Cut(a.DataType, ".")
	empty := func() error {
		return fail(InvalidParameterValue, "Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
	}
	switch {
	case len(a.DataType) > maxAttributeName:
		return fail(InvalidParameterValue, "Message (user) attribute types must be shorter than 256 Bytes")
	case kind == "Binary":
		if len(a.Binary) == 0 {
			return empty()
		}
		return nil
	case kind == "String", kind == "Number":
		if a.String == "" {
			return empty()
		}
		if err := checkText(a.String); err != nil {
			return err
		}
		if kind == "Number" {
			return checkNumber(name, a.String)
		}
		return nil
	}
	return fail(InvalidParameterValue, "The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
}

func checkNumber(name, text string) error {
	_, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.ContainsAny(text, "xXpP_nNiI") {
		return fail(InvalidParameterValue, "Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return nil
}
