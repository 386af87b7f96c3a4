package topic

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Names of attributes that several places use.
const (
	attributePolicy    = "Policy"
	attributeDelivery  = "DeliveryPolicy"
	attributeSignature = "SignatureVersion"
	attributeFIFO      = "FifoTopic"
	attributeContent   = "ContentBasedDeduplication"
	attributeScope     = "FifoThroughputScope"
)

// choices of the attributes with fixed values.
var choices = map[string][]string{
	attributeSignature: {"1", "2"},
	attributeContent:   {"true", "false"},
	attributeScope:     {"Topic", "MessageGroup"},
	"TracingConfig":    {"PassThrough", "Active"},
}

// feedback are the attributes of the logging of deliveries, by protocol.
var feedback = []string{"SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"}

// settable are the attributes that SetTopicAttributes knows.
var settable = settableNames()

func settableNames() []string {
	names := []string{"DisplayName", attributePolicy, attributeDelivery, "KmsMasterKeyId", attributeSignature, "TracingConfig", attributeContent, attributeScope, "ArchivePolicy"}
	for _, protocol := range []string{"HTTP", "Application", "Lambda", "SQS", "Firehose"} {
		for _, suffix := range feedback {
			names = append(names, protocol+suffix)
		}
	}
	return names
}

func validName(name string) bool {
	base := strings.TrimSuffix(name, ".fifo")
	if base == "" || len(name) > maxNameBytes {
		return false
	}
	return !strings.ContainsFunc(base, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// checkAttribute checks one given value and gives the one to keep. An error has
// the text of SetTopicAttributes.
func checkAttribute(id ID, name, value string) (string, error) {
	if !slices.Contains(settable, name) {
		return "", invalid("AttributeName")
	}
	if allowed := choices[name]; allowed != nil && !slices.Contains(allowed, value) {
		return "", invalid("%s: Invalid value [%s]. Must be %s.", name, value, strings.Join(allowed, " or "))
	}
	if err := checkForm(id, name, value); err != nil {
		return "", err
	}
	switch name {
	case attributePolicy:
		if value == "" {
			return "", nil
		}
		return value, checkPolicy(value)
	case "ArchivePolicy":
		return "", nil // {} is none
	case attributeDelivery:
		p, err := parseTopicPolicy(value)
		if err != nil || value == "" {
			return value, err
		}
		return compact(p), nil
	}
	return value, nil
}

// checkForm refuses values by their form, and those that promise too much.
func checkForm(id ID, name, value string) error {
	switch {
	case name == "DisplayName" && utf8.RuneCountInString(value) > maxDisplayName:
		return invalid("DisplayName")
	case name == "KmsMasterKeyId" && value != "":
		return invalid("KmsMasterKeyId Reason: This platform has no key management service, so it cannot encrypt with a key of it.")
	case name == "ArchivePolicy" && value != "" && value != "{}":
		return invalid("ArchivePolicy Reason: This platform does not archive messages.")
	case (name == attributeContent || name == attributeScope) && !isFIFO(id.Name):
		return invalid("AttributeName") // AWS: recorded for FifoTopic
	case strings.HasSuffix(name, "SampleRate") && value != "":
		if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 100 {
			return invalid("%s", name)
		}
	}
	return nil
}

// newAttributes are the attributes of a topic that is to be made.
func newAttributes(id ID, given map[string]string) (map[string]string, error) {
	fifo := given[attributeFIFO]
	switch {
	case fifo != "" && fifo != "true" && fifo != "false":
		return nil, invalid("Attributes Reason: %s: Invalid value [%s]. Must be true or false.", attributeFIFO, fifo)
	case !validName(id.Name) || isFIFO(id.Name) != (fifo == "true"):
		return nil, invalid("Topic Name")
	}
	kept := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name == attributeFIFO {
			continue // the name of the topic tells
		}
		value, err := checkAttribute(id, name, given[name])
		if refusal, ok := err.(*Error); ok && refusal.Code == InvalidParameter {
			err = invalid("Attributes Reason: %s", strings.TrimPrefix(refusal.Message, "Invalid parameter: "))
		}
		if err != nil {
			return nil, err
		}
		if value != "" {
			kept[name] = value
		}
	}
	return kept, nil
}

// sameAttributes compares what a second CreateTopic asks for, in the form in which
// it would be kept, with what there is.
func sameAttributes(existing, asked, kept map[string]string) error {
	for name := range asked {
		old, value := existing[name], kept[name]
		if old == "" && name == attributeContent {
			old = "false"
		}
		if name != attributeFIFO && old != value && !(name == attributePolicy && sameJSON(old, value)) {
			return invalid("Attributes Reason: Topic already exists with different attributes")
		}
	}
	return nil
}

// sameJSON compares policies, whose text may differ in white space.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return compact(x) == compact(y)
}

// Attributes are what GetTopicAttributes shows of a topic.
func (t *Topics) Attributes(ctx context.Context, id ID) (map[string]string, error) {
	r, err := t.read(ctx, id)
	if err != nil {
		return nil, err
	}
	policy, err := parseTopicPolicy(r.Attributes[attributeDelivery])
	if err != nil {
		return nil, err
	}
	shown := map[string]string{
		"TopicArn": id.ARN(), "Owner": id.Account, "DisplayName": "", attributePolicy: compact(defaultPolicy(id)),
		"SubscriptionsConfirmed":  strconv.Itoa(r.Counts.Confirmed),
		"SubscriptionsPending":    strconv.Itoa(r.Counts.Pending),
		"SubscriptionsDeleted":    strconv.Itoa(r.Counts.Deleted),
		"EffectiveDeliveryPolicy": compact(effectiveTopicPolicy(policy)),
	}
	if isFIFO(id.Name) {
		shown[attributeFIFO], shown[attributeContent] = "true", "false"
	}
	maps.Copy(shown, r.Attributes)
	return shown, nil
}

// SetAttribute changes one attribute of a topic.
func (t *Topics) SetAttribute(ctx context.Context, id ID, name, value string) error {
	return t.update(ctx, id, func(c *change) error {
		kept, err := checkAttribute(id, name, value)
		if err != nil {
			return err
		}
		c.touch = true
		if c.row.Attributes == nil {
			c.row.Attributes = map[string]string{}
		}
		if kept == "" {
			delete(c.row.Attributes, name)
		} else {
			c.row.Attributes[name] = kept
		}
		return nil
	})
}
