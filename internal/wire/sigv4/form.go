package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// Forms that web pages post to S3. What is signed is the policy, in base64 as it
// stands in the form; it says until when it is valid and what may be posted.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html,
// and of version 2, which boto3 makes by default,
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html

// missingField is the error of a form that has only a part of what a signature needs.
func missingField(name string) *Error {
	return &Error{FormField, name}
}

// ParseForm reads the signature of a form by its fields, whose names are in lower
// case. As with Parse the Kind is Missing for none.
func ParseForm(fields map[string]string) (Claim, error) {
	switch {
	case fields["x-amz-signature"] != "" || fields["x-amz-algorithm"] != "" || fields["x-amz-credential"] != "":
		return parseForm4(fields)
	case fields["signature"] != "" || fields["awsaccesskeyid"] != "":
		return parseForm2(fields)
	}
	return Claim{}, &Error{Missing, "Missing Authentication Token"}
}

func parseForm4(fields map[string]string) (Claim, error) {
	for _, need := range [][2]string{{"policy", "policy"}, {"x-amz-algorithm", "X-Amz-Algorithm"}, {"x-amz-credential", "X-Amz-Credential"}, {"x-amz-date", "X-Amz-Date"}, {"x-amz-signature", "X-Amz-Signature"}} {
		if fields[need[0]] == "" {
			return Claim{}, missingField(need[1])
		}
	}
	if got := fields["x-amz-algorithm"]; got != algorithm {
		return Claim{}, &Error{Unsupported, "Unsupported AWS 'algorithm': '" + printable(got) + "'."}
	}
	c := Claim{SessionToken: fields["x-amz-security-token"], PayloadHash: UnsignedPayload}
	var err error
	if c.Time, err = parseTime(fields["x-amz-date"]); err != nil {
		return Claim{}, &Error{BadQuery, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`}
	}
	return c.finish(BadQuery, fields["x-amz-credential"], fields["x-amz-signature"])
}

func parseForm2(fields map[string]string) (Claim, error) {
	for _, need := range [][2]string{{"policy", "policy"}, {"awsaccesskeyid", "AWSAccessKeyId"}, {"signature", "signature"}} {
		if fields[need[0]] == "" {
			return Claim{}, missingField(need[1])
		}
	}
	return Claim{
		AccessKeyID: fields["awsaccesskeyid"], SessionToken: fields["x-amz-security-token"], Region: version2Region, Service: "s3",
		PayloadHash: UnsignedPayload, version2: fields["signature"],
	}, nil
}

// VerifyForm checks that the policy of a form, as it stands there, was signed with secret.
func (c *Claim) VerifyForm(secret, policy string) error {
	var want, got string
	if c.version2 != "" {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(policy))
		want, got = base64.StdEncoding.EncodeToString(mac.Sum(nil)), c.version2
	} else {
		key := signingKey(secret, c.Date, c.Region, c.Service)
		signature := sign(&key, []byte(policy))
		want, got = hex.EncodeToString(signature[:]), hex.EncodeToString(c.signature[:])
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return errMismatch(c.Service)
	}
	return nil
}
