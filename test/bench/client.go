package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// signed builds the bytes of one signed request. A signature stays valid for
// minutes, so the bytes can be sent again and again: the server verifies each,
// and the load generator costs next to nothing on the cores that it shares.
func signed(ctx context.Context, address, path string, body []byte) ([]byte, error) {
	return signedWith(ctx, address, path, http.Header{"Content-Type": {"application/json"}, "User-Agent": {"lambkin-bench"}}, body)
}

func signedWith(ctx context.Context, address, path string, header http.Header, body []byte) ([]byte, error) {
	request, err := platform.Sign(ctx, "lambda", "POST", "http://"+address+path, header, body)
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err = request.Write(&raw)
	return raw.Bytes(), err
}

// roundTrip sends prepared bytes and reads one reply.
func roundTrip(conn net.Conn, reader *bufio.Reader, raw []byte) ([]byte, int, error) {
	if _, err := conn.Write(raw); err != nil {
		return nil, 0, err
	}
	reply, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, 0, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return body, reply.StatusCode, err
}

// load sends raw over and over from clients connections for a duration and
// returns every latency, sorted, and the wall time that it took.
func load(address string, raw, want []byte, clients int, duration time.Duration) ([]time.Duration, time.Duration, error) {
	var (
		group     sync.WaitGroup
		mu        sync.Mutex
		latencies []time.Duration
		firstErr  error
	)
	begin := time.Now()
	for range clients {
		group.Go(func() { // ends when the duration is over
			mine, err := loadOne(address, raw, want, begin.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
			if firstErr == nil {
				firstErr = err
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	if firstErr == nil && len(latencies) == 0 {
		firstErr = fmt.Errorf("no request was answered")
	}
	slices.Sort(latencies)
	return latencies, took, firstErr
}

func loadOne(address string, raw, want []byte, end time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	var latencies []time.Duration
	for {
		begin := time.Now()
		if begin.After(end) {
			return latencies, nil
		}
		body, status, err := roundTrip(conn, reader, raw)
		if err != nil {
			return latencies, err
		}
		if status != http.StatusOK || !bytes.Equal(body, want) {
			return latencies, fmt.Errorf("status %d, body %.200q", status, body)
		}
		latencies = append(latencies, time.Since(begin))
	}
}
