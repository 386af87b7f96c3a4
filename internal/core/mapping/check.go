package mapping

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

// Limits of mappings of queues.
// Sources: the API model; https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
const (
	DefaultBatchSize = 10
	MaxBatchSize     = 10_000
	MaxWindow        = 300 * time.Second
	MinConcurrency   = 2
	MaxConcurrency   = 1000
	maxFilters       = 10 // AWS: five, ten on request
	maxPattern       = 4096
	maxTags          = 50
	maxTagName       = 128
	maxTagValue      = 256

	// smallBatch is what a queue gives at once; larger batches have to be gathered.
	smallBatch = queue.MaxReceive

	defaultPage = 100
	maxPage     = 10_000
	scanPage    = 1000
)

func invalid(format string, args ...any) error {
	return &function.InvalidError{Message: fmt.Sprintf(format, args...)}
}

// check applies AWS's rules to a whole mapping. Its words are AWS's, recorded
// (LocalStack's test_lambda_integration_sqs, or in reports of users) unless a
// comment says otherwise.
func (m *Mappings) check(ctx context.Context, wanted *Mapping) error {
	s := &wanted.Settings
	if err := checkSettings(s, wanted.Source); err != nil {
		return err
	}
	version, err := m.config.Functions.GetConfiguration(ctx, wanted.Target())
	var gone *function.NotFoundError
	if errors.As(err, &gone) {
		return invalid("Function does not exist")
	} else if err != nil {
		return err
	}
	id, err := queue.ParseARN(wanted.Source)
	if err != nil {
		return invalid("Unrecognized event source.")
	}
	if id.Account != wanted.Scope.Account {
		return invalid("The provided execution role does not have permissions to call ReceiveMessage on SQS")
	}
	var visibility time.Duration
	if id.Region == wanted.Scope.Region { // AWS: Lambda asks SQS of its own region
		visibility, err = m.visibility(ctx, id)
	} else {
		err = &queue.Error{Code: queue.QueueDoesNotExist}
	}
	switch {
	case errors.Is(err, &queue.Error{Code: queue.QueueDoesNotExist}):
		return invalid("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
	case err != nil:
		return err
	case visibility < version.Timeout:
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", int(visibility.Seconds()), int(version.Timeout.Seconds()))
	}
	return nil
}

func checkSettings(s *Settings, source string) error {
	switch {
	case s.BatchSize > smallBatch && s.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case s.Window > 0 && strings.HasSuffix(source, ".fifo"):
		return invalid("Batching window is not supported for FIFO queues")
	case s.BatchSize < 1 || s.BatchSize > MaxBatchSize || s.Window < 0 || s.Window > MaxWindow:
		return invalid("BatchSize must be between 1 and %d, MaximumBatchingWindowInSeconds between 0 and %d.", MaxBatchSize, int(MaxWindow.Seconds())) // the model refuses them before
	case s.MaxConcurrency != 0 && (s.MaxConcurrency < MinConcurrency || s.MaxConcurrency > MaxConcurrency):
		return invalid("MaximumConcurrency must be between %d and %d.", MinConcurrency, MaxConcurrency) // as above
	case len(s.Filters) > maxFilters:
		return invalid("FilterCriteria may have %d filters at most.", maxFilters) // AWS's words are not known
	}
	_, err := compile(s.Filters)
	return err
}

// compile reads filters.
func compile(filters []string) ([]*pattern.Pattern, error) {
	var compiled []*pattern.Pattern
	for _, filter := range filters {
		p, err := pattern.Compile([]byte(filter))
		if err != nil || len(filter) > maxPattern {
			return nil, invalid("Invalid filter pattern definition.")
		}
		compiled = append(compiled, p)
	}
	return compiled, nil
}

// visibility is the visibility timeout of a queue.
func (m *Mappings) visibility(ctx context.Context, id queue.ID) (time.Duration, error) {
	attributes, err := m.config.Queues.Attributes(ctx, id, []string{"VisibilityTimeout"})
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.Atoi(attributes["VisibilityTimeout"])
	return time.Duration(seconds) * time.Second, err
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	for name, value := range tags {
		if name == "" || len([]rune(name)) > maxTagName || len([]rune(value)) > maxTagValue {
			return invalid("Tag keys must have 1 to %d characters, tag values at most %d.", maxTagName, maxTagValue)
		}
	}
	return nil
}
