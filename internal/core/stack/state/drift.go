package state

import "time"

// DriftStatus is what the last detection found of a stack.
type DriftStatus struct {
	Status  string    `json:",omitempty"` // empty: NOT_CHECKED
	Checked time.Time `json:",omitzero"`
}

// Drift is what the last detection found of a resource.
type Drift struct {
	Status  string
	Checked time.Time
}
