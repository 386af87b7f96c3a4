package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func functions() *cobra.Command {
	command := &cobra.Command{
		Use:     "functions",
		Short:   "List the functions of the server",
		Example: "  lambkin functions\n  lambkin functions --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client(cmd)
			if err != nil {
				return err
			}
			list, err := c.Functions(cmd.Context())
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "no functions yet; deploy one with: lambkin deploy FOLDER")
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tRUNTIME\tMEMORY\tTIMEOUT\tLAST MODIFIED")
			for _, f := range list {
				fmt.Fprintf(table, "%s\t%s\t%d MB\t%d s\t%s\n", f.FunctionName, f.Runtime, f.MemorySize, f.Timeout, f.LastModified)
			}
			return table.Flush()
		},
	}
	clientFlags(command)
	return command
}
