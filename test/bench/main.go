// Command bench measures lambkin as a user meets it: the real binary, driven
// through its signed HTTP API, beside the floor that a machine allows (a bare
// Go HTTP server in front of two Python processes over unix-socket frames),
// measured in the same run because these figures move with the machine.
//
//	go run ./test/bench            # everything, about a minute
//	go run ./test/bench -only warm # one part
//
// It prints one table on standard output and exits non-zero only when a
// measurement could not be made: a goal that is missed is told, no more. Each
// client is a goroutine that ends with its measurement. Start reading at main.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

func main() {
	floorServer := flag.Bool("floor-server", false, "internal: be the floor's HTTP server")
	only := flag.String("only", "", "comma-separated parts to run: start, or a name of bench.parts (default all)")
	duration := flag.Duration("duration", 3*time.Second, "length of each throughput measurement")
	cold := flag.Int("cold", 60, "cold starts to measure")
	idle := flag.Int("idle", 0, "idle environments to hold at once and add up, such as 1000 (default none: it takes a minute and gigabytes)")
	binary := flag.String("binary", "", "lambkin binary to measure (default: build this tree)")
	venv := flag.String("peers", ".cache/peers", "virtual environment with gunicorn, uvicorn, functions-framework and awslambdaric; those absent are skipped")
	packages := flag.String("packages", ".cache/pandas", "folder into which pip installed numpy and pandas for python3.14; without it SnapStart is skipped")
	runtimeAPI := flag.String("runtime-api-server", "", "internal: be awslambdaric's server on this address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *floorServer {
		if err := serveFloor(ctx, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "floor server:", err)
			os.Exit(1)
		}
		return
	}
	if *runtimeAPI != "" {
		if err := serveRuntimeAPI(ctx, *runtimeAPI, *venv); err != nil {
			fmt.Fprintln(os.Stderr, "runtime API server:", err)
			os.Exit(1)
		}
		return
	}
	b := &bench{venv: *venv, packages: *packages, duration: *duration, coldStarts: *cold, idle: *idle, only: *only, binary: *binary}
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of all the measurements asked for.
type bench struct {
	duration   time.Duration
	coldStarts int
	idle       int // environments, 0 for none
	only       string
	binary     string
	venv       string // of the peers
	packages   string // folder with numpy and pandas
	rows       []row
}

// row is one line of the table; goal is empty where none was set.
type row struct{ what, lambkin, floor, ratio, goal string }

func (b *bench) wants(part string) bool {
	return b.only == "" || strings.Contains(","+b.only+",", ","+part+",")
}

func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintf(os.Stderr, "  %s: %s\n", r.what, r.lambkin)
}

// part is one measurement by its name.
type part struct {
	name string
	run  func(context.Context, *platform.Platform) error
}

// parts are all measurements against the one server, in the order of a run.
func (b *bench) parts() []part {
	return []part{
		{"memory", b.idleMemory},
		{"cold", b.cold},
		{"snapstart", b.snapStart},
		{"provisioned", b.provisioned},
		{"thaw", b.thaw},
		{"warm", b.warm},
		{"permission", b.permissions},
		{"peers", b.peers},
		{"stream", b.stream},
		{"async", b.asynchronous},
		{"queue", b.queues},
		{"topic", b.topics},
		{"event", b.events},
		{"object", b.objects},
		{"front", b.front},
		{"rest", b.rest},
		{"websocket", b.webSockets},
		{"gvisor", b.gvisor},
		{"mapping", b.mapping},
		{"idle", b.idleEnvironments},
		{"stack", b.stacks},
	}
}

func (b *bench) run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "lambkin-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if b.binary == "" {
		if b.binary, err = platform.Build(ctx, folder); err != nil {
			return err
		}
	}
	// The account may have as many calls a second as the machine can make: ten for
	// each unit of its concurrency.
	server, err := platform.Start(ctx, b.binary, folder, "--account-concurrency", "100000")
	if err != nil {
		return err
	}
	defer server.Stop()
	for _, part := range b.parts() {
		if !b.wants(part.name) {
			continue
		}
		if err := part.run(ctx, server); err != nil {
			return fmt.Errorf("measure %s: %w", part.name, err)
		}
	}
	if b.wants("start") {
		if err := b.serverStart(ctx, server); err != nil {
			return fmt.Errorf("measure start: %w", err)
		}
	}
	return b.print()
}

func (b *bench) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "| what\t| lambkin\t| floor\t| ratio\t| goal\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.what, r.lambkin, r.floor, r.ratio, r.goal)
	}
	return w.Flush()
}
