// Package source reads the templates that requests name: TemplateBody, TemplateURL
// in all its forms, the snippets of AWS::Include.
//
// It promises AWS's refusals as *template.Error; that objects are read with the
// rights of the caller, by S3's own operation; and that nothing outside of this
// server is asked: a URL of Amazon S3 names a bucket of this platform.
//
// A Source never changes; no goroutines, no locks. Start reading at Source.Template.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// Calls calls the operations of the platform; local.Caller does.
type Calls interface {
	Call(ctx context.Context, who local.Identity, service, action string, input map[string]any) (map[string]any, error)
}

// Source reads templates.
type Source struct{ calls Calls }

// New reads objects by calls.
func New(calls Calls) *Source { return &Source{calls: calls} }

func refuse(format string, args ...any) error {
	return &template.Error{Message: fmt.Sprintf(format, args...)}
}

// Template is the text that a request gives by one of its two members.
func (s *Source) Template(ctx context.Context, who local.Identity, body, url *string) (string, error) {
	switch {
	case body != nil && url != nil:
		return "", refuse("You cannot specify both Template URL and Template Body")
	case body != nil && len(*body) > template.MaxInlineBytes:
		// Recorded with the whole body: localstack, test_to_validate_template_limit_for_macro.
		return "", refuse("1 validation error detected: Value '%s' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", *body, template.MaxInlineBytes)
	case body != nil:
		return *body, nil
	case url != nil:
		return s.Fetch(ctx, who, *url, "TemplateURL", template.MaxBytes)
	}
	// Recorded: localstack, test_no_template_error.
	return "", refuse("Either Template URL or Template Body must be specified.")
}

// Fetch reads what a URL of S3 names; member is the member of the request that
// has it, for the refusal.
func (s *Source) Fetch(ctx context.Context, who local.Identity, url, member string, most int64) (string, error) {
	object, err := Parse(url, who.Endpoint, member)
	if err != nil {
		return "", err
	}
	text, err := s.read(ctx, who, object, most)
	var f *fault.Fault
	switch {
	case errors.Is(err, errTooLarge):
		return "", refuse("Template may not exceed %d bytes in size.", most)
	case errors.As(err, &f) && f.Status < http.StatusInternalServerError:
		return "", refuse("%s must reference a valid S3 object to which you have access.", member)
	}
	return text, err
}

// Include reads the snippet behind the s3:// location of AWS::Include.
func (s *Source) Include(ctx context.Context, who local.Identity, location string) (string, error) {
	object, err := parseLocation(location)
	if err != nil {
		return "", err
	}
	text, err := s.read(ctx, who, object, template.MaxBytes)
	var f *fault.Fault
	switch {
	case errors.Is(err, errTooLarge):
		return "", refuse("Template may not exceed %d bytes in size.", template.MaxBytes)
	case errors.As(err, &f) && f.Code == "NoSuchBucket":
		// Recorded: localstack, test_describe_failed_change_set.
		return "", refuse("S3 bucket [%s] does not exist.", object.Bucket)
	case errors.As(err, &f) && f.Code == "NoSuchKey":
		return "", refuse("S3 object [%s] does not exist in bucket [%s].", object.Key, object.Bucket)
	case errors.As(err, &f) && f.Status < http.StatusInternalServerError:
		return "", refuse("S3 object [%s] in bucket [%s] cannot be read: %s", object.Key, object.Bucket, f.Message)
	}
	return text, err
}

var errTooLarge = errors.New("the object is too large")

func (s *Source) read(ctx context.Context, who local.Identity, object Object, most int64) (string, error) {
	input := map[string]any{"Bucket": object.Bucket, "Key": object.Key}
	if object.VersionID != "" {
		input["VersionId"] = object.VersionID
	}
	output, err := s.calls.Call(ctx, who, "s3", "GetObject", input)
	if err != nil {
		return "", err
	}
	body, ok := output["Body"].(io.ReadCloser)
	if !ok {
		return "", fmt.Errorf("read s3://%s/%s: GetObject answered no body", object.Bucket, object.Key)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, most+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read s3://%s/%s: %w", object.Bucket, object.Key, err)
	case int64(len(text)) > most:
		return "", errTooLarge
	}
	return string(text), nil
}
