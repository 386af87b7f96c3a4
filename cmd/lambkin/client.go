package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/cli"
)

// defaultListen is where a server listens and where the other commands look for it.
const defaultListen = "127.0.0.1:4566"

// clientFlags adds the flags of the commands that speak to a server.
func clientFlags(command *cobra.Command) {
	command.Flags().String("endpoint", cmp.Or(os.Getenv("LAMBKIN_ENDPOINT"), os.Getenv("AWS_ENDPOINT_URL"), "http://"+defaultListen), "the server to speak to (LAMBKIN_ENDPOINT, AWS_ENDPOINT_URL)")
	command.Flags().String("region", cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"), "AWS region (AWS_REGION)")
}

// client makes the client that the flags of clientFlags describe. The access
// key comes from the environment only, so that it shows in no process list.
func client(command *cobra.Command) (*cli.Client, error) {
	endpoint, err := command.Flags().GetString("endpoint")
	if err != nil {
		return nil, err
	}
	region, err := command.Flags().GetString("region")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint // HOST:PORT, as --listen has it
	}
	if parsed, err := url.Parse(endpoint); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, fmt.Errorf("the endpoint %q is no address like http://%s", endpoint, defaultListen)
	}
	return &cli.Client{
		Endpoint:  endpoint,
		Region:    region,
		AccessKey: cmp.Or(os.Getenv("LAMBKIN_ACCESS_KEY"), os.Getenv("AWS_ACCESS_KEY_ID"), "test"),
		SecretKey: cmp.Or(os.Getenv("LAMBKIN_SECRET_KEY"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "test"),
	}, nil
}

// wantsJSON tells whether the user asked for --output json.
func wantsJSON(command *cobra.Command) bool {
	output, err := command.Flags().GetString("output")
	return err == nil && output == "json"
}

// writeJSON prints the value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// completeFunctions offers the names of the server's functions to the shell.
func completeFunctions(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := client(command)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	functions, err := c.Functions(command.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, 0, len(functions))
	for _, f := range functions {
		names = append(names, f.FunctionName)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
