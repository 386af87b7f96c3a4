package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// fakeS3 keeps the last object that was put.
type fakeS3 struct {
	key, body, metadata, tags string
	call                      wire.Call
}

func (f *fakeS3) service() *wire.Service {
	model := *s3api.Model // without operations that svc/s3 leaves out too
	model.Operations = slices.DeleteFunc(slices.Clone(model.Operations), func(op shape.Operation) bool { return op.Name != "PutObject" })
	return wire.NewService(&model, s3api.HandlePutObject(func(_ context.Context, call *wire.Call, in *s3api.PutObjectInput) (*s3api.PutObjectOutput, error) {
		body, err := io.ReadAll(call.Request.Body)
		if err != nil {
			return nil, err
		}
		f.key, f.body, f.metadata, f.call = *in.Bucket+"/"+*in.Key, string(body), in.Metadata["a"], *call
		if in.Tagging != nil {
			f.tags = *in.Tagging
		}
		return &s3api.PutObjectOutput{ETag: p(`"e"`), VersionId: p("v1")}, nil
	}))
}

// pageFields are the fields of a form with a policy that allows them, signed by creds
// as it is now; fields come in pairs.
func pageFields(creds *identity.Key, fields ...string) [][2]string {
	now := time.Now().UTC()
	all := [][2]string{
		{"x-amz-algorithm", "AWS4-HMAC-SHA256"}, {"x-amz-credential", creds.AccessKeyID + "/" + now.Format("20060102") + "/eu-west-1/s3/aws4_request"}, {"x-amz-date", now.Format("20060102T150405Z")},
	}
	for i := 0; i+1 < len(fields); i += 2 {
		all = append(all, [2]string{fields[i], fields[i+1]})
	}
	conditions := []string{`{"bucket": "photos"}`, `["content-length-range", 0, 10]`}
	for _, field := range all {
		conditions = append(conditions, `["starts-with", "$`+field[0]+`", ""]`)
	}
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "` + now.Add(time.Hour).Format(time.RFC3339) + `", "conditions": [` + strings.Join(conditions, ", ") + `]}`))
	return append(all, [2]string{"policy", policy}, [2]string{"x-amz-signature", signature(creds.Secret, now.Format("20060102"), policy)})
}

// signature is that of a policy.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
func signature(secret, day, policy string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, "eu-west-1", "s3", "aws4_request", policy} {
		key = hmacOf(key, part)
	}
	return hex.EncodeToString(key)
}

func hmacOf(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

// post sends a form.
func (s *platform) post(path, file string, fields [][2]string, header ...string) answer {
	s.t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, field := range fields {
		if err := w.WriteField(field[0], field[1]); err != nil {
			s.t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "a b.txt")
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.send(s.request("POST", path, out.Bytes(), append(header, "Content-Type", w.FormDataContentType())...))
}

func TestFormsArePutsWithTheCallersRights(t *testing.T) {
	fake := &fakeS3{}
	s := start(t, false, func(c *Config) { c.Services = append(c.Services, fake.service()) })
	s.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	key := &identity.Key{AccessKeyID: ada.AccessKeyID, Secret: ada.SecretAccessKey}
	got := s.post("/photos", "hello", pageFields(key, "key", "user/${filename}", "x-amz-meta-a", "1", "success_action_status", "201",
		"tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v w</Value></Tag></TagSet></Tagging>"))
	location := s.URL + "/photos/user%2Fa+b.txt"
	want := "<PostResponse><Location>" + location + "</Location><Bucket>photos</Bucket><Key>user/a b.txt</Key><ETag>&#34;e&#34;</ETag></PostResponse>"
	if got.status != 201 || !strings.HasSuffix(got.body, want) || got.header.Get("Location") != location || got.header.Get("Etag") != `"e"` || got.header.Get("X-Amz-Version-Id") != "v1" {
		t.Errorf("%+v", got)
	}
	if fake.key != "photos/user/a b.txt" || fake.body != "hello" || fake.metadata != "1" || fake.tags != "k=v+w" || fake.call.CallerARN != "arn:aws:iam::123456789012:user/ada" || !fake.call.Form {
		t.Errorf("%+v", fake)
	}
	if got := s.post("/", "hello", pageFields(key, "key", "k"), "Host", "photos.s3.localhost"); got.status != 204 || got.body != "" || fake.key != "photos/k" {
		t.Errorf("by the host: %+v, %s", got, fake.key)
	}
	if got := s.post("/photos/", "hello", pageFields(key, "key", "k", "success_action_redirect", "http://a.example/")); got.status != 303 || got.header.Get("Location") != "http://a.example/?bucket=photos&key=k&etag=%22e%22" {
		t.Errorf("a page to go to: %+v", got)
	}
}

// The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func TestFormsThatAreRefused(t *testing.T) {
	fake := &fakeS3{}
	s := start(t, false, func(c *Config) { c.Services = append(c.Services, fake.service()) })
	key := &identity.Key{AccessKeyID: ada.AccessKeyID, Secret: ada.SecretAccessKey}
	whole := func() [][2]string { return pageFields(key, "key", "k") }
	for name, test := range map[string]struct {
		path   string
		file   string
		fields [][2]string
		status int
		code   string
	}{
		"no signature":         {"/photos", "x", [][2]string{{"key", "k"}}, 403, "AccessDenied"},
		"a part of one":        {"/photos", "x", whole()[:4], 400, "InvalidArgument"},
		"another secret":       {"/photos", "x", pageFields(&identity.Key{AccessKeyID: ada.AccessKeyID, Secret: "a guess"}, "key", "k"), 403, "SignatureDoesNotMatch"},
		"an unknown key":       {"/photos", "x", pageFields(&identity.Key{AccessKeyID: "AKIANOBODY", Secret: "x"}, "key", "k"), 403, "InvalidAccessKeyId"},
		"a field too many":     {"/photos", "x", append(whole(), [2]string{"acl", "private"}), 403, "AccessDenied"},
		"another bucket":       {"/other", "x", whole(), 403, "AccessDenied"},
		"a file that is large": {"/photos", "more than ten", whole(), 400, "EntityTooLarge"},
		"no key":               {"/photos", "x", pageFields(key), 400, "InvalidArgument"},
		"an object":            {"/photos/k", "x", whole(), 405, "MethodNotAllowed"},
	} {
		if got := s.post(test.path, test.file, test.fields); got.status != test.status || !strings.Contains(got.body, "<Code>"+test.code+"</Code>") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if fake.key != "" {
		t.Errorf("%s was put", fake.key)
	}
}

// A bucket's CORS configuration lets pages in; without it a page of a stranger needs a
// signature that proves something.
func TestOriginsOfBuckets(t *testing.T) {
	rules := func(_ context.Context, bucket string, r *http.Request) (http.Header, error) {
		switch bucket {
		case "photos":
			if r.Header.Get("Origin") == "https://app.example" {
				return http.Header{"Access-Control-Allow-Origin": {"https://app.example"}}, nil
			}
			return nil, &fault.Fault{Code: "AccessForbidden", Message: "CORSResponse: no", Status: 403, Sender: true}
		case "open":
			return http.Header{"Access-Control-Allow-Origin": {"*"}}, nil
		}
		return nil, &fault.Fault{Code: "NoSuchBucket", Status: 404, Sender: true}
	}
	fake := &fakeS3{}
	s := start(t, true, func(c *Config) {
		c.Services, c.BucketOrigins, c.AllowedOrigins = append(c.Services, fake.service()), rules, []string{"https://console.example"}
	})
	for _, test := range []struct {
		what, method, path, origin string
		sign                       bool // by a key that is known
		status                     int
		allowed                    string
	}{
		{"named", "PUT", "/photos/k", "https://app.example", false, 200, "https://app.example"},
		{"a stranger", "PUT", "/photos/k", "https://evil.example", false, 403, ""},
		{"a stranger with a signature", "PUT", "/photos/k", "https://evil.example", true, 200, ""},
		{"everybody, unproven", "PUT", "/open/k", "https://evil.example", false, 403, "*"},
		{"everybody, proven", "PUT", "/open/k", "https://evil.example", true, 200, "*"},
		{"a local page", "PUT", "/photos/k", "http://localhost:3000", false, 200, ""},
		{"a configured page", "PUT", "/photos/k", "https://console.example", false, 200, "https://console.example"},
	} {
		creds := tester
		if test.sign {
			creds = ada
		}
		if got := s.call(creds, "s3", test.method, test.path, []byte("x"), "Origin", test.origin); got.status != test.status || got.header.Get("Access-Control-Allow-Origin") != test.allowed {
			t.Errorf("%s: %+v", test.what, got)
		}
	}
	for _, test := range []struct {
		path, host, origin string
		status             int
		text               string
	}{
		{"/photos/k", "localhost", "https://app.example", 200, ""},
		{"/k", "photos.localhost", "https://app.example", 200, ""},
		{"/photos/k", "localhost", "https://evil.example", 403, "<Code>AccessForbidden</Code><Message>CORSResponse: no</Message>"},
		{"/photos/k", "localhost", "https://console.example", 204, ""},
		{"/none/k", "s3.localhost", "https://app.example", 403, "<Message>CORSResponse: Bucket not found</Message>"},
		{"/none/k", "localhost", "http://localhost:3000", 204, ""}, // no bucket: it may be for another service
		{invoke, "localhost", "http://localhost:3000", 204, ""},
	} {
		got := s.send(s.request("OPTIONS", test.path, nil, "Host", test.host, "Origin", test.origin, "Access-Control-Request-Method", "PUT"))
		if got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "required for all requests"
func TestRequestsToS3StateTheHashOfTheirPayload(t *testing.T) {
	s := start(t, false, func(c *Config) { c.Services = append(c.Services, (&fakeS3{}).service()) })
	r := sign(s.request("PUT", "/b/k", []byte("x")), ada, "s3", []byte("x"))
	r.Header.Del("X-Amz-Content-Sha256")
	if got := s.send(r); got.status != 400 || !strings.Contains(got.body, "<Code>InvalidRequest</Code><Message>Missing required header for this request: x-amz-content-sha256</Message>") {
		t.Errorf("%+v", got)
	}
}
