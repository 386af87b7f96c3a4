package apigateway

import (
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// TestAFunctionsPartInAnAPIIsKept: what functions made calls only what they may call.
func TestAFunctionsPartInAnAPIIsKept(t *testing.T) {
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	apis, err := restapi.Open(t.Context(), restapi.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	service := Service(Config{APIs: apis})
	name := "pets"
	call := func(ofFunction bool, operation string, in any) any {
		t.Helper()
		out, err := service.Operations[operation].Do(t.Context(), &wire.Call{Account: "111122223333", Region: "eu-west-1", Function: ofFunction}, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	marked := func(id *string) bool {
		t.Helper()
		api, err := apis.Get(restapi.ID{Scope: restapi.Scope{Account: "111122223333", Region: "eu-west-1"}, ID: *id})
		if err != nil {
			t.Fatal(err)
		}
		return api.ForFunction
	}
	id := call(false, "CreateRestApi", &apigatewayapi.CreateRestApiInput{Name: &name}).(*apigatewayapi.RestApi).Id
	call(true, "GetRestApi", &apigatewayapi.GetRestApiInput{RestApiId: id})
	if marked(id) {
		t.Error("a function that only looks has no part in it")
	}
	call(true, "UpdateRestApi", &apigatewayapi.UpdateRestApiInput{RestApiId: id})
	call(false, "UpdateRestApi", &apigatewayapi.UpdateRestApiInput{RestApiId: id})
	if !marked(id) {
		t.Error("a function changed it")
	}
	if id := call(true, "CreateRestApi", &apigatewayapi.CreateRestApiInput{Name: &name}).(*apigatewayapi.RestApi).Id; !marked(id) {
		t.Error("a function made it")
	}
}
