package queue

// attempt is a receive of a FIFO queue that its caller may repeat, for the case
// that the reply was lost. It is in memory only: after a restart the messages
// come when their visibility timeout is over.
type attempt struct {
	until    int64
	receipts []receipt
}

// checkAttempt checks a ReceiveRequestAttemptId.
func (s *settings) checkAttempt(id string) error {
	switch {
	case id == "":
		return nil
	case !s.fifo:
		return invalid(id, "ReceiveRequestAttemptId", "The request includes a parameter that is not valid for this queue type.")
	}
	return checkID("ReceiveRequestAttemptId", id)
}

// repeatLocked takes the messages of an earlier attempt again, with the receipt
// handles that they had, if they still are as that attempt left them.
// AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
// the visibility timeout begins anew; the messages must not have been deleted,
// nor their visibility changed.
func (o *owner) repeatLocked(p *picked, now int64, how Receiving) bool {
	a := o.attempts[how.Attempt]
	if how.Attempt == "" || a == nil || a.until <= now {
		return false
	}
	for i := range a.receipts {
		r := &a.receipts[i]
		if e := r.entry; o.index.bySeq[e.seq] != e || e.state != inflight || e.nonce != r.nonce || e.due != r.due || e.writes > 0 {
			return false
		}
	}
	for i := range a.receipts {
		e := a.receipts[i].entry
		o.index.move(e, leaving) // out of its heap, whose order the new time would break
		o.holdLocked(p, e, now, how)
	}
	a.receipts = p.taken
	return true
}

// rememberLocked keeps what an attempt took.
func (o *owner) rememberLocked(p *picked, now int64, how Receiving) {
	if how.Attempt == "" || len(p.taken) == 0 {
		return
	}
	if len(o.attempts) >= maxAttempts {
		for id, a := range o.attempts {
			if a.until <= now {
				delete(o.attempts, id)
			}
		}
	}
	if len(o.attempts) < maxAttempts { // else this one cannot be repeated
		o.attempts[how.Attempt] = &attempt{until: now + dedupWindow.Milliseconds(), receipts: p.taken}
	}
}
