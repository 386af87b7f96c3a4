package gvisor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Isolation is the name of this tier, as users choose it.
const Isolation = "gvisor"

// Install tells how runsc comes to a machine that lacks it.
const Install = "apt install runsc, or https://gvisor.dev/docs/user_guide/install/"

// ErrMissing tells that this machine has no runsc.
var ErrMissing = errors.New("runsc (gVisor) is not installed: " + Install)

// askTimeout bounds a question to the program.
const askTimeout = 10 * time.Second

// Runsc is an installed gVisor.
type Runsc struct {
	Path     string `json:"path"`
	Version  string `json:"version"`
	Platform string `json:"platform"` // by which it takes a function's system calls: ptrace, systrap, kvm
}

// Find looks for runsc in the search path. Where there is none the error is
// ErrMissing.
func Find(ctx context.Context) (Runsc, error) {
	path, err := exec.LookPath("runsc")
	if err != nil {
		return Runsc{}, ErrMissing
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	version, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Runsc{}, fmt.Errorf("%s does not tell its version: %w", path, err)
	}
	flags, err := exec.CommandContext(ctx, path, "flags").CombinedOutput()
	if err != nil {
		return Runsc{}, fmt.Errorf("%s does not tell its flags: %w", path, err)
	}
	return Runsc{Path: path, Version: versionOf(string(version)), Platform: platformOf(string(flags))}, nil
}

// String names it in a sentence.
func (r Runsc) String() string {
	return fmt.Sprintf("runsc %s at %s, on its %s platform", r.Version, r.Path, r.Platform)
}

// arguments run the container of a bundle and wait for it. Each flag is known to
// the versions of three years.
func (r Runsc) arguments(name string) []string {
	return []string{"--root=" + statePlace, "--log=/dev/null", "--network=host", "--ignore-cgroups", "run", "--bundle=" + bundlePlace, name}
}

// runscFailed is the exit status of runsc when it could not do what it was told.
const runscFailed = 128

const unknown = "unknown"

// versionOf reads "runsc version release-20251117.0" and what follows it.
func versionOf(text string) string {
	for line := range strings.Lines(text) {
		if version, found := strings.CutPrefix(strings.TrimSpace(line), "runsc version "); found {
			return version
		}
	}
	return unknown
}

var platformDefault = regexp.MustCompile(`(?s)-platform (?:string|value)\s.*?\(default "?([a-z]+)"?\)`)

// platformOf finds the platform that runsc takes by itself in the list of its flags.
func platformOf(flags string) string {
	if found := platformDefault.FindStringSubmatch(flags); found != nil {
		return found[1]
	}
	return unknown
}
