package postform

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// written is a form with those fields, in pairs, and a file.
func written(t testing.TB, file string, fields ...string) (string, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "photo.jpg")
	if err == nil {
		_, err = part.Write([]byte(file))
	}
	if err == nil {
		err = w.WriteField("submit", "behind the file")
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &out
}

func read(t testing.TB, fields ...string) *Form {
	t.Helper()
	kind, body := written(t, "hello", fields...)
	f, err := Read(kind, body)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func encoded(policy string) string { return base64.StdEncoding.EncodeToString([]byte(policy)) }

func code(err error) string {
	if f := fault.From(err); f != nil {
		return f.Code
	}
	return ""
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
func TestFieldsAndFile(t *testing.T) {
	f := read(t, "Key", "user/${filename}", "X-Amz-Meta-Tag", "", "key", "the first one counts")
	if f.Fields["key"] != "user/photo.jpg" || f.Filename != "photo.jpg" {
		t.Errorf("fields %v", f.Fields)
	}
	if _, behind := f.Fields["submit"]; behind {
		t.Error("a field behind the file was read")
	}
	if file, err := io.ReadAll(f.File); err != nil || string(file) != "hello" {
		t.Errorf("file %q, %v", file, err)
	}
}

func TestFormsThatCannotBeRead(t *testing.T) {
	kind, whole := written(t, strings.Repeat("x", 1<<20), "key", "k")
	for name, test := range map[string]struct{ kind, body, code string }{
		"no boundary":   {"multipart/form-data", whole.String(), "MalformedPOSTRequest"},
		"another shape": {kind, "hello", "MalformedPOSTRequest"},
		"no file":       {kind, "--" + strings.TrimPrefix(kind, "multipart/form-data; boundary=") + "--\r\n", "IncorrectNumberOfFilesInPostRequest"},
	} {
		if _, err := Read(test.kind, strings.NewReader(test.body)); code(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	kind, long := written(t, "", "key", "k", "x-amz-meta-long", strings.Repeat("x", maxFieldBytes))
	if _, err := Read(kind, long); code(err) != "MaxPostPreDataLengthExceededError" {
		t.Errorf("long fields: %v", err)
	}
	kind, endless := written(t, "", "key", strings.Repeat("x", 1<<20))
	if _, err := Read(kind, endless); code(err) != "MaxPostPreDataLengthExceededError" {
		t.Errorf("an endless field: %v", err)
	}
	kind, cut := written(t, strings.Repeat("x", 1<<20), "key", "k")
	f, err := Read(kind, io.LimitReader(cut, 1<<19))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(f.File); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is cut off: %v", err)
	}
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html; the
// texts are those of S3's replies.
func TestPolicies(t *testing.T) {
	const head = `{"expiration": "2030-01-01T12:00:01Z", "conditions": [{"bucket": "b"}, `
	for name, test := range map[string]struct {
		policy string
		fields []string
		want   string // "" or code and message
	}{
		"all agree":         {head + `["starts-with", "$key", "user/"], {"ACL": "private"}, ["eq", "$Content-Type", "a/b"]]}`, []string{"key", "user/1", "acl", "private", "Content-Type", "a/b"}, ""},
		"another value":     {head + `["eq", "$key", "k"]]}`, []string{"key", "other"}, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$key", "k"]`},
		"another beginning": {head + `["starts-with", "$key", "user/"]]}`, []string{"key", "k"}, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "user/"]`},
		"an object":         {head + `{"key": "k"}]}`, []string{"key", "other"}, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$key", "k"]`},
		"a field that is absent": {head + `{"key": "k"}, ["starts-with", "$x-amz-meta-a", ""]]}`, []string{"key", "k"},
			`AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts-with", "$x-amz-meta-a", ""]`},
		"an empty field":       {head + `{"key": "k"}, ["starts-with", "$x-amz-meta-a", ""]]}`, []string{"key", "k", "x-amz-meta-a", ""}, ""},
		"a field too many":     {head + `{"key": "k"}]}`, []string{"key", "k", "Foo", "x"}, `AccessDenied: Invalid according to Policy: Extra input fields: Foo`},
		"a field to ignore":    {head + `{"key": "k"}]}`, []string{"key", "k", "x-ignore-foo", "x"}, ""},
		"no bucket":            {`{"expiration": "2030-01-01T12:00:01Z", "conditions": [{"key": "k"}]}`, []string{"key", "k"}, `AccessDenied: Invalid according to Policy: Extra input fields: bucket`},
		"another bucket":       {`{"expiration": "2030-01-01T12:00:01Z", "conditions": [{"bucket": "c"}, {"key": "k"}]}`, []string{"key", "k", "bucket", "c"}, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "c"]`},
		"expired":              {`{"expiration": "2030-01-01T11:59:59.000Z", "conditions": []}`, nil, `AccessDenied: Invalid according to Policy: Policy expired.`},
		"types":                {head + `{"key": "k"}, ["starts-with", "$Content-Type", "image/"]]}`, []string{"key", "k", "content-type", "image/a,image/b"}, ""},
		"types, one another":   {head + `{"key": "k"}, ["starts-with", "$Content-Type", "image/"]]}`, []string{"key", "k", "content-type", "image/a,text/b"}, `AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts-with", "$Content-Type", "image/"]`},
		"no JSON":              {`{`, nil, `InvalidPolicyDocument: Invalid Policy: Invalid JSON.`},
		"no expiration":        {`{"conditions": []}`, nil, `InvalidPolicyDocument: Invalid Policy: Policy missing expiration.`},
		"no time":              {`{"expiration": "tomorrow", "conditions": []}`, nil, `InvalidPolicyDocument: Invalid Policy: Invalid 'expiration' value: 'tomorrow'`},
		"no conditions":        {`{"expiration": "2030-01-01T12:00:01Z"}`, nil, `InvalidPolicyDocument: Invalid Policy: Policy missing conditions.`},
		"no list":              {`{"expiration": "2030-01-01T12:00:01Z", "conditions": {}}`, nil, `InvalidPolicyDocument: Invalid Policy: Invalid 'conditions' value: must be a List.`},
		"two in one":           {head + `{"key": "k", "acl": "private"}]}`, nil, `InvalidPolicyDocument: Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.`},
		"an unknown operation": {head + `["ends-with", "$key", "k"]]}`, nil, `InvalidPolicyDocument: Invalid Policy: Unknown condition operation: 'ends-with'`},
		"a range backwards":    {head + `["content-length-range", 2, 1]]}`, nil, `InvalidPolicyDocument: Invalid Policy: Invalid content-length-range: ["content-length-range", 2, 1]`},
	} {
		got := ""
		p, err := ParsePolicy(encoded(test.policy))
		if err == nil {
			err = p.Check(read(t, test.fields...), "b", noon)
		}
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := ParsePolicy("no base64!"); code(err) != "InvalidPolicyDocument" {
		t.Error(err)
	}
}

func TestRangeOfTheFile(t *testing.T) {
	p, err := ParsePolicy(encoded(`{"expiration": "2030-01-01T12:00:01Z", "conditions": [["content-length-range", "2", 5]]}`))
	if err != nil || p.Least != 2 || p.Most != 5 {
		t.Fatalf("%+v, %v", p, err)
	}
	for file, want := range map[string]string{"h": "EntityTooSmall", "he": "", "hello": "", "hello!": "EntityTooLarge"} {
		f := &Form{File: strings.NewReader(file)}
		if _, err := io.ReadAll(f.Limit(p.Least, p.Most)); code(err) != want {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestHeadersOfAForm(t *testing.T) {
	h, err := read(t, "key", "k", "acl", "private", "Content-Type", "a/b", "x-amz-meta-a", "1", "x-amz-signature", "s", "policy", "p", "x-amz-bad name", "x", "x-amz-content-sha256", "x").Header()
	if err != nil || len(h) != 3 || h.Get("X-Amz-Acl") != "private" || h.Get("Content-Type") != "a/b" || h.Get("X-Amz-Meta-A") != "1" {
		t.Errorf("%v, %v", h, err)
	}
	if _, err := read(t, "x-amz-meta-a", "1\r\nX-Amz-Acl: x").Header(); code(err) != "InvalidArgument" {
		t.Errorf("two lines: %v", err)
	}
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func TestSuccess(t *testing.T) {
	for name, test := range map[string]struct {
		fields []string
		status int
		page   string
	}{
		"nothing asked":     {nil, 204, ""},
		"200":               {[]string{"success_action_status", "200"}, 200, ""},
		"201":               {[]string{"success_action_status", "201"}, 201, ""},
		"another":           {[]string{"success_action_status", "404"}, 204, ""},
		"a page":            {[]string{"success_action_redirect", "http://a.example/p", "success_action_status", "201"}, 303, "http://a.example/p?bucket=b&key=k%2F1&etag=%22e%22"},
		"an older name":     {[]string{"redirect", "https://a.example/p?x=1"}, 303, "https://a.example/p?x=1&bucket=b&key=k%2F1&etag=%22e%22"},
		"no address":        {[]string{"success_action_redirect", "javascript:x", "success_action_status", "200"}, 200, ""},
		"no address at all": {[]string{"success_action_redirect", "://"}, 204, ""},
	} {
		if status, page := read(t, test.fields...).Success("b", "k/1", `"e"`); status != test.status || page != test.page {
			t.Errorf("%s: %d %s", name, status, page)
		}
	}
}

func FuzzForm(f *testing.F) {
	kind, body := written(f, "hello", "key", "${filename}", "policy", "x")
	f.Add(kind, body.Bytes())
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		form, err := Read(kind, bytes.NewReader(body))
		if err != nil {
			if fault.From(err) == nil {
				t.Errorf("no fault: %v", err)
			}
			return
		}
		size := 0
		for name, value := range form.Fields {
			size += len(name) + len(value)
		}
		if size > 3*maxFieldBytes {
			t.Errorf("fields of %d bytes", size)
		}
		if _, err := io.Copy(io.Discard, form.File); err == nil && form.File == nil {
			t.Error("no file")
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"expiration": "2030-01-01T12:00:01Z", "conditions": [{"bucket": "b"}, ["starts-with", "$key", ""], ["content-length-range", 1, 2]]}`)
	form := read(f, "key", "k")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(encoded(text))
		if err == nil {
			err = p.Check(form, "b", noon)
		}
		if err != nil && fault.From(err) == nil {
			t.Errorf("no fault: %v", err)
		}
	})
}
