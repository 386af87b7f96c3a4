package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attributeOrder are the attributes that can be set, in the order in which they
// are compared.
var attributeOrder = []string{
	"VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "Policy",
	"RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
	"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled",
}

// counted are the attributes that cannot be set.
var counted = []string{
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
	"CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
}

const reusePeriod = "KmsDataKeyReusePeriodSeconds"

// bounds of the numeric attributes.
var bounds = map[string]struct{ least, most, normal int }{
	"VisibilityTimeout":             {0, 43200, 30},
	"MaximumMessageSize":            {1024, MaxMessageBytes, MaxMessageBytes},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"DelaySeconds":                  {0, 900, 0},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	reusePeriod:                     {60, 86400, 300},
}

// choices of the attributes with fixed values.
var choices = map[string][]string{
	"ContentBasedDeduplication": {"true", "false"},
	"SqsManagedSseEnabled":      {"true", "false"},
	"DeduplicationScope":        {"queue", "messageGroup"},
	"FifoThroughputLimit":       {"perQueue", "perMessageGroupId"},
}

// isFIFO tells the type of a queue by its name, as AWS does.
func isFIFO(name string) bool { return strings.HasSuffix(name, ".fifo") }

func validName(name string) bool {
	base := strings.TrimSuffix(name, ".fifo")
	if base == "" || len(name) > maxNameBytes {
		return false
	}
	return !strings.ContainsFunc(base, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// newAttributes are the settings of a new queue.
func newAttributes(id ID, given map[string]string) (map[string]string, error) {
	fifo := given["FifoQueue"] == "true"
	switch {
	case fifo && (!validName(id.Name) || !isFIFO(id.Name)):
		return nil, fail(InvalidParameterValue, "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
	case !validName(id.Name), !fifo && isFIFO(id.Name):
		return nil, fail(InvalidParameterValue, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	normal := map[string]string{"SqsManagedSseEnabled": "true"}
	for name, b := range bounds {
		normal[name] = strconv.Itoa(b.normal)
	}
	if fifo {
		maps.Copy(normal, map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"})
	}
	return changedAttributes(id, normal, given)
}

// changedAttributes are old with the given ones checked and put in.
func changedAttributes(id ID, old, given map[string]string) (map[string]string, error) {
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]string{}
	}
	for name := range given {
		if !slices.Contains(attributeOrder, name) {
			return nil, fail(InvalidAttributeName, "Unknown Attribute %s.", name) // also those that are counted
		}
	}
	for _, name := range attributeOrder {
		value, ok := given[name]
		if !ok {
			continue
		}
		if err := checkAttribute(id, name, value); err != nil {
			return nil, err
		}
		if value == "" {
			delete(merged, name) // AWS: how policies are taken away
			if b, ok := bounds[name]; ok {
				merged[name] = strconv.Itoa(b.normal)
			}
			continue
		}
		merged[name] = value
	}
	if merged[reusePeriod] == strconv.Itoa(bounds[reusePeriod].normal) {
		delete(merged, reusePeriod) // AWS: not shown then
	}
	if merged["FifoThroughputLimit"] == "perMessageGroupId" && merged["DeduplicationScope"] != "messageGroup" {
		return nil, fail(InvalidAttributeValue, "Invalid value for the parameter FifoThroughputLimit. Reason: The value perMessageGroupId is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return merged, nil
}

// checkAttribute checks one given value.
func checkAttribute(id ID, name, value string) error {
	wrong := func(reason string) error {
		return fail(InvalidAttributeValue, "Invalid value for the parameter %s. Reason: %s", name, reason)
	}
	switch name {
	case "FifoQueue":
		switch fifo := isFIFO(id.Name); {
		case !fifo:
			return fail(InvalidAttributeName, "Unknown Attribute FifoQueue.")
		case value != "true":
			return wrong("Modifying queue type is not supported.")
		}
	case "ContentBasedDeduplication":
		if !isFIFO(id.Name) {
			return fail(InvalidAttributeName, "Unknown Attribute %s.", name)
		}
	case "DeduplicationScope", "FifoThroughputLimit":
		if !isFIFO(id.Name) {
			return fail(InvalidAttributeName, "You can specify the %s only when FifoQueue is set to true.", name)
		}
	case "KmsMasterKeyId":
		if value != "" {
			return wrong("This platform has no key management service, so it cannot encrypt with a key of it.")
		}
	case "Policy":
		if value != "" && !isObject(value) {
			return badValue(name)
		}
	case "RedrivePolicy":
		_, err := parseRedrive(value)
		return err
	case "RedriveAllowPolicy":
		_, err := parseAllow(value)
		return err
	}
	return checkNumberOrChoice(name, value)
}

func badValue(name string) error {
	return fail(InvalidAttributeValue, "Invalid value for the parameter %s.", name)
}

func checkNumberOrChoice(name, value string) error {
	if b, ok := bounds[name]; ok && value != "" {
		if n, err := strconv.Atoi(value); err != nil || n < b.least || n > b.most {
			return badValue(name)
		}
	}
	if allowed := choices[name]; allowed != nil && !slices.Contains(allowed, value) {
		return badValue(name)
	}
	return nil
}

func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

// redrive is a parsed RedrivePolicy.
type redrive struct {
	Target ID
	Max    int
}

// parseRedrive reads a RedrivePolicy; nil for the empty text, which means none.
func parseRedrive(text string) (*redrive, error) {
	if text == "" {
		return nil, nil
	}
	wrong := func(reason string) error { return invalid(text, "RedrivePolicy", reason) }
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil || fields == nil {
		return nil, wrong("Redrive policy is not a valid JSON map.")
	}
	target, hasTarget := fields["deadLetterTargetArn"].(string)
	count, hasCount := fields["maxReceiveCount"]
	switch {
	case !hasTarget:
		return nil, wrong("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	case !hasCount:
		return nil, wrong("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	case len(fields) > 2:
		return nil, wrong("Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
	}
	var number string
	switch n := count.(type) { // AWS takes the number as a text, too
	case json.Number:
		number = n.String()
	case string:
		number = n
	}
	most, err := strconv.Atoi(number)
	if err != nil || most < 1 || most > maxReceiveCount {
		return nil, wrong("Invalid value for maxReceiveCount: " + number + ", valid values are from 1 to 1000 both inclusive.")
	}
	id, err := ParseARN(target)
	if err != nil {
		return nil, wrong("Invalid value for deadLetterTargetArn.")
	}
	return &redrive{Target: id, Max: most}, nil
}

// allow is a parsed RedriveAllowPolicy.
type allow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueARNs   []string `json:"sourceQueueArns"`
}

func parseAllow(text string) (*allow, error) {
	if text == "" {
		return nil, nil
	}
	policy := &allow{}
	wrong := func(reason string) error { return invalid(text, "RedriveAllowPolicy", reason) }
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(policy); err != nil {
		return nil, wrong("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.")
	}
	switch named := len(policy.SourceQueueARNs); {
	case !slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, policy.RedrivePermission):
		return nil, wrong("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.")
	case policy.RedrivePermission != "byQueue" && named > 0, policy.RedrivePermission == "byQueue" && (named == 0 || named > maxSourceARNs):
		return nil, wrong("Amazon SQS can't create the redrive allow policy. Specify between 1 and 10 source queues with byQueue, and none otherwise.")
	}
	return policy, nil
}

// permits tells whether the source may use the queue with this policy.
func (a *allow) permits(source ID) bool {
	switch {
	case a == nil || a.RedrivePermission == "allowAll":
		return true
	case a.RedrivePermission == "denyAll":
		return false
	}
	return slices.Contains(a.SourceQueueARNs, source.ARN())
}

// checkRedrive checks the target of a redrive policy against what there is.
func (q *Queues) checkRedrive(ctx context.Context, id ID, attributes map[string]string) error {
	text := attributes["RedrivePolicy"]
	policy, err := parseRedrive(text)
	if policy == nil || err != nil {
		return err
	}
	target := policy.Target
	switch {
	case target.Account != id.Account || target.Region != id.Region:
		return invalid(text, "RedrivePolicy", "Dead-letter target owner should be same as the source.")
	case isFIFO(target.Name) != isFIFO(id.Name):
		return invalid(text, "RedrivePolicy", "Dead-letter target must be same type of queue as the source.")
	}
	r, _, err := q.read(ctx, target)
	if errors.Is(err, notExist()) {
		return invalid(text, "RedrivePolicy", "Dead letter target does not exist.")
	} else if err != nil {
		return err
	}
	if rule, _ := parseAllow(r.Attributes["RedriveAllowPolicy"]); !rule.permits(id) {
		return invalid(text, "RedrivePolicy", "The dead-letter queue does not allow this source queue.")
	}
	return nil
}

// seconds is a numeric attribute as a duration.
func seconds(attributes map[string]string, name string) time.Duration {
	n, err := strconv.Atoi(attributes[name])
	if err != nil {
		n = bounds[name].normal // absent; what is there was checked
	}
	return time.Duration(n) * time.Second
}

// Attributes are the attributes of the names, or all; unknown names fail.
func (q *Queues) Attributes(ctx context.Context, id ID, names []string) (map[string]string, error) {
	for _, name := range names {
		if name != "All" && !slices.Contains(attributeOrder, name) && !slices.Contains(counted, name) {
			return nil, fail(InvalidAttributeName, "Unknown Attribute %s.", name)
		}
	}
	r, _, err := q.read(ctx, id)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(r.Attributes)
	all["QueueArn"] = id.ARN()
	all["CreatedTimestamp"] = strconv.FormatInt(r.Created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(r.Modified.Unix(), 10)
	if slices.ContainsFunc(names, func(name string) bool { return name == "All" || strings.HasPrefix(name, "Approximate") }) {
		counts, err := q.Count(ctx, id)
		if err != nil {
			return nil, err
		}
		all["ApproximateNumberOfMessages"] = strconv.Itoa(counts.Visible)
		all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(counts.Inflight)
		all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(counts.Delayed)
	}
	if !slices.Contains(names, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(names, name) })
	}
	return all, nil
}
