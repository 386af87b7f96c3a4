package crash

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// client speaks the AWS APIs in JSON.
type client struct{ server *platform.Platform }

// downError tells that the connection ended without an answer: nobody knows
// whether the call was done.
type downError struct{ cause error }

func (e *downError) Error() string { return "no answer: " + e.cause.Error() }

func isDown(err error) bool { return errors.As(err, new(*downError)) }

// statusError is an answer that refuses.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

func isAbsent(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.status == http.StatusNotFound
}

func (c client) call(ctx context.Context, service, method, path string, header http.Header, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	reply, err := c.server.CallService(ctx, service, method, path, header, body)
	switch {
	case err != nil:
		return &downError{err}
	case reply.Status >= http.StatusMultipleChoices:
		return &statusError{reply.Status, fmt.Sprintf("%s %s: %s", method, path, reply.Body)}
	case out == nil:
		return nil
	}
	return json.Unmarshal(reply.Body, out)
}

func (c client) lambda(ctx context.Context, method, path string, in, out any) error {
	return c.call(ctx, "lambda", method, path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

func (c client) logs(ctx context.Context, operation string, in, out any) error {
	return c.call(ctx, "logs", "POST", "/", http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328." + operation}}, in, out)
}

// download checks that the code behind a location is whole.
func download(ctx context.Context, location, sum string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		return fmt.Errorf("download the code: status %d, %w", reply.StatusCode, err)
	}
	if got := sha(data); got != sum {
		return fmt.Errorf("the code is %s, not %s", got, sum)
	}
	return nil
}

// sha is CodeSha256 of a package.
func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}
