package bus

import "fmt"

// Code is the kind of an Error, by the name that AWS's API has for it.
type Code string

// The codes.
const (
	NotFound       Code = "ResourceNotFoundException"
	AlreadyExists  Code = "ResourceAlreadyExistsException"
	InvalidPattern Code = "InvalidEventPatternException"
	LimitExceeded  Code = "LimitExceededException"
	Managed        Code = "ManagedRuleException"
	IllegalStatus  Code = "IllegalStatusException"
	Validation     Code = "ValidationException"

	// Of a single entry of a request.
	InvalidArgument Code = "InvalidArgument"
	MalformedDetail Code = "MalformedDetail"
	NotAuthorized   Code = "NotAuthorizedForSourceException"
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

func tooMany() *Error {
	return fail(LimitExceeded, "The requested resource exceeds the maximum number allowed.")
}

// CheckTags bounds them; the API model has the rest.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fail(LimitExceeded, "The number of tags exceeds the limit of %d.", maxTags)
	}
	return nil
}
