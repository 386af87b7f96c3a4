package shape

import (
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// The shapes of the tests, written as the generator writes them.
const (
	sInput Index = iota
	sName
	sMode
	sModes
	sSize
	sTags
	sTag
	sSecret
	sWeights
	sVersion
	sWeight
	sBlob
	sTagList
)

var tables = &Service{ID: "Test", Shapes: []Shape{
	sInput: {Name: "Input", Kind: Structure, Members: []Member{
		{Name: "FunctionName", Shape: sName, Required: true},
		{Name: "Mode", Shape: sMode},
		{Name: "Architectures", Shape: sModes},
		{Name: "MemorySize", Shape: sSize},
		{Name: "Tags", Shape: sTagList},
		{Name: "Password", Shape: sSecret},
		{Name: "Weights", Shape: sWeights},
		{Name: "Data", Shape: sBlob},
	}},
	sName:    {Name: "Name", Kind: String, Range: &Range{Min: 1, MinText: "1", Max: 10, MaxText: "10"}, Pattern: `[a-zA-Z0-9-_]+`},
	sMode:    {Name: "Mode", Kind: String, Enum: []string{"Active", "PassThrough"}},
	sModes:   {Name: "Modes", Kind: List, Elem: &Member{Shape: sMode}, Range: &Range{Max: 1, MaxText: "1"}},
	sSize:    {Name: "Size", Kind: Integer, Range: &Range{Min: 128, MinText: "128", Max: 10240, MaxText: "10240"}},
	sTags:    {Name: "Tags", Kind: Map, Key: &Member{Shape: sName}, Elem: &Member{Shape: sName}},
	sTag:     {Name: "Tag", Kind: Structure, Members: []Member{{Name: "Key", Shape: sName, Required: true}, {Name: "Value", Shape: sName}}},
	sSecret:  {Name: "Secret", Kind: String, Sensitive: true, Range: &Range{Min: 6, MinText: "6"}},
	sWeights: {Name: "Weights", Kind: Map, Key: &Member{Shape: sVersion}, Elem: &Member{Shape: sWeight}},
	sVersion: {Name: "Version", Kind: String, Range: &Range{Min: 1, MinText: "1", Max: 1024, MaxText: "1024"}, Pattern: `[0-9]+`},
	sWeight:  {Name: "Weight", Kind: Double, Range: &Range{MinText: "0.0", Max: 1, MaxText: "1.0"}},
	sBlob:    {Name: "Blob", Kind: Blob, Range: &Range{Max: 3, MaxText: "3"}},
	sTagList: {Name: "TagList", Kind: List, Elem: &Member{Shape: sTag}},
}}

type tagStruct struct{ Key, Value *string }

type inputStruct struct {
	FunctionName  *string
	Mode          *string
	Architectures []string
	MemorySize    *int32
	Tags          []tagStruct
	Password      *string
	Weights       map[string]float64
	Data          []byte
}

func p[T any](v T) *T { return &v }

func TestValidateSaysWhatAWSSays(t *testing.T) {
	name := p("fn")
	tests := []struct {
		name string
		in   inputStruct
		want string
	}{
		{"nothing wrong", inputStruct{FunctionName: name}, ""},
		{"missing", inputStruct{}, "1 validation error detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null"},
		// The order of the two is the one that DynamoDB was recorded with.
		{"pattern and length", inputStruct{FunctionName: p("")}, "2 validation errors detected: Value '' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+; " +
			"Value '' at 'functionName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"whole value", inputStruct{FunctionName: p("a b")}, "1 validation error detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+"},
		{"characters, not bytes", inputStruct{FunctionName: name, Password: p("ééé€€€")}, ""},
		{"enum", inputStruct{FunctionName: name, Mode: p("X")}, "1 validation error detected: Value 'X' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [Active, PassThrough]"},
		{"value", inputStruct{FunctionName: name, MemorySize: p[int32](3)}, "1 validation error detected: Value '3' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		// As Lambda was recorded for CreateFunction with architectures.
		{"elements", inputStruct{FunctionName: name, Architectures: []string{"X"}}, "1 validation error detected: Value '[X]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [Active, PassThrough], Member must not be null]"},
		{"length of a list", inputStruct{FunctionName: name, Architectures: []string{"Active", "PassThrough"}}, "1 validation error detected: Value '[Active, PassThrough]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"},
		{"nested", inputStruct{FunctionName: name, Tags: []tagStruct{{Key: p("a")}, {Key: p("é")}}}, "1 validation error detected: Value 'é' at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+"},
		{"missing in nested", inputStruct{FunctionName: name, Tags: []tagStruct{{}}}, "1 validation error detected: Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null"},
		{"sensitive", inputStruct{FunctionName: name, Password: p("abc")}, "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must have length greater than or equal to 6"},
		// Both as Lambda was recorded for routingConfig.
		{"map keys", inputStruct{FunctionName: name, Weights: map[string]float64{"x": 0.5}}, "1 validation error detected: Value '{x=0.5}' at 'weights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"},
		{"map values", inputStruct{FunctionName: name, Weights: map[string]float64{"1": 2}}, "1 validation error detected: Value '{1=2.0}' at 'weights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"},
		{"blob", inputStruct{FunctionName: name, Data: []byte("1234")}, "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=4 cap=4]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Validate(tables, sInput, &test.in)
			if test.want == "" {
				if err != nil {
					t.Fatalf("Validate = %v, want nil", err)
				}
				return
			}
			f := fault.From(err)
			if f == nil {
				t.Fatalf("Validate = %v, want a fault", err)
			}
			if f.Code != "ValidationException" || f.QueryCode != "ValidationError" || f.Status != 400 || !f.Sender {
				t.Errorf("fault is %+v", f)
			}
			if f.Message != test.want {
				t.Errorf("Validate says\n%s\nwant\n%s", f.Message, test.want)
			}
		})
	}
}

func TestValidateBoundsItsText(t *testing.T) {
	in := inputStruct{FunctionName: p(strings.Repeat("é", 1<<20)), Tags: make([]tagStruct, 10_000)}
	f := fault.From(Validate(tables, sInput, &in))
	if f == nil || len(f.Message) > 64<<10 {
		t.Fatalf("the text of 10,000 violations is not bounded: %v", f == nil)
	}
}

func TestValidateUsesTheServicesOwnCode(t *testing.T) {
	logs := *tables
	logs.ValidationCode = "InvalidParameterException"
	if f := fault.From(Validate(&logs, sInput, &inputStruct{})); f == nil || f.Code != "InvalidParameterException" {
		t.Errorf("Validate = %v", f)
	}
}

func TestJavaPatterns(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{`[a-z]+`, "abc", true},
		{`[a-z]+`, "abc1", false},
		{`^[a-z]+$`, "abc\n", false},
		{`a|b`, "ab", false},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "123", false},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "123a", true},
		{`(?!-)(?!.*--)[a-z-]+`, "a--b", false},
		{`(?!-)(?!.*--)[a-z-]+`, "a-b", true},
		{`(?=.{3})[a-z]+`, "ab", false},
		{`.{1,2048}`, strings.Repeat("x", 1500), true},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, "é😀\n", true},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, "\x01", false},
		{`[\p{Alnum}_]+`, "aZ_9", true},
		{`\p{Alpha}+`, "a9", false},
		{`\p{IsLetter}+`, "é", true},
		{`[\w&&[^\d]]+`, "cannot be checked", true},
		{`[a-z]+(:((?!\d+$)[0-9a-z]+))?`, "name:1", true}, // checked without the look-ahead
		{`[a-z]+(:((?!\d+$)[0-9a-z]+))?`, "name:-", false},
		{`[][]+`, "[]", true},
		{`a++b`, "aab", true},
		{`[a+]++`, "a+", true},
	}
	for _, test := range tests {
		if got := matches(test.pattern, test.text); got != test.want {
			t.Errorf("matches(%s, %.20q) = %v, want %v", test.pattern, test.text, got, test.want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{`(?!^[0-9]+$)([a-z]+)`, `[\p{L}\u0020-\uD7FF]{1,2000}`, `((((`, `[[:alpha:]`, `\`, `\p{`, `{`, `a{99999}`} {
		f.Add(seed, "text")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		if p := compile(source); p.whole != nil {
			p.whole.MatchString(text)
		}
	})
}
