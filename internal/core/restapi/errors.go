package restapi

import "fmt"

// Code is the kind of an Error, by the name that AWS's API has for it.
type Code string

// The codes.
const (
	NotFound   Code = "NotFoundException"
	Conflict   Code = "ConflictException"
	BadRequest Code = "BadRequestException"
	Limit      Code = "LimitExceededException"
)

// Error is a refusal that the caller can understand. AWS: the texts are those that
// its users report; the API reference has none.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid is the error of a request that makes no sense.
func Invalid(format string, args ...any) error { return fail(BadRequest, format, args...) }

func missing(what string) *Error { return fail(NotFound, "Invalid %s identifier specified", what) }
