package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// Methods of the two REST APIs that are compared; each has two resources, of which an API
// has at most 300.
const fewMethods, manyMethods = 10, 140

// rest measures a REST API in front of a trivial function beside a direct, signed Invoke of
// the same run: with few methods, with many, and with mapping templates in the place of
// the proxy integration.
func (b *bench) rest(ctx context.Context, p *platform.Platform) error {
	direct, err := behindAPIs(ctx, p, "rested")
	if err != nil {
		return err
	}
	tested := []answered{direct}
	for _, api := range []struct {
		methods   int
		templates bool
		body      string
	}{{fewMethods, false, "ok"}, {manyMethods, false, "ok"}, {fewMethods, true, `{"got": "ok"}`}} {
		id, err := restAPI(ctx, p, api.methods, api.templates)
		if err != nil {
			return err
		}
		tested = append(tested, answered{"REST API", posted(p, id, fmt.Sprintf("/prod/part%d/7", api.methods-1)), []byte(api.body)})
	}
	measured, err := b.inTurn(1, tested...)
	if err != nil {
		return err
	}
	invoked, few, many, mapped := measured[0], measured[1], measured[2], measured[3]
	ratio, growth, cost := float64(few.p50)/float64(invoked.p50), float64(many.p50)/float64(few.p50), float64(mapped.p50)/float64(invoked.p50)
	b.add(row{"REST API to a trivial function, p50, beside a direct Invoke", milliseconds(few.p50), milliseconds(invoked.p50), fmt.Sprintf("%.2f", ratio), atMost(ratio, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
	b.add(row{fmt.Sprintf("the same with %d methods, beside %d", manyMethods, fewMethods), milliseconds(many.p50), milliseconds(few.p50), fmt.Sprintf("%.2f", growth), atMost(growth, goalRoutes, fmt.Sprintf("%.1f times", goalRoutes))})
	b.add(row{"the same with mapping templates, beside a direct Invoke", milliseconds(mapped.p50), milliseconds(invoked.p50), fmt.Sprintf("%.2f", cost), atMost(cost, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
	return nil
}

// restAPI imports an API with so many methods to the function, deploys it, and gives its id.
func restAPI(ctx context.Context, p *platform.Platform, methods int, templates bool) (string, error) {
	integration := map[string]any{"type": "aws_proxy", "httpMethod": "POST", "uri": "arn:aws:apigateway:" + platform.Region + ":lambda:path/2015-03-31/functions/arn:aws:lambda:" + platform.Region + ":000000000000:function:rested/invocations"}
	answers := map[string]any{"200": map[string]string{"description": "ok"}}
	if templates {
		integration["type"] = "aws"
		integration["requestTemplates"] = map[string]string{"application/json": `{"id": "$input.params('id')", "body": $input.json('$'), "stage": "$context.stage"}`}
		integration["responses"] = map[string]any{"default": map[string]any{"statusCode": "200", "responseTemplates": map[string]string{"application/json": `{"got": "$input.path('$.body')"}`}}}
	}
	paths := map[string]any{}
	for i := range methods {
		paths[fmt.Sprintf("/part%d/{id}", i)] = map[string]any{"post": map[string]any{"responses": answers, "x-amazon-apigateway-integration": integration}}
	}
	document, err := json.Marshal(map[string]any{"openapi": "3.0.1", "info": map[string]string{"title": "bench", "version": "1"}, "paths": paths})
	if err != nil {
		return "", err
	}
	call := func(path string, body []byte, out any) error {
		reply, err := p.CallService(ctx, "apigateway", http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			return err
		}
		if reply.Status != http.StatusCreated {
			return fmt.Errorf("%s: status %d, %.300s", path, reply.Status, reply.Body)
		}
		return json.Unmarshal(reply.Body, out)
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := call("/restapis?mode=import", document, &made); err != nil {
		return "", err
	}
	return made.ID, call("/restapis/"+made.ID+"/deployments", []byte(`{"stageName":"prod"}`), &struct{}{})
}
