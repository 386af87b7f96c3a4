// Package relay serves the AWS Lambda Telemetry API to the extensions of one
// environment, and the Logs API that it replaced: it takes subscriptions and
// sends what happens in the environment to listeners inside it.
//
// It promises: what happened before a subscription, in the same initialisation,
// is sent too; the order is kept; memory is bounded, whatever the listener and
// the function do, and what does not fit is counted and told. Delivery is to
// the loopback of the environment only, by the caller's Dial.
//
// Goroutines: one a subscription, ends with Stop. Relay.mu and
// subscription.mu guard the events; the latter is a leaf, the former may be
// held over it. Start reading at Relay.
package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync"
	"time"
)

// Kinds of events that can be subscribed to.
const (
	Platform  = "platform"
	Function  = "function"
	Extension = "extension"
)

// earlyBytes bounds what is kept for those who subscribe later.
const earlyBytes = 256 << 10

// Dial opens a connection to a TCP port on the environment's loopback.
type Dial func(ctx context.Context, port int) (net.Conn, error)

// Info is what the log tells of a subscription.
type Info struct {
	Time  time.Time
	Name  string
	State string // "Subscribed" or "Already subscribed"
	Types []string
	Logs  bool // by the Logs API
}

// Relay is the telemetry of one environment.
type Relay struct {
	dial Dial
	life context.Context
	stop context.CancelFunc
	ran  sync.WaitGroup // the goroutines of subscriptions

	mu          sync.Mutex
	closed      bool // nobody may subscribe any more
	early       []event
	earlySize   int
	subscribers []*subscription
	infos       []Info
}

// event is what happened, in the forms that the schema versions want.
type event struct {
	kind string
	of   string // "platform.start", ...
	text []byte // the whole event; logs have their record as a string
	json []byte // the same with the record as an object; nil if it is none
}

// New makes a Relay that nobody has subscribed to.
func New(dial Dial) *Relay {
	r := &Relay{dial: dial}
	r.life, r.stop = context.WithCancel(context.Background())
	return r
}

// Close lets nobody subscribe any more.
func (r *Relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.early = true, nil
}

// Stop ends all deliveries and waits for them.
func (r *Relay) Stop() {
	r.Close()
	r.stop()
	r.ran.Wait()
}

// Listening tells whether it is worth to make an event.
func (r *Relay) Listening() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.closed || len(r.subscribers) > 0
}

// Infos tells of the subscriptions made so far.
func (r *Relay) Infos() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.infos)
}

// timeForm is the time of an event, in UTC.
const timeForm = "2006-01-02T15:04:05.000Z"

// Tell passes on an event of the platform: the name of its type, and the event
// as JSON, which is not kept.
func (r *Relay) Tell(of string, whole []byte) {
	r.publish(event{kind: Platform, of: of, text: bytes.Clone(bytes.TrimSpace(whole))})
}

// Log passes on what the function or an extension wrote. With structured its
// lines of JSON are told as objects to those whose schema has that.
func (r *Relay) Log(kind string, at time.Time, record []byte, structured bool) {
	if !r.Listening() {
		return
	}
	e := event{kind: kind, of: kind, text: wrap(at, kind, string(record))}
	if object := bytes.TrimSpace(record); structured && len(object) > 0 && object[0] == '{' && json.Valid(object) {
		e.json = wrap(at, kind, json.RawMessage(object))
	}
	r.publish(e)
}

// wrap is an event as JSON.
func wrap(at time.Time, of string, record any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // log lines full of < and & stay readable
	err := encoder.Encode(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{at.UTC().Format(timeForm), of, record})
	if err != nil {
		panic(err) // strings, numbers and valid JSON always marshal
	}
	return bytes.TrimSpace(text.Bytes())
}

func (r *Relay) publish(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spread(e)
}

// spread gives an event to the subscribers, also to those still to come. Called
// with mu held.
func (r *Relay) spread(e event) {
	for _, s := range r.subscribers {
		s.take(e)
	}
	if !r.closed && r.earlySize+len(e.text) <= earlyBytes {
		r.early = append(r.early, e)
		r.earlySize += len(e.text)
	}
}

// Flush sends what is buffered and waits until it is delivered or ctx ends.
func (r *Relay) Flush(ctx context.Context) {
	r.mu.Lock()
	all := slices.Clone(r.subscribers)
	r.mu.Unlock()
	for _, s := range all {
		s.flush()
	}
	for _, s := range all {
		s.awaitEmpty(ctx)
	}
}

// add makes a subscription, or renews one: a second request of an extension is
// no second subscription.
func (r *Relay) add(name string, wanted *request) (refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	info := Info{Time: time.Now(), Name: name, State: "Subscribed", Types: wanted.Types, Logs: wanted.logs}
	if slices.ContainsFunc(r.subscribers, func(s *subscription) bool { return s.name == name }) {
		info.State = "Already subscribed"
	} else {
		s := newSubscription(r, name, wanted)
		for _, e := range r.early {
			s.take(e)
		}
		r.subscribers = append(r.subscribers, s)
		r.ran.Go(s.run) // ends with Stop
	}
	if len(r.infos) == maxSubscriptions {
		return false
	}
	r.infos = append(r.infos, info)
	of := "platform.telemetrySubscription"
	if info.Logs {
		of = "platform.logsSubscription"
	}
	e := event{kind: Platform, of: of, text: wrap(info.Time, of, struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Types []string `json:"types"`
	}{info.Name, info.State, info.Types})}
	r.spread(e)
	return false
}
