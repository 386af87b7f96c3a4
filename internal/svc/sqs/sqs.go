// Package sqs is the SQS API, in both of its protocols: it translates between the
// wire and core/queue.
//
// It promises AWS's codes, statuses and texts of errors; what a queue does is
// core/queue's. The two protocols are two services over the same operations,
// because they name the members differently and one text differs.
//
// No goroutines, no locks. Start reading at Services.
package sqs

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// api is one of the two services.
type api struct {
	queues *queue.Queues
	query  bool // speaks the query protocol
}

// Services are the service of the json protocol and that of the query protocol.
func Services(queues *queue.Queues) []*wire.Service {
	jsonModel, queryModel := models()
	return []*wire.Service{(&api{queues: queues}).service(jsonModel), (&api{queues: queues, query: true}).service(queryModel)}
}

func (a *api) service(model *shape.Service) *wire.Service {
	return wire.NewService(model,
		sqsapi.HandleAddPermission(wrap(a, a.addPermission)),
		sqsapi.HandleCancelMessageMoveTask(wrap(a, a.cancelMessageMoveTask)),
		sqsapi.HandleChangeMessageVisibility(wrap(a, a.changeMessageVisibility)),
		sqsapi.HandleChangeMessageVisibilityBatch(wrap(a, a.changeMessageVisibilityBatch)),
		sqsapi.HandleCreateQueue(wrap(a, a.createQueue)),
		sqsapi.HandleDeleteMessage(wrap(a, a.deleteMessage)),
		sqsapi.HandleDeleteMessageBatch(wrap(a, a.deleteMessageBatch)),
		sqsapi.HandleDeleteQueue(wrap(a, a.deleteQueue)),
		sqsapi.HandleGetQueueAttributes(wrap(a, a.getQueueAttributes)),
		sqsapi.HandleGetQueueUrl(wrap(a, a.getQueueURL)),
		sqsapi.HandleListDeadLetterSourceQueues(wrap(a, a.listDeadLetterSourceQueues)),
		sqsapi.HandleListMessageMoveTasks(wrap(a, a.listMessageMoveTasks)),
		sqsapi.HandleListQueueTags(wrap(a, a.listQueueTags)),
		sqsapi.HandleListQueues(wrap(a, a.listQueues)),
		sqsapi.HandlePurgeQueue(wrap(a, a.purgeQueue)),
		sqsapi.HandleReceiveMessage(wrap(a, a.receiveMessage)),
		sqsapi.HandleRemovePermission(wrap(a, a.removePermission)),
		sqsapi.HandleSendMessage(wrap(a, a.sendMessage)),
		sqsapi.HandleSendMessageBatch(wrap(a, a.sendMessageBatch)),
		sqsapi.HandleSetQueueAttributes(wrap(a, a.setQueueAttributes)),
		sqsapi.HandleStartMessageMoveTask(wrap(a, a.startMessageMoveTask)),
		sqsapi.HandleTagQueue(wrap(a, a.tagQueue)),
		sqsapi.HandleUntagQueue(wrap(a, a.untagQueue)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](a *api, do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, a.fault)
}

// wireError is how clients see an error.
type wireError struct {
	code   string // of the query protocol, and of the header of the json protocol
	status int
}

// wireErrors are the errors of core/queue and of this package.
// AWS: recorded; botocore's model has neither the codes nor the statuses.
var wireErrors = map[queue.Code]wireError{
	queue.QueueDoesNotExist:         {"AWS.SimpleQueueService.NonExistentQueue", 400},
	queue.QueueNameExists:           {"QueueAlreadyExists", 400},
	queue.QueueDeletedRecently:      {"AWS.SimpleQueueService.QueueDeletedRecently", 400},
	queue.InvalidAttributeName:      {"InvalidAttributeName", 400},
	queue.InvalidAttributeValue:     {"InvalidAttributeValue", 400},
	queue.InvalidParameterValue:     {"InvalidParameterValue", 400},
	queue.MissingRequiredParameter:  {"MissingParameter", 400},
	queue.InvalidMessageContents:    {"InvalidMessageContents", 400},
	queue.ReceiptHandleIsInvalid:    {"ReceiptHandleIsInvalid", 404},
	queue.MessageNotInflight:        {"AWS.SimpleQueueService.MessageNotInflight", 400},
	queue.OverLimit:                 {"OverLimit", 403},
	queue.PurgeQueueInProgress:      {"AWS.SimpleQueueService.PurgeQueueInProgress", 403},
	queue.ResourceNotFoundException: {"ResourceNotFoundException", 404},
	queue.UnsupportedOperation:      {"AWS.SimpleQueueService.UnsupportedOperation", 400},
	"InvalidAddress":                {"InvalidAddress", 404},
	"AccessDeniedException":         {"AccessDenied", 403},
	"EmptyBatchRequest":             {"AWS.SimpleQueueService.EmptyBatchRequest", 400},
	"TooManyEntriesInBatchRequest":  {"AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400},
	"BatchEntryIdsNotDistinct":      {"AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400},
	"BatchRequestTooLong":           {"AWS.SimpleQueueService.BatchRequestTooLong", 400},
	"InvalidBatchEntryId":           {"AWS.SimpleQueueService.InvalidBatchEntryId", 400},
}

// fault translates an error; one that is not the caller's stays as it is.
func (a *api) fault(err error) error {
	var refusal *queue.Error
	if !errors.As(err, &refusal) {
		return err
	}
	w, known := wireErrors[refusal.Code]
	if !known {
		return err
	}
	message := refusal.Message
	if a.query && refusal.Code == queue.QueueDoesNotExist {
		message = "The specified queue does not exist for this wsdl version." // AWS: recorded
	}
	return &fault.Fault{Code: string(refusal.Code), QueryCode: w.code, Message: message, MessageMember: "message", Status: w.status, Sender: true}
}

func refuse(code queue.Code, message string) error { return &queue.Error{Code: code, Message: message} }

func missing(parameter string) error {
	return refuse(queue.MissingRequiredParameter, "The request must contain the parameter "+parameter+".")
}

func invalid(value, parameter, reason string) error {
	return refuse(queue.InvalidParameterValue, "Value "+value+" for parameter "+parameter+" is invalid. Reason: "+reason)
}

// accountDigits is the length of an account id.
const accountDigits = 12

// queue reads the URL of a queue. Its host is of no matter: clients reach one
// server by several names.
func (a *api) queue(call *wire.Call, queueURL *string) (queue.ID, error) {
	address := member.Text(queueURL)
	if address == "" && a.query && call.Request != nil && strings.Count(strings.Trim(call.Request.URL.Path, "/"), "/") == 1 {
		address = call.Request.URL.Path // AWS: the query protocol may send to the queue itself
	}
	if address == "" {
		return queue.ID{}, missing("QueueUrl")
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return queue.ID{}, noAddress(address)
	}
	parts := strings.Split(strings.Trim(parsed.Path, "/"), "/")
	if len(parts) < 2 {
		return queue.ID{}, noAddress(address)
	}
	account, name := parts[len(parts)-2], parts[len(parts)-1]
	if len(account) != accountDigits || strings.Trim(account, "0123456789") != "" || name == "" {
		return queue.ID{}, noAddress(address)
	}
	if account != call.Account { // policies are not evaluated yet
		return queue.ID{}, refuse("AccessDeniedException", "Access to the resource "+address+" is denied.")
	}
	return queue.ID{Account: account, Region: call.Region, Name: name}, nil
}

func noAddress(address string) error {
	return refuse("InvalidAddress", "The address "+address+" is not valid for this endpoint.")
}

// address is the URL of a queue.
func address(call *wire.Call, id queue.ID) *string {
	text := call.Endpoint + "/" + id.Account + "/" + id.Name
	return &text
}
