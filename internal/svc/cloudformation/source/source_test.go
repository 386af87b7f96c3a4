package source

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

func TestURLsInEveryForm(t *testing.T) {
	for _, c := range []struct {
		url, endpoint string
		want          Object
	}{
		// What the tools send when this server is their endpoint.
		{"http://127.0.0.1:4566/cdk-hnb659fds-assets-123456789012-us-east-1/0a1b.json", "http://127.0.0.1:4566", Object{"cdk-hnb659fds-assets-123456789012-us-east-1", "0a1b.json", ""}},
		{"http://localhost:4566/bucket/a/b.yaml", "http://127.0.0.1:4566", Object{"bucket", "a/b.yaml", ""}},
		{"http://[::1]:4566/bucket/a.yaml", "http://127.0.0.1:4566", Object{"bucket", "a.yaml", ""}},
		{"http://lambkin:4566/bucket/a.yaml", "http://lambkin:4566", Object{"bucket", "a.yaml", ""}},
		{"http://bucket.lambkin:4566/a.yaml", "http://lambkin:4566", Object{"bucket", "a.yaml", ""}},
		{"http://bucket.s3.lambkin.test/a.yaml", "https://lambkin.test", Object{"bucket", "a.yaml", ""}},
		{"http://my.bucket.localhost:4566/a.yaml", "http://127.0.0.1:4566", Object{"my.bucket", "a.yaml", ""}},
		{"http://bucket.s3.localhost:4566/a.yaml", "http://127.0.0.1:4566", Object{"bucket", "a.yaml", ""}},
		{"http://s3.localhost:4566/bucket/a.yaml", "http://127.0.0.1:4566", Object{"bucket", "a.yaml", ""}},
		{"http://bucket.s3.eu-central-1.localhost:4566/a.yaml", "", Object{"bucket", "a.yaml", ""}},
		// Amazon S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
		{"https://s3.amazonaws.com/bucket/test/template.yml", "http://127.0.0.1:4566", Object{"bucket", "test/template.yml", ""}},
		{"https://s3.eu-central-1.amazonaws.com/bucket/a.yml", "", Object{"bucket", "a.yml", ""}},
		{"https://s3-eu-west-1.amazonaws.com/bucket/a.yml", "", Object{"bucket", "a.yml", ""}},
		{"https://s3.dualstack.eu-west-1.amazonaws.com/bucket/a.yml", "", Object{"bucket", "a.yml", ""}},
		{"https://bucket.s3.amazonaws.com/a.yml", "", Object{"bucket", "a.yml", ""}},
		{"https://my.bucket.s3.us-west-2.amazonaws.com/a%20b+c.yml?versionId=v1", "", Object{"my.bucket", "a b+c.yml", "v1"}},
		{"https://bucket.s3-us-west-2.amazonaws.com/a.yml", "", Object{"bucket", "a.yml", ""}},
		{"https://bucket.s3.cn-north-1.amazonaws.com.cn/a.yml", "", Object{"bucket", "a.yml", ""}},
	} {
		if got, err := Parse(c.url, c.endpoint, "TemplateURL"); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
	for url, want := range map[string]string{
		// Recorded: localstack, test_create_stack_from_s3_template_url.
		"s3://bucket/test/template.yml":      "S3 error: Domain name specified in bucket is not a valid S3 domain",
		"https://example.com/dummy.yml":      "TemplateURL must be a supported URL.",
		"https://ec2.amazonaws.com/b/k":      "TemplateURL must be a supported URL.",
		"https://s3.amazonaws.com.evil/b/k":  "TemplateURL must be a supported URL.",
		"https://s3.amazonaws.com/bucket":    "TemplateURL must be a supported URL.",
		"https://s3.amazonaws.com//key":      "TemplateURL must be a supported URL.",
		"ftp://s3.amazonaws.com/bucket/key":  "TemplateURL must be a supported URL.",
		"http://169.254.169.254/latest/meta": "TemplateURL must be a supported URL.",
		"template.yaml":                      "TemplateURL must be a supported URL.",
		"https://%zz":                        "TemplateURL must be a supported URL.",
	} {
		if got, err := Parse(url, "http://127.0.0.1:4566", "TemplateURL"); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://bucket.s3.amazonaws.com/a.yml", "http://127.0.0.1:4566")
	f.Fuzz(func(t *testing.T, url, endpoint string) {
		got, err := Parse(url, endpoint, "TemplateURL")
		var refusal *template.Error
		if err == nil && (got.Bucket == "" || got.Key == "") || err != nil && !errors.As(err, &refusal) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// bucket is the S3 of the tests.
type bucket map[string]string

func (b bucket) Call(_ context.Context, who local.Identity, service, action string, input map[string]any) (map[string]any, error) {
	failed := func(code string, status int) error {
		return &fault.Fault{Code: code, Message: code, Status: status, Sender: true}
	}
	text, found := b[input["Key"].(string)]
	switch {
	case service != "s3" || action != "GetObject" || who.Account != "123456789012":
		return nil, errors.New("another call")
	case input["Bucket"] != "b":
		return nil, failed("NoSuchBucket", http.StatusNotFound)
	case input["Key"] == "secret":
		return nil, failed("AccessDenied", http.StatusForbidden)
	case input["Key"] == "down":
		return nil, failed("InternalError", http.StatusInternalServerError)
	case !found:
		return nil, failed("NoSuchKey", http.StatusNotFound)
	}
	return map[string]any{"Body": io.NopCloser(strings.NewReader(text + version(input)))}, nil
}

func version(input map[string]any) string {
	text, _ := input["VersionId"].(string)
	return text
}

func TestTemplatesOfRequests(t *testing.T) {
	s := New(bucket{"a": "Resources: {}", "exact": strings.Repeat("x", template.MaxBytes), "large": strings.Repeat("x", template.MaxBytes+1)})
	who := local.Identity{Account: "123456789012", Endpoint: "http://127.0.0.1:4566"}
	text := func(s string) *string { return &s }
	large := strings.Repeat("x", template.MaxInlineBytes+1)
	const access = "TemplateURL must reference a valid S3 object to which you have access."
	for _, c := range []struct {
		name      string
		body, url *string
		want      string
		refused   string
	}{
		{"body", text("x"), nil, "x", ""},
		{"url", nil, text("https://b.s3.amazonaws.com/a"), "Resources: {}", ""},
		{"version", nil, text("https://b.s3.amazonaws.com/a?versionId=7"), "Resources: {}7", ""},
		{"neither", nil, nil, "", "Either Template URL or Template Body must be specified."},
		{"both", text("x"), text("y"), "", "You cannot specify both Template URL and Template Body"},
		{"large body", &large, nil, "", "1 validation error detected: Value '" + large + "' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"},
		{"no bucket", nil, text("https://c.s3.amazonaws.com/a"), "", access},
		{"no key", nil, text("https://b.s3.amazonaws.com/n"), "", access},
		{"no right", nil, text("https://b.s3.amazonaws.com/secret"), "", access},
		{"exact", nil, text("https://b.s3.amazonaws.com/exact"), strings.Repeat("x", template.MaxBytes), ""},
		// The error names a decimal megabyte.
		{"large", nil, text("https://b.s3.amazonaws.com/large"), "", "Template may not exceed 1000000 bytes in size."},
	} {
		got, err := s.Template(t.Context(), who, c.body, c.url)
		if got != c.want || (err == nil) != (c.refused == "") || err != nil && err.Error() != c.refused {
			t.Errorf("%s: %.40q, %.200v", c.name, got, err)
		}
	}
	var f *fault.Fault
	if _, err := s.Template(t.Context(), who, nil, text("https://b.s3.amazonaws.com/down")); !errors.As(err, &f) || f.Code != "InternalError" {
		t.Errorf("trouble of the machine became %v", err)
	}
	for location, want := range map[string]string{
		"s3://b/a": "", "s3://b/n": "S3 object [n] does not exist in bucket [b].", "b/a": "The location parameter is not a valid S3 uri.", "s3://b": "The location parameter is not a valid S3 uri.",
		// Recorded: localstack, test_describe_failed_change_set.
		"s3://doesnotexist/a": "S3 bucket [doesnotexist] does not exist.", "s3://b/secret": "S3 object [secret] in bucket [b] cannot be read: AccessDenied", "s3://b/large": "Template may not exceed 1000000 bytes in size.",
	} {
		got, err := s.Include(t.Context(), who, location)
		if (err == nil) != (want == "") || err != nil && err.Error() != want || err == nil && got != "Resources: {}" {
			t.Errorf("%s: %q, %v", location, got, err)
		}
	}
}
