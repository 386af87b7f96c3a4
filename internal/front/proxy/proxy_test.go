package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// request is one with something of everything.
func request(t *testing.T, method, target, contentType, body string) *Request {
	t.Helper()
	in := httptest.NewRequest(method, target, nil)
	in.Header.Add("X-Many", "1")
	in.Header.Add("X-Many", "2")
	in.Header.Set("User-Agent", "curl/8")
	in.Header.Set("X-Forwarded-For", "203.0.113.9")
	in.Header.Set("X-Amzn-Trace-Id", "forged")
	in.Header.Set("Connection", "X-Many")
	in.Header.Set("Te", "trailers")
	in.Header.Add("Cookie", "a=1; b=2")
	in.Header.Add("Cookie", "c=3")
	if contentType != "" {
		in.Header.Set("Content-Type", contentType)
	}
	return &Request{
		HTTP: in, Body: []byte(body), Path: "/my/path", PathParameters: map[string]string{"id": "7"}, StageVariables: map[string]string{"color": "blue"},
		Context: Context{
			AccountID: "000000000000", APIID: "api1", Stage: "$default", RouteKey: "GET /my/{id}", Resource: "/my/{id}", FullPath: "/prod/my/path",
			DomainName: "api1.execute-api.us-east-1.localhost", DomainPrefix: "api1", RequestID: "id-1", ExtendedRequestID: "ext=",
			Received: time.UnixMilli(1583348638390), SourceIP: "192.0.2.1", TraceID: "Root=1-2-3", Forwarded: true,
			Authorizer: map[string]any{"lambda": map[string]any{"who": "ada"}},
		},
	}
}

// strict decodes as a struct that AWS publishes; a member that it does not know is an error.
func strict[T any](t *testing.T, event []byte) T {
	t.Helper()
	var out T
	// AWS: the developer guide's events have it, the published struct of REST APIs does not.
	event = bytes.Replace(event, []byte(`"principalOrgId":null,"accessKey"`), []byte(`"accessKey"`), 1)
	d := json.NewDecoder(bytes.NewReader(event))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%v: %s", err, event)
	}
	return out
}

func TestEventV2IsThatOfAWS(t *testing.T) {
	event := request(t, "POST", "http://api1.execute-api.us-east-1.localhost:4566/my/path?p=1&p=2&q=a%20b&bad=%zz&flag", "application/json; charset=utf-8", `{"k":"<é>"}`).EventV2()
	got := strict[events.APIGatewayV2HTTPRequest](t, event)
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "GET /my/{id}", RawPath: "/my/path", RawQueryString: "p=1&p=2&q=a%20b&bad=%zz&flag", Cookies: []string{"a=1", "b=2", "c=3"},
		Headers: map[string]string{"x-many": "1,2", "user-agent": "curl/8", "host": "api1.execute-api.us-east-1.localhost:4566", "content-type": "application/json; charset=utf-8", "content-length": "12",
			"x-forwarded-for": "203.0.113.9, 192.0.2.1", "x-forwarded-port": "4566", "x-forwarded-proto": "http", "x-amzn-trace-id": "Root=1-2-3"},
		QueryStringParameters: map[string]string{"p": "1,2", "q": "a b", "bad": "%zz", "flag": ""},
		PathParameters:        map[string]string{"id": "7"}, StageVariables: map[string]string{"color": "blue"}, Body: `{"k":"<é>"}`,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "GET /my/{id}", AccountID: "000000000000", Stage: "$default", RequestID: "id-1", APIID: "api1", DomainName: "api1.execute-api.us-east-1.localhost", DomainPrefix: "api1",
			Time: "04/Mar/2020:19:03:58 +0000", TimeEpoch: 1583348638390, // AWS: the example in the developer guide
			HTTP:       events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "POST", Path: "/my/path", Protocol: "HTTP/1.1", SourceIP: "192.0.2.1", UserAgent: "curl/8"},
			Authorizer: &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{Lambda: map[string]any{"who": "ada"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
	if !bytes.Contains(event, []byte(`<é>`)) {
		t.Errorf("the body was escaped: %s", event)
	}
}

func TestEventV2LeavesOutWhatIsNotThere(t *testing.T) {
	r := &Request{HTTP: httptest.NewRequest("GET", "http://x/", nil), Path: "/", Context: Context{RouteKey: "$default"}}
	event := string(r.EventV2())
	for _, absent := range []string{"cookies", "queryStringParameters", "pathParameters", "stageVariables", `"body"`, "authorizer", "content-length"} {
		if strings.Contains(event, absent) {
			t.Errorf("%s in %s", absent, event)
		}
	}
	if !strings.Contains(event, `"rawQueryString":""`) || !strings.Contains(event, `"isBase64Encoded":false`) {
		t.Error(event)
	}
}

func TestEventURLHasAWSMembers(t *testing.T) {
	r := request(t, "GET", "http://abc.lambda-url.us-east-1.localhost/my/path", "", "")
	r.Context.Forwarded = false
	r.Context.Authorizer = (&Identity{AccessKey: "AKIA", AccountID: "111122223333", CallerID: "AIDA", UserARN: "arn:aws:iam::111122223333:user/ada", UserID: "AIDA"}).IAM()
	got := strict[events.APIGatewayV2HTTPRequest](t, r.EventURL())
	if got.Headers["x-forwarded-for"] != "192.0.2.1" || got.Headers["cookie"] != "a=1; b=2; c=3" || len(got.Cookies) != 3 || got.RequestContext.Authorizer.IAM.UserARN != "arn:aws:iam::111122223333:user/ada" {
		t.Errorf("%+v", got)
	}
	// The published struct leaves routeKey and stage out, which AWS sends.
	var url events.LambdaFunctionURLRequest
	if err := json.Unmarshal(r.EventURL(), &url); err != nil || url.RequestContext.Authorizer.IAM.AccessKey != "AKIA" || url.RequestContext.HTTP.Method != "GET" || url.RawPath != "/my/path" {
		t.Errorf("%+v, %v", url, err)
	}
}

func TestEventV1IsThatOfAWS(t *testing.T) {
	r := request(t, "POST", "https://api1.execute-api.us-east-1.localhost/my/path?p=1&p=2", "text/plain", "hi")
	r.Context.Identity = Identity{UserARN: "arn:aws:iam::1:user/ada", APIKey: "k", APIKeyID: "kid"}
	event := r.EventV1()
	got := strict[struct {
		Version string `json:"version"`
		events.APIGatewayProxyRequest
	}](t, event)
	if got.Version != "1.0" || got.Resource != "/my/{id}" || got.Path != "/my/path" || got.HTTPMethod != "POST" || got.Body != "hi" || got.IsBase64Encoded {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"1", "2"}, got.MultiValueHeaders["X-Many"]); diff != "" || got.Headers["X-Many"] != "2" || got.Headers["X-Forwarded-Proto"] != "https" || got.Headers["X-Forwarded-Port"] != "443" {
		t.Errorf("%s %v", diff, got.Headers)
	}
	if diff := cmp.Diff([]string{"1", "2"}, got.MultiValueQueryStringParameters["p"]); diff != "" || got.QueryStringParameters["p"] != "2" {
		t.Errorf("%s %v", diff, got.QueryStringParameters)
	}
	c := got.RequestContext
	if c.Path != "/prod/my/path" || c.ResourcePath != "/my/{id}" || c.RequestTime != "04/Mar/2020:19:03:58 +0000" || c.ExtendedRequestID != "ext=" || c.Identity.SourceIP != "192.0.2.1" || c.Identity.UserArn != "arn:aws:iam::1:user/ada" || c.Identity.APIKeyID != "kid" {
		t.Errorf("%+v", c)
	}
}

func TestEventV1HasNullForWhatIsNotThere(t *testing.T) {
	bare := (&Request{HTTP: httptest.NewRequest("GET", "http://x/", nil)}).EventV1()
	for _, null := range []string{"queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body", "resourceId", "cognitoIdentityId"} {
		if !bytes.Contains(bare, []byte(`"`+null+`":null`)) {
			t.Errorf("%s is not null in %s", null, bare)
		}
	}
}

func TestEventRESTEncodesWhatTheAPICallsBinary(t *testing.T) {
	r := request(t, "PUT", "http://x/my/path", "application/octet-stream", "a\xffb")
	got := strict[events.APIGatewayProxyRequest](t, r.EventREST(true))
	if got.Body != "Yf9i" || !got.IsBase64Encoded {
		t.Errorf("%q %v", got.Body, got.IsBase64Encoded)
	}
	got = strict[events.APIGatewayProxyRequest](t, r.EventREST(false))
	if got.Body != "a\ufffdb" || got.IsBase64Encoded {
		t.Errorf("%q %v", got.Body, got.IsBase64Encoded)
	}
}

// TestWhichBodiesAreText has what was seen on AWS: an issue of ministack (pull
// request 766) lists it.
func TestWhichBodiesAreText(t *testing.T) {
	for contentType, text := range map[string]bool{
		"": false, "text/plain": true, "TEXT/HTML; charset=utf-8": true, "application/json": true, "application/xml": true, "application/javascript": true,
		"application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false, "image/png": false, "application/vnd.api+json": false,
	} {
		got := strict[events.APIGatewayV2HTTPRequest](t, request(t, "POST", "http://x/", contentType, "body").EventV2())
		if got.IsBase64Encoded == text || text && got.Body != "body" || !text && got.Body != "Ym9keQ==" {
			t.Errorf("%q: %q %v", contentType, got.Body, got.IsBase64Encoded)
		}
	}
	if got := strict[events.APIGatewayV2HTTPRequest](t, request(t, "POST", "http://x/", "text/plain", "\xff").EventV2()); !got.IsBase64Encoded {
		t.Error("a text that is no UTF-8 was not encoded")
	}
}

func TestAnswers(t *testing.T) {
	const plain, object = "text/plain;charset=UTF-8", "application/json"
	for _, c := range []struct {
		forms   []Form
		payload string
		status  int // 0: malformed
		kind    string
		body    string
	}{
		// AWS: the tables of https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
		{[]Form{URL, V2}, `"Hello, world!"`, 200, object, "Hello, world!"},
		{[]Form{URL, V2}, `{"message": "Hello, world!"}`, 200, object, `{"message":"Hello, world!"}`},
		{[]Form{URL, V2}, `["hello", 3, true]`, 200, object, `["hello",3,true]`},
		{[]Form{URL, V2}, `3`, 200, object, `3`},
		{[]Form{URL, V2}, `null`, 200, object, `null`},
		{[]Form{URL, V2}, `not json`, 0, "", ""},
		{[]Form{URL, V2}, ``, 0, "", ""},
		{[]Form{URL}, `{"statusCode": 201, "body": "x"}`, 201, object, "x"},
		{[]Form{V2, V1}, `{"statusCode": 201, "body": "x"}`, 201, plain, "x"},
		{[]Form{REST}, `{"statusCode": 201, "body": "x"}`, 201, object, "x"},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": "404", "headers": {"content-type": "text/html", "x-n": 5, "x-b": true, "x-null": null}, "body": "<p>"}`, 404, "text/html", "<p>"},
		{[]Form{URL, V2, V1}, `{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true, "headers": {"Content-Type": "image/png"}}`, 200, "image/png", "hi"},
		{[]Form{REST}, `{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true, "headers": {"Content-Type": "image/png"}}`, 200, "image/png", "aGk="},
		{[]Form{URL, V2, V1}, `{"statusCode": 200, "body": "no base64!", "isBase64Encoded": true}`, 0, "", ""},
		{[]Form{URL, V2, V1}, `{"statusCode": 200, "unknown": 1}`, 200, "", ""},
		{[]Form{REST}, `{"statusCode": 200, "unknown": 1}`, 0, "", ""},
		{[]Form{REST}, `{"statusCode": 200, "cookies": ["a=1"]}`, 0, "", ""},
		{[]Form{V1, REST}, `{"body": "x"}`, 200, "", "x"},
		{[]Form{V1, REST}, `"text"`, 0, "", ""},
		{[]Form{V1, REST}, `[1]`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200, "body": {"a": 1}}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 99}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 101}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 1000}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": "ok"}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200} {}`, 0, "", ""},
		// What would write more than its header.
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200, "headers": {"X-A": "1\r\nSet-Cookie: evil=1"}}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200, "headers": {"X-A: 1\r\nX-B": "1"}}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200, "headers": {"": "1"}}`, 0, "", ""},
		{[]Form{URL, V2, V1, REST}, `{"statusCode": 200, "headers": {"X-A": ["1"]}}`, 0, "", ""},
		{[]Form{URL, V2}, `{"statusCode": 200, "cookies": ["a=1\r\nX: y"]}`, 0, "", ""},
		{[]Form{V1, REST}, `{"statusCode": 200, "multiValueHeaders": {"X-A": ["1", "2\n"]}}`, 0, "", ""},
	} {
		for _, form := range c.forms {
			a, err := Parse(form, []byte(c.payload))
			if (err == nil) != (c.status != 0) {
				t.Errorf("%d %s: %v", form, c.payload, err)
				continue
			}
			if err == nil && (a.Status != c.status || string(a.Body) != c.body || c.kind != "" && a.Header.Get("Content-Type") != c.kind) {
				t.Errorf("%d %s: %d %s %q", form, c.payload, a.Status, a.Header.Get("Content-Type"), a.Body)
			}
		}
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	const payload = `{"statusCode": 200, "headers": {"X-A": "1", "x-b": "2", "Date": "never", "Server": "mine", "Transfer-Encoding": "chunked", "Content-Length": "99", "Connection": "close", "WWW-Authenticate": "Basic"},
		"multiValueHeaders": {"x-a": ["3", "4"], "Set-Cookie": ["a=1", "b=2"]}}`
	common := http.Header{"X-B": {"2"}, "X-A": {"3", "4"}, "Set-Cookie": {"a=1", "b=2"}}
	for form, more := range map[Form]http.Header{
		V1:   {"Content-Type": {"text/plain;charset=UTF-8"}, "Www-Authenticate": {"Basic"}},
		REST: {"Content-Type": {"application/json"}, "X-Amzn-Remapped-Date": {"never"}, "X-Amzn-Remapped-Server": {"mine"}, "X-Amzn-Remapped-Connection": {"close"}, "X-Amzn-Remapped-Www-Authenticate": {"Basic"}},
	} {
		a, err := Parse(form, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range common {
			more[name] = values
		}
		if diff := cmp.Diff(more, a.Header); diff != "" {
			t.Errorf("form %d (-want +got):\n%s", form, diff)
		}
	}
	a, err := Parse(V2, []byte(`{"statusCode": 204, "headers": {"Set-Cookie": "x=0"}, "cookies": ["a=1; Path=/", "b=2"], "multiValueHeaders": {"X-No": ["1"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Write(w)
	if diff := cmp.Diff([]string{"x=0", "a=1; Path=/", "b=2"}, w.Header()["Set-Cookie"]); diff != "" || w.Header().Get("X-No") != "" || w.Code != 204 || w.Header().Get("Content-Length") != "" {
		t.Errorf("%s %v", diff, w.Header())
	}
}

// FuzzParse looks for answers that would write more than they say.
func FuzzParse(f *testing.F) {
	for _, payload := range []string{`{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"c":["d"]},"cookies":["e=f"],"body":"g","isBase64Encoded":false}`, `"x"`, `[`, `{"statusCode":"200"}`, `{"statusCode":2e2}`} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		for _, form := range []Form{URL, V2, V1, REST} {
			a, err := Parse(form, []byte(payload))
			if err != nil {
				continue
			}
			if a.Status < minStatus || a.Status > maxStatus {
				t.Errorf("status %d of %q", a.Status, payload)
			}
			for name, values := range a.Header {
				if !validName(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("header %q %q of %q", name, values, payload)
				}
			}
			a.Write(httptest.NewRecorder())
		}
	})
}
