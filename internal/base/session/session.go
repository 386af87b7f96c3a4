// Package session is what temporary credentials say beside who their caller is: the
// same for whoever issues them, carries them through a call, or decides by them.
//
// Plain data: no goroutines, no locks. Start reading at Session.
package session

import "time"

// Session restricts its caller, or adds to it; nil is that of a key of its own.
type Session struct {
	Policies       []string          `json:"p,omitempty"` // documents that restrict the session
	PolicyARNs     []string          `json:"a,omitempty"` // managed policies that do
	Tags           map[string]string `json:"t,omitempty"`
	SourceIdentity string            `json:"s,omitempty"`
	Issued         time.Time         `json:"i,omitzero"`
}
