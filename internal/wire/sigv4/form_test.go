package sigv4

import (
	"errors"
	"maps"
	"testing"
	"time"
)

// The example of AWS's documentation, with its policy and its signature.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
const (
	examplePolicy    = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	exampleSecret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleSignature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
)

func exampleForm() map[string]string {
	return map[string]string{
		"policy": examplePolicy, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
		"x-amz-date": "20151229T000000Z", "x-amz-signature": exampleSignature,
	}
}

func TestSignatureOfTheDocumentedForm(t *testing.T) {
	c, err := ParseForm(exampleForm())
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || c.Region != "us-east-1" || !c.Time.Equal(time.Date(2015, 12, 29, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("claim %+v", c)
	}
	if err := c.VerifyForm(exampleSecret, examplePolicy); err != nil {
		t.Error(err)
	}
	for name, try := range map[string][2]string{"another secret": {"x", examplePolicy}, "another policy": {exampleSecret, examplePolicy + "A"}} {
		if err := c.VerifyForm(try[0], try[1]); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// The signature is what botocore's HmacV1PostAuth makes of that policy.
func TestFormOfVersion2(t *testing.T) {
	c, err := ParseForm(map[string]string{"policy": "e30=", "awsaccesskeyid": "AKID", "signature": "3KeROaoASbxgUSU+Qu1QG4MqvzI="})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.VerifyForm("secret", "e30="); err != nil {
		t.Error(err)
	}
	if c.VerifyForm("other", "e30=") == nil {
		t.Error("another secret is accepted")
	}
}

func TestFormsWithoutAWholeSignature(t *testing.T) {
	for field, want := range map[string]string{"policy": "policy", "x-amz-date": "X-Amz-Date", "x-amz-signature": "X-Amz-Signature", "x-amz-credential": "X-Amz-Credential", "x-amz-algorithm": "X-Amz-Algorithm"} {
		fields := maps.Clone(exampleForm())
		delete(fields, field)
		var refused *Error
		if _, err := ParseForm(fields); !errors.As(err, &refused) || refused.Kind != FormField || refused.Message != want {
			t.Errorf("without %s: %v", field, err)
		}
	}
	var refused *Error
	if _, err := ParseForm(map[string]string{"key": "k"}); !errors.As(err, &refused) || refused.Kind != Missing {
		t.Errorf("no signature: %v", err)
	}
	if _, err := ParseForm(map[string]string{"policy": "e30=", "signature": "x"}); !errors.As(err, &refused) || refused.Kind != FormField || refused.Message != "AWSAccessKeyId" {
		t.Errorf("no key: %v", err)
	}
}
