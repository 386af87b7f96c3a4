package apigatewayv2

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationNamesEveryOperation(t *testing.T) {
	apidoc.Check(t, "API Gateway V2", Service(Config{}))
}

// names are the members of a struct by their names in JSON.
func names(value any) map[string]bool {
	out := map[string]bool{}
	t := reflect.TypeOf(value)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" {
			name = t.Field(i).Name
		}
		out[name] = true
	}
	return out
}

// TestNoMemberIsLost compares the types of core with the shapes of the API model.
func TestNoMemberIsLost(t *testing.T) {
	own := map[string]bool{"Scope": true, "Revision": true, "Parts": true, "ForFunction": true, "Parent": true}
	for _, c := range []struct{ core, shape any }{
		{shown{}.full(), v2.Api{}}, {httpapi.CORS{}, v2.Cors{}}, {httpapi.Route{}, v2.Route{}}, {httpapi.Integration{}, v2.Integration{}}, {httpapi.Authorizer{}, v2.Authorizer{}},
		{httpapi.JWTConfig{}, v2.JWTConfiguration{}}, {httpapi.Stage{}, v2.Stage{}}, {httpapi.Settings{}, v2.RouteSettings{}}, {httpapi.AccessLog{}, v2.AccessLogSettings{}},
		{httpapi.Deployment{}, v2.Deployment{}}, {apiMapping{}, v2.ApiMapping{}}, {httpapi.RouteResponse{}, v2.RouteResponse{}}, {httpapi.IntegrationResponse{}, v2.IntegrationResponse{}}, {httpapi.Constraint{}, v2.ParameterConstraints{}},
	} {
		core, shape := names(c.core), names(c.shape)
		for name := range shape {
			if !core[name] && name != "ApiEndpoint" {
				t.Errorf("%T has no member %s", c.core, name)
			}
		}
		for name := range core {
			if !shape[name] && !own[name] {
				t.Errorf("%T has the member %s, which the model has not", c.core, name)
			}
		}
	}
}

func (shown) full() httpapi.API { return httpapi.API{} }

func ptr[T any](v T) *T { return &v }

func TestMergeSetsWhatIsGiven(t *testing.T) {
	row := httpapi.Integration{ID: "i", URI: "http://a", Method: "GET", TimeoutMS: 5, RequestParameters: map[string]string{"append:header.a": "1", "append:header.b": "2"}, ForFunction: true}
	if err := merge(&row, &v2.UpdateIntegrationInput{IntegrationUri: ptr("http://b"), RequestParameters: map[string]string{"append:header.a": "", "append:header.c": "3"}}); err != nil {
		t.Fatal(err)
	}
	want := httpapi.Integration{ID: "i", URI: "http://b", Method: "GET", TimeoutMS: 5, RequestParameters: map[string]string{"append:header.b": "2", "append:header.c": "3"}, ForFunction: true}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Error(diff)
	}
	stage := httpapi.Stage{Name: "s", Settings: &httpapi.Settings{ThrottlingBurstLimit: ptr(1)}, Variables: map[string]string{"a": "1"}}
	if err := merge(&stage, &v2.UpdateStageInput{DefaultRouteSettings: &v2.RouteSettings{ThrottlingRateLimit: ptr(2.5)}, StageVariables: map[string]string{"a": ""}}); err != nil {
		t.Fatal(err)
	}
	if stage.Settings.ThrottlingBurstLimit != nil || *stage.Settings.ThrottlingRateLimit != 2.5 || len(stage.Variables) != 0 {
		t.Errorf("%+v", stage)
	}
}
