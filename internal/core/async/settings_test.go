package async

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
)

// desk is a queue over a real registry with the functions foo and bar, the
// version foo:1 and the alias foo:live.
type desk struct {
	*Queue
	t        *testing.T
	registry *function.Registry
	outbox   *tray
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	folder := t.TempDir()
	for name, mode := range map[string]os.FileMode{"blobs": 0o700, "trees": 0o755} {
		if err := os.Mkdir(filepath.Join(folder, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	state := openStore(t, filepath.Join(folder, "store"))
	blobs, err := blob.Open(filepath.Join(folder, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, outbox: &tray{}}
	d.registry, err = function.NewRegistry(function.Config{Store: state, Blobs: blobs, Folder: filepath.Join(folder, "trees")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.registry.Run(ctx) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the registry ended with %v", err)
		}
	})
	d.Queue, _ = newQueue(t, state, newPlatform(succeed))
	d.config.Outbox = d.outbox
	for _, name := range []string{"foo", "bar"} {
		d.make(name)
	}
	if _, err := d.registry.CreateAlias(t.Context(), at("foo", ""), function.AliasInput{Name: "live", FunctionVersion: ptr("1")}); err != nil {
		t.Fatal(err)
	}
	return d
}

// make creates a function with its version 1.
func (d *desk) make(name string) {
	d.t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	f, err := w.Create("app.py")
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := f.Write([]byte("def handler(event, context): pass\n")); err != nil {
		d.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		d.t.Fatal(err)
	}
	_, err = d.registry.Create(d.t.Context(), at(name, ""), function.CreateInput{Publish: true, Code: function.Code{ZipFile: archive.Bytes()},
		Settings: function.Settings{Role: ptr("arn:aws:iam::000000000000:role/r"), Runtime: ptr("python3.13"), Handler: ptr("app.handler")}})
	if err != nil {
		d.t.Fatal(err)
	}
}

func at(name, qualifier string) function.Target {
	return function.Target{Scope: scope, Name: name, Qualifier: qualifier}
}

func (d *desk) put(t function.Target, s Settings) Settings {
	d.t.Helper()
	made, err := d.PutSettings(d.t.Context(), t, s)
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

func (d *desk) get(t function.Target) (Settings, bool) {
	d.t.Helper()
	s, err := d.GetSettings(d.t.Context(), t)
	var missing *function.NotFoundError
	if err != nil && !errors.As(err, &missing) {
		d.t.Fatal(err)
	}
	return s, err == nil
}

func TestPutReplacesAndUpdateChanges(t *testing.T) {
	d := newDesk(t)
	foo := at("foo", "")
	full := Settings{MaxRetries: ptr(1), MaxAge: ptr(time.Minute), OnSuccess: ptr(resultsARN), OnFailure: ptr("")}
	if made := d.put(foo, full); made.LastModified.IsZero() {
		t.Error("no time of the change")
	}
	if _, err := d.UpdateSettings(t.Context(), foo, Settings{MaxRetries: ptr(0)}); err != nil {
		t.Fatal(err)
	}
	want := full
	want.MaxRetries = ptr(0)
	got, _ := d.get(at("foo", function.Latest)) // the same as unqualified
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Settings{}, "LastModified")); diff != "" {
		t.Error(diff)
	}
	d.put(foo, Settings{MaxRetries: ptr(2)})
	got, _ = d.get(foo)
	if diff := cmp.Diff(Settings{MaxRetries: ptr(2)}, got, cmpopts.IgnoreFields(Settings{}, "LastModified")); diff != "" {
		t.Error(diff)
	}
	if err := d.DeleteSettings(t.Context(), foo); err != nil {
		t.Fatal(err)
	}
	if _, there := d.get(foo); there {
		t.Error("it is still there")
	}
}

// Settings go with what they belong to, and do not come back with a new function
// of the name.
func TestSettingsGoWithTheirFunctionVersionAndAlias(t *testing.T) {
	d := newDesk(t)
	for _, qualifier := range []string{"", "1", "live"} {
		d.put(at("foo", qualifier), Settings{MaxRetries: ptr(1)})
	}
	if err := d.registry.DeleteAlias(t.Context(), at("foo", ""), "live"); err != nil {
		t.Fatal(err)
	}
	if _, there := d.get(at("foo", "live")); there {
		t.Error("those of the alias are still there")
	}
	if err := d.registry.Delete(t.Context(), at("foo", "1")); err != nil {
		t.Fatal(err)
	}
	if _, there := d.get(at("foo", "1")); there {
		t.Error("those of the version are still there")
	}
	if err := d.registry.Delete(t.Context(), at("foo", "")); err != nil {
		t.Fatal(err)
	}
	d.make("foo")
	if _, there := d.get(at("foo", "")); there {
		t.Error("those of the deleted function are still there")
	}
}

func TestTheListHasPages(t *testing.T) {
	d := newDesk(t)
	for _, qualifier := range []string{"", "1", "live"} {
		d.put(at("foo", qualifier), Settings{MaxRetries: ptr(1)})
	}
	d.put(at("bar", ""), Settings{MaxRetries: ptr(1)})
	var got []string
	for marker, pages := "", 0; ; pages++ {
		list, next, err := d.ListSettings(t.Context(), at("foo", ""), function.Page{Marker: marker, MaxItems: 2})
		if err != nil || pages > 2 {
			t.Fatal(pages, err)
		}
		for _, one := range list {
			got = append(got, one.Target.Qualifier)
		}
		if marker = next; marker == "" {
			break
		}
	}
	if text := strings.Join(got, " "); text != "$LATEST 1 live" {
		t.Error(text)
	}
	var invalid *function.InvalidError
	if _, _, err := d.ListSettings(t.Context(), at("foo", ""), function.Page{Marker: "*"}); !errors.As(err, &invalid) {
		t.Error(err)
	}
}

// A service that is not there yet is refused when it is configured, not when the
// record is lost.
func TestDestinationsOfServicesThatAreNotThere(t *testing.T) {
	d := newDesk(t)
	d.outbox.refuse = map[string]bool{"sns": true}
	const topic = "arn:aws:sns:us-east-1:000000000000:t"
	var invalid *function.InvalidError
	if _, err := d.PutSettings(t.Context(), at("foo", ""), Settings{OnSuccess: ptr(topic)}); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "not supported") {
		t.Error(err)
	}
	d.outbox.refuse = nil
	d.put(at("foo", ""), Settings{OnSuccess: ptr(topic)})
	const bucket = "arn:aws:s3:::bucket"
	d.put(at("foo", ""), Settings{OnFailure: ptr(bucket)})
	// AWS: "Amazon S3 bucket (on failure only)".
	if _, err := d.PutSettings(t.Context(), at("foo", ""), Settings{OnSuccess: ptr(bucket)}); !errors.As(err, &invalid) {
		t.Error(err)
	}
}
