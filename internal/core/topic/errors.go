package topic

import (
	"errors"
	"fmt"
)

// Code is the kind of an Error: the name that AWS's API model has for it.
type Code string

// The codes.
const (
	NotFound                  Code = "NotFoundException"
	InvalidParameter          Code = "InvalidParameterException"
	InvalidParameterValue     Code = "InvalidParameterValueException"
	AuthorizationError        Code = "AuthorizationErrorException"
	TagLimitExceeded          Code = "TagLimitExceededException"
	SubscriptionLimitExceeded Code = "SubscriptionLimitExceededException"
	BatchRequestTooLong       Code = "BatchRequestTooLongException"
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

// invalid is AWS's usual text of a wrong parameter.
func invalid(format string, args ...any) *Error {
	return fail(InvalidParameter, "Invalid parameter: "+format, args...)
}

func noTopic() *Error        { return fail(NotFound, "Topic does not exist") }
func noSubscription() *Error { return fail(NotFound, "Subscription does not exist") }

func isNoTopic(err error) bool { return errors.Is(err, noTopic()) }
