package pyboot

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDebugLayerAddsTheDebugger(t *testing.T) {
	r, err := New(Config{Folder: t.TempDir(), Packages: &Packages{}})
	if err != nil {
		t.Fatal(err)
	}
	layers := t.TempDir()
	write(t, filepath.Join(layers, "python/prices.py"), "of the layer")
	folder, err := r.DebugLayer(t.Context(), "python3.12", layers)
	if err != nil {
		hereOnly(t, "debugpy cannot be installed: "+err.Error())
	}
	for _, name := range []string{"python/prices.py", "python/lambkin_debug.py", "python/debugpy/__init__.py"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm()&0o044 != 0o044 {
			t.Errorf("%s cannot be read by environments: %v %v", name, info, err)
		}
	}
	if again, err := r.DebugLayer(t.Context(), "python3.12", layers); again != folder || err != nil {
		t.Errorf("the second time: %s, %v", again, err)
	}
	own := t.TempDir()
	write(t, filepath.Join(own, "python/debugpy/__init__.py"), "the layer's own")
	folder, err = r.DebugLayer(t.Context(), "python3.12", own)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(folder, "python/debugpy/__init__.py")); string(text) != "the layer's own" {
		t.Errorf("the debugger of the layer was replaced by %s", text)
	}
	if _, err := r.DebugLayer(t.Context(), "provided.al2023", ""); err == nil {
		t.Error("a custom runtime has a Python debugger")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
