// Package delivery is the outbox of the platform: what one service has to send
// to another is sent, at least once, whatever happens to the process.
//
// It promises: a message is durable with the commit that Add joined, so that a
// change of state and what it causes are one step; it is tried as its Policy
// says until its target takes it; what is given up goes to the dead-letter queue
// of its policy in the commit that ends it, and is logged. Messages have no
// order, but for those with a Lane: these arrive one after the other in the order
// of their Adds, and one that fails holds back those behind it until it has
// arrived or is given up. One target that fails or is slow does not hold up others.
//
// Run owns the outbox by a lease of the store, so that one process delivers, and
// fences its commits. It starts one goroutine a delivery and returns after the
// last. Outbox.mu guards what is under way, Outbox.targets has its own lock;
// neither is held over I/O. Start reading at Outbox; how a message moves is in
// run.go, the rows are in row.go, when it is tried again in policy.go.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits of the outbox.
const (
	// MaxBodyBytes is more than any target takes: it refuses with words of its own.
	MaxBodyBytes   = 8 << 20
	MaxTargetBytes = 4 << 10 // of an ARN or URL

	maxRunning   = 512              // deliveries at once
	maxPerTarget = 32               // of them to one target
	deliverTime  = 60 * time.Second // that one delivery may take
	scanPage     = 256
	poll         = 5 * time.Second // looks again even without a hint
)

// Attribute is a message attribute, for targets that have them.
type Attribute struct {
	Type   string `json:"t"`
	String string `json:"s,omitempty"`
	Binary []byte `json:"b,omitempty"`
}

// Message is something to send.
type Message struct {
	ID              string               `json:"id"`          // the same at every try; Add makes one if it is empty
	Target          string               `json:"to"`          // ARN of a queue, topic, function (with qualifier), bus or bucket, or an HTTP URL
	Body            []byte               `json:"-"`           // what the target gets
	Subject         string               `json:"s,omitempty"` // of a message to a topic; key of an object
	Attributes      map[string]Attribute `json:"a,omitempty"` // of a message to a queue or topic
	Headers         map[string]string    `json:"h,omitempty"` // of an HTTP request
	GroupID         string               `json:"g,omitempty"` // MessageGroupId
	DeduplicationID string               `json:"d,omitempty"` // MessageDeduplicationId
	Lane            string               `json:"l,omitempty"` // messages to one target with the same Lane keep their order
	Principal       string               `json:"p,omitempty"` // who sends ("sns.amazonaws.com"), for permission checks
	Source          string               `json:"f,omitempty"` // ARN of the resource that sends
	Role            string               `json:"o,omitempty"` // ARN of the role in whose name it is sent; "": Principal's own
	TraceID         string               `json:"x,omitempty"` // X-Amzn-Trace-Id, with its Lineage
	Purpose         string               `json:"u,omitempty"` // what it is for, in the words of its sender: for logs and Config.GivenUp
	Detail          map[string]string    `json:"m,omitempty"` // whatever else sender and target agree on
	Policy          Policy               `json:"y"`           // when it is tried again
	Added           time.Time            `json:"at,omitzero"` // by Add
}

// Target takes messages. *queue.Queues is one, for queues.
type Target interface {
	// Deliver returns nil once the message is durable at the target or was
	// answered. It may be called again with a message that it took already. An
	// error that no retry can mend is made with Permanent.
	Deliver(ctx context.Context, m *Message) error
}

// Permanent marks an error that no retry can mend: no such queue, access denied.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent tells whether Permanent made err or something that it wraps.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ error }

// Unwrap gives the error that was marked.
func (p *permanentError) Unwrap() error { return p.error }

// Coded gives an error the code that a dead letter shows (DeadLetter.ErrorCode).
func Coded(code string, err error) error { return &codedError{code, err} }

type codedError struct {
	code string
	error
}

// Unwrap gives the error itself.
func (c *codedError) Unwrap() error { return c.error }

// Config is what an Outbox works with. Store is required.
type Config struct {
	Store  store.Store
	Clock  clock.Clock
	Logger *slog.Logger
	// Targets by service: "sqs", "sns", "lambda", "events", "s3" for ARNs, "http"
	// for URLs. Serve adds more.
	Targets map[string]Target
	// Permit, if not nil, tells before each try whether the message may be
	// delivered; its error is that of the try.
	Permit func(ctx context.Context, m *Message) error
	// GivenUp, if not nil, is told of each message that was given up and why.
	GivenUp func(m *Message, why error)
}

// Outbox holds the messages that are to be sent.
type Outbox struct {
	config Config
	wake   chan struct{}
	last   atomic.Int64 // time in the number of the last message

	targets struct {
		sync.RWMutex
		byService map[string]Target
	}

	mu      sync.Mutex
	running map[string]bool      // ids of messages
	busy    map[string]int       // by lane: how many are under way
	skipped map[string]bool      // lanes with messages that found no room
	blocked map[string]time.Time // ordered lanes whose first message waits
}

// New builds, and reads where the numbers of an earlier process ended.
func New(config Config) (*Outbox, error) {
	if config.Store == nil {
		return nil, errors.New("delivery: Store is required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Outbox{config: config, wake: make(chan struct{}, 1), running: map[string]bool{}, busy: map[string]int{},
		skipped: map[string]bool{}, blocked: map[string]time.Time{}}
	o.targets.byService = map[string]Target{}
	maps.Copy(o.targets.byService, config.Targets)
	last, err := lastNumber(config.Store)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	// The time of what waits goes on: else lanes would lose their order, and what is due
	// would wait until the clock is there again.
	if behind := time.Duration(last - o.config.Clock.Now().UnixNano()); behind > 0 {
		o.config.Clock = clock.Ahead(o.config.Clock, behind)
	}
	o.last.Store(last)
	return o, nil
}

// lastNumber is the time in the highest number of a message that waits. The clock may be
// behind it: that of an earlier process was fast, or it was set back since.
func lastNumber(s store.Store) (int64, error) {
	snap, err := s.Snapshot(context.Background())
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	lo, hi := tuple.Range(space, "message")
	entries, err := snap.Scan(lo, hi, 1, true)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	parts, err := tuple.Parse(entries[0].Key)
	if err != nil {
		return 0, err
	}
	number, _ := parts[2].(string)
	if last, err := strconv.ParseInt(number[:min(len(number), numberDigits)], 16, 64); err == nil {
		return last, nil
	}
	return 0, nil // a row that cannot be read: Run moves it aside
}

// numberDigits are those of the time in a number.
const numberDigits = 16

// Serve gives a service its target; server calls it where New would be too early.
func (o *Outbox) Serve(service string, t Target) {
	o.targets.Lock()
	defer o.targets.Unlock()
	o.targets.byService[service] = t
}

// Service is the key of a target's service: that of its ARN, or "http" for a
// URL; "" if it is neither.
func Service(target string) string {
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return "http"
	}
	a, err := arn.Parse(target)
	if err != nil {
		return ""
	}
	return a.Service
}

// Serves tells whether something is there that delivers to the target, so that
// a configuration that names another is refused.
func (o *Outbox) Serves(target string) bool { return o.target(target) != nil }

func (o *Outbox) target(target string) Target {
	o.targets.RLock()
	defer o.targets.RUnlock()
	return o.targets.byService[Service(target)]
}

// Add adds a message to the caller's batch: it is sent if that is committed. Call
// Wake after the commit. The order within a Lane is that of the Adds if the
// caller also commits in that order.
func (o *Outbox) Add(batch *store.Batch, m *Message) error {
	switch {
	case Service(m.Target) == "" || len(m.Target) > MaxTargetBytes:
		return fmt.Errorf("deliver to %.80q: neither an ARN nor a URL", m.Target)
	case len(m.Body) > MaxBodyBytes:
		return fmt.Errorf("deliver to %s: a body of %d bytes", m.Target, len(m.Body))
	}
	now := o.config.Clock.Now().UTC()
	whole := *m
	whole.Added = now
	if whole.ID == "" {
		whole.ID = ids.UUID()
	}
	return put(batch, &whole, o.number(now), now)
}

// number names a message's rows: later Adds have greater ones, and no two
// processes the same.
func (o *Outbox) number(now time.Time) string {
	for {
		last := o.last.Load()
		next := max(last+1, now.UnixNano())
		if o.last.CompareAndSwap(last, next) {
			return fmt.Sprintf("%0*x", numberDigits, next) + ids.Hex(4)
		}
	}
}

// Wake lets Run deliver at once what a commit added.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}
