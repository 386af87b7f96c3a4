package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

var here = Scope{"000000000000", "us-east-1"}

// watch is a clock that is set by hand.
type watch struct{ now time.Time }

func (w *watch) Now() time.Time                                   { return w.now }
func (w *watch) Sleep(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
func (w *watch) Timer(time.Duration) (<-chan time.Time, func() bool) {
	return nil, func() bool { return true }
}

func start(t *testing.T) (*Secrets, *watch, store.Store) {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &watch{time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)}
	q, err := New(Config{Store: s, Secret: bytes.Repeat([]byte{1}, 32), Clock: w})
	if err != nil {
		t.Fatal(err)
	}
	return q, w, s
}

func plain(text string) *Value { return &Value{Bytes: []byte(text)} }

func code(err error) string {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return fmt.Sprint(err)
}

func rows(t *testing.T, s store.Store) []store.Entry {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("secretsmanager")
	all, err := snap.Scan(lo, hi, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestStagesMoveWithVersions.
//
// AWS: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html, "Version".
func TestStagesMoveWithVersions(t *testing.T) {
	q, _, s := start(t)
	ctx := t.Context()
	made, first, err := q.Create(ctx, here, "db", "", "", plain("one"), nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text, token string, stages ...string) string {
		t.Helper()
		_, version, err := q.Put(ctx, here, "db", token, plain(text), stages, nil)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	get := func(version, stage string) string {
		_, _, value, err := q.Get(ctx, here, made.ARN(), version, stage)
		if err != nil {
			return code(err)
		}
		return string(value.Bytes)
	}
	second := put("two", "")
	third := put("three", "", "AWSPENDING")
	for _, step := range [][3]string{{"", "", "two"}, {"", Previous, "one"}, {"", "AWSPENDING", "three"}, {first, "", "one"}, {first, Current, InvalidRequest}, {"no", "", NotFound}, {"", "no", NotFound}} {
		if got := get(step[0], step[1]); got != step[2] {
			t.Errorf("version %q, stage %q: %s, want %s", step[0], step[1], got, step[2])
		}
	}
	if _, err := q.MoveStage(ctx, here, "db", Current, "", third); code(err) != InvalidParameter {
		t.Errorf("a stage is moved without saying from where: %v", err)
	}
	if _, err := q.MoveStage(ctx, here, "db", Current, second, third); err != nil {
		t.Fatal(err)
	}
	if get("", "") != "three" || get("", Previous) != "two" {
		t.Errorf("current %s, previous %s", get("", ""), get("", Previous))
	}
	if _, err := q.MoveStage(ctx, here, "db", Current, third, ""); code(err) != InvalidParameter {
		t.Errorf("the current version is taken away: %v", err)
	}
	// The same request again changes nothing; the same token for another value is refused.
	token := strings.Repeat("t", 32)
	put("four", token)
	put("four", token)
	if _, _, err := q.Put(ctx, here, "db", token, plain("five"), nil, nil); code(err) != Exists {
		t.Errorf("a token is used twice: %v", err)
	}
	if _, _, err := q.Create(ctx, here, "db", "", token, plain("four"), nil); err != nil {
		t.Errorf("the same request to create: %v", err)
	}
	if _, _, err := q.Create(ctx, here, "db", "", "", plain("four"), nil); code(err) != Exists {
		t.Errorf("a second secret: %v", err)
	}
	for _, r := range rows(t, s) {
		for _, text := range []string{"one", "two", "three", "four"} {
			if bytes.Contains(r.Value, []byte(text)) {
				t.Errorf("a row holds the plain text %q: %s", text, r.Value)
			}
		}
	}
}

// TestSecretsAreFound by name, by ARN, and by ARN without its suffix.
func TestSecretsAreFound(t *testing.T) {
	q, _, _ := start(t)
	for _, name := range []string{"a", "a-abcdef", "path/b"} {
		made, _, err := q.Create(t.Context(), here, name, "", "", plain(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{name, made.ARN(), strings.TrimSuffix(made.ARN(), "-"+made.Suffix)} {
			if s, _, value, err := q.Get(t.Context(), here, id, "", ""); err != nil || s.Name != name || string(value.Bytes) != name {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
	if _, err := q.Describe(t.Context(), here, "arn:aws:secretsmanager:us-east-1:000000000000:secret:a-zzzzzz"); code(err) != NotFound {
		t.Errorf("an ARN with another suffix is found: %v", err)
	}
}

// TestDeletion: restored until the date, gone after it, with the values.
func TestDeletion(t *testing.T) {
	q, w, s := start(t)
	ctx := t.Context()
	create := func() string {
		t.Helper()
		made, _, err := q.Create(ctx, here, "n", "", "", plain("v"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return made.ARN()
	}
	first := create()
	if _, err := q.Delete(ctx, here, "n", 7*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := q.Get(ctx, here, "n", "", ""); code(err) != InvalidRequest {
		t.Errorf("a marked secret is read: %v", err)
	}
	if _, _, err := q.Create(ctx, here, "n", "", "", plain("v"), nil); code(err) != InvalidRequest {
		t.Errorf("a marked secret is made again: %v", err)
	}
	if _, err := q.Restore(ctx, here, "n"); err != nil {
		t.Fatal(err)
	}
	if _, _, value, err := q.Get(ctx, here, first, "", ""); err != nil || string(value.Bytes) != "v" {
		t.Errorf("after the restoration: %v", err)
	}
	if _, err := q.Delete(ctx, here, "n", 7*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(7 * 24 * time.Hour)
	if _, err := q.Restore(ctx, here, "n"); code(err) != NotFound {
		t.Errorf("after its date it is restored: %v", err)
	}
	if err := q.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if left := rows(t, s); len(left) != 0 {
		t.Errorf("%d rows are left", len(left))
	}
	if second := create(); second == first {
		t.Error("another secret has the ARN of the first")
	}
	if _, err := q.Remove(ctx, here, "n"); err != nil || len(rows(t, s)) != 0 {
		t.Errorf("removed at once: %v, %d rows", err, len(rows(t, s)))
	}
	if _, _, err := q.Create(ctx, here, "a b", "", "", nil, nil); code(err) != Validation {
		t.Errorf("a bad name: %v", err)
	}
	if _, _, err := q.Create(ctx, here, "n", "", "", plain(strings.Repeat("x", MaxValueBytes+1)), nil); code(err) != InvalidParameter {
		t.Errorf("a large value: %v", err)
	}
}

// TestOldVersionsGo when there are too many, but none with a stage.
func TestOldVersionsGo(t *testing.T) {
	q, w, s := start(t)
	_, first, err := q.Create(t.Context(), here, "n", "", "", plain("0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.MoveStage(t.Context(), here, "n", "KEEP", "", first); err != nil {
		t.Fatal(err)
	}
	for n := range MaxVersions + 10 {
		w.now = w.now.Add(time.Second)
		if _, _, err := q.Put(t.Context(), here, "n", "", plain(fmt.Sprint(n)), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	described, err := q.Describe(t.Context(), here, "n")
	if err != nil || len(described.Versions) != MaxVersions || described.Versions[first] == nil || len(rows(t, s)) != MaxVersions+1 {
		t.Errorf("%d versions, %d rows, %v", len(described.Versions), len(rows(t, s)), err)
	}
}
