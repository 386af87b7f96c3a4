// Package tools deploys real projects with the deployment tools that Lambda's
// users have, unmodified, from their packages, with nothing but AWS_ENDPOINT_URL:
// what they say and what they leave must be what AWS would give.
//
// The tools are installed once, into .cache of the repository (test/clients).
// Each test has a server of its own and a project folder of its own. They take
// minutes and run only when they are asked for: ./check tools, ./check all, or
//
//	go test ./test/tools -args -tools
//
// Start reading at newProject.
package tools

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/clients"
	"github.com/lambkin-dev/lambkin/test/platform"
)

var wanted = flag.Bool("tools", os.Getenv("LAMBKIN_TOOLS") == "1", "run the deployment tools: minutes, and packages of a gigabyte")

const (
	cache       = "../../.cache"
	toolTimeout = 10 * time.Minute // of one command: the CDK compiles its library first
	patience    = time.Minute      // for what follows a deployment
)

// project is a folder of a user with one tool, and the server that it deploys to.
type project struct {
	t       *testing.T
	server  *platform.Platform
	folder  string
	environ []string
	hand    []string // environ of the test's own hand, the AWS command line
	answer  string   // to what the tool asks
}

// newProject starts a server. path are the folders of the tool's commands.
func newProject(t *testing.T, path ...string) *project {
	t.Helper()
	return startProject(t, nil, path)
}

// newStrictProject starts a server that decides each call by policies, where the
// tool speaks TLS only and has the rights of nobody until it has become a user (as).
func newStrictProject(t *testing.T, path ...string) *project {
	t.Helper()
	p := startProject(t, []string{"--iam=enforce", "--tls=127.0.0.1:0"}, path)
	secure := regexp.MustCompile(`https://127\.0\.0\.1:(\d+)`).FindStringSubmatch(p.server.Log())
	if secure == nil {
		t.Fatalf("the server tells no address with TLS:\n%s", p.server.Log())
	}
	p.environ = append(slices.Clone(p.environ), "AWS_ENDPOINT_URL=https://localhost:"+secure[1], "AWS_CA_BUNDLE="+filepath.Join(p.server.Data, "tls", "ca.pem"),
		"AWS_ACCESS_KEY_ID=AKIANOBODYNOBODYNOBO", "AWS_SECRET_ACCESS_KEY=none")
	return p
}

func startProject(t *testing.T, serve, path []string) *project {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root to isolate functions")
	}
	folder := t.TempDir()
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	server, err := platform.Start(context.Background(), binary, folder, serve...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("log of the server:\n" + server.Log())
		}
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &project{t: t, server: server, folder: filepath.Join(folder, "project")}
	if err := os.Mkdir(p.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	p.environ = []string{
		"PATH=" + strings.Join(append(path, "/usr/local/bin", "/usr/bin", "/bin"), ":"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "CI=true",
		"AWS_ENDPOINT_URL=http://" + server.Address, "AWS_DEFAULT_REGION=" + platform.Region, "AWS_REGION=" + platform.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + platform.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + platform.Key.SecretAccessKey,
		"SAM_CLI_TELEMETRY=0", "CDK_DISABLE_CLI_TELEMETRY=true", "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off",
	}
	p.hand = p.environ
	return p
}

// as makes the tool a user with that inline policy, if it is not empty, and AWS's
// managed policies of those names.
func (p *project) as(user, policy string, managed ...string) {
	p.t.Helper()
	p.aws("iam", "create-user", "--user-name", user)
	if policy != "" {
		p.aws("iam", "put-user-policy", "--user-name", user, "--policy-name", "own", "--policy-document", policy)
	}
	for _, name := range managed {
		p.aws("iam", "attach-user-policy", "--user-name", user, "--policy-arn", "arn:aws:iam::aws:policy/"+name)
	}
	key := strings.Fields(p.aws("iam", "create-access-key", "--user-name", user, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
	p.environ = append(slices.Clone(p.environ), "AWS_ACCESS_KEY_ID="+key[0], "AWS_SECRET_ACCESS_KEY="+key[1])
}

// install brings a set of Python packages; its commands are in the folder returned.
func install(t *testing.T, set clients.Set) *clients.Clients {
	t.Helper()
	if !*wanted {
		t.Skip("SKIPPED: the deployment tools run with ./check tools or all (go test ./test/tools -args -tools)")
	}
	c, err := clients.Install(t.Context(), cache, t.TempDir(), set)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// installNode brings Node.js and the tools on it.
func installNode(t *testing.T) []string {
	t.Helper()
	if !*wanted {
		t.Skip("SKIPPED: the deployment tools run with ./check tools or all (go test ./test/tools -args -tools)")
	}
	n, err := clients.InstallNode(t.Context(), cache, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return n.Bin
}

// write writes a file of the project.
func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// read reads a file of the project.
func (p *project) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// replace changes a file of the project as an editor would.
func (p *project) replace(name, before, after string) {
	p.t.Helper()
	text := p.read(name)
	if !strings.Contains(text, before) {
		p.t.Fatalf("%s does not have %q:\n%s", name, before, text)
	}
	p.write(name, strings.ReplaceAll(text, before, after))
}

// run runs a command of the tool in a folder of the project; it must succeed.
func (p *project) run(folder, name string, args ...string) string {
	p.t.Helper()
	out, err := p.try(folder, name, args...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// fail runs a command that must fail, and gives what it said.
func (p *project) fail(folder, name string, args ...string) string {
	p.t.Helper()
	out, err := p.try(folder, name, args...)
	if err == nil {
		p.t.Fatalf("%s %s succeeded:\n%s", name, strings.Join(args, " "), out)
	}
	return out
}

func (p *project) try(folder, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), toolTimeout)
	defer cancel()
	path, err := lookPath(p.environ, name)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	command := exec.CommandContext(ctx, path, args...)
	command.Dir, command.Env, command.WaitDelay = filepath.Join(p.folder, folder), p.environ, 10*time.Second
	if name == "aws" {
		command.Env = p.hand
	}
	command.Stdin = strings.NewReader(p.answer)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err = command.Run()
	p.t.Logf("%s %s: %s", name, strings.Join(args, " "), time.Since(begin).Round(time.Millisecond))
	return out.String(), err
}

// lookPath finds a command in the PATH that the tools get, not in that of the test.
func lookPath(environ []string, name string) (string, error) {
	for _, folder := range filepath.SplitList(strings.TrimPrefix(environ[0], "PATH=")) {
		if path := filepath.Join(folder, name); executable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", name, environ[0])
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// get asks a URL that a deployment told; names of this machine's own need no DNS.
func (p *project) get(url string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	// The names end in localhost or are AWS's own: both lead to the server here.
	host := request.URL.Host
	request.URL.Scheme, request.URL.Host, request.Host = "http", p.server.Address, host
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

// contains fails the test unless all words are in the text.
func (p *project) contains(text string, words ...string) {
	p.t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			p.t.Errorf("%q is missing in:\n%s", word, text)
		}
	}
}

// answers fails the test unless a GET of the URL has that status and body.
func (p *project) answers(url string, status int, body string) {
	p.t.Helper()
	if gotStatus, got := p.get(url); gotStatus != status || got != body {
		p.t.Errorf("%s answers %d %s, want %d %s", url, gotStatus, got, status, body)
	}
}

// says fails the test unless a GET of the URL succeeds with that word in its body.
func (p *project) says(url, word string) {
	p.t.Helper()
	if status, body := p.get(url); status != http.StatusOK || !strings.Contains(body, word) {
		p.t.Errorf("%s answers %d %s, want %q in it", url, status, body, word)
	}
}

// nothingLeft fails the test if a tool that removed everything left a function.
func (p *project) nothingLeft() {
	p.t.Helper()
	if left := trimmed(p.aws("lambda", "list-functions", "--query", "length(Functions)", "--output", "text")); left != "0" {
		p.t.Errorf("%s functions are left", left)
	}
}

// eventually runs a command until it says the word.
func (p *project) eventually(word, folder, name string, args ...string) {
	p.t.Helper()
	var out string
	for begin := time.Now(); time.Since(begin) < patience; {
		var err error
		if out, err = p.try(folder, name, args...); err == nil && strings.Contains(out, word) {
			return
		}
	}
	p.t.Errorf("%q was never said by %s %s:\n%s", word, name, strings.Join(args, " "), out)
}

// aws runs the AWS command line, as the root of the account.
//
// AWS: its version 1 takes no AWS_ENDPOINT_URL for SQS in us-east-1, where it has
// legacy names of its own (awscli/customizations/overridesslcommonname.py).
func (p *project) aws(args ...string) string {
	p.t.Helper()
	if args[0] == "sqs" {
		args = append(args, "--endpoint-url", "http://"+p.server.Address)
	}
	return p.run("", "aws", args...)
}

// queue is the URL of a queue by its name.
func (p *project) queue(name string) string {
	p.t.Helper()
	return trimmed(p.aws("sqs", "get-queue-url", "--queue-name", name, "--query", "QueueUrl", "--output", "text"))
}

func trimmed(text string) string { return strings.TrimSpace(text) }

// onlyAssets tells whether a list of buckets has none but that of the CDK's own.
func onlyAssets(list string) bool {
	for line := range strings.Lines(list) {
		if !strings.Contains(line, " cdk-hnb659fds-assets-") {
			return false
		}
	}
	return true
}
