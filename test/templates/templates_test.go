// Package templates compares how templates in YAML are read: by this platform and
// by the AWS command line, whose "cloudformation package" rewrites the templates of
// its users before CloudFormation sees them. What both take must be the same.
//
// The command line is installed once, into .cache of the repository. Start reading
// at TestTheCommandLineReadsTheSame.
package templates

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/test/clients"
)

// scriptTimeout bounds the reading of all texts by the command line.
const scriptTimeout = 2 * time.Minute

// texts are beside the files: each is the value of a property.
var texts = []string{
	"!Ref A", "!GetAtt A.Arn", "!GetAtt A.Outputs.B.C", "!GetAtt [A, Arn]", "!Condition C", "!Sub 'x-${A}'", "!Sub ['${V}', {V: !Ref A}]", "!Sub |\n  a ${A}\n  b",
	"!If [C, !GetAtt A.Arn, !Ref 'AWS::NoValue']", "!Join ['', [a, !Ref B, !Select [0, !GetAZs '']]]", "!Base64\n  Fn::Sub: |\n    #!/bin/sh\n    echo ${A}", "!ImportValue\n  'Fn::Sub': '${A}-x'",
	"!FindInMap [M, !Ref 'AWS::Region', k]", "!Cidr [!GetAtt V.CidrBlock, 3, 8]", "!Equals [!Ref A, 'true']", "!Not [!Equals [a, b]]", "!GetAZs", "!Split [',', !ImportValue x]", "{Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}",
	"2012-10-17", "'2012-10-17'", "1", "-1", "1.5", "'1'", "true", "'true'", "yes", "Off", "'yes'", "null", "''", "a # comment", "'a # no comment'", "a:b", "\n- x\n- - y\n  - z", "{a: [1, {b: c}]}",
	"|\n  one\n   two\n\n  three", ">\n  one\n  two\n\n  three", "|-\n  x\n", "|+\n  x\n\n", "\"a\\tb\\u00e9\\n\"", "'it''s'", "arn:aws:iam::123456789012:role/x", "\"123456789012\"", "rate(5 minutes)", "cron(0 12 * * ? *)", "${!x}", "'*/5'",
	"1.10.0", "3.14", "0.1", "1e3", "~", "{}", "[]", "&anchor y",
}

func TestTheCommandLineReadsTheSame(t *testing.T) {
	folder := t.TempDir()
	aws, err := clients.Install(t.Context(), "../../.cache", folder, clients.AWS)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, pattern := range []string{"../../internal/core/template/testdata/*.*", "../../examples/*/template.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(text))
		}
	}
	for _, text := range texts {
		all = append(all, "A:\n  B: "+strings.ReplaceAll(text, "\n", "\n    ")+"\n")
	}
	theirs := readByCommandLine(t, aws, all)
	same := 0
	for i, text := range all {
		ours, err := syntax.Parse(text)
		if err != nil {
			t.Errorf("%v, but the command line takes it:\n%s", err, text)
			continue
		}
		if diff := cmp.Diff(flat(theirs[i]), flat(map[string]any(ours))); diff != "" {
			t.Errorf("(-command line +ours)\n%s\n%s", diff, text)
			continue
		}
		same++
	}
	t.Logf("%d of %d texts are read the same", same, len(all))
}

// readByCommandLine is what the command line reads from each text.
func readByCommandLine(t *testing.T, aws *clients.Clients, all []string) []any {
	t.Helper()
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, aws.Python, "-c", script)
	command.Env = append(os.Environ(), "PYTHONPATH="+aws.Packages)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		var stderr string
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%v\n%s", err, stderr)
	}
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.UseNumber()
	var read []any
	if err := decoder.Decode(&read); err != nil || len(read) != len(all) {
		t.Fatalf("%d answers for %d texts: %v", len(read), len(all), err)
	}
	return read
}

const script = `
import datetime, json, sys
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value

json.dump([plain(yaml_parse(text)) for text in json.load(sys.stdin)], sys.stdout)
`

// flat writes scalars as texts: whether one is a number or its text makes no
// difference to CloudFormation.
func flat(value any) any {
	switch value := value.(type) {
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = flat(item)
		}
		return items
	case map[string]any:
		object := make(map[string]any, len(value))
		for key, item := range value {
			object[key] = flat(item)
		}
		return object
	}
	text, ok := template.Text(value)
	if !ok {
		return value
	}
	return text
}
