package badinput

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/eventstream"
	"github.com/lambkin-dev/lambkin/test/platform"
)

func open(t *testing.T, function, event string) *http.Response {
	t.Helper()
	url := "http://" + server.Address + "/2021-11-15/functions/" + function + "/response-streaming-invocations"
	request, err := platform.Sign(t.Context(), "lambda", "POST", url, http.Header{"Content-Type": {"application/json"}}, []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reply.Body.Close() })
	if reply.StatusCode != http.StatusOK {
		t.Fatalf("status %d", reply.StatusCode)
	}
	return reply
}

// next reads one message of a stream.
func next(t *testing.T, r io.Reader) eventstream.Message {
	t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, binary.BigEndian.Uint32(length[:]))
	copy(data, length[:])
	if _, err := io.ReadFull(r, data[4:]); err != nil {
		t.Fatal(err)
	}
	m, _, err := eventstream.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// endless never stops by itself; each piece begins with its number.
const endless = `
def handler(event, context):
    n = 0
    while event == 0 or n < event:
        yield n.to_bytes(4, 'big') + bytes(65532)
        n += 1
`

// TestSlowClientsDoNotGrowTheServer opens streams that would be 200 MiB each and
// takes nothing of them until the functions have timed out.
func TestSlowClientsDoNotGrowTheServer(t *testing.T) {
	const clients, growthKiB = 12, 96 << 10
	if err := server.Deploy(t.Context(), platform.Function{Name: "endless", Files: map[string]string{"app.py": endless}, Timeout: 5}); err != nil {
		t.Fatal(err)
	}
	before := residentKiB(t)
	begun := time.Now()
	replies := make([]*http.Response, clients)
	for i := range replies {
		replies[i] = open(t, "endless", "0")
	}
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for time.Since(begun) < 5*time.Second { // what they make in their time
		<-pace.C
		if grown := residentKiB(t) - before; grown > growthKiB {
			t.Fatalf("%d streams that nobody takes grew the supervisor by %d KiB, want at most %d", clients, grown, growthKiB)
		}
	}
	alive(t)
	// Who begins to read now gets what was on its way, in order, and how it ended.
	r := replies[0].Body
	for n := uint32(0); ; n++ {
		m := next(t, r)
		if m.Text(":event-type") == "InvokeComplete" {
			if n == 0 || !bytes.Contains(m.Payload, []byte("Task timed out after 5.00 seconds")) {
				t.Errorf("after %d pieces: %s", n, m.Payload)
			}
			break
		}
		if len(m.Payload) != 65536 || binary.BigEndian.Uint32(m.Payload) != n {
			t.Fatalf("piece %d: %d bytes that begin with %x", n, len(m.Payload), m.Payload[:4])
		}
	}
	for _, reply := range replies[1:] {
		reply.Body.Close() // in the middle of a message
	}
	alive(t)
	// A reader that is slow all the way gets all of it.
	if err := server.Deploy(t.Context(), platform.Function{Name: "ending", Files: map[string]string{"app.py": endless}, Timeout: 300}); err != nil {
		t.Fatal(err)
	}
	r = open(t, "ending", "256").Body
	for n := uint32(0); n < 256; n++ {
		if n%16 == 0 {
			<-pace.C
		}
		if m := next(t, r); len(m.Payload) != 65536 || binary.BigEndian.Uint32(m.Payload) != n {
			t.Fatalf("piece %d: %d bytes", n, len(m.Payload))
		}
	}
	if m := next(t, r); m.Text(":event-type") != "InvokeComplete" || string(m.Payload) != "{}" {
		t.Errorf("the end is %+v", m)
	}
}
