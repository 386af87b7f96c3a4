package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// oneVCPU is the MemorySize that buys one vCPU. With less a function is held to
// its share of a core, as on AWS, and the throughput would be that of the limit.
const oneVCPU = 1769

// trivial is the handler of every measurement: the platform's own cost is what
// remains.
func trivial(name string) platform.Function {
	return platform.Function{Name: name, MemoryMB: oneVCPU, Files: map[string]string{"app.py": "def handler(event, context):\n    return event\n"}}
}

// modules is the size of the package that manyModules imports.
const modules = 200

// manyModules is a function with a large package of its own.
func manyModules(name string) platform.Function {
	var body strings.Builder
	for i := range 20 {
		fmt.Fprintf(&body, "\n\nclass Thing%d:\n    \"\"\"What a module defines.\"\"\"\n\n    def __init__(self, name, size=%d):\n        self.name = name\n        self.size = size\n\n"+
			"    def area(self):\n        return sum(n * self.size for n in range(self.size) if n %% 3)\n", i, i)
	}
	f := platform.Function{Name: name, MemoryMB: oneVCPU, Files: map[string]string{"package/__init__.py": ""}}
	app := ""
	for i := range modules {
		f.Files[fmt.Sprintf("package/m%d.py", i)] = "import os\nimport re\n" + body.String()
		app += fmt.Sprintf("import package.m%d\n", i)
	}
	f.Files["app.py"] = app + "\n\ndef handler(event, context):\n    return event\n"
	return f
}

// withBoto3 is a function as most are on AWS: a client is made when it starts.
func withBoto3(name string) platform.Function {
	return platform.Function{Name: name, MemoryMB: oneVCPU, Files: map[string]string{
		"app.py": "import boto3\nqueue = boto3.client('sqs')\n\n\ndef handler(event, context):\n    return event\n"}}
}

// eventBytes is the size of the event, that of a small API call.
const eventBytes = 1 << 10

// manyClients is the concurrency of the throughput measurements.
const manyClients = 16

// serverStarts is how often the start of the server is measured.
const serverStarts = 5

func event() []byte {
	const frame = `{"message": ""}`
	return fmt.Appendf(nil, `{"message": "%s"}`, strings.Repeat("x", eventBytes-len(frame)))
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// idleMemory reads the supervisor's resident memory before any runtime is asked for, when
// it has been the same for a second: the start is over then.
func (b *bench) idleMemory(ctx context.Context, p *platform.Platform) error {
	const same = 5 // readings
	rss, last := int64(0), int64(-1)
	for n := 0; n < same; n++ {
		var err error
		if rss, err = procKiB(fmt.Sprintf("/proc/%d/status", p.PID()), "VmRSS"); err != nil {
			return err
		}
		if rss>>10 != last>>10 {
			n, last = 0, rss
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	size := float64(rss) / 1024
	b.add(row{what: "supervisor, idle, resident", lambkin: fmt.Sprintf("%.1f MiB", size), goal: atMost(size, goalIdleMiB, fmt.Sprintf("%.0f MiB", goalIdleMiB))})
	return nil
}

// serverStart measures exec to first answered request over an existing data folder.
func (b *bench) serverStart(ctx context.Context, p *platform.Platform) error {
	var starts []time.Duration
	for range serverStarts {
		if err := p.Stop(); err != nil {
			return err
		}
		if err := p.Restart(ctx); err != nil {
			return err
		}
		starts = append(starts, p.Startup)
	}
	slices.Sort(starts)
	p50 := percentile(starts, 0.5)
	b.add(row{what: fmt.Sprintf("server start to first answer, existing data (median of %d)", serverStarts), lambkin: milliseconds(p50), goal: atMostTime(p50, goalStart)})
	return nil
}

// importStarts is how many cold starts with long imports are measured.
const importStarts = 15

// coldImports measures cold starts that import much of the function's own.
func (b *bench) coldImports(ctx context.Context, p *platform.Platform) error {
	latencies, err := b.firstCalls(ctx, p, manyModules("modules"), importStarts)
	if err != nil {
		return err
	}
	b.add(row{what: fmt.Sprintf("cold start that imports %d modules of the package, p50 of %d", modules, importStarts), lambkin: milliseconds(percentile(latencies, 0.5))})
	if latencies, err = b.firstCalls(ctx, p, withBoto3("boto3"), importStarts); err != nil {
		return err
	}
	p50 := percentile(latencies, 0.5)
	b.add(row{what: fmt.Sprintf("cold start that imports boto3 and makes a client, p50 of %d", importStarts), lambkin: milliseconds(p50), goal: atMostTime(p50, goalBoto3)})
	return nil
}

// firstCalls measures the first calls of copies of a function, sorted. The first
// of all is left out: it starts the runtime's zygote.
func (b *bench) firstCalls(ctx context.Context, p *platform.Platform, f platform.Function, count int) ([]time.Duration, error) {
	var latencies []time.Duration
	want, prefix := event(), f.Name
	for i := range count + 1 {
		f.Name = fmt.Sprintf("%s-%d", prefix, i)
		if err := p.Deploy(ctx, f); err != nil {
			return nil, err
		}
		raw, err := signed(ctx, p.Address, platform.InvokePath(f.Name), want)
		if err != nil {
			return nil, err
		}
		latency, err := firstCall(p.Address, raw, want)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			latencies = append(latencies, latency)
		}
	}
	slices.Sort(latencies)
	return latencies, nil
}

func firstCall(address string, raw, want []byte) (time.Duration, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	begin := time.Now()
	body, status, err := roundTrip(conn, bufio.NewReader(conn), raw)
	if err == nil && !bytes.Equal(body, want) {
		err = fmt.Errorf("status %d, body %.200q", status, body)
	}
	return time.Since(begin), err
}

// environmentMemory is the proportional set size of the warm environments that
// the cold starts left behind.
func (b *bench) environmentMemory(p *platform.Platform) error {
	pids, err := descendants(p.PID())
	if err != nil {
		return err
	}
	var sizes []int64
	for _, pid := range pids[1:] {
		if !serves(pid) {
			continue // a zygote, or an environment that waits for its function
		}
		if pss, err := procKiB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss"); err == nil && pss > 0 {
			sizes = append(sizes, pss)
		}
	}
	if len(sizes) == 0 {
		return fmt.Errorf("no environment found below process %d", p.PID())
	}
	slices.Sort(sizes)
	size := float64(sizes[len(sizes)/2]) / 1024
	b.add(row{what: fmt.Sprintf("memory of a warm environment, PSS, median of %d", len(sizes)), lambkin: fmt.Sprintf("%.2f MiB", size),
		goal: atMost(size, goalEnvironmentMiB, fmt.Sprintf("%.0f MiB", goalEnvironmentMiB))})
	return nil
}

// warm measures latency and throughput, lambkin and floor in turn.
func (b *bench) warm(ctx context.Context, p *platform.Platform) error {
	floor, floorAddress, err := startFloor(ctx)
	if err != nil {
		return fmt.Errorf("start the floor: %w", err)
	}
	defer func() { floor.Cancel(); floor.Wait() }()
	if err := p.Deploy(ctx, trivial("warm")); err != nil {
		return err
	}
	want := event()
	ours, err := signed(ctx, p.Address, platform.InvokePath("warm"), want)
	if err != nil {
		return err
	}
	theirs, err := signed(ctx, floorAddress, "/", want)
	if err != nil {
		return err
	}
	lambkin := target{p.Address, ours, p.PID()}
	bare := target{floorAddress, theirs, floor.Process.Pid}
	for _, clients := range []int{1, manyClients} {
		if err := b.compare(lambkin, bare, want, clients); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "  (%d cores; the load generator shares them)\n", runtime.NumCPU())
	return nil
}

// target is a server under load.
type target struct {
	address string
	raw     []byte
	pid     int
}

// figures of one server under one load.
type figures struct {
	p50, p99 time.Duration
	rate     float64
	cpu      time.Duration // for each request
}

// rounds alternates the servers so that all see the same weather.
const rounds = 3

// answered is a target with the body of its answers.
type answered struct {
	name string
	target
	body []byte
}

// inTurn measures one after the other, in rounds, and gives the median of each.
func (b *bench) inTurn(clients int, tested ...answered) ([]figures, error) {
	measured := make([][]figures, len(tested))
	for round := range rounds + 1 {
		for i, one := range tested {
			figure, err := b.measure(one.target, one.body, clients)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.name, err)
			}
			if round > 0 { // the first round warms all up
				measured[i] = append(measured[i], figure)
			}
		}
	}
	medians := make([]figures, len(tested))
	for i := range measured {
		medians[i] = median(measured[i])
	}
	return medians, nil
}

func (b *bench) compare(lambkin, floor target, want []byte, clients int) error {
	medians, err := b.inTurn(clients, answered{"lambkin", lambkin, want}, answered{"floor", floor, want})
	if err != nil {
		return err
	}
	l, f := medians[0], medians[1]
	label := fmt.Sprintf("%d client", clients)
	if clients > 1 {
		label += "s"
	}
	p50, rate := float64(l.p50)/float64(f.p50), l.rate/f.rate
	p99 := float64(l.p99) / float64(f.p99)
	latency, slowest, throughput, cpu := "", "", "", ""
	if clients == 1 {
		latency = atMost(p50, goalWarmRatio, fmt.Sprintf("%.1f times the floor", goalWarmRatio))
		slowest = atMost(p99, goalWarmP99Ratio, fmt.Sprintf("%.0f times the floor", goalWarmP99Ratio))
	} else {
		throughput = atLeast(rate, goalThroughput, fmt.Sprintf("%.0f %% of the floor", 100*goalThroughput))
		cpu = atMostTime(l.cpu, goalCPU)
	}
	b.add(row{"warm call, " + label + ", p50", milliseconds(l.p50), milliseconds(f.p50), fmt.Sprintf("%.2f", p50), latency})
	b.add(row{"warm call, " + label + ", p99", milliseconds(l.p99), milliseconds(f.p99), fmt.Sprintf("%.2f", p99), slowest})
	b.add(row{"throughput, " + label, fmt.Sprintf("%.0f/s", l.rate), fmt.Sprintf("%.0f/s", f.rate), fmt.Sprintf("%.0f %%", 100*rate), throughput})
	b.add(row{"CPU a request, " + label, fmt.Sprintf("%.0f µs", float64(l.cpu)/1e3), fmt.Sprintf("%.0f µs", float64(f.cpu)/1e3), fmt.Sprintf("%.2f", float64(l.cpu)/float64(f.cpu)), cpu})
	return nil
}

func (b *bench) measure(t target, want []byte, clients int) (figures, error) {
	before, err := cpuTime(t.pid)
	if err != nil {
		return figures{}, err
	}
	latencies, took, err := load(t.address, t.raw, want, clients, b.duration/rounds)
	if err != nil {
		return figures{}, err
	}
	after, err := cpuTime(t.pid)
	if err != nil {
		return figures{}, err
	}
	return figures{
		p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99),
		rate: float64(len(latencies)) / took.Seconds(),
		cpu:  (after - before) / time.Duration(len(latencies)),
	}, nil
}

// median takes each figure's median by itself.
func median(all []figures) figures {
	middle := func(get func(figures) float64) float64 {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = get(f)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		p50:  time.Duration(middle(func(f figures) float64 { return float64(f.p50) })),
		p99:  time.Duration(middle(func(f figures) float64 { return float64(f.p99) })),
		rate: middle(func(f figures) float64 { return f.rate }),
		cpu:  time.Duration(middle(func(f figures) float64 { return float64(f.cpu) })),
	}
}
