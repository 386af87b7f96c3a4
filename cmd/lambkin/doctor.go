package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/gvisor"
	"github.com/lambkin-dev/lambkin/internal/server"
)

// doctorTimeout bounds one call of the probe function.
const doctorTimeout = 30 * time.Second

// probeSource is a function that tells what it sees of the machine.
const probeSource = `import os
def handler(event, context):
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    told = lambda field, want: {field[1]: status[field[0]] == want} if field[0] in status else {} # gVisor tells less
    return {
        "uid": os.getuid(),
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "kernel": os.uname().release,
        "capabilities": status["CapEff"].strip("0") or "none",
        **told(("Seccomp", "seccomp"), "2"),
        **told(("NoNewPrivs", "no_new_privileges"), "1"),
        "package_read_only": not os.access("/var/task", os.W_OK),
    }
`

// diagnosis is the result of lambkin doctor.
type diagnosis struct {
	Runtimes []runtimeState `json:"runtimes"`
	Sandbox  sandboxState   `json:"sandbox"`
	Gvisor   gvisorState    `json:"gvisor"`

	Memory server.MemoryPlan `json:"memory"`
}

type runtimeState struct {
	ID    string `json:"id"`
	Found string `json:"found,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

type sandboxState struct {
	Works bool `json:"works"`
	sandbox.Isolation
	Sees  json.RawMessage `json:"a_function_sees,omitempty"`
	Error string          `json:"error,omitempty"`
}

// gvisorState is the second tier.
type gvisorState struct {
	Works bool            `json:"works"`
	Runsc *gvisor.Runsc   `json:"runsc,omitempty"`
	Sees  json.RawMessage `json:"a_function_sees,omitempty"`
	Error string          `json:"error,omitempty"`
}

func doctor() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Tell what isolation and which runtimes this machine gives",
		Long:    "Finds the Python runtimes of this machine and runs a function in a real execution environment to show what it can see.",
		Example: "  sudo lambkin doctor\n  sudo lambkin doctor --output json",
		Args:    cobra.NoArgs,
		RunE: isolating(func(cmd *cobra.Command, _ []string) error {
			d, err := diagnose(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			output, err := cmd.Flags().GetString("output")
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(d)
			}
			return d.print(cmd.OutOrStdout())
		}),
	}
}

func diagnose(ctx context.Context, messages io.Writer) (*diagnosis, error) {
	folder, err := os.MkdirTemp("", "lambkin-doctor-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil { // environments read below it
		return nil, err
	}
	home, _ := os.UserHomeDir() // without one, its folders are not searched
	runtimes, err := pyboot.New(pyboot.Config{Folder: folder, Search: pyboot.SearchPath(os.Getenv("PATH"), home)})
	if err != nil {
		return nil, err
	}
	d := &diagnosis{}
	if d.Memory, err = server.PlanMemory(os.Getenv("LAMBKIN_MEMORY_BUDGET"), 0); err != nil {
		return nil, err
	}
	for _, id := range pyboot.Versions {
		state := runtimeState{ID: id}
		if found, err := runtimes.Resolve(ctx, id); err != nil {
			state.Fix = err.Error()
		} else {
			state.Found = filepath.Join(found.Prefix, found.Python)
		}
		d.Runtimes = append(d.Runtimes, state)
	}
	logger := slog.New(slog.NewTextHandler(messages, nil))
	if err := d.Sandbox.try(ctx, folder, runtimes, logger); err != nil {
		d.Sandbox.Error = err.Error()
	}
	if err := d.Gvisor.try(ctx, folder, runtimes, logger); err != nil {
		d.Gvisor.Error = err.Error()
	}
	return d, nil
}

// try asks what protects functions and runs one.
func (s *sandboxState) try(ctx context.Context, folder string, runtimes *pyboot.Runtimes, logger *slog.Logger) error {
	host, err := sandbox.New(sandbox.Config{}, runtimes, logger)
	if err != nil {
		return err
	}
	defer host.Close()
	s.Isolation = host.Isolation()
	s.Sees, err = probe(ctx, host, folder)
	s.Works = err == nil
	return err
}

// try looks for runsc and runs a function under it.
func (s *gvisorState) try(ctx context.Context, folder string, runtimes *pyboot.Runtimes, logger *slog.Logger) error {
	found, err := gvisor.Find(ctx)
	if err != nil {
		return err
	}
	s.Runsc = &found
	host, err := gvisor.New(gvisor.Config{Runsc: found}, runtimes, logger)
	if err != nil {
		return err
	}
	defer host.Close()
	s.Sees, err = probe(ctx, host, folder)
	s.Works = err == nil
	return err
}

// probe runs the probe function in an environment of the newest runtime.
func probe(ctx context.Context, host sandbox.Starter, folder string) (json.RawMessage, error) {
	task := filepath.Join(folder, "task")
	if err := os.MkdirAll(task, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(task, "probe.py"), []byte(probeSource), 0o644); err != nil {
		return nil, err
	}
	spec := &sandbox.Spec{Runtime: pyboot.Versions[len(pyboot.Versions)-1], Handler: "probe.handler", TaskDir: task, MemoryMB: 128, EphemeralMB: 512, InitTimeout: doctorTimeout}
	environment, init, err := host.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer environment.Close()
	if init.ErrorType != "" {
		return nil, fmt.Errorf("initialise the probe: %s", init.ErrorBody)
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	result, err := environment.Invoke(ctx, &sandbox.Event{RequestID: "doctor", Deadline: deadline, Payload: []byte("{}")})
	if err != nil {
		return nil, err
	}
	if result.ErrorType != "" {
		return nil, fmt.Errorf("run the probe: %s", result.Payload)
	}
	return result.Payload, nil
}

func (d *diagnosis) print(w io.Writer) error {
	fmt.Fprintln(w, "Runtimes")
	for _, r := range d.Runtimes {
		if r.Found != "" {
			fmt.Fprintf(w, "  %-11s %s\n", r.ID, r.Found)
		} else {
			fmt.Fprintf(w, "  %-11s missing: %s\n", r.ID, r.Fix)
		}
	}
	fmt.Fprintf(w, "Memory\n  %s (serve --memory-budget, --max-environments)\n", d.Memory)
	fmt.Fprintln(w, "Isolation")
	for _, p := range d.Sandbox.Protections {
		state := "on  "
		if !p.On {
			state = "OFF "
		}
		if p.Weak {
			state = "WEAK"
		}
		fmt.Fprintf(w, "  %s %-14s %s\n", state, p.Name, p.Detail)
		if p.Fix != "" {
			fmt.Fprintf(w, "       %-14s mend it: %s\n", "", p.Fix)
		}
	}
	if d.Sandbox.Works {
		fmt.Fprintf(w, "  a function runs and sees %s\n", d.Sandbox.Sees)
		fmt.Fprintln(w, " ", d.Sandbox.degree())
	} else {
		fmt.Fprintln(w, "  does not work here:", d.Sandbox.Error)
	}
	_, err := fmt.Fprintf(w, "Second tier (serve --isolation=%s)\n  %s\n", gvisor.Isolation, &d.Gvisor)
	return err
}

// String tells of the second tier.
func (s *gvisorState) String() string {
	switch {
	case s.Works:
		return fmt.Sprintf("%s\n  a function runs and sees %s", s.Runsc, s.Sees)
	case s.Runsc != nil:
		return fmt.Sprintf("%s, does not work here: %s", s.Runsc, s.Error)
	default:
		return s.Error
	}
}

// degree is the isolation of this machine in one sentence.
func (s *sandboxState) degree() string {
	switch {
	case len(s.Weak()) > 0:
		return "isolation is WEAK: functions must trust each other, and serve wants --isolation=weak"
	case !s.Complete:
		return "isolation is strong, but not complete: see what is OFF"
	default:
		return "isolation is complete; all functions share one kernel, as in any container"
	}
}
