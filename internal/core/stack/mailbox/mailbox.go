// Package mailbox keeps what the resources of a stack are told from outside: the
// answer of a custom resource, the signals of a wait condition.
//
// It promises that a letter is durable when Put returns nil, that of letters with
// the same id only the first is kept, and that the name of a box cannot be guessed:
// who knows it may put letters in. Letters lie on the disk sealed.
//
// There is no state beside the store; no goroutines, no locks. Start reading at
// Boxes.
package mailbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/seal"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits of a box.
const (
	MaxLetterBytes = 64 << 10
	MaxLetters     = 100

	poll = 5 * time.Second // without a hint of the store
)

// Errors of boxes; compare with errors.Is.
var (
	ErrNoBox = errors.New("there is no such box")
	ErrFull  = errors.New("the box takes no more letters")
)

// The rows, below "cloudformation mailbox": box, then its letters by their ids. The
// value of the box is a mark of its owner.
const space = "cloudformation mailbox"

// Boxes are all boxes.
type Boxes struct {
	store  store.Store
	clock  clock.Clock
	secret []byte
	sealer *seal.Sealer
}

// New only builds; the secret is that of the data folder.
func New(s store.Store, secret []byte, c clock.Clock) (*Boxes, error) {
	sealer, err := seal.New(secret, "cloudformation mailbox")
	return &Boxes{store: s, clock: c, secret: secret, sealer: sealer}, err
}

// Name is the name of the box for a token: always the same.
func (b *Boxes) Name(token string) string {
	mac := hmac.New(sha256.New, b.secret)
	mac.Write([]byte("mailbox of CloudFormation\x00" + token)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

func boxKey(box string) []byte { return tuple.Key(space, "box", box) }

func letterKey(box, id string) []byte { return tuple.Key(space, "letter", box, id) }

// Open makes a box, if there is none, and tells the mark that was last set.
func (b *Boxes) Open(ctx context.Context, box string) (mark string, err error) {
	err = store.Change(ctx, b.store, func(snap store.Snap) (*store.Batch, error) {
		value, _, err := snap.Get(boxKey(box))
		switch {
		case err == nil:
			mark = string(value)
			return nil, nil
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		return &store.Batch{Checks: []store.Check{store.Absent(boxKey(box))}, Puts: []store.KV{{Key: boxKey(box)}}}, nil
	})
	return mark, err
}

// Mark keeps a word with the box.
func (b *Boxes) Mark(ctx context.Context, box, mark string) error {
	return store.Change(ctx, b.store, func(snap store.Snap) (*store.Batch, error) {
		_, version, err := snap.Get(boxKey(box))
		if err != nil {
			return nil, err
		}
		return &store.Batch{Checks: []store.Check{store.At(boxKey(box), version)}, Puts: []store.KV{{Key: boxKey(box), Value: []byte(mark)}}}, nil
	})
}

// Put adds a letter. One that is there already stays as it is.
func (b *Boxes) Put(ctx context.Context, box, id string, letter []byte) error {
	if len(letter) > MaxLetterBytes {
		return ErrFull
	}
	return store.Change(ctx, b.store, func(snap store.Snap) (*store.Batch, error) {
		_, version, err := snap.Get(boxKey(box))
		if errors.Is(err, store.ErrNotFound) {
			return nil, ErrNoBox
		}
		if err != nil {
			return nil, err
		}
		if _, _, err := snap.Get(letterKey(box, id)); !errors.Is(err, store.ErrNotFound) {
			return nil, err // there already, or the store's trouble
		}
		lo, hi := tuple.Range(space, "letter", box)
		if there, err := snap.Scan(lo, hi, MaxLetters, false); err != nil || len(there) >= MaxLetters {
			return nil, errors.Join(err, ErrFull)
		}
		key := letterKey(box, id)
		return &store.Batch{Checks: []store.Check{store.At(boxKey(box), version), store.Absent(key)}, Puts: []store.KV{{Key: key, Value: b.sealer.Seal(letter, string(key))}}}, nil
	})
}

// Letters are those that are in a box, in the order of their ids.
func (b *Boxes) Letters(ctx context.Context, box string) (letters [][]byte, err error) {
	snap, err := b.store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	lo, hi := tuple.Range(space, "letter", box)
	return letters, store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
		letter, err := b.sealer.Open(entry.Value, string(entry.Key))
		letters = append(letters, letter)
		return true, err
	})
}

// Wait returns when enough says so of the letters, or ctx ends.
func (b *Boxes) Wait(ctx context.Context, box string, enough func(letters [][]byte) bool) ([][]byte, error) {
	watched, cancel := context.WithCancel(ctx)
	defer cancel()
	lo, _ := tuple.Range(space, "letter", box)
	hints := b.store.Watch(watched, lo)
	for {
		letters, err := b.Letters(ctx, box)
		if err != nil || enough(letters) {
			return letters, err
		}
		clock.Wait(ctx, b.clock, hints, poll)
		if ctx.Err() != nil {
			return letters, ctx.Err()
		}
	}
}

// Close removes a box with its letters.
func (b *Boxes) Close(ctx context.Context, box string) error {
	lo, hi := tuple.Range(space, "letter", box)
	_, err := b.store.Commit(ctx, &store.Batch{DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}, Deletes: [][]byte{boxKey(box)}})
	return err
}
