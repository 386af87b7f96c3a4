package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func modelled(schema string) *Models {
	return of(map[string]string{"M": schema})
}

func of(models map[string]string) *Models {
	return &Models{Text: func(name string) string { return models[name] }}
}

// validates tells what a schema says of a body.
func validates(t *testing.T, d *Models, body string) error {
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

func TestModelsReadModelsOnly(t *testing.T) {
	m := of(map[string]string{"File": `{"$ref":"file:///etc/passwd"}`, "Loop": `{"$ref":"#/definitions/Loop"}`})
	if _, err := m.Validate("File", "1"); err == nil {
		t.Error("a schema was read from a file")
	}
	// It must end, whatever it says.
	_, _ = m.Validate("Loop", "1")
	if lacks, err := m.Validate("none", "no JSON"); lacks != "" || err != nil {
		t.Errorf("a model that is not there takes all: %s, %v", lacks, err)
	}
}
