package queue

import "fmt"

// Code is the kind of an Error: the name that AWS's API model, or its common
// errors, have for it.
type Code string

// The codes.
const (
	QueueDoesNotExist         Code = "QueueDoesNotExist"
	QueueNameExists           Code = "QueueNameExists"
	QueueDeletedRecently      Code = "QueueDeletedRecently"
	InvalidAttributeName      Code = "InvalidAttributeName"
	InvalidAttributeValue     Code = "InvalidAttributeValue"
	InvalidParameterValue     Code = "InvalidParameterValueException"
	MissingRequiredParameter  Code = "MissingRequiredParameterException"
	InvalidMessageContents    Code = "InvalidMessageContents"
	ReceiptHandleIsInvalid    Code = "ReceiptHandleIsInvalid"
	MessageNotInflight        Code = "MessageNotInflight"
	OverLimit                 Code = "OverLimit"
	PurgeQueueInProgress      Code = "PurgeQueueInProgress"
	ResourceNotFoundException Code = "ResourceNotFoundException"
	UnsupportedOperation      Code = "UnsupportedOperation"
)

// Error is a refusal that the caller can understand.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors of one code equal for errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func notExist() *Error { return fail(QueueDoesNotExist, "The specified queue does not exist.") }

// invalid is AWS's usual text of a wrong parameter.
func invalid(value any, parameter, reason string) *Error {
	return fail(InvalidParameterValue, "Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}
