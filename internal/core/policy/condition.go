package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key under one operator.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
// and reference_policies_condition-single-vs-multi-valued-context-keys.html.
type condition struct {
	operator operator
	set      quantity
	ifExists bool
	key      string // lower case
	values   []pattern
}

// quantity is how many of a key's values must fit.
type quantity uint8

const (
	single quantity = iota
	anyOf
	allOf
)

// operator compares one value of a request with one of a policy.
type operator struct {
	negated bool // it is the opposite of what fits tells
	wild    bool // the policy's values have wildcards
	null    bool // it asks whether the key is there
	fits    func(want, got string) bool
}

// operators by their names in lower case.
var operators = map[string]operator{
	"stringequals":              {fits: equal},
	"stringnotequals":           {fits: equal, negated: true},
	"stringequalsignorecase":    {fits: strings.EqualFold},
	"stringnotequalsignorecase": {fits: strings.EqualFold, negated: true},
	"stringlike":                {fits: glob, wild: true},
	"stringnotlike":             {fits: glob, wild: true, negated: true},
	"arnequals":                 {fits: matchARN, wild: true},
	"arnnotequals":              {fits: matchARN, wild: true, negated: true},
	"arnlike":                   {fits: matchARN, wild: true},
	"arnnotlike":                {fits: matchARN, wild: true, negated: true},
	"numericequals":             {fits: numeric(func(order int) bool { return order == 0 })},
	"numericnotequals":          {fits: numeric(func(order int) bool { return order == 0 }), negated: true},
	"numericlessthan":           {fits: numeric(func(order int) bool { return order < 0 })},
	"numericlessthanequals":     {fits: numeric(func(order int) bool { return order <= 0 })},
	"numericgreaterthan":        {fits: numeric(func(order int) bool { return order > 0 })},
	"numericgreaterthanequals":  {fits: numeric(func(order int) bool { return order >= 0 })},
	"dateequals":                {fits: dated(func(order int) bool { return order == 0 })},
	"datenotequals":             {fits: dated(func(order int) bool { return order == 0 }), negated: true},
	"datelessthan":              {fits: dated(func(order int) bool { return order < 0 })},
	"datelessthanequals":        {fits: dated(func(order int) bool { return order <= 0 })},
	"dategreaterthan":           {fits: dated(func(order int) bool { return order > 0 })},
	"dategreaterthanequals":     {fits: dated(func(order int) bool { return order >= 0 })},
	"bool":                      {fits: strings.EqualFold},
	"binaryequals":              {fits: equal},
	"ipaddress":                 {fits: inNetwork},
	"notipaddress":              {fits: inNetwork, negated: true},
	"null":                      {null: true, fits: strings.EqualFold},
}

func newCondition(name, key string, values Texts, variables bool) (condition, error) {
	c := condition{key: strings.ToLower(key)}
	bare := strings.ToLower(name)
	for prefix, set := range map[string]quantity{"foranyvalue:": anyOf, "forallvalues:": allOf} {
		if rest, found := strings.CutPrefix(bare, prefix); found {
			bare, c.set = rest, set
		}
	}
	bare, c.ifExists = strings.CutSuffix(bare, "ifexists")
	operator, found := operators[bare]
	if !found || operator.null && (c.ifExists || c.set != single) {
		return c, Refusal("Invalid Condition type : " + name + ".")
	}
	c.operator = operator
	for _, value := range values {
		c.values = append(c.values, newPattern(value, operator.wild, variables))
	}
	return c, nil
}

// holds tells whether a request meets the condition.
func (c *condition) holds(r *Request) bool {
	got := r.values(c.key)
	switch {
	case c.operator.null:
		return c.oneFits(r, strconv.FormatBool(got == nil))
	case got == nil && c.set == anyOf:
		return c.ifExists
	case got == nil:
		// AWS: a negated operator holds where the key is not there, and so does what
		// all of no values must meet.
		return c.ifExists || c.set == allOf || c.operator.negated
	case c.set == allOf:
		return !slices.ContainsFunc(got, func(value string) bool { return !c.meets(r, value) })
	}
	return slices.ContainsFunc(got, func(value string) bool { return c.meets(r, value) })
}

// meets tells it of one value of the request.
func (c *condition) meets(r *Request, got string) bool {
	return c.oneFits(r, got) != c.operator.negated
}

// oneFits tells whether one of the policy's values fits.
func (c *condition) oneFits(r *Request, got string) bool {
	return slices.ContainsFunc(c.values, func(value pattern) bool {
		want, ok := value.expand(r)
		return ok && c.operator.fits(want, got)
	})
}

func equal(want, got string) bool { return want == got }

// numeric compares what the request has with what the policy has.
func numeric(test func(order int) bool) func(want, got string) bool {
	return func(want, got string) bool {
		w, wrong := strconv.ParseFloat(want, 64)
		g, wrongToo := strconv.ParseFloat(got, 64)
		if wrong != nil || wrongToo != nil || w != w || g != g { // the last two: not a number
			return false
		}
		switch {
		case g < w:
			return test(-1)
		case g > w:
			return test(1)
		}
		return test(0)
	}
}

func dated(test func(order int) bool) func(want, got string) bool {
	return func(want, got string) bool {
		w, ok := readTime(want)
		g, okToo := readTime(got)
		return ok && okToo && test(g.Compare(w))
	}
}

// timeForms are those of ISO 8601 that W3C's note on dates has.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01", "2006"}

// epochDigits is the length from which digits alone are seconds since 1970, no year.
const epochDigits = 5

func readTime(text string) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) >= epochDigits {
		return time.Unix(seconds, 0), true
	}
	for _, form := range timeForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func inNetwork(want, got string) bool {
	address, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	address = address.Unmap()
	if network, err := netip.ParsePrefix(want); err == nil {
		return network.Contains(address)
	}
	one, err := netip.ParseAddr(want)
	return err == nil && one.Unmap() == address
}
