// Package ric compares our runtime with AWS's own client, awslambdaric from the
// package index: the same handlers, the same events, byte for byte the same
// results, error bodies, content types, error types and log. What differs on
// purpose is in the table of differences, with the reason. No goroutines outlive
// a test. Start reading at TestOurRuntimeAnswersAsAWSDoes; a new case is a new
// function in testdata/task/cases.py.
package ric

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

var long = flag.Bool("long", false, "compare on every Python of this machine")

// clientVersion is the client that we compare with.
const clientVersion = "4.2.2"

func TestOurRuntimeAnswersAsAWSDoes(t *testing.T) {
	cache, err := filepath.Abs("../../.cache")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "runtimes")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir() // without one, its folders are not searched
	runtimes, err := pyboot.New(pyboot.Config{Folder: folder, Search: pyboot.SearchPath(os.Getenv("PATH"), home), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"python3.9", "python3.14"}
	if *long {
		ids = pyboot.Versions
	}
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			found, err := runtimes.Resolve(t.Context(), id)
			if errors.Is(err, sandbox.ErrRuntimeMissing) {
				t.Skip("NOT COMPARED: ", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			library := installClient(t, runtimes, id, filepath.Join(cache, "ric"))
			task := copyTask(t)
			all := sessions(t)
			if !*long && id != ids[len(ids)-1] {
				maps.DeleteFunc(all, func(_ string, s *session) bool { return len(s.calls) == 1 }) // one process each: for the newest version only
			}
			for name, s := range all {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s.compare(t, found, task, library)
				})
			}
		})
	}
}

func (s *session) compare(t *testing.T, found sandbox.Runtime, task, library string) {
	theirs, ours := s.theirs(t, found, task, library), s.ours(t, found, task, library)
	if len(theirs) != len(ours) {
		t.Fatalf("their client had %d outcomes, the last %+v; ours %d, the last %+v", len(theirs), theirs[len(theirs)-1], len(ours), ours[len(ours)-1])
	}
	for i := range theirs {
		name := s.handler
		if i > 0 {
			name += "/" + s.calls[i-1].name
		}
		want, have := theirs[i].normal(library), ours[i].normal(found.BootstrapDir)
		if d, known := differences[name]; known {
			d.take(&want, &have)
		}
		if want != have {
			t.Errorf("%s\ntheirs: %+v\nours:   %+v", name, want, have)
		}
	}
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z`)

// ownFrame is a line of a traceback that shows the runtime itself: its place in
// our file is not its place in AWS's.
var ownFrame = regexp.MustCompile(`(RUNTIME/awslambdaric/\w+\.py\\*", line )\d+`)

// normal takes out what cannot be equal: times, and where the client lies.
func (o outcome) normal(library string) outcome {
	for _, text := range []*string{&o.body, &o.log} {
		*text = times.ReplaceAllString(*text, "TIME")
		*text = strings.ReplaceAll(*text, library, "RUNTIME")
		*text = ownFrame.ReplaceAllString(*text, "${1}N")
	}
	return o
}

// installClient returns a folder with AWS's client for a runtime. For the
// Pythons that it has no wheel for, its Python part is taken, and a stand-in for
// the compiled one that speaks HTTP.
func installClient(t *testing.T, runtimes *pyboot.Runtimes, id, cache string) string {
	folder := filepath.Join(cache, id+"-"+clientVersion)
	if _, err := os.Stat(filepath.Join(folder, "complete")); err == nil {
		return folder
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	version := strings.TrimPrefix(id, "python")
	standIn := id == "python3.8" || id == "python3.9"
	wheel := version
	if standIn {
		wheel = "3.13"
	}
	install := func(version string, names ...string) {
		arguments := []string{"install", "--quiet", "--no-deps", "--upgrade", "--only-binary", ":all:", "--platform", "manylinux2014_" + arch, "--platform", "any",
			"--python-version", version, "--implementation", "cp", "--target", folder}
		out, err := runtimes.Pip(t.Context(), append(arguments, names...)...)
		if err != nil && bytes.Contains(out, []byte("No matching distribution")) && os.Getenv("LAMBKIN_CHECK") != "1" {
			t.Skipf("NOT COMPARED: the package index has no %v for us: %s", names, out)
		}
		if err != nil {
			t.Fatalf("install %v: %v: %s", names, err, out)
		}
	}
	install(wheel, "awslambdaric=="+clientVersion, "snapshot-restore-py==1.0.0")
	install(version, "simplejson")
	if standIn {
		data, err := os.ReadFile("testdata/runtime_client.py")
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "runtime_client.py"), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// copyTask copies the handlers to a folder whose name both runtimes show.
func copyTask(t *testing.T) string {
	task := filepath.Join(t.TempDir(), "task")
	if err := os.CopyFS(task, os.DirFS("testdata/task")); err != nil {
		t.Fatal(err)
	}
	return task
}

var caseName = regexp.MustCompile(`(?m)^(?:async )?def case_(\w+)\(`)

// sessions are all comparisons: the cases of cases.py under each form of the
// log, then what needs a process of its own.
func sessions(t *testing.T) map[string]*session {
	source, err := os.ReadFile("testdata/task/cases.py")
	if err != nil {
		t.Fatal(err)
	}
	var calls []call
	for _, match := range caseName.FindAllSubmatch(source, -1) {
		name := string(match[1])
		calls = append(calls, call{name: name, event: `{"case": "` + name + `", "text": "é", "n": [1, 2.5, 1e400, -0, 12345678901234567890]}`, contentType: "application/json"})
	}
	if len(calls) < 60 {
		t.Fatalf("only %d cases are left", len(calls))
	}
	all := map[string]*session{
		"text":             {handler: "cases.handler", calls: slices.Concat(calls, contextCalls())},
		"text level":       {handler: "cases.handler", environ: map[string]string{"AWS_LAMBDA_LOG_LEVEL": "INFO"}, calls: logCalls(calls)},
		"json":             {handler: "cases.handler", environ: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "TRACE"}, calls: calls},
		"json error":       {handler: "cases.handler", environ: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "FATAL"}, calls: logCalls(calls)},
		"level none":       {handler: "cases.handler", environ: map[string]string{"AWS_LAMBDA_LOG_LEVEL": "nonsense"}, calls: logCalls(calls)},
		"bodies":           {handler: "plain.kind", calls: bodyCalls()},
		"no runtime named": {handler: "cases.handler", environ: map[string]string{"AWS_EXECUTION_ENV": ""}, calls: slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !strings.Contains(c.name, "unicode") })},
	}
	one := []call{{name: "event", event: "{}", contentType: "application/json"}}
	for _, handler := range []string{
		"plain.echo", "plain.no_arguments", "plain.one_argument", "plain.coroutine", "plain.instance", "plain.method", "plain.number", "plain.missing", "plain.Callable",
		"folder/inner.handler", "folder.inner.handler", "package.module.handler", "package/module.handler", "missing.handler", "missing.deeper.handler", "package.missing.handler",
		"nodot", "", ".", ".handler", "..x.handler", "plain.", "plain..echo", "sys.handler", "sys/x.handler", "builtins.x", "json.loads", "é.handler", "ünïcode", "plain.é",
		"broken_import.handler", "broken_from.handler", "broken_inner.handler", "broken_syntax.handler", "broken_indent.handler", "broken_encoding.handler",
		"broken_nested_syntax.handler", "broken_raise.handler", "broken_exit.handler", "broken_exit_none.handler", "broken_interrupt.handler",
		"plain.exit_three", "plain.exit_none", "plain.exit_text", "plain.exit_builtin", "plain.exit_hard", "plain.exit_large", "plain.exit_killed", "plain.exit_handlers",
		"plain.surrogate", "plain.surrogate_error", "plain.mute", "plain.keyboard_interrupt", "plain.base_exception",
	} {
		all["bind "+handler] = &session{handler: handler, calls: one}
	}
	for _, handler := range []string{"broken_raise.handler", "broken_syntax.handler", "nodot", "broken_import.handler"} {
		all["json bind "+handler] = &session{handler: handler, environ: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, calls: one}
	}
	return all
}

func logCalls(calls []call) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool {
		return !strings.Contains(c.name, "log") && !strings.Contains(c.name, "raise") && !strings.Contains(c.name, "print")
	})
}

// contextCalls are events that come with more than a body.
func contextCalls() []call {
	calls := []call{}
	for _, c := range []call{
		{name: "client context", clientContext: `{"client":{"installation_id":"i","app_title":"t","other":1},"custom":{"k":"v"},"env":{"locale":"de"},"more":1}`},
		{name: "client context without client", clientContext: `{"custom":[1]}`}, {name: "empty client context", clientContext: `{}`}, {name: "null client context", clientContext: `null`},
		{name: "broken client context", clientContext: `{`}, {name: "w3c", clientContext: `{"custom":1,"w3c":{"traceparent":"00-a-b-01","tracestate":5,"baggage":"x","other":"y"}}`},
		{name: "identity", identity: `{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}`}, {name: "half an identity", identity: `{"cognitoIdentityId":"id"}`},
		{name: "null identity", identity: `null`}, {name: "broken identity", identity: `x`}, {name: "tenant", tenant: "blue"}, {name: "trace", trace: "Root=1-5e1b4151-5ac6c58f3e1d;Sampled=0"},
	} {
		for _, handler := range []string{"context", "client_context", "identity", "w3c", "trace", "log_levels"} {
			c.event, c.contentType = `{"case": "`+handler+`"}`, "application/json"
			then := c
			then.name += " " + handler
			calls = append(calls, then)
		}
	}
	return calls
}

// bodyCalls are events as bytes.
func bodyCalls() []call {
	var calls []call
	for name, body := range map[string]string{
		"string": `"é"`, "escapes": `"\u00e9\ud83d\ude00\ud800\/"`, "number": `12`, "float": `1.0`, "exponent": `1E5`, "big": `123456789012345678901234567890`, "null": `null`,
		"list": `[1,[2,{}]]`, "spaces": " \n\t{ \"a\" : 1 }\r\n", "twice": `{"a":1,"a":2}`, "deep": strings.Repeat("[", 200) + strings.Repeat("]", 200), "zero": `-0.0`,
		"not utf-8": "\"\xff\"", "empty": "", "broken": "{", "word": "nonsense", "extra": "1 2",
	} {
		calls = append(calls, call{name: name, event: body, contentType: "application/json"})
	}
	for _, contentType := range []string{"text/plain", "application/octet-stream", "application/json; charset=utf-8"} {
		calls = append(calls, call{name: "as " + contentType, event: "{\"a\": \xff\x00}", contentType: contentType})
	}
	slices.SortFunc(calls, func(a, b call) int { return strings.Compare(a.name, b.name) })
	return calls
}

// difference is a place where we answer otherwise.
type difference struct {
	part   string // "log", "body and log", or "all"
	reason string
}

// take removes from both what may differ.
func (d difference) take(outcomes ...*outcome) {
	for _, o := range outcomes {
		switch d.part {
		case "log":
			o.log = ""
		case "body and log":
			o.log, o.body = "", ""
		default:
			*o = outcome{}
		}
	}
}

// differences are all of them, by handler and call.
var differences = map[string]difference{
	"plain.kind/broken": {"body and log", "the words of another JSON parser; the platform refuses such an event before it reaches a runtime"},
	"plain.kind/extra":  {"body and log", "the words of another JSON parser; the platform refuses such an event before it reaches a runtime"},

	"ünïcode":   {"body and log", "AWS's client sends this body in Latin-1, which is no JSON: a fault of the client. Ours is UTF-8"},
	"plain.é":   {"body and log", "AWS's client sends this body in Latin-1, which is no JSON: a fault of the client. Ours is UTF-8"},
	"é.handler": {"body and log", "AWS's client sends this body in Latin-1, which is no JSON: a fault of the client. Ours is UTF-8"},

	"broken_encoding.handler": {"all", "AWS's client fails to send a body beyond Latin-1 and exits: a fault of the client. Ours reports the syntax error"},

	"plain.coroutine/event":          {"log", "Python warns of a coroutine that nobody awaited after the answer is sent, so no order is defined"},
	"plain.mute/event":               {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
	"plain.base_exception/event":     {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
	"plain.keyboard_interrupt/event": {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
	"plain.surrogate_error/event":    {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
	"plain.surrogate/event":          {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
	"broken_interrupt.handler":       {"log", "the traceback of the runtime's own end shows the runtime's own functions"},
}
