package object

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// NullVersion is the id of versions that were made without versioning.
const NullVersion = "null"

// Version is one version of an object, or a delete marker. Who gets one must not
// change it.
type Version struct {
	Key      string `json:"-"`
	ID       string // "null" or an opaque text
	Order    uint64 // of the versions of a key; also the sequencer of events
	Marker   bool   `json:",omitempty"`
	Latest   bool   `json:"-"`
	Size     int64
	ETag     string // without the quotes
	Modified time.Time
	Headers  Headers           `json:",omitzero"`
	Metadata map[string]string `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"`
	Checksum Checksum          `json:",omitzero"`
	Content  content           `json:",omitzero"`
	Upload   string            `json:",omitempty"` // that it was
	Keeping  Keeping           `json:",omitzero"`

	version store.Version // of its row
}

// Headers are what a client gave to be given back.
type Headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires, WebsiteRedirect, StorageClass string `json:",omitempty"`
}

// Checksum is the one that is kept of an object.
type Checksum struct {
	Algorithm checksum.Algorithm
	Value     string
	Composite bool // over the checksums of the parts of an upload
}

// PartsCount is the number of parts of an object that was uploaded in parts, or 0.
func (v *Version) PartsCount() int { return v.Content.Count }

// newVersionID makes an id that leads to its row.
func newVersionID(order uint64) string {
	id := binary.BigEndian.AppendUint64(nil, order)
	var random [versionBytes]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(append(id, random[:]...))
}

// orderOf reads the order out of the id of a version.
func orderOf(id string) (uint64, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != 8+versionBytes {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw), true
}

// ValidVersionID tells whether text can be the id of a version.
func ValidVersionID(id string) bool {
	_, ok := orderOf(id)
	return ok || id == NullVersion
}

// current reads the current version of a key; nil for none. It may be a marker.
func current(snap store.Snap, bucketID, key string) (*Version, error) {
	v := &Version{}
	version, found, err := get(snap, objectKey(bucketID, key), v)
	if err != nil || !found {
		return nil, err
	}
	v.Key, v.Latest, v.version = key, true, version
	return v, nil
}

// rowVersion is what a check of the row of a version compares with; 0 for none.
func rowVersion(v *Version) store.Version {
	if v == nil {
		return 0
	}
	return v.version
}

// version reads one version of a key by its id; nil for none.
func version(snap store.Snap, bucketID, key, id string) (*Version, error) {
	v, err := current(snap, bucketID, key)
	if err != nil || v == nil || v.ID == id {
		return v, err
	}
	order, ok := orderOf(id)
	if id == NullVersion {
		if _, ok, err = get(snap, nullKey(bucketID, key), &order); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, nil
	}
	old := &Version{}
	row, found, err := get(snap, versionKey(bucketID, key, order), old)
	if err != nil || !found || old.ID != id {
		return nil, err
	}
	old.Key, old.version = key, row
	return old, nil
}

// change is a commit that changes what a key holds.
type change struct {
	objects *Objects
	snap    store.Snap
	batch   *store.Batch
	bucket  *Bucket
	key     string
	current *Version // before the change
	told    bool     // somebody is notified
}

// begin looks at bucket and key and demands that they do not change until the commit.
func (o *Objects) begin(snap store.Snap, batch *store.Batch, in Place) (*change, error) {
	b, err := o.bucket(snap, in)
	if err != nil {
		return nil, err
	}
	v, err := current(snap, b.ID, in.Key)
	if err != nil {
		return nil, err
	}
	batch.Checks = append(batch.Checks, store.At(bucketKey(b.Name), b.version), store.At(objectKey(b.ID, in.Key), rowVersion(v)))
	return &change{objects: o, snap: snap, batch: batch, bucket: b, key: in.Key, current: v}, nil
}

// next is the order of a new version.
func (c *change) next(now time.Time) uint64 {
	order := uint64(now.UnixNano())
	if c.current != nil {
		order = max(order, c.current.Order+1)
	}
	return order
}

// insert makes v, an object or a delete marker, the current version.
func (c *change) insert(v *Version, now time.Time) error {
	v.Order, v.Modified = c.next(now), now.UTC().Truncate(time.Second)
	if err := c.keep(v, now); err != nil {
		return err
	}
	v.ID = NullVersion
	if c.bucket.Versioning == Enabled {
		v.ID = newVersionID(v.Order)
	}
	var err error
	switch {
	case c.current != nil && c.current.ID == NullVersion && v.ID == NullVersion:
		err = c.objects.free(c.batch, &c.current.Content)
	case c.current != nil:
		err = c.retire()
	}
	if err == nil && v.ID == NullVersion && c.bucket.Versioning != "" {
		err = c.removeNull()
	}
	if err != nil {
		return err
	}
	return put(c.batch, objectKey(c.bucket.ID, c.key), v)
}

// retire makes the current version one of the older ones.
func (c *change) retire() error {
	if c.current.ID == NullVersion {
		if err := put(c.batch, nullKey(c.bucket.ID, c.key), c.current.Order); err != nil {
			return err
		}
	}
	return put(c.batch, versionKey(c.bucket.ID, c.key, c.current.Order), c.current)
}

// removeNull removes an older version "null", if there is one.
func (c *change) removeNull() error {
	if c.current != nil && c.current.ID == NullVersion {
		return nil // it is the current one, and there is only one
	}
	v, err := version(c.snap, c.bucket.ID, c.key, NullVersion)
	if err != nil || v == nil {
		return err
	}
	return c.remove(v)
}

// remove removes an older version.
func (c *change) remove(v *Version) error {
	row := versionKey(c.bucket.ID, c.key, v.Order)
	c.batch.Checks = append(c.batch.Checks, store.At(row, v.version))
	c.batch.Deletes = append(c.batch.Deletes, row)
	if v.ID == NullVersion {
		c.batch.Deletes = append(c.batch.Deletes, nullKey(c.bucket.ID, c.key))
	}
	return c.objects.free(c.batch, &v.Content)
}

// removeCurrent removes the current version for good; the newest of the older ones
// takes its place.
func (c *change) removeCurrent() error {
	if err := c.objects.free(c.batch, &c.current.Content); err != nil {
		return err
	}
	row := objectKey(c.bucket.ID, c.key)
	lo, hi := tuple.Range("s3", "version", c.bucket.ID, c.key)
	rows, err := c.snap.Scan(lo, hi, 1, false)
	if err != nil {
		return trouble("delete object", err)
	}
	if len(rows) == 0 {
		c.batch.Deletes = append(c.batch.Deletes, row)
		return nil
	}
	heir := &Version{}
	if err := json.Unmarshal(rows[0].Value, heir); err != nil {
		return trouble("delete object", err)
	}
	c.batch.Checks = append(c.batch.Checks, store.At(rows[0].Key, rows[0].Version))
	c.batch.Deletes = append(c.batch.Deletes, rows[0].Key)
	if heir.ID == NullVersion {
		c.batch.Deletes = append(c.batch.Deletes, nullKey(c.bucket.ID, c.key))
	}
	return put(c.batch, row, heir)
}

// Deleted tells what a delete did.
type Deleted struct {
	Version *Version // that was removed or, as a marker, made; nil: there was nothing
	Marker  bool     // a marker was made or removed
	Made    bool     // a marker was made
}

// delete removes the version of that id; of an empty id the object, which with
// versioning only gets a marker.
func (c *change) delete(id string, now time.Time) (Deleted, error) {
	switch {
	case id == "" && c.bucket.Versioning == "":
		if c.current == nil {
			return Deleted{}, nil
		}
		return Deleted{Version: c.current}, c.removeCurrent()
	case id == "":
		marker := &Version{Key: c.key, Marker: true}
		return Deleted{Version: marker, Marker: true, Made: true}, c.insert(marker, now)
	}
	v, err := version(c.snap, c.bucket.ID, c.key, id)
	if err != nil || v == nil {
		return Deleted{}, err
	}
	done := Deleted{Version: v, Marker: v.Marker}
	if v.Latest {
		return done, c.removeCurrent()
	}
	return done, c.remove(v)
}

// conflict tells that a commit failed because somebody else changed the same.
func conflict(err error) bool { return errors.Is(err, store.ErrConflict) }
