package cli

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// ProjectFile holds a function's settings beside its source.
const ProjectFile = "lambkin.toml"

// RequirementsFile lists the packages that are installed into the package.
const RequirementsFile = "requirements.txt"

// Settings of a function where neither a flag nor the project file says more.
const (
	DefaultRuntime = "python3.14"
	DefaultMemory  = 256
	DefaultTimeout = 30
)

// Project is the content of a ProjectFile.
type Project struct {
	Name        string            `toml:"name"`
	Runtime     string            `toml:"runtime"`
	Handler     string            `toml:"handler"`
	Role        string            `toml:"role"`
	Description string            `toml:"description"`
	Memory      int               `toml:"memory"`  // MB
	Timeout     int               `toml:"timeout"` // seconds
	Layers      []string          `toml:"layers"`  // ARNs of layer versions; absent: those that the function has
	Environment map[string]string `toml:"environment"`
}

// ReadProject reads the settings of the folder; without a ProjectFile they are
// empty. A key that the file should not have is an error that names it.
func ReadProject(folder string) (*Project, error) {
	p := &Project{}
	text, err := os.ReadFile(filepath.Join(folder, ProjectFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := ParseProject(text, p); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, ProjectFile), err)
	}
	return p, nil
}

// ParseProject reads the text of a ProjectFile.
func ParseProject(text []byte, p *Project) error {
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	err := decoder.Decode(p)
	if key := UnknownKey(err); key != "" {
		return fmt.Errorf("unknown key %q (known: name, runtime, handler, role, description, memory, timeout, layers, [environment])", key)
	}
	return err
}

// UnknownKey is the key that a decoder of TOML did not know, if err says that.
func UnknownKey(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		return strings.Join(strict.Errors[0].Key(), ".")
	}
	return ""
}

// fallbackHandlers are what a handler is called when nobody says it: file and function.
var fallbackHandlers = []struct{ file, handler string }{
	{"app.py", "app.handler"}, {"lambda_function.py", "lambda_function.lambda_handler"}, {"main.py", "main.handler"}, {"handler.py", "handler.handler"},
}

// FindHandler guesses the handler of a source folder from the names of its
// files and the functions that they define.
func FindHandler(folder string) (string, error) {
	for _, fallback := range fallbackHandlers {
		source, err := os.ReadFile(filepath.Join(folder, fallback.file))
		if err != nil {
			continue
		}
		module := strings.TrimSuffix(fallback.file, ".py")
		for _, name := range []string{fallback.handler[len(module)+1:], "handler", "lambda_handler"} {
			if regexp.MustCompile(`(?m)^(async )?(def ` + name + `\(|` + name + `\s*=)`).Match(source) {
				return module + "." + name, nil
			}
		}
	}
	return "", fmt.Errorf("no handler found in %s: name it with --handler FILE.FUNCTION or in %s (handler = \"app.handler\")", folder, ProjectFile)
}

// leftOut are the files of a source folder that never belong into a package:
// those of tools, and what editors write beside a file that is being edited.
var leftOut = regexp.MustCompile(`(^|/)(\.git|\.hg|\.venv|venv|__pycache__|\.mypy_cache|\.pytest_cache|\.ruff_cache|node_modules|\.idea|\.vscode|\.env|\.DS_Store|4913|\.#[^/]*)(/|$)|(\.pyc|\.sw[a-z]|~)$`)

// Pack makes a deployment package of the folders, later ones first where both
// have a file. Equal trees give equal bytes, so an unchanged function keeps its CodeSha256.
func Pack(folders ...string) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	packed := map[string]bool{}
	var total int64
	for i := len(folders) - 1; i >= 0; i-- {
		err := walkSource(folders[i], func(path, name string, entry fs.DirEntry) error {
			if packed[name] || !entry.Type().IsRegular() && entry.Type()&fs.ModeSymlink == 0 {
				return nil
			}
			packed[name] = true
			size, err := packFile(archive, path, name)
			if total += size; err == nil && total > limit.UnzippedCodeBytes {
				err = fmt.Errorf("%s is larger than the %d MB that a package may have unzipped", folders[i], limit.UnzippedCodeBytes>>20)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(packed) == 0 {
		return nil, fmt.Errorf("%s holds no files to deploy", strings.Join(folders, " and "))
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if out.Len() > limit.ZippedCodeBytes {
		return nil, fmt.Errorf("the package is %d MB zipped; at most %d MB can be uploaded: move large dependencies into a layer", out.Len()>>20, limit.ZippedCodeBytes>>20)
	}
	return out.Bytes(), nil
}

// walkSource visits what of a source folder belongs into a package, folders too.
func walkSource(folder string, visit func(path, name string, entry fs.DirEntry) error) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if leftOut.MatchString(name) || name == ProjectFile {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return visit(path, name, entry)
	})
}

// packFile adds one file; a symbolic link is added as what it points to.
func packFile(archive *zip.Writer, path, name string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, nil // a link to a folder: its files are not followed
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o644 | info.Mode()&0o111)
	target, err := archive.CreateHeader(header)
	if err != nil {
		return 0, err
	}
	source, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	return io.Copy(target, source)
}

// notInNames are the characters that a function name cannot have.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// maxNameLength is the longest function name.
const maxNameLength = 64

// NameOf is the function name that a source folder or archive suggests.
func NameOf(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	name := strings.Trim(notInNames.ReplaceAllString(strings.TrimSuffix(filepath.Base(absolute), ".zip"), "-"), "-")
	if name == "" {
		return "", fmt.Errorf("no function name can be made of %s: give one with --name", path)
	}
	return name[:min(len(name), maxNameLength)], nil
}
