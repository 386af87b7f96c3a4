package queue

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The states of a move task.
const (
	Running   = "RUNNING"
	Completed = "COMPLETED"
	Cancelled = "CANCELLED"
	Failed    = "FAILED"
)

const (
	MaxMoveRate = 500 // messages per second of a move task
	MaxTasks    = 10  // that are remembered, a queue
	moveTurn    = 50  // messages of a task before the next task has its turn
)

// Task is a move task: it moves the messages of a dead-letter queue back.
type Task struct {
	ID          string
	Source      ID
	Destination *ID `json:",omitempty"` // nil: where each message came from
	Rate        int `json:",omitempty"` // messages per second; 0: as fast as they go
	Status      string
	Moved       int64
	ToMove      int64
	Failure     string `json:",omitempty"`
	Started     time.Time
	Due         time.Time // of the next message, with a rate
}

func (t *Task) key() []byte {
	return tuple.Key("sqs", "task", t.Source.Account, t.Source.Region, t.Source.Name, t.Started, t.ID)
}

// taskHandle is what a task handle says, in base64.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

// Handle names the task to clients.
func (t *Task) Handle() string {
	text, _ := json.Marshal(taskHandle{t.ID, t.Source.ARN()}) // two texts can always be written
	return base64.StdEncoding.EncodeToString(text)
}

func noSource() error {
	return fail(ResourceNotFoundException, "The resource that you specified for the SourceArn parameter doesn't exist.")
}

func alreadyRuns() error {
	return fail(InvalidParameterValue, "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
}

// StartTask begins to move the messages of a dead-letter queue.
func (q *Queues) StartTask(ctx context.Context, source ID, destination *ID, rate int) (*Task, error) {
	sources, err := q.Sources(ctx, source)
	if err != nil {
		return nil, err
	}
	switch err := q.Exists(ctx, source); {
	case errors.Is(err, notExist()):
		return nil, noSource()
	case err != nil:
		return nil, err
	case len(sources) == 0:
		return nil, fail(InvalidParameterValue, "Source queue must be configured as a Dead Letter Queue.")
	}
	if destination != nil {
		if err := q.checkDestination(ctx, source, *destination); err != nil {
			return nil, err
		}
	}
	counts, err := q.Count(ctx, source)
	if err != nil {
		return nil, err
	}
	// The queue's row is the guard: of two tasks that begin at once, one fails.
	r, version, err := q.read(ctx, source)
	if err != nil {
		return nil, err
	}
	row, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	old, versions, err := q.tasks(ctx, source.Account, source.Region, source.Name)
	if err != nil {
		return nil, err
	}
	now := q.config.Clock.Now().UTC()
	t := &Task{ID: ids.UUID(), Source: source, Destination: destination, Rate: rate, Status: Running, ToMove: int64(counts.Visible), Started: now, Due: now}
	value, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	batch := &store.Batch{Checks: []store.Check{store.At(rowKey(source), version)}, Puts: []store.KV{{Key: t.key(), Value: value}, {Key: rowKey(source), Value: row}}}
	for i, one := range old {
		if one.Status == Running {
			return nil, alreadyRuns()
		}
		if len(old)-i >= MaxTasks {
			batch.Checks = append(batch.Checks, store.At(one.key(), versions[i]))
			batch.Deletes = append(batch.Deletes, one.key())
		}
	}
	if err := q.commit(ctx, batch); errors.Is(err, store.ErrConflict) {
		return nil, alreadyRuns()
	} else if err != nil {
		return nil, fmt.Errorf("start a move task of queue %s: %w", source.Name, err)
	}
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
	return t, nil
}

func (q *Queues) checkDestination(ctx context.Context, source, destination ID) error {
	err := q.Exists(ctx, destination)
	switch {
	case errors.Is(err, notExist()):
		return fail(ResourceNotFoundException, "The resource that you specified for the DestinationArn parameter doesn't exist.")
	case err != nil:
		return err
	case destination == source:
		return fail(InvalidParameterValue, "Source queue arn and destination queue arn cannot be the same.")
	case isFIFO(source.Name) != isFIFO(destination.Name):
		return fail(InvalidParameterValue, "The source and destination queues must be of the same type.")
	}
	return nil
}

// tasks are the tasks with a key prefix, oldest first in each queue.
func (q *Queues) tasks(ctx context.Context, prefix ...any) (tasks []*Task, versions []store.Version, err error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read move tasks: %w", err)
	}
	defer snap.Close()
	err = scan(snap, func(row store.Entry) error {
		t := &Task{}
		tasks, versions = append(tasks, t), append(versions, row.Version)
		return json.Unmarshal(row.Value, t)
	}, append([]any{"sqs", "task"}, prefix...)...)
	return tasks, versions, err
}

// Tasks are the latest tasks of a queue, newest first.
func (q *Queues) Tasks(ctx context.Context, source ID) ([]*Task, error) {
	if err := q.Exists(ctx, source); errors.Is(err, notExist()) {
		return nil, noSource()
	} else if err != nil {
		return nil, err
	}
	tasks, _, err := q.tasks(ctx, source.Account, source.Region, source.Name)
	slices.Reverse(tasks)
	return tasks, err
}

// CancelTask ends a running task and tells how many messages it moved.
func (q *Queues) CancelTask(ctx context.Context, account, region, handle string) (int64, error) {
	var h taskHandle
	text, err := base64.StdEncoding.DecodeString(handle)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return 0, fail(InvalidParameterValue, "Value for parameter TaskHandle is invalid.")
	}
	source, err := ParseARN(h.SourceARN)
	if err != nil {
		return 0, fail(InvalidParameterValue, "Value for parameter TaskHandle is invalid.")
	}
	if source.Account != account || source.Region != region {
		return 0, noSource()
	}
	if err := q.Exists(ctx, source); errors.Is(err, notExist()) {
		return 0, noSource()
	} else if err != nil {
		return 0, err
	}
	for {
		tasks, versions, err := q.tasks(ctx, source.Account, source.Region, source.Name)
		if err != nil {
			return 0, err
		}
		i := slices.IndexFunc(tasks, func(t *Task) bool { return t.ID == h.TaskID })
		if i < 0 {
			return 0, fail(ResourceNotFoundException, "Task does not exist.")
		}
		t := tasks[i]
		if t.Status != Running {
			return 0, fail(InvalidParameterValue, "Only active tasks can be cancelled.")
		}
		t.Status = Cancelled
		if err := q.finish(ctx, t, versions[i]); !errors.Is(err, store.ErrConflict) {
			return t.Moved, err
		}
	}
}

// finish writes a task's row if it is still at the version.
func (q *Queues) finish(ctx context.Context, t *Task, version store.Version) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return q.commit(ctx, &store.Batch{Checks: []store.Check{store.At(t.key(), version)}, Puts: []store.KV{{Key: t.key(), Value: value}}})
}

// work gives each running task its turn; next is when to come again.
func (q *Queues) work(ctx context.Context, now time.Time) (next time.Duration, err error) {
	tasks, versions, err := q.tasks(ctx)
	if err != nil {
		return 0, err
	}
	next = sweepInterval
	for i, t := range tasks {
		if t.Status != Running || ctx.Err() != nil {
			continue
		}
		wait, err := q.turn(ctx, t, versions[i], now)
		if err != nil {
			return 0, err
		}
		next = min(next, wait)
	}
	return next, nil
}

// turn moves some messages of one task; wait is when its next turn is due.
func (q *Queues) turn(ctx context.Context, t *Task, version store.Version, now time.Time) (wait time.Duration, err error) {
	for range moveTurn {
		if t.Rate > 0 {
			if wait := t.Due.Sub(now); wait > 0 {
				return wait, nil
			}
			// What was missed is caught up with for a second, not for the
			// time in which the server was down.
			t.Due = latest(t.Due, now.Add(-time.Second)).Add(time.Second / time.Duration(t.Rate))
		}
		more, err := q.moveOne(ctx, t, version)
		switch {
		case errors.Is(err, store.ErrConflict): // it was cancelled
			return sweepInterval, nil
		case err != nil:
			return 0, err
		case !more:
			err := q.finish(ctx, t, version)
			if errors.Is(err, store.ErrConflict) || errors.Is(err, notExist()) {
				err = nil
			}
			return sweepInterval, err
		}
		if version, err = q.taskVersion(ctx, t); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (q *Queues) taskVersion(ctx context.Context, t *Task) (store.Version, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	value, version, err := snap.Get(t.key())
	if err != nil {
		return 0, err
	}
	return version, json.Unmarshal(value, t)
}

// moveOne moves the next message. Without more the task is over, and t says how.
func (q *Queues) moveOne(ctx context.Context, t *Task, version store.Version) (more bool, err error) {
	const gone = "AWS.SimpleQueueService.NonExistentQueue" // AWS: recorded
	seq, destination, err := q.nextToMove(ctx, t)
	switch {
	case errors.Is(err, notExist()):
		t.Status, t.Failure = Failed, gone
		return false, nil
	case err != nil:
		return false, err
	case seq == 0:
		t.Status = Completed
		return false, nil
	case destination == (ID{}):
		t.Status, t.Failure = Failed, "CouldNotDetermineMessageSource"
		return false, q.reinstate(ctx, t.Source, []uint64{seq})
	}
	from, to, err := q.enterBoth(ctx, t.Source, destination)
	if errors.Is(err, notExist()) {
		t.Status, t.Failure = Failed, gone
		if err := q.reinstate(ctx, t.Source, []uint64{seq}); !errors.Is(err, notExist()) {
			return false, err
		}
		return false, nil
	} else if err != nil {
		return false, errors.Join(err, q.reinstate(ctx, t.Source, []uint64{seq}))
	}
	defer from.gate.RUnlock()
	defer to.gate.RUnlock()
	t.Moved++
	value, err := json.Marshal(t)
	if err != nil {
		return false, err
	}
	batch := &store.Batch{Checks: []store.Check{store.At(t.key(), version)}, Puts: []store.KV{{Key: t.key(), Value: value}}}
	err = from.transfer(ctx, to, seq, batch, func(h *head, e *entry, now int64) {
		// AWS: a message that is moved back is a new one.
		h.ID, h.Source = ids.UUID(), ""
		e.sent, e.first, e.received, e.count, e.before = now, 0, 0, 0, 0
	})
	return err == nil, err
}

// nextToMove takes a message out of the index and finds where it goes; seq is 0
// when there is none.
func (q *Queues) nextToMove(ctx context.Context, t *Task) (seq uint64, destination ID, err error) {
	o, err := q.enter(ctx, t.Source)
	if err != nil {
		return 0, ID{}, err
	}
	defer o.gate.RUnlock()
	o.index.advance(milliseconds(q.config.Clock.Now()))
	e := o.index.ready.top()
	if e != nil {
		e.burying = true
		o.index.move(e, leaving)
	}
	o.mu.Unlock()
	if e == nil {
		return 0, ID{}, nil
	}
	if t.Destination != nil {
		return e.seq, *t.Destination, nil
	}
	h, _, err := o.content(ctx, e.seq)
	if err != nil {
		o.spoil()
		return 0, ID{}, fmt.Errorf("move a message of queue %s: %w", o.id.Name, err)
	}
	destination, err = ParseARN(h.Source)
	if err != nil || destination == t.Source {
		return e.seq, ID{}, nil // it was sent to this queue by somebody
	}
	return e.seq, destination, nil
}
