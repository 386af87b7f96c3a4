package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// fixed is a clock that stands still.
type fixed time.Time

func (f fixed) Now() time.Time                                   { return time.Time(f) }
func (f fixed) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (f fixed) Timer(time.Duration) (<-chan time.Time, func() bool) { panic("not used") }

// received makes the request as net/http's server would read it off the wire.
func received(t testing.TB, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("read request: %v\n%s", err, raw)
	}
	return r
}

const (
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	s3Secret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// The requests and signatures of AWS's Signature Version 4 test suite
// (aws-sig-v4-test-suite: AKIDEXAMPLE, 20150830T123600Z, us-east-1, "service").
func TestVerifySignaturesOfTheTestSuite(t *testing.T) {
	at := fixed(time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
	tests := []struct {
		name, request, headers, signed, body, signature string
	}{
		{"get-vanilla", "GET /", "", "host;x-amz-date", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", "POST /", "", "host;x-amz-date", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1", "", "host;x-amz-date", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-vanilla-empty-query-key", "GET /?Param1=value1", "", "host;x-amz-date", "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{"get-unreserved", "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "host;x-amz-date", "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-relative", "GET /example/..", "", "host;x-amz-date", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-dot-slash", "GET /./", "", "host;x-amz-date", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slashes", "GET //example//", "", "host;x-amz-date", "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"get-header-key-duplicate", "GET /", "My-Header1: value2\r\nMy-Header1: value2\r\nMy-Header1: value1\r\n", "host;my-header1;x-amz-date", "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{"get-header-value-trim", "GET /", "My-Header1:  value1\r\nMy-Header2: \"a   b   c\"\r\n", "host;my-header1;my-header2;x-amz-date", "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"post-header-key-sort", "POST /", "My-Header1: value1\r\n", "host;my-header1;x-amz-date", "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{"post-x-www-form-urlencoded", "POST /", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n", "content-type;host;x-amz-date", "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := test.request + " HTTP/1.1\r\nHost: example.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\n" + test.headers +
				"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + test.signed +
				", Signature=" + test.signature + "\r\n\r\n" + test.body
			r := received(t, raw)
			claim, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if claim.AccessKeyID != "AKIDEXAMPLE" || claim.Region != "us-east-1" || claim.Service != "service" {
				t.Errorf("claim %+v", claim)
			}
			v := NewVerifier(at)
			for range 2 { // the second time with the cached key
				if err := v.Verify(r, &claim, suiteSecret, PayloadHash([]byte(test.body))); err != nil {
					t.Error(err)
				}
			}
			if err := v.Verify(r, &claim, suiteSecret+"x", PayloadHash([]byte(test.body))); err == nil {
				t.Error("another secret was accepted")
			}
			if err := v.Verify(r, &claim, suiteSecret, PayloadHash([]byte(test.body+"x"))); err == nil {
				t.Error("another body was accepted")
			}
		})
	}
}

// The examples of the S3 documentation: AKIAIOSFODNN7EXAMPLE, 20130524T000000Z.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func TestVerifyTheExamplesOfS3(t *testing.T) {
	const header = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
	tests := []struct{ name, raw, hash string }{
		{"get object", "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n" + header +
			"host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n" +
			"Range: bytes=0-9\r\nx-amz-content-sha256:" + emptyHash + "\r\nx-amz-date: 20130524T000000Z\r\n\r\n", emptyHash},
		{"list objects", "GET /?max-keys=2&prefix=J HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n" + header +
			"host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\r\n" +
			"x-amz-content-sha256:" + emptyHash + "\r\nx-amz-date: 20130524T000000Z\r\n\r\n", emptyHash},
		{"bucket lifecycle", "GET /?lifecycle HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n" + header +
			"host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\r\n" +
			"x-amz-content-sha256:" + emptyHash + "\r\nx-amz-date: 20130524T000000Z\r\n\r\n", emptyHash},
		{"put object with a dollar in its key", "PUT /test$file.text HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n" + header +
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\r\n" +
			"x-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\nx-amz-date: 20130524T000000Z\r\n\r\n",
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
		{"presigned", "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
			"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" +
			" HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n\r\n", UnsignedPayload},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := received(t, test.raw)
			claim, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if claim.PayloadHash != test.hash {
				t.Errorf("payload hash %q", claim.PayloadHash)
			}
			v := NewVerifier(fixed(time.Date(2013, 5, 24, 0, 10, 0, 0, time.UTC)))
			if err := v.Verify(r, &claim, s3Secret, claim.PayloadHash); err != nil {
				t.Error(err)
			}
			if err := v.Verify(r, &claim, "other", claim.PayloadHash); err == nil {
				t.Error("another secret was accepted")
			}
		})
	}
}

// chunkedExample is the example of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html: 66,560
// bytes 'a' in chunks of 64 KB.
func chunkedExample(t testing.TB) (*http.Request, Claim, string) {
	t.Helper()
	r := received(t, "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n"+
		"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 66560\r\nContent-Length: 66824\r\n\r\n")
	claim, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	return r, claim, body
}

func TestChunkedExampleOfS3(t *testing.T) {
	r, claim, body := chunkedExample(t)
	if len(body) != 66824 {
		t.Fatalf("the example has %d bytes", len(body))
	}
	v := NewVerifier(fixed(time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)))
	if err := v.Verify(r, &claim, s3Secret, claim.PayloadHash); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(NewBody(strings.NewReader(body), &claim, s3Secret))
	if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("a"), 66560)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// Unverified, as in development mode.
	if got, err := io.ReadAll(NewBody(strings.NewReader(strings.ReplaceAll(body, "b6c6", "0000")), &claim, "")); err != nil || len(got) != 66560 {
		t.Errorf("without a secret: %d bytes, %v", len(got), err)
	}
}

func TestChunkedBodyThatWasChangedIsRefused(t *testing.T) {
	_, claim, body := chunkedExample(t)
	tests := map[string]string{
		"a byte of data":       strings.Replace(body, "aaaa\r\n400", "aaab\r\n400", 1),
		"a chunk signature":    strings.Replace(body, "signature=0055", "signature=0056", 1),
		"the last signature":   strings.Replace(body, "signature=b6c6", "signature=b6c7", 1),
		"a chunk left out":     strings.Replace(body, "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"+strings.Repeat("a", 1024)+"\r\n", "", 1),
		"the last chunk gone":  body[:strings.LastIndex(body, "0;chunk")],
		"cut inside a chunk":   body[:70000-10000],
		"no chunk signature":   strings.Replace(body, ";chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", "", 1),
		"more than it says":    strings.Replace(body, "400;", "3ff;", 1),
		"size is no number":    strings.Replace(body, "400;", "x00;", 1),
		"size is negative":     strings.Replace(body, "400;", "-00;", 1),
		"data behind the last": body + "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
		"empty":                "",
		"a line without end":   strings.Repeat("0", maxChunkLine*8),
	}
	for name, changed := range tests {
		t.Run(name, func(t *testing.T) {
			if changed == body {
				t.Fatal("the test changes nothing")
			}
			if n, err := io.Copy(io.Discard, NewBody(strings.NewReader(changed), &claim, s3Secret)); err == nil {
				t.Errorf("accepted %d bytes", n)
			}
		})
	}
}

// trailed signs a body of two chunks and a trailer as the documentation says:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func trailed(c *Claim, secret, data, name, value string) string {
	key := signingKey(secret, c.Date, c.Region, c.Service)
	previous := c.signature
	scope := c.Date + "/" + c.Region + "/" + c.Service + "/aws4_request"
	next := func(kind, rest string) string {
		text := kind + "\n" + c.Time.Format(timeFormat) + "\n" + scope + "\n" + hexOf(previous) + "\n" + rest
		previous = sign(&key, []byte(text))
		return hexOf(previous)
	}
	var out strings.Builder
	for _, chunk := range []string{data, ""} {
		signature := next("AWS4-HMAC-SHA256-PAYLOAD", emptyHash+"\n"+PayloadHash([]byte(chunk)))
		out.WriteString(hexSize(len(chunk)) + ";chunk-signature=" + signature + "\r\n" + chunk)
		if chunk != "" {
			out.WriteString("\r\n")
		}
	}
	signature := next("AWS4-HMAC-SHA256-TRAILER", PayloadHash([]byte(name+":"+value+"\n")))
	return out.String() + name + ":" + value + "\r\nx-amz-trailer-signature:" + signature + "\r\n\r\n"
}

// The example of the page above: seed and trailer signature are AWS's.
func TestTrailerExampleOfS3(t *testing.T) {
	_, claim, _ := chunkedExample(t)
	claim.PayloadHash = StreamingPayloadTrailer
	decodeSeed(t, &claim, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
	a := func(n int) string { return strings.Repeat("a", n) }
	body := "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + a(65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + a(1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	b := NewBody(strings.NewReader(body), &claim, s3Secret)
	n, err := io.Copy(io.Discard, b)
	if err != nil || n != 66560 || b.Trailer().Get("x-amz-checksum-crc32c") != "sOO8/Q==" {
		t.Errorf("%d bytes, %v, trailer %v", n, err, b.Trailer())
	}
}

func TestTrailersAreVerified(t *testing.T) {
	_, claim, _ := chunkedExample(t)
	claim.PayloadHash = StreamingPayloadTrailer
	good := trailed(&claim, "secret", "some data", "x-amz-checksum-crc32", "AAAAAA==")
	b := NewBody(strings.NewReader(good), &claim, "secret")
	if data, err := io.ReadAll(b); err != nil || string(data) != "some data" || b.Trailer().Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
		t.Fatalf("%q, %v, %v", data, err, b.Trailer())
	}
	for _, bad := range []string{
		strings.Replace(good, "AAAAAA==", "AAAAAB==", 1),
		strings.Replace(good, "x-amz-trailer-signature", "x-amz-other", 1),
		strings.Replace(good, "x-amz-checksum-crc32:AAAAAA==\r\n", "", 1),
		good[:strings.Index(good, "x-amz-checksum")],
	} {
		if _, err := io.ReadAll(NewBody(strings.NewReader(bad), &claim, "secret")); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	claim.PayloadHash = StreamingUnsigned
	b = NewBody(strings.NewReader("9\r\nsome data\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), &claim, "secret")
	if data, err := io.ReadAll(b); err != nil || string(data) != "some data" || b.Trailer().Get("x-amz-checksum-crc32") != "AAAAAA==" {
		t.Errorf("unsigned: %q, %v, %v", data, err, b.Trailer())
	}
}

func TestHashedBodyIsCompared(t *testing.T) {
	claim := Claim{PayloadHash: PayloadHash([]byte("right"))}
	if data, err := io.ReadAll(Hashed(strings.NewReader("right"), &claim)); err != nil || string(data) != "right" {
		t.Errorf("%q, %v", data, err)
	}
	var refused *Error
	if _, err := io.ReadAll(Hashed(strings.NewReader("wrong"), &claim)); !errors.As(err, &refused) || refused.Kind != PayloadMismatch {
		t.Errorf("a wrong body: %v", err)
	}
}
