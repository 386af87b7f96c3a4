package lambda

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
)

// translate turns an error of core into AWS's. An error that it does not know
// is our machine's trouble and goes on as it is, for the gateway to log.
func translate(err error) error {
	var (
		notFound     *function.NotFoundError
		conflict     *function.ConflictError
		invalid      *function.InvalidError
		validation   *function.ValidationError
		precondition *function.PreconditionError
		denied       *function.AccessDeniedError
		limited      *function.LimitError
		unprovided   *function.MissingProvisionedError
		throttled    *invoke.ThrottledError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &notFound):
		return lambdaapi.ResourceNotFoundException("%s", notFound.Message)
	case errors.As(err, &conflict):
		return lambdaapi.ResourceConflictException("%s", conflict.Message)
	case errors.As(err, &invalid):
		return lambdaapi.InvalidParameterValueException("%s", invalid.Message)
	case errors.As(err, &validation):
		return &fault.Fault{Code: "ValidationException", Message: validation.Message, MessageMember: "message", Status: 400, Sender: true}
	case errors.As(err, &precondition):
		return lambdaapi.PreconditionFailedException("%s", precondition.Message)
	case errors.As(err, &denied):
		return &fault.Fault{Code: "AccessDeniedException", Message: denied.Message, MessageMember: "Message", Status: 403, Sender: true}
	case errors.As(err, &limited):
		return limitFault(limited)
	case errors.As(err, &unprovided):
		return lambdaapi.ProvisionedConcurrencyConfigNotFoundException("%s", unprovided.Message)
	case errors.As(err, &throttled):
		return throttleFault(throttled)
	case errors.Is(err, invoke.ErrRecursive):
		// AWS: the words of its API model; no recorded reply is known.
		return lambdaapi.RecursiveInvocationException("Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.")
	case errors.Is(err, invoke.ErrRestoreFailed):
		// AWS: the words of its API model; no recorded reply is known.
		return lambdaapi.SnapStartException("The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs.")
	case errors.Is(err, invoke.ErrRestoreTimeout):
		// AWS: snapstart-troubleshooting.html has this reply.
		return lambdaapi.SnapStartTimeoutException("Lambda couldn't restore the snapshot within the timeout limit.")
	case errors.Is(err, invoke.ErrShuttingDown):
		// AWS: ServiceException is what clients try again, elsewhere or later.
		return lambdaapi.ServiceException("The server is shutting down. Try again later.")
	}
	return err
}

func limitFault(e *function.LimitError) *fault.Fault {
	switch e.Limit {
	case function.CodeStorage:
		return lambdaapi.CodeStorageExceededException("%s", e.Message)
	case function.PolicyLength:
		return lambdaapi.PolicyLengthExceededException("%s", e.Message)
	default:
		return lambdaapi.RequestTooLargeException("%s", e.Message)
	}
}

// throttleFault is AWS's 429: the reason is a member, the wait a header in
// whole seconds, never 0.
func throttleFault(e *invoke.ThrottledError) *fault.Fault {
	seconds := int(math.Ceil(max(e.RetryAfter, time.Second).Seconds()))
	return lambdaapi.TooManyRequestsException("Rate Exceeded.").With("Reason", string(e.Reason)).WithHeader("Retry-After", strconv.Itoa(seconds))
}
