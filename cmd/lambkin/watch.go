package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"github.com/lambkin-dev/lambkin/internal/cli"
)

// settleTime is how long a folder must be quiet before a change is taken: an
// editor writes a file in several steps, a checkout many files.
const settleTime = 100 * time.Millisecond

// lastDeployTimeout bounds the deployment at the end of a watch.
const lastDeployTimeout = time.Minute

// watcher keeps a function equal to a folder.
type watcher struct {
	cmd     *cobra.Command
	client  *cli.Client
	folder  string
	changes *fsnotify.Watcher

	requirements installed
	function     *cli.Function // as deployed
	seen         *cli.Snapshot // what the function runs
	revision     string        // of the last change since the deployment; "": none
}

// watch deploys the folder and follows its changes until the user ends it. What
// cannot be taken is told, and tried again with the next change. At the end the
// last state is deployed, since the changes alone do not last.
func watch(cmd *cobra.Command, c *cli.Client, folder string) error {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("--watch needs a folder, and %s is none", folder))
	}
	changes, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", folder, err)
	}
	defer changes.Close()
	w := &watcher{cmd: cmd, client: c, folder: folder, changes: changes}
	defer w.requirements.remove()
	ctx := cmd.Context()
	if err := w.look(ctx, w.deploy); err != nil {
		return err
	}
	w.say("watching %s; press Ctrl-C to end", folder)
	w.follow(ctx)
	if w.revision == "" {
		return nil
	}
	w.say("deploying the last state of %s", w.function.FunctionName)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastDeployTimeout)
	defer cancel()
	return w.look(last, w.deploy)
}

func (w *watcher) say(format string, arguments ...any) {
	fmt.Fprintf(w.cmd.ErrOrStderr(), time.Now().Format(time.TimeOnly)+" "+format+"\n", arguments...)
}

// follow takes changes until ctx ends.
func (w *watcher) follow(ctx context.Context) {
	quiet := time.NewTimer(settleTime) // what changed during the deployment
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.changes.Events:
			quiet.Reset(settleTime)
		case err := <-w.changes.Errors: // events were lost, at worst
			w.say("watch %s: %v", w.folder, err)
			quiet.Reset(settleTime)
		case <-quiet.C:
			if err := w.look(ctx, w.update); err != nil && ctx.Err() == nil {
				w.say("not taken: %v", err)
			}
		}
	}
}

// look reads the folder and hands it to take; only when that succeeds is it what
// later looks compare with.
func (w *watcher) look(ctx context.Context, take func(context.Context, *cli.Snapshot) error) error {
	before, err := cli.ReadSnapshot(w.folder)
	if err != nil {
		return err
	}
	for _, folder := range before.Folders { // new ones are among them
		if err := w.changes.Add(folder); errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("watch %s: too many folders are watched on this machine; raise the limit with: sysctl fs.inotify.max_user_watches=524288", folder)
		} else if err != nil {
			return fmt.Errorf("watch %s: %w", folder, err)
		}
	}
	now, err := cli.ReadSnapshot(w.folder) // again: a file may have come before its folder was watched
	if err == nil {
		err = take(ctx, now)
	}
	if err == nil {
		w.seen = now
	}
	return err
}

// deploy makes a deployment of the folder, with its settings and requirements.
func (w *watcher) deploy(ctx context.Context, _ *cli.Snapshot) error {
	project, err := projectOf(w.cmd, w.folder)
	if err != nil {
		return err
	}
	function, err := deployProject(ctx, w.cmd, w.client, w.folder, project, &w.requirements)
	if err != nil {
		return err
	}
	w.function, w.revision = function, ""
	// Changes after a deployment of equal code are still in force. At the first
	// deployment this also tells that a server does not allow any.
	return w.client.EndSource(ctx, function.FunctionName)
}

// update sends what has changed: source alone if possible.
func (w *watcher) update(ctx context.Context, now *cli.Snapshot) error {
	changed, removed := now.Since(w.seen)
	all := slices.Concat(changed, removed)
	if len(all) == 0 {
		return nil
	}
	if slices.Contains(all, cli.ProjectFile) || slices.Contains(all, cli.RequirementsFile) {
		return w.deploy(ctx, now)
	}
	begin := time.Now()
	source, err := now.ReadSource(w.folder, changed, removed)
	if err != nil {
		return err
	}
	source.CodeSha256, source.Revision = w.function.CodeSha256, w.revision
	revision, err := w.client.PutSource(ctx, w.function.FunctionName, source)
	if cli.IsStale(err) {
		w.say("%s was changed by somebody else, or the server was started again", w.function.FunctionName)
		return w.deploy(ctx, now)
	}
	if err != nil {
		return err
	}
	w.revision = revision
	w.say("%s runs the new %s (%s)", w.function.FunctionName, named(all), rounded(time.Since(begin)))
	return nil
}

// mostNamed is how many files a message names.
const mostNamed = 3

func named(files []string) string {
	if more := len(files) - mostNamed; more > 0 {
		return fmt.Sprintf("%s and %d more files", strings.Join(files[:mostNamed], ", "), more)
	}
	return strings.Join(files, ", ")
}
