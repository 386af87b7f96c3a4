package invoke

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
	listeners "github.com/lambkin-dev/lambkin/internal/engine/sandbox/relay"
)

// audienceStarter makes environments with extensions that listen. With fails,
// the initialisation ends with it, and the environment is there to be closed.
type audienceStarter struct {
	*fakeStarter
	fails error
	told  []string // kind and record of each event
}

type listening struct {
	*fakeEnvironment
	starter *audienceStarter
}

func (l listening) Listening() bool { return true }

func (l listening) Tell(kind string, event []byte) { l.starter.hear(kind, event) }

func (s *audienceStarter) hear(kind string, event []byte) {
	var parsed struct {
		Time, Type string
		Record     json.RawMessage
	}
	if err := json.Unmarshal(event, &parsed); err != nil || parsed.Type != kind {
		s.t.Errorf("%s: %v: %s", kind, err, event)
	}
	if _, err := time.Parse(recordTime, parsed.Time); err != nil {
		s.t.Error(err)
	}
	s.told = append(s.told, kind+" "+string(parsed.Record))
}

func (s *audienceStarter) Start(ctx context.Context, spec *sandbox.Spec) (sandbox.Environment, sandbox.Init, error) {
	s.hear("platform.initStart", spec.InitStarted())
	started, init, err := s.fakeStarter.Start(ctx, spec)
	init.Extensions = []extension.Info{{Name: "a", State: extension.Ready, Events: []string{"INVOKE", "SHUTDOWN"}}, {Name: `b"`, State: extension.Started, Events: []string{}, ErrorType: "Extension.Mine"}}
	init.Subscriptions = []listeners.Info{{Time: time.Now(), Name: "a", State: "Subscribed", Types: []string{"platform", "function"}}, {Time: time.Now(), Name: "b", State: "Subscribed", Types: []string{"platform"}, Logs: true}}
	if s.fails != nil {
		err = s.fails
	}
	return listening{started.(*fakeEnvironment), s}, init, err
}

// The lines as CloudWatch shows them, the events in the order of a recorded
// session of a telemetry extension.
func TestExtensionsAreLoggedAndTold(t *testing.T) {
	var starter *audienceStarter
	inBubble(t, func(c *Config, s *fakeStarter) {
		starter = &audienceStarter{fakeStarter: s}
		c.Starter = starter
		s.handle = func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
			pass(fakeHandle)
			result := &sandbox.Result{Payload: event.Payload, MaxMemoryBytes: 36 << 20}
			event.RuntimeDone(result)
			pass(time.Millisecond) // of the extensions, which counts
			return result, nil
		}
	}, func(t *testing.T, b *bench) {
		b.call(t, versionOf("f"))
		diff(t, "log", b.log.text(0), lines(
			runtimeLine(),
			"TELEMETRY\tName: a\tState: Subscribed\tTypes: [Platform, Function]",
			"LOGS\tName: b\tState: Subscribed\tTypes: [Platform]",
			"EXTENSION\tName: a\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
			"EXTENSION\tName: b\"\tState: Started\tEvents: []\tError Type: Extension.Mine",
			startLine, endLine,
			reportLine("Duration: 4.01 ms\tBilled Duration: 115 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t"),
		))
		stream := b.log.order[0].Stream
		name, arn := RuntimeVersion("python3.12", "eu-central-1")
		diff(t, "told", strings.Join(starter.told, "\n"), strings.Join([]string{
			fmt.Sprintf(`platform.initStart {"initializationType":"on-demand","phase":"init","runtimeVersion":"%s","runtimeVersionArn":"%s","functionName":"f","functionVersion":"$LATEST","instanceId":"%s","instanceMaxMemory":134217728}`, name, arn, stream),
			`platform.initRuntimeDone {"initializationType":"on-demand","phase":"init","status":"success"}`,
			`platform.extension {"name":"a","state":"Ready","events":["INVOKE","SHUTDOWN"]}`,
			`platform.extension {"name":"b\"","state":"Started","events":[],"errorType":"Extension.Mine"}`,
			`platform.initReport {"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":110.1}}`,
			`platform.start {"requestId":"` + requestID + `","functionArn":"arn:aws:lambda:eu-central-1:123456789012:function:f","version":"$LATEST"}`,
			`platform.runtimeDone {"requestId":"` + requestID + `","status":"success","metrics":{"durationMs":3.01,"producedBytes":7}}`,
			`platform.end {"requestId":"` + requestID + `"}`,
			`platform.report {"requestId":"` + requestID + `","metrics":{"durationMs":4.01,"billedDurationMs":115,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":110.1},"status":"success"}`,
		}, "\n"))
	})
}

func TestExtensionsInAStructuredLog(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { c.Starter = &audienceStarter{fakeStarter: s} }, func(t *testing.T, b *bench) {
		v := versionOf("f")
		v.LogFormat = logFormatJSON
		b.call(t, v)
		for _, want := range []string{
			`"type":"platform.telemetrySubscription","record":{"name":"a","state":"Subscribed","types":["platform","function"]}}` + "\n",
			`"type":"platform.extension","record":{"name":"a","state":"Ready","events":["INVOKE","SHUTDOWN"]}}` + "\n",
		} {
			if !strings.Contains(b.log.text(0), want) {
				t.Errorf("no %s in %s", want, b.log.text(0))
			}
		}
		v = versionOf("g")
		v.LogFormat, v.SystemLogLevel = logFormatJSON, levelWarn
		b.call(t, v)
		if got := b.log.text(1); strings.Count(got, "platform.") != 1 || !strings.Contains(got, `"name":"b\""`) {
			t.Errorf("with level WARN: %s", got)
		}
	})
}

// The body and the error type as users of crashed extensions report them.
func TestAnExtensionThatFailsTheInitialisation(t *testing.T) {
	var starter *audienceStarter
	inBubble(t, func(c *Config, s *fakeStarter) {
		starter = &audienceStarter{fakeStarter: s, fails: &sandbox.ExtensionError{Type: "Extension.Crash", Message: "exit code 0"}}
		c.Starter = starter
	}, func(t *testing.T, b *bench) {
		r := b.call(t, versionOf("f"))
		if got, want := string(r.Payload), `{"errorType":"Extension.Crash","errorMessage":"RequestId: `+requestID+` Error: exit code 0"}`; got != want || r.FunctionError != "Unhandled" {
			t.Errorf("%s %s, want %s", r.FunctionError, got, want)
		}
		for _, want := range []string{"\tPhase: init\tStatus: error\tError Type: Extension.Crash\n", "\tPhase: invoke\tStatus: error\tError Type: Extension.Crash\n", " MB\tStatus: error\tError Type: Extension.Crash\n"} {
			if !strings.Contains(b.log.text(0), want) {
				t.Errorf("no %q in %s", want, b.log.text(0))
			}
		}
		kinds := ""
		for _, told := range starter.told {
			kind, record, _ := strings.Cut(told, " ")
			kinds += " " + strings.TrimPrefix(kind, "platform.")
			if strings.HasPrefix(kind, "platform.initR") && !strings.Contains(record, `"status":"error","errorType":"Extension.Crash"`) {
				t.Errorf("%s", told)
			}
		}
		if want := " initStart initRuntimeDone extension extension initReport initStart initRuntimeDone extension extension initReport start runtimeDone end report"; kinds != want {
			t.Errorf("told%s\nwant%s", kinds, want)
		}
	})
}

func TestAnAnswerStandsThoughAnExtensionFailsAfterIt(t *testing.T) {
	for name, test := range map[string]struct {
		failed error
		report string
	}{
		"crash":   {&sandbox.ExtensionError{Type: "Extension.Crash", Message: "exit status 1"}, "Duration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\tStatus: error\tError Type: Extension.Crash"},
		"timeout": {&sandbox.TimeoutError{}, "Duration: 3000.00 ms\tBilled Duration: 3111 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\tStatus: timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(_ *Config, s *fakeStarter) {
				s.handle = func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
					pass(fakeHandle)
					return &sandbox.Result{Payload: event.Payload, MaxMemoryBytes: 36 << 20, Failed: test.failed}, nil
				}
			}, func(t *testing.T, b *bench) {
				if r := b.call(t, versionOf("f")); r.FunctionError != "" || string(r.Payload) != `{"n":1}` {
					t.Errorf("got %s %s", r.FunctionError, r.Payload)
				}
				diff(t, "log", b.log.text(0), lines(runtimeLine(), startLine, endLine, reportLine(test.report)))
				b.call(t, versionOf("f"))
				if starts, _ := b.starter.counts(); starts != 2 {
					t.Errorf("%d starts: the environment was used again", starts)
				}
			})
		})
	}
}
