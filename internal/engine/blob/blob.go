// Package blob keeps large bytes (code packages, layers, objects) as files named
// by the SHA-256 of their content.
//
// It promises: when Put returns, the file survives kill -9 and power loss; a
// file under its name is always whole. Equal content is kept once. Metadata
// that names a blob is committed after Put, never before; a blob that no metadata
// names is an orphan, found with All and taken with DeleteOlder, which never
// takes one that a Put has just returned. No goroutines; mu orders the deletion
// of a file with a Put of the same content. Start reading at Store.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
)

// ErrTooLarge tells that the content is longer than Put was allowed to take.
var ErrTooLarge = errors.New("content is over the size limit")

const (
	temporary   = "tmp" // folder of files that are not complete
	shardDigits = 2     // first hex digits of the id: the folder of the file
	copyBytes   = 128 << 10
)

// Ref names stored content.
type Ref struct {
	ID   string // SHA-256 in lower-case hex
	Size int64
}

// Store is a folder of blobs. All methods are safe for concurrent use.
type Store struct {
	folder string
	spare  diskspace.Reserve
	mu     sync.Mutex
}

// Open makes the folder if it does not exist and removes what a crash left unfinished.
func Open(folder string) (*Store, error) {
	if err := os.RemoveAll(filepath.Join(folder, temporary)); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(folder, temporary), 0o700); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	for _, name := range []string{filepath.Dir(filepath.Clean(folder)), folder} {
		if err := syncFolder(name); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	return &Store{folder: folder}, nil
}

// Put stores the content of r, of at most maxBytes.
func (s *Store) Put(ctx context.Context, r io.Reader, maxBytes int64) (Ref, error) {
	staged, err := s.Stage(ctx, r, maxBytes)
	if err != nil {
		return Ref{}, err
	}
	return staged.Ref, staged.Keep()
}

// Staged is content that is on stable storage and has no name yet: All does not
// show it, nobody can open it, and a restart removes it.
type Staged struct {
	Ref
	store *Store
	file  string
}

// Stage is the first half of Put, the long one. The caller ends it with Keep or Drop.
func (s *Store) Stage(ctx context.Context, r io.Reader, maxBytes int64) (*Staged, error) {
	file, err := os.CreateTemp(filepath.Join(s.folder, temporary), "put-")
	if err != nil {
		return nil, fmt.Errorf("put blob: %w", err)
	}
	ref, err := s.fill(ctx, file, r, maxBytes)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(file.Name())
		return nil, fmt.Errorf("put blob: %w", err)
	}
	return &Staged{Ref: ref, store: s, file: file.Name()}, nil
}

// Keep gives the content its name: the second half of Put.
func (s *Staged) Keep() error {
	if err := s.store.adopt(s.file, s.ID); err != nil {
		s.Drop()
		return fmt.Errorf("put blob: %w", err)
	}
	return nil
}

// Drop forgets the content; after Keep it does nothing.
func (s *Staged) Drop() { os.Remove(s.file) }

// Reserve leaves so many bytes of the disk free: Put and Stage fail with
// store.ErrDiskFull before. To be called before the first of them.
func (s *Store) Reserve(bytes int64) { s.spare = diskspace.Reserve{Folder: s.folder, Bytes: bytes} }

// roomyWriter looks for space before each write.
type roomyWriter struct {
	io.Writer
	spare diskspace.Reserve
}

func (w *roomyWriter) Write(p []byte) (int, error) {
	if err := w.spare.Check(1); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// fill copies r into file, durably.
func (s *Store) fill(ctx context.Context, file *os.File, r io.Reader, maxBytes int64) (Ref, error) {
	hash := sha256.New()
	limited := io.LimitReader(&contextReader{ctx: ctx, r: r}, maxBytes+1)
	size, err := io.CopyBuffer(&roomyWriter{io.MultiWriter(file, hash), s.spare}, limited, make([]byte, copyBytes))
	switch {
	case err != nil:
		return Ref{}, err
	case size > maxBytes:
		return Ref{}, fmt.Errorf("%w of %d bytes", ErrTooLarge, maxBytes)
	}
	if err := file.Sync(); err != nil {
		return Ref{}, err
	}
	return Ref{ID: hex.EncodeToString(hash.Sum(nil)), Size: size}, nil
}

// adopt gives the complete file its name. Content that is there already is
// replaced by its equal: that refreshes its age, so that no collector takes it
// between this Put and the commit of the metadata.
func (s *Store) adopt(name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	shard := filepath.Dir(s.path(id))
	if err := os.Mkdir(shard, 0o700); err == nil {
		if err := syncFolder(s.folder); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(name, s.path(id)); err != nil {
		return err
	}
	return syncFolder(shard)
}

// Open opens a blob for reading; fs.ErrNotExist if there is none of that id.
func (s *Store) Open(id string) (*os.File, error) {
	if !valid(id) {
		return nil, &fs.PathError{Op: "open blob", Path: id, Err: fs.ErrNotExist}
	}
	return os.Open(s.path(id))
}

// Age is the time since the content was last Put.
func (s *Store) Age(id string) (time.Duration, error) {
	if !valid(id) {
		return 0, &fs.PathError{Op: "age of blob", Path: id, Err: fs.ErrNotExist}
	}
	info, err := os.Stat(s.path(id))
	if err != nil {
		return 0, err
	}
	return time.Since(info.ModTime()), nil
}

// Delete removes a blob; one that is not there is no error.
func (s *Store) Delete(id string) error {
	_, err := s.DeleteOlder(id, -1)
	return err
}

// DeleteOlder removes a blob if it was last Put longer than age ago, and tells
// whether it did: the way to take an orphan.
func (s *Store) DeleteOlder(id string, age time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	actual, err := s.Age(id)
	if err == nil && age >= 0 && actual <= age {
		return false, nil
	}
	if err == nil {
		err = os.Remove(s.path(id))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// All walks the ids of all blobs, in order. An error ends the walk.
func (s *Store) All() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		shards, err := os.ReadDir(s.folder)
		if err != nil {
			yield("", err)
			return
		}
		for _, shard := range shards {
			if len(shard.Name()) == shardDigits && !s.shard(shard.Name(), yield) {
				return
			}
		}
	}
}

// shard walks one folder; false ends the walk.
func (s *Store) shard(name string, yield func(string, error) bool) bool {
	files, err := os.ReadDir(filepath.Join(s.folder, name))
	if err != nil {
		yield("", err)
		return false
	}
	for _, file := range files {
		if valid(file.Name()) && !yield(file.Name(), nil) {
			return false
		}
	}
	return true
}

func (s *Store) path(id string) string { return filepath.Join(s.folder, id[:shardDigits], id) }

// valid tells whether id can be the name of a blob and nothing else.
func valid(id string) bool {
	if len(id) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// contextReader stops a copy when the caller is gone.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
