package function

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// memory is a store in memory that counts and can fail.
type memory struct {
	mu      sync.Mutex
	rows    map[string]store.Entry
	version store.Version

	snapshots atomic.Int64
	// fault, if set, decides about each commit: apply it or not, and what error to
	// give. Called with mu held.
	fault func(b *store.Batch) (apply bool, err error)
}

var errFault = errors.New("injected fault")

func newMemory() *memory { return &memory{rows: map[string]store.Entry{}} }

func (m *memory) Snapshot(context.Context) (store.Snap, error) {
	m.snapshots.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &memorySnap{rows: maps.Clone(m.rows)}
	s.keys = slices.Sorted(maps.Keys(s.rows))
	return s, nil
}

func (m *memory) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	apply, faultErr := true, error(nil)
	if m.fault != nil {
		apply, faultErr = m.fault(b)
	}
	if !apply {
		return 0, faultErr
	}
	for _, c := range b.Checks {
		if found := m.rows[string(c.Key)].Version; found != c.Version {
			return 0, &store.ConflictError{Check: c, Found: found}
		}
	}
	m.version++
	for _, r := range b.DeleteRanges {
		for key := range m.rows {
			if key >= string(r.Lo) && key < string(r.Hi) {
				delete(m.rows, key)
			}
		}
	}
	for _, key := range b.Deletes {
		delete(m.rows, string(key))
	}
	for _, kv := range b.Puts {
		m.rows[string(kv.Key)] = store.Entry{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value), Version: m.version}
	}
	return m.version, faultErr
}

func (m *memory) Watch(context.Context, []byte) <-chan struct{} { return nil }
func (m *memory) Lease(context.Context, string, time.Duration) (store.Lease, error) {
	return nil, errors.ErrUnsupported
}
func (m *memory) Close() error { return nil }

type memorySnap struct {
	rows map[string]store.Entry
	keys []string
}

func (s *memorySnap) Get(key []byte) ([]byte, store.Version, error) {
	e, ok := s.rows[string(key)]
	if !ok {
		return nil, 0, store.ErrNotFound
	}
	return bytes.Clone(e.Value), e.Version, nil
}

func (s *memorySnap) Scan(lo, hi []byte, limit int, reverse bool) ([]store.Entry, error) {
	from := sort.SearchStrings(s.keys, string(lo))
	to := len(s.keys)
	if hi != nil {
		to = sort.SearchStrings(s.keys, string(hi))
	}
	var out []store.Entry
	for i := 0; i < to-from && len(out) < limit; i++ {
		key := s.keys[from+i]
		if reverse {
			key = s.keys[to-1-i]
		}
		out = append(out, s.rows[key])
	}
	return out, nil
}

func (s *memorySnap) Close() error { return nil }

// world is a registry with all it stands on.
type world struct {
	*Registry
	t      testing.TB
	store  *memory
	config Config
}

var here = Scope{Account: "000000000000", Region: "us-east-1"}

// newWorld makes a registry; configure may be nil. It does not run.
func newWorld(t testing.TB, configure func(*Config)) *world {
	t.Helper()
	m := newMemory()
	blobs, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: m, config: Config{Store: m, Blobs: blobs, Folder: t.TempDir()}}
	if configure != nil {
		configure(&w.config)
	}
	w.reopen()
	return w
}

// reopen makes a new registry on the same state, as after a crash.
func (w *world) reopen() {
	w.t.Helper()
	r, err := NewRegistry(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Registry = r
}

// run runs the registry until stop, at the latest until the test ends.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := w.Registry
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// eventually waits for a condition; the bound is for a machine in trouble.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func at(name string) Target { return Target{Scope: here, Name: name} }

func qualified(name, qualifier string) Target {
	return Target{Scope: here, Name: name, Qualifier: qualifier}
}

func ptr[T any](v T) *T { return &v }

// zipOf makes an archive from name, contents, name, contents...
func zipOf(t testing.TB, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		h := &zip.FileHeader{Name: parts[i], Method: zip.Deflate}
		h.SetMode(fs.FileMode(0o644))
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// settings of a function that can be created.
func settings() Settings {
	return Settings{Role: ptr("arn:aws:iam::000000000000:role/r"), Runtime: ptr("python3.13"), Handler: ptr("app.handler")}
}

func createInput(t testing.TB, code string) CreateInput {
	return CreateInput{Settings: settings(), Code: Code{ZipFile: zipOf(t, "app.py", code)}}
}

// create makes a function, without waiting for it.
func (w *world) create(name string) *Version {
	w.t.Helper()
	v, err := w.Create(context.Background(), at(name), createInput(w.t, "code of "+name))
	if err != nil {
		w.t.Fatalf("Create %s: %v", name, err)
	}
	return v
}

// ready makes a function and waits until it is Active; run must have been called.
func (w *world) ready(name string) *Version {
	w.t.Helper()
	w.create(name)
	return w.settled(at(name))
}

// settled waits until nothing is under way for the target.
func (w *world) settled(t Target) *Version {
	w.t.Helper()
	var v *Version
	eventually(w.t, t.ARN()+" settles", func() bool {
		var err error
		if v, err = w.GetConfiguration(context.Background(), t); err != nil {
			w.t.Fatal(err)
		}
		return v.State != Pending && v.LastUpdateStatus != updateInProgress
	})
	return v
}

// publish publishes $LATEST.
func (w *world) publish(name string) *Version {
	w.t.Helper()
	v, err := w.PublishVersion(context.Background(), at(name), PublishVersionInput{})
	if err != nil {
		w.t.Fatalf("PublishVersion %s: %v", name, err)
	}
	return v
}

// change makes $LATEST differ from what was published.
func (w *world) change(name, description string) *Version {
	w.t.Helper()
	_, err := w.UpdateConfiguration(context.Background(), at(name), UpdateConfigurationInput{Settings: Settings{Description: &description}})
	if err != nil {
		w.t.Fatalf("UpdateConfiguration %s: %v", name, err)
	}
	return w.settled(at(name))
}

// wantError wants an error of type T with a text.
func wantError[T error](t testing.TB, err error, message string) {
	t.Helper()
	var want T
	if !errors.As(err, &want) || err.Error() != message {
		t.Errorf("got %T %q\nwant %T %q", err, fmt.Sprint(err), want, message)
	}
}

func functionARN(suffix string) string {
	return "arn:aws:lambda:us-east-1:000000000000:function:" + suffix
}

func layerARN(suffix string) string {
	return "arn:aws:lambda:us-east-1:000000000000:layer:" + suffix
}

// large is incompressible enough to be of the size large.
func largeZip(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "large.bin", Method: zip.Store})
	if err == nil {
		_, err = f.Write([]byte(strings.Repeat("0123456789abcdef", largeBytes/16+1)))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
