package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// acknowledgements is how many asynchronous calls are measured.
const acknowledgements = 300

// asynchronous measures how long an asynchronous call takes to its 202, before
// which its event is durable: beside an append and fsync of as many bytes, turn
// by turn in the same folder.
func (b *bench) asynchronous(ctx context.Context, p *platform.Platform) error {
	const name = "bench-async"
	if err := p.Deploy(ctx, trivial(name)); err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"lambkin-bench"}, "X-Amz-Invocation-Type": {"Event"}}
	raw, err := signedWith(ctx, p.Address, platform.InvokePath(name), header, event())
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	file, err := os.Create(filepath.Join(p.Data, "bench-fsync"))
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	reader := bufio.NewReader(conn)
	var calls, syncs []time.Duration
	for range acknowledgements {
		<-time.After(settleTime) // the event of the call before runs meanwhile
		begin := time.Now()
		if _, err := file.Write(event()); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		syncs = append(syncs, time.Since(begin))
		begin = time.Now()
		if _, status, err := roundTrip(conn, reader, raw); err != nil || status != http.StatusAccepted {
			return fmt.Errorf("an asynchronous call: status %d, %w", status, err)
		}
		calls = append(calls, time.Since(begin))
	}
	slices.Sort(calls)
	slices.Sort(syncs)
	p50, floor := percentile(calls, 0.5), percentile(syncs, 0.5)
	ratio := float64(p50) / float64(floor)
	b.add(row{what: "asynchronous Invoke acknowledged (durable) beside a raw fsync, p50", lambkin: milliseconds(p50), floor: milliseconds(floor),
		ratio: fmt.Sprintf("%.2f", ratio), goal: atMost(ratio, goalAcknowledged, fmt.Sprint(goalAcknowledged))})
	return nil
}
