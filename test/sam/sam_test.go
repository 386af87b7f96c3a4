// Package sam compares the SAM transform with the official translator, installed from
// its package: the same template in, the same template or the same error out. It
// prints how many agree.
//
// The templates of testdata are ours, since those of the translator are not in its
// package; a folder with other templates is compared with -templates. The translator is
// installed once, into .cache of the repository. Start reading at
// TestTemplatesBecomeWhatTheOfficialTranslatorMakes.
package sam_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/sam"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
	"github.com/lambkin-dev/lambkin/test/clients"
)

var (
	folder = flag.String("templates", "", "folder with more templates to compare, such as tests/translator/input of the translator's repository")
	shown  = flag.Int("differences", 20, "how many differences to show of -templates")
)

// regions are one of each partition that has resources of its own.
var regions = []string{"us-east-1", "cn-north-1", "us-gov-west-1"}

// How many templates there are in testdata, and how many of them are wrong: these only
// rise, and all have to agree.
const (
	ownTemplates = 26
	ownErrors    = 25 // with some 290 messages
)

// row is what the official translator makes of a template.
type row struct {
	Name, Region, Template string
	Output                 json.RawMessage
	Error                  string
	Crash                  bool // an exception that it does not handle
}

func TestTemplatesBecomeWhatTheOfficialTranslatorMakes(t *testing.T) {
	c := compare(t, ask(t, install(t), "testdata", regions...))
	for _, difference := range c.differences {
		t.Error(difference)
	}
	t.Logf("in %d regions, %s", len(regions), c)
	if c.allTemplates < ownTemplates*len(regions) || c.allErrors < ownErrors*len(regions) {
		t.Errorf("there are %d templates and %d errors, there were %d and %d", c.allTemplates/len(regions), c.allErrors/len(regions), ownTemplates, ownErrors)
	}
}

// Floors of the translator's own corpus (1.115.0 over the 831 templates of its
// repository at 1.110.0): they only rise.
const (
	templateFloor = 544
	errorFloor    = 287
)

func TestGivenTemplatesAgree(t *testing.T) {
	if *folder == "" {
		t.Skip("no folder is given with -templates")
	}
	c := compare(t, ask(t, install(t), *folder, regions[0]))
	for _, difference := range c.differences[:min(*shown, len(c.differences))] {
		t.Log(difference)
	}
	t.Logf("%s: %s", *folder, c)
	if c.templates < templateFloor || c.errors < errorFloor {
		t.Errorf("%d templates and %d errors agree, %d and %d did", c.templates, c.errors, templateFloor, errorFloor)
	}
}

func install(t *testing.T) *clients.Clients {
	t.Helper()
	translator, err := clients.Install(t.Context(), "../../.cache", t.TempDir(), clients.Translator)
	if err != nil {
		t.Fatal(err)
	}
	return translator
}

// ask lets the official translator transform the templates of a folder.
func ask(t *testing.T, translator *clients.Clients, folder string, regions ...string) (rows []row) {
	t.Helper()
	command := exec.CommandContext(t.Context(), translator.Bin+"/python", "oracle.py", folder, strings.Join(regions, ","), "param1=value1", "param2=value2")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		t.Fatalf("no template was transformed\n%s", complaints.String())
	}
	return rows
}

// comparison counts what agrees.
type comparison struct {
	templates, allTemplates, errors, allErrors, crashes int
	differences                                         []string
}

func (c *comparison) String() string {
	return fmt.Sprintf("%d of %d templates and %d of %d errors agree; at %d the official translator breaks", c.templates, c.allTemplates, c.errors, c.allErrors, c.crashes)
}

func compare(t *testing.T, rows []row) *comparison {
	t.Helper()
	c := &comparison{}
	for _, r := range rows {
		template, err := pyjson.Decode([]byte(r.Template))
		if err != nil {
			t.Fatal(err)
		}
		out, err := sam.Transform(template, map[string]any{"param1": "value1", "param2": "value2"}, environment(r.Name, r.Region))
		difference := ""
		switch {
		case r.Crash:
			c.crashes++
			if err == nil {
				difference = "we take it, but the official translator breaks: " + r.Error
			}
		case r.Error != "":
			c.allErrors++
			if told := fmt.Sprint(err); told != r.Error {
				difference = "the error differs\nofficial: " + r.Error + "\nours:     " + told
			} else {
				c.errors++
			}
		default:
			c.allTemplates++
			if difference = differs(t, r, out, err); difference == "" {
				c.templates++
			}
		}
		if difference != "" {
			c.differences = append(c.differences, r.Name+" in "+r.Region+": "+difference)
		}
	}
	return c
}

// environment is what oracle.py gives to the official translator.
func environment(name, region string) sam.Environment {
	return sam.Environment{
		Region: region, Seconds: 1700000000,
		Feature: func(string) bool { return strings.HasPrefix(name, "feature_toggle_") },
		ManagedPolicy: func(name string) (string, bool) {
			return "arn:aws:iam::123456789012:policy/MyOwnPolicy", name == "MyOwnPolicy"
		},
		Application: func(id, _ string) (string, error) {
			if slices.Contains([]string{"no-access", "non-existent", "invalid-semver"}, id) {
				return "", fmt.Errorf("Cannot access application: %s.", id)
			}
			return "https://repository.example/" + id, nil
		},
	}
}

// differs tells the first difference of a transformed template. Lists count as sets
// where the official translator makes them of sets (DependsOn, Fn::Or), by name.
func differs(t *testing.T, r row, out map[string]any, err error) string {
	t.Helper()
	if err != nil {
		return "we refuse it: " + err.Error()
	}
	theirs, err := pyjson.Decode(r.Output)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := pyjson.FromPlain(out)
	if err != nil {
		t.Fatal(err)
	}
	return difference("", theirs, ours)
}

func difference(path string, theirs, ours any) string {
	if pyjson.Equal(theirs, ours) {
		return ""
	}
	a, isDict := theirs.(*pyjson.Dict)
	if b, ok := ours.(*pyjson.Dict); ok && isDict {
		for _, key := range append(a.Keys(), b.Keys()...) {
			if a.Has(key) != b.Has(key) {
				return fmt.Sprintf("%s.%s\nofficial: %s\nours:     %s", path, key, pyjson.Compact(a.Get(key)), pyjson.Compact(b.Get(key)))
			}
			if found := difference(path+"."+key, a.Get(key), b.Get(key)); found != "" {
				return found
			}
		}
		return ""
	}
	l, isList := theirs.([]any)
	if m, ok := ours.([]any); ok && isList && len(l) == len(m) {
		if strings.HasSuffix(path, ".DependsOn") || strings.HasSuffix(path, ".Fn::Or") {
			l, m = sorted(l), sorted(m)
		}
		for i := range l {
			if found := difference(fmt.Sprintf("%s[%d]", path, i), l[i], m[i]); found != "" {
				return found
			}
		}
		return ""
	}
	return path + "\nofficial: " + pyjson.Compact(theirs) + "\nours:     " + pyjson.Compact(ours)
}

func sorted(list []any) []any {
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return cmp.Compare(pyjson.Compact(a), pyjson.Compact(b)) })
}
