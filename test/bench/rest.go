package main

import (
	"bytes"
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
	f := trivial("rested")
	f.Files = map[string]string{"app.py": answering}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	raw, err := signed(ctx, p.Address, platform.InvokePath("rested"), []byte("{}"))
	if err != nil {
		return err
	}
	if err := permit(ctx, p, "rested", "apigateway", "arn:aws:execute-api:"+platform.Region+":000000000000:*"); err != nil {
		return err
	}
	targets, wants := []target{{p.Address, raw, p.PID()}}, [][]byte{[]byte(`{"statusCode": 200, "body": "ok"}`), []byte("ok"), []byte("ok"), []byte(`{"got": "ok"}`)}
	for _, api := range []struct {
		methods   int
		templates bool
	}{{fewMethods, false}, {manyMethods, false}, {fewMethods, true}} {
		id, err := restAPI(ctx, p, api.methods, api.templates)
		if err != nil {
			return err
		}
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "POST /prod/part%d/7 HTTP/1.1\r\nHost: %s.execute-api.%s.localhost\r\nUser-Agent: lambkin-bench\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", api.methods-1, id, platform.Region)
		targets = append(targets, target{p.Address, raw.Bytes(), p.PID()})
	}
	measured := make([][]figures, len(targets))
	for round := range rounds + 1 {
		for i := range targets {
			figure, err := b.measure(targets[i], wants[i], 1)
			if err != nil {
				return err
			}
			if round > 0 { // the first round warms all up
				measured[i] = append(measured[i], figure)
			}
		}
	}
	direct, few, many, mapped := median(measured[0]), median(measured[1]), median(measured[2]), median(measured[3])
	ratio, growth, cost := float64(few.p50)/float64(direct.p50), float64(many.p50)/float64(few.p50), float64(mapped.p50)/float64(direct.p50)
	b.add(row{"REST API to a trivial function, p50, beside a direct Invoke", milliseconds(few.p50), milliseconds(direct.p50), fmt.Sprintf("%.2f", ratio), atMost(ratio, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
	b.add(row{fmt.Sprintf("the same with %d methods, beside %d", manyMethods, fewMethods), milliseconds(many.p50), milliseconds(few.p50), fmt.Sprintf("%.2f", growth), atMost(growth, goalRoutes, fmt.Sprintf("%.1f times", goalRoutes))})
	b.add(row{"the same with mapping templates, beside a direct Invoke", milliseconds(mapped.p50), milliseconds(direct.p50), fmt.Sprintf("%.2f", cost), atMost(cost, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
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
