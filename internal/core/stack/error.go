package stack

import "fmt"

// Code names the error of CloudFormation that a refusal is.
type Code string

// The codes.
const (
	Validation         Code = "ValidationError"
	AlreadyExists      Code = "AlreadyExistsException"
	InsufficientCaps   Code = "InsufficientCapabilitiesException"
	ChangeSetNotFound  Code = "ChangeSetNotFound"
	InvalidChangeSet   Code = "InvalidChangeSetStatus"
	TokenAlreadyExists Code = "TokenAlreadyExistsException"
	LimitExceeded      Code = "LimitExceededException"
	TypeNotFound       Code = "TypeNotFoundException"
)

// Error is a refusal in CloudFormation's words.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Refuse makes a refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Invalid makes a refusal of an input.
func Invalid(format string, args ...any) error { return Refuse(Validation, format, args...) }
