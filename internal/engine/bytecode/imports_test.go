package bytecode

import (
	"strings"
	"testing"
)

func TestImportsBoto3(t *testing.T) {
	for source, want := range map[string]bool{
		"import boto3\n":                                  true,
		"import os, boto3 as b\n":                         true,
		"x = 1\r\nfrom botocore.config import Config\r\n": true,
		"def f():\n    import botocore.session\n":         true,
		"# import boto3\n":                                false,
		"import os  # not boto3\n":                        false,
		"import boto3x, aboto3\nfrom boto3x import y\n":   false,
		"'boto3'\n": false,
		"import " + strings.Repeat("a, ", 500_000) + "\n":   false,
		strings.Repeat("from", 500_000):                     false,
		strings.Repeat("\n", searchedFile) + "import boto3": false,
	} {
		if got := ImportsBoto3("", packageOf(t, map[string]string{"p/app.py": source})); got != want {
			t.Errorf("%.60q: %v", source, got)
		}
	}
	mine := packageOf(t, map[string]string{"app.py": "import boto3\n", "python/boto3/__init__.py": ""})
	other := packageOf(t, map[string]string{"app.py": "import boto3\n"})
	if ImportsBoto3(mine) || ImportsBoto3(other, mine) || ImportsBoto3() {
		t.Error("the runtime's boto3 is wanted though the package has its own")
	}
}
