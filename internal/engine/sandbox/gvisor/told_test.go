package gvisor

import (
	"strings"
	"testing"
)

func TestWhatRunscTells(t *testing.T) {
	for text, want := range map[string]string{
		"runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n": "0.0~20221219.0",
		"runsc version release-20260905.0\nspec: 1.2.1\n": "release-20260905.0",
		"something else\n": unknown,
	} {
		if got := versionOf(text); got != want {
			t.Errorf("%q: version %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"  -platform string\n    \tspecifies which platform to use: ptrace (default), kvm. (default \"ptrace\")\n  -platform_device_path string\n":          "ptrace",
		"  -panic-signal int\n    \tx (default -1)\n  -platform string\n    \tspecifies which platform: systrap (default), ptrace. (default \"systrap\")\n": "systrap",
		"": unknown,
	} {
		if got := platformOf(text); got != want {
			t.Errorf("%q: platform %s, want %s", text, got, want)
		}
	}
	const start = "running container: starting container: starting root container: starting sandbox: "
	for line, want := range map[string]failure{
		start + "creating process: failed to load /var/task/bootstrap: permission denied": {"/var/task/bootstrap", "permission denied"},
		"running container: creating container: cannot create sandbox: EOF":               {"", "creating container: cannot create sandbox: EOF"},
		"a line of the function's": {},
		"":                         {},
	} {
		if got := parseFailure(line); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}

func FuzzParseFailure(f *testing.F) {
	f.Add("running container: failed to load a: b")
	f.Add("running container: ")
	f.Fuzz(func(t *testing.T, line string) {
		got := parseFailure(line)
		if got.reason == "" && got.program != "" && !strings.HasSuffix(line, ": ") {
			t.Errorf("%q: a program without a reason: %+v", line, got)
		}
		if len(got.program)+len(got.reason) > len(line) || (got != failure{} && !strings.HasPrefix(line, "running container: ")) {
			t.Errorf("%q: %+v", line, got)
		}
	})
}
