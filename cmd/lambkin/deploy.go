package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/cli"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
)

func deploy() *cobra.Command {
	command := &cobra.Command{
		Use:   "deploy FOLDER|ZIP",
		Short: "Create or update a function from a folder or a zip",
		Long: "Packs a folder (or takes a zip), creates the function or updates it, and waits until it can be called.\n" +
			"Settings come from the flags, else from " + cli.ProjectFile + " in the folder. Packages in requirements.txt are installed into the package.",
		Example: "  lambkin deploy ./hello\n  lambkin deploy ./hello --watch\n  lambkin deploy ./hello --name greeter --memory 512 --env STAGE=prod --env DEBUG=1\n  lambkin deploy build.zip --handler app.handler --runtime python3.12",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			project, err := projectOf(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := client(cmd)
			if err != nil {
				return err
			}
			if watches, err := cmd.Flags().GetBool("watch"); err != nil {
				return err
			} else if watches {
				return watch(cmd, c, args[0])
			}
			requirements := &installed{}
			defer requirements.remove()
			_, err = deployProject(cmd.Context(), cmd, c, args[0], project, requirements)
			return err
		},
	}
	clientFlags(command)
	flags := command.Flags()
	flags.String("name", "", "function name (default: of the project file, else of the folder)")
	flags.String("runtime", "", "Python runtime (default "+cli.DefaultRuntime+")")
	flags.String("handler", "", "FILE.FUNCTION (default: found in app.py, lambda_function.py, main.py or handler.py)")
	flags.String("role", "", "ARN of the execution role")
	flags.String("description", "", "description of the function")
	flags.Int("memory", 0, fmt.Sprintf("MB of memory (default %d)", cli.DefaultMemory))
	flags.Int("timeout", 0, fmt.Sprintf("seconds that a call may take (default %d)", cli.DefaultTimeout))
	flags.StringArray("env", nil, "environment variable KEY=VALUE; may be repeated")
	flags.StringArray("layer", nil, "ARN of a layer version; may be repeated, in the order in which they are merged")
	flags.Bool("watch", false, "go on: each change of a source file is what the next call runs, without a zip (development mode)")
	completeFlag(command, "runtime", slices.Concat(pyboot.Versions, []string{"provided.al2023"})...)
	return command
}

// projectOf joins the flags, the project file and the defaults, in this order.
func projectOf(cmd *cobra.Command, path string) (*cli.Project, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	project := &cli.Project{}
	if !info.IsDir() && !strings.HasSuffix(path, ".zip") {
		return nil, fmt.Errorf("%s is neither a folder nor a .zip", path)
	}
	if info.IsDir() {
		if project, err = cli.ReadProject(path); err != nil {
			return nil, err
		}
	}
	flags := cmd.Flags()
	for name, field := range map[string]*string{"name": &project.Name, "runtime": &project.Runtime, "handler": &project.Handler, "role": &project.Role, "description": &project.Description} {
		if value, err := flags.GetString(name); err != nil {
			return nil, err
		} else if value != "" {
			*field = value
		}
	}
	for name, field := range map[string]*int{"memory": &project.Memory, "timeout": &project.Timeout} {
		if value, err := flags.GetInt(name); err != nil {
			return nil, err
		} else if value != 0 {
			*field = value
		}
	}
	variables, err := flags.GetStringArray("env")
	if err != nil {
		return nil, err
	}
	environment := maps.Clone(project.Environment)
	for _, variable := range variables {
		key, value, ok := strings.Cut(variable, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--env %s is not KEY=VALUE", variable)
		}
		if environment == nil {
			environment = map[string]string{}
		}
		environment[key] = value
	}
	project.Environment = environment
	if flags.Changed("layer") {
		if project.Layers, err = flags.GetStringArray("layer"); err != nil {
			return nil, err
		}
	}
	return project, fillProject(project, path, info.IsDir())
}

// fillProject sets what neither a flag nor the project file says.
func fillProject(project *cli.Project, path string, isFolder bool) error {
	var err error
	if project.Name == "" {
		if project.Name, err = cli.NameOf(path); err != nil {
			return err
		}
	}
	if project.Handler == "" {
		if !isFolder {
			return errors.New("a zip needs --handler FILE.FUNCTION")
		}
		if project.Handler, err = cli.FindHandler(path); err != nil {
			return err
		}
	}
	project.Runtime = cmp.Or(project.Runtime, cli.DefaultRuntime)
	project.Role = cmp.Or(project.Role, "arn:aws:iam::000000000000:role/lambkin")
	project.Memory = cmp.Or(project.Memory, cli.DefaultMemory)
	project.Timeout = cmp.Or(project.Timeout, cli.DefaultTimeout)
	return nil
}

// deployProject packs and deploys, telling what takes long.
func deployProject(ctx context.Context, cmd *cobra.Command, c *cli.Client, path string, project *cli.Project, requirements *installed) (*cli.Function, error) {
	messages := cmd.ErrOrStderr()
	archive, err := packageOf(ctx, path, project.Runtime, requirements, messages)
	if err != nil {
		return nil, err
	}
	function, created, err := c.Deploy(ctx, project.Deployment(archive), func(string) { fmt.Fprintf(messages, "waiting until %s is ready\n", project.Name) })
	if err != nil {
		return nil, err
	}
	if wantsJSON(cmd) {
		return function, writeJSON(cmd.OutOrStdout(), function)
	}
	verb := "updated"
	if created {
		verb = "created"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s (%s, %s, %d MB); call it with: lambkin invoke %s\n", verb, function.FunctionName, function.Runtime, function.Handler, function.MemorySize, function.FunctionName)
	return function, err
}

// packageOf reads the zip, or packs the folder with its requirements.
func packageOf(ctx context.Context, path, runtime string, requirements *installed, messages io.Writer) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if info.Size() > limit.ZippedCodeBytes {
			return nil, fmt.Errorf("%s is %d MB; at most %d MB can be uploaded", path, info.Size()>>20, limit.ZippedCodeBytes>>20)
		}
		return os.ReadFile(path)
	}
	file := filepath.Join(path, cli.RequirementsFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return cli.Pack(path)
	} else if err != nil {
		return nil, err
	}
	if err := requirements.install(ctx, runtime, file, messages); err != nil {
		return nil, fmt.Errorf("install %s: %w", file, err)
	}
	return cli.Pack(requirements.folder, path)
}
