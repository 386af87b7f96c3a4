package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// The errors of Fetch beside those of the network and of wire/outbound.
var (
	ErrAddress = errors.New("the endpoint's address or headers cannot be made")
	ErrTimeout = errors.New("the endpoint did not answer in time")
	ErrAnswer  = errors.New("the endpoint's answer is malformed or too large")
)

// MaxAnswer bounds an endpoint's answer. AWS: 10 MB.
const MaxAnswer = 10 << 20

// unsent are headers of requests that end here, and those that the client for HTTP
// sets itself.
var unsent = map[string]bool{
	"Connection": true, "Content-Length": true, "Expect": true, "Host": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "X-Forwarded-For": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true,
}

// Sent are those headers of a client that an endpoint gets too.
func Sent(given http.Header) http.Header {
	header := http.Header{}
	for name, values := range given {
		if !unsent[name] {
			header[name] = values
		}
	}
	return header
}

// Call is a request of an endpoint. Of its headers those of Request go before Header,
// and Own before both.
type Call struct {
	Method, URI string
	API         string // its id
	Header, Own http.Header
	Request     *Request
	Sending     Sending
}

// setHeader sets the headers that mappings made.
func (r *Request) setHeader(h http.Header) error {
	for name, value := range r.Header {
		if (&proxy.Answer{Header: http.Header{}}).Add(proxy.REST, name, value) != nil {
			return fmt.Errorf("%w: header %q", ErrAddress, name)
		}
		h.Set(name, value)
	}
	return nil
}

// fillPath fills the variables of a path in; a greedy one keeps its slashes.
func fillPath(text string, variables map[string]string) string {
	for name, value := range variables {
		escaped := strings.ReplaceAll(url.PathEscape(value), "%2F", "/")
		text = strings.ReplaceAll(text, "{"+name+"+}", escaped)
		text = strings.ReplaceAll(text, "{"+name+"}", escaped)
	}
	return text
}

// Fetch calls an endpoint.
func Fetch(ctx context.Context, client *http.Client, within time.Duration, c *Call) (*Reply, error) {
	address, err := target(c.URI, c.Request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out, err := http.NewRequestWithContext(bounded, c.Method, address, strings.NewReader(c.Request.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if c.Request.Body == "" {
		out.Body, out.ContentLength = http.NoBody, 0
	}
	out.Header = c.Header.Clone()
	if err := c.Request.setHeader(out.Header); err != nil {
		return nil, err
	}
	maps.Copy(out.Header, c.Own)
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "AmazonAPIGateway_"+c.API)
	}
	c.Sending.tell(address, out.Header, c.Request.Body)
	late := func() bool { return bounded.Err() != nil && ctx.Err() == nil }
	reply, err := client.Do(out)
	switch {
	case err != nil && late():
		return nil, ErrTimeout
	case err != nil:
		return nil, err
	}
	defer reply.Body.Close()
	body, err := intake.ReadAll(reply.Body, -1, MaxAnswer)
	switch {
	case late():
		return nil, ErrTimeout
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return &Reply{Status: reply.StatusCode, Header: reply.Header, Body: body}, nil
}

// target is the address with its variables filled in.
func target(text string, made *Request) (string, error) {
	target, err := url.Parse(fillPath(text, made.Path))
	if err != nil {
		return "", err
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return "", errors.New("it is no address of HTTP")
	}
	if len(made.Query) > 0 {
		query := target.Query()
		for name, values := range made.Query {
			query[name] = values
		}
		target.RawQuery = query.Encode()
	}
	return target.String(), nil
}
