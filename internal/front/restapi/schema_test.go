package restapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

func modelled(schema string) *deployment {
	return newDeployment(here, &restapi.Snapshot{Definition: restapi.Definition{Models: map[string]*restapi.Model{"M": {Name: "M", Schema: schema, ContentType: "application/json"}}}})
}

// validates tells what a schema says of a body.
func validates(t *testing.T, d *deployment, body string) error {
	t.Helper()
	v, release, err := d.validator("M")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	value, err := readBody(body)
	if err != nil {
		return err
	}
	return v.validate(value)
}

// TestValidationsAreBounded: what is small and wants any amount of work is given up, and
// what is large and simple is not.
func TestValidationsAreBounded(t *testing.T) {
	var doubling []string
	for i := range 40 {
		doubling = append(doubling, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]}`, i, i+1, i+1))
	}
	deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	for name, c := range map[string]struct{ schema, body string }{
		"references that double":    {`{"definitions":{` + strings.Join(doubling, ",") + `,"d40":{}},"$ref":"#/definitions/d0"}`, "1"},
		"properties that double":    {`{"definitions":{"s":{"properties":{"a":{"allOf":[{"$ref":"#/definitions/s"},{"$ref":"#/definitions/s"}]}}}},"$ref":"#/definitions/s"}`, deep},
		"a long pattern and text":   {`{"pattern":"` + strings.Repeat("(x+x+)+", 200) + `y"}`, `"` + strings.Repeat("x", 1<<20) + `"`},
		"many patterns":             {`{"items":{"pattern":"(aab|aac|aad|aae|a)+(aab|aac|aad|aae|a)+g"}}`, `["` + strings.Repeat(strings.Repeat("a", 1000)+`","`, 9000) + `"]`},
		"many values":               {`{}`, "[" + strings.Repeat("1,", 1<<20) + "1]"},
		"a number of many digits":   {`{"type":"integer"}`, strings.Repeat("9", 1<<20)},
		"a number of a few":         {`{"type":"integer"}`, "1e999999"},
		"a small number of a few":   {`{"type":"integer"}`, "[1,-1E-999999]"},
		"a number behind zeros":     {`{"uniqueItems":true}`, "[1e000000000000000000000000000000000999]"},
		"a number behind a text":    {`{}`, `["a\"1",{"1e5":1e5000}]`},
		"an expression of a client": {`{"items":{"format":"regex"}}`, `["` + strings.Repeat("a{1000}", 1000) + `"]`},
	} {
		begun := time.Now()
		err := validates(t, modelled(c.schema), c.body)
		if name == "an expression of a client" {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		} else if !errors.Is(err, errCostly) {
			t.Errorf("%s: %.200s", name, fmt.Sprint(err))
		}
		t.Logf("%s: %v", name, time.Since(begun))
	}
	for name, c := range map[string]struct {
		schema, body string
		good         bool
	}{
		"a large list":       {`{"items":{"type":"string","pattern":"^[a-z]+$"}}`, `["` + strings.Repeat(`abcdefgh","`, 100_000) + `x"]`, true},
		"a large text":       {`{"pattern":"^[A-Za-z0-9+/=]*$"}`, `"` + strings.Repeat("QUJD", 1<<20) + `"`, true},
		"numbers":            {`{"items":{"type":"integer"}}`, `[1, -2, 3e2, 1e300, 12345678901234567890]`, true},
		"no number":          {`{"items":{"type":"integer"}}`, `[1.5]`, false},
		"digits in a text":   {`{"type":"string"}`, `"` + strings.Repeat("9", 1<<20) + `1e999999"`, true},
		"the next of a kind": {`{"type":"object","required":["a"]}`, `{"b":1}`, false},
	} {
		d := modelled(c.schema)
		for range 3 { // the same validator, again and again
			if err := validates(t, d, c.body); (err == nil) != c.good || errors.Is(err, errCostly) {
				t.Errorf("%s: %.200s", name, fmt.Sprint(err))
			}
		}
	}
}

// TestPatternsAreBounded: those that choose an answer, and those of tokens.
func TestPatternsAreBounded(t *testing.T) {
	d := modelled("")
	long := strings.Repeat("(a|b)+", 1000)
	if fits, err := d.fits(long, strings.Repeat("a", 1000)); err != nil || !fits {
		t.Errorf("%v %v", fits, err)
	}
	if fits, err := d.fits(long, strings.Repeat("a", 1<<20)); err == nil {
		t.Errorf("%v %v", fits, err)
	}
	if fits, err := d.fits(".*timed.out.*", "it\ntimed out"); err != nil || !fits {
		t.Errorf("%v %v", fits, err)
	}
	if _, err := d.fits(strings.Repeat("a{1000}", 20), "a"); err == nil {
		t.Error("an expression of 20,000 steps was compiled")
	}
}

// FuzzReadBody: what is read is JSON, and no number in it is long.
func FuzzReadBody(f *testing.F) {
	for _, body := range []string{`{"a":[1,-2.5e3,"x\"1e999"]}`, `1e401`, `"\\"`, `[`, `-`} {
		f.Add(body)
	}
	d := modelled(`{"definitions":{"n":{"type":["integer","object","array","string"],"uniqueItems":true,"multipleOf":0.5}},"$ref":"#/definitions/n"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if err := validates(t, d, body); err != nil {
			return
		}
	})
}
