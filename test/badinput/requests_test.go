package badinput

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

const functions = "/2015-03-31/functions"

// create is a CreateFunction body with one member replaced or added as raw JSON.
func create(t *testing.T, member, raw string) []byte {
	t.Helper()
	archive, err := platform.Zip(map[string]string{"app.py": "def handler(event, context):\n    return 1\n"})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]string{
		"FunctionName": `"bad"`, "Runtime": `"python3.14"`, "Handler": `"app.handler"`,
		"Role": `"arn:aws:iam::000000000000:role/test"`,
		"Code": fmt.Sprintf(`{"ZipFile": %q}`, base64.StdEncoding.EncodeToString(archive)),
	}
	members[member] = raw
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", name, value))
		}
	}
	return []byte("{" + strings.Join(parts, ", ") + "}")
}

func TestBadRequestsGetTheAWSError(t *testing.T) {
	notAZip := fmt.Sprintf(`{"ZipFile": %q}`, base64.StdEncoding.EncodeToString([]byte("this is no zip")))
	tests := []struct {
		name, method, path string
		body               []byte
		status             int
		code               string
		contains           string
	}{
		{"malformed JSON", "POST", functions, []byte(`{"FunctionName": `), 400, "SerializationException", ""},
		{"no JSON object", "POST", functions, []byte(`[1, 2]`), 400, "SerializationException", ""},
		{"wrong type", "POST", functions, create(t, "MemorySize", `"much"`), 400, "SerializationException", ""},
		{"deep nesting", "POST", functions, []byte(strings.Repeat("[", 100_000)), 400, "SerializationException", ""},
		{"memory too small", "POST", functions, create(t, "MemorySize", "64"), 400, "ValidationException",
			"1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		{"unknown runtime", "POST", functions, create(t, "Runtime", `"python2.6"`), 400, "", "python2.6"},
		{"bad role", "POST", functions, create(t, "Role", `"root"`), 400, "ValidationException", "failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::"},
		{"no role", "POST", functions, create(t, "Role", ""), 400, "ValidationException", "'role' failed to satisfy constraint: Member must not be null"},
		{"broken zip", "POST", functions, create(t, "Code", notAZip), 400, "InvalidParameterValueException",
			"Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"no such function", "POST", platform.InvokePath("nobody"), []byte("{}"), 404, "ResourceNotFoundException",
			"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody:$LATEST"},
		{"no such function to read", "GET", functions + "/nobody", nil, 404, "ResourceNotFoundException",
			"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"},
		{"event that is no JSON", "POST", platform.InvokePath("canary"), []byte("{nope"), 400, "InvalidRequestContentException",
			"Could not parse request body into json: "},
		{"event too large", "POST", platform.InvokePath("canary"), []byte(`"` + strings.Repeat("x", 6<<20) + `"`), 413, "", "6291456"},
		{"unknown path", "GET", "/2015-03-31/nonsense", nil, 404, "", ""},
		{"path traversal in a name", "GET", functions + "/..%2F..%2Fetc", nil, 400, "ValidationException", "functionName"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reply, err := server.Call(t.Context(), test.method, test.path, test.body)
			if err != nil {
				t.Fatal(err)
			}
			code, _, _ := strings.Cut(reply.Header.Get("X-Amzn-Errortype"), ":")
			if reply.Status != test.status || (test.code != "" && code != test.code) || !bytes.Contains(reply.Body, []byte(test.contains)) {
				t.Errorf("got %d %s %.500s\nwant %d %s …%s…", reply.Status, code, reply.Body, test.status, test.code, test.contains)
			}
			if reply.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
			alive(t)
		})
	}
}

func TestUnknownMembersAreIgnored(t *testing.T) {
	body := bytes.Replace(create(t, "NewestThing", `{"Deep": [1]}`), []byte(`"bad"`), []byte(`"unknown-members"`), 1)
	reply, err := server.Call(t.Context(), "POST", functions, body)
	if err != nil || reply.Status != http.StatusCreated {
		t.Fatalf("%+v, %v", reply, err)
	}
}

func TestUnknownServiceAndOperationAreRefusedAtOnceWithA4xx(t *testing.T) {
	tests := []struct {
		name, service, path, contentType, target, body string
	}{
		{"rest-json service", "batch", "/v1/describejobs", "application/json", "", "{}"},
		{"json service", "kinesis", "/", "application/x-amz-json-1.1", "Kinesis_20131202.DescribeLimits", "{}"},
		{"json operation", "logs", "/", "application/x-amz-json-1.1", "Logs_20140328.InventedOperation", "{}"},
		{"query service", "autoscaling", "/", "application/x-www-form-urlencoded", "", "Action=DescribeAutoScalingGroups&Version=2011-01-01"},
		{"rest-xml service", "cloudfront", "/2020-05-31/distribution", "application/xml", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{"Content-Type": {test.contentType}}
			if test.target != "" {
				header.Set("X-Amz-Target", test.target)
			}
			reply, err := server.CallService(t.Context(), test.service, "POST", test.path, header, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if reply.Status < 400 || reply.Status > 499 {
				t.Errorf("status %d, want 4xx: clients retry a 5xx for minutes; body %.300s", reply.Status, reply.Body)
			}
		})
	}
}
