package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// benchCredentials are any credentials: a loopback server in development mode
// verifies configured keys only, so the server under test is told this one.
var benchCredentials = aws.Credentials{AccessKeyID: "AKIABENCHBENCHBENCH0", SecretAccessKey: "bench-secret-key"}

// signed builds the bytes of one signed request. A signature stays valid for
// minutes, so the bytes can be sent again and again: the server verifies each,
// and the load generator costs next to nothing on the cores that it shares.
func signed(ctx context.Context, method, address, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "lambkin-bench")
	if err := v4.NewSigner().SignHTTP(ctx, benchCredentials, request, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now()); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err = request.Write(&raw)
	return raw.Bytes(), err
}

// call sends one signed request and returns the reply's body.
func call(ctx context.Context, method, address, path string, body []byte) ([]byte, int, error) {
	raw, err := signed(ctx, method, address, path, body)
	if err != nil {
		return nil, 0, err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	return roundTrip(conn, bufio.NewReader(conn), raw)
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
		group.Go(func() {
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

// deploy creates a function from one source file and waits until it is active.
func (p *platformProcess) deploy(ctx context.Context, name, source string) error {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	file, err := z.Create("app.py")
	if err != nil {
		return err
	}
	io.WriteString(file, source)
	if err := z.Close(); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"FunctionName": name, "Runtime": benchRuntime, "Handler": "app.handler",
		"Role": "arn:aws:iam::000000000000:role/bench", "MemorySize": 256, "Timeout": 30,
		"Code": map[string]any{"ZipFile": archive.Bytes()},
	})
	if err != nil {
		return err
	}
	reply, status, err := call(ctx, "POST", p.address, "/2015-03-31/functions", body)
	if err != nil || status != http.StatusCreated {
		return fmt.Errorf("create %s: status %d: %s: %w", name, status, reply, err)
	}
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		reply, _, err := call(ctx, "GET", p.address, "/2015-03-31/functions/"+name+"/configuration", nil)
		if err != nil {
			return err
		}
		var configuration struct{ State, StateReason string }
		if err := json.Unmarshal(reply, &configuration); err != nil {
			return err
		}
		switch configuration.State {
		case "Active":
			return nil
		case "Failed":
			return fmt.Errorf("function %s failed: %s", name, configuration.StateReason)
		}
	}
	return fmt.Errorf("function %s did not become active", name)
}

func invokePath(name string) string { return "/2015-03-31/functions/" + name + "/invocations" }
