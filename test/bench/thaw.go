package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// Pauses between two calls of one client: a little shorter and a little longer
// than the 10 ms after which an idle environment is frozen: caches have cooled
// down nearly alike.
const (
	idlePause   = 8 * time.Millisecond
	frozenPause = 14 * time.Millisecond
)

// thaws is how many calls are measured after each pause.
const thaws = 200

// thaw measures what it costs a call to come to a frozen environment: calls
// after a long pause beside calls after a short one, in turn.
func (b *bench) thaw(ctx context.Context, p *platform.Platform) error {
	if err := p.Deploy(ctx, trivial("thaw")); err != nil {
		return err
	}
	want := event()
	raw, err := signed(ctx, p.Address, platform.InvokePath("thaw"), want)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	pauses := []time.Duration{idlePause, frozenPause}
	took := map[time.Duration][]time.Duration{}
	for n := range thaws * len(pauses) {
		pause := pauses[n%len(pauses)]
		<-time.After(pause)
		begin := time.Now()
		body, status, err := roundTrip(conn, reader, raw)
		if err != nil || !bytes.Equal(body, want) {
			return fmt.Errorf("status %d, body %.200q: %w", status, body, err)
		}
		if n >= len(pauses) { // the first calls start the environment
			took[pause] = append(took[pause], time.Since(begin))
		}
	}
	p50 := func(pause time.Duration) time.Duration {
		slices.Sort(took[pause])
		return percentile(took[pause], 0.5)
	}
	idle, frozen := p50(idlePause), p50(frozenPause)
	b.add(row{what: fmt.Sprintf("call after %v, environment idle, p50", idlePause), lambkin: milliseconds(idle)})
	b.add(row{what: fmt.Sprintf("call after %v, environment frozen, p50", frozenPause), lambkin: milliseconds(frozen)})
	b.add(row{what: "thaw, added to the p50", lambkin: milliseconds(frozen - idle), goal: atMostTime(frozen-idle, goalThaw)})
	return nil
}
