package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
)

// Entry is an event as it is put.
type Entry struct {
	Bus                        string // name or ARN; empty is the default bus
	Source, DetailType, Detail string
	Resources                  []string
	Time                       time.Time
	Trace                      string // X-Amzn-Trace-Id

	// Of what came as a CloudEvent; EventBridge's own entries have neither.
	ID         string          // the sender's; empty makes a new one
	CloudEvent json.RawMessage // attributes that an event has no other place for, an object
}

// Result is what became of an entry.
type Result struct {
	ID  string
	Err *Error
}

// event is an event on a bus. The order of its fields is that of AWS.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Replay     string          `json:"replay-name,omitempty"`
	Detail     json.RawMessage `json:"detail,omitempty"`
	CloudEvent json.RawMessage `json:"cloudevent,omitempty"`

	text      []byte // all of it as JSON
	trace     string
	ingested  time.Time
	forwarded bool // by another bus
}

func (e *event) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// size is that of an entry, as AWS counts it.
//
// AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html.
func (e *Entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail) + len(e.ID) + len(e.CloudEvent)
	if !e.Time.IsZero() {
		n += 14
	}
	for _, resource := range e.Resources {
		n += len(resource)
	}
	return n
}

// Check refuses an entry as Put does.
func (e *Entry) Check() *Error {
	for _, required := range []struct{ name, value string }{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if required.value == "" {
			return fail(InvalidArgument, "Parameter %s is not valid. Reason: %s is a required argument.", required.name, required.name)
		}
	}
	if len(e.ID) > maxIDBytes {
		return fail(InvalidArgument, "The id is longer than %d bytes.", maxIDBytes)
	}
	if strings.HasPrefix(e.Source, "aws.") {
		return fail(NotAuthorized, "Not authorized for the source.")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(e.Detail), &object) != nil || object == nil {
		return fail(MalformedDetail, "Detail is malformed.")
	}
	return nil
}

// Put puts events. The results are in the order of the entries; an error means
// that nothing is known of any.
func (b *Buses) Put(ctx context.Context, scope Scope, entries []Entry) ([]Result, error) {
	size := 0
	for i := range entries {
		size += entries[i].size()
	}
	if size > MaxEntryBytes {
		return nil, fail(Validation, "Total size of the entries in the request is over the limit.")
	}
	results := make([]Result, len(entries))
	p := parcel{buses: b}
	for i := range entries {
		entry := &entries[i]
		if results[i].Err = entry.Check(); results[i].Err != nil {
			continue
		}
		e, err := b.made(scope, entry)
		if err != nil {
			return nil, err
		}
		results[i].ID = e.ID
		if err := p.addEvent(ctx, ParseID(scope, entry.Bus), e); err != nil {
			return nil, err
		}
	}
	return results, p.send(ctx)
}

// made makes the event of an entry.
func (b *Buses) made(scope Scope, entry *Entry) (*event, error) {
	var detail bytes.Buffer
	if err := json.Compact(&detail, []byte(entry.Detail)); err != nil {
		return nil, err
	}
	now := b.config.Clock.Now().UTC()
	at := entry.Time.UTC()
	if entry.Time.IsZero() {
		at = now
	}
	e := &event{Version: "0", ID: entry.ID, CloudEvent: entry.CloudEvent, DetailType: entry.DetailType, Source: entry.Source, Account: scope.Account, Time: at.Format(time.RFC3339), Region: scope.Region,
		Resources: entry.Resources, Detail: detail.Bytes(), trace: entry.Trace, ingested: now}
	if e.ID == "" {
		e.ID = ids.UUID()
	}
	if e.Resources == nil {
		e.Resources = []string{}
	}
	var err error
	e.text, err = e.encode()
	return e, err
}

// The Detail of a delivery.Message to a bus.
const (
	// DetailSource and DetailType make an event with the body as its detail;
	// without them the body is a whole event. DetailResources is a JSON list.
	DetailSource    = "source"
	DetailType      = "detail-type"
	DetailResources = "resources"
	// DetailForwarded marks what a rule sends.
	DetailForwarded = "forwarded"
)

// Deliver takes an event from another service, or from the rule of another bus:
// Buses are a delivery.Target.
func (b *Buses) Deliver(ctx context.Context, m *delivery.Message) error {
	id := ParseID(Scope{}, m.Target)
	if id.Account == "" {
		return delivery.Permanent(fmt.Errorf("%s is not the ARN of an event bus", m.Target))
	}
	if _, err := b.find(id); err != nil {
		return delivery.Permanent(delivery.Coded("RESOURCE_NOT_FOUND", err))
	}
	e := &event{}
	var err error
	if source := m.Detail[DetailSource]; source != "" {
		entry := &Entry{Source: source, DetailType: m.Detail[DetailType], Detail: string(m.Body), Trace: m.TraceID, Time: m.Added}
		if list := m.Detail[DetailResources]; list != "" {
			err = json.Unmarshal([]byte(list), &entry.Resources)
		}
		if err == nil {
			e, err = b.made(id.Scope, entry)
		}
		e.ID = m.ID // the same if it is delivered again
	} else {
		err = json.Unmarshal(m.Body, e)
		e.forwarded = m.Detail[DetailForwarded] != ""
	}
	if err == nil {
		e.text, err = e.encode()
	}
	if err != nil {
		return delivery.Permanent(delivery.Coded("INVALID_JSON", err))
	}
	e.trace, e.ingested = m.TraceID, b.config.Clock.Now().UTC()
	p := parcel{buses: b}
	if err := p.addEvent(ctx, id, e); err != nil {
		return err
	}
	return p.send(ctx)
}

// parcel collects what events cause: deliveries and rows of archives.
type parcel struct {
	buses *Buses
	batch store.Batch
	bytes int
	sends bool
}

// maxParcelBytes is when a parcel is committed although more is to come. What one
// event causes may be more than a batch of the store holds.
const maxParcelBytes = store.MaxBatchBytes / 4

// addEvent adds what an event on a bus causes. A bus that is not there has no
// rules.
//
// AWS: PutEvents accepts an event for a bus that does not exist, and nobody gets it.
func (p *parcel) addEvent(ctx context.Context, id ID, e *event) error {
	parsed, err := pattern.ParseEvent(e.text)
	if err != nil {
		return err
	}
	for _, chosen := range p.buses.choose(id, parsed, nil) {
		if err := p.addTargets(ctx, id, chosen.name, chosen.rule, e); err != nil {
			return err
		}
	}
	for archive := range p.buses.keeping(id, parsed, e) {
		if err := p.keep(ctx, archive, e); err != nil {
			return err
		}
	}
	return nil
}

// addTargets adds an event for all targets of a rule.
func (p *parcel) addTargets(ctx context.Context, id ID, name string, r *rule, e *event) error {
	for i := range r.Targets {
		t := &r.Targets[i]
		// AWS: an event that came from another bus is not sent to a third one
		// (eb-bus-to-bus.html).
		if e.forwarded && delivery.Service(t.ARN) == "events" {
			continue
		}
		m, err := t.message(id, name, e)
		if err != nil {
			return err
		}
		if err := p.make(ctx, len(m.Body)); err != nil {
			return err
		}
		if err := p.buses.config.Outbox.Add(&p.batch, m); err != nil {
			return err
		}
		p.sends = true
	}
	return nil
}

// keep adds an event to an archive.
func (p *parcel) keep(ctx context.Context, id archiveID, e *event) error {
	if err := p.make(ctx, len(e.text)); err != nil {
		return err
	}
	chunk.Put(&p.batch, e.text, archivedParts(id, p.buses.config.Clock.Now(), e.ID)...)
	return nil
}

// make makes room for so many bytes more.
func (p *parcel) make(ctx context.Context, bytes int) error {
	if p.bytes > 0 && (p.bytes+bytes > maxParcelBytes || len(p.batch.Puts) > store.MaxBatchOps/2) {
		if err := p.send(ctx); err != nil {
			return err
		}
	}
	p.bytes += bytes
	return nil
}

// send commits what was collected.
func (p *parcel) send(ctx context.Context) error {
	if len(p.batch.Puts) == 0 && len(p.batch.Deletes) == 0 {
		return nil
	}
	if err := p.buses.commit(ctx, &p.batch); err != nil {
		return fmt.Errorf("put events: %w", err)
	}
	if p.sends {
		p.buses.config.Outbox.Wake()
	}
	p.batch, p.bytes, p.sends = store.Batch{}, 0, false
	return nil
}

// chosen is a rule that matches an event.
type chosen struct {
	name string
	rule *rule
}

// choose finds the rules of a bus that match; with names, only among those.
func (b *Buses) choose(id ID, e *pattern.Event, names []string) (found []chosen) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.buses[id]
	if s == nil {
		return nil
	}
	s.patterns.Match(e, func(name string) {
		if names == nil || slices.Contains(names, name) {
			found = append(found, chosen{name, s.rules[name]})
		}
	})
	return found
}

// keeping finds the archives of a bus that match.
func (b *Buses) keeping(id ID, e *pattern.Event, whole *event) map[archiveID]*Archive {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.archives) == 0 || whole.Replay != "" {
		return nil
	}
	found := maps.Clone(b.archives)
	maps.DeleteFunc(found, func(_ archiveID, a *Archive) bool {
		return a.Source != id.ARN() || a.pattern != nil && !a.pattern.Match(e)
	})
	return found
}
