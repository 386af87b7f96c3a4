package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/cli"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/server"
)

// serverFile is what a configuration file may hold; a flag or an environment
// variable goes before it.
type serverFile struct {
	Data               string            `toml:"data"`
	Listen             string            `toml:"listen"`
	AccessKey          string            `toml:"access_key"`
	SecretKey          string            `toml:"secret_key"`
	LogLevel           string            `toml:"log_level"`
	AccountConcurrency int               `toml:"account_concurrency"`
	MemoryBudget       string            `toml:"memory_budget"`
	MaxEnvironments    int               `toml:"max_environments"`
	LogGroupSize       string            `toml:"log_group_size"`
	LogSize            string            `toml:"log_size"`
	SnapStartEarlier   bool              `toml:"snapstart_earlier"`
	RetrySpeed         int               `toml:"retry_speed"`
	Isolation          string            `toml:"isolation"`
	IAM                string            `toml:"iam"`
	TLS                string            `toml:"tls"`
	Egress             string            `toml:"egress"`
	EgressAllow        []string          `toml:"egress_allow"`
	AllowOrigin        []string          `toml:"allow_origin"`
	AllowHost          []string          `toml:"allow_host"`
	Interpreters       map[string]string `toml:"interpreters"` // runtime id -> path
}

func serve() *cobra.Command {
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Runs the platform: the AWS APIs, the functions and their state in one data folder.\n" +
			"Each setting comes from its flag, else its environment variable, else the file of --config.\n" +
			"Without configured access keys the server accepts any key, and therefore listens on the loopback interface only.\n" +
			"Root isolates fully. An ordinary user isolates with user namespaces, which is weaker: it needs --isolation=weak." +
			" lambkin doctor tells the difference on this machine.",
		Example: "  sudo lambkin serve\n  sudo lambkin serve --data /var/lib/lambkin --listen 127.0.0.1:4566\n" +
			"  sudo LAMBKIN_ACCESS_KEY=… LAMBKIN_SECRET_KEY=… lambkin serve --listen 0.0.0.0:4566",
		Args: cobra.NoArgs,
		RunE: isolating(func(cmd *cobra.Command, _ []string) error {
			config, err := serverConfig(cmd)
			if err != nil {
				return err
			}
			s, err := server.New(cmd.Context(), *config)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "lambkin listens at http://%s, data in %s\n", s.Address(), config.Folder)
			if address, authority := s.TLS(); address != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "and at https://%s, by certificates of the authority %s\n", address, authority)
			}
			err = s.Run(cmd.Context(), nil)
			if errors.Is(err, server.ErrReopen) {
				config.Logger.Warn("starting again", "err", err)
				return startAgain()
			}
			return err
		}),
	}
	serverFlags(command)
	return command
}

// startAgain replaces this process by a new one with the same command line.
func startAgain() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

// isolating runs a command that isolates functions: that of an ordinary user
// runs again as root of a user namespace.
func isolating(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		status, again, err := sandbox.EnterUserNamespace()
		if err != nil {
			return err
		}
		if !again {
			return run(cmd, args)
		}
		if status != 0 {
			os.Exit(status) // it has said why
		}
		return nil
	}
}

// serverFlags adds the flags of the commands that run a server.
func serverFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.String("data", "", "folder of everything that is kept (LAMBKIN_DATA; default ./lambkin-data)")
	flags.String("listen", "", "address of the APIs (LAMBKIN_LISTEN; default "+defaultListen+")")
	flags.String("config", "", "TOML file with further settings (LAMBKIN_CONFIG)")
	flags.String("log-level", "", "debug, info, warn or error (LAMBKIN_LOG_LEVEL; default info)")
	flags.Int("account-concurrency", 0, "calls that may run at once in an account and region (default 1000)")
	flags.String("memory-budget", "", "memory of all execution environments together, as 8GiB or as 60% of this machine's (LAMBKIN_MEMORY_BUDGET; default 75%)")
	flags.Int("max-environments", 0, "execution environments alive at once (default as many as the memory budget holds of the smallest)")
	flags.String("log-group-size", "", "how large the log of one function (a log group) may be before its oldest events are removed (LAMBKIN_LOG_GROUP_SIZE; default 1GiB)")
	flags.String("log-size", "", "how large all logs may be together (LAMBKIN_LOG_SIZE; default 10GiB)")
	flags.Bool("snapstart-earlier", false, "allow SnapStart for Python before 3.12 too, which AWS does not (LAMBKIN_SNAPSTART_EARLIER=true)")
	flags.Int("retry-speed", 0, "how many times faster the pauses and ages of asynchronous calls and deliveries pass, to try the failures of a pipeline without the minutes (default 1)")
	flags.String("isolation", "", "\"weak\" serves although this machine isolates functions weakly, \"gvisor\" runs functions under an installed runsc (LAMBKIN_ISOLATION)")
	flags.String("iam", "", "\"enforce\" decides every call, those of functions too, by the policies of callers and resources; \"off\" lets every caller of an account do everything in it (LAMBKIN_IAM; default off)")
	flags.String("tls", "", "listen with TLS too, at this address (LAMBKIN_TLS); --tls alone means 127.0.0.1:4567. The certificates are those of an authority in the data folder")
	flags.Lookup("tls").NoOptDefVal = "127.0.0.1:4567"
	flags.String("egress", "", "what functions reach besides the platform: \"allow\" public addresses, \"list\" what --egress-allow names, \"deny\" nothing (LAMBKIN_EGRESS; default allow)")
	flags.StringSlice("egress-allow", nil, "a network, address or host name that functions may call, with or without a port (10.0.0.0/8:443, db.example.com:5432); repeatable (LAMBKIN_EGRESS_ALLOW, by commas)")
	flags.StringSlice("allow-origin", nil, "a web origin whose pages may call the APIs besides those of this machine (https://console.example.org); repeatable (LAMBKIN_ALLOW_ORIGIN, by commas)")
	flags.StringSlice("allow-host", nil, "a host name by which callers with any key reach this server besides addresses and local names; repeatable (LAMBKIN_ALLOW_HOST, by commas)")
	completeFlag(command, "log-level", "debug", "info", "warn", "error")
	completeFlag(command, "isolation", "weak", "gvisor")
	completeFlag(command, "iam", "enforce", "off")
	completeFlag(command, "egress", "allow", "list", "deny")
}

// serverConfig joins flags, environment, file and defaults, in this order.
func serverConfig(cmd *cobra.Command) (*server.Config, error) {
	flag := func(name string) string { value, _ := cmd.Flags().GetString(name); return value } // all are defined by serverFlags
	number := func(name string) int { value, _ := cmd.Flags().GetInt(name); return value }
	file := serverFile{}
	if path := cmp.Or(flag("config"), os.Getenv("LAMBKIN_CONFIG")); path != "" {
		if err := readServerFile(path, &file); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	folder, err := filepath.Abs(cmp.Or(flag("data"), os.Getenv("LAMBKIN_DATA"), file.Data, defaultFolder))
	if err != nil {
		return nil, err
	}
	logger, err := newLogger(cmd.ErrOrStderr(), cmp.Or(flag("log-level"), os.Getenv("LAMBKIN_LOG_LEVEL"), file.LogLevel, "info"))
	if err != nil {
		return nil, err
	}
	log.SetFlags(0)
	log.SetOutput(overheard{logger})
	snapStartEarlier, _ := cmd.Flags().GetBool("snapstart-earlier")
	if text := os.Getenv("LAMBKIN_SNAPSTART_EARLIER"); text != "" && !cmd.Flags().Changed("snapstart-earlier") {
		if snapStartEarlier, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("LAMBKIN_SNAPSTART_EARLIER is %q: write true or false", text)
		}
	}
	home, _ := os.UserHomeDir() // without one, its folders are not searched
	return &server.Config{
		Folder:             folder,
		Listen:             cmp.Or(flag("listen"), os.Getenv("LAMBKIN_LISTEN"), file.Listen, defaultListen),
		AccessKey:          cmp.Or(os.Getenv("LAMBKIN_ACCESS_KEY"), file.AccessKey),
		SecretKey:          cmp.Or(os.Getenv("LAMBKIN_SECRET_KEY"), file.SecretKey),
		AccountConcurrency: cmp.Or(number("account-concurrency"), file.AccountConcurrency),
		MemoryBudget:       cmp.Or(flag("memory-budget"), os.Getenv("LAMBKIN_MEMORY_BUDGET"), file.MemoryBudget),
		LogGroupSize:       cmp.Or(flag("log-group-size"), os.Getenv("LAMBKIN_LOG_GROUP_SIZE"), file.LogGroupSize),
		LogSize:            cmp.Or(flag("log-size"), os.Getenv("LAMBKIN_LOG_SIZE"), file.LogSize),
		SnapStartEarlier:   snapStartEarlier || file.SnapStartEarlier,
		MaxEnvironments:    cmp.Or(number("max-environments"), file.MaxEnvironments),
		RetrySpeed:         cmp.Or(number("retry-speed"), file.RetrySpeed),
		Isolation:          cmp.Or(flag("isolation"), os.Getenv("LAMBKIN_ISOLATION"), file.Isolation),
		IAM:                cmp.Or(flag("iam"), os.Getenv("LAMBKIN_IAM"), file.IAM),
		TLS:                cmp.Or(flag("tls"), os.Getenv("LAMBKIN_TLS"), file.TLS),
		Egress:             cmp.Or(flag("egress"), os.Getenv("LAMBKIN_EGRESS"), file.Egress),
		EgressAllow:        list(cmd, "egress-allow", "LAMBKIN_EGRESS_ALLOW", file.EgressAllow),
		AllowedOrigins:     list(cmd, "allow-origin", "LAMBKIN_ALLOW_ORIGIN", file.AllowOrigin),
		AllowedHosts:       list(cmd, "allow-host", "LAMBKIN_ALLOW_HOST", file.AllowHost),
		Interpreters:       file.Interpreters,
		Search:             pyboot.SearchPath(os.Getenv("PATH"), home),
		Logger:             logger,
	}, nil
}

// list is a setting with many values from the first place that has it: flags,
// environment, file.
func list(cmd *cobra.Command, flag, variable string, file []string) []string {
	if list, _ := cmd.Flags().GetStringSlice(flag); len(list) > 0 {
		return list
	}
	if text := os.Getenv(variable); text != "" {
		return strings.Split(text, ",")
	}
	return file
}

// readServerFile reads the file; a key that it should not have is an error.
func readServerFile(path string, into *serverFile) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = toml.NewDecoder(file).DisallowUnknownFields().Decode(into)
	if key := cli.UnknownKey(err); key != "" {
		return fmt.Errorf("unknown key %q (known: %s)", key, strings.Join(serverFileKeys(), ", "))
	}
	return err
}

// serverFileKeys are the keys of serverFile, a table in brackets.
func serverFileKeys() []string {
	var keys []string
	for field := range reflect.TypeFor[serverFile]().Fields() {
		key := field.Tag.Get("toml")
		if field.Type.Kind() == reflect.Map {
			key = "[" + key + "]"
		}
		keys = append(keys, key)
	}
	return keys
}

func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// overheard takes what package net/http says by itself, in the log that all share.
type overheard struct{ logger *slog.Logger }

// unsolicited begins the lines that repeat what a server sent which a user named: a
// hostile one could fill the log.
const unsolicited = "Unsolicited response"

func (o overheard) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte(unsolicited)) {
		level = slog.LevelDebug
	}
	o.logger.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}
