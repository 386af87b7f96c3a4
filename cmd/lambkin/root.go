package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// root is the command tree.
func root() *cobra.Command {
	command := &cobra.Command{
		Use:           "lambkin",
		Short:         "Lambda on your own machines",
		Long:          "lambkin runs unmodified AWS Lambda Python functions in isolated execution environments, without Docker.",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if output, err := cmd.Flags().GetString("output"); err != nil || output != "text" && output != "json" {
				return errors.Join(err, fmt.Errorf("--output %s is neither text nor json", output))
			}
			return nil
		},
	}
	command.PersistentFlags().String("output", "text", "form of the output: text or json")
	completeFlag(command, "output", "text", "json")
	command.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return fmt.Errorf("%w\n%s", err, usageHint(cmd)) })
	command.AddCommand(serve(), demo(), deploy(), invoke(), logs(), functions(), endpoints(), doctor(), version())
	for _, c := range command.Commands() {
		c.Args = withHint(c.Args)
	}
	return command
}

// withHint adds to a complaint about arguments how the command is used.
func withHint(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w\n%s%s", err, meant(cmd, args), usageHint(cmd))
		}
		return nil
	}
}

// meant asks whether a word that is no argument was to be a subcommand.
func meant(cmd *cobra.Command, args []string) string {
	if len(args) == 0 || !cmd.HasSubCommands() {
		return ""
	}
	cmd.SuggestionsMinimumDistance = 2 // two letters that changed places
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf("did you mean: %s %s\n", cmd.CommandPath(), near[0])
}

func usageHint(cmd *cobra.Command) string {
	return fmt.Sprintf("usage: %s\nexamples: %s --help", cmd.UseLine(), cmd.CommandPath())
}

// completeFlag offers the values to the shell. It panics when the command has
// no such flag, which any test shows.
func completeFlag(command *cobra.Command, flag string, values ...string) {
	if err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}
