package arn

import "testing"

func TestParseRoundTrip(t *testing.T) {
	for _, s := range []string{
		"arn:aws:lambda:us-east-1:123456789012:function:my-function:PROD",
		"arn:aws:s3:::bucket/key:with:colons",
		"arn:aws:iam::123456789012:role/service-role/name",
	} {
		a, err := Parse(s)
		if err != nil {
			t.Fatalf("Parse(%q): %v", s, err)
		}
		if got := a.String(); got != s {
			t.Errorf("Parse(%q).String() = %q", s, got)
		}
	}
}

func TestParseRefusesWhatIsNoARN(t *testing.T) {
	for _, s := range []string{"", "arn", "arn:aws:lambda", "arn:aws:lambda:us-east-1:123456789012:", "urn:aws:s3:::b", "arn::s3:::b", "arn:aws::::b"} {
		if a, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", s, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:123456789012:function:f")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := Parse(s); err == nil && a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a.String())
		}
	})
}
