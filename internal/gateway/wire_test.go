package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// patience is how long a reply may take on a loaded machine.
const patience = 60 * time.Second

// raw sends bytes as they are and returns the status codes of all replies until
// the server closes the connection.
func (s *platform) raw(request string) []int {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		s.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	var codes []int
	reader := bufio.NewReader(conn)
	for {
		reply, err := http.ReadResponse(reader, nil)
		if err != nil {
			return codes
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			return codes
		}
		codes = append(codes, reply.StatusCode)
	}
}

// signedHead is the header block of a signed Invoke with body, without the
// headers that frame the body.
func (s *platform) signedHead(body string) string {
	r := sign(s.request("POST", invoke, nil), ada, "lambda", []byte(body))
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n", invoke, r.URL.Host, r.Header.Get("X-Amz-Date"), r.Header.Get("Authorization"))
}

func TestSmuggledRequestsAreNotAnswered(t *testing.T) {
	s := start(t, false)
	const hidden = "GET /_lambkin/health HTTP/1.1\r\nHost: x\r\n\r\n"
	head := s.signedHead("{}")
	for _, test := range []struct{ name, request string }{
		{"two lengths", head + "Content-Length: 2\r\nContent-Length: 45\r\n\r\n{}" + hidden},
		{"length with a sign", head + "Content-Length: +2\r\n\r\n{}" + hidden},
		{"unknown transfer coding", head + "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}" + hidden},
		{"two transfer codings", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + hidden},
		{"blank before the colon", head + "Content-Length : 2\r\n\r\n{}" + hidden},
		{"bad chunk size", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + hidden},
		{"chunk longer than it says", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + hidden},
	} {
		codes := s.raw(test.request)
		if len(codes) > 1 || len(codes) == 1 && (codes[0] < 400 || codes[0] > 501) {
			t.Errorf("%s: replies %v", test.name, codes)
		}
	}
	// Both framings at once: the chunks count (RFC 9112, 6.3) and the connection
	// carries nothing else.
	codes := s.raw(head + "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + hidden)
	if len(codes) > 2 || len(codes) > 0 && codes[0] != 200 && codes[0] != 400 {
		t.Errorf("length and chunks: replies %v", codes)
	}
	if codes := s.raw(head + "Content-Length: 2\r\n\r\n{}" + hidden); len(codes) != 2 || codes[0] != 200 || codes[1] != 200 {
		t.Errorf("two honest requests: replies %v", codes)
	}
}

func TestHostileHeads(t *testing.T) {
	s := start(t, false)
	for name, request := range map[string]string{
		"huge header":      "GET / HTTP/1.1\r\nHost: x\r\nX-Filler: " + strings.Repeat("x", 3*MaxHeaderBytes) + "\r\n\r\n",
		"many headers":     "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Filler: x\r\n", MaxHeaderBytes/4) + "\r\n",
		"no host":          "GET / HTTP/1.1\r\n\r\n",
		"two hosts":        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no HTTP":          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"CONNECT":          "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
		"absolute URL":     "GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
		"signed, no body":  s.signedHead("{}") + "Content-Length: 2\r\n\r\n{",
		"NUL in the path":  "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"long credentials": "GET / HTTP/1.1\r\nHost: x\r\nX-Amz-Date: 20260301T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + strings.Repeat("/", 30000) + ", SignedHeaders=host, Signature=0\r\n\r\n",
	} {
		for _, code := range s.raw(request) {
			if code < 400 || code > 499 {
				t.Errorf("%s: status %d", name, code)
			}
		}
	}
	if got := s.call(ada, "lambda", "POST", invoke, []byte("{}")); got.status != 200 {
		t.Errorf("afterwards: %+v", got)
	}
}

// stalled is a body that never comes to its end within the deadline.
type stalled struct{ *strings.Reader }

func (s stalled) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); err == nil {
		return n, nil
	}
	return 0, &net.OpError{Op: "read", Err: errDeadline{}}
}
func (stalled) Close() error { return nil }

type errDeadline struct{}

func (errDeadline) Error() string   { return "i/o timeout" }
func (errDeadline) Is(t error) bool { return t.Error() == "i/o timeout" }
func (errDeadline) Timeout() bool   { return true }

func TestSlowBodiesEndWithATimeout(t *testing.T) {
	s := start(t, false)
	r := sign(s.request("POST", invoke, []byte("{}")), ada, "lambda", []byte("{}"))
	r.Body = stalled{strings.NewReader("{")}
	w := httptest.NewRecorder()
	s.gateway.ServeHTTP(w, r)
	if w.Code != http.StatusRequestTimeout || w.Header().Get("X-Amzn-Errortype") != "RequestTimeoutException" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestSlowHeadsAreCutOff(t *testing.T) {
	server := httptest.NewUnstartedServer(start(t, false).gateway)
	server.Config.ReadHeaderTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the server still waits for the rest of the header")
		}
	}
}

// A body is verified before anything is decoded from it.
func TestBodyIsNotDecodedBeforeItIsVerified(t *testing.T) {
	s := start(t, false)
	r := sign(s.request("POST", invoke, []byte(`{"b":2}`)), ada, "lambda", []byte(`{"a":1}`))
	if got := s.send(r); got.status != 403 || got.code() != "InvalidSignatureException" {
		t.Errorf("%+v", got)
	}
	if s.lambda.last().RequestID != "" {
		t.Error("the operation ran")
	}
}

func TestRouteTree(t *testing.T) {
	api := &shape.Service{ID: "T", SigningName: "t", Protocols: []shape.Protocol{shape.RestXML}}
	svc := &service{model: api, protocols: map[shape.Protocol]bool{shape.RestXML: true}}
	root := &node{}
	for _, line := range []string{
		"GET / ListBuckets", "GET /{Bucket} ListObjects", "GET /{Bucket}?acl GetBucketAcl", "GET /{Bucket}?list-type=2 ListObjectsV2",
		"GET /{Bucket}/{Key+} GetObject", "GET /{Bucket}/{Key+}?acl GetObjectAcl", "POST /{Bucket}/{Key+}?select&select-type=2 Select",
		"GET /fixed/{A}/one One", "GET /{X}/fixed/two Two", "PUT /fixed/{A}/ Put",
	} {
		part := strings.Fields(line)
		path, query, _ := strings.Cut(part[1], "?")
		if err := root.add(&operation{service: svc, model: &shape.Operation{Name: part[2], Method: part[0], Path: path, Query: query, Input: shape.None}}); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"GET /": "ListBuckets", "GET /b": "ListObjects", "GET /b/": "ListObjects", "GET /b?acl": "GetBucketAcl", "GET /b?acl=": "GetBucketAcl",
		"GET /b?list-type=2&prefix=x": "ListObjectsV2", "GET /b?list-type=1": "ListObjects", "GET /b/k": "GetObject", "GET /b/k/with/slashes": "GetObject",
		"GET /b/k?acl": "GetObjectAcl", "POST /b/k?select&select-type=2": "Select", "POST /b/k?select": "", "DELETE /b/k": "",
		"GET /fixed/a/one": "One", "GET /b/fixed/two": "Two", "GET /fixed/fixed/two": "Two", "PUT /fixed/a": "Put", "PUT /fixed/a/": "Put",
		"GET /fixed/a/other": "GetObject", "PUT /fixed/": "",
	} {
		method, target, _ := strings.Cut(line, " ")
		path, query, _ := strings.Cut(target, "?")
		op := root.find(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"))[method].pick(&http.Request{URL: &url.URL{RawQuery: query}})
		got := ""
		if op != nil {
			got = op.model.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for _, bad := range []string{"/a/{Key+}/more", "/a/x{B}y"} {
		if err := root.add(&operation{service: svc, model: &shape.Operation{Name: "Bad", Method: "GET", Path: bad, Input: shape.None}}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if err := root.add(&operation{service: svc, model: &shape.Operation{Name: "Again", Method: "GET", Path: "/{Other}", Input: shape.None}}); err == nil {
		t.Error("a second operation of one method and path was accepted")
	}
}

// FuzzRoute sends any head through dispatch and authentication: nothing but a
// 4xx may come of it, because nothing can be signed.
func FuzzRoute(f *testing.F) {
	s := start(f, false)
	f.Add("POST", invoke, "", "", "", "")
	f.Add("POST", "/", "Action=GetCallerIdentity", "Logs_20140328.DescribeLogGroups", form, "")
	f.Add("POST", "/service/Logs_20140328/operation/X", "", "", "application/cbor", "rpc-v2-cbor")
	f.Add("GET", "/2017-03-31/tags/%2F%zz", "a=b&&=", ".", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, target, contentType, protocol string) {
		if strings.EqualFold(path, HealthPath) {
			return
		}
		u := &url.URL{Path: path, RawQuery: query}
		if decoded, err := url.PathUnescape(path); err == nil {
			u.Path, u.RawPath = decoded, path
		}
		r := &http.Request{Method: method, URL: u, Host: "127.0.0.1", Header: http.Header{"Content-Type": {contentType}}, Body: http.NoBody}
		if target != "" {
			r.Header.Set("X-Amz-Target", target)
		}
		if protocol != "" {
			r.Header.Set("Smithy-Protocol", protocol)
		}
		for _, signed := range []bool{false, true} {
			if signed {
				sigv4.Sign(r, intruder, "lambda", "us-east-1", time.Now(), sigv4.PayloadHash(nil))
			}
			w := httptest.NewRecorder()
			s.gateway.ServeHTTP(w, r)
			if w.Code < 400 || w.Code > 499 || len(w.Header().Get("X-Amzn-Requestid")) != 36 {
				t.Errorf("signed %v: %d %v", signed, w.Code, w.Header())
			}
		}
	})
}

// BenchmarkInvoke is a signed Invoke of 1 KB through the whole gateway, without
// the network.
func BenchmarkInvoke(b *testing.B) {
	s := start(b, false)
	body := bytes.Repeat([]byte("1"), 1024)
	r := sign(s.request("POST", invoke, body), ada, "lambda", body)
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		s.gateway.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
