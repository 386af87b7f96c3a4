// Package extension serves the AWS Lambda Extensions API to the processes of one
// environment, and keeps what is known of its extensions: external ones, each a
// process of its own, and internal ones, which the runtime process registers.
//
// It promises: the states, texts and status codes of AWS's own emulator; an
// event is taken by an extension once; what extensions send is bounded, in size
// and in number.
//
// It starts no goroutines; handlers run on those of the caller's http.Server.
// Registry.mu guards the states and is a leaf. Start reading at Registry.
package extension

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
)

// Most is how many extensions an environment may have.
const Most = 10

// Function is what an extension is told of the function when it registers.
type Function struct{ Account, Name, Version, Handler string }

// State is where an extension is in its life; the names are AWS's and part of
// log lines and error texts.
type State string

// The states.
const (
	Started     State = "Started"
	Registered  State = "Registered"
	Ready       State = "Ready"
	Running     State = "Running"
	InitError   State = "InitError"
	ExitError   State = "ExitError"
	Exited      State = "Exited"
	LaunchError State = "LaunchError"
)

// The events that an extension may register for.
const (
	invokeEvent   = "INVOKE"
	shutdownEvent = "SHUTDOWN"
)

// Info is what the log tells of an extension.
type Info struct {
	Name      string
	State     State
	Events    []string
	ErrorType string
}

// Fault is what an extension did to end the environment.
type Fault struct {
	Type    string // "Extension.Crash", ...
	Message string
}

// Fault types.
const (
	crashFault  = "Extension.Crash"
	initFault   = "Extension.InitError"
	exitFault   = "Extension.ExitError"
	launchFault = "Extension.LaunchError"
)

// member is one extension. Registry.mu guards it.
type member struct {
	name      string
	id        string
	internal  bool
	events    []string
	state     State
	errorType string      // what it reported, or why it was not started
	fault     string      // type of the fault that it reported
	inbox     chan []byte // the event that it has not taken yet
	gone      bool        // its process has ended
}

func (m *member) wants(event string) bool { return slices.Contains(m.events, event) }

// Registry is the extensions of one environment.
type Registry struct {
	function Function

	mu       sync.Mutex
	all      []*member
	closed   bool          // nobody may register any more
	stopping bool          // that a process ends is no fault now
	changed  chan struct{} // closed and replaced when a state changes
}

// New expects the external extensions of these names to register.
func New(function Function, external []string) *Registry {
	r := &Registry{function: function, changed: make(chan struct{})}
	for _, name := range external {
		r.all = append(r.all, newMember(name))
	}
	return r
}

func newMember(name string) *member {
	return &member{name: name, id: ids.UUID(), state: Started, inbox: make(chan []byte, 1)}
}

// tell wakes who waits for a state. Called with mu held.
func (r *Registry) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns when the condition holds, which is asked with mu held, or with
// ctx's error.
func (r *Registry) wait(ctx context.Context, holds func() bool) error {
	for {
		r.mu.Lock()
		met, changed := holds(), r.changed
		r.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AwaitRegistered waits until every external extension has registered.
func (r *Registry) AwaitRegistered(ctx context.Context) error {
	return r.wait(ctx, func() bool {
		return !slices.ContainsFunc(r.all, func(m *member) bool { return m.state == Started })
	})
}

// Close lets nobody register any more.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// AwaitReady waits until every extension has asked for an event; those that an
// event was given to, for the one after it.
func (r *Registry) AwaitReady(ctx context.Context) error {
	return r.wait(ctx, func() bool {
		return !slices.ContainsFunc(r.all, func(m *member) bool { return m.state != Ready || len(m.inbox) > 0 })
	})
}

// Count is how many extensions there are, and how many of them are external.
func (r *Registry) Count() (all, external int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if !m.internal {
			external++
		}
	}
	return len(r.all), external
}

// Infos tells of all extensions, in the order in which they came.
func (r *Registry) Infos() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Info
	for _, m := range r.all {
		all = append(all, Info{Name: m.name, State: m.state, Events: append([]string{}, m.events...), ErrorType: m.errorType})
	}
	return all
}

// tracing is how an event carries the trace header.
type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Invoke gives the event of an invocation to who registered for it.
func (r *Registry) Invoke(requestID, invokedARN, trace string, deadline time.Time) {
	event := struct {
		EventType          string   `json:"eventType"`
		DeadlineMs         int64    `json:"deadlineMs"`
		RequestID          string   `json:"requestId"`
		InvokedFunctionARN string   `json:"invokedFunctionArn"`
		Tracing            *tracing `json:"tracing,omitempty"`
	}{invokeEvent, deadline.UnixMilli(), requestID, invokedARN, nil}
	if trace != "" {
		event.Tracing = &tracing{"X-Amzn-Trace-Id", trace}
	}
	r.give(event, func(m *member) bool { return m.wants(invokeEvent) })
}

// Shutdown gives the last event to the external extensions that registered for
// it and returns the names of the others. From now on an extension may end.
func (r *Registry) Shutdown(reason string, deadline time.Time) (others []string) {
	r.give(struct {
		EventType      string `json:"eventType"`
		DeadlineMs     int64  `json:"deadlineMs"`
		ShutdownReason string `json:"shutdownReason"`
	}{shutdownEvent, deadline.UnixMilli(), reason}, func(m *member) bool {
		return !m.internal && m.wants(shutdownEvent)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if !m.internal && !m.gone && !m.wants(shutdownEvent) {
			others = append(others, m.name)
		}
	}
	return others
}

func (r *Registry) give(event any, to func(*member) bool) {
	body, err := json.Marshal(event)
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if !to(m) {
			continue
		}
		select {
		case <-m.inbox: // it never took the one before
		default:
		}
		m.inbox <- body
		if m.state == Ready {
			m.state = Running
		}
	}
	r.tell()
}

// Stop says that the environment ends: that a process ends is no fault now.
func (r *Registry) Stop() {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
}

// Ended tells that the process of an external extension has ended, how in the
// words of AWS; nil if that was to come.
func (r *Registry) Ended(name, how string) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.all, func(m *member) bool { return m.name == name && !m.internal })
	if i < 0 {
		return nil
	}
	m := r.all[i]
	m.gone = true
	defer r.tell()
	if r.stopping {
		m.state = Exited
		return nil
	}
	if m.fault != "" {
		return &Fault{Type: m.fault, Message: how}
	}
	return &Fault{Type: crashFault, Message: how}
}

// NotStarted tells that an external extension could not be started.
func (r *Registry) NotStarted(name, errorType, message string) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if m.name == name && !m.internal {
			m.state, m.errorType, m.gone = LaunchError, errorType, true
		}
	}
	r.tell()
	return &Fault{Type: launchFault, Message: message}
}

// Living are the external extensions whose processes run.
func (r *Registry) Living() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, m := range r.all {
		if !m.internal && !m.gone {
			names = append(names, m.name)
		}
	}
	return names
}

// AwaitGone waits until no process of an external extension runs.
func (r *Registry) AwaitGone(ctx context.Context) error {
	return r.wait(ctx, func() bool {
		return !slices.ContainsFunc(r.all, func(m *member) bool { return !m.internal && !m.gone })
	})
}
