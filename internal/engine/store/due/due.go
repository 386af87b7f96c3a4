// Package due spares those who read rows in the order of their due times the way
// over what they have deleted: a store passes over a deleted row as slowly as over
// one that is there, until it has compacted.
//
// It promises that a row is passed over only if its commit took longer than slack
// from the time that it is due, and then for sweep at most. No goroutines, no
// locks: a Start belongs to one reader. Start reading at Start.
package due

import "time"

const (
	slack = 500 * time.Millisecond // between a due time of now and the commit of its row
	sweep = 5 * time.Second        // between two readings from the beginning
)

// Start tells where to begin to read. The zero value begins at the beginning.
type Start struct {
	from  time.Time // nothing that was seen is due before
	swept time.Time // when everything was read
	seen  bool      // a row, in this reading
}

// Next begins a reading: of the rows that are due at the time or later.
func (s *Start) Next(now time.Time) time.Time {
	from := s.from
	if s.swept.IsZero() || now.Sub(s.swept) >= sweep || now.Before(s.swept) {
		s.swept, from = now, time.Time{}
	}
	s.seen, s.from = false, now.Add(-slack)
	return from
}

// Saw takes the due times of the rows that are read; the first decides.
func (s *Start) Saw(due time.Time) {
	if !s.seen && due.Before(s.from) {
		s.from = due
	}
	s.seen = true
}
