package main

import (
	"bytes"
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
	f := trivial("fronted")
	f.Files = map[string]string{"app.py": answering}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	raw, err := signed(ctx, p.Address, platform.InvokePath("fronted"), []byte("{}"))
	if err != nil {
		return err
	}
	targets := []target{{p.Address, raw, p.PID()}}
	wants := [][]byte{[]byte(`{"statusCode": 200, "body": "ok"}`), []byte("ok"), []byte("ok")}
	if err := permit(ctx, p, "fronted", "apigateway", "arn:aws:execute-api:"+platform.Region+":000000000000:*"); err != nil {
		return err
	}
	for _, routes := range []int{fewRoutes, manyRoutes} {
		id, err := httpAPI(ctx, p, routes)
		if err != nil {
			return err
		}
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "POST /part%d/7/sub HTTP/1.1\r\nHost: %s.execute-api.%s.localhost\r\nUser-Agent: lambkin-bench\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", routes-1, id, platform.Region)
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
	direct, few, many := median(measured[0]), median(measured[1]), median(measured[2])
	ratio, growth := float64(few.p50)/float64(direct.p50), float64(many.p50)/float64(few.p50)
	b.add(row{"HTTP API to a trivial function, p50, beside a direct Invoke", milliseconds(few.p50), milliseconds(direct.p50), fmt.Sprintf("%.2f", ratio), atMost(ratio, goalFront, fmt.Sprintf("%.1f times Invoke", goalFront))})
	b.add(row{fmt.Sprintf("the same with %d routes, beside %d", manyRoutes, fewRoutes), milliseconds(many.p50), milliseconds(few.p50), fmt.Sprintf("%.2f", growth), atMost(growth, goalRoutes, fmt.Sprintf("%.1f times", goalRoutes))})
	return nil
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
