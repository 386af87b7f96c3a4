package restapi

import (
	"net/http/httptest"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// TestTheRoleOfAnIntegrationIsOfItsAccount: a stage variable must not lead to the roles
// of others, which trust API Gateway for their own APIs.
func TestTheRoleOfAnIntegrationIsOfItsAccount(t *testing.T) {
	e := &exchange{r: &front.Request{Request: httptest.NewRequest("GET", "/", nil)}, server: &Server{}, api: &restapi.API{ForFunction: true}, id: restapi.ID{Scope: restapi.Scope{Account: "111122223333", Region: "eu-west-1"}, ID: "abc"}, stage: &restapi.Stage{}}
	for account, want := range map[string]bool{"111122223333": true, "444455556666": false} {
		e.stage.Variables = map[string]string{"account": account}
		who, err := e.role(&restapi.Integration{Credentials: "arn:aws:iam::${stageVariables.account}:role/r"}, "eu-west-1")
		if (err == nil) != want || err == nil && (who.Account != account || !who.Function) {
			t.Errorf("%s: %+v, %v", account, who, err)
		}
	}
}
