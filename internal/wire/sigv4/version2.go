package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Presigned URLs of signature version 2, which boto3 still makes for S3 unless it is
// told otherwise.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html; it takes
// them in its older regions only, here all do.

// version2Region is the region of a request that does not tell one.
const version2Region = "us-east-1"

// presigned2 tells whether the query is one of version 2.
func presigned2(raw string) bool {
	return strings.Contains(raw, "AWSAccessKeyId=") && strings.Contains(raw, "Signature=")
}

// parseQuery2 reads the claim of a URL of version 2.
func parseQuery2(r *http.Request) (Claim, error) {
	raw := r.URL.RawQuery
	c := Claim{
		AccessKeyID: queryValue(raw, "AWSAccessKeyId"), SessionToken: queryValue(raw, "x-amz-security-token"), Region: version2Region, Service: "s3",
		Presigned: true, PayloadHash: UnsignedPayload, version2: queryValue(raw, "Signature"),
	}
	seconds, err := strconv.ParseInt(queryValue(raw, "Expires"), 10, 64)
	if c.AccessKeyID == "" || c.version2 == "" || err != nil {
		return c, &Error{Incomplete, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"}
	}
	c.Time = time.Unix(min(max(seconds, 0), latestExpiry), 0)
	return c, nil
}

// latestExpiry keeps the times of claims in the range of time.Time.
const latestExpiry = 1 << 40

// verify2 checks a claim of version 2; bucket is the one that the host names, or "".
func (c *Claim) verify2(r *http.Request, secret, bucket string, now time.Time) error {
	if now.After(c.Time) {
		return &Error{Expired, "Request has expired"}
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(c.message2(r, bucket)))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(c.version2)) != 1 {
		return errMismatch(c.Service)
	}
	return nil
}

// signedParameters are part of the resource that is signed.
var signedParameters = []string{
	"accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "encryption", "inventory", "lifecycle", "location", "logging", "metrics", "notification",
	"object-lock", "ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "response-cache-control",
	"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore", "retention",
	"select", "select-type", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// message2 is the text that is signed.
func (c *Claim) message2(r *http.Request, bucket string) string {
	var out strings.Builder
	out.WriteString(r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + strconv.FormatInt(c.Time.Unix(), 10) + "\n")
	var headers []string
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			trimmed := make([]string, len(values))
			for i, value := range values {
				trimmed[i] = strings.TrimSpace(value)
			}
			headers = append(headers, name+":"+strings.Join(trimmed, ",")+"\n")
		}
	}
	if c.SessionToken != "" && r.Header.Get("X-Amz-Security-Token") == "" {
		headers = append(headers, "x-amz-security-token:"+c.SessionToken+"\n")
	}
	slices.Sort(headers)
	out.WriteString(strings.Join(headers, ""))
	if bucket != "" {
		out.WriteString("/" + bucket)
	}
	out.WriteString(wirePath(r))
	out.WriteString(resource2(r.URL.RawQuery))
	return out.String()
}

// resource2 is the part of the query that is signed.
func resource2(raw string) string {
	var parts []string
	for rest, more := raw, raw != ""; more; {
		var part string
		part, rest, more = strings.Cut(rest, "&")
		name, value, valued := strings.Cut(part, "=")
		if !slices.Contains(signedParameters, name) {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		if valued && value != "" {
			name += "=" + value
		}
		parts = append(parts, name)
	}
	if parts == nil {
		return ""
	}
	slices.Sort(parts)
	return "?" + strings.Join(parts, "&")
}
