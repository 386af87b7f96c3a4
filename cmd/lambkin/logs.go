package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/cli"
)

func logs() *cobra.Command {
	command := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Print the log of a function",
		Long:              "Prints the log events of a function, oldest first. NAME is a function or, when it begins with a slash, a log group.",
		Example:           "  lambkin logs hello\n  lambkin logs hello --follow\n  lambkin logs hello --since 24h --filter '\"[ERROR]\"'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			follow, err := flags.GetBool("follow")
			if err != nil {
				return err
			}
			since, err := sinceOf(cmd)
			if err != nil {
				return err
			}
			filter, err := flags.GetString("filter")
			if err != nil {
				return err
			}
			c, err := client(cmd)
			if err != nil {
				return err
			}
			group := args[0]
			if !strings.HasPrefix(group, "/") {
				if _, err := c.Function(cmd.Context(), group); err != nil && !cli.IsNotFound(err) {
					return err
				} else if err != nil && !follow {
					return fmt.Errorf("no function %s; see: lambkin functions", group)
				}
				group = "/aws/lambda/" + group
			}
			asJSON := wantsJSON(cmd)
			err = c.Logs(cmd.Context(), group, filter, time.Now().Add(-since), follow, func(event cli.LogEvent) error {
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), event)
				}
				at := time.UnixMilli(event.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z")
				message := strings.ReplaceAll(strings.TrimRight(event.Message, "\r\n"), "\r", "\n")
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", at, message)
				return err
			})
			if cli.IsNotFound(err) && group != args[0] {
				return nil // the function is there, and no call has been logged yet
			}
			return err
		},
	}
	clientFlags(command)
	command.Flags().BoolP("follow", "f", false, "go on with new events until interrupted")
	command.Flags().String("since", "1h", "how far back to begin: 90s, 15m, 24h, 7d")
	command.Flags().String("filter", "", "CloudWatch Logs filter pattern")
	return command
}

// sinceOf reads --since: a duration of Go, or whole days as "7d".
func sinceOf(cmd *cobra.Command) (time.Duration, error) {
	text, err := cmd.Flags().GetString("since")
	if err != nil {
		return 0, err
	}
	since, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		since = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || since < 0 {
		return 0, fmt.Errorf("--since %s is no time like 90s, 15m, 24h or 7d", text)
	}
	return since, nil
}
