package invoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// Times of the fake templates.
const (
	fakeFork = 2 * time.Millisecond
	fakeBind = 400 * time.Microsecond
)

// fakeSnapshots makes templates over a fakeStarter.
type fakeSnapshots struct {
	starter *fakeStarter
	init    func(spec *sandbox.Spec) (sandbox.Init, error) // nil takes fakeInit and succeeds
	fork    func() error                                   // nil succeeds
	bind    func(spec *sandbox.Spec) (sandbox.Init, error) // nil takes fakeBind and succeeds

	mu              sync.Mutex
	made, templates int // ever, alive
	waiting         int // clones that are not bound
	specs           []*sandbox.Spec
}

type fakeTemplate struct {
	all  *fakeSnapshots
	done chan struct{}

	mu    sync.Mutex
	bound []*fakeEnvironment
	over  bool
}

func (s *fakeSnapshots) snapshot(_ context.Context, spec *sandbox.Spec) (Template, sandbox.Init, error) {
	init, err := sandbox.Init{Duration: fakeInit}, error(nil)
	if s.init != nil {
		init, err = s.init(spec)
	} else {
		pass(fakeInit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	if err != nil || init.ErrorType != "" {
		return nil, init, err
	}
	s.templates++
	s.specs = append(s.specs, spec)
	return &fakeTemplate{all: s, done: make(chan struct{})}, init, nil
}

func (t *fakeTemplate) Done() <-chan struct{} { return t.done }

func (t *fakeTemplate) MemoryBytes() int64 { return 40 << 20 }

func (t *fakeTemplate) Fork() (Clone, error) {
	pass(fakeFork)
	if t.all.fork != nil {
		if err := t.all.fork(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, errors.New("the template has ended")
	}
	t.all.count(1)
	return &fakeClone{template: t}, nil
}

func (s *fakeSnapshots) count(clones int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += clones
}

func (s *fakeSnapshots) madeSoFar() int  { return s.read(&s.made) }
func (s *fakeSnapshots) alive() int      { return s.read(&s.templates) }
func (s *fakeSnapshots) waitingNow() int { return s.read(&s.waiting) }

func (s *fakeSnapshots) read(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

// die ends the template by itself, and its clones with it.
func (t *fakeTemplate) die() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	close(t.done)
	for _, e := range t.bound {
		e.die()
	}
}

func (t *fakeTemplate) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.bound {
		if !e.closing.Load() {
			t.all.starter.t.Error("a template is closed before its environments")
		}
	}
	t.over = true
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.templates--
	return nil
}

type fakeClone struct{ template *fakeTemplate }

func (c *fakeClone) Done() <-chan struct{} { return c.template.done }

func (c *fakeClone) Close() error {
	c.template.all.count(-1)
	return nil
}

func (c *fakeClone) Bind(spec *sandbox.Spec) (sandbox.Environment, sandbox.Init, error) {
	all, starter := c.template.all, c.template.all.starter
	all.count(-1)
	init, err := sandbox.Init{Duration: fakeBind}, error(nil)
	if all.bind != nil {
		init, err = all.bind(spec)
	} else {
		pass(fakeBind)
	}
	if err != nil {
		return nil, init, err
	}
	e := &fakeEnvironment{starter: starter, spec: spec, done: make(chan struct{}), closed: make(chan struct{}), gone: make(chan struct{})}
	starter.mu.Lock()
	starter.alive[e] = true
	starter.mu.Unlock()
	c.template.mu.Lock()
	c.template.bound = append(c.template.bound, e)
	c.template.mu.Unlock()
	return e, init, nil
}

// inSnapBubble is inBubble with templates, of which nothing may be left either.
func inSnapBubble(t *testing.T, change func(*Config, *fakeSnapshots), test func(t *testing.T, b *bench, s *fakeSnapshots)) {
	t.Helper()
	var s *fakeSnapshots
	inBubble(t, func(c *Config, starter *fakeStarter) {
		s = &fakeSnapshots{starter: starter}
		c.Snapshot = s.snapshot
		if change != nil {
			change(c, s)
		}
	}, func(t *testing.T, b *bench) { test(t, b, s) })
	if s.alive() != 0 || s.waitingNow() != 0 {
		t.Errorf("%d templates and %d clones outlive Close", s.alive(), s.waitingNow())
	}
}

// snapVersion is a published version with SnapStart.
func snapVersion(name string) *function.Version {
	v := versionOf(name)
	v.Version, v.SnapStart = "7", function.SnapStartPublishedVersions
	return v
}

func variable(t *testing.T, spec *sandbox.Spec, name string) string {
	t.Helper()
	for _, pair := range spec.Environ {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return "(unset)"
}

// AWS: lines and their order as logged by functions with SnapStart (java11, 2023-06
// and 2023-07): RESTORE_START, RESTORE_REPORT, START, END, REPORT, whose
// Billed Duration is the duration and the billed restoration, each rounded up.
func TestAVersionWithSnapStartIsRestored(t *testing.T) {
	inSnapBubble(t, nil, func(t *testing.T, b *bench, s *fakeSnapshots) {
		v := snapVersion("snap")
		if code, err := b.Snapshot(t.Context(), v); code != "" || err != nil {
			t.Fatalf("snapshot: %s, %v", code, err)
		}
		begin := time.Now()
		b.call(t, v)
		if took := time.Since(begin); took != fakeBind+fakeHandle {
			t.Errorf("the call took %s", took)
		}
		b.call(t, v) // warm
		name, arn := RuntimeVersion(v.Runtime, v.Region)
		runtime := "Runtime Version: " + name + "\tRuntime Version ARN: " + arn
		if got, want := b.log.text(0), lines("INIT_START "+runtime, "INIT_REPORT Init Duration: 110.10 ms"); got != want {
			t.Errorf("log of the snapshot:\n%s\nwant\n%s", got, want)
		}
		if got, want := b.log.text(1), lines("RESTORE_START "+runtime,
			"RESTORE_REPORT Restore Duration: 0.40 ms",
			"START RequestId: "+requestID+" Version: 7",
			"END RequestId: "+requestID,
			"REPORT RequestId: "+requestID+"\tDuration: 3.01 ms\tBilled Duration: 5 ms\tMemory Size: 128 MB\tMax Memory Used: 76 MB\tRestore Duration: 0.40 ms\tBilled Restore Duration: 1 ms\t",
			"START RequestId: "+requestID+" Version: 7",
			"END RequestId: "+requestID,
			"REPORT RequestId: "+requestID+"\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 76 MB\t"); got != want {
			t.Errorf("log:\n%s\nwant\n%s", got, want)
		}
		// AWS: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html and
		// configuration-envvars.html: the type of initialisation; no names of the log.
		for name, want := range map[string]string{"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_LAMBDA_LOG_STREAM_NAME": "(unset)", "AWS_LAMBDA_LOG_GROUP_NAME": "(unset)"} {
			if got := variable(t, s.specs[0], name); got != want {
				t.Errorf("%s is %s", name, got)
			}
		}
		if starts, _ := b.starter.counts(); starts != 0 || s.madeSoFar() != 1 {
			t.Errorf("%d ordinary starts, %d templates", starts, s.madeSoFar())
		}
	})
}

// AWS: the records of the telemetry schema reference; their levels as in the table
// "System log level event mapping" of monitoring-cloudwatchlogs-log-level.html.
func TestRestoreRecordsOfAStructuredLog(t *testing.T) {
	for level, want := range map[string][]string{
		"DEBUG": {"platform.restoreStart", "platform.restoreRuntimeDone", "platform.restoreReport", "platform.start", "platform.runtimeDone", "platform.report"},
		"INFO":  {"platform.restoreStart", "platform.restoreReport", "platform.start", "platform.report"},
		"WARN":  nil,
	} {
		inSnapBubble(t, nil, func(t *testing.T, b *bench, _ *fakeSnapshots) {
			v := snapVersion("snap")
			v.LogFormat, v.SystemLogLevel = logFormatJSON, level
			b.call(t, v)
			var got []string
			all := ""
			if len(b.log.order) > 1 {
				all = b.log.text(1)
			}
			for line := range strings.Lines(all) {
				_, rest, _ := strings.Cut(line, `"type":"`)
				kind, _, _ := strings.Cut(rest, `"`)
				got = append(got, kind)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", level, got, want)
			}
			for _, part := range []string{`{"status":"success","metrics":{"durationMs":0.4}}`, `"restoreDurationMs":0.4,"billedRestoreDurationMs":1`} {
				if level != "WARN" && !strings.Contains(all, part) {
					t.Errorf("%s: no %s in\n%s", level, part, all)
				}
			}
		})
	}
}

func TestAFunctionThatCannotBeClonedIsStartedAnew(t *testing.T) {
	inSnapBubble(t, func(_ *Config, s *fakeSnapshots) {
		s.init = func(*sandbox.Spec) (sandbox.Init, error) {
			pass(fakeInit)
			return sandbox.Init{Duration: fakeInit}, fmt.Errorf("%w: its initialisation left 2 threads", sandbox.ErrNoSnapshot)
		}
	}, func(t *testing.T, b *bench, s *fakeSnapshots) {
		v := snapVersion("threads")
		if code, err := b.Snapshot(t.Context(), v); code != "" || err != nil {
			t.Fatalf("snapshot: %s, %v", code, err)
		}
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() { b.call(t, v) })
		}
		calls.Wait()
		if starts, _ := b.starter.counts(); starts != 2 || s.madeSoFar() != 1 {
			t.Errorf("%d ordinary starts, %d tries of a snapshot", starts, s.madeSoFar())
		}
		if got := b.log.text(0); !strings.HasSuffix(got, "\nINIT_REPORT Init Duration: 110.10 ms\nSNAPSTART_FALLBACK Reason: the function cannot be cloned: its initialisation left 2 threads\n") {
			t.Errorf("log:\n%s", got)
		}
		// Its hooks run all the same; see the bootstrap.
		if got := variable(t, b.starter.specs[0], "AWS_LAMBDA_INITIALIZATION_TYPE"); got != "snap-start" {
			t.Errorf("initialisation type %s", got)
		}
		if got := b.log.text(1); !strings.Contains(got, "INIT_START") || !strings.Contains(got, "\tInit Duration: 110.10 ms\t\n") {
			t.Errorf("log:\n%s", got)
		}
	})
}

func TestAKernelThatCannotCloneIsFoundOutOnce(t *testing.T) {
	inSnapBubble(t, func(_ *Config, s *fakeSnapshots) {
		s.fork = func() error { return fmt.Errorf("isolate: %w: this kernel mounts no /proc", sandbox.ErrNoSnapshot) }
	}, func(t *testing.T, b *bench, s *fakeSnapshots) {
		v := snapVersion("f")
		b.call(t, v)
		pass(MaxEnvironmentAge)
		b.call(t, v)
		if starts, _ := b.starter.counts(); starts != 2 || s.madeSoFar() != 1 || !strings.Contains(b.log.text(0), "SNAPSTART_FALLBACK") {
			t.Errorf("%d ordinary starts, %d templates; log\n%s", starts, s.madeSoFar(), b.log.text(0))
		}
	})
}

// AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html,
// "Failures during the Restore phase", has both lines as examples; the errors of
// the call are SnapStartException and SnapStartTimeoutException.
func TestHooksThatFailFailTheCall(t *testing.T) {
	tests := map[string]struct {
		bind func(*sandbox.Spec) (sandbox.Init, error)
		want error
		line string
	}{
		"raises": {func(*sandbox.Spec) (sandbox.Init, error) {
			pass(time.Millisecond)
			return sandbox.Init{Duration: time.Millisecond, ErrorType: "Runtime.AfterRestoreError"}, nil
		}, ErrRestoreFailed, "RESTORE_REPORT Restore Duration: 1.00 ms\tStatus: error\tError Type: Runtime.ExitError\n"},
		"exits": {func(*sandbox.Spec) (sandbox.Init, error) {
			pass(time.Millisecond)
			return sandbox.Init{Duration: time.Millisecond}, &sandbox.ExitError{Status: 1}
		}, ErrRestoreFailed, "RESTORE_REPORT Restore Duration: 1.00 ms\tStatus: error\tError Type: Runtime.ExitError\n"},
		"hangs": {func(spec *sandbox.Spec) (sandbox.Init, error) {
			pass(spec.InitTimeout)
			return sandbox.Init{Duration: spec.InitTimeout}, &sandbox.TimeoutError{}
		}, ErrRestoreTimeout, "RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inSnapBubble(t, func(_ *Config, s *fakeSnapshots) { s.bind = test.bind }, func(t *testing.T, b *bench, s *fakeSnapshots) {
				v := snapVersion("f")
				if _, err := b.Invoke(t.Context(), requestOf(v)); !errors.Is(err, test.want) {
					t.Errorf("got %v", err)
				}
				if got := b.log.text(1); !strings.HasSuffix(got, test.line) {
					t.Errorf("log:\n%s", got)
				}
				s.bind = nil
				b.call(t, v)
				if starts, _ := b.starter.counts(); starts != 0 || s.madeSoFar() != 1 {
					t.Errorf("%d ordinary starts, %d templates", starts, s.madeSoFar())
				}
			})
		})
	}
}

func TestAnInitialisationThatFailsFailsTheSnapshot(t *testing.T) {
	for want, init := range map[string]func(*sandbox.Spec) (sandbox.Init, error){
		"FunctionError.RuntimeInitError": func(spec *sandbox.Spec) (sandbox.Init, error) { return initFails(spec, 1) },
		"FunctionError.InitTimeout": func(spec *sandbox.Spec) (sandbox.Init, error) {
			if spec.InitTimeout != 130*time.Second { // AWS: "130 seconds or the configured function timeout, whichever is higher"
				return sandbox.Init{}, errors.New("another time limit")
			}
			return sandbox.Init{Duration: spec.InitTimeout}, &sandbox.TimeoutError{}
		},
		"FunctionError.InitResourceExhausted": func(*sandbox.Spec) (sandbox.Init, error) {
			return sandbox.Init{Duration: 1}, &sandbox.ExitError{Signal: 9, OutOfMemory: true}
		},
	} {
		inSnapBubble(t, func(_ *Config, s *fakeSnapshots) { s.init = init }, func(t *testing.T, b *bench, _ *fakeSnapshots) {
			if code, err := b.Snapshot(t.Context(), snapVersion("f")); code != want || err != nil {
				t.Errorf("got %s, %v, want %s", code, err, want)
			}
			if got := b.log.text(0); !strings.Contains(got, "INIT_REPORT Init Duration: ") || !strings.Contains(got, "\tPhase: init\tStatus: ") {
				t.Errorf("log:\n%s", got)
			}
		})
	}
}

func TestATemplateThatEndsIsMadeAnew(t *testing.T) {
	inSnapBubble(t, nil, func(t *testing.T, b *bench, s *fakeSnapshots) {
		v := snapVersion("f")
		b.call(t, v)
		synctest.Wait()
		f := b.functions.find(functionKey{v.Account, v.Region, v.Name})
		f.mu.Lock()
		process := f.versions["7"].snapshots.current.process.(*fakeTemplate)
		f.mu.Unlock()
		process.die()
		b.call(t, v)
		if starts, _ := b.starter.counts(); starts != 0 || s.madeSoFar() != 2 {
			t.Errorf("%d ordinary starts, %d templates", starts, s.madeSoFar())
		}
		pass(time.Second)
		if s.alive() != 1 {
			t.Errorf("%d templates", s.alive())
		}
	})
}

func TestATemplateIsClosedAfterTheLastOfItsEnvironments(t *testing.T) {
	inSnapBubble(t, func(_ *Config, s *fakeSnapshots) {
		s.starter.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{}, e.work(ctx, 2*time.Second)
		}
	}, func(t *testing.T, b *bench, s *fakeSnapshots) {
		v := snapVersion("f")
		var call sync.WaitGroup
		call.Go(func() { b.call(t, v) })
		pass(time.Second)
		b.Retire(scopeOf(v), v.Name, "")
		pass(500 * time.Millisecond)
		if s.alive() != 1 || s.waitingNow() != 0 {
			t.Errorf("%d templates, %d clones wait while the call runs", s.alive(), s.waitingNow())
		}
		call.Wait()
		pass(time.Second)
		if s.alive() != 0 {
			t.Errorf("%d templates after the call", s.alive())
		}
	})
}

func TestClonesWaitForTheCallsToCome(t *testing.T) {
	inSnapBubble(t, nil, func(t *testing.T, b *bench, s *fakeSnapshots) {
		running := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { b.Run(ctx); close(running) }()
		v := snapVersion("f")
		var calls sync.WaitGroup
		for range 30 {
			calls.Go(func() { b.call(t, v) })
		}
		calls.Wait()
		pass(5 * time.Second)
		if s.waitingNow() != maxReady {
			t.Errorf("%d clones wait after 30 restores", s.waitingNow())
		}
		pass(5 * time.Minute)
		if s.waitingNow() != 1 {
			t.Errorf("%d clones wait after five minutes without any", s.waitingNow())
		}
		if s.madeSoFar() != 1 {
			t.Errorf("%d templates", s.madeSoFar())
		}
		stop()
		<-running
	})
}

func TestATemplateIsReplacedBeforeItsCredentialsEnd(t *testing.T) {
	inSnapBubble(t, nil, func(t *testing.T, b *bench, s *fakeSnapshots) {
		running := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { b.Run(ctx); close(running) }()
		v := snapVersion("f")
		b.call(t, v)
		pass(templateRefresh)
		begin := time.Now()
		b.call(t, v) // its environment was reaped
		if took := time.Since(begin); took != fakeBind+fakeHandle {
			t.Errorf("the call waited for the new snapshot: %s", took)
		}
		pass(time.Minute)
		if s.madeSoFar() != 2 {
			t.Errorf("%d templates were made", s.madeSoFar())
		}
		pass(time.Hour)
		if s.alive() != 1 {
			t.Errorf("%d templates", s.alive())
		}
		pass(MaxEnvironmentAge)
		if s.alive() != 0 {
			t.Errorf("%d templates are kept beyond their age", s.alive())
		}
		stop()
		<-running
	})
}

func TestAnUnusedTemplateGoesWhenMemoryIsShort(t *testing.T) {
	var lack atomic.Int64
	inSnapBubble(t, func(c *Config, _ *fakeSnapshots) {
		c.MemoryLack = func() (int64, error) { return lack.Load(), nil }
	}, func(t *testing.T, b *bench, s *fakeSnapshots) {
		running := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { b.Run(ctx); close(running) }()
		v := snapVersion("f")
		b.call(t, v)
		pass(time.Second)
		lack.Store(1 << 30)
		pass(10 * time.Second)
		lack.Store(0)
		defer func() {
			if n := s.waitingNow(); n != 0 {
				t.Errorf("%d clones wait while memory is short", n)
			}
		}()
		if s.alive() != 0 || s.waitingNow() != 0 {
			t.Errorf("%d templates, %d clones wait", s.alive(), s.waitingNow())
		}
		b.call(t, v)
		if starts, _ := b.starter.counts(); starts != 0 || s.madeSoFar() != 2 {
			t.Errorf("%d ordinary starts, %d templates", starts, s.madeSoFar())
		}
		stop()
		<-running
	})
}

func TestCloseDoesNotWaitForAnInitialisation(t *testing.T) {
	inSnapBubble(t, func(c *Config, s *fakeSnapshots) {
		c.Snapshot = func(ctx context.Context, _ *sandbox.Spec) (Template, sandbox.Init, error) {
			<-ctx.Done()
			return nil, sandbox.Init{Duration: time.Second}, ctx.Err()
		}
	}, func(t *testing.T, b *bench, _ *fakeSnapshots) {
		outcome := make(chan error)
		go func() {
			code, err := b.Snapshot(t.Context(), snapVersion("f"))
			if code != "" {
				t.Errorf("the end of the server failed the function: %s", code)
			}
			outcome <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-outcome; !errors.Is(err, ErrShuttingDown) {
			t.Errorf("got %v", err)
		}
	})
}
