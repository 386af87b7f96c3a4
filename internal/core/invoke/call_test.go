package invoke

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// runtimeLine is the first line of an environment's log.
func runtimeLine() string {
	name, arn := RuntimeVersion("python3.12", "eu-central-1")
	return "INIT_START Runtime Version: " + name + "\tRuntime Version ARN: " + arn
}

const (
	startLine = "START RequestId: " + requestID + " Version: $LATEST"
	endLine   = "END RequestId: " + requestID
)

func reportLine(rest string) string { return "REPORT RequestId: " + requestID + "\t" + rest }

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestFirstCallStartsAnEnvironmentAndTheNextReusesIt(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		v := versionOf("f")
		if r := b.call(t, v); string(r.Payload) != `{"n":1}` || r.FunctionError != "" {
			t.Errorf("got %+v", r)
		}
		b.call(t, v)
		// The numbers are those of a report recorded from AWS: 3.01 + 110.10 is billed as 114.
		diff(t, "log", b.log.text(0), lines(
			runtimeLine(),
			startLine, endLine, reportLine("Duration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t"),
			startLine, endLine, reportLine("Duration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"),
		))
		if starts, _ := b.starter.counts(); starts != 1 {
			t.Errorf("%d environments were started, want 1", starts)
		}
		if n := len(b.log.reports); n != 2 || b.log.reports[0].Init != fakeInit || b.log.reports[1].Init != 0 {
			t.Errorf("reports %+v", b.log.reports)
		}
	})
}

func TestLogStreamIsNamedByDateVersionAndEnvironment(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		v, shared := versionOf("f"), versionOf("g")
		shared.LogGroup = "everything"
		b.call(t, v)
		b.call(t, shared)
		own, other := b.log.order[0], b.log.order[1]
		if own.Group != "/aws/lambda/f" || !regexp.MustCompile(`^2000/01/01/\[\$LATEST\][0-9a-f]{32}$`).MatchString(own.Stream) {
			t.Errorf("stream %+v", own)
		}
		if other.Group != "everything" || !regexp.MustCompile(`^2000/01/01/g\[\$LATEST\][0-9a-f]{32}$`).MatchString(other.Stream) {
			t.Errorf("stream in a shared group %+v", other)
		}
		if !slices.Contains(b.starter.specs[0].Environ, "AWS_LAMBDA_LOG_STREAM_NAME="+own.Stream) {
			t.Error("the function does not know its stream")
		}
	})
}

func TestFailedInitRunsOnceMoreInsideTheCall(t *testing.T) {
	inBubble(t, func(_ *Config, s *fakeStarter) { s.start = initFails }, func(t *testing.T, b *bench) {
		r := b.call(t, versionOf("f"))
		if r.FunctionError != "Unhandled" || !strings.Contains(string(r.Payload), `"requestId": ""`) {
			t.Errorf("got %+v %s", r, r.Payload)
		}
		// The order is that of a log recorded from AWS. Init Duration is absent.
		diff(t, "log", b.log.text(0), lines(
			runtimeLine(),
			"[ERROR] import 1",
			"INIT_REPORT Init Duration: 80.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
			"[ERROR] import 2",
			"INIT_REPORT Init Duration: 80.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError",
			startLine, endLine,
			reportLine("Duration: 80.00 ms\tBilled Duration: 80 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\tStatus: error\tError Type: Runtime.ImportModuleError"),
		))
		b.call(t, versionOf("f"))
		if starts, _ := b.starter.counts(); starts != 4 {
			t.Errorf("%d starts after two calls, want 4", starts)
		}
	})
}

func TestInitThatSucceedsTheSecondTimeCountsAsDuration(t *testing.T) {
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.start = func(spec *sandbox.Spec, n int) (sandbox.Init, error) {
			if n == 1 {
				pass(spec.InitTimeout)
				return sandbox.Init{Duration: spec.InitTimeout}, sandbox.ErrTimeout
			}
			pass(500 * time.Millisecond)
			return sandbox.Init{Duration: 500 * time.Millisecond}, nil
		}
	}, func(t *testing.T, b *bench) {
		v := versionOf("f")
		if r := b.call(t, v); r.FunctionError != "" {
			t.Errorf("got %+v", r)
		}
		diff(t, "log", b.log.text(0), lines(
			runtimeLine(),
			"INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout",
			startLine, endLine,
			reportLine("Duration: 503.01 ms\tBilled Duration: 504 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"),
		))
		if first, second := b.starter.specs[0].InitTimeout, b.starter.specs[1].InitTimeout; first != limit.InitTimeout || second != v.Timeout {
			t.Errorf("init timeouts %s and %s", first, second)
		}
	})
}

func TestInitInsideTheCallUsesUpTheTimeout(t *testing.T) {
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.start = func(spec *sandbox.Spec, n int) (sandbox.Init, error) {
			if n == 1 {
				pass(time.Second)
				return sandbox.Init{Duration: time.Second}, &sandbox.ExitError{Status: 1}
			}
			pass(2 * time.Second)
			return sandbox.Init{Duration: 2 * time.Second}, nil
		}
		s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return nil, e.work(ctx, 2*time.Second)
		}
	}, func(t *testing.T, b *bench) {
		begin := time.Now()
		r := b.call(t, versionOf("f"))
		if !strings.Contains(string(r.Payload), "Sandbox.Timedout") || time.Since(begin) != fakeClose+4*time.Second {
			t.Errorf("got %s after %s", r.Payload, time.Since(begin))
		}
	})
}

// endings are the ways in which an environment dies under a call.
var endings = []struct {
	name    string
	err     error
	payload string
	status  string
}{
	{"timeout", nil, `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + requestID + ` Error: Task timed out after 3.00 seconds"}`, "Status: timeout"},
	{"exit zero", &sandbox.ExitError{}, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + requestID + ` Error: Runtime exited without providing a reason"}`, "Status: error\tError Type: Runtime.ExitError"},
	{"exit status", &sandbox.ExitError{Status: 127}, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + requestID + ` Error: Runtime exited with error: exit status 127"}`, "Status: error\tError Type: Runtime.ExitError"},
	{"signal", &sandbox.ExitError{Signal: 11}, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + requestID + ` Error: Runtime exited with error: signal: segmentation fault"}`, "Status: error\tError Type: Runtime.ExitError"},
	{"memory", &sandbox.ExitError{Signal: 9, OutOfMemory: true, MaxMemoryBytes: 128 << 20}, `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: ` + requestID + ` Error: Runtime exited with error: signal: killed"}`, "Status: error\tError Type: Runtime.OutOfMemory"},
	{"protocol", errors.New("a forged frame"), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + requestID + ` Error: Runtime exited with error: signal: killed"}`, "Status: error\tError Type: Runtime.ExitError"},
}

func TestAnEnvironmentThatFailedIsReplaced(t *testing.T) {
	for _, ending := range endings {
		t.Run(ending.name, func(t *testing.T) {
			inBubble(t, func(_ *Config, s *fakeStarter) {
				s.handle = func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
					if e.number > 1 {
						return &sandbox.Result{Payload: event.Payload}, nil
					}
					if ending.err != nil {
						return nil, ending.err
					}
					return nil, e.work(ctx, time.Hour)
				}
			}, func(t *testing.T, b *bench) {
				r := b.call(t, versionOf("f"))
				diff(t, "payload", string(r.Payload), ending.payload)
				if r.FunctionError != "Unhandled" || !strings.HasSuffix(b.log.text(0), "\t"+ending.status+"\n") {
					t.Errorf("function error %q, log %s", r.FunctionError, b.log.text(0))
				}
				if ending.name == "timeout" && !strings.Contains(b.log.text(0), "Duration: 3000.00 ms\tBilled Duration: 3111 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 110.10 ms\tStatus: timeout\n") {
					t.Errorf("the duration of a timeout must be exact: %s", b.log.text(0))
				}
				if again := b.call(t, versionOf("f")); string(again.Payload) != `{"n":1}` {
					t.Errorf("the next call got %s", again.Payload)
				}
				if len(b.log.order) != 2 {
					t.Errorf("%d log streams, want one of each environment", len(b.log.order))
				}
			})
		})
	}
}

func TestAHandlersExceptionIsNoStatusAndTheEnvironmentStays(t *testing.T) {
	const body = `{"errorMessage": "Handler fails", "errorType": "Exception", "requestId": "x", "stackTrace": []}`
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.handle = func(context.Context, *fakeEnvironment, *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{Payload: []byte(body), ErrorType: "Exception"}, nil
		}
	}, func(t *testing.T, b *bench) {
		r := b.call(t, versionOf("f"))
		b.call(t, versionOf("f"))
		if r.FunctionError != "Unhandled" || string(r.Payload) != body || strings.Contains(b.log.text(0), "Status:") {
			t.Errorf("got %+v, log %s", r, b.log.text(0))
		}
		if starts, _ := b.starter.counts(); starts != 1 {
			t.Errorf("%d environments, want 1", starts)
		}
		if !b.log.reports[0].FunctionError || b.log.reports[0].Status != "" {
			t.Errorf("report %+v", b.log.reports[0])
		}
	})
}

func TestResponseLimitIsExact(t *testing.T) {
	for _, test := range []struct {
		size int
		kind string
		ok   bool
	}{{limit.ResponseBytes, "", true}, {limit.ResponseBytes + 1, "", false}, {0, sandbox.ResponseTooLarge, false}} {
		inBubble(t, func(_ *Config, s *fakeStarter) {
			s.handle = func(context.Context, *fakeEnvironment, *sandbox.Event) (*sandbox.Result, error) {
				return &sandbox.Result{Payload: bytes.Repeat([]byte("x"), test.size), ErrorType: test.kind}, nil
			}
		}, func(t *testing.T, b *bench) {
			r := b.call(t, versionOf("f"))
			const want = `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`
			if test.ok && (r.FunctionError != "" || len(r.Payload) != test.size) || !test.ok && (r.FunctionError != "Unhandled" || string(r.Payload) != want) {
				t.Errorf("%d bytes: %q, %d bytes", test.size, r.FunctionError, len(r.Payload))
			}
			b.call(t, versionOf("f"))
			if starts, _ := b.starter.counts(); starts != 1 {
				t.Errorf("%d environments, want the same one again", starts)
			}
		})
	}
}

func TestLogTailIsTheLastFourKilobytesOfThisCall(t *testing.T) {
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.handle = func(_ context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
			for range 1000 {
				e.spec.Log(sandbox.LogRecord{Time: time.Now(), Data: []byte("0123456789\n")})
			}
			return &sandbox.Result{Payload: event.Payload}, nil
		}
	}, func(t *testing.T, b *bench) {
		v := versionOf("f")
		if r := b.call(t, v); r.LogTail != nil {
			t.Errorf("a tail that nobody asked for: %q", r.LogTail)
		}
		before := len(b.log.text(0))
		request := requestOf(v)
		request.LogTail = true
		r, err := b.Invoke(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		mine := b.log.text(0)[before:]
		diff(t, "tail", string(r.LogTail), mine[len(mine)-limit.LogTailBytes:])
	})
}

func TestShortLogTailHasTheStartOfTheEnvironment(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		request := requestOf(versionOf("f"))
		request.LogTail = true
		r, err := b.Invoke(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "tail", string(r.LogTail), b.log.text(0))
	})
}

func TestACallGoesOnWithoutItsClient(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := b.Invoke(ctx, requestOf(versionOf("f"))); err != nil || r.FunctionError != "" {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func TestAHostThatCannotStartIsNoFunctionError(t *testing.T) {
	broken := errors.New("no cgroup")
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.start = func(*sandbox.Spec, int) (sandbox.Init, error) { return sandbox.Init{}, broken }
	}, func(t *testing.T, b *bench) {
		if r, err := b.Invoke(t.Context(), requestOf(versionOf("f"))); !errors.Is(err, broken) {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func TestJSONLogs(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		v := versionOf("f")
		v.LogFormat, v.SystemLogLevel, v.ApplicationLogLevel = "JSON", "DEBUG", "WARN"
		b.call(t, v)
		name, arn := RuntimeVersion(v.Runtime, v.Region)
		// Member order and number formats as in logs recorded from AWS in 2024 and 2026.
		diff(t, "log", b.log.text(0), lines(
			`{"time":"2000-01-01T00:00:00.000Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"`+name+`","runtimeVersionArn":"`+arn+`","functionName":"f","functionVersion":"$LATEST","instanceId":"`+b.log.order[0].Stream+`","instanceMaxMemory":134217728}}`,
			`{"time":"2000-01-01T00:00:00.110Z","type":"platform.initRuntimeDone","record":{"initializationType":"on-demand","phase":"init","status":"success"}}`,
			`{"time":"2000-01-01T00:00:00.110Z","type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":110.1}}}`,
			`{"time":"2000-01-01T00:00:00.110Z","type":"platform.start","record":{"requestId":"`+requestID+`","functionArn":"arn:aws:lambda:eu-central-1:123456789012:function:f","version":"$LATEST"}}`,
			`{"time":"2000-01-01T00:00:00.113Z","type":"platform.runtimeDone","record":{"requestId":"`+requestID+`","status":"success","metrics":{"durationMs":3.01,"producedBytes":7}}}`,
			`{"time":"2000-01-01T00:00:00.113Z","type":"platform.report","record":{"requestId":"`+requestID+`","metrics":{"durationMs":3.01,"billedDurationMs":114,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":110.1},"status":"success"}}`,
		))
		for _, pair := range []string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=WARN"} {
			if !slices.Contains(b.starter.specs[0].Environ, pair) {
				t.Errorf("the environment lacks %s", pair)
			}
		}
	})
}

func TestSystemLogLevelFilters(t *testing.T) {
	kinds := func(text string) string {
		var all []string
		for _, match := range regexp.MustCompile(`"platform\.(\w+)"`).FindAllStringSubmatch(text, -1) {
			all = append(all, match[1])
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		level, want string
		fails       bool
	}{
		{"", "initStart start report", false},
		{"INFO", "initStart start report", false},
		{"WARN", "", false},
		{"DEBUG", "initStart initRuntimeDone initReport start runtimeDone report", false},
		{"WARN", "initRuntimeDone initReport initRuntimeDone initReport runtimeDone report", true},
		{"INFO", "initStart initRuntimeDone initReport initRuntimeDone initReport start runtimeDone report", true},
	} {
		inBubble(t, func(_ *Config, s *fakeStarter) {
			if test.fails {
				s.start = initFails
			}
		}, func(t *testing.T, b *bench) {
			v := versionOf("f")
			v.LogFormat, v.SystemLogLevel = "JSON", test.level
			b.call(t, v)
			got := ""
			if len(b.log.order) > 0 {
				got = kinds(b.log.text(0))
			}
			if got != test.want {
				t.Errorf("level %q, fails %v: %q, want %q", test.level, test.fails, got, test.want)
			}
		})
	}
}

func TestAnErrorTypeOfTheUsersOwnIsUnknownToThePlatform(t *testing.T) {
	for given, want := range map[string]string{
		"Runtime.ImportModuleError": "Runtime.ImportModuleError", "Function.Broken": "Function.Broken",
		"ValueError": "Runtime.Unknown", "Runtime.\"}\nforged": "Runtime.Unknown", "": "Runtime.Unknown",
	} {
		if got := publicErrorType(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

func TestRecordsBetweenCallsKeepTheirOrder(t *testing.T) {
	inBubble(t, func(_ *Config, s *fakeStarter) {
		s.handle = func(_ context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
			e.spec.Log(sandbox.LogRecord{Time: time.Now(), Data: []byte("first\n")})
			time.AfterFunc(time.Second, func() { e.spec.Log(sandbox.LogRecord{Time: time.Now(), Data: []byte("late\n")}) })
			return &sandbox.Result{Payload: event.Payload}, nil
		}
	}, func(t *testing.T, b *bench) {
		b.call(t, versionOf("f"))
		pass(2 * time.Second)
		synctest.Wait()
		text := b.log.text(0)
		if !strings.HasSuffix(text, "\t\nlate\n") || strings.Index(text, "first") < strings.Index(text, "START") {
			t.Errorf("log %s", text)
		}
	})
}
