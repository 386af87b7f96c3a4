package badinput

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// Frames of HTTP/2 (RFC 9113), written by hand: a client of Go's library sends none
// that are wrong.
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4

	settingMaxStreams = 0x3
)

// secured is a server with TLS.
type secured struct {
	*platform.Platform
	address string
	config  *tls.Config
}

var tlsAddress = regexp.MustCompile(`and at https://(\S+), by certificates`)

func startSecured(t *testing.T) *secured {
	t.Helper()
	folder := t.TempDir()
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	s, err := platform.Start(suite, binary, folder, "--tls=127.0.0.1:0") // t.Context ends before Cleanup
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if log := s.Log(); strings.Contains(log, "panic") {
			t.Errorf("the server panicked:\n%s", log)
		}
	})
	found := tlsAddress.FindStringSubmatch(s.Log())
	if found == nil {
		t.Fatalf("the server does not say where it listens with TLS:\n%s", s.Log())
	}
	text, err := os.ReadFile(filepath.Join(s.Data, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &secured{s, found[1], &tls.Config{RootCAs: pool, ServerName: "localhost"}}
}

// client is Go's, which speaks HTTP/2.
func (s *secured) client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: s.config.Clone(), ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 2 * time.Minute}
}

// made makes something of API Gateway and gives its id.
func (s *secured) made(t *testing.T, path, body string) string {
	t.Helper()
	reply, err := s.CallService(t.Context(), "apigateway", "POST", path, http.Header{"Content-Type": {"application/json"}}, []byte(body))
	var made struct {
		APIID string `json:"apiId"`
	}
	if err != nil || reply.Status != http.StatusCreated || json.Unmarshal(reply.Body, &made) != nil {
		t.Fatalf("%s: %v: %+v", path, err, reply)
	}
	return made.APIID
}

// healthy checks that the server answers others, by HTTP/2.
func (s *secured) healthy(t *testing.T) {
	t.Helper()
	reply, err := s.client(t).Get("https://localhost/_lambkin/health")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK || reply.Proto != "HTTP/2.0" {
		t.Errorf("status %d by %s", reply.StatusCode, reply.Proto)
	}
}

// framed is a connection of HTTP/2 whose frames the test makes.
type framed struct {
	net.Conn
	in *bufio.Reader
}

func (s *secured) raw(t *testing.T) *framed {
	t.Helper()
	config := s.config.Clone()
	config.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", s.address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Fatalf("the server chose %q", got)
	}
	r := &framed{c, bufio.NewReader(c)}
	if _, err := io.WriteString(c, preface+frame(frameSettings, 0, 0, "")); err != nil {
		t.Fatal(err)
	}
	return r
}

func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string(binary.BigEndian.AppendUint32([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}, stream)) + payload
}

// field is a header in HPACK (RFC 7541, 6.2.2): a literal, not indexed, without Huffman.
func field(name, value string) string { return "\x00" + hpackText(name) + hpackText(value) }

func hpackText(text string) string {
	n := len(text)
	if n < 127 {
		return string([]byte{byte(n)}) + text
	}
	length := []byte{127}
	for n -= 127; n >= 128; n /= 128 {
		length = append(length, byte(n%128)|128)
	}
	return string(append(length, byte(n))) + text
}

func get(path string, more ...string) string {
	return field(":method", "GET") + field(":scheme", "https") + field(":authority", "localhost") + field(":path", path) + strings.Join(more, "")
}

// end reads until the server ends the connection.
func (r *framed) end(t *testing.T) {
	t.Helper()
	_, err := io.Copy(io.Discard, r.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server goes on with the connection")
	}
}

func (r *framed) next() (kind, flags byte, payload []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(r.in, payload)
	return head[3], head[4], payload, err
}

// TestHTTP2 is what clients that are no browsers and no SDKs of Python speak over TLS.
func TestHTTP2(t *testing.T) {
	s := startSecured(t)
	s.healthy(t)
	t.Run("an API of AWS and a front door, many at once on one connection", s.manyAtOnce)
	t.Run("a client that offers nothing gets HTTP/1.1", s.noOffer)
	t.Run("a WebSocket", s.webSocket)
	t.Run("the number of streams is told", s.streamsAreTold)
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) { s.flooded(t, flood) })
	}
	t.Run("headers that are too large", s.largeHeaders)
	t.Run("what no request may have", s.wrongRequests)
}

// manyAtOnce calls more at once than a connection has streams.
func (s *secured) manyAtOnce(t *testing.T) {
	client := s.client(t)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.ListQueues"}}
			request, err := platform.Sign(t.Context(), "sqs", "POST", "https://sqs.us-east-1.amazonaws.com/", header, []byte("{}"))
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer reply.Body.Close()
			if reply.StatusCode != http.StatusOK || reply.ProtoMajor != 2 {
				t.Errorf("status %d by %s", reply.StatusCode, reply.Proto)
			}
		})
	}
	all.Wait()
	reply, err := client.Get("https://nobody.execute-api.us-east-1.localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if body, _ := io.ReadAll(reply.Body); reply.StatusCode != http.StatusForbidden || string(body) != `{"message":"Forbidden"}` {
		t.Errorf("%d %s", reply.StatusCode, body)
	}
}

// noOffer is a client without ALPN, or without HTTP/2 in it.
func (s *secured) noOffer(t *testing.T) {
	for _, offered := range [][]string{nil, {"http/1.1"}} {
		config := s.config.Clone()
		config.NextProtos = offered
		c, err := tls.Dial("tcp", s.address, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /_lambkin/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if said, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 200") {
			t.Errorf("%v: %.100q, %v", offered, said, err)
		}
	}
}

// webSocket opens one, as its clients do: they ask for HTTP/1.1.
func (s *secured) webSocket(t *testing.T) {
	id := s.made(t, "/v2/apis", `{"name": "ws", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"}`)
	s.made(t, "/v2/apis/"+id+"/stages", `{"stageName": "s", "autoDeploy": true}`)
	for _, offered := range [][]string{nil, {"http/1.1"}} {
		config := s.config.Clone()
		config.ServerName, config.NextProtos = id+".execute-api.us-east-1.localhost", offered
		c, err := tls.Dial("tcp", s.address, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", config.ServerName)
		if said, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(said, "HTTP/1.1 101") {
			t.Errorf("%v: %.100q, %v", offered, said, err)
		}
	}
}

// streamsAreTold reads the settings of the server.
func (s *secured) streamsAreTold(t *testing.T) {
	r := s.raw(t)
	kind, _, payload, err := r.next()
	if err != nil || kind != frameSettings {
		t.Fatalf("frame %d, %v", kind, err)
	}
	streams := uint32(0)
	for ; len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) == settingMaxStreams {
			streams = binary.BigEndian.Uint32(payload[2:])
		}
	}
	if streams != 128 {
		t.Errorf("%d streams", streams)
	}
}

// floods are what a client sends without an end.
var floods = map[string]func(i int) string{
	// CVE-2023-44487: streams that are reset as soon as they are open.
	"rapid reset": func(i int) string {
		id := uint32(2*i + 1)
		return frame(frameHeaders, flagEndHeaders|flagEndStream, id, get("/_lambkin/health")) + frame(frameReset, 0, id, "\x00\x00\x00\x08")
	},
	// CVE-2024-27316: headers without an end.
	"continuation": func(i int) string {
		if i == 0 {
			return frame(frameHeaders, flagEndStream, 1, get("/"))
		}
		return frame(frameContinuation, 0, 1, field("x-filler", strings.Repeat("x", 8000)))
	},
	"settings": func(int) string { return frame(frameSettings, 0, 0, "") },
	"pings":    func(int) string { return frame(framePing, 0, 0, "12345678") },
	"too many streams": func(i int) string {
		return frame(frameHeaders, flagEndHeaders, uint32(2*i+1), get("/_lambkin/health")) // which never end
	},
}

// flooded sends a flood until the server ends the connection: it must not grow by it.
func (s *secured) flooded(t *testing.T, flood func(i int) string) {
	before := residentOf(t, s.Platform)
	r := s.raw(t)
	for i := range 30_000 {
		if _, err := io.WriteString(r, flood(i)); err != nil {
			break // the server has ended it
		}
	}
	const growthKiB = 200 << 10
	if grown := residentOf(t, s.Platform) - before; grown > growthKiB {
		t.Errorf("the server has grown by %d KiB", grown)
	}
	s.healthy(t)
}

// largeHeaders sends more than the bound of all headers.
func (s *secured) largeHeaders(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), "GET", "https://localhost/_lambkin/health", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Filler", strings.Repeat("x", 200<<10))
	reply, err := s.client(t).Do(request)
	if err == nil {
		defer reply.Body.Close()
		if reply.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", reply.StatusCode)
		}
	} // else the client read the bound of the server's settings, and sent nothing
	r := s.raw(t)
	text := get("/_lambkin/health", field("x-filler", strings.Repeat("x", 15<<10)))
	io.WriteString(r, frame(frameHeaders, flagEndStream, 1, text)) // the error of a write is one of the read
	for range 6 {
		io.WriteString(r, frame(frameContinuation, 0, 1, field("x-filler", strings.Repeat("x", 15<<10))))
	}
	io.WriteString(r, frame(frameContinuation, flagEndHeaders, 1, ""))
	io.WriteString(r, frame(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00"))
	r.end(t)
	s.healthy(t)
}

// wrongRequests sends what RFC 9113 calls malformed.
func (s *secured) wrongRequests(t *testing.T) {
	for what, text := range map[string]string{
		"a header of connections": get("/", field("transfer-encoding", "chunked")),
		"a line break":            get("/", field("x-a", "b\r\nc: d")),
		"capitals":                get("/", field("X-A", "b")),
		"no path":                 field(":method", "GET") + field(":scheme", "https") + field(":authority", "localhost"),
		"two paths":               get("/", field(":path", "/x")),
		"a length that is none":   get("/", field("content-length", "-1")),
	} {
		r := s.raw(t)
		io.WriteString(r, frame(frameHeaders, flagEndHeaders|flagEndStream, 1, text))
		for {
			kind, _, payload, err := r.next()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			} else if kind == frameHeaders && len(payload) > 0 && payload[0] == 0x88 { // :status 200, RFC 7541 appendix A
				t.Errorf("%s is served", what)
			} else if kind != frameHeaders && kind != frameReset && kind != frameGoAway {
				continue
			}
			break
		}
	}
	s.healthy(t)
}
