package function

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func readFile(t testing.TB, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must2 is must for calls with a result: must2(f())(t).
func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func asLimit(err error, to **LimitError) bool { return errors.As(err, to) }

// patchSize makes the first entry of the directory declare a size.
func patchSize(t testing.TB, archive []byte, size uint32) {
	t.Helper()
	i := bytes.LastIndex(archive, []byte("PK\x01\x02"))
	if i < 0 {
		t.Fatal("no directory")
	}
	const uncompressedSize = 24
	binary.LittleEndian.PutUint32(archive[i+uncompressedSize:], size)
}

func manyTags(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint("key", i)] = "value"
	}
	return tags
}
