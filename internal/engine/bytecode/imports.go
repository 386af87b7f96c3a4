package bytecode

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Bounds of a search for imports; what lies beyond is not looked at.
const (
	searchedFiles = 2000
	searchedBytes = 32 << 20
	searchedFile  = 1 << 20 // of one file: imports are at its top
)

var importsBoto3 = regexp.MustCompile(`(?m)^[ \t]*(?:from[ \t]+(?:boto3|botocore)\b|import[ \t][^#\r\n]*\b(?:boto3|botocore)\b)`)

// errEnough ends a search.
var errEnough = errors.New("enough")

// ImportsBoto3 tells whether sources of the folders seem to import boto3, which
// none of them brings along: a guess that makes starts fast, no more. Empty
// folders count as nothing.
func ImportsBoto3(folders ...string) bool {
	files, left, found := searchedFiles, int64(searchedBytes), false
	for _, folder := range folders {
		if folder == "" {
			continue
		}
		// What cannot be read does not count.
		filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if entry.IsDir() && (entry.Name() == "boto3" || entry.Name() == "botocore") {
				files = 0 // its own: whatever comes after, the runtime's is not wanted
				return errEnough
			}
			if found || !entry.Type().IsRegular() || !strings.HasSuffix(path, ".py") {
				return nil
			}
			if files--; files <= 0 || left <= 0 {
				return errEnough
			}
			source := head(path, searchedFile)
			left -= int64(len(source))
			found = importsBoto3.Match(source)
			return nil
		})
		if files <= 0 {
			return false
		}
	}
	return found
}

func head(path string, limit int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil
	}
	return source
}
