package function

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

func layer(name string, version int64) LayerTarget {
	return LayerTarget{Scope: here, Name: name, Version: version}
}

func (w *world) publishLayer(name string, parts ...string) *Layer {
	w.t.Helper()
	l, err := w.PublishLayer(w.t.Context(), layer(name, 0), PublishLayerInput{
		Description: "d", LicenseInfo: "MIT", Code: Code{ZipFile: zipOf(w.t, parts...)},
		CompatibleRuntimes: []string{"python3.13"}, CompatibleArchitectures: []string{"x86_64"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestLayerLifecycle(t *testing.T) {
	w := newWorld(t, nil)
	l1 := w.publishLayer("lib", "python/a.py", "1")
	if l1.Version != 1 || l1.ARN() != layerARN("lib:1") || l1.LayerARN() != layerARN("lib") || l1.CodeSizeBytes == 0 || l1.CodeSHA256 == "" || l1.Created.IsZero() {
		t.Errorf("%+v", l1)
	}
	if diff := cmp.Diff(l1, must2(w.GetLayer(t.Context(), here, layer("lib", 1)))(t)); diff != "" {
		t.Error(diff)
	}
	w.publishLayer("lib", "python/a.py", "2")
	list := must2(w.ListLayerVersions(t.Context(), layer("lib", 0), ListLayersInput{}))(t)
	if len(list.Layers) != 2 || list.Layers[0].Version != 2 || list.Layers[1].Version != 1 {
		t.Errorf("%+v", list)
	}
	must(t, w.DeleteLayer(t.Context(), layer("lib", 1)))
	must(t, w.DeleteLayer(t.Context(), layer("lib", 2)))
	must(t, w.DeleteLayer(t.Context(), layer("lib", 2))) // no error
	_, err := w.GetLayer(t.Context(), here, layer("lib", 2))
	wantError[*NotFoundError](t, err, "The resource you requested does not exist.")
	_, err = w.GetLayer(t.Context(), here, layer("lib", 0))
	wantError[*InvalidError](t, err, "Layer Version Cannot be less than 1")
	if list = must2(w.ListLayerVersions(t.Context(), layer("lib", 0), ListLayersInput{}))(t); len(list.Layers) != 0 {
		t.Errorf("%+v", list)
	}
	if l3 := w.publishLayer("lib", "python/a.py", "3"); l3.Version != 3 {
		t.Errorf("the number %d was used again", l3.Version)
	}
	_, err = w.PublishLayer(t.Context(), layer("lib", 0), PublishLayerInput{Code: Code{ZipFile: []byte("x")}})
	wantError[*InvalidError](t, err, "Could not unzip uploaded file. Please check your file, then try to upload again.")
}

func TestListLayersGivesTheNewestOfEach(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 5 {
		for range i + 1 {
			w.publishLayer(fmt.Sprint("lib", i), "a", fmt.Sprint(i))
		}
	}
	for size := 1; size <= 6; size++ {
		var got []string
		in := ListLayersInput{Page: Page{MaxItems: size}}
		for rounds := 0; rounds < 10; rounds++ {
			page := must2(w.ListLayers(t.Context(), here, in))(t)
			for _, l := range page.Layers {
				got = append(got, fmt.Sprint(l.Name, ":", l.Version))
			}
			if in.Marker = page.NextMarker; in.Marker == "" {
				break
			}
		}
		if diff := cmp.Diff([]string{"lib0:1", "lib1:2", "lib2:3", "lib3:4", "lib4:5"}, got); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
		got = nil
		in = ListLayersInput{Page: Page{MaxItems: size}}
		for rounds := 0; rounds < 10; rounds++ {
			page := must2(w.ListLayerVersions(t.Context(), layer("lib4", 0), in))(t)
			for _, l := range page.Layers {
				got = append(got, fmt.Sprint(l.Version))
			}
			if in.Marker = page.NextMarker; in.Marker == "" {
				break
			}
		}
		if !slices.Equal(got, []string{"5", "4", "3", "2", "1"}) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	if page := must2(w.ListLayers(t.Context(), here, ListLayersInput{CompatibleRuntime: "python3.8"}))(t); len(page.Layers) != 0 {
		t.Errorf("%+v", page)
	}
	if page := must2(w.ListLayers(t.Context(), here, ListLayersInput{CompatibleRuntime: "python3.13", CompatibleArchitecture: "x86_64"}))(t); len(page.Layers) != 5 {
		t.Errorf("%+v", page)
	}
}

func TestLayersAreMergedInOrder(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	a := w.publishLayer("a", "python/both.py", "a", "python/a.py", "a")
	b := w.publishLayer("b", "python/both.py", "b", "python/b.py", "b")
	in := createInput(t, "x")
	in.Layers = []string{a.ARN(), b.ARN()}
	must2(w.Create(t.Context(), at("f"), in))(t)
	v := w.settled(at("f"))
	if len(v.Layers) != 2 || v.Layers[0].ARN != a.ARN() || v.Layers[0].SizeBytes != a.CodeSizeBytes {
		t.Errorf("%+v", v.Layers)
	}
	if both, onlyA := readFile(t, v.OptDir, "python/both.py"), readFile(t, v.OptDir, "python/a.py"); both != "b" || onlyA != "a" {
		t.Errorf("both.py is %q, a.py %q", both, onlyA)
	}
	must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Layers: []string{b.ARN(), a.ARN()}}}))(t)
	if swapped := w.settled(at("f")); readFile(t, swapped.OptDir, "python/both.py") != "a" || swapped.OptDir == v.OptDir {
		t.Errorf("after swapping: %+v", swapped)
	}
	// A deleted layer stays with the functions that have it, but can be given to none.
	must(t, w.DeleteLayer(t.Context(), layer("a", 1)))
	w.change("f", "x")
	must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Layers: []string{}}}))(t)
	if none := w.settled(at("f")); none.OptDir != "" || none.Layers != nil {
		t.Errorf("without layers: %+v", none)
	}
	_, err := w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Layers: []string{a.ARN()}}})
	wantError[*InvalidError](t, err, "Layer version "+layerARN("a:1")+" does not exist.")
}

// The texts are recorded AWS replies.
func TestLayerReferenceRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.publishLayer("lib", "a", "1")
	w.publishLayer("lib", "a", "2")
	create := func(layers ...string) error {
		in := createInput(t, "x")
		in.Layers = layers
		_, err := w.Create(t.Context(), at("f"), in)
		return err
	}
	two := "Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer."
	wantError[*InvalidError](t, create(layerARN("lib:1"), layerARN("lib:2")), fmt.Sprintf(two, layerARN("lib:1"), layerARN("lib:2")))
	wantError[*InvalidError](t, create(layerARN("lib:1"), layerARN("lib:1")), fmt.Sprintf(two, layerARN("lib:1"), layerARN("lib:1")))
	wantError[*InvalidError](t, create(layerARN("doesnotexist:1")), "Layer version "+layerARN("doesnotexist:1")+" does not exist.")
	wantError[*InvalidError](t, create(layerARN("lib:9")), "Layer version "+layerARN("lib:9")+" does not exist.")
	wantError[*InvalidError](t, create("arn:aws:lambda:eu-west-1:000000000000:layer:lib:1"), "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")
	if err := create(layerARN("lib")); err == nil || !strings.HasPrefix(err.Error(), "1 validation error detected: Value '["+layerARN("lib")+"]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [") {
		t.Error(err)
	}
}

func TestLayersCountTowardsTheUnzippedLimit(t *testing.T) {
	w := newWorld(t, nil)
	big := zipOf(t, "zeros", strings.Repeat("\x00", 1<<20))
	patchSize(t, big, limit.UnzippedCodeBytes-10)
	must2(w.PublishLayer(t.Context(), layer("big", 0), PublishLayerInput{Code: Code{ZipFile: big}}))(t)
	in := createInput(t, strings.Repeat("x", 11))
	in.Layers = []string{layerARN("big:1")}
	_, err := w.Create(t.Context(), at("f"), in)
	wantError[*InvalidError](t, err, "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes.")
	in.Code.ZipFile = zipOf(t, "app.py", strings.Repeat("x", 10))
	must2(w.Create(t.Context(), at("f"), in))(t)
}

func TestLayerPolicies(t *testing.T) {
	w := newWorld(t, nil)
	w.publishLayer("lib", "a", "1")
	in := LayerPermissionInput{StatementID: "s1", Action: "lambda:GetLayerVersion", Principal: "*"}
	_, err := w.LayerPolicy(t.Context(), layer("lib", 1))
	wantError[*NotFoundError](t, err, "No policy is associated with the given resource.")
	wantError[*NotFoundError](t, w.RemoveLayerPermission(t.Context(), layer("lib", 1), "s1", nil), "No policy is associated with the given resource.")
	s1 := must2(w.AddLayerPermission(t.Context(), layer("lib", 1), in))(t)
	want := `{"Sid":"s1","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"` + layerARN("lib:1") + `"}`
	if s1.Statement != want || s1.RevisionID == "" {
		t.Errorf("%+v", s1)
	}
	if p := must2(w.LayerPolicy(t.Context(), layer("lib", 1)))(t); p.Document != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`]}` || p.RevisionID != s1.RevisionID {
		t.Errorf("%+v", p)
	}
	_, err = w.AddLayerPermission(t.Context(), layer("lib", 1), in)
	wantError[*ConflictError](t, err, "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.")
	in.StatementID, in.RevisionID = "s2", ptr("stale")
	_, err = w.AddLayerPermission(t.Context(), layer("lib", 1), in)
	wantError[*PreconditionError](t, err, layerRevisionMismatch)
	in.RevisionID, in.OrganizationID = &s1.RevisionID, "o-1234567890"
	s2 := must2(w.AddLayerPermission(t.Context(), layer("lib", 1), in))(t)
	if !strings.Contains(s2.Statement, `"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}`) {
		t.Error(s2.Statement)
	}
	wantError[*PreconditionError](t, w.RemoveLayerPermission(t.Context(), layer("lib", 1), "s2", &s1.RevisionID), layerRevisionMismatch)
	wantError[*NotFoundError](t, w.RemoveLayerPermission(t.Context(), layer("lib", 1), "doesnotexist", nil), "Statement doesnotexist is not found in resource policy.")
	must(t, w.RemoveLayerPermission(t.Context(), layer("lib", 1), "s2", &s2.RevisionID))
	must(t, w.RemoveLayerPermission(t.Context(), layer("lib", 1), "s1", nil))
	_, err = w.LayerPolicy(t.Context(), layer("lib", 1))
	wantError[*NotFoundError](t, err, "No policy is associated with the given resource.")
	_, err = w.AddLayerPermission(t.Context(), layer("lib", 2), in)
	wantError[*NotFoundError](t, err, "Layer version "+layerARN("lib:2")+" does not exist.")
	_, err = w.LayerPolicy(t.Context(), layer("none", 1))
	wantError[*NotFoundError](t, err, "Layer version "+layerARN("none:1")+" does not exist.")
}

func TestLayersOfOtherAccountsNeedAPermission(t *testing.T) {
	w := newWorld(t, nil)
	w.publishLayer("lib", "a", "1")
	guest := Scope{Account: "222222222222", Region: here.Region}
	in := createInput(t, "x")
	in.Layers = []string{layerARN("lib:1")}
	create := func() error {
		_, err := w.Create(t.Context(), Target{Scope: guest, Name: "f"}, in)
		return err
	}
	denied := "User: arn:aws:iam::222222222222:root is not authorized to perform: lambda:GetLayerVersion on resource: " + layerARN("lib:1") + " because no resource-based policy allows the lambda:GetLayerVersion action"
	wantError[*AccessDeniedError](t, create(), denied)
	_, err := w.GetLayer(t.Context(), guest, layer("lib", 1))
	wantError[*AccessDeniedError](t, err, denied)
	if _, err = w.GetLayer(t.Context(), guest, layer("none", 1)); err == nil || !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("a missing layer of another account: %v", err)
	}
	permit := func(id, principal, organization string) {
		t.Helper()
		must2(w.AddLayerPermission(t.Context(), layer("lib", 1), LayerPermissionInput{StatementID: id, Action: "lambda:GetLayerVersion", Principal: principal, OrganizationID: organization}))(t)
	}
	permit("other", "333333333333", "")
	permit("organization", "*", "o-1234567890")
	wantError[*AccessDeniedError](t, create(), denied)
	permit("this", guest.Account, "")
	must2(w.GetLayer(t.Context(), guest, layer("lib", 1)))(t)
	must(t, create())
}
