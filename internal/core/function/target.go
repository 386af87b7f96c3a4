package function

import (
	"errors"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// Scope is what all state belongs to: one account in one region.
type Scope struct{ Account, Region string }

// Target is a parsed FunctionName with its qualifier.
type Target struct {
	Scope     Scope // that of the ARN, if the name was one; the service compares it with the caller's
	Name      string
	Qualifier string // "", Latest, a version number or an alias
}

// ParseTarget reads the FunctionName parameter of an operation in each of its
// forms (name, name:qualifier, account:function:name, full ARN) and joins it
// with the Qualifier parameter, which may be empty. scope is the caller's.
//
// A FunctionName that has none of the forms is a *ValidationError; a qualifier
// that contradicts the one in the name is an *InvalidError; a full ARN of
// another region is a *NotFoundError. An ARN of another account is returned as
// it is: whether the caller may go there is for the service to decide.
func ParseTarget(scope Scope, functionName, qualifier string) (Target, error) {
	return Target{}, errors.ErrUnsupported
}

// ARN is the ARN of the target: qualified if it names a qualifier.
func (t Target) ARN() string {
	if t.Qualifier == "" {
		return t.FunctionARN()
	}
	return t.FunctionARN() + ":" + t.Qualifier
}

// FunctionARN is the ARN without the qualifier.
func (t Target) FunctionARN() string {
	return arn.New("lambda", t.Scope.Region, t.Scope.Account, "function:"+t.Name).String()
}

// LayerTarget is a parsed LayerName, with a version where one belongs.
type LayerTarget struct {
	Scope   Scope
	Name    string
	Version int64 // 0: none
}

// ParseLayer reads a LayerName (name or ARN without version); version 0 means
// that the operation names none.
func ParseLayer(scope Scope, layerName string, version int64) (LayerTarget, error) {
	return LayerTarget{}, errors.ErrUnsupported
}

// ParseLayerARN reads the ARN of a layer version (GetLayerVersionByArn).
func ParseLayerARN(layerVersionARN string) (LayerTarget, error) {
	return LayerTarget{}, errors.ErrUnsupported
}

// ARN is the ARN of the layer, with the version if the target has one.
func (t LayerTarget) ARN() string { return "" }
