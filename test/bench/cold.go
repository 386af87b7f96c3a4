package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// parkedPause is waited for before each start that shall find a parked
// environment: several times what the server needs to make one.
const parkedPause = 200 * time.Millisecond

// burst is how many functions are called at once for the first time.
const burst = 100

// cold measures first calls of functions that were never called.
func (b *bench) cold(ctx context.Context, p *platform.Platform) error {
	if err := b.coldParked(ctx, p); err != nil {
		return err
	}
	if err := b.environmentMemory(p); err != nil {
		return err
	}
	if err := b.coldEmpty(ctx, p); err != nil {
		return err
	}
	if err := b.coldBurst(ctx, p); err != nil {
		return err
	}
	return b.coldImports(ctx, p)
}

// coldParked measures starts so far apart that an environment is parked for each.
func (b *bench) coldParked(ctx context.Context, p *platform.Platform) error {
	requests, err := deployMany(ctx, p, "cold", b.coldStarts+1)
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for i, raw := range requests {
		<-time.After(parkedPause)
		latency, err := firstCall(p.Address, raw, event())
		if err != nil {
			return err
		}
		if i > 0 { // the first of all starts the runtime's zygote
			latencies = append(latencies, latency)
		}
	}
	b.addCold("parked", latencies, goalParked, goalParkedP99)
	return nil
}

// coldEmpty measures starts one directly after the other. The first ones take
// whatever is parked and are left out; the server makes next to none while
// calls are starting.
func (b *bench) coldEmpty(ctx context.Context, p *platform.Platform) error {
	requests, err := deployMany(ctx, p, "empty", b.coldStarts+sandbox.DefaultParked)
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for i, raw := range requests {
		latency, err := firstCall(p.Address, raw, event())
		if err != nil {
			return err
		}
		if i >= sandbox.DefaultParked {
			latencies = append(latencies, latency)
		}
	}
	b.addCold("nothing parked", latencies, goalEmpty, goalEmptyP99)
	return nil
}

func (b *bench) addCold(how string, latencies []time.Duration, goal, goalP99 time.Duration) {
	slices.Sort(latencies)
	p50, p99 := percentile(latencies, 0.5), percentile(latencies, 0.99)
	b.add(row{what: fmt.Sprintf("cold start, signed API, %s, p50 of %d", how, len(latencies)), lambkin: milliseconds(p50), goal: atMostTime(p50, goal)})
	b.add(row{what: fmt.Sprintf("cold start, signed API, %s, p99", how), lambkin: milliseconds(p99), goal: atMostTime(p99, goalP99)})
}

// coldBurst calls many functions at once, each for the first time, on
// connections that are open already. A failed call is an error of the run.
func (b *bench) coldBurst(ctx context.Context, p *platform.Platform) error {
	requests, err := deployMany(ctx, p, "burst", burst)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, len(requests))
	for i := range conns {
		if conns[i], err = net.Dial("tcp", p.Address); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	var group sync.WaitGroup
	failures := make([]error, len(requests))
	want := event()
	begin := time.Now()
	for i, raw := range requests {
		group.Go(func() { // ends with its answer
			body, status, err := roundTrip(conns[i], bufio.NewReader(conns[i]), raw)
			if err == nil && !bytes.Equal(body, want) {
				err = fmt.Errorf("first call %d: status %d, body %.200q", i, status, body)
			}
			failures[i] = err
		})
	}
	group.Wait()
	took := time.Since(begin)
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	b.add(row{what: fmt.Sprintf("%d first calls at once, all answered, none failed", burst), lambkin: milliseconds(took), goal: atMostTime(took, goalBurst)})
	return nil
}

// deployMany deploys copies of the trivial function and signs a call of each.
func deployMany(ctx context.Context, p *platform.Platform, prefix string, count int) ([][]byte, error) {
	requests := make([][]byte, count)
	for i := range requests {
		f := trivial(fmt.Sprintf("%s-%d", prefix, i))
		err := p.Deploy(ctx, f)
		if err == nil {
			requests[i], err = signed(ctx, p.Address, platform.InvokePath(f.Name), event())
		}
		if err != nil {
			return nil, err
		}
	}
	return requests, nil
}
