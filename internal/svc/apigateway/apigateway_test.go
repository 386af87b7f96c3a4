package apigateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentListsEveryMember(t *testing.T) {
	apidoc.Check(t, "API Gateway (REST APIs)", Service(Config{}))
}

// TestShowCopiesByName in both directions, and shares nothing that is nested.
func TestShowCopiesByName(t *testing.T) {
	seconds := int32(7)
	m := &restapi.Method{HttpMethod: "GET", ApiKeyRequired: true, RequestParameters: map[string]bool{"p": true},
		MethodResponses:   map[string]*restapi.MethodResponse{"200": {StatusCode: "200", ResponseModels: map[string]string{"a": "b"}}},
		MethodIntegration: &restapi.Integration{Type: "MOCK", TimeoutInMillis: 50, IntegrationResponses: map[string]*restapi.IntegrationResponse{"200": {StatusCode: "200"}}}}
	out := show[apigatewayapi.Method](m)
	if *out.HttpMethod != "GET" || !*out.ApiKeyRequired || out.AuthorizerId != nil || *out.MethodResponses["200"].StatusCode != "200" || *out.MethodIntegration.TimeoutInMillis != 50 ||
		*out.MethodIntegration.IntegrationResponses["200"].StatusCode != "200" {
		t.Errorf("%+v", out)
	}
	if diff := cmp.Diff(m, show[restapi.Method](out)); diff != "" {
		t.Error(diff)
	}
	z := show[restapi.Authorizer](&apigatewayapi.CreateAuthorizerRequest{Name: member.Optional("n"), AuthorizerResultTtlInSeconds: &seconds})
	if z.Name != "n" || *z.AuthorizerResultTtlInSeconds != 7 || z.Type != "" {
		t.Errorf("%+v", z)
	}
	if api := show[restapi.API](&apigatewayapi.CreateRestApiRequest{Name: member.Optional("n"), Policy: member.Optional("p")}); api.Name != "n" || api.Policy != "p" {
		t.Errorf("%+v", api)
	}
	made := time.Unix(1, 0)
	if d := show[apigatewayapi.Deployment](&restapi.Deployment{Id: "d", CreatedDate: made}); !d.CreatedDate.Equal(made) || d.Description != nil {
		t.Errorf("%+v", d)
	}
	plan := show[restapi.UsagePlan](&apigatewayapi.CreateUsagePlanRequest{ApiStages: []apigatewayapi.ApiStage{{ApiId: member.Optional("a"), Throttle: map[string]apigatewayapi.ThrottleSettings{"/x/GET": {BurstLimit: &seconds}}}}})
	if plan.ApiStages[0].ApiId != "a" || plan.ApiStages[0].Throttle["/x/GET"].BurstLimit != 7 {
		t.Errorf("%+v", plan)
	}
}

func TestPages(t *testing.T) {
	var position *string
	var got []int
	limit := int32(2)
	for range 3 {
		items, next, err := page([]int{1, 2, 3, 4, 5}, position, &limit)
		if err != nil {
			t.Fatal(err)
		}
		got, position = append(got, items...), next
	}
	if len(got) != 5 || position != nil {
		t.Errorf("%v %v", got, position)
	}
	if _, _, err := page([]int{1}, member.Optional("?"), nil); err == nil {
		t.Error("a bad position was taken")
	}
}
