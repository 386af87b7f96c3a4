package state

import (
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// DriftStatus is what the last detection found of a stack.
type DriftStatus struct {
	Status  string    `json:",omitempty"` // empty: NOT_CHECKED
	Checked time.Time `json:",omitzero"`
}

// Drift is what the last detection found of a resource.
type Drift struct {
	LogicalID, PhysicalID, Type string
	Status, Reason              string
	Expected, Actual            string // JSON
	Differences                 []Difference
	Checked                     time.Time
}

// Difference is one property that is not as it was deployed.
type Difference struct {
	Path, Expected, Actual string
	Kind                   string // ADD, REMOVE, NOT_EQUAL
}

// Detection is one detection of the drift of a stack.
type Detection struct {
	ID, Stack string // ARN of the stack
	Status    string // of the stack
	Drifted   int
	Failed    bool
	Reason    string
	Time      time.Time
}

// Statuses of drift.
const (
	InSync     = "IN_SYNC"
	Drifted    = "DRIFTED"
	Modified   = "MODIFIED"
	Deleted    = "DELETED"
	NotChecked = "NOT_CHECKED"
)

func (s Scope) driftKey(id, logical string) []byte { return s.Key("drift", id, logical) }

func (s Scope) detectionKey(detection string) []byte { return s.Key("detection", detection) }

// PutDrift adds what was found of a resource to a batch.
func (e *Records) PutDrift(snap store.Snap, b *store.Batch, s *Stack, d *Drift) error {
	key := s.driftKey(s.ID, d.LogicalID)
	p, err := e.Get(snap, key, &Drift{})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = e.Put(b, key, p, d)
	return err
}

// DriftsOf is what the last detections found of the resources of a stack, by
// logical id.
func (e *Records) DriftsOf(snap store.Snap, s *Stack) (map[string]*Drift, error) {
	found := map[string]*Drift{}
	lo, hi := s.Rows("drift", s.ID)
	err := Each(e, snap, lo, hi, func(_ []byte, _ Place, d *Drift) (bool, error) {
		found[d.LogicalID] = d
		return true, nil
	})
	return found, err
}

// maxDetections is how many detections of a stack are kept.
const maxDetections = 20

// PutDetection adds a detection to a batch; the oldest of the stack goes if there
// are too many.
func (e *Records) PutDetection(b *store.Batch, s *Stack, d *Detection) error {
	s.Detected = append(s.Detected, d.ID)
	if len(s.Detected) > maxDetections {
		b.Deletes = append(b.Deletes, s.detectionKey(s.Detected[0]))
		s.Detected = s.Detected[1:]
	}
	_, err := e.Put(b, s.detectionKey(d.ID), Place{}, d)
	return err
}

// FindDetection finds a detection; nil if there is none.
func (e *Records) FindDetection(snap store.Snap, s Scope, id string) (*Detection, error) {
	d := &Detection{}
	_, err := e.Get(snap, s.detectionKey(id), d)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return d, err
}
