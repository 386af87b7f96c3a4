package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// item is one entry of a test archive.
type item struct {
	name, body string
	mode       fs.FileMode
	method     uint16
	flags      uint16
}

func build(t testing.TB, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate, Flags: it.flags}
		if it.method != 0 {
			h.Method = it.method
		}
		mode := it.mode
		if mode.Perm() == 0 {
			mode |= 0o644
		}
		h.SetMode(mode)
		h.Name = it.name
		if strings.HasSuffix(it.name, "/") {
			h.Method = zip.Store
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(it.body))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var testLimits = Limits{UnpackedBytes: 1 << 20, Entries: 1000}

// unpack unpacks into a folder beside which lies a guard file.
func unpack(t testing.TB, archive []byte) (string, error) {
	t.Helper()
	return unpackWithin(t, testLimits, archive)
}

func unpackWithin(t testing.TB, limits Limits, archive []byte) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, Unpack(bytes.NewReader(archive), int64(len(archive)), dir, limits)
}

func read(t testing.TB, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUnpackWritesFilesFoldersAndLinks(t *testing.T) {
	dir, err := unpack(t, build(t,
		item{name: "handler.py", body: "def handler(): pass", mode: 0o600},
		item{name: "bin/", mode: fs.ModeDir | 0o700},
		item{name: "bin/tool", body: "#!/bin/sh", mode: 0o711 | fs.ModeSetuid | fs.ModeSetgid},
		item{name: "deep/er/est/x.txt", body: "x", mode: 0o200},
		item{name: "lib/libx.so", body: "libx.so.1", mode: fs.ModeSymlink | 0o777},
		item{name: "lib/libx.so.1", body: "elf"},
		item{name: "lib/up", body: "../bin/tool", mode: fs.ModeSymlink | 0o777},
		item{name: "./dotted/./name", body: "dots"},
		item{name: `back\slash`, body: "kept"},
		item{name: "empty"},
	))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		"handler.py": 0o644, "bin": fs.ModeDir | 0o755, "bin/tool": 0o755, "deep": fs.ModeDir | 0o755, "deep/er/est/x.txt": 0o644,
		"lib/libx.so": fs.ModeSymlink, "dotted/name": 0o644, `back\slash`: 0o644, "empty": 0o644,
	}
	for name, mode := range want {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := info.Mode()
		if got&fs.ModeSymlink != 0 {
			got = fs.ModeSymlink // the permissions of a link mean nothing
		}
		if got != mode {
			t.Errorf("%s has mode %v, want %v", name, got, mode)
		}
	}
	if got := read(t, dir, "lib/libx.so"); got != "elf" {
		t.Errorf("through the link: %q", got)
	}
	if got := read(t, dir, "lib/up"); got != "#!/bin/sh" {
		t.Errorf("through the link upwards: %q", got)
	}
}

func TestUnpackRefusesWhatLeadsOut(t *testing.T) {
	link := func(name, target string) item { return item{name: name, body: target, mode: fs.ModeSymlink | 0o777} }
	cases := map[string][]item{
		"parent":                  {{name: "../evil", body: "x"}},
		"parent inside":           {{name: "a/../../evil", body: "x"}},
		"parent that comes back":  {{name: "a/../b", body: "x"}},
		"only dots":               {{name: "..", body: "x"}},
		"absolute":                {{name: "/etc/evil", body: "x"}},
		"absolute folder":         {{name: "/evil/", mode: fs.ModeDir}},
		"zero byte":               {{name: "a\x00b", body: "x"}},
		"absolute link":           {link("l", "/etc/passwd")},
		"link out":                {link("l", "../outside")},
		"link out from below":     {link("a/l", "../../outside")},
		"link through a link":     {link("d/to", "../e"), link("l", "d/to/../../outside"), {name: "e/x", body: "x"}},
		"link with a parent late": {link("l", "a/../../outside")},
		"empty link":              {link("l", "")},
		"link with zero byte":     {link("l", "a\x00b")},
		"link too long":           {link("l", strings.Repeat("a/", 2000))},
		"write through a link":    {link("l", "sub"), {name: "l/evil", body: "x"}},
		"write through it first":  {{name: "l/evil", body: "x"}, link("l", "sub")},
		"file as folder":          {{name: "f", body: "x"}, {name: "f/g", body: "x"}},
		"twice, file and folder":  {{name: "f", body: "x"}, {name: "f/", mode: fs.ModeDir}},
		"twice, file and link":    {{name: "f", body: "x"}, link("f", "g")},
		"device":                  {{name: "null", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}},
		"block device":            {{name: "sda", mode: fs.ModeDevice | 0o666}},
		"pipe":                    {{name: "p", mode: fs.ModeNamedPipe | 0o666}},
		"socket":                  {{name: "s", mode: fs.ModeSocket | 0o666}},
		"element too long":        {{name: strings.Repeat("a", 256), body: "x"}},
		"name too long":           {{name: strings.Repeat("a/", 1100) + "b", body: "x"}},
		"encrypted":               {{name: "e", body: "x", flags: 1}},
		"file without a name":     {{name: "./.", body: "x"}},
	}
	for name, items := range cases {
		t.Run(name, func(t *testing.T) {
			archive := build(t, append(items, item{name: "good", body: "x"})...)
			if _, err := Check(bytes.NewReader(archive), int64(len(archive)), testLimits); !errors.Is(err, ErrFormat) {
				t.Errorf("Check: %v, want ErrFormat", err)
			}
			dir, err := unpack(t, archive)
			if !errors.Is(err, ErrFormat) {
				t.Errorf("Unpack: %v, want ErrFormat", err)
			}
			onlyTreeIn(t, filepath.Dir(dir))
			if entries, _ := os.ReadDir(dir); len(entries) > 0 {
				t.Errorf("refused, but %d entries were written", len(entries))
			}
		})
	}
}

// onlyTreeIn fails if anything but the tree lies in its parent.
func onlyTreeIn(t testing.TB, parent string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "tree" {
		t.Errorf("written outside of the tree: %v", entries)
	}
}

func TestUnpackRefusesWhatIsNoArchive(t *testing.T) {
	good := build(t, item{name: "a", body: strings.Repeat("compressible ", 100)})
	damaged := bytes.Clone(good)
	damaged[40] ^= 0xff // in the compressed contents
	for name, c := range map[string]struct {
		archive []byte
		want    error
	}{
		"nothing":       {nil, ErrFormat},
		"text":          {[]byte("this is not a zip"), ErrFormat},
		"cut":           {good[:len(good)-10], ErrFormat},
		"damaged":       {damaged, ErrFormat},
		"empty archive": {build(t), ErrEmpty},
		"only the root": {build(t, item{name: "./", mode: fs.ModeDir}), ErrEmpty},
	} {
		if _, err := unpack(t, c.archive); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestUnpackKeepsTheLastOfDuplicates(t *testing.T) {
	dir, err := unpack(t, build(t, item{name: "a", body: "first"}, item{name: "./a", body: "second"}, item{name: "d/"}, item{name: "d/"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "a"); got != "second" {
		t.Errorf("a holds %q", got)
	}
}

func TestUnpackBoundsTheBytes(t *testing.T) {
	bomb := build(t, item{name: "zeros", body: strings.Repeat("\x00", 2<<20)})
	if len(bomb) > 10<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	many := build(t, item{name: "a", body: strings.Repeat("a", 600<<10)}, item{name: "b", body: strings.Repeat("b", 600<<10)})
	same := build(t, item{name: "a", body: strings.Repeat("a", 600<<10)}, item{name: "a", body: strings.Repeat("b", 600<<10)})
	for name, archive := range map[string][]byte{"one": bomb, "sum": many, "duplicates": same} {
		if _, err := unpack(t, archive); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	exact := build(t, item{name: "a", body: strings.Repeat("a", 1<<20)})
	if _, err := unpack(t, exact); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
}

// TestUnpackDoesNotBelieveDeclaredSizes patches the size in the directory.
func TestUnpackDoesNotBelieveDeclaredSizes(t *testing.T) {
	for name, declared := range map[string]uint32{"smaller": 10, "larger": 1 << 19} {
		archive := build(t, item{name: "zeros", body: strings.Repeat("\x00", 200<<10)})
		i := bytes.LastIndex(archive, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(archive[i+24:], declared)
		dir, err := unpack(t, archive)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "zeros")); err == nil && info.Size() > 200<<10 {
			t.Errorf("%s: %d bytes were written", name, info.Size())
		}
	}
}

func TestUnpackBoundsTheEntries(t *testing.T) {
	limits := Limits{UnpackedBytes: testLimits.UnpackedBytes, Entries: 50}
	items := make([]item, limits.Entries*4+1)
	for i := range items {
		items[i] = item{name: strings.Repeat("x", i%200+1) + strings.Repeat("y", i/200+1)}
	}
	archive := build(t, items...)
	if _, err := unpackWithin(t, limits, archive); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	// An archive in an archive is full of signatures, but not of entries.
	inner := build(t, items[:limits.Entries]...)
	if _, err := unpackWithin(t, limits, build(t, item{name: "inner.zip", body: string(inner), method: zip.Store})); err != nil {
		t.Errorf("a stored archive inside: %v", err)
	}
	if _, err := unpackWithin(t, limits, build(t, items[:limits.Entries+1]...)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one entry too many: %v, want ErrTooLarge", err)
	}
}

func TestSummaryCountsBytesAndEntries(t *testing.T) {
	archive := build(t, item{name: "a", body: "12345"}, item{name: "d/"}, item{name: "d/b", body: "678"})
	got, err := Check(bytes.NewReader(archive), int64(len(archive)), testLimits)
	if want := (Summary{UnpackedBytes: 8, Entries: 3}); err != nil || got != want {
		t.Errorf("Check gives %v, %v, want %v", got, err, want)
	}
}

func tree(t *testing.T, items ...item) string {
	t.Helper()
	dir, err := unpack(t, build(t, items...))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMergeLetsTheLaterTreeWin(t *testing.T) {
	link := func(name, target string) item { return item{name: name, body: target, mode: fs.ModeSymlink | 0o777} }
	first := tree(t,
		item{name: "python/a.py", body: "first a"}, item{name: "python/only1.py", body: "1"},
		item{name: "becomes-file/x", body: "x"}, item{name: "becomes-folder", body: "x"},
		link("link-then-folder", "python"), item{name: "folder-then-link/x", body: "x"}, link("python/l", "a.py"))
	second := tree(t,
		item{name: "python/a.py", body: "second a", mode: 0o755}, item{name: "python/only2.py", body: "2"},
		item{name: "becomes-file", body: "file"}, item{name: "becomes-folder/y", body: "y"},
		item{name: "link-then-folder/inside.py", body: "inside"}, link("folder-then-link", "python"))
	dir := t.TempDir()
	if err := Merge(dir, first, second); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"python/a.py": "second a", "python/only1.py": "1", "python/only2.py": "2", "becomes-file": "file", "becomes-folder/y": "y",
		"link-then-folder/inside.py": "inside", "folder-then-link/only2.py": "2", "python/l": "second a",
	} {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	// The layer's own tree must not have been written through its link.
	if _, err := os.Lstat(filepath.Join(first, "python/inside.py")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the first tree was changed: %v", err)
	}
	a, _ := os.Stat(filepath.Join(second, "python/a.py"))
	b, _ := os.Stat(filepath.Join(dir, "python/a.py"))
	if !os.SameFile(a, b) {
		t.Error("the file was copied, not linked")
	}
	if info, _ := os.Lstat(filepath.Join(dir, "python")); info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("folder has mode %v", info.Mode())
	}
}

// FuzzUnpack: whatever the bytes say, nothing is outside, nothing is special,
// everybody may read it, and no more than the limit is written.
func FuzzUnpack(f *testing.F) {
	f.Add(build(f, item{name: "a/b", body: "x"}, item{name: "l", body: "a/b", mode: fs.ModeSymlink | 0o777}))
	f.Add(build(f, item{name: "../x", body: "x"}))
	f.Add(build(f, item{name: "l", body: "../..", mode: fs.ModeSymlink | 0o777}, item{name: "l/x", body: "y"}))
	f.Add(build(f, item{name: "z", body: strings.Repeat("\x00", 2<<20)}))
	f.Add(build(f, item{name: "d/"}, item{name: "d", body: "x"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		_, checkErr := Check(bytes.NewReader(archive), int64(len(archive)), testLimits)
		dir, err := unpack(t, archive)
		onlyTreeIn(t, filepath.Dir(dir))
		if checkErr != nil && err == nil {
			t.Errorf("unpacked what Check refuses: %v", checkErr)
		}
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("an error that is not about the archive: %v", err)
		}
		checkTree(t, dir)
	})
}

// checkTree holds a tree to the promises of the package.
func checkTree(t *testing.T, dir string) {
	t.Helper()
	var total int64
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if info.Mode().Perm() != 0o755 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
		case d.Type() == fs.ModeSymlink:
			if to, err := filepath.EvalSymlinks(name); err == nil && to != real && !strings.HasPrefix(to, real+"/") {
				t.Errorf("%s leads to %s", name, to)
			}
		case d.Type() == 0:
			total += info.Size()
			if p := info.Mode(); p != 0o644 && p != 0o755 && p != 0o600 { // 0600: refused while it was written
				t.Errorf("%s has mode %v", name, p)
			}
		default:
			t.Errorf("%s is special: %v", name, d.Type())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > testLimits.UnpackedBytes+1 {
		t.Errorf("%d bytes were written", total)
	}
}
