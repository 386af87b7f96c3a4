package queue

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// run runs the queues in the background until the test ends.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }() // ends when cancel is called
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
}

// task waits until the latest task of a queue is as wanted.
func (b *bench) task(source ID, wanted func(*Task) bool) *Task {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; b.pause() {
		tasks, err := b.Tasks(b.t.Context(), source)
		switch {
		case err != nil:
			b.t.Fatal(err)
		case wanted(tasks[0]):
			return tasks[0]
		case time.Now().After(deadline):
			b.t.Fatalf("the task is %+v", tasks[0])
		}
	}
}

func ended(t *Task) bool { return t.Status != Running }

// graveyard is a dead-letter queue with messages of a source.
func (b *bench) graveyard(letters int) (dead, source ID) {
	b.t.Helper()
	dead = b.create("dead")
	source = b.create("source", "RedrivePolicy", deadLetters(dead, 1))
	for n := range letters {
		b.send(source, fmt.Sprint(n))
	}
	b.receive(source, MaxReceive, 0)
	b.expect(b.receive(source, MaxReceive), "")
	b.counts(dead, letters, 0, 0)
	return dead, source
}

func TestAMoveTaskBringsMessagesBackToWhereTheyCameFrom(t *testing.T) {
	b := newBench(t)
	dead, source := b.graveyard(3)
	before := b.receive(dead, 1, 0)[0]
	b.restart() // tasks go on after one: this one has not begun
	if _, err := b.StartTask(t.Context(), dead, nil, 0); err != nil {
		t.Fatal(err)
	}
	b.restart()
	b.run()
	task := b.task(dead, ended)
	if task.Status != Completed || task.Moved != 3 || task.ToMove != 3 || task.Failure != "" {
		t.Errorf("the task is %+v", task)
	}
	back := b.expect(b.receive(source, MaxReceive), "0 1 2")[0]
	// AWS: a message that is moved back is a new one.
	if back.ID == before.ID || back.System["ApproximateReceiveCount"] != "1" || back.System["DeadLetterQueueSourceArn"] != "" {
		t.Errorf("the message is %+v, it was %+v", back, before)
	}
	b.counts(dead, 0, 0, 0)
}

func TestAMoveTaskWithARate(t *testing.T) {
	b := newBench(t)
	dead, source := b.graveyard(3)
	other := b.create("other")
	started, err := b.StartTask(t.Context(), dead, &other, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.StartTask(t.Context(), dead, &other, 1)
	refused(t, err, InvalidParameterValue, "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	b.run()
	b.task(dead, func(task *Task) bool { return task.Moved == 1 }) // the clock stands: no second one
	b.counts(dead, 2, 0, 0)
	moved, err := b.CancelTask(t.Context(), dead.Account, dead.Region, started.Handle())
	if err != nil || moved != 1 {
		t.Errorf("%d messages were moved, %v", moved, err)
	}
	if task := b.task(dead, ended); task.Status != Cancelled {
		t.Errorf("the task is %+v", task)
	}
	_, err = b.CancelTask(t.Context(), dead.Account, dead.Region, started.Handle())
	refused(t, err, InvalidParameterValue, "Only active tasks can be cancelled.")
	b.expect(b.receive(other, MaxReceive), "0")
	b.counts(source, 0, 0, 0)
}

func TestMoveTasksThatFail(t *testing.T) {
	b := newBench(t)
	dead, source := b.graveyard(1)
	b.run()
	for _, handle := range []string{"x", "e30="} {
		_, err := b.CancelTask(t.Context(), dead.Account, dead.Region, handle)
		refused(t, err, InvalidParameterValue, "Value for parameter TaskHandle is invalid.")
	}
	_, err := b.StartTask(t.Context(), source, nil, 0)
	refused(t, err, InvalidParameterValue, "Source queue must be configured as a Dead Letter Queue.")
	_, err = b.StartTask(t.Context(), named("none"), nil, 0)
	refused(t, err, ResourceNotFoundException, "The resource that you specified for the SourceArn parameter doesn't exist.")
	none := named("none")
	_, err = b.StartTask(t.Context(), dead, &none, 0)
	refused(t, err, ResourceNotFoundException, "The resource that you specified for the DestinationArn parameter doesn't exist.")

	// The source of its letters is gone, but it is one's dead-letter queue still.
	b.create("other", "RedrivePolicy", deadLetters(dead, 1))
	if err := b.Delete(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if _, err := b.StartTask(t.Context(), dead, nil, 0); err != nil {
		t.Fatal(err)
	}
	if task := b.task(dead, ended); task.Status != Failed || task.Failure != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("the task is %+v", task)
	}
	b.expect(b.receive(dead, 1, 0), "0") // it stays where it is

	lost := b.receive(dead, 1)[0]
	b.delete(dead, lost.Handle)
	b.send(dead, "sent to it by somebody")
	b.clock.pass(time.Second) // tasks are in the order of their start
	if _, err := b.StartTask(t.Context(), dead, nil, 0); err != nil {
		t.Fatal(err)
	}
	if task := b.task(dead, ended); task.Status != Failed || task.Failure != "CouldNotDetermineMessageSource" {
		t.Errorf("the task is %+v", task)
	}
	b.counts(dead, 1, 0, 0)
}
