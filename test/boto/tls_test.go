package boto

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// TestTLS serves with TLS as docs/http.md says: boto3 and a client of Go that
// trust the authority of the data folder speak to it under the names that the
// server has, others do not, and a second start has the same authority.
func TestTLS(t *testing.T) {
	t.Parallel()
	secure, err := platform.Start(t.Context(), binary, t.TempDir(), "--tls=127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := secure.Stop(); err != nil {
			t.Error(err)
		}
	}()
	folder := filepath.Join(secure.Data, "tls")
	authority := filepath.Join(folder, "ca.pem")
	for path, mode := range map[string]fs.FileMode{folder: fs.ModeDir | 0o700, filepath.Join(folder, "ca.key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	client := trusting(t, secure, authority)
	listQueues(t, client, "https://sqs.us-east-1.amazonaws.com/")
	callAPI(t, secure, client)
	talk(t, secure, client)
	for _, name := range []string{"example.org", "amazonaws.com.example.org"} {
		if reply, err := client.Get("https://" + name + "/"); err == nil {
			reply.Body.Close()
			t.Errorf("the server has a certificate for %s", name)
		}
	}
	if out, err := boto3(t, secure, "AWS_CA_BUNDLE="+authority); err != nil || out != "TLS" {
		t.Errorf("boto3: %v: %s", err, out)
	}
	if out, err := boto3(t, secure); err == nil || !strings.Contains(out, "CERTIFICATE_VERIFY_FAILED") {
		t.Errorf("boto3 that trusts nobody: %v: %s", err, out)
	}
	before, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(secure.Stop(), secure.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(authority); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the second start has another authority (%v)", err)
	}
	listQueues(t, trusting(t, secure, authority), "https://sqs.us-east-1.amazonaws.com/")
}

// listening is what `lambkin serve --tls` prints.
var listening = regexp.MustCompile(`and at https://(\S+), by certificates of the authority (\S+)`)

// secureAddress is where the last start listens with TLS.
func secureAddress(t *testing.T, server *platform.Platform) string {
	t.Helper()
	starts := listening.FindAllStringSubmatch(server.Log(), -1)
	if len(starts) == 0 {
		t.Fatalf("the server does not say where it listens with TLS:\n%s", server.Log())
	}
	return starts[len(starts)-1][1]
}

// trusting is a client that trusts one authority only and finds all names at the server.
func trusting(t *testing.T, server *platform.Platform, authority string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", authority)
	}
	address := secureAddress(t, server)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: platform.ReadyTimeout}
}

func listQueues(t *testing.T, client *http.Client, url string) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.ListQueues"}}
	request, err := platform.Sign(t.Context(), "sqs", "POST", url, header, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d", url, reply.StatusCode)
	}
}

// callAPI calls an HTTP API by its name below localhost.
func callAPI(t *testing.T, server *platform.Platform, client *http.Client) {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Came-By", r.Header.Get("Forwarded"))
	}))
	defer upstream.Close()
	body, err := json.Marshal(map[string]string{"name": "secure", "protocolType": "HTTP", "target": upstream.URL})
	if err != nil {
		t.Fatal(err)
	}
	made, err := server.CallService(t.Context(), "apigateway", "POST", "/v2/apis", http.Header{"Content-Type": {"application/json"}}, body)
	var api struct {
		APIID string `json:"apiId"`
	}
	if err != nil || json.Unmarshal(made.Body, &api) != nil || api.APIID == "" {
		t.Fatalf("create an API: %v: %+v", err, made)
	}
	reply, err := client.Get("https://" + api.APIID + ".execute-api.us-east-1.localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK || !strings.HasSuffix(reply.Header.Get("Came-By"), ";proto=https") {
		t.Errorf("status %d, %v", reply.StatusCode, reply.Header)
	}
}

// made makes a part of an API and gives a member of the answer.
func made(t *testing.T, server *platform.Platform, path, member string, in map[string]any) string {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := server.CallService(t.Context(), "apigateway", "POST", "/v2/apis"+path, http.Header{"Content-Type": {"application/json"}}, body)
	var out map[string]any
	if err != nil || json.Unmarshal(reply.Body, &out) != nil {
		t.Fatalf("%s: %v: %+v", path, err, reply)
	}
	id, _ := out[member].(string)
	if id == "" {
		t.Fatalf("%s: %s", path, reply.Body)
	}
	return id
}

// talk speaks to a WebSocket API over TLS by its name below localhost.
func talk(t *testing.T, server *platform.Platform, client *http.Client) {
	t.Helper()
	api := made(t, server, "", "apiId", map[string]any{"name": "secure", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"})
	integration := made(t, server, "/"+api+"/integrations", "integrationId", map[string]any{"integrationType": "MOCK"})
	made(t, server, "/"+api+"/integrations/"+integration+"/integrationresponses", "integrationResponseId",
		map[string]any{"integrationResponseKey": "$default", "responseTemplates": map[string]string{"$default": "pong at $context.domainName"}})
	route := made(t, server, "/"+api+"/routes", "routeId", map[string]any{"routeKey": "$default", "target": "integrations/" + integration, "routeResponseSelectionExpression": "$default"})
	made(t, server, "/"+api+"/routes/"+route+"/routeresponses", "routeResponseId", map[string]any{"routeResponseKey": "$default"})
	made(t, server, "/"+api+"/stages", "stageName", map[string]any{"stageName": "prod", "autoDeploy": true})
	transport := client.Transport.(*http.Transport)
	dialer := websocket.Dialer{NetDialContext: transport.DialContext, TLSClientConfig: &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs}, HandshakeTimeout: platform.ReadyTimeout}
	host := api + ".execute-api.us-east-1.localhost"
	c, reply, err := dialer.DialContext(t.Context(), "wss://"+host+"/prod", nil)
	if err != nil {
		t.Fatalf("%v: %+v", err, reply)
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.TextMessage, []byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "pong at "+host {
		t.Errorf("%v: %s", err, got)
	}
}

// boto3 makes a queue by the address with TLS and tells its name.
func boto3(t *testing.T, server *platform.Platform, environment ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	_, port, err := net.SplitHostPort(secureAddress(t, server))
	if err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(ctx, installed.Python, "-c", `import boto3
url = boto3.client("sqs", endpoint_url="https://localhost:`+port+`").create_queue(QueueName="TLS")["QueueUrl"]
print(url.rsplit("/")[-1], end="")
`)
	script.Env, script.WaitDelay = append(environ(t, server), environment...), 10*time.Second
	out, err := script.CombinedOutput()
	return string(out), err
}
