package tools

import (
	"regexp"
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
)

// TestSAM takes the official hello-world project from source to an answering URL,
// changes it, breaks it, mends it and removes it.
func TestSAM(t *testing.T) {
	sam := install(t, clients.SAM)
	p := newProject(t, sam.Bin)
	// Without a network SAM takes the template that its own package brings.
	p.run("", "sam", "init", "--no-interactive", "--name", "hello", "--runtime", "python3.14", "--dependency-manager", "pip", "--app-template", "hello-world")
	p.run("hello", "sam", "build")
	out := p.run("hello", "sam", "deploy", "--resolve-s3", "--stack-name", "hello", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset")
	p.contains(out, "Successfully created/updated stack - hello")
	url := regexp.MustCompile(`https?://\S+/hello/?`).FindString(out)
	if status, body := p.get(url); status != 200 {
		t.Errorf("%s answers %d %s", url, status, body)
	} else {
		p.contains(body, "hello world")
	}
}
