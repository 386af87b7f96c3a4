// Package badinput sends the real server what hostile or careless users send,
// and checks that each is answered as AWS answers it and that the server and
// the other functions go on. Start reading at TestMain.
package badinput

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// server is the one server of the whole suite: it must outlive every test.
var server *platform.Platform

// suite is the context of what all tests share.
var suite = context.Background()

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := suite
	folder, err := os.MkdirTemp("", "lambkin-badinput-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary, err := platform.Build(ctx, folder)
	if err == nil {
		server, err = platform.Start(ctx, binary, folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	canary := platform.Function{Name: "canary", Files: map[string]string{"app.py": "def handler(event, context):\n    return {'alive': event}\n"}}
	if err := server.Deploy(ctx, canary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if log := server.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		fmt.Fprintln(os.Stderr, "the server panicked:\n"+log)
		return 1
	}
	return code
}

// alive checks that another function still answers.
func alive(t *testing.T) {
	t.Helper()
	got, err := server.Invoke(t.Context(), "canary", []byte("1"))
	if err != nil || string(got) != `{"alive": 1}` {
		t.Fatalf("another function no longer answers: %s, %v", got, err)
	}
}
