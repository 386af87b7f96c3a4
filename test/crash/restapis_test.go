package crash

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// restAPI changes one REST API of API Gateway: what it answers, and which deployment
// its stage has. What clients are answered is that of the last deployment.
type restAPI struct {
	id, root string
	serial   int
	deployed string // id of the deployment
	acked    []int  // the deployment that was acknowledged; with one under way, both
}

func (a *restAPI) call(ctx context.Context, c client, method, path string, in, out any) error {
	return c.call(ctx, "apigateway", method, path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

// prepare makes the API.
func (a *restAPI) prepare(ctx context.Context, server *platform.Platform) error {
	c := client{server}
	var made struct{ ID, RootResourceID string }
	if err := a.call(ctx, c, "POST", "/restapis", map[string]any{"name": "crash"}, &made); err != nil {
		return err
	}
	a.id, a.root = made.ID, made.RootResourceID
	if err := a.call(ctx, c, "PUT", a.method(), map[string]any{"authorizationType": "NONE"}, nil); err != nil {
		return err
	}
	if err := a.call(ctx, c, "PUT", a.method()+"/responses/200", map[string]any{}, nil); err != nil {
		return err
	}
	if err := a.call(ctx, c, "PUT", a.method()+"/integration", map[string]any{"type": "MOCK", "requestTemplates": map[string]string{"application/json": `{"statusCode": 200}`}}, nil); err != nil {
		return err
	}
	return a.write(ctx, c)
}

func (a *restAPI) method() string {
	return "/restapis/" + a.id + "/resources/" + a.root + "/methods/GET"
}

func (a *restAPI) write(ctx context.Context, c client) error {
	a.serial++
	answer := map[string]any{"responseTemplates": map[string]string{"application/json": fmt.Sprint("serial ", a.serial)}}
	if err := a.call(ctx, c, "PUT", a.method()+"/integration/responses/200", answer, nil); err != nil {
		return err
	}
	a.acked = append(a.acked, a.serial)
	var made struct{ ID string }
	if err := a.call(ctx, c, "POST", "/restapis/"+a.id+"/deployments", map[string]any{"stageName": "s"}, &made); err != nil {
		return err
	}
	a.acked = []int{a.serial}
	old := a.deployed
	if a.deployed = made.ID; old == "" {
		return nil
	}
	// The answer of a deletion that was done may have been lost.
	if err := a.call(ctx, c, "DELETE", "/restapis/"+a.id+"/deployments/"+old, nil, nil); err != nil && !isAbsent(err) {
		return err
	}
	return nil
}

func (a *restAPI) check(ctx context.Context, c client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.server.Address+"/_aws/execute-api/"+a.id+"/s", http.NoBody)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	var word string
	var serial int
	if _, err := fmt.Fscan(reply.Body, &word, &serial); err != nil || !slices.Contains(a.acked, serial) {
		return fmt.Errorf("the REST API answers %d %q %d, acknowledged are %v (%w)", reply.StatusCode, word, serial, a.acked, err)
	}
	a.acked = []int{serial}
	return nil
}
