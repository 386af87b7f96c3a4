package scheduler

import "fmt"

// Code is the kind of an Error, by the name that AWS's API has for it.
type Code string

// The codes.
const (
	NotFound   Code = "ResourceNotFoundException"
	Conflict   Code = "ConflictException"
	Validation Code = "ValidationException"
	Quota      Code = "ServiceQuotaExceededException"
)

// Error is a refusal that the caller can understand.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func noSchedule(name string) *Error { return fail(NotFound, "Schedule %s does not exist.", name) }

func noGroup(name string) *Error { return fail(NotFound, "Schedule group %s does not exist.", name) }
