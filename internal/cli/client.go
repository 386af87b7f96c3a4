// Package cli is the client side of the command line: it speaks to a server by
// the AWS APIs over signed HTTP, as any other client does.
//
// It promises that an error of the server reaches the user as *Error with AWS's
// own code and text, and that an unreachable server is told as such, with what
// to do. It has no goroutines and no locks; a Client is for many goroutines.
// Start reading at Client.
package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// maxReplyBytes bounds what is read of one reply: a code package is never
// fetched, and the largest function response is 6 MB.
const maxReplyBytes = 32 << 20

// Client calls one server. The zero value of HTTP is http.DefaultClient.
type Client struct {
	Endpoint  string // "http://127.0.0.1:4566"
	Region    string
	AccessKey string
	SecretKey string
	HTTP      *http.Client
}

// Error is an error that the server answered.
type Error struct {
	Status  int
	Code    string // "ResourceNotFoundException"
	Message string
}

// Error is the code and the text of AWS.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// IsNotFound tells whether err says that the resource does not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "ResourceNotFoundException"
}

// request is one call before it is signed.
type request struct {
	service, method, path string
	header                map[string]string
	body                  []byte
}

// reply is one answered call.
type reply struct {
	header http.Header
	body   []byte
}

// send signs and sends the request and reads the reply; a status of 300 or
// more is an *Error.
func (c *Client) send(ctx context.Context, r request) (*reply, error) {
	answer, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReplyBytes))
	if err != nil {
		return nil, fmt.Errorf("read the reply of %s: %w", c.Endpoint, err)
	}
	return &reply{answer.Header, body}, nil
}

// open is send up to the body of the reply, which the caller closes.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	call, err := http.NewRequestWithContext(ctx, r.method, strings.TrimSuffix(c.Endpoint, "/")+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, value := range r.header {
		call.Header.Set(name, value)
	}
	credentials := sigv4.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey}
	sigv4.Sign(call, credentials, r.service, c.Region, time.Now(), sigv4.PayloadHash(r.body))
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(call)
	if err != nil {
		return nil, c.explain(err)
	}
	if answer.StatusCode < http.StatusMultipleChoices {
		return answer, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReplyBytes))
	if err != nil {
		return nil, fmt.Errorf("read the reply of %s: %w", c.Endpoint, err)
	}
	return nil, errorOf(answer.StatusCode, answer.Header, body)
}

// explain says what a user can do about a server that does not answer.
func (c *Client) explain(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s; start one with: lambkin serve (or name another with --endpoint)", c.Endpoint)
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the certificate of %s is not known here; name that of its authority with --ca-bundle: lambkin serve --tls tells its file", c.Endpoint)
	}
	return err
}

// errorOf reads the error of a json protocol.
func errorOf(status int, header http.Header, body []byte) error {
	var parsed struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // matches "Message" too
	}
	json.Unmarshal(body, &parsed) // an unreadable body leaves the status, which says enough
	code := header.Get("X-Amzn-Errortype")
	if code == "" {
		code = parsed.Type
	}
	if code == "" {
		code = http.StatusText(status)
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	return &Error{Status: status, Code: code, Message: parsed.Message}
}

// call sends in as JSON and reads the JSON reply into out; either may be nil.
func (c *Client) call(ctx context.Context, r request, in, out any) error {
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		r.body = body
	}
	if r.header == nil {
		r.header = map[string]string{"Content-Type": "application/json"}
	}
	answer, err := c.send(ctx, r)
	if err != nil || out == nil || len(answer.body) == 0 {
		return err
	}
	if err := json.Unmarshal(answer.body, out); err != nil {
		return fmt.Errorf("read the reply of %s: %w", c.Endpoint, err)
	}
	return nil
}
