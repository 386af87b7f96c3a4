package crash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// doors changes one HTTP API, whose stage deploys by itself, and one function URL,
// in turns. Both lead to one function, which tells the serial that the API adds to
// requests; the URL tells its own by the origin that it lets in.
type doors struct {
	api, integration, url string // ids
	serial                int
	ofAPI, ofURL          []int // the serial that was acknowledged; with a change under way, both
}

const (
	webFunction = "crash-web"
	webURL      = "/2021-10-31/functions/" + webFunction + "/url"
)

// prepare makes the function, the API and the URL.
func (d *doors) prepare(ctx context.Context, server *platform.Platform) error {
	if err := server.Deploy(ctx, platform.Function{Name: webFunction, Files: map[string]string{
		"app.py": "def handler(event, context):\n    return {'statusCode': 200, 'body': 'serial ' + event['headers'].get('serial', '0')}\n",
	}}); err != nil {
		return err
	}
	c := client{server}
	for _, permission := range []map[string]any{
		{"StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"},
		{"StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"},
		{"StatementId": "invoke", "Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": true},
	} {
		if err := c.lambda(ctx, "POST", functionsPath+"/"+webFunction+"/policy", permission, nil); err != nil {
			return err
		}
	}
	var made struct{ APIID, IntegrationID, FunctionURL string } // of each answer its own
	for _, step := range []struct {
		path func() string
		in   map[string]any
	}{
		{func() string { return "" }, map[string]any{"name": "crash", "protocolType": "HTTP"}},
		{func() string { return "/" + made.APIID + "/integrations" }, map[string]any{"integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0",
			"integrationUri": "arn:aws:lambda:" + platform.Region + ":000000000000:function:" + webFunction, "requestParameters": serialHeader(0)}},
		{func() string { return "/" + made.APIID + "/routes" }, map[string]any{"routeKey": "GET /serial"}},
		{func() string { return "/" + made.APIID + "/stages" }, map[string]any{"stageName": "$default", "autoDeploy": true}},
	} {
		if step.in["routeKey"] != nil {
			step.in["target"] = "integrations/" + made.IntegrationID
		}
		if err := d.v2(ctx, c, "POST", step.path(), step.in, &made); err != nil {
			return err
		}
	}
	if err := c.lambda(ctx, "POST", webURL, urlConfig(0), &made); err != nil {
		return err
	}
	d.api, d.integration = made.APIID, made.IntegrationID
	d.url, _, _ = strings.Cut(strings.TrimPrefix(made.FunctionURL, "http://"), ".")
	if _, id, byPath := strings.Cut(made.FunctionURL, "/_aws/lambda-url/"); byPath {
		d.url = strings.Trim(id, "/")
	}
	d.ofAPI, d.ofURL = []int{0}, []int{0}
	return nil
}

func (d *doors) v2(ctx context.Context, c client, method, path string, in, out any) error {
	return c.call(ctx, "apigateway", method, "/v2/apis"+path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

func serialHeader(serial int) map[string]string {
	return map[string]string{"overwrite:header.serial": fmt.Sprint(serial)}
}

func origin(serial int) string { return fmt.Sprintf("https://s%d.example.com", serial) }

func urlConfig(serial int) map[string]any {
	return map[string]any{"AuthType": "NONE", "Cors": map[string]any{"AllowOrigins": []string{origin(serial)}}}
}

func (d *doors) write(ctx context.Context, c client) error {
	d.serial++
	if d.serial%2 == 0 {
		d.ofURL = append(d.ofURL, d.serial)
		if err := c.lambda(ctx, "PUT", webURL, urlConfig(d.serial), nil); err != nil {
			return err
		}
		d.ofURL = []int{d.serial}
		return nil
	}
	d.ofAPI = append(d.ofAPI, d.serial)
	if err := d.v2(ctx, c, "PATCH", "/"+d.api+"/integrations/"+d.integration, map[string]any{"requestParameters": serialHeader(d.serial)}, nil); err != nil {
		return err
	}
	d.ofAPI = []int{d.serial}
	return nil
}

// check asks both doors as their clients do.
func (d *doors) check(ctx context.Context, c client) error {
	got, _, err := d.ask(ctx, c, "execute-api/"+d.api+"/serial", "")
	if err != nil || !slices.Contains(d.ofAPI, got) {
		return fmt.Errorf("the HTTP API has serial %d, acknowledged are %v (%w)", got, d.ofAPI, err)
	}
	d.ofAPI = []int{got}
	var kept struct {
		Cors struct{ AllowOrigins []string }
	}
	if err := c.lambda(ctx, "GET", webURL, nil, &kept); err != nil || len(kept.Cors.AllowOrigins) != 1 {
		return fmt.Errorf("the function URL is %+v (%w)", kept, err)
	}
	at := slices.IndexFunc(d.ofURL, func(serial int) bool { return origin(serial) == kept.Cors.AllowOrigins[0] })
	if at < 0 {
		return fmt.Errorf("the function URL lets in %v, acknowledged are %v", kept.Cors.AllowOrigins, d.ofURL)
	}
	d.ofURL = d.ofURL[at : at+1]
	_, let, err := d.ask(ctx, c, "lambda-url/"+d.url+"/", origin(d.ofURL[0]))
	if err != nil || let != origin(d.ofURL[0]) {
		return fmt.Errorf("the function URL lets in %q, not %q (%w)", let, origin(d.ofURL[0]), err)
	}
	return nil
}

// ask gets the serial in the answer of the function, and the origin that is let in.
func (d *doors) ask(ctx context.Context, c client, path, from string) (serial int, let string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.server.Address+"/_aws/"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if from != "" {
		request.Header.Set("Origin", from)
	}
	reply, err := platform.Send(request)
	if err != nil {
		return 0, "", err
	}
	if _, err := fmt.Sscanf(string(reply.Body), "serial %d", &serial); err != nil || reply.Status != http.StatusOK {
		return 0, "", fmt.Errorf("status %d: %s (%w)", reply.Status, reply.Body, err)
	}
	return serial, reply.Header.Get("Access-Control-Allow-Origin"), nil
}
