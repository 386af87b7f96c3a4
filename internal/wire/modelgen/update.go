package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/modelgen/apimodel"
)

// botocoreVersion is the release that the models come from.
const botocoreVersion = "1.43.67"

// update renews the models of the named APIs, with the operations that match only.
func update(cache, folder string, names []string, only string) error {
	kept, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	source := filepath.Join(cache, "botocore-"+botocoreVersion+".tar.gz")
	if _, err := os.Stat(source); err != nil {
		pip := exec.Command("python3", "-m", "pip", "download", "--no-deps", "--no-binary", ":all:",
			"--dest", cache, "botocore=="+botocoreVersion)
		pip.Stdout, pip.Stderr = os.Stderr, os.Stderr
		if err := pip.Run(); err != nil {
			return fmt.Errorf("pip download: %w", err)
		}
	}
	found, err := newest(source, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		m := found[name]
		if m.data == nil {
			return fmt.Errorf("botocore %s has no model of %q", botocoreVersion, name)
		}
		model, err := apimodel.Parse(m.data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		model.Keep(kept.MatchString)
		text, err := model.Trim()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// found is the model of one API version.
type found struct {
	version string // "2015-03-31"
	data    []byte
}

// newest reads the newest version of each named API out of botocore's archive,
// where they are botocore-X/botocore/data/NAME/VERSION/service-2.json.
func newest(archive string, names []string) (map[string]found, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	out := make(map[string]found, len(names))
	for _, name := range names {
		out[name] = found{}
	}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", archive, err)
		}
		dir, file := path.Split(header.Name)
		parts := strings.Split(strings.Trim(dir, "/"), "/")
		if file != "service-2.json" || len(parts) < 2 {
			continue
		}
		name, version := parts[len(parts)-2], parts[len(parts)-1]
		if old, wanted := out[name]; !wanted || old.version > version {
			continue
		}
		data, err := io.ReadAll(files)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", archive, err)
		}
		out[name] = found{version: version, data: data}
	}
}
