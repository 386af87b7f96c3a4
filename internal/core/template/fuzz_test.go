package template

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// FuzzEvaluate goes the whole way of a template: whatever the text is, the answer
// is a value or a refusal, in bounded time.
func FuzzEvaluate(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, c := range functionCases {
		f.Add(functionHead + c.value)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := syntax.Parse(text)
		if err != nil {
			t.Skip()
		}
		var refusal *Error
		template, err := Read(values)
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		arguments, err := template.Parameters.Bind(t.Context(), nil, nil, func(context.Context, string) (Stored, error) { return Stored{"String", "1"}, nil })
		if err != nil {
			return
		}
		e, err := template.Evaluate(t.Context(), Scope{Region: "us-east-1", Arguments: arguments, Resource: fakeResource, Export: fakeExport})
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		for _, name := range e.Resources() {
			properties, err := e.Properties(t.Context(), name)
			if err == nil {
				_, err = Reveal(t.Context(), properties, func(context.Context, Dynamic) (string, error) { return "x", nil })
			}
			if err != nil && !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
		}
		_, _ = e.Outputs(t.Context())
	})
}
