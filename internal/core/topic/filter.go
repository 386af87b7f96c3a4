package topic

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/pattern"
)

// Limits of a filter policy.
// Source: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
const (
	maxFilterKeys         = 5
	maxFilterCombinations = 150
	maxFilterBytes        = 256 << 10
)

// filter is a filter policy that was read; nil lets everything pass.
type filter struct {
	pattern *pattern.Pattern
	body    bool // of the message's text, else of its attributes
}

// parseFilter reads a filter policy; "" is none.
func parseFilter(text, scope string) (*filter, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxFilterBytes {
		return nil, invalid("FilterPolicy: Filter policy is too long")
	}
	if !json.Valid([]byte(text)) {
		return nil, invalid("FilterPolicy: failed to parse JSON.") // AWS: goes on with the words of its parser
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return nil, invalid("FilterPolicy: Filter is not an object")
	}
	if scope != scopeBody {
		for _, value := range fields {
			if _, nested := value.(map[string]any); nested {
				return nil, invalid("Filter policy scope MessageAttributes does not support nested filter policy") // AWS: recorded
			}
		}
	}
	compiled, err := pattern.Compile([]byte(text))
	var refusal *pattern.Error
	switch {
	case errors.As(err, &refusal):
		return nil, invalid("FilterPolicy: %s", refusal.Error())
	case err != nil:
		return nil, err
	}
	if len(fields) > maxFilterKeys {
		return nil, invalid("FilterPolicy: Filter policy can not have more than %d keys", maxFilterKeys) // AWS: recorded
	}
	if combinations(fields, 1) > maxFilterCombinations {
		return nil, invalid("FilterPolicy: Filter policy is too complex") // AWS: recorded
	}
	return &filter{pattern: compiled, body: scope == scopeBody}, nil
}

// combinations counts as AWS does: the product over all lists of their values,
// each times the depth at which its key is; the choices of $or are added.
// Texts of recorded refusals: 3 x 4 x 2 x 3 x 1 x 3 for lists of four values at
// the third level, three at the second and three at the first.
func combinations(fields map[string]any, depth int) int {
	total := 1
	for name, value := range fields {
		count := 1
		switch v := value.(type) {
		case map[string]any:
			count = combinations(v, depth+1)
		case []any:
			if name == "$or" {
				count = 0
				for _, choice := range v {
					if object, ok := choice.(map[string]any); ok {
						count += combinations(object, depth)
					}
				}
				break
			}
			count = len(v) * depth
		}
		if total *= max(1, count); total > maxFilterCombinations {
			return maxFilterCombinations + 1 // a larger number says no more
		}
	}
	return total
}

// candidate is what filters look at; the events are made when one asks.
type candidate struct {
	attributes map[string]Attribute
	byName     *pattern.Event
	bodies     map[string]*pattern.Event // by text; nil for one that is no object
}

// passes tells whether a message with this text goes to who has the filter.
func (c *candidate) passes(f *filter, text string) bool {
	if f == nil {
		return true
	}
	if !f.body {
		if c.byName == nil {
			c.byName = attributeEvent(c.attributes)
		}
		return f.pattern.Match(c.byName)
	}
	event, known := c.bodies[text]
	if !known {
		// AWS: a text that is no JSON object meets no filter policy of bodies.
		event, _ = pattern.ParseEvent([]byte(text))
		if c.bodies == nil {
			c.bodies = map[string]*pattern.Event{}
		}
		c.bodies[text] = event
	}
	return event != nil && f.pattern.Match(event)
}

// attributeEvent is the attributes as an event. AWS: binary ones meet no filter.
func attributeEvent(attributes map[string]Attribute) *pattern.Event {
	fields := map[string]any{}
	for name, a := range attributes {
		kind, _, _ := strings.Cut(a.Type, ".")
		switch {
		case kind == "Binary":
			continue
		case kind == "Number" && json.Valid([]byte(a.String)):
			fields[name] = json.Number(a.String)
		case a.Type == "String.Array" && json.Valid([]byte(a.String)):
			fields[name] = json.RawMessage(a.String)
		default:
			fields[name] = a.String
		}
		if _, err := pattern.NewEvent(map[string]any{name: fields[name]}); err != nil {
			fields[name] = a.String // an array that is too deep
		}
	}
	event, err := pattern.NewEvent(fields)
	if err != nil {
		panic("each of these attributes alone was an event: " + err.Error())
	}
	return event
}
