package httpapi

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var scope = Scope{Account: "000000000000", Region: "us-east-1"}

const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:f"

type world struct {
	*APIs
	t          *testing.T
	made, gone []string
}

func open(t *testing.T) *world {
	t.Helper()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	w := &world{t: t}
	w.APIs, err = New(Config{Store: state, Made: func(id string) { w.made = append(w.made, id) }, Gone: func(id string) { w.gone = append(w.gone, id) }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// api makes an API with a stage that deploys by itself.
func (w *world) api() string {
	w.t.Helper()
	made, err := w.Create(w.t.Context(), scope, API{Name: "a", ProtocolType: HTTP}, &Quick{Target: functionARN}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// routes are the keys that requests for a stage find.
func (w *world) routes(id, stage string) string {
	w.t.Helper()
	live, err := w.Live(w.t.Context(), id, stage)
	if err != nil {
		return err.Error()
	}
	d, err := w.Definition(w.t.Context(), scope, id, live.Stage.DeploymentID)
	if err != nil {
		return err.Error()
	}
	var keys []string
	for _, r := range d.Routes {
		if _, ok := d.Integrations[strings.TrimPrefix(r.Target, "integrations/")]; !ok {
			keys = append(keys, "(nowhere)")
		}
		keys = append(keys, r.Key)
	}
	return strings.Join(keys, ",")
}

func TestAStageDeploysByItself(t *testing.T) {
	w := open(t)
	id := w.api()
	if got := w.routes(id, DefaultStage); got != "$default" {
		t.Errorf("%s", got)
	}
	i, err := w.CreateIntegration(t.Context(), scope, id, Integration{Type: LambdaProxy, URI: functionARN, PayloadFormatVersion: "2.0"})
	if err != nil {
		t.Fatal(err)
	}
	const changes = 20
	before, err := w.Live(t.Context(), id, DefaultStage)
	if err != nil {
		t.Fatal(err)
	}
	for n := range changes {
		if _, err := w.CreateRoute(t.Context(), scope, id, Route{Key: fmt.Sprintf("GET /%d", n), Target: "integrations/" + i.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(w.routes(id, DefaultStage), "GET"); got != changes {
		t.Errorf("%d routes", got)
	}
	after, err := w.Live(t.Context(), id, DefaultStage)
	if err != nil || after.Version == before.Version {
		t.Errorf("the version of the stage did not change: %v", err)
	}
	all, err := w.Deployments(t.Context(), scope, id)
	if err != nil || len(all) != 1 || !all[0].AutoDeployed {
		t.Errorf("%d deployments are kept, %v", len(all), err)
	}
}

func TestADeploymentIsASnapshot(t *testing.T) {
	w := open(t)
	id := w.api()
	if _, err := w.Deploy(t.Context(), scope, id, nil, DefaultStage); err == nil {
		t.Error("a stage that deploys by itself was deployed by hand")
	}
	d, err := w.Deploy(t.Context(), scope, id, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateStage(t.Context(), scope, id, Stage{Name: "prod", DeploymentID: d.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRoute(t.Context(), scope, id, Route{Key: "GET /new"}); err != nil {
		t.Fatal(err)
	}
	if got := w.routes(id, "prod"); got != "$default" {
		t.Errorf("the deployment changed: %s", got)
	}
	if err := w.DeleteDeployment(t.Context(), scope, id, d.ID); err == nil {
		t.Error("a deployment that a stage has was deleted")
	}
	if err := w.DeleteStage(t.Context(), scope, id, "prod"); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteDeployment(t.Context(), scope, id, d.ID); err != nil {
		t.Error(err)
	}
}

func TestNothingOfAnAPIOutlivesIt(t *testing.T) {
	w := open(t)
	id := w.api()
	if err := w.Delete(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Live(t.Context(), id, DefaultStage); !IsMissing(err) {
		t.Error(err)
	}
	if _, err := w.Routes(t.Context(), scope, id); !IsMissing(err) {
		t.Error(err)
	}
	if all, err := w.All(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	if len(w.made) != 1 || len(w.gone) != 1 || w.made[0] != w.gone[0] {
		t.Errorf("made %v, gone %v", w.made, w.gone)
	}
}

func TestAnotherAccountSeesNothing(t *testing.T) {
	w := open(t)
	id := w.api()
	other := Scope{Account: "111122223333", Region: "us-east-1"}
	if _, err := w.Get(t.Context(), other, id); !IsMissing(err) {
		t.Error(err)
	}
	if err := w.Delete(t.Context(), other, id); !IsMissing(err) {
		t.Error(err)
	}
	if _, err := w.CreateRoute(t.Context(), other, id, Route{Key: "GET /x"}); !IsMissing(err) {
		t.Error(err)
	}
}

func TestChangesBesideEachOtherAreAllThere(t *testing.T) {
	w := open(t)
	id := w.api()
	const rivals = 8
	done := make(chan error)
	for n := range rivals {
		go func() { // ends with its answer
			_, err := w.CreateRoute(t.Context(), scope, id, Route{Key: fmt.Sprintf("GET /%d", n%4)})
			done <- err
		}()
	}
	failed := 0
	for range rivals {
		var refusal *Error
		if err := <-done; errors.As(err, &refusal) && refusal.Kind == Conflict {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failed != 4 {
		t.Errorf("%d of 4 doubles were refused", failed)
	}
}

func TestRouteKeys(t *testing.T) {
	for key, ok := range map[string]bool{
		"$default": true, "GET /": true, "ANY /{proxy+}": true, "POST /a/{b}/c": true, "GET /a.b/~c": true, "OPTIONS /x": true,
		"": false, "GET": false, "GET ": false, "GET x": false, "get /x": false, "TRACE /x": false, "GET /{a+}/b": false, "GET /{a}/{a}": false, "GET /a{b}": false, "GET /{}": false, "GET /a?b": false, "GET /a b": false,
	} {
		if err := CheckKey(key); (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestParameterMappings(t *testing.T) {
	for key, value := range map[string]string{
		"append:header.x": "$request.header.y", "overwrite:querystring.a": "b-${context.requestId}-${stageVariables.z}", "remove:header.x": "''", "overwrite:path": "/a/$request.path.b",
	} {
		if _, err := ParseRewrite(key, value, false); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	for key, value := range map[string]string{
		"append:header.Authorization": "x", "append:header.x-amzn-y": "x", "append:header.access-control-allow-origin": "*", "append:path": "x", "header.x": "y", "set:header.x": "y", "append:header.": "x",
		"append:header.x": "$response.body.y", "overwrite:statuscode": "200", "append:body.x": "y", "append:querystring.x": "$request.cookie.y",
	} {
		if _, err := ParseRewrite(key, value, false); err == nil {
			t.Errorf("%s: %s was taken", key, value)
		}
	}
	if err := CheckResponseParameters(map[string]map[string]string{"200": {"overwrite:statuscode": "403", "append:header.x": "$response.header.y"}}); err != nil {
		t.Error(err)
	}
	for status, mapping := range map[string]map[string]string{"20": {}, "abc": {}, "200": {"append:querystring.x": "y"}} {
		if err := CheckResponseParameters(map[string]map[string]string{status: mapping}); err == nil {
			t.Errorf("%s %v was taken", status, mapping)
		}
	}
	got := ParseExpression("a-${request.header.x}-$b-${c d}").Resolve(func(ref string) string { return "<" + ref + ">" })
	if got != "a-<request.header.x>-$b-${c d}" {
		t.Error(got)
	}
}

func FuzzParseExpression(f *testing.F) {
	f.Add("$request.header.x")
	f.Add("a${context.b}${")
	f.Fuzz(func(t *testing.T, text string) {
		e := ParseExpression(text)
		if got := e.Resolve(func(ref string) string {
			if len(e) == 1 {
				if text == "$"+ref {
					return text
				}
			}
			return "${" + ref + "}"
		}); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// TestWhatAChangeWroteIsSeen: requests find stages in memory, whatever reads them
// while they change.
func TestWhatAChangeWroteIsSeen(t *testing.T) {
	w := open(t)
	id := w.api()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := w.Live(context.Background(), id, DefaultStage); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var before store.Version
	for i := range 50 {
		text := fmt.Sprint(i)
		if _, err := w.UpdateStage(t.Context(), scope, id, DefaultStage, func(s *Stage) error { s.Description = &text; return nil }); err != nil {
			t.Fatal(err)
		}
		live, err := w.Live(t.Context(), id, "none", DefaultStage)
		if err != nil || live.Stage.Description == nil || *live.Stage.Description != text || live.Version == before {
			t.Fatalf("%d: %+v, %v", i, live.Stage, err)
		}
		before = live.Version
		if _, err := w.Update(t.Context(), scope, id, nil, func(a *API) error { a.Name = text; return nil }); err != nil {
			t.Fatal(err)
		}
		if live, err := w.Live(t.Context(), id, DefaultStage); err != nil || live.API.Name != text {
			t.Fatalf("%d: %+v, %v", i, live.API, err)
		}
	}
	close(done)
	readers.Wait()
	if live, err := w.Live(t.Context(), id, "none"); !IsMissing(err) || live.API.ID != id {
		t.Errorf("%+v, %v", live, err)
	}
	if err := w.Delete(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Live(t.Context(), id, DefaultStage); !IsMissing(err) {
		t.Errorf("an API that is gone is live: %v", err)
	}
}
