package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// What is measured of provisioned concurrency: first calls of so many functions
// with one environment each, and a steady load on one with several.
const (
	provisionedStarts = 30
	provisionedLoad   = 4 // environments, and clients
)

// provisioned measures the always-warm case, first calls included.
func (b *bench) provisioned(ctx context.Context, p *platform.Platform) error {
	want := event()
	var first []time.Duration
	for i := range provisionedStarts {
		raw, err := provision(ctx, p, trivial(fmt.Sprintf("ready-%d", i)), 1, want)
		if err != nil {
			return err
		}
		latency, err := firstCall(p.Address, raw, want)
		if err != nil {
			return err
		}
		first = append(first, latency)
	}
	slices.Sort(first)
	b.add(row{what: fmt.Sprintf("first call with provisioned concurrency, p50 of %d", provisionedStarts), lambkin: milliseconds(percentile(first, 0.5))})
	raw, err := provision(ctx, p, trivial("always"), provisionedLoad, want)
	if err != nil {
		return err
	}
	latencies, _, err := load(p.Address, raw, want, provisionedLoad, b.duration)
	if err != nil {
		return err
	}
	all := slices.Concat(first, latencies)
	slices.Sort(all)
	p99 := percentile(all, 0.99)
	b.add(row{what: fmt.Sprintf("always warm: provisioned, %d clients, p99 with the first calls", provisionedLoad), lambkin: milliseconds(p99), goal: atMostTime(p99, goalAlwaysWarm)})
	b.add(row{what: "always warm, the slowest call", lambkin: milliseconds(all[len(all)-1])})
	return nil
}

// readyEach is how long one environment of many may take on a busy machine.
const readyEach = 200 * time.Millisecond

// provision publishes a function with n environments kept ready, waits for them
// and returns a signed call of the version.
func provision(ctx context.Context, p *platform.Platform, f platform.Function, n int, want []byte) ([]byte, error) {
	if err := p.Deploy(ctx, f); err != nil {
		return nil, err
	}
	send := func(method, path, body string, status int) ([]byte, error) {
		reply, err := p.Call(ctx, method, path, []byte(body))
		if err == nil && reply.Status != status {
			err = fmt.Errorf("%s %s: status %d: %s", method, path, reply.Status, reply.Body)
		}
		if err != nil {
			return nil, err
		}
		return reply.Body, nil
	}
	if _, err := send("POST", "/2015-03-31/functions/"+f.Name+"/versions", "{}", http.StatusCreated); err != nil {
		return nil, err
	}
	config := "/2019-09-30/functions/" + f.Name + "/provisioned-concurrency?Qualifier=1"
	if _, err := send("PUT", config, fmt.Sprintf(`{"ProvisionedConcurrentExecutions": %d}`, n), http.StatusAccepted); err != nil {
		return nil, err
	}
	limit := platform.ReadyTimeout + time.Duration(n)*readyEach
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		body, err := send("GET", config, "", http.StatusOK)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(body, []byte(`"Status":"READY"`)) {
			return signed(ctx, p.Address, platform.InvokePath(f.Name)+"?Qualifier=1", want)
		}
	}
	return nil, fmt.Errorf("the environments of %s did not become ready within %s", f.Name, limit)
}
