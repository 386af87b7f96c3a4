// Command lambkin runs AWS Lambda functions on your own machines.
//
// Each subcommand is a file of this folder. No goroutines, no locks. Start
// reading at main; a process that is to become a runtime leaves it at once by
// sandbox.Child or gvisor.Main.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/gvisor"
)

func main() {
	sandbox.Child()
	gvisor.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who presses Ctrl-C a second time will not wait for calls to end
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lambkin:", err)
		os.Exit(1)
	}
}
