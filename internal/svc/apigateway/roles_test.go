package apigateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// TestRolesThatVariablesNameAreHandedOver: who chooses a role by a variable of a stage must
// be allowed to hand it over, whichever operation is taken for it.
func TestRolesThatVariablesNameAreHandedOver(t *testing.T) {
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	apis, err := restapi.Open(t.Context(), restapi.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	const good, evil = "arn:aws:iam::111122223333:role/good", "arn:aws:iam::111122223333:role/evil"
	denied := errors.New("denied")
	var asked []string
	service := Service(Config{APIs: apis, Pass: func(_ context.Context, _ *wire.Call, role string) error {
		asked = append(asked, role)
		if role != good {
			return denied
		}
		return nil
	}})
	call := func(operation string, in any) (any, error) {
		asked = nil
		return service.Operations[operation].Do(t.Context(), &wire.Call{Account: "111122223333", Region: "eu-west-1"}, in)
	}
	must := func(out any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	text := func(value string) *string { return &value }
	document := `{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{"/":{"get":{"x-amazon-apigateway-integration":{"type":"aws","httpMethod":"POST","uri":"arn:aws:apigateway:eu-west-1:sqs:action/ListQueues","credentials":"arn:aws:iam::111122223333:${stageVariables.role}"}}}}}`
	id := must(call("ImportRestApi", &apigatewayapi.ImportRestApiInput{Body: []byte(document)})).(*apigatewayapi.RestApi).Id
	variables := func(role string) map[string]string { return map[string]string{"role": "role/" + role} }
	patch := func(path, value string) *apigatewayapi.UpdateStageInput {
		return &apigatewayapi.UpdateStageInput{RestApiId: id, StageName: text("s"), PatchOperations: []apigatewayapi.PatchOperation{{Op: text("replace"), Path: text(path), Value: text(value)}}}
	}
	d := must(call("CreateDeployment", &apigatewayapi.CreateDeploymentInput{RestApiId: id, StageName: text("s"), Variables: variables("good")})).(*apigatewayapi.Deployment).Id
	if strings.Join(asked, " ") != good {
		t.Errorf("asked for %q", asked)
	}
	for name, in := range map[string]struct {
		operation string
		in        any
	}{
		"a deployment": {"CreateDeployment", &apigatewayapi.CreateDeploymentInput{RestApiId: id, StageName: text("s"), Variables: variables("evil")}},
		"a canary":     {"CreateDeployment", &apigatewayapi.CreateDeploymentInput{RestApiId: id, StageName: text("s"), CanarySettings: &apigatewayapi.DeploymentCanarySettings{StageVariableOverrides: variables("evil")}}},
		"a stage":      {"CreateStage", &apigatewayapi.CreateStageInput{RestApiId: id, StageName: text("t"), DeploymentId: d, Variables: variables("evil")}},
		"a patch":      {"UpdateStage", patch("/variables/role", "role/evil")},
		"a test":       {"TestInvokeMethod", &apigatewayapi.TestInvokeMethodInput{RestApiId: id, ResourceId: text("r"), HttpMethod: text("GET"), StageVariables: variables("evil")}},
	} {
		if _, err := call(in.operation, in.in); !errors.Is(err, denied) || strings.Join(asked, " ") != evil {
			t.Errorf("%s: %v, asked for %q", name, err, asked)
		}
	}
	// What chooses nothing new asks for nothing.
	must(call("UpdateStage", patch("/description", "x")))
	if len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
	must(call("CreateDeployment", &apigatewayapi.CreateDeploymentInput{RestApiId: id, StageName: text("s")}))
	if len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
}
