package badinput

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// dial opens a connection, sends what is given and leaves the rest out.
func dial(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", server.Address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// ended waits until the server has closed the connection, and gives what it said.
func ended(t *testing.T, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server keeps a connection on which nothing comes")
	}
	return string(said)
}

// TestSlowClientsAtTheDoors: who does not finish its head or its body, or does not take
// its answer, is let go after half a minute, costs little until then, and keeps nobody
// else from being served.
func TestSlowClientsAtTheDoors(t *testing.T) {
	d := allDoors(t)
	const growthKiB = 400 << 10 // the bodies alone would be three times as much
	before := residentKiB(t)
	var heads, bodies, readers []net.Conn
	for range 100 {
		heads = append(heads, dial(t, "GET /s/x HTTP/1.1\r\nHost: "+d.rest+"\r\nX-"))
	}
	for i := range 100 { // nearly all that there is room for
		to, path := d.rest, "/s/x"
		if i%2 == 1 {
			to, path = d.http, "/x"
		}
		bodies = append(bodies, dial(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, to, 10<<20, strings.Repeat("x", 1000))))
	}
	large := `{"statusCode": 200, "body": "` + strings.Repeat("x", 2<<20) + `"}`
	for host, path := range d.all() {
		for range 4 {
			readers = append(readers, dial(t, post(host, path+"/x", large)))
		}
	}
	alive(t)
	if grown := residentKiB(t) - before; grown > growthKiB {
		t.Errorf("the server grew by %d KiB", grown)
	}
	// A body waits at most until those that do not come are given up.
	begun := time.Now()
	reply := ask(t, post(d.rest, "/s/x", `{"statusCode": 200, "headers": {"x-filler": "`+strings.Repeat("x", 100)+`"}, "body": "`+strings.Repeat("x", 1<<20)+`"}`))
	if reply.Status != http.StatusOK || len(reply.Body) != 1<<20 {
		t.Errorf("%d %.200s", reply.Status, reply.Body)
	}
	t.Logf("a large body waited for %v", time.Since(begun))
	for _, c := range heads {
		if said := ended(t, c); said != "" && !strings.HasPrefix(said, "HTTP/1.1 4") {
			t.Errorf("a slow head was answered %.200s", said)
		}
	}
	for _, c := range bodies {
		if said := ended(t, c); said != "" && !strings.HasPrefix(said, "HTTP/1.1 4") {
			t.Errorf("a slow body was answered %.200s", said)
		}
	}
	t.Logf("all slow clients were let go after %v", time.Since(begun))
	for _, c := range readers {
		c.Close()
	}
	alive(t)
}

// documents are definitions of APIs that no import takes, with a part of AWS's answer, or
// that are too much.
func documents() map[string]string {
	const info = `"info":{"title":"t","version":"1"},`
	var chain, models, paths []string
	for i := range 3000 {
		chain = append(chain, fmt.Sprintf(`"A%d":{"$ref":"#/components/schemas/A%d"}`, i, i+1))
		models = append(models, fmt.Sprintf(`"M%d":{"type":"object"}`, i))
		paths = append(paths, fmt.Sprintf(`"/a%d/{b}/{c+}":{"get":{}}`, i))
	}
	bomb := "openapi: 3.0.1\ninfo: &a0 {title: t, version: '1'}\n"
	for i := range 30 {
		bomb += fmt.Sprintf("x-a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return map[string]string{
		"nothing":                     ``,
		"no object":                   `[1,2]`,
		"half of one":                 `{"openapi":"3.0.1",` + info + `"paths":{`,
		"no JSON and no YAML":         "\x00\x01\x02\xff",
		"brackets":                    strings.Repeat("[", 1_000_000),
		"braces":                      strings.Repeat(`{"a":`, 200_000),
		"aliases":                     bomb,
		"an alias of itself":          "openapi: &a {b: *a}",
		"a reference to itself":       `{"openapi":"3.0.1",` + info + `"paths":{"/":{"$ref":"#/paths/~1"}}}`,
		"references in a circle":      `{"openapi":"3.0.1",` + info + `"paths":{"/":{"get":{"parameters":[{"$ref":"#/components/parameters/A"}]}}},"components":{"parameters":{"A":{"$ref":"#/components/parameters/B"},"B":{"$ref":"#/components/parameters/A"}}}}`,
		"a reference to another host": `{"openapi":"3.0.1",` + info + `"paths":{"/":{"$ref":"http://127.0.0.1:1/evil"}}}`,
		"a reference to a file":       `{"openapi":"3.0.1",` + info + `"paths":{"/":{"$ref":"file:///etc/passwd#/a"}}}`,
		"a chain of references":       `{"openapi":"3.0.1",` + info + `"paths":{},"components":{"schemas":{` + strings.Join(chain, ",") + `}}}`,
		"thousands of models":         `{"openapi":"3.0.1",` + info + `"paths":{},"components":{"schemas":{` + strings.Join(models, ",") + `}}}`,
		"thousands of paths":          `{"openapi":"3.0.1",` + info + `"paths":{` + strings.Join(paths, ",") + `}}`,
		"ten megabytes":               `{"openapi":"3.0.1",` + info + `"paths":{},"x-filler":"` + strings.Repeat("x", 10<<20) + `"}`,
		"a deep path":                 `{"openapi":"3.0.1",` + info + `"paths":{"` + strings.Repeat("/a", 100_000) + `":{"get":{}}}}`,
		"wrong types":                 `{"openapi":"3.0.1","info":[],"paths":7,"components":"x"}`,
	}
}

// TestHostileDocumentsAreRefused by the imports of both kinds of APIs, in bounded memory.
// What is no error there makes an API, which is deleted again.
func TestHostileDocumentsAreRefused(t *testing.T) {
	const growthKiB = 500 << 10
	before := residentKiB(t)
	for name, document := range documents() {
		for api, call := range map[string]func() (*platform.Reply, error){
			"/restapis/": func() (*platform.Reply, error) {
				return server.CallService(t.Context(), "apigateway", "POST", "/restapis?mode=import", http.Header{"Content-Type": {"application/json"}}, []byte(document))
			},
			"/v2/apis/": func() (*platform.Reply, error) {
				body := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\x00", `\u0000`, "\x01", `\u0001`, "\x02", `\u0002`, "\xff", `\ufffd`).Replace(document)
				return server.CallService(t.Context(), "apigateway", "PUT", "/v2/apis", http.Header{"Content-Type": {"application/json"}}, []byte(`{"body":"`+body+`"}`))
			},
		} {
			begun := time.Now()
			reply, err := call()
			if err != nil {
				t.Errorf("%s: %s: %v", api, name, err)
				continue
			}
			if reply.Status >= http.StatusInternalServerError || reply.Status >= http.StatusBadRequest && !bytes.Contains(reply.Body, []byte("essage")) {
				t.Errorf("%s: %s: %d %.300s", api, name, reply.Status, reply.Body)
			}
			t.Logf("%s %s: %d %.200s in %v", api, name, reply.Status, reply.Body, time.Since(begun).Round(time.Millisecond))
		}
	}
	if grown := residentKiB(t) - before; grown > growthKiB {
		t.Errorf("the server grew by %d KiB", grown)
	}
	alive(t)
}
