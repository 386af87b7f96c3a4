package main

import "github.com/spf13/cobra"

// root is the command tree.
func root() *cobra.Command {
	command := &cobra.Command{
		Use:           "lambkin",
		Short:         "Lambda on your own machines",
		Long:          "lambkin runs unmodified AWS Lambda Python functions in isolated execution environments, without Docker.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.PersistentFlags().String("output", "text", "form of the output: text or json")
	command.AddCommand(serve(), demo(), deploy(), invoke(), logs(), functions(), doctor(), version())
	return command
}
