// Package readme runs every command of the README as a reader would: the demo
// in one terminal, the other blocks in a second one; and it compares the figures
// that the README quotes with docs/benchmarks.md. Start reading at TestReadme.
package readme

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/clients"
)

// Bounds of one block and of the demo's way to its last line.
const (
	blockTimeout = 3 * time.Minute
	demoTimeout  = 5 * time.Minute
)

// block is one fenced piece of the README.
type block struct{ language, text string }

func blocks(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := []block{}
	for _, match := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, block{match[1], match[2]})
	}
	return found
}

// TestReadme runs the blocks in their order. They name the default port, which
// may be taken on the machine of the test: a free one stands for it.
func TestReadme(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the README's commands need root; run the tests as root")
	}
	installed, err := clients.Install(t.Context(), "../../.cache", t.TempDir(), clients.AWS)
	if err != nil {
		t.Fatal(err)
	}
	tools := installed.Bin
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	scratch := t.TempDir()
	if err := os.Chmod(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "LAMBKIN_LISTEN="+address, "LAMBKIN_ENDPOINT=http://"+address,
		"LAMBKIN_DATA="+filepath.Join(scratch, "data"))
	expected := map[int]string{ // block -> what its output must show
		2: `"hello": "Ada"`,
		3: "42",
		4: `"words": 6`,
	}
	found := blocks(t)
	if len(found) != 5 {
		t.Fatalf("the README has %d blocks; this test knows 5", len(found))
	}
	startDemo(t, root, environment, found[0].text)
	if strings.TrimSpace(found[1].text) != "./check" {
		t.Fatalf("the second command is %q, not ./check, which runs this test", found[1].text)
	}
	for i, b := range found[2:] {
		text := strings.ReplaceAll(b.text, "127.0.0.1:4566", address)
		folder := scratch
		if strings.Contains(text, "./cmd/lambkin") {
			folder = root // the reader is in the checkout
			text = strings.ReplaceAll(text, "-o lambkin ", "-o "+filepath.Join(scratch, "lambkin")+" ")
			text = strings.ReplaceAll(text, "./lambkin ", filepath.Join(scratch, "lambkin")+" ")
		}
		args := []string{"bash", "-euo", "pipefail", "-c", text}
		if b.language == "python" {
			args = []string{filepath.Join(tools, "python"), "-c", text}
		}
		ctx, cancel := context.WithTimeout(t.Context(), blockTimeout)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = folder, environment
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("block %d failed: %v\n%s\n%s", i+2, err, text, out)
		}
		if want := expected[i+2]; !strings.Contains(string(out), want) {
			t.Errorf("block %d does not show %q:\n%s", i+2, want, out)
		}
	}
}

// startDemo runs the command until it says that it serves; it ends with the test.
func startDemo(t *testing.T, root string, environment []string, command string) {
	t.Helper()
	demo := exec.Command("bash", "-c", "exec "+strings.TrimSpace(command))
	demo.Dir, demo.Env = root, environment
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run has a child, which must get the signal too
	demo.Stderr = os.Stderr
	output, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-demo.Process.Pid, syscall.SIGINT)
		demo.Wait() // go run reports the signal as a failure
	})
	timer := time.AfterFunc(demoTimeout, func() { syscall.Kill(-demo.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	shown := strings.Builder{}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		shown.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "The platform runs at ") {
			for _, want := range []string{`"greeting": "Hello, Ada!"`, `"words": 12`, `"greeting": "Hello, Grace!"`, "| REPORT RequestId: ", "cold start included"} {
				if !strings.Contains(shown.String(), want) {
					t.Errorf("the demo does not show %q:\n%s", want, &shown)
				}
			}
			return
		}
	}
	t.Fatalf("the demo ended early:\n%s", &shown)
}

// TestQuotedFiguresAreTheMeasuredOnes keeps the README's figures in one place:
// each row of its table is a row of docs/benchmarks.md.
func TestQuotedFiguresAreTheMeasuredOnes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	measured, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "## Measured\n")
	if !found {
		t.Fatal("the README has no section Measured")
	}
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		rows++
		if !strings.Contains(string(measured), line) {
			t.Errorf("docs/benchmarks.md does not have this row of the README; copy it from there: %s", line)
		}
	}
	if rows == 0 {
		t.Error("the README quotes no figures")
	}
}
