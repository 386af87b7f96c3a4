package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// Connections of the measurement, and what the supervisor may hold with them.
const (
	idleSockets    = 2000
	goalSocketsMiB = 150.0
)

// webSockets holds connections to a WebSocket API and reads the supervisor's
// resident memory.
func (b *bench) webSockets(ctx context.Context, p *platform.Platform) error {
	create := func(path string, in map[string]any) (map[string]any, error) {
		body, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		reply, err := p.CallService(ctx, "apigateway", "POST", path, http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			return nil, err
		}
		if reply.Status != http.StatusCreated {
			return nil, fmt.Errorf("POST %s: status %d, %.300s", path, reply.Status, reply.Body)
		}
		var out map[string]any
		return out, json.Unmarshal(reply.Body, &out)
	}
	made, err := create("/v2/apis", map[string]any{"name": "idle", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"})
	if err != nil {
		return err
	}
	id, _ := made["apiId"].(string)
	if _, err := create("/v2/apis/"+id+"/stages", map[string]any{"stageName": "prod", "autoDeploy": true}); err != nil {
		return err
	}
	before, err := resident(p)
	if err != nil {
		return err
	}
	for range idleSockets {
		c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+p.Address+"/_aws/execute-api/"+id+"/prod", nil)
		if err != nil {
			return err
		}
		defer c.Close()
	}
	after, err := resident(p)
	if err != nil {
		return err
	}
	b.add(row{what: fmt.Sprintf("supervisor with %d idle WebSocket connections, resident (%.1f MiB before)", idleSockets, before), lambkin: fmt.Sprintf("%.1f MiB", after),
		goal: atMost(after, goalSocketsMiB, fmt.Sprintf("%.0f MiB", goalSocketsMiB))})
	return nil
}

// resident is the memory that the supervisor holds, in MiB.
func resident(p *platform.Platform) (float64, error) {
	rss, err := procKiB(fmt.Sprintf("/proc/%d/status", p.PID()), "VmRSS")
	return float64(rss) / 1024, err
}
