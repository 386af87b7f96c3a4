package badinput

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes and reads all answers until the server closes or has nothing more
// to say.
func raw(t *testing.T, text string) (statuses []int) {
	t.Helper()
	c, err := net.DialTimeout("tcp", server.Address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		return nil // it was refused before its end
	}
	if half, ok := c.(*net.TCPConn); ok {
		_ = half.CloseWrite() // it fails if the server has closed already
	}
	in := bufio.NewReader(c)
	for {
		reply, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, reply.StatusCode)
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			return statuses
		}
	}
}

// TestRequestsThatTwoServersWouldReadDifferently sends to a front door what smuggles
// a second request past a proxy: each is refused, or has one meaning only.
func TestRequestsThatTwoServersWouldReadDifferently(t *testing.T) {
	const host = "Host: nobody.execute-api.us-east-1.localhost\r\n"
	const smuggled = "GET /_lambkin/health HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, c := range map[string]struct {
		text string
		want []int
	}{
		"a plain request":                {"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi", []int{403}},
		"two requests":                   {"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi" + smuggled, []int{403, 200}},
		"two lengths":                    {"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!" + smuggled, []int{400}},
		"a list of lengths":              {"POST / HTTP/1.1\r\n" + host + "Content-Length: 2, 3\r\n\r\nhi" + smuggled, []int{400}},
		"a signed length":                {"POST / HTTP/1.1\r\n" + host + "Content-Length: +2\r\n\r\nhi" + smuggled, []int{400}},
		"a negative length":              {"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n" + smuggled, []int{400}},
		"a blank before the colon":       {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n" + smuggled, []int{400}},
		"another coding":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"two codings":                    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"a folded header":                {"POST / HTTP/1.1\r\n" + host + "X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", []int{403}},
		"no host":                        {"GET / HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":                      {"GET / HTTP/1.1\r\n" + host + "Host: x\r\n\r\n", []int{400}},
		"a carriage return in a name":    {"GET / HTTP/1.1\r\n" + host + "X\rA: 1\r\n\r\n", []int{400}},
		"a zero byte in a value":         {"GET / HTTP/1.1\r\n" + host + "X-A: 1\x00\r\n\r\n", []int{400}},
		"no version":                     {"GET /\r\n" + host + "\r\n", []int{400}},
		"a huge header":                  {"GET / HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", []int{431}},
		"a body that does not come":      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\nhi", []int{403}},
		"a chunk that lies":              {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nhi", []int{403}},
		"a chunk with a length of words": {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhi\r\n0\r\n\r\n", []int{403}},
		"a coding nobody has":            {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"a coding in quotes":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + smuggled, []int{501}},
		"a coding behind a tab":          {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}},
		"a folded coding":                {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{403, 200}},
		"a coding of HTTP/1.0":           {"POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, []int{403}},
		"bare line feeds":                {"POST / HTTP/1.1\n" + strings.TrimSuffix(host, "\r\n") + "\nContent-Length: 2\n\nhi" + smuggled, []int{403, 200}},
		"a bare line feed in a chunk":    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n" + smuggled, []int{403}},
		"chunks with extensions":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0;c=\"d\"\r\n\r\n" + smuggled, []int{403, 200}},
		"a line feed in an extension":    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;\nhi\r\n0\r\n\r\n" + smuggled, []int{403}},
		"endless extensions":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 100<<10) + "\r\nhi\r\n0\r\n\r\n" + smuggled, []int{403}},
		"a length in the trailer":        {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 50\r\n\r\n" + smuggled, []int{400}},
		"a length twice the same":        {"POST / HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi" + smuggled, []int{403, 200}},
		"a hexadecimal length":           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x2\r\n\r\nhi" + smuggled, []int{400}},
		// RFC 9112, 3.2.2: the address counts, not the header.
		"an address of another host": {"GET http://nobody.execute-api.us-east-1.localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{403}},
		"an address of the platform": {"GET http://localhost/_lambkin/health HTTP/1.1\r\n" + host + "\r\n", []int{200}},
		"a host with a path":         {"GET / HTTP/1.1\r\nHost: localhost/_lambkin\r\n\r\n", []int{400}},
		"a host with a user":         {"GET / HTTP/1.1\r\nHost: nobody@localhost\r\n\r\n", []int{400}},
		// RFC 9112, 6.3: the coding counts, and the connection ends.
		"a length and a coding": {"POST / HTTP/1.1\r\n" + host + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{403, 200}},
	} {
		got := raw(t, c.text)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
