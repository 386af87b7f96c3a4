package function

import (
	"regexp"
	"strings"
	"testing"
)

func TestParseTargetReadsEveryForm(t *testing.T) {
	other := Scope{Account: "123456789012", Region: here.Region}
	for _, c := range []struct {
		name, qualifier string
		want            Target
	}{
		{"my-function", "", Target{here, "my-function", ""}},
		{"my-function", "3", Target{here, "my-function", "3"}},
		{"my-function:live", "", Target{here, "my-function", "live"}},
		{"my-function:live", "live", Target{here, "my-function", "live"}},
		{"my-function:$LATEST", "", Target{here, "my-function", Latest}},
		{"function:my-function", "", Target{here, "my-function", ""}},
		{"function:my-function:7", "", Target{here, "my-function", "7"}},
		{"123456789012:function:my_Function", "", Target{other, "my_Function", ""}},
		{"123456789012:my_Function", "", Target{other, "my_Function", ""}},
		{"us-east-1:123456789012:function:f:1", "", Target{other, "f", "1"}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f", "", Target{other, "f", ""}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f:live", "", Target{other, "f", "live"}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f", "2", Target{other, "f", "2"}},
		{strings.Repeat("a", 64), "", Target{here, strings.Repeat("a", 64), ""}},
	} {
		got, err := ParseTarget(here, c.name, c.qualifier)
		if err != nil || got != c.want {
			t.Errorf("ParseTarget(%q, %q) = %+v, %v", c.name, c.qualifier, got, err)
		}
	}
}

// The texts are recorded AWS replies.
func TestParseTargetRefuses(t *testing.T) {
	pattern := `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	for _, name := range []string{"invalid:function:name", "", "a b", "f:", "f:a$b", "../f", "f\n", "arn:aws:lambda:us-east-1:123456789012:layer:f:1", "arn:aws:sqs:us-east-1:123456789012:f"} {
		_, err := ParseTarget(here, name, "")
		wantError[*ValidationError](t, err, "1 validation error detected: Value '"+name+"' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "+pattern)
	}
	long := strings.Repeat("a", 65)
	_, err := ParseTarget(here, long, "")
	wantError[*InvalidError](t, err, "1 validation error detected: Value '"+long+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64")
	veryLong := "arn:aws:lambda:us-east-1:123456789012:function:" + strings.Repeat("a", 100)
	_, err = ParseTarget(here, veryLong, "")
	wantError[*ValidationError](t, err, "1 validation error detected: Value '"+veryLong+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140")
	_, err = ParseTarget(here, "f:live", "1")
	wantError[*InvalidError](t, err, "The derived qualifier from the function name does not match the specified qualifier.")
	_, err = ParseTarget(here, "arn:aws:lambda:ap-southeast-1:123456789012:function:f", "")
	wantError[*NotFoundError](t, err, "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')")
}

// FuzzParseTarget compares with the pattern that AWS publishes, and wants an
// accepted name to survive as an ARN.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"f", "f:1", "function:f", "123456789012:function:f:$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:f", "a:b:c", "us-east-1:f", ""} {
		f.Add(seed, "")
		f.Add(seed, "1")
	}
	published := regexp.MustCompile(`^(?:` + functionNameShape + `)$`)
	f.Fuzz(func(t *testing.T, name, qualifier string) {
		got, err := ParseTarget(here, name, qualifier)
		if err != nil {
			return
		}
		if !published.MatchString(name) {
			t.Fatalf("%q is accepted, but not by AWS's pattern", name)
		}
		if !isPlainName(got.Name) || len(got.Scope.Account) != 12 || got.Scope.Region != here.Region {
			t.Fatalf("%q gives %+v", name, got)
		}
		again, err := ParseTarget(here, got.FunctionARN(), got.Qualifier)
		if len(got.FunctionARN()) <= maxNameOrARN && (err != nil || again != got) {
			t.Fatalf("%q gives %+v, whose ARN gives %+v, %v", name, got, again, err)
		}
	})
}

func TestParseLayer(t *testing.T) {
	other := Scope{Account: "123456789012", Region: "eu-west-1"}
	got, err := ParseLayer(here, "numpy", 3)
	if want := (LayerTarget{here, "numpy", 3}); err != nil || got != want || got.ARN() != layerARN("numpy:3") {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = ParseLayer(here, "arn:aws:lambda:eu-west-1:123456789012:layer:numpy", 0)
	if want := (LayerTarget{other, "numpy", 0}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = ParseLayer(here, "numpy", -1)
	wantError[*InvalidError](t, err, "Layer Version Cannot be less than 1")
	for _, name := range []string{"", "a b", "a:1", "arn:aws:lambda:eu-west-1:123456789012:layer:numpy:1", "arn:aws:lambda:eu-west-1:1:layer:numpy"} {
		if _, err := ParseLayer(here, name, 1); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	got, err = ParseLayerARN("arn:aws:lambda:eu-west-1:123456789012:layer:numpy:12")
	if want := (LayerTarget{other, "numpy", 12}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, name := range []string{"numpy:1", "arn:aws:lambda:eu-west-1:123456789012:layer:numpy", "arn:aws:lambda:eu-west-1:123456789012:layer:numpy:x", "arn:aws:lambda:eu-west-1:123456789012:layer:numpy:0", "arn:aws:lambda:eu-west-1:123456789012:layer:numpy:99999999999999999999"} {
		if _, err := ParseLayerARN(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestVersionNumber(t *testing.T) {
	for qualifier, want := range map[string]int64{"": 0, Latest: 0, "1": 1, "42": 42} {
		if n, ok := versionNumber(qualifier); !ok || n != want {
			t.Errorf("%q is %d, %v", qualifier, n, ok)
		}
	}
	for _, qualifier := range []string{"0", "-1", "+1", "01", "1.0", "live", "9223372036854775808"} {
		if n, ok := versionNumber(qualifier); ok {
			t.Errorf("%q is the version %d", qualifier, n)
		}
	}
}
