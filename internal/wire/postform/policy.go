package postform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// maxConditions of one policy.
const maxConditions = 500

// Policy says what a form may hold.
type Policy struct {
	Expires    time.Time
	conditions []condition
	Least      int64 // bytes of the file
	Most       int64
}

// condition is about one field.
type condition struct {
	prefix bool   // the value begins with this, else it is this
	field  string // in lower case
	value  string
	text   string // for errors
}

func invalid(why string) *fault.Fault {
	return refused(400, "InvalidPolicyDocument", "Invalid Policy: "+why)
}

// ParsePolicy reads a policy as it stands in a form, in base64.
func ParsePolicy(encoded string) (*Policy, error) {
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return nil, invalid("Invalid Base64 Encoding.")
	}
	var document map[string]json.RawMessage
	if json.Unmarshal(text, &document) != nil || document == nil {
		return nil, invalid("Invalid JSON.")
	}
	p := &Policy{Most: math.MaxInt64}
	var expiration string
	switch raw, ok := document["expiration"]; {
	case !ok:
		return nil, invalid("Policy missing expiration.")
	case json.Unmarshal(raw, &expiration) != nil:
		return nil, invalid("Invalid 'expiration' value: '" + string(raw) + "'")
	}
	if p.Expires, err = time.Parse(time.RFC3339, expiration); err != nil || !strings.HasSuffix(expiration, "Z") {
		return nil, invalid("Invalid 'expiration' value: '" + expiration + "'")
	}
	var conditions []json.RawMessage
	switch raw, ok := document["conditions"]; {
	case !ok:
		return nil, invalid("Policy missing conditions.")
	case json.Unmarshal(raw, &conditions) != nil || conditions == nil:
		return nil, invalid("Invalid 'conditions' value: must be a List.")
	case len(conditions) > maxConditions:
		return nil, invalid("Too many conditions.")
	}
	for _, raw := range conditions {
		if err := p.add(raw); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add reads one condition.
func (p *Policy) add(raw json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		return p.addList(raw, list)
	}
	names, values, err := members(raw)
	if err != nil {
		return invalid("Invalid Simple-Condition: " + compact(raw))
	}
	if len(names) != 1 {
		return invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
	}
	value, ok := scalar(values[0])
	if !ok {
		return invalid("Invalid Simple-Condition: value must be a string.")
	}
	p.conditions = append(p.conditions, condition{field: strings.ToLower(names[0]), value: value, text: list3("eq", "$"+names[0], value)})
	return nil
}

// addList reads [operation, field, value].
func (p *Policy) addList(raw json.RawMessage, list []json.RawMessage) error {
	var operation string
	if len(list) == 0 || json.Unmarshal(list[0], &operation) != nil {
		return invalid("Invalid Condition: " + compact(raw))
	}
	operation = strings.ToLower(operation)
	if len(list) != 3 {
		return invalid("Invalid Condition: wrong number of arguments: " + compact(raw))
	}
	if operation == "content-length-range" {
		least, err1 := integer(list[1])
		most, err2 := integer(list[2])
		if err1 != nil || err2 != nil || least < 0 || most < least {
			return invalid("Invalid content-length-range: " + compact(raw))
		}
		p.Least, p.Most = max(p.Least, least), min(p.Most, most)
		return nil
	}
	if operation != "eq" && operation != "starts-with" {
		return invalid("Unknown condition operation: '" + operation + "'")
	}
	var field string
	value, ok := scalar(list[2])
	if json.Unmarshal(list[1], &field) != nil || !ok || !strings.HasPrefix(field, "$") {
		return invalid("Invalid Condition: " + compact(raw))
	}
	p.conditions = append(p.conditions, condition{prefix: operation == "starts-with", field: strings.ToLower(field[1:]), value: value, text: list3(operation, field, value)})
	return nil
}

// members reads an object with all its members, also those of the same name.
func members(raw json.RawMessage) (names []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, errors.New("no object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		names, values = append(names, name.(string)), append(values, value)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return names, values, nil
}

// scalar is the text of a string or a number.
func scalar(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil && !bytes.Equal(raw, []byte("null")) {
		return text, true
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil && number != "" {
		return number.String(), true
	}
	return "", false
}

// integer reads a number, which may be a text.
func integer(raw json.RawMessage) (n int64, err error) {
	text, ok := scalar(raw)
	if !ok {
		return 0, errors.New("no number")
	}
	_, err = fmt.Sscan(text, &n)
	if err == nil && fmt.Sprint(n) != text {
		err = errors.New("no whole number")
	}
	return n, err
}

// list3 is a condition as AWS's errors show it.
func list3(parts ...string) string {
	var out strings.Builder
	for i, part := range parts {
		if i > 0 {
			out.WriteString(", ")
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		_ = e.Encode(part) // a string always has a form
		out.WriteString(strings.TrimSuffix(text.String(), "\n"))
	}
	return "[" + out.String() + "]"
}

// compact keeps what a client sent fit for an error text.
func compact(raw json.RawMessage) string {
	const most = 256
	return string(raw[:min(len(raw), most)])
}

// exempt are the fields that no condition needs to name.
// AWS: and all that begin with x-ignore-.
var exempt = []string{"x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"}

func denied(why string) *fault.Fault {
	return refused(403, "AccessDenied", "Invalid according to Policy: "+why)
}

// Check compares a form with its policy. bucket is where it was posted to.
func (p *Policy) Check(f *Form, bucket string, now time.Time) error {
	if !now.Before(p.Expires) {
		return denied("Policy expired.")
	}
	for _, c := range p.conditions {
		value, ok := f.Fields[c.field]
		if c.field == "bucket" {
			value, ok = bucket, true
		}
		if !ok || !c.holds(value) {
			return denied("Policy Condition failed: " + c.text)
		}
	}
	for _, given := range append(slices.Clone(f.order), "bucket") { // AWS: the bucket is in every form
		name := strings.ToLower(given)
		if strings.HasPrefix(name, "x-ignore-") || slices.Contains(exempt, name) {
			continue
		}
		if !slices.ContainsFunc(p.conditions, func(c condition) bool { return c.field == name }) {
			return denied("Extra input fields: " + given)
		}
	}
	return nil
}

// holds compares a value. AWS: each one of a list of content types.
func (c *condition) holds(value string) bool {
	switch {
	case !c.prefix:
		return value == c.value
	case c.field == "content-type" && strings.Contains(value, ","):
		for _, one := range strings.Split(value, ",") {
			if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(value, c.value)
}

// redirect is the page that a browser is led to, if target is the address of one.
func redirect(target, bucket, key, etag string) (string, bool) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", false
	}
	told := "bucket=" + url.QueryEscape(bucket) + "&key=" + url.QueryEscape(key) + "&etag=" + url.QueryEscape(etag)
	if u.RawQuery != "" {
		told = u.RawQuery + "&" + told
	}
	u.RawQuery = told
	return u.String(), true
}
