package object

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

const account = "000000000000"

// handClock is moved by the test.
type handClock struct {
	clock.Clock
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is Objects on a folder of the test's own.
type bench struct {
	*Objects
	t     *testing.T
	clock *handClock
	store store.Store
	blobs *blob.Store
	taken chan *delivery.Message
}

// Deliver takes what the outbox sends.
func (b *bench) Deliver(_ context.Context, m *delivery.Message) error {
	b.taken <- m
	return nil
}

func open(t *testing.T) *bench {
	t.Helper()
	folder := t.TempDir()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(folder, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	blobs, err := blob.Open(filepath.Join(folder, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	c := &handClock{Clock: clock.System, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b := &bench{t: t, clock: c, store: state, blobs: blobs, taken: make(chan *delivery.Message, 100)}
	outbox, err := delivery.New(delivery.Config{Store: state, Clock: c, Targets: map[string]delivery.Target{"sqs": b, "sns": b, "lambda": b, "events": b}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := New(Config{Store: state, Blobs: blobs, Clock: c, Outbox: outbox})
	if err != nil {
		t.Fatal(err)
	}
	b.Objects = o
	b.must(o.CreateBucket(t.Context(), at(""), "us-east-1", false, nil))
	return b
}

func at(key string) Place { return Place{Account: account, Bucket: "bucket", Key: key} }

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) put(key, data string) *Version {
	b.t.Helper()
	v, err := b.Put(b.t.Context(), at(key), Attributes{}, Body{Reader: strings.NewReader(data)}, "", Condition{}, CreatedPut)
	b.must(err)
	return v
}

func (b *bench) versioning(state string) {
	b.t.Helper()
	b.must(b.Change(b.t.Context(), at(""), func(row *Bucket) error { row.Versioning = state; return nil }))
}

// read is the text of a version, or the code of the error.
func (b *bench) read(key, id string) string {
	b.t.Helper()
	f, err := b.Find(b.t.Context(), at(key), id)
	var refusal *Error
	if errors.As(err, &refusal) {
		return string(refusal.Code)
	}
	b.must(err)
	r, err := f.Read(b.t.Context(), 0, f.Size)
	b.must(err)
	defer r.Close()
	data, err := io.ReadAll(r)
	b.must(err)
	sum := md5.Sum(data)
	if f.Content.Count == 0 && f.ETag != hex.EncodeToString(sum[:]) {
		b.t.Errorf("%s: ETag %s of %d bytes", key, f.ETag, len(data))
	}
	return string(data)
}

// rows counts the rows of a kind.
func (b *bench) rows(kind string) (n int) {
	b.t.Helper()
	b.must(b.snapshot(b.t.Context(), func(snap store.Snap) error {
		lo, hi := rangeOf(kind)
		return scan(snap, lo, hi, func(store.Entry) error { n++; return nil })
	}))
	return n
}

func (b *bench) files() (n int) {
	b.t.Helper()
	for _, err := range b.blobs.All() {
		b.must(err)
		n++
	}
	return n
}

// clean demands that nothing is left of what is gone.
func (b *bench) clean(blobs int) {
	b.t.Helper()
	b.must(b.collect(b.t.Context()))
	if n := b.rows("garbage"); n != 0 {
		b.t.Errorf("%d rows of garbage are left", n)
	}
	if n := b.files(); n != blobs {
		b.t.Errorf("%d blobs, want %d", n, blobs)
	}
}

func large(text string) string { return strings.Repeat(text, 1+inlineBytes/len(text)) }

func TestOverwritingAndDeletingFreesWhatWasThere(t *testing.T) {
	b := open(t)
	for _, data := range []string{"", "small", large("one"), large("two"), large("one"), "small"} {
		b.put("k", data)
		if got := b.read("k", ""); got != data {
			t.Errorf("%d bytes, want %d", len(got), len(data))
		}
	}
	b.clean(0)
	b.put("k", large("x"))
	b.put("same", large("x"))
	b.clean(1)
	_, err := b.Delete(t.Context(), at("k"), "", nil, false)
	b.must(err)
	b.clean(1)
	_, err = b.Delete(t.Context(), at("same"), "", nil, false)
	b.must(err)
	b.clean(0)
	for _, kind := range []string{"data", "ref", "object", "manifest"} {
		if n := b.rows(kind); n != 0 {
			t.Errorf("%d rows of %s are left", n, kind)
		}
	}
}

func TestAReaderKeepsWhatItReads(t *testing.T) {
	b := open(t)
	data := large("reader")
	b.put("k", data)
	f, err := b.Find(t.Context(), at("k"), "")
	b.must(err)
	b.put("k", large("next"))
	b.must(b.collect(t.Context()))
	if b.files() != 2 {
		t.Error("the blob that is being read is gone")
	}
	r, err := f.Read(t.Context(), 0, f.Size)
	b.must(err)
	if got, err := io.ReadAll(r); err != nil || string(got) != data {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	b.must(r.Close())
	b.clean(1)
}

func TestABodyThatIsRefusedLeavesNothing(t *testing.T) {
	b := open(t)
	refusal := errors.New("refused")
	for _, data := range []string{"x", large("x")} {
		body := Body{Reader: strings.NewReader(data), Check: func(*Sums) error { return refusal }}
		if _, err := b.Put(t.Context(), at("k"), Attributes{}, body, "", Condition{}, CreatedPut); !errors.Is(err, refusal) {
			t.Errorf("got %v", err)
		}
		body = Body{Reader: io.MultiReader(strings.NewReader(data), broken{})}
		if _, err := b.Put(t.Context(), at("k"), Attributes{}, body, "", Condition{}, CreatedPut); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	}
	b.put("k", "there")
	late := Body{Reader: &hook{Reader: strings.NewReader(large("late")), at: func() { b.put("k", "changed") }}}
	if _, err := b.Put(t.Context(), at("k"), Attributes{}, late, "", Condition{Match: b.etag("k")}, CreatedPut); !errors.Is(err, fail(PreconditionFailed, "")) {
		t.Errorf("got %v", err)
	}
	if got := b.read("k", ""); got != "changed" {
		t.Error(got)
	}
	b.clean(0)
}

func (b *bench) etag(key string) string {
	f, err := b.Find(b.t.Context(), at(key), "")
	b.must(err)
	defer f.Close()
	return f.ETag
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// hook calls at before the first read.
type hook struct {
	io.Reader
	at func()
}

func (h *hook) Read(p []byte) (int, error) {
	if h.at != nil {
		h.at()
		h.at = nil
	}
	return h.Reader.Read(p)
}

// old is a version as the model of a history has it.
type old struct {
	id, data string
	marker   bool
}

// history is what a key should hold, the newest first.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
type history struct {
	*bench
	state string // of the bucket's versioning
	all   []old
}

func (h *history) insert(entry old) {
	if h.state != Enabled {
		h.all = slices.DeleteFunc(h.all, func(o old) bool { return o.id == NullVersion })
	}
	h.all = slices.Insert(h.all, 0, entry)
}

// step makes one random change.
func (h *history) step(random *rand.Rand, step int) {
	switch n := random.IntN(10); {
	case n < 4:
		data := fmt.Sprint("data", step)
		if n == 0 {
			data = large(data)
		}
		h.insert(old{id: h.put("k", data).ID, data: data})
	case n < 6:
		done, err := h.Delete(h.t.Context(), at("k"), "", nil, false)
		h.must(err)
		if h.state == "" {
			h.all = nil
		} else {
			h.insert(old{id: done.Version.ID, marker: true})
		}
	case n < 8 && len(h.all) > 0:
		i := random.IntN(len(h.all))
		_, err := h.Delete(h.t.Context(), at("k"), h.all[i].id, nil, false)
		h.must(err)
		h.all = slices.Delete(h.all, i, i+1)
	case n == 9 && step > 30:
		h.state = []string{Enabled, Suspended}[random.IntN(2)]
		h.versioning(h.state)
	}
}

// listed are the versions as pages of that size have them.
func (h *history) listed(size int) (all []old) {
	for q := (Query{Max: size}); ; {
		page, err := h.ListVersions(h.t.Context(), at(""), q)
		h.must(err)
		for _, v := range page.Versions {
			all = append(all, old{id: v.ID, marker: v.Marker})
			if v.Latest != (len(all) == 1) {
				h.t.Fatalf("version %d is latest: %v", len(all), v.Latest)
			}
		}
		if !page.Truncated {
			return all
		}
		q.After, q.Version = page.Next, page.NextID
	}
}

// compare compares what is there with the model.
func (h *history) compare(step, size int) {
	want := string(NoSuchKey)
	if len(h.all) > 0 && !h.all[0].marker {
		want = h.all[0].data
	}
	if got := h.read("k", ""); got != want {
		h.t.Fatalf("step %d: %.40q, want %.40q", step, got, want)
	}
	listed := h.listed(size)
	if len(listed) != len(h.all) {
		h.t.Fatalf("step %d: %v, want %v", step, listed, h.all)
	}
	for i, o := range h.all {
		if listed[i].id != o.id || listed[i].marker != o.marker {
			h.t.Fatalf("step %d: %v, want %v", step, listed, h.all)
		}
		want := o.data
		if o.marker {
			want = string(MethodNotAllowed)
		}
		if got := h.read("k", o.id); got != want {
			h.t.Fatalf("step %d, version %d: %.40q, want %.40q", step, i, got, want)
		}
	}
}

func TestHistoryIsThatOfTheModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := open(t)
	h := &history{bench: b}
	for step := range 300 {
		h.step(random, step)
		h.compare(step, 1+random.IntN(5))
	}
	for _, o := range h.all {
		_, err := b.Delete(t.Context(), at("k"), o.id, nil, false)
		b.must(err)
	}
	b.clean(0)
	for _, kind := range []string{"data", "ref", "object", "version", "null"} {
		if n := b.rows(kind); n != 0 {
			t.Errorf("%d rows of %s are left", n, kind)
		}
	}
}

func TestWritersOfOneKeyAreOneAfterTheOther(t *testing.T) {
	b := open(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 12 {
		group.Go(func() {
			data := fmt.Sprint(i)
			if i%2 == 0 {
				data = large(data)
			}
			_, err := b.Put(t.Context(), at("k"), Attributes{}, Body{Reader: strings.NewReader(data)}, "", Condition{Absent: true}, CreatedPut)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, fail(PreconditionFailed, "")) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made != 1 {
		t.Errorf("%d writers made an object that was not there", made)
	}
	b.clean(min(1, b.files()))
}

func TestUploadsOfManyParts(t *testing.T) {
	b := open(t)
	const parts = partsInRow + 3
	id, err := b.CreateUpload(t.Context(), at("k"), Upload{})
	b.must(err)
	var how Completion
	var whole bytes.Buffer
	for n := int32(1); n <= parts+1; n++ {
		data := strings.Repeat(fmt.Sprint(n), MinPartBytes/len(fmt.Sprint(n))+1)
		if n == parts+1 {
			data = "last"
		}
		p, err := b.UploadPart(t.Context(), at("k"), id, n, Body{Reader: strings.NewReader(data)})
		b.must(err)
		if n == 2 {
			continue // is not used
		}
		how.Parts = append(how.Parts, CompletedPart{Number: n, ETag: p.ETag, Sum: p.Checksum.Value})
		whole.WriteString(data)
	}
	v, err := b.Complete(t.Context(), at("k"), id, how)
	b.must(err)
	h := checksum.CRC64NVME.New()
	h.Write(whole.Bytes())
	if want := checksum.Text(h); v.Checksum.Value != want || v.Checksum.Algorithm != checksum.CRC64NVME {
		t.Errorf("checksum %v, want %s", v.Checksum, want)
	}
	if got := b.read("k", ""); got != whole.String() {
		t.Errorf("%d bytes, want %d", len(got), whole.Len())
	}
	f, err := b.Find(t.Context(), at("k"), "")
	b.must(err)
	const from, size = MinPartBytes - 3, 2*MinPartBytes + 10
	r, err := f.Read(t.Context(), from, size)
	b.must(err)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, whole.Bytes()[from:from+size]) {
		t.Errorf("a range has %d bytes, %v", len(got), err)
	}
	b.must(r.Close())
	b.clean(parts - 1) // the last one is a row
	if n := b.rows("part") + b.rows("upload"); n != 0 {
		t.Errorf("%d rows of the upload are left", n)
	}
	_, err = b.Delete(t.Context(), at("k"), "", nil, false)
	b.must(err)
	b.clean(0)
	if n := b.rows("manifest") + b.rows("data"); n != 0 {
		t.Errorf("%d rows of the content are left", n)
	}
}

func TestABucketGoesWithItsUploads(t *testing.T) {
	b := open(t)
	id, err := b.CreateUpload(t.Context(), at("k"), Upload{})
	b.must(err)
	_, err = b.UploadPart(t.Context(), at("k"), id, 1, Body{Reader: strings.NewReader(large("part"))})
	b.must(err)
	b.put("k", "x")
	if err := b.DeleteBucket(t.Context(), at("")); !errors.Is(err, fail(BucketNotEmpty, "")) {
		t.Errorf("got %v", err)
	}
	_, err = b.Delete(t.Context(), at("k"), "", nil, false)
	b.must(err)
	b.must(b.DeleteBucket(t.Context(), at("")))
	b.clean(0)
	if n := b.rows("part") + b.rows("upload") + b.rows("ref"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if _, err := b.UploadPart(t.Context(), at("k"), id, 1, Body{Reader: strings.NewReader("x")}); !errors.Is(err, noSuchBucket("")) {
		t.Errorf("got %v", err)
	}
}

func TestASweepTakesWhatACrashLeft(t *testing.T) {
	b := open(t)
	b.put("k", large("kept"))
	_, err := b.blobs.Put(context.Background(), strings.NewReader("orphan"), 10)
	b.must(err)
	b.must(b.sweep(t.Context()))
	b.clean(1)
}

func TestAnotherAccountIsRefused(t *testing.T) {
	b := open(t)
	b.put("k", "x")
	if _, err := b.Find(t.Context(), Place{Account: "111122223333", Bucket: "bucket", Key: "k"}, ""); !errors.Is(err, fail(AccessDenied, "")) {
		t.Errorf("got %v", err)
	}
	err := b.CreateBucket(t.Context(), Place{Account: "111122223333", Bucket: "bucket"}, "us-east-1", false, nil)
	if !errors.Is(err, fail(BucketAlreadyExists, "")) {
		t.Errorf("got %v", err)
	}
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func TestBucketNames(t *testing.T) {
	for name, want := range map[string]bool{
		"abc": true, "amzn.example.com": true, strings.Repeat("a", 63): true, "a-1.b": true,
		"ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-ab": false, "ab-": false, "a..b": false, "192.168.5.4": false,
		"xn--a": false, "sthree-a": false, "a-s3alias": false, "a--ol-s3": false,
	} {
		if ValidBucketName(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestNotifications(t *testing.T) {
	b := open(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go b.Objects.config.Outbox.Run(ctx) // ends with the test
	const queueARN, topicARN, functionARN = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:lambda:us-east-1:000000000000:function:f"
	where := at("")
	where.By = Caller{PrincipalID: "AWS:AIDA", Address: "10.0.0.1", RequestID: "request", HostID: "host", TraceID: "Root=1"}
	b.must(b.SetNotification(ctx, where, Notification{EventBridge: true, Destinations: []Destination{
		{ID: "queue", ARN: queueARN, Events: []string{"s3:ObjectCreated:*"}, Prefix: "in/", Suffix: ".txt"},
		{ID: "topic", ARN: topicARN, Events: []string{"s3:ObjectRemoved:Delete"}},
		{ID: "function", ARN: functionARN, Events: []string{"s3:ObjectCreated:Put"}, Prefix: "other/"},
	}}, true))
	take := func(target string, n int) (all []*delivery.Message) {
		t.Helper()
		for len(all) < n {
			select {
			case m := <-b.taken:
				if m.Target == target {
					all = append(all, m)
				} else {
					b.taken <- m // of somebody else
				}
			case <-time.After(time.Minute):
				t.Fatalf("%d of %d messages for %s came", len(all), n, target)
			}
		}
		return all
	}
	for _, target := range []string{queueARN, topicARN} {
		// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
		if got := string(take(target, 1)[0].Body); !strings.HasPrefix(got, `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-01T`) || !strings.HasSuffix(got, `,"Bucket":"bucket","RequestId":"request","HostId":"host"}`) {
			t.Error(got)
		}
	}
	where.Key = "in/a b+é.txt"
	v, err := b.Put(ctx, where, Attributes{}, Body{Reader: strings.NewReader("data")}, "", Condition{}, CreatedPut)
	b.must(err)
	got := take(queueARN, 1)[0]
	want := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-03-01T12:00:00.000Z","eventName":"ObjectCreated:Put",`+
		`"userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"10.0.0.1"},"responseElements":{"x-amz-id-2":"host","x-amz-request-id":"request"},`+
		`"s3":{"s3SchemaVersion":"1.0","configurationId":"queue","bucket":{"name":"bucket","ownerIdentity":{"principalId":"000000000000"},"arn":"arn:aws:s3:::bucket"},`+
		`"object":{"key":"in/a+b%%2B%%C3%%A9.txt","size":4,"eTag":"%s","sequencer":"%s"}}}]}`, v.ETag, sequencer(v.Order))
	if string(got.Body) != want || got.TraceID != "Root=1" || got.Source != "arn:aws:s3:::bucket" {
		t.Errorf("got\n%s\nwant\n%s", got.Body, want)
	}
	const busARN = "arn:aws:events:us-east-1:000000000000:event-bus/default"
	m := take(busARN, 1)[0]
	want = fmt.Sprintf(`{"version":"0","bucket":{"name":"bucket"},"object":{"key":"in/a b+é.txt","size":4,"etag":"%s","sequencer":"%s"},"request-id":"request","requester":"000000000000","source-ip-address":"10.0.0.1","reason":"PutObject"}`, v.ETag, sequencer(v.Order))
	if string(m.Body) != want || m.Detail["detail-type"] == "" && len(m.Detail) != 3 {
		t.Errorf("got\n%s %v\nwant\n%s", m.Body, m.Detail, want)
	}
	b.put("out.txt", "no") // for the bus only
	_, err = b.Delete(ctx, where, "", nil, false)
	b.must(err)
	if got := string(take(topicARN, 1)[0].Body); !strings.Contains(got, `"eventName":"ObjectRemoved:Delete"`) || strings.Contains(got, "eTag") {
		t.Error(got)
	}
	if got := take(busARN, 2); !strings.Contains(string(got[1].Body)+string(got[0].Body), `"deletion-type":"Permanently Deleted"`) {
		t.Errorf("%s", got[1].Body)
	}
	if len(b.taken) > 0 {
		t.Errorf("somebody was told of what he did not ask for: %+v", <-b.taken)
	}
}

func TestConfigurationsThatOverlap(t *testing.T) {
	b := open(t)
	d := func(id, prefix, suffix string, events ...string) Destination {
		return Destination{ID: id, ARN: "arn:aws:sqs:us-east-1:000000000000:q", Events: events, Prefix: prefix, Suffix: suffix}
	}
	// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
	for i, test := range []struct {
		a, b Destination
		ok   bool
	}{
		{d("1", "images/", "", "s3:ObjectCreated:*"), d("2", "logs/", "", "s3:ObjectCreated:*"), true},
		{d("1", "images", ".jpg", "s3:ObjectCreated:*"), d("2", "images", ".png", "s3:ObjectCreated:*"), true},
		{d("1", "images", "", "s3:ObjectCreated:*"), d("2", "images/jpg", "", "s3:ObjectCreated:*"), false},
		{d("1", "", ".jpg", "s3:ObjectCreated:*"), d("2", "", "jpg", "s3:ObjectCreated:Put"), false},
		{d("1", "", "", "s3:ObjectCreated:Put"), d("2", "", "", "s3:ObjectRemoved:*"), true},
	} {
		err := b.SetNotification(t.Context(), at(""), Notification{Destinations: []Destination{test.a, test.b}}, true)
		if (err == nil) != test.ok {
			t.Errorf("%d: %v", i, err)
		}
	}
	for _, target := range []string{"arn:aws:sqs:us-east-1:000000000000:q.fifo", "arn:aws:kinesis:us-east-1:000000000000:stream/s", "q"} {
		one := d("1", "", "", "s3:ObjectCreated:*")
		one.ARN = target
		if err := b.SetNotification(t.Context(), at(""), Notification{Destinations: []Destination{one}}, true); !errors.Is(err, fail(InvalidArgument, "")) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html: an
// object expires at the midnight (UTC) after its days.
func TestLifecycle(t *testing.T) {
	b := open(t)
	size := int64(100)
	rules := []Rule{
		{Prefix: "tmp/", Days: 1}, {Prefix: "big/", Days: 1, Above: &size}, {Prefix: "tag/", Days: 1, Tags: map[string]string{"a": "1"}},
		{Prefix: "off/", Days: 1, Disabled: true}, {Prefix: "", AbortUploads: 2}, {Prefix: "v/", Days: 1, OldDays: 1, OldKept: 1},
	}
	b.must(b.Change(t.Context(), at(""), func(row *Bucket) error { row.Lifecycle = rules; return nil }))
	for _, key := range []string{"tmp/x", "big/small", "off/x", "x"} {
		b.put(key, "data")
	}
	b.put("big/x", large("x"))
	for _, tag := range []string{"1", "2"} {
		_, err := b.Put(t.Context(), at("tag/"+tag), Attributes{Tags: map[string]string{"a": tag}}, Body{Reader: strings.NewReader("x")}, "", Condition{}, CreatedPut)
		b.must(err)
	}
	id, err := b.CreateUpload(t.Context(), at("upload"), Upload{})
	b.must(err)
	keys := func() string {
		b.must(b.expire(t.Context()))
		page, err := b.List(t.Context(), at(""), Query{Max: MaxPage})
		b.must(err)
		var all []string
		for _, v := range page.Versions {
			all = append(all, v.Key)
		}
		return strings.Join(all, " ")
	}
	b.clock.pass(35 * time.Hour) // from noon on the first to 23:00 on the second
	if got := keys(); got != "big/small big/x off/x tag/1 tag/2 tmp/x x" {
		t.Error(got)
	}
	b.clock.pass(time.Hour) // now it is the third
	if got := keys(); got != "big/small off/x tag/2 x" {
		t.Error(got)
	}
	if _, err := b.Upload(t.Context(), at("upload"), id); err != nil {
		t.Error(err)
	}
	b.versioning(Enabled)
	for i := range 4 {
		b.put("v/k", fmt.Sprint(i))
	}
	b.clock.pass(48 * time.Hour)
	keys()
	if _, err := b.Upload(t.Context(), at("upload"), id); !errors.Is(err, noSuchUpload("")) {
		t.Errorf("got %v", err)
	}
	count := func() (versions, markers int) {
		page, err := b.ListVersions(t.Context(), at(""), Query{Prefix: "v/", Max: MaxPage})
		b.must(err)
		for _, v := range page.Versions {
			if v.Marker {
				markers++
			} else {
				versions++
			}
		}
		return versions, markers
	}
	if v, m := count(); v != 2 || m != 1 { // the last one and, kept in any case, the one before
		t.Errorf("%d versions, %d markers", v, m)
	}
	b.clock.pass(48 * time.Hour)
	keys()
	if v, m := count(); v != 1 || m != 1 {
		t.Errorf("%d versions, %d markers", v, m)
	}
	b.clean(0)
}
