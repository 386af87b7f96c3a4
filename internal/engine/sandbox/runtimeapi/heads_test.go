package runtimeapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestLargeHeadsAreFewAtOnce has connections send large heads that do not end:
// so many are read, the next is cut off, and each that ends makes room.
func TestLargeHeadsAreFewAtOnce(t *testing.T) {
	heads := NewHeads()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := heads.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, len(r.Header.Get("Cause")))
	}), listener)
	defer server.Close()
	begin := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	const cause = 1 << 20
	open := make([]net.Conn, maxLarge)
	for i := range open {
		open[i] = begin()
		if _, err := fmt.Fprintf(open[i], "GET / HTTP/1.1\r\nHost: h\r\nCause: %s", strings.Repeat("x", cause)); err != nil {
			t.Fatal(err)
		}
	}
	for len(heads.large) < maxLarge { // until all are being read
		if _, err := http.Get("http://" + listener.Addr().String()); err != nil { // a small one is not kept waiting
			t.Fatal(err)
		}
	}
	over := begin()
	fmt.Fprintf(over, "GET / HTTP/1.1\r\nHost: h\r\nCause: %s", strings.Repeat("x", cause)) // may be cut off while it is sent
	if answer, err := io.ReadAll(over); err == nil && strings.Contains(string(answer), "200 OK") {
		t.Errorf("one too many is answered %.80q", answer)
	}
	for _, conn := range open {
		if _, err := io.WriteString(conn, "\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(reply.Body); string(body) != fmt.Sprint(cause) {
			t.Fatalf("a head within the bound is answered %s %s", reply.Status, body)
		}
	}
	if len(heads.large) != 0 {
		t.Errorf("%d places are still held", len(heads.large))
	}
}
