package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/cli"
)

// errFunction makes the command end with status 1 when the function failed; its
// answer has been printed by then.
var errFunction = errors.New("the function failed")

func invoke() *cobra.Command {
	command := &cobra.Command{
		Use:   "invoke NAME [EVENT|@FILE|-]",
		Short: "Call a function and print its answer",
		Long: "Calls a function and waits for its answer, which goes to standard output alone. The event is JSON: given as it is, read from a file\n" +
			"(@FILE) or from standard input (-); without one it is {}. NAME may carry a version or alias: hello:3, hello:live.",
		Example:           "  lambkin invoke hello '{\"name\": \"Ada\"}'\n  lambkin invoke hello @event.json --log\n  lambkin invoke hello @event.json --debug\n  echo '{}' | lambkin invoke hello:live -",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return errors.New("the name of the function is empty")
			}
			event, err := eventOf(args[1:], cmd.InOrStdin())
			if err != nil {
				return err
			}
			c, err := client(cmd)
			if err != nil {
				return err
			}
			result, err := callOf(cmd, c, args[0], event)
			if err != nil {
				return err
			}
			if showLog, err := cmd.Flags().GetBool("log"); err != nil {
				return err
			} else if showLog {
				fmt.Fprint(cmd.ErrOrStderr(), strings.ReplaceAll(result.LogTail, "\r", "\n"))
			}
			if wantsJSON(cmd) {
				err = writeJSON(cmd.OutOrStdout(), result)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", result.Payload)
			}
			if err == nil && result.FunctionError != "" {
				return errFunction
			}
			return err
		},
	}
	clientFlags(command)
	command.Flags().Bool("log", false, "print the end of the call's log on standard error")
	command.Flags().Bool("debug", false, "wait for a debugger that speaks the debug adapter protocol (VS Code); the timeout is suspended (development mode)")
	command.Flags().Int("debug-port", 5678, "port of the loopback interface where --debug waits; 0 takes any")
	return command
}

// callOf makes the call, with a debugger if one is asked for.
func callOf(cmd *cobra.Command, c *cli.Client, name string, event []byte) (*cli.Invocation, error) {
	if debug, err := cmd.Flags().GetBool("debug"); err != nil || !debug {
		return c.Invoke(cmd.Context(), name, event)
	}
	port, err := cmd.Flags().GetInt("debug-port")
	if err != nil {
		return nil, err
	}
	return c.Debug(cmd.Context(), name, port, event, func(host, port string) {
		fmt.Fprintf(cmd.ErrOrStderr(), attachHint, host, port)
	})
}

// attachHint are the settings that VS Code documents for its Python debugger.
const attachHint = `waiting for a debugger at %[1]s:%[2]s; Ctrl-C ends the call. In VS Code, with this in .vscode/launch.json:
  {"name": "lambkin", "type": "debugpy", "request": "attach", "connect": {"host": "%[1]s", "port": %[2]s},
   "pathMappings": [{"localRoot": "${workspaceFolder}", "remoteRoot": "/var/task"}]}
`

// eventOf reads the event that the arguments name and checks that it is JSON.
func eventOf(args []string, input io.Reader) ([]byte, error) {
	if len(args) == 0 {
		return []byte("{}"), nil
	}
	event := []byte(args[0])
	var err error
	file, isFile := strings.CutPrefix(args[0], "@")
	switch {
	case args[0] == "-":
		event, err = io.ReadAll(io.LimitReader(input, limit.SyncRequestBytes+1))
	case isFile:
		event, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if event = bytes.TrimSpace(event); !json.Valid(event) {
		return nil, fmt.Errorf("the event is not JSON: %.60s (quote text as '\"text\"'; read a file with @FILE)", event)
	}
	return event, nil
}
