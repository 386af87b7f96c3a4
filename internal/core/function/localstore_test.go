package function

import (
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// TestOnTheEmbeddedStore runs a function's life on the real engine, across a
// restart: the store of the other tests is a map.
func TestOnTheEmbeddedStore(t *testing.T) {
	folder := t.TempDir()
	open := func() *localstore.Store {
		t.Helper()
		return must2(localstore.Open(localstore.Config{Folder: folder}))(t)
	}
	s := open()
	w := newWorld(t, func(c *Config) { c.Store = s })
	stop := w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "second")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	must(t, w.PutConcurrency(t.Context(), at("f"), 3))
	w.ready("gone")
	must(t, w.Delete(t.Context(), at("gone")))
	stop()
	w.create("pending")
	must(t, s.Close())

	s = open()
	defer s.Close()
	w.config.Store = s
	w.reopen()
	stop = w.run()
	if v := w.settled(at("pending")); v.State != Active {
		t.Errorf("%+v", v)
	}
	got := must2(w.Resolve(t.Context(), here, "f", "live"))(t)
	if got.Version.Version != "1" || *got.ReservedConcurrency != 3 || readFile(t, got.Version.TaskDir, "app.py") != "code of f" {
		t.Errorf("%+v", got)
	}
	list := must2(w.List(t.Context(), here, ListInput{AllVersions: true}))(t)
	if len(list.Versions) != 4 {
		t.Errorf("%d versions", len(list.Versions))
	}
	wantNoPending(t, w)
	stop()
}
