package platform

import (
	"archive/zip"
	"bytes"
	"io"
	"maps"
	"slices"
)

// Zip packs files (path -> text) as a deployment package, in path order so that
// equal files give equal bytes.
func Zip(files map[string]string) ([]byte, error) {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, err := z.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(file, files[name]); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return archive.Bytes(), err
}
