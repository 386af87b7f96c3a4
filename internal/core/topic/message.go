package topic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Attribute is a message attribute.
type Attribute struct {
	Type   string `json:"t"`
	String string `json:"s,omitempty"`
	Binary []byte `json:"b,omitempty"`
}

// Message is what a publisher publishes.
type Message struct {
	Text       string
	Subject    *string              `json:",omitempty"`
	Structured bool                 `json:",omitempty"` // Text is an object with a text for each protocol
	Attributes map[string]Attribute `json:",omitempty"`
	GroupID    string               `json:",omitempty"`
	DedupID    string               `json:",omitempty"`
	Trace      string               `json:",omitempty"` // X-Amzn-Trace-Id
}

// Size is what counts against MaxMessageBytes.
func (m *Message) Size() int {
	size := len(m.Text)
	for name, a := range m.Attributes {
		size += len(name) + len(a.Type) + len(a.String) + len(a.Binary)
	}
	return size
}

// texts are what each protocol gets.
type textsByProtocol map[string]string

// of is the text for a protocol.
func (t textsByProtocol) of(protocol string) string {
	if text, ok := t[protocol]; ok {
		return text
	}
	return t[defaultText]
}

const defaultText = "default"

// texts reads the text, which has one for each protocol if it is structured.
func (m *Message) texts() (textsByProtocol, error) {
	if !m.Structured {
		return textsByProtocol{defaultText: m.Text}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(m.Text), &fields); err != nil || fields == nil {
		return nil, invalid("Message Structure - JSON message body failed to parse") // AWS: recorded
	}
	texts := textsByProtocol{}
	for name, value := range fields {
		var text string
		if bytes.HasPrefix(value, []byte(`"`)) && json.Unmarshal(value, &text) == nil {
			texts[name] = text
		}
	}
	if _, ok := texts[defaultText]; !ok {
		return nil, invalid("Message Structure - No default entry in JSON message body") // AWS: recorded
	}
	return texts, nil
}

// check refuses a message that the topic cannot take, in AWS's order as far as
// it is recorded.
func (m *Message) check(v *view) error {
	if m.Text == "" {
		return invalid("Empty message") // AWS: recorded
	}
	if err := m.checkSubject(); err != nil {
		return err
	}
	if err := checkAttributes(m.Attributes); err != nil {
		return err
	}
	if m.Size() > MaxMessageBytes {
		return invalid("Message too long") // AWS: recorded
	}
	if _, err := m.texts(); err != nil {
		return err
	}
	for _, given := range []struct{ name, value string }{{"MessageGroupId", m.GroupID}, {"MessageDeduplicationId", m.DedupID}} {
		if len(given.value) > maxGroupBytes || strings.ContainsFunc(given.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return invalid("%s Reason: %s can only include alphanumeric and punctuation characters. 1 to %d in length", given.name, given.name, maxGroupBytes)
		}
	}
	switch {
	case !v.fifo && m.DedupID != "":
		return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type") // AWS: recorded
	case v.fifo && m.GroupID == "":
		return invalid("The MessageGroupId parameter is required for FIFO topics") // AWS: recorded
	case v.fifo && m.DedupID == "" && !v.contentDedup:
		return invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly") // AWS: recorded
	}
	return nil
}

// checkSubject applies AWS's rules:
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func (m *Message) checkSubject() error {
	if m.Subject == nil {
		return nil
	}
	s := *m.Subject
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxSubjectRunes || strings.ContainsFunc(s, unicode.IsControl) {
		return invalid("Subject") // AWS: recorded
	}
	return nil
}

// number is what the value of a Number looks like.
var number = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)

// checkAttributes applies AWS's rules of names and types. AWS: the texts are
// recorded.
func checkAttributes(attributes map[string]Attribute) error {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		a := attributes[name]
		kind, _, _ := strings.Cut(a.Type, ".")
		wrong := func(format string) error {
			return fail(InvalidParameterValue, "The message attribute '%s' "+format, name)
		}
		switch {
		case !slices.Contains([]string{"String", "Number", "Binary"}, kind):
			return wrong("has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")
		case kind == "Binary" && a.String != "":
			return wrong(fmt.Sprintf("with type '%s' must use field 'Binary'.", a.Type))
		case kind != "Binary" && len(a.Binary) > 0:
			return wrong(fmt.Sprintf("with type '%s' must use field 'String'.", a.Type))
		case a.String == "" && len(a.Binary) == 0:
			return wrong(fmt.Sprintf("must contain non-empty message attribute value for message attribute type '%s'.", a.Type))
		case kind == "Number" && !number.MatchString(a.String):
			return fail(InvalidParameterValue, "Could not cast message attribute '%s' value to number.", name)
		}
	}
	return nil
}

func checkAttributeName(name string) error {
	wrong := func(format string, args ...any) error { return fail(InvalidParameterValue, format, args...) }
	if len(name) > maxAttributeName {
		return wrong("Length of message attribute name must be less than 256 bytes.")
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)) {
			return wrong("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	switch {
	case name == "":
		return wrong("Length of message attribute name must be greater than 0 bytes.")
	case name[0] == '.':
		return wrong("Invalid message attribute name starting with character '.' was found.")
	case strings.HasSuffix(name, "."):
		return wrong("Invalid message attribute name ending with character '.' was found.")
	case strings.Contains(name, ".."):
		return wrong("Message attribute name can not have successive '.' character.")
	}
	return nil
}
