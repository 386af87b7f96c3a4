package function

// The errors below carry AWS's own text in Message, complete, so that a service
// only has to choose the exception. Each names the exception it stands for.
// Every other error means that our program or this machine is at fault.

// NotFoundError stands for ResourceNotFoundException.
type NotFoundError struct {
	Resource string // ARN of what is missing
	Message  string
}

// Error is AWS's text.
func (e *NotFoundError) Error() string { return e.Message }

// ConflictError stands for ResourceConflictException: the resource exists
// already, is in use, or is being created or updated.
type ConflictError struct{ Message string }

// Error is AWS's text.
func (e *ConflictError) Error() string { return e.Message }

// InvalidError stands for InvalidParameterValueException.
type InvalidError struct{ Message string }

// Error is AWS's text.
func (e *InvalidError) Error() string { return e.Message }

// ValidationError stands for ValidationException: a rule that AWS checks before
// the operation starts but that its public API model does not carry.
type ValidationError struct{ Message string }

// Error is AWS's text.
func (e *ValidationError) Error() string { return e.Message }

// PreconditionError stands for PreconditionFailedException: the RevisionId
// given is not the latest.
type PreconditionError struct{ Message string }

// Error is AWS's text.
func (e *PreconditionError) Error() string { return e.Message }

// AccessDeniedError stands for AccessDeniedException: a layer of another account
// whose policy does not let this account read it.
type AccessDeniedError struct{ Message string }

// Error is AWS's text.
func (e *AccessDeniedError) Error() string { return e.Message }

// Limit says which quota a LimitError is about.
type Limit int

// The quotas that have an exception of their own.
const (
	CodeStorage  Limit = iota + 1 // CodeStorageExceededException
	PolicyLength                  // PolicyLengthExceededException
	RequestSize                   // RequestEntityTooLargeException, which is in no AWS model; recorded
)

// LimitError tells that a quota would be exceeded.
type LimitError struct {
	Limit   Limit
	Message string
}

// Error is AWS's text.
func (e *LimitError) Error() string { return e.Message }
