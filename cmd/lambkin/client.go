package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/cli"
	"github.com/lambkin-dev/lambkin/internal/server"
)

// defaultListen is where a server listens and where the other commands look for it.
const defaultListen = "127.0.0.1:4566"

// defaultFolder is the data folder of a server that is not told another.
const defaultFolder = "lambkin-data"

// clientFlags adds the flags of the commands that speak to a server.
func clientFlags(command *cobra.Command) {
	command.Flags().String("endpoint", cmp.Or(os.Getenv("LAMBKIN_ENDPOINT"), os.Getenv("AWS_ENDPOINT_URL"), "http://"+defaultListen), "the server to speak to (LAMBKIN_ENDPOINT, AWS_ENDPOINT_URL)")
	command.Flags().String("region", cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"), "AWS region (AWS_REGION)")
	command.Flags().String("ca-bundle", "", "file of certificates by which an https endpoint is verified, besides the system's and those of the server whose data folder is LAMBKIN_DATA or ./"+defaultFolder+" (AWS_CA_BUNDLE)")
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
	trusting, err := httpClient(command, endpoint)
	if err != nil {
		return nil, err
	}
	return &cli.Client{
		HTTP:      trusting,
		Endpoint:  endpoint,
		Region:    region,
		AccessKey: cmp.Or(os.Getenv("LAMBKIN_ACCESS_KEY"), os.Getenv("AWS_ACCESS_KEY_ID"), "test"),
		SecretKey: cmp.Or(os.Getenv("LAMBKIN_SECRET_KEY"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "test"),
	}, nil
}

// httpClient trusts the certificates of the system, those that the user names, and those of
// the server whose data folder is here.
func httpClient(command *cobra.Command, endpoint string) (*http.Client, error) {
	if !strings.HasPrefix(endpoint, "https://") {
		return nil, nil // the usual one
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	named, err := command.Flags().GetString("ca-bundle")
	if err != nil {
		return nil, err
	}
	if named = cmp.Or(named, os.Getenv("AWS_CA_BUNDLE")); named != "" {
		certificates, err := os.ReadFile(named)
		if err != nil {
			return nil, fmt.Errorf("read the certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(certificates) {
			return nil, fmt.Errorf("%s holds no certificate", named)
		}
	}
	if certificates, err := os.ReadFile(server.AuthorityFile(cmp.Or(os.Getenv("LAMBKIN_DATA"), defaultFolder))); err == nil {
		pool.AppendCertsFromPEM(certificates)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
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
