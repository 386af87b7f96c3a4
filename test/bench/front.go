package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// answering is a trivial function behind an API.
const answering = `def handler(event, context):
    return {"statusCode": 200, "body": "ok"}
`

// Routes of the two APIs that are compared.
const fewRoutes, manyRoutes = 10, 1000

// front measures an HTTP API in front of a trivial function beside a direct, signed
// Invoke of the same run, with few routes and with many.
func (b *bench) front(ctx context.Context, p *platform.Platform) error {
	direct, err := behindAPIs(ctx, p, "fronted")
	if err != nil {
		return err
	}
	tested := []answered{direct}
	for _, routes := range []int{fewRoutes, manyRoutes} {
		id, err := httpAPI(ctx, p, routes)
		if err != nil {
			return err
		}
		tested = append(tested, answered{"HTTP API", posted(p, id, fmt.Sprintf("/part%d/7/sub", routes-1)), []byte("ok")})
	}
	measured, err := b.inTurn(1, tested...)
	if err != nil {
		return err
	}
	invoked, few, many := measured[0], measured[1], measured[2]
	ratio, growth := float64(few.p50)/float64(invoked.p50), float64(many.p50)/float64(few.p50)
	b.add(row{"HTTP API to a trivial function, p50, beside a direct Invoke", milliseconds(few.p50), milliseconds(invoked.p50), fmt.Sprintf("%.2f", ratio), atMost(ratio, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
	b.add(row{fmt.Sprintf("the same with %d routes, beside %d", manyRoutes, fewRoutes), milliseconds(many.p50), milliseconds(few.p50), fmt.Sprintf("%.2f", growth), atMost(growth, goalRoutes, fmt.Sprintf("%.1f times", goalRoutes))})
	return nil
}

// behindAPIs deploys a trivial function that API Gateway may call, and gives the direct,
// signed Invoke of it.
func behindAPIs(ctx context.Context, p *platform.Platform, name string) (answered, error) {
	f := trivial(name)
	f.Files = map[string]string{"app.py": answering}
	if err := p.Deploy(ctx, f); err != nil {
		return answered{}, err
	}
	raw, err := signed(ctx, p.Address, platform.InvokePath(name), []byte("{}"))
	if err != nil {
		return answered{}, err
	}
	direct := answered{"direct Invoke", target{p.Address, raw, p.PID()}, []byte(`{"statusCode": 200, "body": "ok"}`)}
	return direct, permit(ctx, p, name, "apigateway", "arn:aws:execute-api:"+platform.Region+":000000000000:*")
}

// posted is a request to an API by its host name.
func posted(p *platform.Platform, api, path string) target {
	raw := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s.execute-api.%s.localhost\r\nUser-Agent: lambkin-bench\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", path, api, platform.Region)
	return target{p.Address, []byte(raw), p.PID()}
}

// httpAPI imports an API with so many routes to the function, and gives its id.
func httpAPI(ctx context.Context, p *platform.Platform, routes int) (string, error) {
	integration := map[string]string{"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": "arn:aws:lambda:" + platform.Region + ":000000000000:function:fronted"}
	paths := map[string]any{}
	for i := range routes {
		paths[fmt.Sprintf("/part%d/{id}/sub", i)] = map[string]any{"post": map[string]any{"x-amazon-apigateway-integration": integration}}
	}
	document, err := json.Marshal(map[string]any{"openapi": "3.0.1", "info": map[string]string{"title": "bench", "version": "1"}, "paths": paths})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"apiId"`
	}
	call := func(method, path string, in, out any) error {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		reply, err := p.CallService(ctx, "apigateway", method, path, http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			return err
		}
		if reply.Status != http.StatusCreated {
			return fmt.Errorf("%s %s: status %d, %.300s", method, path, reply.Status, reply.Body)
		}
		return json.Unmarshal(reply.Body, out)
	}
	if err := call(http.MethodPut, "/v2/apis", map[string]string{"body": string(document)}, &made); err != nil {
		return "", err
	}
	return made.ID, call(http.MethodPost, "/v2/apis/"+made.ID+"/stages", map[string]any{"stageName": "$default", "autoDeploy": true}, &struct{}{})
}
