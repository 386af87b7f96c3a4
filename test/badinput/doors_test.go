package badinput

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// door answers what the body of the request says, or with the path that it got.
const door = `import json
def handler(event, context):
    body = event.get("body")
    if body and not event.get("isBase64Encoded"):
        return json.loads(body)
    path = event.get("rawPath") or event["path"]
    return {"statusCode": 200, "body": json.dumps({"path": path, "parameters": event.get("pathParameters")})}
`

// doors are the hosts of a function's URL and of an HTTP and a REST API before it.
type doors struct {
	url, http, rest string
	issuer          *httptest.Server
	key             *rsa.PrivateKey
}

var openDoors = sync.OnceValues(makeDoors)

func allDoors(t *testing.T) *doors {
	t.Helper()
	d, err := openDoors()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func makeDoors() (*doors, error) {
	ctx, d := suite, &doors{}
	if err := server.Deploy(ctx, platform.Function{Name: "door", Files: map[string]string{"app.py": door}}); err != nil {
		return nil, err
	}
	arn := "arn:aws:lambda:" + platform.Region + ":000000000000:function:door"
	var failed error
	call := func(service, method, path, body string) (made map[string]any) {
		if failed != nil {
			return nil
		}
		reply, err := server.CallService(ctx, service, method, path, http.Header{"Content-Type": {"application/json"}}, []byte(body))
		if err == nil && reply.Status >= http.StatusBadRequest {
			err = fmt.Errorf("%s %s: %d %s", method, path, reply.Status, reply.Body)
		}
		if err == nil {
			err = json.Unmarshal(reply.Body, &made)
		}
		failed = err
		return made
	}
	for _, by := range []string{
		`"apigateway.amazonaws.com","StatementId":"gateway","Action":"lambda:InvokeFunction"`,
		`"*","StatementId":"url","Action":"lambda:InvokeFunctionUrl","FunctionUrlAuthType":"NONE"`,
		`"*","StatementId":"by-url","Action":"lambda:InvokeFunction","InvokedViaFunctionUrl":true`,
	} {
		call("lambda", "POST", functions+"/door/policy", `{"Principal":`+by+`}`)
	}
	url := call("lambda", "POST", "/2021-10-31/functions/door/url", `{"AuthType":"NONE"}`)
	d.url = host(url["FunctionUrl"])
	var err error
	if d.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	d.issuer = httptest.NewServer(http.HandlerFunc(d.serveKeys)) // closed with the process: all tests share it
	api := call("apigateway", "POST", "/v2/apis", `{"name":"doors","protocolType":"HTTP","target":"`+arn+`"}`)
	d.http = host(api["apiEndpoint"])
	path := fmt.Sprint("/v2/apis/", api["apiId"])
	a := call("apigateway", "POST", path+"/authorizers", `{"name":"jwt","authorizerType":"JWT","identitySource":["$request.header.Authorization"],"jwtConfiguration":{"issuer":"`+d.issuer.URL+`","audience":["doors"]}}`)
	i := call("apigateway", "POST", path+"/integrations", `{"integrationType":"AWS_PROXY","integrationUri":"`+arn+`","payloadFormatVersion":"2.0"}`)
	call("apigateway", "POST", path+"/routes", fmt.Sprintf(`{"routeKey":"GET /secure","authorizationType":"JWT","authorizerId":"%v","target":"integrations/%v"}`, a["authorizerId"], i["integrationId"]))
	method := `{"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST","uri":"arn:aws:apigateway:` + platform.Region + `:lambda:path/2015-03-31/functions/` + arn + `/invocations"}}`
	rest := call("apigateway", "POST", "/restapis?mode=import", `{"openapi":"3.0.1","info":{"title":"doors","version":"1"},"paths":{"/":{"x-amazon-apigateway-any-method":`+method+`},"/{proxy+}":{"x-amazon-apigateway-any-method":`+method+`}}}`)
	call("apigateway", "POST", fmt.Sprint("/restapis/", rest["id"], "/deployments"), `{"stageName":"s"}`)
	d.rest = fmt.Sprintf("%v.execute-api.%s.localhost", rest["id"], platform.Region)
	return d, failed
}

// host is that of an address.
func host(address any) string {
	text, _ := address.(string)
	_, text, _ = strings.Cut(text, "://")
	text, _, _ = strings.Cut(text, "/")
	text, _, _ = strings.Cut(text, ":")
	return text
}

// serveKeys is the issuer of tokens.
func (d *doors) serveKeys(w http.ResponseWriter, r *http.Request) {
	var answer any = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &d.key.PublicKey, KeyID: "one", Algorithm: string(jose.RS256), Use: "sig"}}}
	if strings.HasSuffix(r.URL.Path, "openid-configuration") {
		answer = map[string]string{"issuer": d.issuer.URL, "jwks_uri": d.issuer.URL + "/keys"}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		return // the server is gone
	}
}

// all are the hosts with the path that each begins with.
func (d *doors) all() map[string]string {
	return map[string]string{d.url: "", d.http: "", d.rest: "/s"}
}

// ask sends bytes and reads one answer.
func ask(t *testing.T, text string) *platform.Reply {
	t.Helper()
	reply, err := tryAsk(text)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func tryAsk(text string) (*platform.Reply, error) {
	c, err := net.DialTimeout("tcp", server.Address, time.Minute)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return nil, err
	}
	return readReply(c)
}

func readReply(c net.Conn) (*platform.Reply, error) {
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return &platform.Reply{Status: reply.StatusCode, Header: reply.Header, Body: body}, err
}

// post is a request with a body.
func post(host, path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, host, len(body), body)
}

// chunked is the same without its length.
func chunked(host, path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", path, host, len(body), body)
}

// TestTooLargeRequests are answered by each front door as AWS answers them. Sources of
// the texts: what clients report of REST APIs and of HTTP APIs; the errors of Invoke in
// Lambda's API reference for URLs.
func TestTooLargeRequests(t *testing.T) {
	d := allDoors(t)
	const growthKiB = 200 << 10
	before := residentKiB(t)
	large, tooLarge := strings.Repeat("x", 10<<20), strings.Repeat("x", 10<<20+1)
	head := func(host, path string, size int) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nX-Filler: %s\r\n\r\n", path, host, strings.Repeat("x", size))
	}
	for name, test := range map[string]struct {
		text   string
		status int
		body   string
	}{
		"REST, a body":                {post(d.rest, "/s/x", tooLarge), 413, "HTTP content length exceeded 10485760 bytes."},
		"REST, a body without length": {chunked(d.rest, "/s/x", tooLarge), 413, "HTTP content length exceeded 10485760 bytes."},
		"REST, more than Lambda's":    {post(d.rest, "/s/x", large), 413, `{"message":"Request Too Long"}`},
		"REST, headers":               {head(d.rest, "/s/x", 10_240), 431, "HTTP header is larger than 10240 bytes."},
		"REST, many headers":          {"GET /s/x HTTP/1.1\r\nHost: " + d.rest + "\r\n" + strings.Repeat("X-A: 1234567890\r\n", 700) + "\r\n", 431, "HTTP header is larger than 10240 bytes."},
		"REST, headers that fit":      {head(d.rest, "/s/x", 10_000), 200, `{"path": "/x", "parameters": {"proxy": "x"}}`},
		"HTTP, a body":                {post(d.http, "/x", tooLarge), 413, `{"message":"Request Entity Too Large"}`},
		"HTTP, a body without length": {chunked(d.http, "/x", tooLarge), 413, `{"message":"Request Entity Too Large"}`},
		"HTTP, headers":               {head(d.http, "/x", 10_240), 431, `{"message":"Request Header Fields Too Large"}`},
		"URL, a body":                 {post(d.url, "/x", tooLarge), 413, "6291456"},
		"URL, a body without length":  {chunked(d.url, "/x", tooLarge), 413, "6291456"},
		"URL, headers":                {head(d.url, "/x", 100<<10), 431, ""},
		"a length nobody has":         {"POST /s/x HTTP/1.1\r\nHost: " + d.rest + "\r\nContent-Length: 9223372036854775807\r\n\r\nhi", 413, "HTTP content length exceeded 10485760 bytes."},
	} {
		reply := ask(t, test.text)
		if reply.Status != test.status || !bytes.Contains(reply.Body, []byte(test.body)) {
			t.Errorf("%s: %d %.200s, want %d %s", name, reply.Status, reply.Body, test.status, test.body)
		}
	}
	if grown := residentKiB(t) - before; grown > growthKiB {
		t.Errorf("the server grew by %d KiB", grown)
	}
	alive(t)
}

// TestOddPaths reach the function as they are, or nobody: none leads out of the API, and
// none is an error of ours.
func TestOddPaths(t *testing.T) {
	d := allDoors(t)
	for host, stage := range d.all() {
		for _, path := range []string{
			"/%00", "/a%00b", "/..;/x", "/a/..;/..;/x", "/%2e%2e/%2e%2e/x", "/../../x", "/./x", "//x", "///", "/a%2fb", "/a%2Fb%5c", "/%c0%af", "/%c0%ae%c0%ae/x", "/%ff%fe", "/%ed%a0%80", "/%f0%9f%98%80",
			"/%", "/%zz", "/%2", "/a?%zz=%", "/a?" + strings.Repeat("a=b&", 1000), "/" + strings.Repeat("a/", 2000), "/a;b=c", "/a b", "/\x80", "/{proxy+}", "/%7bproxy%2b%7d", "*", "/a#b", "/?a=%00&b=%0d%0a",
		} {
			reply, err := tryAsk("GET " + stage + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
			if err != nil {
				t.Errorf("%.80q: %v", path, err)
				continue
			}
			if reply.Status >= 500 || reply.Status < 200 {
				t.Errorf("%s %.80q: %d %.200s", host, path, reply.Status, reply.Body)
			}
			if reply.Status == http.StatusOK && !json.Valid(reply.Body) {
				t.Errorf("%s %.80q: %.200s", host, path, reply.Body)
			}
		}
	}
	// Not even by the path form one API answers for another, or for the platform.
	id, _, _ := strings.Cut(d.rest, ".")
	for _, path := range []string{"/..%2f..%2f_lambkin/health", "/../../_lambkin/health", "/s/../../../_lambkin/health"} {
		reply := ask(t, "GET /_aws/execute-api/"+id+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if reply.Status == http.StatusOK && !bytes.Contains(reply.Body, []byte(`"parameters"`)) {
			t.Errorf("%s: %d %.200s", path, reply.Status, reply.Body)
		}
	}
	alive(t)
}

// TestAnswersThatWouldInject are refused: by REST APIs and URLs with 502, by HTTP APIs
// with 500, and no byte of them reaches the client.
func TestAnswersThatWouldInject(t *testing.T) {
	d := allDoors(t)
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf(`"x-%d": "%s"`, i, strings.Repeat("y", 1000)))
	}
	for host, stage := range d.all() {
		for name, answer := range map[string]string{
			"a line in a value":       `{"statusCode": 200, "headers": {"x-a": "1\r\nset-cookie: evil=1"}}`,
			"a bare line feed":        `{"statusCode": 200, "headers": {"x-a": "1\nset-cookie: evil=1"}}`,
			"a bare return":           `{"statusCode": 200, "headers": {"x-a": "1\rset-cookie: evil=1"}}`,
			"the end of the head":     `{"statusCode": 200, "headers": {"x-a": "1\r\n\r\n<evil>"}}`,
			"a zero byte":             `{"statusCode": 200, "headers": {"x-a": "1\u0000"}}`,
			"a line in a name":        `{"statusCode": 200, "headers": {"x-a\r\nset-cookie: evil": "1"}}`,
			"a blank in a name":       `{"statusCode": 200, "headers": {"x a": "1"}}`,
			"a colon in a name":       `{"statusCode": 200, "headers": {"x:a": "1"}}`,
			"no name":                 `{"statusCode": 200, "headers": {"": "1"}}`,
			"a list for a value":      `{"statusCode": 200, "headers": {"x-a": ["evil"]}}`,
			"status 0":                `{"statusCode": 0}`,
			"status 100":              `{"statusCode": 100}`,
			"status 101":              `{"statusCode": 101, "headers": {"upgrade": "evil"}}`,
			"status 1000":             `{"statusCode": 1000}`,
			"a negative status":       `{"statusCode": -200}`,
			"a status of text":        `{"statusCode": "evil"}`,
			"a status beyond numbers": `{"statusCode": 1e400}`,
			"megabytes of headers":    `{"statusCode": 200, "headers": {` + strings.Join(many, ",") + `}}`,
			"a body that is no text":  `{"statusCode": 200, "body": {"evil": 1}}`,
			"no base64":               `{"statusCode": 200, "isBase64Encoded": true, "body": "%evil%", "headers": {"x-a": []}}`,
		} {
			reply := ask(t, post(host, stage+"/x", answer))
			want := http.StatusBadGateway
			if host == d.http {
				want = http.StatusInternalServerError
			}
			if reply.Status != want || reply.Header.Get("Set-Cookie") != "" || bytes.Contains(reply.Body, []byte("evil")) {
				t.Errorf("%s: %s: %d %.200s", host, name, reply.Status, reply.Body)
			}
		}
		// What frames the answer is ours, whatever the function says.
		reply := ask(t, post(host, stage+"/x", `{"statusCode": 200, "headers": {"content-length": "1", "transfer-encoding": "chunked", "connection": "upgrade", "x-a": "1"}, "body": "whole"}`))
		if reply.Status != http.StatusOK || string(reply.Body) != "whole" || reply.Header.Get("X-A") != "1" {
			t.Errorf("%s: %d %.200s", host, reply.Status, reply.Body)
		}
	}
	alive(t)
}

// TestBrokenTokens are refused with 401, the good one is not.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
func TestBrokenTokens(t *testing.T) {
	d := allDoors(t)
	claims := map[string]any{"iss": d.issuer.URL, "aud": "doors", "exp": time.Now().Add(time.Hour).Unix()}
	sign := func(algorithm jose.SignatureAlgorithm, key any, id string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := sign(jose.RS256, d.key, "one")
	parts := strings.Split(good, ".")
	public, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	head := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	secure := func(token string) *platform.Reply {
		return ask(t, "GET /secure HTTP/1.1\r\nHost: "+d.http+"\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	}
	if reply := secure(good); reply.Status != http.StatusOK {
		t.Fatalf("a good token: %d %s", reply.Status, reply.Body)
	}
	for name, token := range map[string]string{
		"none":                    head(`{"alg":"none"}`) + "." + parts[1] + ".",
		"None":                    head(`{"alg":"None","typ":"JWT"}`) + "." + parts[1] + ".",
		"none with a signature":   head(`{"alg":"none","kid":"one"}`) + "." + parts[1] + "." + parts[2],
		"the key as a secret":     sign(jose.HS256, text, "one"),
		"the bytes as a secret":   sign(jose.HS256, public, "one"),
		"another key in the head": head(`{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`) + "." + parts[1] + "." + parts[2],
		"keys from elsewhere":     head(`{"alg":"RS256","kid":"two","jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/"}`) + "." + parts[1] + "." + parts[2],
		"another algorithm":       head(`{"alg":"PS256","kid":"one"}`) + "." + parts[1] + "." + parts[2],
		"two algorithms":          head(`{"alg":"RS256","alg":"none","kid":"one"}`) + "." + parts[1] + "." + parts[2],
		"critical extensions":     head(`{"alg":"RS256","kid":"one","crit":["exp"]}`) + "." + parts[1] + "." + parts[2],
		"a hostile key id":        head(`{"alg":"RS256","kid":"../../../../etc/passwd' OR 1=1"}`) + "." + parts[1] + "." + parts[2],
		"truncated":               good[:len(good)/2],
		"without its end":         good[:len(good)-1],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"two parts":               parts[0] + "." + parts[1],
		"five parts":              good + "..",
		"dots":                    strings.Repeat(".", 5000),
		"no base64":               "%%%.%%%.%%%",
		"no JSON":                 head("x") + "." + head("y") + "." + head("z"),
		"deep JSON":               parts[0] + "." + head(strings.Repeat("[", 5000)) + "." + parts[2],
		"encrypted":               head(`{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}`) + ".a.b.c.d",
		"long":                    strings.Repeat("a", 9000),
	} {
		if reply := secure(token); reply.Status != http.StatusUnauthorized || string(reply.Body) != `{"message":"Unauthorized"}` {
			t.Errorf("%s: %d %.200s", name, reply.Status, reply.Body)
		}
	}
	// A megabyte does not fit into the head of a request.
	if reply, err := tryAsk("GET /secure HTTP/1.1\r\nHost: " + d.http + "\r\nAuthorization: Bearer " + strings.Repeat("a", 1<<20) + "\r\n\r\n"); err == nil && reply.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a megabyte: %d %.200s", reply.Status, reply.Body)
	}
	alive(t)
}

// TestThePathOfScripts leads to an API, and its neighbours to the operations of AWS.
func TestThePathOfScripts(t *testing.T) {
	d := allDoors(t)
	id, _, _ := strings.Cut(d.rest, ".")
	for path, want := range map[string]string{
		"/restapis/" + id + "/s/_user_request_/a%2Fb/c": `{"path": "/a%2Fb/c", "parameters": {"proxy": "a/b/c"}}`,
		"/restapis/" + id + "/s/_user_request_":         `{"path": "/", "parameters": null}`,
		"/restapis/" + id + "/t/_user_request_/a":       `{"message":"Forbidden"}`,
		"/restapis/" + id + "/resources":                `{"message":"Missing Authentication Token"}`,
	} {
		reply := ask(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if string(reply.Body) != want {
			t.Errorf("%s: %d %.300s", path, reply.Status, reply.Body)
		}
	}
}
