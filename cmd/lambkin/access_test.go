package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhoMayCallAServer asks the real binary as a web page that it lists, as one
// that it does not, and as a function that wants to change code.
func TestWhoMayCallAServer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	endpoint, data := serveForScripts(t, "--allow-origin", "https://listed.example", "--allow-host", "lambkin.example")
	ask := func(header, value string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+"/2015-03-31/functions/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
		r.Header.Set("X-Amz-Date", "20260101T000000Z")
		if header == "Host" {
			r.Host = value
		} else {
			r.Header.Set(header, value)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply
	}
	for _, step := range []struct {
		header, value string
		status        int
	}{
		{"Origin", "https://listed.example", 200}, {"Origin", "https://other.example", 403},
		{"Host", "lambkin.example", 200}, {"Host", "other.example", 403},
	} {
		if reply := ask(step.header, step.value); reply.StatusCode != step.status {
			t.Errorf("%s %s: %s, want %d", step.header, step.value, reply.Status, step.status)
		}
	}

	folder := t.TempDir()
	source := `
import urllib.error, urllib.request
def handler(event, context):
    sign = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
    request = urllib.request.Request("http://169.254.100.1:4566" + event, b"{}", {"Authorization": sign, "X-Amz-Date": "20260101T000000Z"}, method="PUT")
    try: return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error: return error.read().decode()
`
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	lambkin := func(args ...string) string {
		command := exec.Command(filepath.Join(filepath.Dir(data), "lambkin"), args...)
		command.Env = append(os.Environ(), "LAMBKIN_ENDPOINT="+endpoint)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("lambkin %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	lambkin("deploy", folder, "--name", "curious")
	if got := lambkin("invoke", "curious", `"/_lambkin/functions/curious/source"`); !strings.Contains(got, "Functions are not allowed here.") {
		t.Errorf("a function that changes its own source: %s", got)
	}
}
