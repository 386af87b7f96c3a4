package lambda

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// documented is a row of the table in docs/api.md.
type documented struct{ supported, inert, refused []string }

// documentation reads the rows of Lambda and the names that it says are missing.
func documentation(t *testing.T) (map[string]documented, []string) {
	t.Helper()
	data, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(data), "\n## Lambda\n")
	if !ok {
		t.Fatal("docs/api.md has no section Lambda")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]documented{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(section, -1) {
		if m[1] != "operation" {
			rows[m[1]] = documented{names(m[2]), names(m[3]), names(m[4])}
		}
	}
	_, missing, _ := strings.Cut(section, "Not implemented (answered with a 4xx): ")
	missing, _, _ = strings.Cut(missing, ".\n")
	return rows, names(missing)
}

func names(cell string) []string {
	if cell == "-" {
		return nil
	}
	return strings.Split(cell, ", ")
}

// members are the names of an operation's input members.
func members(op *shape.Operation) []string {
	var found []string
	if op.Input != shape.None {
		for _, m := range lambdaapi.Model.Shapes[op.Input].Members {
			found = append(found, m.Name)
		}
	}
	return found
}

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	rows, missing := documentation(t)
	implemented := (&Lambda{}).Service().Operations
	for i := range lambdaapi.Model.Operations {
		op := &lambdaapi.Model.Operations[i]
		row, described := rows[op.Name]
		if _, ok := implemented[op.Name]; ok != described || ok == slices.Contains(missing, op.Name) {
			t.Errorf("%s: implemented %v, has a row %v, listed as missing %v", op.Name, ok, described, slices.Contains(missing, op.Name))
			continue
		}
		if !described {
			continue
		}
		got, want := slices.Concat(row.supported, row.inert, row.refused), members(op)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: docs/api.md has %v, the model %v", op.Name, got, want)
		}
		delete(rows, op.Name)
	}
	if len(rows) > 0 {
		t.Errorf("docs/api.md has rows of no operation: %v", rows)
	}
	for _, gap := range guard.Gaps((&Lambda{}).Service()) {
		t.Error(gap)
	}
}

// fill gives v a value that is not the one for "none".
func fill(v reflect.Value) {
	if _, ok := v.Interface().(time.Time); ok {
		return // whose members are its own
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("some text")
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func TestWhatTheDocumentationCallsRefusedIsRefused(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	foo, source, uuid := "foo", b.makeQueue(t, "q"), b.mapped(t, "foo")
	rows, _ := documentation(t)
	for name, row := range rows {
		for _, member := range row.refused {
			t.Run(name+"."+member, func(t *testing.T) {
				op := b.service.Operations[name]
				in := op.Model.NewInput()
				for name, value := range map[string]*string{"FunctionName": &foo, "EventSourceArn": &source, "UUID": &uuid} {
					if field := reflect.ValueOf(in).Elem().FieldByName(name); field.IsValid() {
						field.Set(reflect.ValueOf(value))
					}
				}
				fill(reflect.ValueOf(in).Elem().FieldByName(member))
				request, err := newRequest(op.Model.Method)
				if err != nil {
					t.Fatal(err)
				}
				_, err = op.Do(t.Context(), &wire.Call{Account: account, Region: region, Request: request, Header: request.Header}, in)
				f := fault.From(err)
				if f == nil {
					t.Fatalf("not refused: %v", err)
				}
				named := strings.Contains(f.Message, strings.TrimSuffix(strings.TrimSuffix(member, "Id"), "Timestamp")) || strings.HasPrefix(member, "S3") && strings.Contains(f.Message, "S3Bucket")
				if f.Code != "InvalidParameterValueException" && f.Code != "CodeSigningConfigNotFoundException" || member != "CodeSigningConfigArn" && !named {
					t.Errorf("%v", f)
				}
			})
		}
	}
}

func TestRefusedValues(t *testing.T) {
	b := newBench(t)
	other := "arm64"
	if hostArchitecture() == other {
		other = "x86_64"
	}
	for _, test := range []struct{ body, want string }{
		{create(t, "a", `,"PackageType":"Image"`), "PackageType Image is not supported"},
		{create(t, "a", fmt.Sprintf(`,"Architectures":[%q]`, other)), "Architectures " + other + " is not supported"},
		{create(t, "a", `,"Code":{"S3Bucket":"bucket","S3Key":"k"}`), "S3Bucket is not supported"},
		{create(t, "a", `,"Code":{"ImageUri":"x"}`), "ImageUri is not supported"},
		{create(t, "a", `,"Code":{"SourceKMSKeyArn":"arn:aws:kms:us-east-1:000000000000:key/x","ZipFile":"UEs="}`), "SourceKMSKeyArn is not supported"},
	} {
		w := b.do(t, "CreateFunction", functions, test.body)
		if w.Code != 400 || w.Header().Get("X-Amzn-Errortype") != "InvalidParameterValueException" || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%d %v %s, want %s", w.Code, w.Header(), w.Body, test.want)
		}
	}
}

func TestOptionsThatSayNoneAreAccepted(t *testing.T) {
	b := newBench(t)
	none := `,"VpcConfig":{"SubnetIds":[]},"FileSystemConfigs":[],"DeadLetterConfig":{"TargetArn":""},"KMSKeyArn":"","ImageConfig":{},` +
		`"SnapStart":{"ApplyOn":"None"},"Layers":[]`
	if w := b.do(t, "CreateFunction", functions, create(t, "foo", none)); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
