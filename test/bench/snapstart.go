package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// What is measured of SnapStart: restorations of one version, whose environment
// exits after each, and for comparison some cold starts of the same code without.
const (
	restores       = 60
	scientificCold = 5
	slowInit       = 2 * time.Second
)

// scientific is a function whose initialisation imports numpy and pandas and
// takes extra beside. An event that asks for it ends the environment.
func scientific(name string, packages map[string]string, extra time.Duration) platform.Function {
	f := platform.Function{Name: name, MemoryMB: oneVCPU, Files: map[string]string{
		"app.py": fmt.Sprintf("import os, time\nimport numpy\nimport pandas\nframe = pandas.DataFrame({'a': numpy.arange(3)})\ntime.sleep(%f)\n\n\n"+
			"def handler(event, context):\n    if 'exit' in event:\n        os._exit(0)\n    return event\n", extra.Seconds())}}
	for path, text := range packages {
		f.Files[path] = text
	}
	return f
}

// snapStart measures restorations of a function with numpy and pandas, and that
// they do not depend on what its initialisation takes.
func (b *bench) snapStart(ctx context.Context, p *platform.Platform) error {
	packages, err := readPackages(b.packages)
	if errors.Is(err, fs.ErrNotExist) {
		b.add(row{what: "SnapStart restore with numpy and pandas", lambkin: "SKIPPED: " + b.packages + " is absent, see docs/benchmarks.md"})
		return nil
	} else if err != nil {
		return err
	}
	for _, extra := range []time.Duration{0, slowInit} {
		name := fmt.Sprintf("scientific-%d", extra/time.Second)
		if err := b.restore(ctx, p, scientific(name, packages, extra), extra); err != nil {
			return err
		}
	}
	latencies, err := b.firstCalls(ctx, p, scientific("anew", packages, 0), scientificCold)
	if err != nil {
		return err
	}
	b.add(row{what: fmt.Sprintf("the same started anew, without SnapStart, p50 of %d", scientificCold), lambkin: milliseconds(percentile(latencies, 0.5))})
	return nil
}

func (b *bench) restore(ctx context.Context, p *platform.Platform, f platform.Function, extra time.Duration) error {
	if err := p.Deploy(ctx, f); err != nil && p.WaitActive(ctx, f.Name) != nil { // a large package takes its time on a busy machine
		return err
	}
	if err := publishSnapshot(ctx, p, f.Name); err != nil {
		return err
	}
	path, want := platform.InvokePath(f.Name)+"?Qualifier=1", event()
	raw, err := signed(ctx, p.Address, path, want)
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for range restores {
		<-time.After(parkedPause)
		latency, err := firstCall(p.Address, raw, want)
		if err != nil {
			return err
		}
		latencies = append(latencies, latency)
		if _, err := p.Call(ctx, "POST", path, []byte(`{"exit": true}`)); err != nil {
			return err
		}
	}
	slices.Sort(latencies)
	what := "SnapStart restore with numpy and pandas"
	if extra > 0 {
		what += fmt.Sprintf(", initialisation %s longer", extra)
	}
	p50 := percentile(latencies, 0.5)
	b.add(row{what: fmt.Sprintf("%s, p50 of %d", what, restores), lambkin: milliseconds(p50), goal: atMostTime(p50, goalRestore)})
	b.add(row{what: what + ", p99", lambkin: milliseconds(percentile(latencies, 0.99))})
	return nil
}

// publishSnapshot publishes a version with SnapStart and waits for its snapshot.
func publishSnapshot(ctx context.Context, p *platform.Platform, name string) error {
	path := "/2015-03-31/functions/" + name
	reply, err := p.Call(ctx, "PUT", path+"/configuration", []byte(`{"SnapStart": {"ApplyOn": "PublishedVersions"}}`))
	if err == nil {
		err = p.WaitActive(ctx, name)
	}
	if err == nil {
		reply, err = p.Call(ctx, "POST", path+"/versions", []byte("{}"))
	}
	if err != nil || reply.Status != http.StatusCreated {
		return fmt.Errorf("publish %s: %w: %s", name, err, reply.Body)
	}
	for deadline := time.Now().Add(platform.ReadyTimeout); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		reply, err := p.Call(ctx, "GET", path+"/configuration?Qualifier=1", nil)
		if err != nil {
			return err
		}
		if strings.Contains(string(reply.Body), `"OptimizationStatus":"On"`) {
			return nil
		}
		if strings.Contains(string(reply.Body), `"State":"Failed"`) {
			return fmt.Errorf("publish %s: %s", name, reply.Body)
		}
	}
	return fmt.Errorf("publish %s: no snapshot within %s", name, platform.ReadyTimeout)
}

// readPackages reads a folder that pip has filled, without what no function needs.
func readPackages(folder string) (map[string]string, error) {
	if _, err := os.Stat(filepath.Join(folder, "pandas")); err != nil {
		return nil, err
	}
	files := map[string]string{}
	return files, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "tests" || entry.Name() == "__pycache__" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		if entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(folder, path) // path is below folder
		files[relative] = string(text)
		return err
	})
}
