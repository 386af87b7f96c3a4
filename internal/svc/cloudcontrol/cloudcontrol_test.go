package cloudcontrol

import (
	"context"
	"errors"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/cloudcontrolapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/stack/control"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "Cloud Control", Service(nil))
}

func TestErrorsOfTheModelAndCommonOnes(t *testing.T) {
	for code, status := range map[control.Code]int{control.TypeNotFound: 400, control.ServiceInternal: 500, control.Validation: 400, control.AccessDenied: 400} {
		f := fault.From(translate(&control.Error{Code: code, Message: "it is so"}))
		if f == nil || f.Code != string(code) || f.Status != status || f.Message != "it is so" {
			t.Errorf("%s becomes %+v", code, f)
		}
	}
	trouble := errors.New("the disk broke")
	if err := translate(trouble); err != trouble {
		t.Errorf("trouble of our own becomes %v", err)
	}
}

func TestVersionsOfTypesAreRefused(t *testing.T) {
	name, version := "AWS::SQS::Queue", "1"
	a := &api{}
	_, err := wrap(a.getResource)(context.Background(), &wire.Call{}, &cloudcontrolapi.GetResourceInput{TypeName: &name, TypeVersionId: &version, Identifier: &name})
	if f := fault.From(err); f == nil || f.Code != "ValidationException" {
		t.Errorf("%v", err)
	}
}
