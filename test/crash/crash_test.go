// Package crash kills the real server with SIGKILL at random moments under a
// load of writes, starts it again over the same folder, and checks that every
// acknowledged write is there and that none is half there. What was under way at
// the kill may be there or not, but only as a whole.
//
// The random seed is printed and can be given with -seed: it repeats what is
// written and after how many writes a kill comes, not the race itself. -long
// kills 100 times. The pipeline of examples/ is killed by a test of its own,
// TestPipelineSurvivesKills. Start reading at TestAcknowledgedWritesSurviveKills.
package crash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

var (
	long = flag.Bool("long", false, "kill 100 times instead of 10, the pipeline 20 times instead of 3")
	seed = flag.Uint64("seed", 0, "seed of the random choices; 0: a new one")
)

const (
	shortKills, longKills = 10, 100
	writesOfAPart         = 12 // between two kills, at most, acknowledged, on average: fast parts write more
	// patience bounds every wait for what must happen.
	patience = 4 * time.Minute
	// loadTime bounds one round of writes on a machine that is too slow for them.
	loadTime = 20 * time.Second
)

// part writes one kind of thing, one write at a time. It knows what was
// acknowledged and what was under way when the server was killed.
type part interface {
	// write does one write. An error of *downError is the end of the server; any
	// other is a failure of the test.
	write(ctx context.Context, c client) error
	// check compares what the server has with what it acknowledged.
	check(ctx context.Context, c client) error
}

// load is all parts and the server they write to.
type load struct {
	t      *testing.T
	server *platform.Platform
	random *rand.Rand
	parts  []part
	events *events
	line   *queues
	follow *letters
	topics *topics
	mapped *mapped
	pids   []int         // of all servers so far
	moment time.Duration // at most, from the writes of a round to the kill
	writes atomic.Int64
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	os.Exit(m.Run())
}

func TestAcknowledgedWritesSurviveKills(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root to isolate functions")
	}
	t.Logf("the random seed is %d (-seed %d writes the same again)", *seed, *seed)
	kills := shortKills
	if *long {
		kills = longKills
	}
	l := newLoad(t)
	for kill := range kills {
		begin := time.Now()
		if l.random.IntN(4) == 0 {
			l.killAtStart()
		} else {
			l.killUnderLoad()
		}
		l.start()
		l.checkAll(fmt.Sprintf("after kill %d", kill+1))
		t.Logf("kill %d: %d writes so far, %s", kill+1, l.writes.Load(), time.Since(begin).Round(time.Millisecond))
	}
	l.finish(kills)
}

func newLoad(t *testing.T) *load {
	t.Helper()
	folder := t.TempDir()
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, random: random(0), moment: 20 * time.Millisecond, events: &events{random: random(1), accepted: map[string]int{}}}
	l.server, err = platform.Start(t.Context(), binary, folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.server.Kill)
	l.pids = append(l.pids, l.server.PID())
	l.line = &queues{random: random(8)}
	l.follow = &letters{accepted: map[string]bool{}, records: map[string]bool{}, dead: map[string]bool{}}
	l.topics = &topics{}
	l.mapped = newMapped(random(9))
	rest := &restAPI{}
	web := &doors{}
	l.parts = []part{
		rest,
		web,
		l.events,
		&layers{random: random(2), name: "lib"},
		&logs{random: random(3)},
		l.line,
		l.follow,
		l.topics,
		l.mapped,
		&objects{random: random(10)},
		&identities{random: random(11)},
		&stacks{},
		&controlled{},
	}
	for i := range 4 {
		l.parts = append(l.parts, newFunction(random(4+uint64(i)), fmt.Sprint("f", i)))
	}
	for _, f := range []func(context.Context, *platform.Platform) error{
		prepare,
		prepareLetters,
		l.topics.prepare,
		l.mapped.prepare,
		rest.prepare,
		web.prepare,
	} {
		if err := f(t.Context(), l.server); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// random is one of the sources of a run: each part has its own, so that what it
// writes does not depend on when.
func random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(*seed, stream)) }

func (l *load) start() {
	l.t.Helper()
	if err := l.server.Restart(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.pids = append(l.pids, l.server.PID())
}

// killAtStart kills the server while it starts, or a moment later.
func (l *load) killAtStart() {
	l.t.Helper()
	l.server.Kill()
	if err := l.server.Launch(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.pids = append(l.pids, l.server.PID())
	<-time.After(time.Duration(l.random.Int64N(int64(200 * time.Millisecond)))) // the moment of the kill is the matter of the test
	l.server.Kill()
}

// killUnderLoad lets all parts write and kills the server after a random number
// of acknowledged writes and a random moment more.
func (l *load) killUnderLoad() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	due := make(chan struct{})
	var left atomic.Int64
	left.Store(1 + l.random.Int64N(writesOfAPart*int64(len(l.parts))))
	var writers sync.WaitGroup
	for _, p := range l.parts {
		writers.Go(func() { // ends when the server is killed
			for {
				err := p.write(ctx, client{l.server})
				if isDown(err) && ctx.Err() == nil {
					return
				}
				if err != nil {
					l.t.Errorf("%T: %v", p, err)
					return
				}
				l.writes.Add(1)
				if left.Add(-1) == 0 {
					close(due)
				}
			}
		})
	}
	timer := time.NewTimer(loadTime)
	defer timer.Stop()
	select {
	case <-due:
	case <-timer.C:
	}
	<-time.After(time.Duration(l.random.Int64N(int64(l.moment)))) // the moment of the kill is the matter of the test
	l.server.Kill()
	writers.Wait()
	l.stopIfFailed("under load")
}

func (l *load) checkAll(when string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for _, p := range l.parts {
		if err := p.check(ctx, client{l.server}); err != nil {
			l.t.Errorf("%s: %T: %v", when, p, err)
		}
	}
	l.stopIfFailed(when)
}

func (l *load) stopIfFailed(when string) {
	l.t.Helper()
	if l.t.Failed() {
		l.t.Fatalf("failed %s, seed %d; the server's log:\n%s", when, *seed, l.server.Log())
	}
}

// finish waits for the accepted events, ends the server as a user does, and
// looks at what it leaves behind.
func (l *load) finish(kills int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for _, wait := range []func(context.Context, client) error{l.events.wait, l.follow.wait, l.mapped.wait} {
		if err := wait(ctx, client{l.server}); err != nil {
			l.t.Error(err)
		}
	}
	if err := l.server.Stop(); err != nil {
		l.t.Error(err)
	}
	if log := l.server.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		l.t.Error("the server panicked")
	}
	checkBlobs(l.t, filepath.Join(l.server.Data, "blobs"))
	for _, pid := range l.pids {
		for _, pattern := range []string{"/sys/fs/cgroup/lambkin-%d-*", "/sys/fs/cgroup/*/lambkin-%d-*"} {
			if left, _ := filepath.Glob(fmt.Sprintf(pattern, pid)); len(left) > 0 { // the pattern is well formed
				l.t.Errorf("a killed server left %s", left)
			}
		}
	}
	if l.writes.Load() < int64(kills) || len(l.events.accepted) == 0 || l.line.taken == 0 || len(l.follow.accepted) == 0 || l.topics.came == 0 || l.mapped.handled == 0 {
		l.t.Errorf("%d kills show little: %d writes, %d events, %d messages deleted, %d records and dead letters, %d through topics, %d handled by functions",
			kills, l.writes.Load(), len(l.events.accepted), l.line.taken, len(l.follow.accepted), l.topics.came, l.mapped.handled)
	}
	l.stopIfFailed("at the end")
	l.t.Logf("%d kills, %d acknowledged writes, %d of them events that ran, %d events whose records and dead letters arrived, %d messages that were deleted, %d that came through topics, %d that functions handled",
		kills, l.writes.Load(), len(l.events.accepted), len(l.follow.accepted), l.line.taken, l.topics.came, l.mapped.handled)
}

// checkBlobs looks for files that are not what their name says.
func checkBlobs(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no blobs in %s: %v", folder, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != filepath.Base(name) {
			t.Errorf("%s holds something else", name)
		}
	}
}
