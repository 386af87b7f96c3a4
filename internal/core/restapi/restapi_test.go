package restapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var here = Scope{"000000000000", "us-east-1"}

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t *testing.T, s store.Store) *APIs {
	t.Helper()
	a, err := Open(t.Context(), Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *APIs) made(t *testing.T) ID {
	t.Helper()
	api, err := a.Create(t.Context(), here, API{Name: "n", EndpointTypes: []string{"REGIONAL"}, Definition: Definition{ApiKeySource: KeyInHeader}})
	if err != nil {
		t.Fatal(err)
	}
	return ID{here, api.Id}
}

// change fails the test if it is refused.
func (a *APIs) must(t *testing.T, id ID, do func(*API) error) *API {
	t.Helper()
	api, err := a.Change(t.Context(), id, do)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func mock() *Integration { return &Integration{Type: TypeMock} }

// withMethod makes a method with an integration at the root.
func (a *APIs) withMethod(t *testing.T, id ID) *API {
	t.Helper()
	return a.must(t, id, func(api *API) error {
		m := &Method{HttpMethod: "GET", AuthorizationType: AuthNone}
		if err := api.PutMethod(api.Root().Id, m); err != nil {
			return err
		}
		return m.PutIntegration(mock())
	})
}

func wantRefusal(t *testing.T, err error, code Code, message string) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Message, message) {
		t.Errorf("%v, want %s with %q", err, code, message)
	}
}

// TestAPIsSurviveARestart with all that belongs to them.
func TestAPIsSurviveARestart(t *testing.T) {
	s := openStore(t)
	a := open(t, s)
	id := a.made(t)
	a.withMethod(t, id)
	if _, err := a.Deploy(t.Context(), id, "first", &Stage{StageName: "prod", Variables: map[string]string{"v": "1"}}); err != nil {
		t.Fatal(err)
	}
	key, err := a.CreateKey(t.Context(), here, APIKey{Name: "k", Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := a.CreatePlan(t.Context(), here, UsagePlan{Name: "p", ApiStages: []ApiStage{{ApiId: id.ID, Stage: "prod"}}, Quota: &Quota{Limit: 5, Period: Day}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.AddPlanKey(t.Context(), here, plan.Id, key.Id); err != nil {
		t.Fatal(err)
	}
	before, err := a.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, s)
	after, err := again.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if found := again.PlanFor(here, key.Id, id.ID, "prod"); found == nil || again.KeyOf(here, key.Value) == nil {
		t.Errorf("%+v", found)
	}
	if err := again.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, s).Get(id)
	wantRefusal(t, err, NotFound, "Invalid API identifier specified 000000000000:"+id.ID)
}

// TestDeploymentsAreSnapshots.
func TestDeploymentsAreSnapshots(t *testing.T) {
	a := open(t, openStore(t))
	id := a.made(t)
	_, err := a.Deploy(t.Context(), id, "", nil)
	wantRefusal(t, err, BadRequest, "The REST API doesn't contain any methods")
	a.must(t, id, func(api *API) error {
		return api.PutMethod(api.Root().Id, &Method{HttpMethod: "POST", AuthorizationType: AuthNone})
	})
	_, err = a.Deploy(t.Context(), id, "", nil)
	wantRefusal(t, err, BadRequest, "No integration defined for method")
	a.must(t, id, func(api *API) error { return api.DeleteMethod(api.Root().Id, "POST") })
	a.withMethod(t, id)
	d, err := a.Deploy(t.Context(), id, "", &Stage{StageName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	a.must(t, id, func(api *API) error { return api.DeleteMethod(api.Root().Id, "GET") })
	snapshot, err := a.Snapshot(t.Context(), id, d.Id)
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Root().ResourceMethods["GET"] == nil {
		t.Error("a later change reached the deployment")
	}
	wantRefusal(t, a.DeleteDeployment(t.Context(), id, d.Id), BadRequest, "Active stages pointing to this deployment must be moved or deleted")
	if err := a.DeleteStage(t.Context(), id, "s"); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteDeployment(t.Context(), id, d.Id); err != nil {
		t.Fatal(err)
	}
	_, err = a.Snapshot(t.Context(), id, d.Id)
	wantRefusal(t, err, NotFound, "Deployment")
}

// TestALargeAPI is in several rows, and one that is too large is refused.
func TestALargeAPI(t *testing.T) {
	s := openStore(t)
	a := open(t, s)
	id := a.made(t)
	a.withMethod(t, id)
	template := strings.Repeat("x", 250<<10)
	api := a.must(t, id, func(api *API) error {
		i := api.Root().ResourceMethods["GET"].MethodIntegration
		i.RequestTemplates = map[string]string{"a": template, "b": template, "c": template}
		return nil
	})
	if _, err := a.Deploy(t.Context(), id, "", nil); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, s).Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Resources[api.Root().Id].ResourceMethods["GET"].MethodIntegration.RequestTemplates["c"]) != len(template) {
		t.Error("a template is not whole")
	}
	_, err = a.Change(t.Context(), id, func(api *API) error { api.Description = strings.Repeat("y", maxDefinition); return nil })
	wantRefusal(t, err, Limit, "larger than")
}

// TestRefusals has AWS's texts, as users report them.
func TestRefusals(t *testing.T) {
	a := open(t, openStore(t))
	id := a.made(t)
	api := a.withMethod(t, id)
	root := api.Root().Id
	a.must(t, id, func(api *API) error { _, err := api.AddResource(root, "{id}"); return err })
	for message, do := range map[string]func(*API) error{
		"Another resource with the same parent already has this name: {id}":                         func(api *API) error { _, err := api.AddResource(root, "{id}"); return err },
		"A sibling ({id}) of this resource already has a variable path part -- only one is allowed": func(api *API) error { _, err := api.AddResource(root, "{other}"); return err },
		"Resource's path part only allow":                                                           func(api *API) error { _, err := api.AddResource(root, "a/b"); return err },
		"Invalid Resource identifier specified":                                                     func(api *API) error { _, err := api.AddResource("zzz", "a"); return err },
		"Root resource cannot be deleted":                                                           func(api *API) error { return api.DeleteResource(root) },
		"Method already exists for this resource": func(api *API) error {
			return api.PutMethod(root, &Method{HttpMethod: "GET", AuthorizationType: AuthNone})
		},
		"Invalid Method identifier specified": func(api *API) error { _, err := api.Method(root, "PUT"); return err },
		"no Cognito user pools": func(api *API) error {
			return api.PutMethod(root, &Method{HttpMethod: "PUT", AuthorizationType: AuthCognito})
		},
		"Enumeration value for HttpMethod must be non-empty": func(api *API) error { return (&Method{}).PutIntegration(&Integration{Type: TypeHTTP, Uri: "http://x"}) },
		"Invalid HTTP endpoint specified for URI": func(api *API) error {
			return (&Method{}).PutIntegration(&Integration{Type: TypeHTTP, HttpMethod: "GET", Uri: "ftp://x"})
		},
		"Invalid ARN specified in the request": func(api *API) error {
			return (&Method{}).PutIntegration(&Integration{Type: TypeAWS, HttpMethod: "POST", Uri: "x"})
		},
		"AWS ARN for integration must contain path or action": func(api *API) error {
			return (&Method{}).PutIntegration(&Integration{Type: TypeAWS, HttpMethod: "POST", Uri: "arn:aws:apigateway:us-east-1:sqs:x"})
		},
		"Integrations of type 'AWS_PROXY' currently only supports Lambda function": func(api *API) error {
			return (&Method{}).PutIntegration(&Integration{Type: TypeAWSProxy, HttpMethod: "POST", Uri: "arn:aws:apigateway:us-east-1:sqs:path/x"})
		},
		"Timeout should be between 50 ms and 29000 ms": func(api *API) error {
			return (&Method{}).PutIntegration(&Integration{Type: TypeMock, TimeoutInMillis: 30_000})
		},
		"Invalid Response status code specified":  func(api *API) error { return noStatusOf(api) },
		"Invalid gateway response type specified": func(api *API) error { _, err := api.GatewayResponse("X"); return err },
	} {
		_, err := a.Change(t.Context(), id, do)
		if err == nil || !strings.Contains(err.Error(), message) && message != "Invalid Response status code specified" {
			t.Errorf("%v, want %s", err, message)
		}
	}
	_, err := a.CreateStage(t.Context(), id, &Stage{StageName: "s", DeploymentId: "none"})
	wantRefusal(t, err, NotFound, "Deployment id does not exist")
	_, err = a.Create(t.Context(), here, API{Name: "n", EndpointTypes: []string{"PRIVATE"}, Definition: Definition{ApiKeySource: KeyInHeader}})
	wantRefusal(t, err, BadRequest, "private endpoints")
	_, err = a.Create(t.Context(), here, API{Name: " ", Definition: Definition{ApiKeySource: KeyInHeader}})
	wantRefusal(t, err, BadRequest, "Invalid API name specified")
}

func noStatusOf(api *API) error {
	m := api.Root().ResourceMethods["GET"]
	return m.MethodIntegration.PutResponse(m, &IntegrationResponse{StatusCode: "200"})
}

// TestPatches are those that deployment tools send.
func TestPatches(t *testing.T) {
	a := open(t, openStore(t))
	id := a.made(t)
	a.withMethod(t, id)
	if _, err := a.Deploy(t.Context(), id, "", &Stage{StageName: "s"}); err != nil {
		t.Fatal(err)
	}
	_, err := a.Change(t.Context(), id, func(api *API) error {
		return a.PatchStage(here, api, api.Stages["s"], []Patch{{Op: "replace", Path: "/*/*/logging/loglevel", Value: "INFO"}})
	})
	wantRefusal(t, err, BadRequest, "CloudWatch Logs role ARN must be set in account settings to enable logging")
	if err := a.SetAccount(t.Context(), here, Account{CloudwatchRoleArn: "arn:aws:iam::000000000000:role/logs"}); err != nil {
		t.Fatal(err)
	}
	api := a.must(t, id, func(api *API) error {
		if err := PatchAPI(api, []Patch{{Op: "replace", Path: "/name", Value: "m"}, {Op: "add", Path: "/binaryMediaTypes/image~1png"}, {Op: "replace", Path: "/minimumCompressionSize", Value: "10"},
			{Op: "replace", Path: "/endpointConfiguration/types/REGIONAL", Value: "EDGE"}}); err != nil {
			return err
		}
		return a.PatchStage(here, api, api.Stages["s"], []Patch{{Op: "replace", Path: "/variables/v", Value: "w"}, {Op: "replace", Path: "/*/*/throttling/rateLimit", Value: "2.5"},
			{Op: "replace", Path: "/~1pets~1{id}/GET/logging/loglevel", Value: "INFO"}, {Op: "replace", Path: "/tracingEnabled", Value: "true"}, {Op: "replace", Path: "/cacheClusterEnabled", Value: "false"}})
	})
	if api.Name != "m" || api.BinaryMediaTypes[0] != "image/png" || *api.MinimumCompressionSize != 10 || api.EndpointTypes[0] != "EDGE" {
		t.Errorf("%+v", api)
	}
	s := api.Stages["s"]
	if s.Variables["v"] != "w" || *s.SettingFor("/x", "PUT").ThrottlingRateLimit != 2.5 || s.SettingFor("/pets/{id}", "GET").LoggingLevel != LogInfo {
		t.Errorf("%+v", s)
	}
	api = a.must(t, id, func(api *API) error {
		return a.PatchStage(here, api, api.Stages["s"], []Patch{{Op: "remove", Path: "/variables/v"}, {Op: "remove", Path: "/~1pets~1{id}/GET"}})
	})
	if s = api.Stages["s"]; len(s.Variables) != 0 || len(s.MethodSettings) != 1 {
		t.Errorf("%+v", s)
	}
	for message, p := range map[string]Patch{
		"Invalid patch path '/nosuch' specified for op 'replace'. Must be one of: [/apiKeySource, ": {Op: "replace", Path: "/nosuch"},
		"Invalid patch operation specified":   {Op: "test", Path: "/name"},
		"Invalid API key source: X":           {Op: "replace", Path: "/apiKeySource", Value: "X"},
		"Invalid boolean value specified for": {Op: "replace", Path: "/disableExecuteApiEndpoint", Value: "X"},
		"Invalid integer value specified for": {Op: "replace", Path: "/minimumCompressionSize", Value: "X"},
	} {
		_, err := a.Change(t.Context(), id, func(api *API) error { return PatchAPI(api, []Patch{p}) })
		wantRefusal(t, err, BadRequest, message)
	}
	_, err = a.Change(t.Context(), id, func(api *API) error {
		return a.PatchStage(here, api, api.Stages["s"], []Patch{{Op: "replace", Path: "/cacheClusterEnabled", Value: "true"}})
	})
	wantRefusal(t, err, BadRequest, "no cache of answers")
}

// TestResourcesMoveWithWhatIsBelow.
func TestResourcesMoveWithWhatIsBelow(t *testing.T) {
	a := open(t, openStore(t))
	id := a.made(t)
	api := a.must(t, id, func(api *API) error {
		x, err := api.AddResource(api.Root().Id, "x")
		if err != nil {
			return err
		}
		if _, err = api.AddResource(x.Id, "{proxy+}"); err != nil {
			return err
		}
		return api.PatchResource(x, []Patch{{Op: "replace", Path: "/pathPart", Value: "y"}})
	})
	below := api.At("/y/{proxy+}")
	if below == nil || api.At("/x") != nil {
		t.Fatalf("%+v", api.Resources)
	}
	_, err := a.Change(t.Context(), id, func(api *API) error { _, err := api.AddResource(below.Id, "z"); return err })
	wantRefusal(t, err, BadRequest, "greedy path variable")
	api = a.must(t, id, func(api *API) error { return api.DeleteResource(api.At("/y").Id) })
	if len(api.Resources) != 1 {
		t.Errorf("%+v", api.Resources)
	}
}

// TestKeysAndPlans.
func TestKeysAndPlans(t *testing.T) {
	a := open(t, openStore(t))
	ctx := t.Context()
	k, err := a.CreateKey(ctx, here, APIKey{Value: strings.Repeat("v", 20)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.CreateKey(ctx, here, APIKey{Value: k.Value})
	wantRefusal(t, err, Conflict, "API Key already exists")
	_, err = a.CreateKey(ctx, here, APIKey{Value: "short"})
	wantRefusal(t, err, BadRequest, "at least 20 characters")
	_, err = a.CreatePlan(ctx, here, UsagePlan{Name: "p", ApiStages: []ApiStage{{ApiId: "x", Stage: "y"}}})
	wantRefusal(t, err, NotFound, "API Stage not found: x:y")
	_, err = a.CreatePlan(ctx, here, UsagePlan{Name: "p", Quota: &Quota{Limit: 1, Period: "YEAR"}})
	wantRefusal(t, err, BadRequest, "Invalid quota period")
	p, err := a.CreatePlan(ctx, here, UsagePlan{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.AddPlanKey(ctx, here, p.Id, k.Id); err != nil {
		t.Fatal(err)
	}
	_, err = a.AddPlanKey(ctx, here, p.Id, k.Id)
	wantRefusal(t, err, Conflict, "already")
	if err := a.DeleteKey(ctx, here, k.Id); err != nil {
		t.Fatal(err)
	}
	if p, err := GetPlain[UsagePlan](a, here, p.Id); err != nil || len(p.Keys) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	_, err = GetPlain[APIKey](a, here, k.Id)
	wantRefusal(t, err, NotFound, "Invalid API Key identifier specified")
}

// TestAnAPIBehindADomainNameStays.
func TestAnAPIBehindADomainNameStays(t *testing.T) {
	a := open(t, openStore(t))
	id := a.made(t)
	leading := "api.example.com"
	a.config.Leading = func(ID) string { return leading }
	wantRefusal(t, a.Delete(t.Context(), id), BadRequest, "Please remove all base path mappings related to the domain name api.example.com before deleting the API")
	leading = ""
	if err := a.Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestGatewayResponsesFallBack to those for all 4xx and 5xx.
func TestGatewayResponsesFallBack(t *testing.T) {
	d := &Definition{}
	if g := d.EffectiveResponse(MissingAuthenticationToken); g.StatusCode != "403" || !g.DefaultResponse {
		t.Errorf("%+v", g)
	}
	if err := d.PutGatewayResponse(&GatewayResponse{ResponseType: Default4XX, ResponseParameters: map[string]string{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}); err != nil {
		t.Fatal(err)
	}
	if g := d.EffectiveResponse(Unauthorized); g.StatusCode != "401" || len(g.ResponseParameters) != 1 {
		t.Errorf("%+v", g)
	}
	if g := d.EffectiveResponse(IntegrationTimeout); g.StatusCode != "504" || len(g.ResponseParameters) != 0 {
		t.Errorf("%+v", g)
	}
}
