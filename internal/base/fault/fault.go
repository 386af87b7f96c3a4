// Package fault holds the one type by which an AWS error travels from the
// place that finds it to the edge that writes it.
//
// A Fault is made only by the generated constructors of internal/api (they know
// the status, the member spelling and the wire code of each error of the AWS
// model) and by the wire layer for the errors common to a protocol. Everything
// that is not a Fault is our own bug or our machine's trouble: the gateway logs
// it once and answers the protocol's internal error without its text.
//
// No goroutines, no locks. Start reading at Fault.
package fault

import "errors"

// Fault is an AWS error as the client will see it.
type Fault struct {
	// Code is the shape name of the error, e.g. "ResourceNotFoundException".
	Code string
	// QueryCode is the code that the query-compatible protocols carry
	// ("AWS.SimpleQueueService.NonExistentQueue"); empty means Code.
	QueryCode string
	// Message is the text for the user.
	Message string
	// MessageMember is the wire spelling of the message member, "message" or
	// "Message": it differs from error to error in the AWS models. Empty means
	// the error has no message member in the model and "message" is used.
	MessageMember string
	// Status is the HTTP status code.
	Status int
	// Sender tells whose fault it is: true = the caller's ("Type":"User",
	// <Type>Sender</Type>), false = the service's.
	Sender bool
	// Detail holds the other members of the error by wire name, e.g. "Reason".
	Detail map[string]any
	// Header holds response headers of the error, e.g. "Retry-After".
	Header map[string]string
}

// Error makes a Fault an error: "Code: Message".
func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// With returns a copy of the fault with one more detail member.
func (f *Fault) With(member string, value any) *Fault {
	c := *f
	c.Detail = make(map[string]any, len(f.Detail)+1)
	for k, v := range f.Detail {
		c.Detail[k] = v
	}
	c.Detail[member] = value
	return &c
}

// WithHeader returns a copy of the fault with one more response header.
func (f *Fault) WithHeader(name, value string) *Fault {
	c := *f
	c.Header = make(map[string]string, len(f.Header)+1)
	for k, v := range f.Header {
		c.Header[k] = v
	}
	c.Header[name] = value
	return &c
}

// From finds the Fault in an error chain, or nil.
func From(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}
