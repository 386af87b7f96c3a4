package functionurl

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var scope = function.Scope{Account: "000000000000", Region: "us-east-1"}

func at(qualifier string) function.Target {
	return function.Target{Scope: scope, Name: "foo", Qualifier: qualifier}
}

func ptr[T any](v T) *T { return &v }

// open is URLs over a real registry with the function foo and its alias live.
func open(t *testing.T) (*URLs, *function.Registry) {
	t.Helper()
	folder := t.TempDir()
	for name, mode := range map[string]os.FileMode{"blobs": 0o700, "trees": 0o755} {
		if err := os.Mkdir(filepath.Join(folder, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(folder, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	blobs, err := blob.Open(filepath.Join(folder, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := function.NewRegistry(function.Config{Store: state, Blobs: blobs, Folder: filepath.Join(folder, "trees")})
	if err != nil {
		t.Fatal(err)
	}
	make1(t, registry, "1")
	return New(Config{Store: state}), registry
}

// make1 makes the function with a version and the alias.
func make1(t *testing.T, registry *function.Registry, version string) {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if _, err := w.Create("app.py"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := registry.Create(t.Context(), at(""), function.CreateInput{Publish: true, Code: function.Code{ZipFile: archive.Bytes()},
		Settings: function.Settings{Role: ptr("arn:aws:iam::000000000000:role/r"), Runtime: ptr("python3.13"), Handler: ptr("app.handler")}})
	if err == nil {
		_, err = registry.CreateAlias(t.Context(), at(""), function.AliasInput{Name: "live", FunctionVersion: &version})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, urls *URLs, id string) bool {
	t.Helper()
	u, err := urls.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u != nil
}

func TestAURLGoesWithItsAliasAndItsFunction(t *testing.T) {
	urls, registry := open(t)
	create := func(target function.Target) string {
		t.Helper()
		u, err := urls.Create(t.Context(), target, AuthNone, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if !find(t, urls, u.ID) || u.InvokeMode != Buffered {
			t.Fatalf("%+v", u)
		}
		return u.ID
	}
	plain, alias := create(at("")), create(at("live"))
	if plain == alias || find(t, urls, "x") || find(t, urls, "00000000000000000000000000000000") {
		t.Error("an id that is none leads somewhere")
	}
	if err := registry.DeleteAlias(t.Context(), at(""), "live"); err != nil {
		t.Fatal(err)
	}
	if !find(t, urls, plain) || find(t, urls, alias) {
		t.Error("after the alias went")
	}
	if err := registry.Delete(t.Context(), at("")); err != nil {
		t.Fatal(err)
	}
	if find(t, urls, plain) {
		t.Error("after the function went")
	}
	make1(t, registry, "2") // version numbers go on
	if find(t, urls, plain) {
		t.Error("a new function of the name has the old URL")
	}
	var missing *function.NotFoundError
	if _, err := urls.Get(t.Context(), at("")); !errors.As(err, &missing) {
		t.Error(err)
	}
}

// TestWhatThePolicyOfAFunctionPermits has the table of AWS:
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func TestWhatThePolicyOfAFunctionPermits(t *testing.T) {
	_, registry := open(t)
	anybody := function.URLCaller{}
	friend := function.URLCaller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ada"}
	for i, c := range []struct {
		url, invoke function.PermissionInput
		auth        string
		who         function.URLCaller
		want        bool
	}{
		{function.PermissionInput{Principal: "*", FunctionURLAuthType: ptr(AuthNone)}, function.PermissionInput{Principal: "*", InvokedViaFunctionURL: ptr(true)}, AuthNone, anybody, true},
		{function.PermissionInput{Principal: "*"}, function.PermissionInput{Principal: "*"}, AuthNone, anybody, true},
		{function.PermissionInput{Principal: "*", FunctionURLAuthType: ptr(AuthIAM)}, function.PermissionInput{Principal: "*"}, AuthNone, anybody, false},
		{function.PermissionInput{Principal: "*"}, function.PermissionInput{Principal: "*", InvokedViaFunctionURL: ptr(false)}, AuthNone, anybody, false},
		{function.PermissionInput{Principal: "*"}, function.PermissionInput{Principal: "*", SourceARN: ptr("arn:aws:s3:::b")}, AuthNone, anybody, false},
		{function.PermissionInput{Principal: "*", PrincipalOrgID: ptr("o-1234567890")}, function.PermissionInput{Principal: "*"}, AuthNone, anybody, false},
		{function.PermissionInput{Principal: "111122223333"}, function.PermissionInput{Principal: "111122223333"}, AuthNone, anybody, false},
		{function.PermissionInput{Principal: "111122223333", FunctionURLAuthType: ptr(AuthIAM)}, function.PermissionInput{Principal: friend.ARN}, AuthIAM, friend, true},
		{function.PermissionInput{Principal: "444455556666"}, function.PermissionInput{Principal: "111122223333"}, AuthIAM, friend, false},
		{function.PermissionInput{Principal: "sns.amazonaws.com"}, function.PermissionInput{Principal: "*"}, AuthNone, anybody, false},
	} {
		c.url.StatementID, c.url.Action = "url", "lambda:InvokeFunctionUrl"
		c.invoke.StatementID, c.invoke.Action = "invoke", "lambda:InvokeFunction"
		for _, p := range []function.PermissionInput{c.url, c.invoke} {
			if _, err := registry.AddPermission(t.Context(), at(""), p); err != nil {
				t.Fatal(err)
			}
		}
		ask := func() bool {
			permitted, err := registry.PermitsURL(t.Context(), at(""), c.who, c.auth)
			if err != nil {
				t.Fatal(err)
			}
			return permitted
		}
		if got := ask(); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
		for _, sid := range []string{"url", "invoke"} {
			if err := registry.RemovePermission(t.Context(), at(""), sid, nil); err != nil {
				t.Fatal(err)
			}
			if ask() {
				t.Errorf("%d: permitted without %s", i, sid)
			}
		}
	}
}

func TestChangesOfAURLBesideEachOther(t *testing.T) {
	urls, _ := open(t)
	made := make(chan error)
	const rivals = 8
	for range rivals {
		go func() { // ends with its answer
			_, err := urls.Create(context.WithoutCancel(t.Context()), at(""), AuthNone, "", nil)
			made <- err
		}()
	}
	won := 0
	for range rivals {
		var conflict *function.ConflictError
		if err := <-made; err == nil {
			won++
		} else if !errors.As(err, &conflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d made it", won)
	}
}
