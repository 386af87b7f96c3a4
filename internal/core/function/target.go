package function

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// Scope is what all state belongs to: one account in one region.
type Scope struct{ Account, Region string }

// Target is a parsed FunctionName with its qualifier.
type Target struct {
	Scope     Scope // that of the ARN, if the name was one; the service compares it with the caller's
	Name      string
	Qualifier string // "", Latest, a version number or an alias
}

// Lengths of a FunctionName.
const (
	maxNameLength     = 64
	maxNameOrARN      = 140
	maxQualifier      = 128
	functionNameShape = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	layerARNShape     = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`
)

// functionName has the groups region, account, name and qualifier. The text of
// the shape, which AWS prints in its error, is in functionNameShape.
var functionName = lazy.MustCompile(`^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:((?:eusc-)?[a-z]{2}(?:(?:-gov)|(?:-iso(?:[a-z]?)))?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$`)

// ParseTarget reads the FunctionName parameter of an operation in each of its
// forms (name, name:qualifier, account:function:name, full ARN) and joins it
// with the Qualifier parameter, which may be empty. scope is the caller's.
//
// A FunctionName that has none of the forms is a *ValidationError; a qualifier
// that contradicts the one in the name is an *InvalidError; a full ARN of
// another region is a *NotFoundError. An ARN of another account is returned as
// it is: whether the caller may go there is for the service to decide.
func ParseTarget(scope Scope, name, qualifier string) (Target, error) {
	if isPlainName(name) { // nearly every call; spares the regular expression
		return Target{Scope: scope, Name: name, Qualifier: qualifier}, nil
	}
	if len(name) > maxNameOrARN {
		return Target{}, invalidValue(name, "functionName", "Member must have length less than or equal to "+strconv.Itoa(maxNameOrARN))
	}
	m := functionName.FindStringSubmatch(name)
	if m == nil {
		return Target{}, invalidValue(name, "functionName", "Member must satisfy regular expression pattern: "+functionNameShape)
	}
	t := Target{Scope: scope, Name: m[3], Qualifier: qualifier}
	if m[1] != "" && m[1] != scope.Region {
		return Target{}, &NotFoundError{
			Resource: name,
			Message:  fmt.Sprintf("Functions from '%s' are not reachable in this region ('%s')", m[1], scope.Region),
		}
	}
	if m[2] != "" {
		t.Scope.Account = m[2]
	}
	if len(t.Name) > maxNameLength {
		// AWS: this one comes as InvalidParameterValueException with the words of a
		// validation error, recorded 2025-11.
		err := invalidValue(t.Name, "functionName", "Member must have length less than or equal to "+strconv.Itoa(maxNameLength))
		return Target{}, &InvalidError{Message: err.Message}
	}
	switch {
	case m[4] == "":
	case qualifier != "" && qualifier != m[4]:
		return Target{}, &InvalidError{Message: "The derived qualifier from the function name does not match the specified qualifier."}
	default:
		t.Qualifier = m[4]
	}
	return t, nil
}

func isPlainName(name string) bool {
	if name == "" || len(name) > maxNameLength {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// invalidValue words one violation as AWS does.
func invalidValue(value, member, constraint string) *ValidationError {
	return &ValidationError{Message: fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, constraint)}
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

// number is the version number that the qualifier names: 0 for $LATEST and for
// none. It is false for an alias.
func (t Target) number() (int64, bool) { return versionNumber(t.Qualifier) }

// versionNumber reads a qualifier: 0 for $LATEST and "", false for an alias.
func versionNumber(qualifier string) (int64, bool) {
	if qualifier == "" || qualifier == Latest {
		return 0, true
	}
	n, err := strconv.ParseInt(qualifier, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == qualifier
}

// LayerTarget is a parsed LayerName, with a version where one belongs.
type LayerTarget struct {
	Scope   Scope
	Name    string
	Version int64 // 0: none
}

// layerName has the groups region, account and name.
var layerName = lazy.MustCompile(`^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:((?:eusc-)?[a-z]{2}(?:(?:-gov)|(?:-iso(?:[a-z]?)))?-[a-z]+-\d):(\d{12}):layer:)?([a-zA-Z0-9-_]{1,140})(?::([0-9]+))?$`)

// ParseLayer reads a LayerName (name or ARN without version); version 0 means
// that the operation names none, a negative one is an *InvalidError.
func ParseLayer(scope Scope, name string, version int64) (LayerTarget, error) {
	if version < 0 {
		return LayerTarget{}, &InvalidError{Message: "Layer Version Cannot be less than 1"}
	}
	m := layerName.FindStringSubmatch(name)
	if m == nil || m[4] != "" {
		return LayerTarget{}, invalidValue(name, "layerName", `Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`)
	}
	if m[1] != "" {
		scope = Scope{Account: m[2], Region: m[1]}
	}
	return LayerTarget{Scope: scope, Name: m[3], Version: version}, nil
}

// ParseLayerARN reads the ARN of a layer version (GetLayerVersionByArn).
func ParseLayerARN(layerVersionARN string) (LayerTarget, error) {
	m := layerName.FindStringSubmatch(layerVersionARN)
	if m == nil || m[1] == "" || m[4] == "" {
		return LayerTarget{}, invalidValue(layerVersionARN, "arn", "Member must satisfy regular expression pattern: "+layerARNShape)
	}
	n, err := strconv.ParseInt(m[4], 10, 64)
	if err != nil || n < 1 {
		return LayerTarget{}, &InvalidError{Message: "Layer Version Cannot be less than 1"}
	}
	return LayerTarget{Scope: Scope{Account: m[2], Region: m[1]}, Name: m[3], Version: n}, nil
}

// ARN is the ARN of the layer, with the version if the target has one.
func (t LayerTarget) ARN() string {
	s := arn.New("lambda", t.Scope.Region, t.Scope.Account, "layer:"+t.Name).String()
	if t.Version != 0 {
		s += ":" + strconv.FormatInt(t.Version, 10)
	}
	return s
}

// taggable is what TagResource takes; the groups are region, account, function
// name and qualifier.
var taggable = lazy.MustCompile(`^arn:(?:aws[a-zA-Z-]*):lambda:((?:eusc-)?[a-z]{2}(?:(?:-gov)|(?:-iso(?:[a-z]?)))?-[a-z]+-\d):(\d{12}):function:([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$`)

const taggableShape = `arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`

// parseTaggable reads the Resource of the tag operations.
func parseTaggable(scope Scope, resource string) (Target, error) {
	m := taggable.FindStringSubmatch(resource)
	if m == nil {
		if kind, ok := otherTaggable(resource); ok {
			return Target{}, &NotFoundError{Resource: resource, Message: kind + " not found: " + resource}
		}
		return Target{}, invalidValue(resource, "resource", "Member must satisfy regular expression pattern: "+taggableShape)
	}
	t := Target{Scope: Scope{Account: m[2], Region: m[1]}, Name: m[3]}
	if t.Scope.Region != scope.Region {
		return Target{}, &NotFoundError{Resource: resource, Message: fmt.Sprintf("Functions from '%s' are not reachable in this region ('%s')", t.Scope.Region, scope.Region)}
	}
	if m[4] != "" {
		return Target{}, &InvalidError{Message: "Tags on function aliases and versions are not supported. Please specify a function ARN."}
	}
	return t, nil
}

// otherTaggable names the kind of a well-formed resource that this platform does
// not have yet, so that the answer is AWS's "not found".
func otherTaggable(resource string) (string, bool) {
	a, err := arn.Parse(resource)
	if err != nil || a.Service != "lambda" {
		return "", false
	}
	kind, id, _ := strings.Cut(a.Resource, ":")
	if strings.Contains(id, ":") || id == "" {
		return "", false
	}
	names := map[string]string{"event-source-mapping": "Event source mapping", "capacity-provider": "Capacity provider", "code-signing-config": "Code signing config"}
	name, ok := names[kind]
	return name, ok
}
