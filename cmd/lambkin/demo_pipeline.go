package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/examples"
	"github.com/lambkin-dev/lambkin/internal/server"
)

// pipelineFlow is the picture of docs/pipeline.md for a terminal.
const pipelineFlow = `
  upload --> (bucket) --uploads/*.csv--> [parse] --> |rows| --> [price] --> <priced> --> [store] --> (bucket) orders/*.json
                                                       |
                                                       +--after 2 tries--> |dead|
  schedule --> [report] --> (bucket) report.json

  (S3 bucket)  |SQS queue|  <SNS topic>  [function]
`

func demoPipeline() *cobra.Command {
	command := &cobra.Command{
		Use:   "pipeline",
		Short: "Start a server and run the example pipeline on it",
		Long: "Starts a server and runs examples/pipeline on it: an uploaded file goes through functions, a queue and a topic, what is wrong ends in\n" +
			"a dead-letter queue, a schedule adds up. The script is the one of the documentation, run by the runtime's own Python with its boto3.",
		Example: "  sudo lambkin demo pipeline\n  sudo lambkin demo pipeline --once --data /tmp/demo",
		Args:    cobra.NoArgs,
		RunE: isolating(func(cmd *cobra.Command, _ []string) error {
			return serveDemo(cmd, func(ctx context.Context, s *server.Server) error { return runPipeline(ctx, cmd, s) }, pipelineFarewell)
		}),
	}
	serverFlags(command)
	command.Flags().Bool("once", false, "end after the run instead of serving on")
	return command
}

// interruptTime is how long the script may take to end when the demo is interrupted.
const interruptTime = 5 * time.Second

// runPipeline runs the script of the example as a user with boto3 does.
func runPipeline(ctx context.Context, cmd *cobra.Command, s *server.Server) error {
	out := cmd.OutOrStdout()
	fmt.Fprint(out, pipelineFlow, "\n")
	fmt.Fprintln(out, "preparing Python and boto3 (the first time, Python is unpacked and boto3 installed)")
	python, packages, err := s.Boto3(ctx)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "lambkin-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, examples.Functions); err != nil {
		return err
	}
	key, secret := demoKeys()
	script := exec.CommandContext(ctx, python, "-B", filepath.Join(folder, "pipeline", "setup.py"))
	script.WaitDelay = interruptTime
	script.Env = []string{"HOME=" + folder, "LANG=C.UTF-8", "PYTHONPATH=" + packages, "AWS_ENDPOINT_URL=http://" + s.Address(), "AWS_DEFAULT_REGION=" + demoRegion,
		"AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_EC2_METADATA_DISABLED=true"}
	script.Stdout, script.Stderr = out, cmd.ErrOrStderr()
	if err := script.Run(); err != nil {
		return fmt.Errorf("run examples/pipeline/setup.py: %w", err)
	}
	return nil
}

// pipelineFarewell says how to look inside from another terminal.
func pipelineFarewell(w io.Writer, address string) {
	endpoint := ""
	if address != defaultListen {
		endpoint = " --endpoint http://" + address
	}
	fmt.Fprintf(w, "\nThe platform runs at http://%s until you press Ctrl-C. In another terminal:\n", address)
	fmt.Fprintf(w, "  go run ./cmd/lambkin logs pipeline-price%s\n", endpoint)
	fmt.Fprintf(w, "  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url http://%s s3 ls --recursive s3://pipeline-000000000000-%s\n", address, demoRegion)
}
