package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

//go:embed peers/app.py
var peerApp []byte

// peer is a program that runs Python handlers without Docker.
type peer struct {
	name    string
	needs   string // file below the virtual environment
	environ []string
	command func(venv, port string) []string
}

// peers are what is measured beside lambkin: two processes each, like the
// floor, with connections kept open.
func peers() []peer {
	workers := strconv.Itoa(floorWorkers)
	threads := strconv.Itoa(manyClients)
	return []peer{
		{"gunicorn (gthread)", "bin/gunicorn", nil, func(venv, port string) []string {
			return []string{venv + "/bin/gunicorn", "--bind", "127.0.0.1:" + port, "--workers", workers, "--worker-class", "gthread",
				"--threads", threads, "--keep-alive", "60", "--log-level", "error", "app:wsgi"}
		}},
		// Under gunicorn: with --workers of its own it answered 374 requests/s with 16 clients at little
		// CPU, 43 ms each, as when Nagle's algorithm waits for a delayed acknowledgement. That would be no comparison.
		{"uvicorn (under gunicorn)", "lib/*/site-packages/uvicorn_worker", nil, func(venv, port string) []string {
			return []string{venv + "/bin/gunicorn", "--bind", "127.0.0.1:" + port, "--workers", workers, "--worker-class", "uvicorn_worker.UvicornWorker",
				"--keep-alive", "60", "--log-level", "error", "app:asgi"}
		}},
		{"functions-framework", "bin/functions-framework", []string{"WORKERS=" + workers, "THREADS=" + threads}, func(venv, port string) []string {
			return []string{venv + "/bin/functions-framework", "--host", "127.0.0.1", "--port", port, "--source", "app.py", "--target", "flask"}
		}},
		{"awslambdaric", "lib/*/site-packages/awslambdaric", nil, func(venv, port string) []string {
			self, err := os.Executable()
			if err != nil {
				self = os.Args[0]
			}
			return []string{self, "-runtime-api-server", "127.0.0.1:" + port, "-peers", venv}
		}},
	}
}

// peers measures throughput beside each peer, in turn with it. A peer that is
// not installed, or does not work, is told in the table.
func (b *bench) peers(ctx context.Context, p *platform.Platform) error {
	folder, err := os.MkdirTemp("", "lambkin-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.WriteFile(filepath.Join(folder, "app.py"), peerApp, 0o600); err != nil {
		return err
	}
	if err := p.Deploy(ctx, trivial("beside")); err != nil {
		return err
	}
	raw, err := signed(ctx, p.Address, platform.InvokePath("beside"), event())
	if err != nil {
		return err
	}
	venv, err := filepath.Abs(b.venv)
	if err != nil {
		return err
	}
	for _, other := range peers() {
		if found, err := filepath.Glob(filepath.Join(venv, other.needs)); err != nil || len(found) == 0 {
			b.add(row{what: other.name, lambkin: "SKIPPED: not in " + b.venv})
			continue
		}
		if err := b.beside(ctx, target{p.Address, raw, p.PID()}, other, venv, folder); err != nil {
			b.add(row{what: other.name, lambkin: "FAILED"})
			fmt.Fprintln(os.Stderr, "  ", other.name, err)
		}
	}
	return nil
}

// beside runs one peer and measures lambkin and it in turn.
func (b *bench) beside(ctx context.Context, lambkin target, other peer, venv, folder string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	words := other.command(venv, port)
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), other.environ...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = peerStop
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	defer func() { cancel(); cmd.Wait() }()
	raw, err := signed(ctx, address, "/", event())
	if err != nil {
		return err
	}
	if err := answers(address, raw); err != nil {
		return err
	}
	medians, err := b.inTurn(manyClients, answered{"lambkin", lambkin, event()}, answered{other.name, target{address, raw, cmd.Process.Pid}, event()})
	if err != nil {
		return err
	}
	l, o := medians[0], medians[1]
	label := fmt.Sprintf("%d clients, %s in the floor's place", manyClients, other.name)
	b.add(row{"throughput, " + label, fmt.Sprintf("%.0f/s", l.rate), fmt.Sprintf("%.0f/s", o.rate), fmt.Sprintf("%.1f times", l.rate/o.rate), verdict("ahead", l.rate > o.rate)})
	b.add(row{"CPU a request, " + label, fmt.Sprintf("%.0f µs", float64(l.cpu)/1e3), fmt.Sprintf("%.0f µs", float64(o.cpu)/1e3), fmt.Sprintf("%.2f", float64(l.cpu)/float64(o.cpu)), ""})
	return nil
}

// How long a peer has to end, and the pause between looks whether it answers.
const (
	peerStop = 5 * time.Second
	peerLook = 50 * time.Millisecond
)

// answers waits until a server gives the right answer.
func answers(address string, raw []byte) error {
	var last error
	for deadline := time.Now().Add(platform.ReadyTimeout); time.Now().Before(deadline); <-time.After(peerLook) {
		var conn net.Conn
		if conn, last = net.Dial("tcp", address); last != nil {
			continue
		}
		body, status, err := roundTrip(conn, bufio.NewReader(conn), raw)
		conn.Close()
		if err == nil && bytes.Equal(body, event()) {
			return nil
		}
		last = fmt.Errorf("status %d, body %.200q, %w", status, body, err)
	}
	return fmt.Errorf("no right answer within %s: %w", platform.ReadyTimeout, last)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
