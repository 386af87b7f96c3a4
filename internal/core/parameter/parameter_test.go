package parameter

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

var here = Scope{"000000000000", "us-east-1"}

func start(t *testing.T) (*Parameters, store.Store) {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := New(Config{Store: s, Secret: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func code(err error) string {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return fmt.Sprint(err)
}

// TestVersionsCountUnderConcurrentWriters: each writer gets a number of its own.
func TestVersionsCountUnderConcurrentWriters(t *testing.T) {
	p, _ := start(t)
	if _, err := p.Put(t.Context(), here, Version{Name: "/a/b", Type: String, Value: "0"}, false, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 10
	var mu sync.Mutex
	var got []int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() { // ends after its writes
			for range each {
				v, err := p.Put(t.Context(), here, Version{Name: "/a/b", Value: "x"}, true, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got = append(got, v.Number)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(got)
	for i, n := range got {
		if n != int64(i+2) {
			t.Fatalf("the numbers are %v", got)
		}
	}
	if v, err := p.Get(t.Context(), here, "/a/b"); err != nil || v.Number != writers*each+1 {
		t.Errorf("%+v %v", v, err)
	}
}

// TestSecureStringsAreNotOnTheDisk looks at every row.
func TestSecureStringsAreNotOnTheDisk(t *testing.T) {
	p, s := start(t)
	const plain = "the password of the database"
	for _, name := range []string{"a", "b"} {
		if _, err := p.Put(t.Context(), here, Version{Name: name, Type: SecureString, Value: plain}, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	v, err := p.Get(t.Context(), here, "a")
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := p.Reveal(here, v, true); err != nil || shown != plain {
		t.Errorf("%q %v", shown, err)
	}
	if shown, err := p.Reveal(here, v, false); err != nil || strings.Contains(shown, plain) || shown == "" {
		t.Errorf("%q %v", shown, err)
	}
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("ssm")
	rows, err := snap.Scan(lo, hi, 100, false)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows %v", len(rows), err)
	}
	for _, r := range rows {
		if bytes.Contains(r.Value, []byte("password")) {
			t.Errorf("a row holds the plain text: %s", r.Value)
		}
	}
	v.Name = "b" // as if the row had been put in another's place
	if shown, err := p.Reveal(here, v, true); err == nil {
		t.Errorf("a sealed value of another parameter is opened: %q", shown)
	}
}

// TestOldVersionsGo, unless they have a label.
func TestOldVersionsGo(t *testing.T) {
	p, _ := start(t)
	put := func() error {
		_, err := p.Put(t.Context(), here, Version{Name: "n", Type: String, Value: "v"}, true, nil)
		return err
	}
	for range MaxVersions + 5 {
		if err := put(); err != nil {
			t.Fatal(err)
		}
	}
	all, err := p.History(t.Context(), here, "n")
	if err != nil || len(all) != MaxVersions || all[0].Number != 6 {
		t.Fatalf("%d versions from %d on, %v", len(all), all[0].Number, err)
	}
	if _, bad, err := p.Label(t.Context(), here, "n", 6, []string{"keep", "1no", "aws-no", "SSMno"}); err != nil || len(bad) != 3 {
		t.Fatalf("%v %v", bad, err)
	}
	if err := put(); code(err) != "ParameterMaxVersionLimitExceeded" {
		t.Errorf("the oldest version has a label: %v", err)
	}
	if v, err := p.Get(t.Context(), here, "n:keep"); err != nil || v.Number != 6 {
		t.Errorf("%+v %v", v, err)
	}
	if _, _, err := p.Label(t.Context(), here, "n", 0, []string{"keep"}); err != nil {
		t.Fatal(err)
	}
	if v, err := p.Get(t.Context(), here, here.ARN("n")+":keep"); err != nil || v.Number != MaxVersions+5 {
		t.Errorf("the label was not moved: %+v %v", v, err)
	}
	if err := put(); err != nil {
		t.Error(err)
	}
	if removed, bad, err := p.Unlabel(t.Context(), here, "n", MaxVersions+5, []string{"keep", "never"}); err != nil || len(removed) != 1 || len(bad) != 1 {
		t.Errorf("%v %v %v", removed, bad, err)
	}
}

// TestWhatIsRefused has AWS's codes.
func TestWhatIsRefused(t *testing.T) {
	p, _ := start(t)
	put := func(v Version, overwrite bool) error {
		if v.Value == "" {
			v.Value = "v"
		}
		_, err := p.Put(t.Context(), here, v, overwrite, nil)
		return err
	}
	if err := put(Version{Name: "there", Type: String}, false); err != nil {
		t.Fatal(err)
	}
	get := func(name string) error { _, err := p.Get(t.Context(), here, name); return err }
	for _, step := range []struct {
		err  error
		want string
	}{
		{put(Version{Name: "there", Type: String}, false), "ParameterAlreadyExists"},
		{put(Version{Name: "there", Type: SecureString}, true), "HierarchyTypeMismatchException"},
		{put(Version{Name: "new"}, true), validation},
		{put(Version{Name: "aws-x", Type: String}, true), "AccessDeniedException"},
		{put(Version{Name: "/ssm/x", Type: String}, true), validation},
		{put(Version{Name: "a/b", Type: String}, true), validation},
		{put(Version{Name: "/a//b", Type: String}, true), validation},
		{put(Version{Name: "a b", Type: String}, true), validation},
		{put(Version{Name: strings.Repeat("/a", MaxLevels+1), Type: String}, true), "HierarchyLevelLimitExceededException"},
		{put(Version{Name: "big", Type: String, Value: strings.Repeat("x", 4097)}, true), validation},
		{put(Version{Name: "big", Type: String, Value: strings.Repeat("x", 8193), Tier: Advanced}, true), validation},
		{put(Version{Name: "form", Type: String, AllowedPattern: "[0-9]+"}, true), "ParameterPatternMismatchException"},
		{put(Version{Name: "form", Type: String, AllowedPattern: "["}, true), "InvalidAllowedPatternException"},
		{get("absent"), NotFound}, {get("there:7"), "ParameterVersionNotFound"}, {get("there:label"), "ParameterVersionLabelNotFound"},
		{p.Delete(t.Context(), here, "absent"), NotFound},
		{put(Version{Name: "ok", Type: String, AllowedPattern: "[a-z]+"}, true), "<nil>"},
		{put(Version{Name: "grows", Type: String, Tier: Intelligent, Value: strings.Repeat("x", 5000)}, true), "<nil>"},
	} {
		if code(step.err) != step.want {
			t.Errorf("%v, want %s", step.err, step.want)
		}
	}
	if v, _ := p.Get(t.Context(), here, "grows"); v.Tier != Advanced {
		t.Errorf("the tier is %s", v.Tier)
	}
}
