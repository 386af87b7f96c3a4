package relay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
)

// world is a relay with an extension that has registered.
type world struct {
	t      *testing.T
	relay  *Relay
	server *httptest.Server
	id     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	extensions := extension.New(extension.Function{}, []string{"outer"})
	w := &world{t: t, relay: New(func(ctx context.Context, port int) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	})}
	mux := http.NewServeMux()
	extensions.Handle(mux)
	w.relay.Handle(mux, extensions)
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	t.Cleanup(w.relay.Stop)
	_, header, _ := w.do("POST", "/2020-01-01/extension/register", `{"events":[]}`, "Lambda-Extension-Name", "outer")
	w.id = header.Get("Lambda-Extension-Identifier")
	return w
}

func (w *world) do(method, path, body string, header ...string) (int, http.Header, string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set(header[0], header[1])
	reply, err := w.server.Client().Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply.StatusCode, reply.Header, strings.TrimSpace(string(text))
}

func (w *world) subscribe(path, body string) (int, string) {
	w.t.Helper()
	status, _, text := w.do("PUT", path, body, "Lambda-Extension-Identifier", w.id)
	return status, text
}

func (w *world) subscribed(path, body string) {
	w.t.Helper()
	if status, text := w.subscribe(path, body); status != 200 || text != `"OK"` {
		w.t.Fatalf("%s: %d %s", body, status, text)
	}
}

// listener is an extension's HTTP server; batches come as they were sent.
func (w *world) listener(status func() int) (port int, batches chan []map[string]any) {
	w.t.Helper()
	batches = make(chan []map[string]any, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(reply http.ResponseWriter, request *http.Request) {
		var batch []map[string]any
		if err := json.NewDecoder(request.Body).Decode(&batch); err != nil {
			w.t.Error(err)
		}
		code := status()
		if code == 200 {
			batches <- batch
		}
		reply.WriteHeader(code)
	}))
	w.t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port, batches
}

func ok() int { return 200 }

// collect takes events until there are so many.
func collect(t *testing.T, batches <-chan []map[string]any, count int) (all []map[string]any) {
	t.Helper()
	for len(all) < count {
		select {
		case batch := <-batches:
			all = append(all, batch...)
		case <-t.Context().Done():
			t.Fatalf("only %v came", all)
		}
	}
	return all
}

const telemetryPath, logsPath = "/2022-07-01/telemetry", "/2020-08-15/logs"

func subscriptionTo(schema string, port int, types string) string {
	return fmt.Sprintf(`{"schemaVersion":%q,"types":[%s],"buffering":{"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:%d/in"}}`, schema, types, port)
}

func TestEventsArriveInOrderAlsoThoseFromBefore(t *testing.T) {
	w := newWorld(t)
	port, batches := w.listener(ok)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	w.relay.Tell("platform.initStart", []byte(`{"time":"x","type":"platform.initStart","record":{"phase":"init"}}`+"\n"))
	w.relay.Log(Function, at, []byte("early\n"), false)
	w.subscribed(telemetryPath, subscriptionTo("2022-07-01", port, `"platform","function"`))
	w.relay.Log(Extension, at, []byte("not asked for\n"), false)
	w.relay.Log(Function, at, []byte("{\"level\":\"INFO\"}\n"), true)
	got := collect(t, batches, 4)
	delete(got[2], "time")
	want := []map[string]any{
		{"time": "x", "type": "platform.initStart", "record": map[string]any{"phase": "init"}},
		{"time": "2026-01-02T03:04:05.006Z", "type": "function", "record": "early\n"},
		{"type": "platform.telemetrySubscription", "record": map[string]any{"name": "outer", "state": "Subscribed", "types": []any{"platform", "function"}}},
		// AWS: before schema 2022-12-13 a record is a string in any case.
		{"time": "2026-01-02T03:04:05.006Z", "type": "function", "record": "{\"level\":\"INFO\"}\n"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestStructuredLogsAreObjectsInTheNewerSchemas(t *testing.T) {
	w := newWorld(t)
	port, batches := w.listener(ok)
	w.subscribed(telemetryPath+"/", subscriptionTo("2025-01-29", port, `"function","extension"`))
	for _, record := range []string{`{"a":1}` + "\n", "text <&>\n", "{broken\n"} {
		w.relay.Log(Extension, time.Now(), []byte(record), true)
	}
	w.relay.Log(Function, time.Now(), []byte(`{"a":1}`), false)
	var got []any
	for _, e := range collect(t, batches, 4) {
		got = append(got, e["record"])
	}
	if want := []any{map[string]any{"a": 1.0}, "text <&>\n", "{broken\n", `{"a":1}`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestALineOverTCP(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w.subscribed(telemetryPath, fmt.Sprintf(`{"schemaVersion":"2022-12-13","types":["function"],"buffering":{"timeoutMs":25},"destination":{"protocol":"TCP","port":%d}}`, listener.Addr().(*net.TCPAddr).Port))
	w.relay.Log(Function, time.UnixMilli(0), []byte("one\n"), false)
	w.relay.Log(Function, time.UnixMilli(1), []byte("two\n"), false)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for _, want := range []string{`{"time":"1970-01-01T00:00:00.000Z","type":"function","record":"one\n"}`, `{"time":"1970-01-01T00:00:00.001Z","type":"function","record":"two\n"}`} {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("got %s\nwant %s", lines.Text(), want)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	const destination = `"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}`
	tests := []struct{ path, body, kind, want string }{
		// The text of the reference page.
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`, "ValidationError", "URI port is not provided; types should not be empty"},
		{logsPath, `{"types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`, "Logs.ValidationError", "URI port is not provided; types should not be empty"},
		{telemetryPath, `{"types":["platform"],` + destination + `}`, "ValidationError", "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["all"],` + destination + `}`, "ValidationError", "types should be platform, function or extension"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://169.254.169.254:80"}}`, "ValidationError", "URI host should be sandbox.localdomain"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"https://sandbox:80"}}`, "ValidationError", "URI should be http://sandbox.localdomain:PORT"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"TCP"}}`, "ValidationError", "port is not provided"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"UDP"}}`, "ValidationError", "protocol should be HTTP or TCP"},
		{telemetryPath, `{"schemaVersion":"2022-07-01","types":["platform"],` + destination + `,"buffering":{"maxItems":999,"maxBytes":1048577,"timeoutMs":24}}`, "ValidationError",
			"maxItems should be between 1000 and 10000; maxBytes should be between 262144 and 1048576; timeoutMs should be between 25 and 30000"},
		{telemetryPath, `{`, "ValidationError", "unexpected end of JSON input"},
		{telemetryPath, strings.Repeat(" ", maxRequestBytes+1), "ValidationError", "http: request body too large"},
	}
	for _, test := range tests {
		want, _ := json.Marshal(map[string]string{"errorMessage": test.want, "errorType": test.kind})
		var got, wanted map[string]string
		status, text := w.subscribe(test.path, test.body)
		json.Unmarshal(want, &wanted)
		if err := json.Unmarshal([]byte(text), &got); status != 400 || err != nil || !reflect.DeepEqual(got, wanted) {
			t.Errorf("%.200s: %d %s\nwant %s", test.body, status, text, want)
		}
	}
	w.relay.Close()
	status, text := w.subscribe(telemetryPath, subscriptionTo("2022-07-01", 1, `"platform"`))
	if status != 403 || text != `{"errorMessage":"Telemetry API subscription is closed","errorType":"Telemetry.SubscriptionClosed"}` {
		t.Errorf("after the initialisation: %d %s", status, text)
	}
	if status, _, text := w.do("PUT", telemetryPath, "{}", "Lambda-Extension-Identifier", "12345678-1234-1234-1234-123456789012"); status != 403 || !strings.Contains(text, "Extension.UnknownExtensionIdentifier") {
		t.Errorf("a stranger: %d %s", status, text)
	}
}

func TestASecondRequestIsNoSecondSubscription(t *testing.T) {
	w := newWorld(t)
	port, batches := w.listener(ok)
	for range maxSubscriptions + 2 {
		w.subscribed(telemetryPath, subscriptionTo("2022-07-01", port, `"function"`))
	}
	w.relay.Log(Function, time.Now(), []byte("once"), false)
	w.relay.Log(Function, time.Now(), []byte("end"), false)
	if got := collect(t, batches, 2); len(got) != 2 || got[0]["record"] != "once" || got[1]["record"] != "end" {
		t.Errorf("got %v", got)
	}
	infos := w.relay.Infos()
	if len(infos) != maxSubscriptions || infos[0].State != "Subscribed" || infos[1].State != "Already subscribed" {
		t.Errorf("%d infos, %+v", len(infos), infos[:2])
	}
}

func TestDeliveryIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	var tries atomic.Int32
	port, batches := w.listener(func() int {
		if tries.Add(1) < 3 {
			return 500
		}
		return 200
	})
	w.subscribed(telemetryPath, subscriptionTo("2022-07-01", port, `"function"`))
	w.relay.Log(Function, time.Now(), []byte("stubborn"), false)
	if got := collect(t, batches, 1); got[0]["record"] != "stubborn" {
		t.Errorf("got %v", got)
	}
}

// Listeners are hostile: what they say must not come into the server's own log.
func TestAnAnswerThatNobodyAskedForIsLoggedNowhere(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var spoken bytes.Buffer
	log.SetOutput(&spoken)
	defer log.SetOutput(os.Stderr)
	w.subscribed(telemetryPath, subscriptionTo("2022-07-01", listener.Addr().(*net.TCPAddr).Port, `"function"`))
	w.relay.Log(Function, time.Now(), []byte("x"), false)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		t.Fatal(err)
	}
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	io.WriteString(conn, answer+answer)
	io.Copy(io.Discard, conn) // until it is closed at the other end
	log.SetOutput(os.Stderr)
	if spoken.Len() > 0 {
		t.Errorf("logged %q", spoken.String())
	}
}

// TestASlowListenerCostsBoundedMemory floods a listener that does not answer.
func TestASlowListenerCostsBoundedMemory(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	entered := make(chan struct{}, 1000)
	port, batches := w.listener(func() int {
		entered <- struct{}{}
		<-release
		return 200
	})
	w.subscribed(telemetryPath, subscriptionTo("2022-07-01", port, `"platform","function"`))
	<-entered // the event of the subscription is on its way
	w.relay.Close()
	line := []byte(strings.Repeat("x", 1000))
	const sent = 5000
	for range sent {
		w.relay.Log(Function, time.Now(), line, false)
	}
	s := w.relay.subscribers[0]
	s.mu.Lock()
	held, dropped := s.size, s.dropped
	s.mu.Unlock()
	if held > s.maxBytes || dropped == 0 {
		t.Errorf("%d bytes held, %d records dropped", held, dropped)
	}
	close(release)
	w.relay.Flush(t.Context())
	w.relay.Flush(t.Context()) // the first may end before the note is sent
	close(batches)
	var functions, noted float64
	for batch := range batches {
		for _, e := range batch {
			switch e["type"] {
			case "function":
				functions++
			case "platform.logsDropped":
				record := e["record"].(map[string]any)
				noted += record["droppedRecords"].(float64)
				if record["reason"] != droppedReason || record["droppedBytes"].(float64) < 1000*record["droppedRecords"].(float64) {
					t.Errorf("record %v", record)
				}
			}
		}
	}
	if functions+noted != sent || noted != float64(dropped) {
		t.Errorf("%v arrived and %v were told to be dropped, of %d", functions, noted, sent)
	}
}

func TestTheOlderLogsAPI(t *testing.T) {
	w := newWorld(t)
	port, batches := w.listener(ok)
	w.subscribed(logsPath, fmt.Sprintf(`{"types":["platform"],"buffering":{"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox:%d","method":"PUT","encoding":"JSON"}}`, port))
	for _, of := range []string{"platform.initStart", "platform.start", "platform.runtimeDone", "platform.end", "platform.report"} {
		w.relay.Tell(of, []byte(`{"type":"`+of+`"}`))
	}
	var got []any
	for _, e := range collect(t, batches, 4) {
		got = append(got, e["type"])
	}
	if want := []any{"platform.logsSubscription", "platform.start", "platform.end", "platform.report"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestStopEndsADeliveryThatHangs(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w.subscribed(telemetryPath, subscriptionTo("2022-07-01", listener.Addr().(*net.TCPAddr).Port, `"function"`))
	w.relay.Log(Function, time.Now(), []byte("x"), false)
	if _, err := listener.Accept(); err != nil {
		t.Fatal(err)
	}
	w.relay.Stop() // waits for the goroutine
}
