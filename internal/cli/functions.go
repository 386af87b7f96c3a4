package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const functionsPath = "/2015-03-31/functions"

// pollInterval is the pause between two looks at a function that is being prepared.
const pollInterval = 50 * time.Millisecond

// Function is what a user sees of a function's configuration. A list of
// functions leaves their states out, as AWS does.
type Function struct {
	FunctionName, FunctionArn, Runtime, Handler, Version, LastModified, Description string

	MemorySize, Timeout    int // MB, seconds
	CodeSize               int64
	CodeSha256             string
	State                  string `json:",omitempty"`
	StateReason            string `json:",omitempty"`
	LastUpdateStatus       string `json:",omitempty"`
	LastUpdateStatusReason string `json:",omitempty"`
}

// Deployment is what Deploy makes of a package.
type Deployment struct {
	Name        string
	Runtime     string
	Handler     string
	Role        string
	Description string
	MemoryMB    int
	TimeoutS    int
	Environment map[string]string
	Layers      []string // ARNs; nil: those that the function has
	Package     []byte   // zip
}

// Deployment makes a deployment of the project and its package.
func (p *Project) Deployment(archive []byte) *Deployment {
	return &Deployment{Name: p.Name, Runtime: p.Runtime, Handler: p.Handler, Role: p.Role, Description: p.Description,
		MemoryMB: p.Memory, TimeoutS: p.Timeout, Environment: p.Environment, Layers: p.Layers, Package: archive}
}

// configuration is the members that create and update share.
func (d *Deployment) configuration() map[string]any {
	variables := d.Environment
	if variables == nil {
		variables = map[string]string{}
	}
	members := map[string]any{
		"Runtime": d.Runtime, "Handler": d.Handler, "Role": d.Role, "Description": d.Description,
		"MemorySize": d.MemoryMB, "Timeout": d.TimeoutS, "Environment": map[string]any{"Variables": variables},
	}
	if d.Layers != nil {
		members["Layers"] = d.Layers
	}
	return members
}

// Deploy creates the function, or updates its configuration and code, and waits
// until it is ready. waiting, if not nil, is told each new state.
func (c *Client) Deploy(ctx context.Context, d *Deployment, waiting func(state string)) (f *Function, created bool, err error) {
	_, err = c.Function(ctx, d.Name)
	switch {
	case IsNotFound(err):
		in := d.configuration()
		in["FunctionName"] = d.Name
		in["Code"] = map[string]any{"ZipFile": d.Package}
		if err := c.call(ctx, request{service: "lambda", method: http.MethodPost, path: functionsPath}, in, nil); err != nil {
			return nil, false, err
		}
		f, err = c.WaitReady(ctx, d.Name, waiting)
		return f, true, err
	case err != nil:
		return nil, false, err
	}
	if _, err := c.WaitReady(ctx, d.Name, waiting); err != nil && !errors.As(err, new(*FailedError)) {
		return nil, false, err
	}
	path := functionsPath + "/" + url.PathEscape(d.Name)
	if err := c.call(ctx, request{service: "lambda", method: http.MethodPut, path: path + "/configuration"}, d.configuration(), nil); err != nil {
		return nil, false, err
	}
	if _, err := c.WaitReady(ctx, d.Name, waiting); err != nil && !errors.As(err, new(*FailedError)) {
		return nil, false, err
	}
	if err := c.call(ctx, request{service: "lambda", method: http.MethodPut, path: path + "/code"}, map[string]any{"ZipFile": d.Package}, nil); err != nil {
		return nil, false, err
	}
	f, err = c.WaitReady(ctx, d.Name, waiting)
	return f, false, err
}

// FailedError tells that a function could not be made ready.
type FailedError struct{ Name, Reason string }

// Error is the reason that the server gives.
func (e *FailedError) Error() string { return "function " + e.Name + " failed: " + e.Reason }

// WaitReady waits until the function is active and its last update is done; a
// failed one is a *FailedError.
func (c *Client) WaitReady(ctx context.Context, name string, waiting func(state string)) (*Function, error) {
	told := ""
	for {
		f, err := c.Function(ctx, name)
		if err != nil {
			return nil, err
		}
		switch {
		case f.State == "Failed":
			return f, &FailedError{name, f.StateReason}
		case f.LastUpdateStatus == "Failed":
			return f, &FailedError{name, f.LastUpdateStatusReason}
		case f.State != "Pending" && f.LastUpdateStatus != "InProgress":
			return f, nil
		}
		if state := f.State + f.StateReason + f.LastUpdateStatusReason; waiting != nil && state != told {
			told = state
			waiting(f.State)
		}
		select {
		case <-ctx.Done():
			return f, fmt.Errorf("wait until %s is ready: %w", name, ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

// Function reads a function's configuration.
func (c *Client) Function(ctx context.Context, name string) (*Function, error) {
	f := &Function{}
	err := c.call(ctx, request{service: "lambda", method: http.MethodGet, path: functionsPath + "/" + url.PathEscape(name) + "/configuration"}, nil, f)
	return f, err
}

// Functions lists all functions, in the order of their names.
func (c *Client) Functions(ctx context.Context) ([]Function, error) {
	functions := []Function{}
	for marker := ""; ; {
		var page struct {
			Functions  []Function
			NextMarker string
		}
		if err := c.call(ctx, request{service: "lambda", method: http.MethodGet, path: functionsPath + "/?Marker=" + url.QueryEscape(marker)}, nil, &page); err != nil {
			return nil, err
		}
		functions = append(functions, page.Functions...)
		if marker = page.NextMarker; marker == "" {
			return functions, nil
		}
	}
}

// Invocation is the outcome of a call.
type Invocation struct {
	Payload       json.RawMessage // the response, or the error body
	FunctionError string          `json:",omitempty"` // empty: the function succeeded
	LogTail       string          // last 4 KB of the log of the call
	RequestID     string
	Took          time.Duration `json:"-"` // as the client sees it
}

// Invoke calls the function, named with or without ":qualifier", and waits.
func (c *Client) Invoke(ctx context.Context, name string, event []byte) (*Invocation, error) {
	name, qualifier := splitQualifier(name)
	path := functionsPath + "/" + url.PathEscape(name) + "/invocations"
	if qualifier != "" {
		path += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	begin := time.Now()
	answer, err := c.send(ctx, request{service: "lambda", method: http.MethodPost, path: path, body: event,
		header: map[string]string{"Content-Type": "application/json", "X-Amz-Log-Type": "Tail"}})
	if err != nil {
		return nil, err
	}
	tail, err := base64.StdEncoding.DecodeString(answer.header.Get("X-Amz-Log-Result"))
	if err != nil {
		return nil, fmt.Errorf("decode the log of the call: %w", err)
	}
	return &Invocation{
		Payload: answer.body, FunctionError: answer.header.Get("X-Amz-Function-Error"), LogTail: string(tail),
		RequestID: answer.header.Get("X-Amzn-Requestid"), Took: time.Since(begin),
	}, nil
}

// splitQualifier cuts NAME:QUALIFIER; ARNs, whose colons are their own, stay whole.
func splitQualifier(name string) (string, string) {
	if strings.HasPrefix(name, "arn:") || strings.Count(name, ":") != 1 {
		return name, ""
	}
	name, qualifier, _ := strings.Cut(name, ":")
	return name, qualifier
}
