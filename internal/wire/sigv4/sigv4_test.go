package sigv4

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func hexOf(b [32]byte) string { return hex.EncodeToString(b[:]) }
func hexSize(n int) string    { return strconv.FormatInt(int64(n), 16) }

func decodeSeed(t testing.TB, c *Claim, text string) {
	t.Helper()
	if err := decodeSignature(&c.signature, text); err != nil {
		t.Fatal(err)
	}
}

var (
	noon     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sdkCreds = aws.Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "secret/+key", SessionToken: "token+/=="}
	ourCreds = Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "secret/+key", SessionToken: "token+/=="}
)

// overTheWire sends a request through its bytes, as a server would see it.
func overTheWire(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		t.Fatal(err)
	}
	return received(t, raw.String())
}

// targets are paths and queries that clients encode in different ways.
var targets = []string{
	"/",
	"/2015-03-31/functions/name/invocations",
	"/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations?Qualifier=%24LATEST",
	"/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:f?tagKeys=b&tagKeys=a&tagKeys=a%20b",
	"/a%2Fb/c%20d/e+f/%C3%A4?x=%2F%2B+&y&z=",
	"/with//double/./and/../dots/",
	"/ümlaut?ü=ß",
	"/k(1)!*'?prefix=a/b&list-type=2",
	"/?a=b=c&A=1&a-b=2&a.b=3",
}

func TestRequestsSignedByTheSDKVerify(t *testing.T) {
	for _, service := range []string{"lambda", "s3"} {
		for _, target := range targets {
			t.Run(service+" "+target, func(t *testing.T) {
				body := []byte(`{"some": "body"}`)
				r, err := http.NewRequestWithContext(t.Context(), "POST", "http://lambda.us-east-1.localhost:4566"+target, bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("X-Amz-Client-Context", "  two  blanks ")
				hash := PayloadHash(body)
				if service == "s3" {
					r.Header.Set("X-Amz-Content-Sha256", hash)
				}
				err = v4.NewSigner().SignHTTP(t.Context(), sdkCreds, r, hash, service, "us-east-1", noon, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
				if err != nil {
					t.Fatal(err)
				}
				r = overTheWire(t, r)
				claim, err := Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if claim.SessionToken != sdkCreds.SessionToken || claim.Presigned {
					t.Errorf("claim %+v", claim)
				}
				v := NewVerifier(fixed(noon.Add(4 * time.Minute)))
				if err := v.Verify(r, &claim, sdkCreds.SecretAccessKey, hash); err != nil {
					t.Error(err)
				}
				r.Header.Set("X-Amz-Client-Context", "another")
				if err := v.Verify(r, &claim, sdkCreds.SecretAccessKey, hash); err == nil {
					t.Error("a changed header was accepted")
				}
			})
		}
	}
}

func TestRequestsPresignedByTheSDKVerify(t *testing.T) {
	for _, service := range []string{"sts", "s3"} {
		for _, target := range targets {
			t.Run(service+" "+target, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:4566"+target, nil)
				if err != nil {
					t.Fatal(err)
				}
				query := r.URL.Query()
				query.Set("X-Amz-Expires", "60")
				r.URL.RawQuery = query.Encode()
				hash := PayloadHash(nil)
				if service == "s3" {
					hash = UnsignedPayload
				}
				uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), sdkCreds, r, hash, service, "us-east-1", noon, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
				if err != nil {
					t.Fatal(err)
				}
				u, err := url.Parse(uri)
				if err != nil {
					t.Fatal(err)
				}
				r = overTheWire(t, &http.Request{Method: "GET", URL: u, Header: http.Header{}})
				claim, err := Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if !claim.Presigned || claim.Expires != time.Minute || claim.SessionToken != sdkCreds.SessionToken {
					t.Errorf("claim %+v", claim)
				}
				if err := NewVerifier(fixed(noon.Add(59*time.Second))).Verify(r, &claim, sdkCreds.SecretAccessKey, hash); err != nil {
					t.Error(err)
				}
				if err := NewVerifier(fixed(noon.Add(61*time.Second))).Verify(r, &claim, sdkCreds.SecretAccessKey, hash); err == nil {
					t.Error("an expired request was accepted")
				}
			})
		}
	}
}

func TestOurSignatureIsTheSDKs(t *testing.T) {
	for _, service := range []string{"lambda", "s3"} {
		for _, target := range targets {
			make := func() *http.Request {
				r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://127.0.0.1:4566"+target, strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "text/plain")
				r.ContentLength = -1 // the SDK signs a known length, we need not
				return r
			}
			hash := PayloadHash([]byte("body"))
			ours, theirs := make(), make()
			if service == "s3" {
				theirs.Header.Set("X-Amz-Content-Sha256", hash)
			}
			Sign(ours, ourCreds, service, "eu-west-1", noon, hash)
			err := v4.NewSigner().SignHTTP(t.Context(), sdkCreds, theirs, hash, service, "eu-west-1", noon, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
				t.Errorf("%s %s:\ngot  %s\nwant %s", service, target, got, want)
			}
		}
	}
}

func TestSignWorksOnARequestWithoutHost(t *testing.T) {
	r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "127.0.0.1:4566", Path: "/a b"}, Header: http.Header{}}
	Sign(r, ourCreds, "lambda", "us-east-1", noon, PayloadHash(nil))
	if r.Host != "" {
		t.Errorf("Host became %q", r.Host)
	}
	r = overTheWire(t, r)
	claim, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := NewVerifier(fixed(noon)).Verify(r, &claim, ourCreds.SecretAccessKey, PayloadHash(nil)); err != nil {
		t.Error(err)
	}
}

// signed is a valid Lambda request of noon.
func signed(t testing.TB) *http.Request {
	r := received(t, "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: 127.0.0.1:4566\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	Sign(r, Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "secret"}, "lambda", "us-east-1", noon, PayloadHash([]byte("{}")))
	return r
}

func TestRefusalsHaveAWSTexts(t *testing.T) {
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			before := r.Header.Get("Authorization")
			after := strings.Replace(before, old, new, 1)
			if after == before {
				t.Errorf("%q is not in %q", old, before)
			}
			r.Header.Set("Authorization", after)
		}
	}
	tests := []struct {
		name    string
		now     time.Duration // after noon
		change  func(*http.Request)
		kind    Kind
		message string
	}{
		{"no signature", 0, func(r *http.Request) { r.Header.Del("Authorization") }, Missing, "Missing Authentication Token"},
		{"basic auth", 0, func(r *http.Request) { r.Header.Set("Authorization", "Basic dGVzdDp0ZXN0") }, Incomplete,
			"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"nothing but the algorithm", 0, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 "); r.Header.Del("X-Amz-Date") }, Incomplete,
			"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"no equal sign", 0, edit("Signature=", "Signature"), Incomplete, "Invalid key=value pair (missing equal-sign) in Authorization header."},
		{"another algorithm", 0, edit("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), Unsupported, "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."},
		{"short credential", 0, edit("/us-east-1", ""), Incomplete,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIATEST/20260301/lambda/aws4_request'"},
		{"long credential", 0, edit("/us-east-1", "/us/east/1"), Incomplete,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIATEST/20260301/us/east/1/lambda/aws4_request'"},
		{"region", 0, edit("us-east-1", "US_EAST"), Mismatch, "Credential should be scoped to a valid region, not 'US_EAST'."},
		{"terminator", 0, edit("aws4_request", "aws5_request"), Mismatch, "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"date of the scope", 0, edit("20260301", "20260302"), Mismatch,
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260302' != '20260301', from '20260301T120000Z'."},
		{"date", 0, func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, Incomplete,
			"Date must be in ISO-8601 'basic format'. Got 'yesterday'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"host not signed", 0, edit("host;", ""), Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"expired", 10 * time.Minute, nil, Mismatch,
			"Signature expired: 20260301T120000Z is now earlier than 20260301T120500Z (20260301T121000Z - 5 min.)"},
		{"from the future", -10 * time.Minute, nil, Mismatch,
			"Signature not yet current: 20260301T120000Z is still later than 20260301T115500Z (20260301T115000Z + 5 min.)"},
		{"signature", 0, edit("Signature=", "Signature=00"), Mismatch,
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{"a header that is not there", 0, edit("host;", "host;x-amz-absent;"), Mismatch,
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{"another host", 0, func(r *http.Request) { r.Host = "other" }, Mismatch,
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{"two ways at once", 0, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, Incomplete,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := signed(t)
			if test.change != nil {
				test.change(r)
			}
			claim, err := Parse(r)
			if err == nil {
				err = NewVerifier(fixed(noon.Add(test.now))).Verify(r, &claim, "secret", PayloadHash([]byte("{}")))
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Kind != test.kind || refused.Message != test.message {
				t.Errorf("got  %v\nwant %s", err, test.message)
			}
		})
	}
}

func TestS3RefusesUnsignedHeadersAndOldRequests(t *testing.T) {
	sign := func() *http.Request {
		r := received(t, "GET /bucket/key HTTP/1.1\r\nHost: 127.0.0.1:4566\r\n\r\n")
		Sign(r, ourCreds, "s3", "us-east-1", noon, PayloadHash(nil))
		return r
	}
	verify := func(r *http.Request, now time.Time) error {
		claim, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		return NewVerifier(fixed(now)).Verify(r, &claim, ourCreds.SecretAccessKey, PayloadHash(nil))
	}
	var refused *Error
	if err := verify(sign(), noon.Add(14*time.Minute)); err != nil {
		t.Errorf("14 minutes: %v", err)
	}
	if err := verify(sign(), noon.Add(16*time.Minute)); !errors.As(err, &refused) || refused.Kind != Skewed {
		t.Errorf("16 minutes: %v", err)
	}
	r := sign()
	r.Header.Set("X-Amz-Acl", "public-read")
	if err := verify(r, noon); !errors.As(err, &refused) || refused.Kind != HeadersNotSigned {
		t.Errorf("an unsigned header: %v", err)
	}
}

func TestPresignedParametersAreChecked(t *testing.T) {
	const good = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260301%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260301T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="
	signature := strings.Repeat("0", 64)
	for _, test := range []struct{ old, new, message string }{
		{"Expires=60", "Expires=-1", "X-Amz-Expires must be non-negative"},
		{"Expires=60", "Expires=604801", "X-Amz-Expires must be less than a week"},
		{"Expires=60", "Expires=soon", "X-Amz-Expires should be a number"},
		{"X-Amz-Date=20260301T120000Z&", "", "Query-string authentication version 4 requires"},
		{"20260301T120000Z", "2026-03-01", "X-Amz-Date must be in the ISO8601 Long Format"},
		{"HMAC-SHA256", "HMAC-MD5", "Unsupported AWS 'algorithm'"},
		{"%2Fs3", "", "Credential must have exactly 5 slash-delimited elements"},
		{"SignedHeaders=host", "SignedHeaders=%zz", "Query-string authentication version 4 requires"},
	} {
		raw := strings.Replace(good, test.old, test.new, 1) + signature
		_, err := Parse(&http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: raw}, Header: http.Header{}})
		if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: got %v, want %s", test.new, err, test.message)
		}
	}
}

func TestKeyCacheIsBoundedAndHoldsOnlyProvenKeys(t *testing.T) {
	v := NewVerifier(fixed(noon))
	r := signed(t)
	claim, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(r, &claim, "wrong", PayloadHash([]byte("{}"))); err == nil {
		t.Fatal("a wrong secret was accepted")
	}
	if len(v.keys.keys) != 0 {
		t.Error("the key of a refused request was cached")
	}
	for i := range 2*maxCachedKeys + 1 {
		claim.Service = strconv.Itoa(i)
		v.keys.put("secret", &claim, [32]byte{})
	}
	if n := len(v.keys.keys); n > maxCachedKeys {
		t.Errorf("%d keys cached, bound %d", n, maxCachedKeys)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIATEST/20260301/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), "20260301T120000Z", "/a?b=c", "")
	f.Add("", "", "/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260301%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260301T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64))
	f.Add("AWS4-HMAC-SHA256 =,=,,", "Sun, 01 Mar 2026 12:00:00 GMT", "/%zz", "%=%&;")
	f.Fuzz(func(t *testing.T, authorization, date, path, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawPath: path, RawQuery: query}, Host: "h", Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}}}
		claim, err := Parse(r)
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) || refused.Kind == 0 || refused.Message == "" {
				t.Errorf("Parse: %#v", err)
			}
			return
		}
		if !validRegion(claim.Region) || claim.Date != claim.Time.Format(dateFormat) {
			t.Errorf("a bad scope was accepted: %+v", claim)
		}
		if err := NewVerifier(fixed(claim.Time)).Verify(r, &claim, "secret", emptyHash); err == nil {
			t.Errorf("a signature was guessed: %+v", claim)
		}
	})
}

func FuzzBody(f *testing.F) {
	_, claim, body := chunkedExample(f)
	f.Add(body[strings.Index(body, "400;"):], uint8(0))
	f.Add("9\r\nsome data\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", uint8(2))
	f.Add("0\r\n\r\n", uint8(1))
	f.Fuzz(func(t *testing.T, body string, kind uint8) {
		claim := claim
		claim.PayloadHash = []string{StreamingPayload, StreamingPayloadTrailer, StreamingUnsigned}[kind%3]
		secret := ""
		if kind >= 128 {
			secret = "secret"
		}
		data, err := io.ReadAll(NewBody(strings.NewReader(body), &claim, secret))
		if len(data) > len(body) {
			t.Errorf("%d bytes out of %d", len(data), len(body))
		}
		if err == nil && secret != "" && claim.PayloadHash != StreamingUnsigned {
			t.Errorf("a chunk signature was guessed: %q", body)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := signed(b)
	v := NewVerifier(fixed(noon))
	b.ReportAllocs()
	for b.Loop() {
		claim, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := v.Verify(r, &claim, "secret", PayloadHash([]byte("{}"))); err != nil {
			b.Fatal(err)
		}
	}
}

// The example of query string authentication.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
func TestPresignedURLOfVersion2(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	const query = "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires="
	try := func(path, expires string, now int64) error {
		r, err := http.NewRequest("GET", "http://johnsmith.s3.amazonaws.com"+path+query+expires, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(r)
		if err != nil {
			return err
		}
		if c.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || c.Service != "s3" || !c.Presigned {
			t.Errorf("%+v", c)
		}
		return c.verify2(r, secret, "johnsmith", time.Unix(now, 0))
	}
	if err := try("/photos/puppy.jpg", "1175139620", 1175139620); err != nil {
		t.Error(err)
	}
	for _, bad := range []struct {
		path, expires string
		now           int64
		kind          Kind
	}{
		{"/photos/puppy.jpg", "1175139620", 1175139621, Expired}, {"/photos/kitten.jpg", "1175139620", 0, Mismatch},
		{"/photos/puppy.jpg", "1175139621", 0, Mismatch}, {"/photos/puppy.jpg", "soon", 0, Incomplete}, {"/photos/puppy.jpg", "99999999999999999999", 0, Incomplete},
	} {
		var refused *Error
		if err := try(bad.path, bad.expires, bad.now); !errors.As(err, &refused) || refused.Kind != bad.kind {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
