package object

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"log/slog"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Config is what Objects works with. Store, Blobs and Outbox are required.
type Config struct {
	Store  store.Store
	Blobs  *blob.Store // of nobody else: blobs that no object names are removed
	Outbox *delivery.Outbox
	// Objection tells why a bucket cannot send its events to a destination, by their
	// ARNs; empty: it can. Nil: nobody asks.
	Objection func(ctx context.Context, bucket, destination string) string
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Place names an object, or a bucket where Key is not used.
type Place struct {
	Account string // of the caller
	Bucket  string
	Key     string
	By      Caller // for the notifications of a change
}

// Objects holds all buckets.
type Objects struct {
	config  Config
	wake    chan struct{} // there is garbage
	buckets gates         // by name of the bucket
	blobs   gates         // by id of the blob
	pins    pins
	cache   bucketCache
}

// New only builds.
func New(config Config) (*Objects, error) {
	if config.Store == nil || config.Blobs == nil || config.Outbox == nil {
		return nil, errors.New("object: Store, Blobs and Outbox are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Objects{config: config, wake: make(chan struct{}, 1), pins: pins{held: map[string]int{}}, cache: bucketCache{rows: map[string]cachedBucket{}}}, nil
}

// The rows.
func bucketKey(name string) []byte          { return tuple.Key("s3", "bucket", name) }
func objectKey(bucketID, key string) []byte { return tuple.Key("s3", "object", bucketID, key) }

// versionKey is of a version that is not the current one; newer ones come first.
func versionKey(bucketID, key string, order uint64) []byte {
	return tuple.Key("s3", "version", bucketID, key, ^order)
}

// nullKey is of the row that has the order of a version "null" that is not the current one.
func nullKey(bucketID, key string) []byte { return tuple.Key("s3", "null", bucketID, key) }
func dataKey(id string) []byte            { return tuple.Key("s3", "data", id) }
func refKey(blob, ref string) []byte      { return tuple.Key("s3", "ref", blob, ref) }
func manifestKey(id string, n int) []byte { return tuple.Key("s3", "manifest", id, n) }
func garbageKey(id string) []byte         { return tuple.Key("s3", "garbage", id) }
func uploadKey(bucketID, key, id string) []byte {
	return tuple.Key("s3", "upload", bucketID, key, id)
}
func partKey(uploadID string, number int32) []byte {
	return tuple.Key("s3", "part", uploadID, int(number))
}

// snapshot gives a view to do, and closes it.
func (o *Objects) snapshot(ctx context.Context, do func(store.Snap) error) error {
	snap, err := o.config.Store.Snapshot(ctx)
	if err != nil {
		return trouble("read objects", err)
	}
	defer snap.Close()
	return do(snap)
}

// get reads a row into value; found is false for none.
func get(snap store.Snap, key []byte, value any) (version store.Version, found bool, err error) {
	data, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, value)
	}
	if err != nil {
		return 0, false, trouble("read objects", err)
	}
	return version, true, nil
}

// put adds a row to the batch.
func put(batch *store.Batch, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return trouble("write objects", err)
	}
	batch.Puts = append(batch.Puts, store.KV{Key: key, Value: data})
	return nil
}

// commit writes what must not stay half known because a client went away.
func (o *Objects) commit(ctx context.Context, batch *store.Batch) error {
	_, err := o.config.Store.Commit(context.WithoutCancel(ctx), batch)
	return err
}

// gates are locks by name. Names may share one.
type gates [256]sync.RWMutex

func (g *gates) of(name string) *sync.RWMutex {
	h := fnv.New32a()
	h.Write([]byte(name))
	return &g[h.Sum32()%uint32(len(g))]
}

// pins are the contents that somebody reads: they are not collected.
type pins struct {
	mu   sync.Mutex
	held map[string]int // by content.id
}

func (p *pins) hold(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[id]++
}

func (p *pins) release(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[id]--; p.held[id] == 0 {
		delete(p.held, id)
	}
}

func (p *pins) isHeld(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[id] > 0
}

// after is the lowest key above key.
func after(key []byte) []byte { return append(bytes.Clone(key), 0) }

// rangeOf bounds the rows of a kind.
func rangeOf(kind string) (lo, hi []byte) { return tuple.Range("s3", kind) }
