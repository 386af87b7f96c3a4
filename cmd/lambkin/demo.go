package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/examples"
	"github.com/lambkin-dev/lambkin/internal/cli"
	"github.com/lambkin-dev/lambkin/internal/server"
)

// demoCalls are the calls of the demo: folder of examples/ and event.
var demoCalls = []struct{ name, event string }{
	{"hello", `{"name": "Ada"}`},
	{"wordcount", `{"text": "the quick brown fox jumps over the lazy dog and the cat"}`},
	{"caller", `{"function": "hello", "payload": {"name": "Grace"}}`},
}

// warmCalls is how many further calls the demo makes of each function to show a warm time.
const warmCalls = 20

// errDone ends the demo of --once.
var errDone = errors.New("the demo is over")

func demo() *cobra.Command {
	command := &cobra.Command{
		Use:     "demo",
		Short:   "Start a server, deploy the example functions and call them",
		Long:    "Starts a server over a data folder, deploys the functions of examples/, calls them and shows results, log lines and times.\nThe server goes on until interrupted.",
		Example: "  sudo lambkin demo\n  sudo lambkin demo --once --data /tmp/demo\n  sudo lambkin demo pipeline",
		Args:    cobra.NoArgs,
		RunE: isolating(func(cmd *cobra.Command, _ []string) error {
			return serveDemo(cmd, func(ctx context.Context, s *server.Server) error { return runDemo(ctx, cmd, s.Address()) }, farewell)
		}),
	}
	serverFlags(command)
	command.Flags().Bool("once", false, "end after the calls instead of serving on")
	command.AddCommand(demoPipeline())
	return command
}

// serveDemo runs a server with show in it, which is all with --once; else the server
// goes on after words about what to do with it.
func serveDemo(cmd *cobra.Command, show func(context.Context, *server.Server) error, words func(w io.Writer, address string)) error {
	once, err := cmd.Flags().GetBool("once")
	if err != nil {
		return err
	}
	config, err := serverConfig(cmd)
	if err != nil {
		return err
	}
	s, err := server.New(cmd.Context(), *config)
	if err != nil {
		return err
	}
	err = s.Run(cmd.Context(), func(ctx context.Context) error {
		if err := show(ctx, s); err != nil {
			return err
		}
		if once {
			return errDone
		}
		words(cmd.OutOrStdout(), s.Address())
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// farewell says how to go on from another terminal.
func farewell(w io.Writer, address string) {
	endpoint := ""
	if address != defaultListen {
		endpoint = " --endpoint http://" + address
	}
	fmt.Fprintf(w, "\nThe platform runs at http://%s until you press Ctrl-C. In another terminal:\n", address)
	fmt.Fprintf(w, "  go run ./cmd/lambkin invoke hello '{\"name\": \"you\"}' --log%s\n", endpoint)
	fmt.Fprintf(w, "  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url http://%s --region us-east-1 lambda list-functions\n", address)
}

const demoRegion = "us-east-1"

// demoKeys are the configured key, or any.
func demoKeys() (key, secret string) {
	if key, secret = os.Getenv("LAMBKIN_ACCESS_KEY"), os.Getenv("LAMBKIN_SECRET_KEY"); key != "" {
		return key, secret
	}
	return "test", "test"
}

func runDemo(ctx context.Context, cmd *cobra.Command, address string) error {
	key, secret := demoKeys()
	c := &cli.Client{Endpoint: "http://" + address, Region: demoRegion, AccessKey: key, SecretKey: secret}
	folder, err := os.MkdirTemp("", "lambkin-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, examples.Functions); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, "deploying the functions of examples/ (the first time, Python is unpacked and boto3 installed)")
	for _, call := range demoCalls {
		if err := deployExample(ctx, c, filepath.Join(folder, call.name), out); err != nil {
			return fmt.Errorf("deploy %s: %w", call.name, err)
		}
	}
	for _, call := range demoCalls {
		if err := callExample(ctx, c, call.name, call.event, out); err != nil {
			return fmt.Errorf("call %s: %w", call.name, err)
		}
	}
	return nil
}

func deployExample(ctx context.Context, c *cli.Client, folder string, out io.Writer) error {
	project, err := cli.ReadProject(folder)
	if err != nil {
		return err
	}
	if err := fillProject(project, folder, true); err != nil {
		return err
	}
	archive, err := cli.Pack(folder)
	if err != nil {
		return err
	}
	begin := time.Now()
	if _, _, err := c.Deploy(ctx, project.Deployment(archive), nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "deployed %s in %s\n", project.Name, rounded(time.Since(begin)))
	return err
}

// callExample makes one cold and several warm calls and shows them.
func callExample(ctx context.Context, c *cli.Client, name, event string, out io.Writer) error {
	first, err := c.Invoke(ctx, name, []byte(event))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s %s\n  -> %s\n", name, event, first.Payload)
	if first.FunctionError != "" {
		return errFunction
	}
	for line := range strings.SplitSeq(strings.TrimSpace(first.LogTail), "\n") {
		fmt.Fprintln(out, "  |", strings.TrimSpace(line))
	}
	best := time.Hour
	for range warmCalls {
		again, err := c.Invoke(ctx, name, []byte(event))
		if err != nil {
			return err
		}
		best = min(best, again.Took)
	}
	_, err = fmt.Fprintf(out, "  first call %s (cold start included), then %s (best of %d)\n", rounded(first.Took), rounded(best), warmCalls)
	return err
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
