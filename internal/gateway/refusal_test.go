package gateway

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

var update = flag.Bool("update", false, "rewrite the golden replies")

// unwelcome is a request that gets an error common to all operations.
type unwelcome struct {
	name, service, method, path string
	body                        string
	header                      []string
	change                      func(*http.Request) // after signing
	creds                       sigv4.Credentials   // ada's when empty
}

const form = "application/x-www-form-urlencoded; charset=utf-8"

func drop(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }

func edit(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
	}
}

var (
	jsonBody       = []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "Logs_20140328.DescribeLogGroups"}
	cborBody       = []string{"Content-Type", "application/cbor", "Smithy-Protocol", "rpc-v2-cbor", "Accept", "application/cbor"}
	formBodyHeader = []string{"Content-Type", form}
	stranger       = sigv4.Credentials{AccessKeyID: "AKIASTRANGER", SecretAccessKey: "x"}
)

// unwelcomes are answered as testdata/replies.txt says.
var unwelcomes = []unwelcome{
	// Unknown services.
	{name: "unknown rest-json service", service: "batch", method: "POST", path: "/v1/describejobs", body: "{}", header: []string{"Content-Type", "application/json"}},
	{name: "unknown json service", service: "kinesis", method: "POST", path: "/", body: "{}", header: []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "Kinesis_20131202.DescribeLimits"}},
	{name: "unknown query service", service: "autoscaling", method: "POST", path: "/", body: "Action=DescribeAutoScalingGroups&Version=2011-01-01", header: formBodyHeader},
	{name: "unknown rest-xml service", service: "cloudfront", method: "GET", path: "/2020-05-31/distribution"},
	{name: "s3", service: "s3", method: "GET", path: "/bucket/key"},
	{name: "unknown cbor service", service: "monitoring", method: "POST", path: "/service/Nope/operation/Do", header: cborBody},
	{name: "target without a dot", service: "logs", method: "POST", path: "/", body: "{}", header: []string{"X-Amz-Target", "nonsense"}},
	// Unknown operations.
	{name: "unknown rest-json operation", service: "lambda", method: "GET", path: "/2015-03-31/nonsense"},
	{name: "unknown rest-json method", service: "lambda", method: "PATCH", path: "/2015-03-31/functions/f"},
	{name: "root of a rest-json service", service: "lambda", method: "GET", path: "/"},
	{name: "unknown json operation", service: "logs", method: "POST", path: "/", body: "{}", header: []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "Logs_20140328.InventedOperation"}},
	{name: "json service without a target", service: "logs", method: "POST", path: "/", body: "{}"},
	{name: "unknown query operation", service: "sts", method: "POST", path: "/", body: "Action=InventedAction&Version=2011-06-15", header: formBodyHeader},
	{name: "query without an action", service: "sts", method: "POST", path: "/", body: "Version=2011-06-15", header: formBodyHeader},
	{name: "query by GET", service: "sts", method: "GET", path: "/?Action=InventedAction&Version=2011-06-15"},
	// In the model, not implemented.
	{name: "rest-json operation that is not implemented", service: "lambda", method: "DELETE", path: "/2015-03-31/functions/f"},
	{name: "json operation that is not implemented", service: "logs", method: "POST", path: "/", body: "{}", header: []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "Logs_20140328.DescribeDestinations"}},
	{name: "query operation that is not implemented", service: "sts", method: "POST", path: "/", body: "Action=GetFederationToken&Version=2011-06-15&Name=ada", header: formBodyHeader},
	// Signatures, by protocol.
	{name: "rest-json without signature", service: "lambda", method: "POST", path: invoke, change: drop("Authorization")},
	{name: "json without signature", service: "logs", method: "POST", path: "/", body: "{}", header: jsonBody, change: drop("Authorization")},
	{name: "query without signature", service: "sts", method: "POST", path: "/", body: "Action=GetCallerIdentity&Version=2011-06-15", header: formBodyHeader, change: drop("Authorization")},
	{name: "unsigned query operation", service: "sts", method: "POST", path: "/", body: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15", header: formBodyHeader, change: drop("Authorization")},
	{name: "unsigned query operation by a link without a version", service: "sts", method: "GET", path: "/?Action=AssumeRoleWithWebIdentity", change: drop("Authorization")},
	{name: "rest-json with a wrong signature", service: "lambda", method: "POST", path: invoke, creds: intruder},
	{name: "json with a wrong signature", service: "logs", method: "POST", path: "/", body: "{}", header: jsonBody, creds: intruder},
	{name: "query with a wrong signature", service: "sts", method: "POST", path: "/", body: "Action=GetCallerIdentity&Version=2011-06-15", header: formBodyHeader, creds: intruder},
	{name: "rest-json with an unknown key", service: "lambda", method: "POST", path: invoke, creds: stranger},
	{name: "json with an unknown key", service: "logs", method: "POST", path: "/", body: "{}", header: jsonBody, creds: stranger},
	{name: "query with an unknown key", service: "sts", method: "POST", path: "/", body: "Action=GetCallerIdentity&Version=2011-06-15", header: formBodyHeader, creds: stranger},
	{name: "rest-json with half an Authorization", service: "lambda", method: "POST", path: invoke, change: edit("Signature=", "Nothing=")},
	{name: "json for another service's scope", service: "lambda", method: "POST", path: "/", body: "{}", header: jsonBody},
	{name: "bad region", service: "lambda", method: "POST", path: invoke, change: edit("eu-west-1", "EU.WEST")},
	{name: "signature of version 2", service: "lambda", method: "POST", path: invoke, change: func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIAADA:c2lnbmF0dXJl") }},
}

// changing are the headers that differ from reply to reply.
var changing = []string{"Date", "X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Id-2", "Content-Length"}

// golden is a reply as the golden file has it.
func golden(name string, got answer) string {
	var out strings.Builder
	fmt.Fprintf(&out, "== %s\n%d\n", name, got.status)
	var names []string
	for name := range got.header {
		if !slices.Contains(changing, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&out, "%s: %s\n", name, got.header.Get(name))
	}
	body := got.body
	if id := requestID(got); id != "" {
		body = strings.ReplaceAll(body, id, "REQUEST-ID")
	}
	if id := got.header.Get("X-Amz-Id-2"); id != "" {
		body = strings.ReplaceAll(body, id, "HOST-ID")
	}
	if got.header.Get("Content-Type") == "application/cbor" {
		body = fmt.Sprintf("%q", body)
	}
	fmt.Fprintf(&out, "\n%s\n\n", strings.TrimSpace(body))
	return out.String()
}

// requestID is in another header for S3.
func requestID(got answer) string {
	return cmp.Or(got.header.Get("X-Amzn-Requestid"), got.header.Get("X-Amz-Request-Id"))
}

// TestErrorsCommonToAllOperations compares whole replies with the golden file.
func TestErrorsCommonToAllOperations(t *testing.T) {
	s := start(t, false)
	var all strings.Builder
	for _, u := range unwelcomes {
		if u.creds.AccessKeyID == "" {
			u.creds = ada
		}
		r := sign(s.request(u.method, u.path, []byte(u.body), u.header...), u.creds, u.service, []byte(u.body))
		if u.change != nil {
			u.change(r)
		}
		got := s.send(r)
		if got.status < 400 || got.status > 499 && got.status != 413 {
			t.Errorf("%s: status %d: clients repeat a 5xx for minutes", u.name, got.status)
		}
		id := requestID(got)
		if len(id) != 36 {
			t.Errorf("%s: request id %q", u.name, id)
		}
		all.WriteString(golden(u.name, got))
	}
	file := filepath.Join("testdata", "replies.txt")
	if *update {
		if err := os.WriteFile(file, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wanted, got := strings.Split(string(want), "== "), strings.Split(all.String(), "== ")
	if len(wanted) != len(got) {
		t.Errorf("%d replies, golden file has %d", len(got), len(wanted))
	}
	for i := range min(len(wanted), len(got)) {
		if wanted[i] != got[i] {
			t.Errorf("got\n%s\nwant\n%s", got[i], wanted[i])
		}
	}
}

func TestAccountOfAnUnverifiedKeyNeverReachesAConfiguredOne(t *testing.T) {
	// Outside development mode nothing but configured keys and our own tokens is
	// accepted, whatever the request says.
	s := start(t, false)
	for _, creds := range []sigv4.Credentials{{AccessKeyID: adaAccount}, tester, {AccessKeyID: "ASIAFORGED", SecretAccessKey: "x", SessionToken: "lmb1.AAAA"}} {
		if got := s.call(creds, "lambda", "POST", invoke, []byte("{}")); got.status != 403 || got.code() != "UnrecognizedClientException" {
			t.Errorf("%s: %+v", creds.AccessKeyID, got)
		}
	}
	if s.lambda.last().RequestID != "" {
		t.Error("a refused call reached the operation")
	}
}

// AWS: https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html has the code.
func TestFullDiskIsUnavailable(t *testing.T) {
	s := start(t, true)
	for _, name := range []string{"busy", "failed"} {
		if got := s.call(tester, "lambda", "GET", "/2015-03-31/functions/"+name, nil); got.status != 503 || got.code() != "ServiceUnavailableException" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for range 3 {
		if got := s.call(tester, "lambda", "GET", "/2015-03-31/functions/full", nil); got.status != 503 || got.code() != "ServiceUnavailableException" {
			t.Errorf("%+v", got)
		}
	}
	if n := strings.Count(s.log.String(), "the disk is full"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, s.log)
	}
}
