package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/server"
)

// run is the output of a command line.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := root()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(args)
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

// The certificate of a server with TLS is found in its data folder, or named.
func TestCommandsFindTheCertificateOfAServer(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"Functions": []}`)) }))
	defer s.Close()
	folder := t.TempDir()
	file := server.AuthorityFile(folder)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", "")
	t.Setenv("LAMBKIN_DATA", t.TempDir())
	if _, err := run(t, "functions", "--endpoint", s.URL); err == nil || !strings.Contains(err.Error(), "--ca-bundle") {
		t.Errorf("a server that is not known: %v", err)
	}
	if _, err := run(t, "functions", "--endpoint", s.URL, "--ca-bundle", file); err != nil {
		t.Errorf("named: %v", err)
	}
	if _, err := run(t, "functions", "--endpoint", s.URL, "--ca-bundle", os.DevNull); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("a file without: %v", err)
	}
	t.Setenv("LAMBKIN_DATA", folder)
	if _, err := run(t, "functions", "--endpoint", s.URL); err != nil {
		t.Errorf("found: %v", err)
	}
}

func TestMistypedSubcommandIsSuggested(t *testing.T) {
	if _, err := run(t, "demo", "piepline"); err == nil || !strings.Contains(err.Error(), "did you mean: lambkin demo pipeline") {
		t.Errorf("%v", err)
	}
	if _, err := run(t, "demo", "elephant"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("%v", err)
	}
}
