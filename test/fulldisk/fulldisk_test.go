// Package fulldisk lets the real server run out of disk: its data folder is on a
// small file system of its own, which the test mounts, fills and frees.
//
// It shows that what has no room is refused with an AWS error of status 503, that
// what was acknowledged is there and whole, also after a kill on the full disk, and
// that the server goes on by itself when there is space again: when its own reserve
// was kept, and when others filled the disk to its last byte. Start reading at
// TestFullDisk.
package fulldisk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/test/platform"
)

const (
	diskBytes = 1 << 30
	// roomBytes is left for the test's own writes before the server's reserve begins.
	roomBytes = 64<<20 + 24<<20
	patience  = 2 * time.Minute
	// mostWrites bounds the writes until the disk is full; each is of some kilobytes at least.
	mostWrites = 2000
)

// disk is a small file system with files that take its space away.
type disk struct {
	t      *testing.T
	folder string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t, t.TempDir()}
	if err := unix.Mount("tmpfs", d.folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", diskBytes)); err != nil {
		t.Skipf("SKIPPED: no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { // what is left of a killed server's processes may hold it a moment longer
		if err := unix.Unmount(d.folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fill takes space until so much is free.
func (d *disk) fill(name string, free int64) {
	d.t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(d.folder, &s); err != nil {
		d.t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(d.folder, name))
	if err != nil {
		d.t.Fatal(err)
	}
	defer file.Close()
	const margin = 1 << 20 // the server writes meanwhile
	if err := unix.Fallocate(int(file.Fd()), 0, 0, int64(s.Bavail)*s.Bsize-free-margin); err != nil {
		d.t.Fatal(err)
	}
	if free > 0 {
		return
	}
	if _, err := file.Seek(0, io.SeekEnd); err != nil {
		d.t.Fatal(err)
	}
	for err == nil { // to the last byte
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Fatal(err)
	}
}

func (d *disk) free(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.folder, name)); err != nil {
		d.t.Fatal(err)
	}
}

// refusal is an answer that is an error.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("status %d: %.300s", r.status, r.text) }

// server is the platform with the calls of this test.
type server struct {
	*platform.Platform
	ctx context.Context
}

func (s *server) send(service, method, path string, header http.Header, body []byte) ([]byte, error) {
	reply, err := s.CallService(s.ctx, service, method, path, header, body)
	if err != nil {
		return nil, err
	}
	if reply.Status >= http.StatusMultipleChoices {
		return nil, &refusal{reply.Status, reply.Header.Get("X-Amzn-Errortype") + string(reply.Body)}
	}
	return reply.Body, nil
}

func (s *server) s3(method, path string, body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	return s.send("s3", method, path, http.Header{"X-Amz-Content-Sha256": {hex.EncodeToString(sum[:])}}, body)
}

// call makes a call in JSON; out may be nil.
func (s *server) call(service, method, path string, header http.Header, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	reply, err := s.send(service, method, path, header, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(reply, out)
}

func (s *server) sqs(operation string, in, out any) error {
	return s.call("sqs", "POST", "/", http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + operation}}, in, out)
}

func (s *server) lambda(method, path string, in, out any) error {
	return s.call("lambda", method, path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

func (s *server) queue(name string) string { return "http://" + s.Address + "/000000000000/" + name }

// kind is one kind of write. What it acknowledged it can find again.
type kind struct {
	name   string
	write  func(n int) error
	check  func() error
	finish func() error // waits for what follows; nil: nothing does
	acked  int
}

// noise is data that no layer makes smaller, the same for each seed.
func noise(seed int, size int) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprint(seed))
	data := make([]byte, size)
	rand.NewChaCha8(key).Read(data)
	return data
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root to isolate functions")
	}
	d := newDisk(t)
	binaries := t.TempDir()
	binary, err := platform.Build(t.Context(), binaries)
	if err != nil {
		t.Fatal(err)
	}
	p, err := platform.Start(t.Context(), binary, d.folder, "--retry-speed=60")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	s := &server{p, t.Context()}
	kinds := prepare(t, s)

	d.fill("ballast", roomBytes)
	fillUp(t, s, kinds)
	check(t, s, "on the full disk", kinds)
	if _, err := s.s3("DELETE", "/full/deleted", nil); err != nil {
		t.Errorf("what deletes does not go on: %v", err)
	}
	if out, err := p.Invoke(t.Context(), "echo", []byte(`"x"`)); err != nil || string(out) != `"x"` {
		t.Errorf("a call on the full disk: %q, %v", out, err)
	}
	p.Kill()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, s, "after a kill on the full disk", kinds)

	d.free("ballast")
	goOn(t, s, "with space again", kinds)

	// Others do not keep a reserve.
	d.fill("ballast", 0)
	fillUp(t, s, kinds)
	d.free("ballast")
	goOn(t, s, "with space again after none at all", kinds)
	check(t, s, "at the end", kinds)
	for _, k := range kinds {
		if k.finish == nil {
			continue
		}
		if err := k.finish(); err != nil {
			t.Errorf("%s: %v\n%s", k.name, err, s.Log())
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if log := p.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Errorf("the server panicked:\n%s", log)
	}
	for _, k := range kinds {
		t.Logf("%s: %d acknowledged, all there", k.name, k.acked)
	}
}

// fillUp writes until each kind is refused.
func fillUp(t *testing.T, s *server, kinds []*kind) {
	t.Helper()
	full := map[*kind]bool{}
	for range mostWrites {
		for _, k := range kinds {
			if full[k] {
				continue
			}
			err := k.write(k.acked)
			var refused *refusal
			switch {
			case err == nil:
				k.acked++
			case errors.As(err, &refused) && refused.status == http.StatusServiceUnavailable && strings.Contains(refused.text, "ServiceUnavailable"):
				full[k] = true
			default:
				t.Fatalf("%s: %v\n%s", k.name, err, s.Log())
			}
		}
		if len(full) == len(kinds) {
			return
		}
	}
	t.Fatalf("only %d of %d kinds of writes were refused", len(full), len(kinds))
}

// goOn waits until every kind of write is taken again.
func goOn(t *testing.T, s *server, when string, kinds []*kind) {
	t.Helper()
	for _, k := range kinds {
		var err error
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(100 * time.Millisecond) {
			if err = k.write(k.acked); err == nil {
				k.acked++
				break
			}
		}
		if err != nil {
			t.Fatalf("%s, %s: %v\n%s", when, k.name, err, s.Log())
		}
	}
}

func check(t *testing.T, s *server, when string, kinds []*kind) {
	t.Helper()
	for _, k := range kinds {
		if err := k.check(); err != nil {
			t.Fatalf("%s, %s: %v\n%s", when, k.name, err, s.Log())
		}
	}
}

// prepare makes all that the writes need.
func prepare(t *testing.T, s *server) []*kind {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Deploy(s.ctx, platform.Function{Name: "echo", Files: map[string]string{"app.py": "def handler(event, context):\n    return event\n"}}))
	must(s.Deploy(s.ctx, platform.Function{Name: "quiet", Files: map[string]string{"app.py": "def handler(event, context):\n    pass\n"}}))
	for _, name := range []string{"sent", "ran"} {
		must(s.sqs("CreateQueue", map[string]any{"QueueName": name}, nil))
	}
	must(s.lambda("PUT", "/2019-09-25/functions/quiet/event-invoke-config",
		map[string]any{"DestinationConfig": map[string]any{"OnSuccess": map[string]any{"Destination": "arn:aws:sqs:" + platform.Region + ":000000000000:ran"}}}, nil))
	_, err := s.s3("PUT", "/full", nil)
	must(err)
	_, err = s.s3("PUT", "/full/deleted", noise(-1, 1<<20))
	must(err)
	upload := struct{ UploadId string }{}
	reply, err := s.s3("POST", "/full/parts?uploads", nil)
	must(err)
	must(xml.Unmarshal(reply, &upload))
	return []*kind{objects(s), parts(s, upload.UploadId), messages(s), events(s), layers(s)}
}

func objects(s *server) *kind {
	k := &kind{name: "objects"}
	size := func(n int) int { return 20<<10 + n%2*(1<<20) } // rows and files
	k.write = func(n int) error {
		_, err := s.s3("PUT", fmt.Sprint("/full/object-", n), noise(n, size(n)))
		return err
	}
	k.check = func() error {
		for n := range k.acked {
			got, err := s.s3("GET", fmt.Sprint("/full/object-", n), nil)
			if err != nil || !bytes.Equal(got, noise(n, size(n))) {
				return fmt.Errorf("object %d of %d has %d bytes, %w", n, k.acked, len(got), err)
			}
		}
		return nil
	}
	return k
}

func parts(s *server, upload string) *kind {
	k := &kind{name: "parts of an upload"}
	const size = 256 << 10
	k.write = func(n int) error {
		_, err := s.s3("PUT", fmt.Sprintf("/full/parts?partNumber=%d&uploadId=%s", n+1, upload), noise(1_000_000+n, size))
		return err
	}
	k.check = func() error {
		reply, err := s.s3("GET", "/full/parts?uploadId="+upload, nil)
		if err != nil {
			return err
		}
		var list struct {
			Part []struct{ PartNumber, Size int }
		}
		if err := xml.Unmarshal(reply, &list); err != nil {
			return err
		}
		found := map[int]int{}
		for _, p := range list.Part {
			found[p.PartNumber] = p.Size
		}
		for n := range k.acked {
			if found[n+1] != size {
				return fmt.Errorf("part %d of %d has %d bytes", n+1, k.acked, found[n+1])
			}
		}
		return nil
	}
	return k
}

func messages(s *server) *kind {
	k := &kind{name: "messages"}
	k.write = func(n int) error {
		body := fmt.Sprint(n, " ", hex.EncodeToString(noise(n, 100<<10)))
		return s.sqs("SendMessage", map[string]any{"QueueUrl": s.queue("sent"), "MessageBody": body}, nil)
	}
	k.check = func() error {
		var out struct{ Attributes map[string]string }
		if err := s.sqs("GetQueueAttributes", map[string]any{"QueueUrl": s.queue("sent"), "AttributeNames": []string{"All"}}, &out); err != nil {
			return err
		}
		if got := out.Attributes["ApproximateNumberOfMessages"]; got != fmt.Sprint(k.acked) {
			return fmt.Errorf("%s messages are there, %d were acknowledged", got, k.acked)
		}
		return nil
	}
	return k
}

// events are asynchronous calls, the success of each of which comes to a queue.
func events(s *server) *kind {
	k := &kind{name: "asynchronous calls"}
	ran := map[string]bool{}
	k.write = func(n int) error {
		header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}
		return s.call("lambda", "POST", platform.InvokePath("quiet"), header, map[string]string{"n": fmt.Sprint(n), "padding": hex.EncodeToString(noise(n, 40<<10))}, nil)
	}
	k.check = func() error { return nil }
	k.finish = func() error {
		for deadline := time.Now().Add(patience); len(ran) < k.acked; {
			var out struct {
				Messages []struct{ Body, ReceiptHandle string }
			}
			if err := s.sqs("ReceiveMessage", map[string]any{"QueueUrl": s.queue("ran"), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}, &out); err != nil {
				return err
			}
			for _, m := range out.Messages {
				var record struct{ RequestPayload struct{ N string } }
				if err := json.Unmarshal([]byte(m.Body), &record); err != nil {
					return err
				}
				ran[record.RequestPayload.N] = true
				if err := s.sqs("DeleteMessage", map[string]any{"QueueUrl": s.queue("ran"), "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
					return err
				}
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%d of %d calls ran", len(ran), k.acked)
			}
		}
		return nil
	}
	return k
}

func layers(s *server) *kind {
	k := &kind{name: "code"}
	archive := func(n int) ([]byte, error) {
		return platform.Zip(map[string]string{"python/lib.py": "# " + hex.EncodeToString(noise(2_000_000+n, 300<<10))})
	}
	k.write = func(n int) error {
		data, err := archive(n)
		if err != nil {
			return err
		}
		return s.lambda("POST", "/2018-10-31/layers/full/versions", map[string]any{"Content": map[string]any{"ZipFile": data}}, nil)
	}
	k.check = func() error {
		for n := range k.acked {
			var got struct {
				Content struct{ Location string }
			}
			if err := s.lambda("GET", fmt.Sprint("/2018-10-31/layers/full/versions/", n+1), nil, &got); err != nil {
				return err
			}
			data, err := archive(n)
			if err != nil {
				return err
			}
			reply, err := http.Get(got.Content.Location)
			if err != nil {
				return err
			}
			var stored bytes.Buffer
			_, err = stored.ReadFrom(reply.Body)
			reply.Body.Close()
			if err != nil || !bytes.Equal(stored.Bytes(), data) {
				return fmt.Errorf("version %d of %d has %d bytes instead of %d, %w", n+1, k.acked, stored.Len(), len(data), err)
			}
		}
		return nil
	}
	return k
}
