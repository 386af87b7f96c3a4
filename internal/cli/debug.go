package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Debug calls the function once, with a debugger that attaches at the address
// that waiting is told. The end of ctx ends the call.
func (c *Client) Debug(ctx context.Context, name string, port int, event []byte, waiting func(host, port string)) (*Invocation, error) {
	name, qualifier := splitQualifier(name)
	query := url.Values{"Port": {strconv.Itoa(port)}}
	if qualifier != "" {
		query.Set("Qualifier", qualifier)
	}
	begin := time.Now()
	answer, err := c.open(ctx, request{service: "lambda", method: http.MethodPost, path: developmentPath(name, "debug") + "?" + query.Encode(), body: event,
		header: map[string]string{"Content-Type": "application/json"}})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	lines := json.NewDecoder(bufio.NewReader(io.LimitReader(answer.Body, maxReplyBytes)))
	var line struct {
		Address, Error, FunctionError, LogTail string
		Payload                                []byte
	}
	if err := lines.Decode(&line); err != nil {
		return nil, fmt.Errorf("read the reply of %s: %w", c.Endpoint, err)
	}
	host, announced, err := net.SplitHostPort(line.Address)
	if err != nil {
		return nil, fmt.Errorf("read the reply of %s: %w", c.Endpoint, err)
	}
	waiting(host, announced)
	switch err := lines.Decode(&line); {
	case ctx.Err() != nil:
		return nil, errors.New("the call was ended before it had an answer")
	case err != nil:
		return nil, fmt.Errorf("the call ended without an answer: %w", err)
	case line.Error != "":
		return nil, errors.New(line.Error)
	}
	return &Invocation{Payload: line.Payload, FunctionError: line.FunctionError, LogTail: line.LogTail,
		RequestID: answer.Header.Get("X-Amzn-Requestid"), Took: time.Since(begin)}, nil
}
