package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func endpoints() *cobra.Command {
	command := &cobra.Command{
		Use:   "endpoints",
		Short: "List where HTTP clients reach functions: function URLs and the stages of APIs",
		Long: "Lists function URLs and the stages of APIs with the addresses that answer here. What a deployment tool shows may be AWS's own name of an API\n" +
			"(https://ID.execute-api.us-east-1.amazonaws.com), which leads to AWS.",
		Example: "  lambkin endpoints\n  curl \"$(lambkin endpoints --output json | jq -r '.[0].URL')\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client(cmd)
			if err != nil {
				return err
			}
			list, err := c.Endpoints(cmd.Context())
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "no function URLs and no APIs yet; aws lambda create-function-url-config makes one, or a deployment with SAM, the CDK, ...")
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "KIND\tNAME\tURL")
			for _, e := range list {
				fmt.Fprintf(table, "%s\t%s\t%s\n", e.Kind, e.Name, e.URL)
			}
			return table.Flush()
		},
	}
	clientFlags(command)
	return command
}
