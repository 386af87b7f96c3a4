package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			release := "development"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
				release = info.Main.Version
			}
			if wantsJSON(cmd) {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"version": release})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "lambkin", release)
			return err
		},
	}
}
