// Package world is what CloudFormation's engine asks of the platform while it reads
// templates: parameters, secrets, the objects behind URLs, roles, and transforms.
//
// It promises that everything is read by the operations of the services, with the
// rights of the one on whose behalf the stack is deployed.
//
// A World never changes; no goroutines, no locks. Start reading at World.
package world

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/sam"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/macros"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/macro"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// Transformer is a transform that is built in: a function from template to template.
type Transformer func(ctx context.Context, in *engine.TransformInput, call macro.Call) (any, error)

// World asks the services. All fields are required.
type World struct {
	Calls        source.Calls
	Source       *source.Source
	Transformers map[string]Transformer
	Macros       *macros.Macros
}

// Identity is on whose behalf local calls are made.
func Identity(who stack.Caller, s state.Scope) local.Identity {
	return local.Identity{Account: s.Account, Region: s.Region, AccessKeyID: who.AccessKeyID, CallerARN: who.ARN, UserID: who.UserID, Endpoint: who.Endpoint, Function: who.Function, Session: who.Session}
}

func refuse(format string, args ...any) error {
	return &template.Error{Message: fmt.Sprintf(format, args...)}
}

// Stored reads a parameter of Parameter Store.
func (w *World) Stored(ctx context.Context, who stack.Caller, s state.Scope, name string) (template.Stored, error) {
	out, err := w.Calls.Call(ctx, Identity(who, s), "ssm", "GetParameter", map[string]any{"Name": name})
	if f := fault.From(err); f != nil && strings.HasPrefix(f.Code, "Parameter") {
		return template.Stored{}, template.ErrNotStored
	}
	if err != nil {
		return template.Stored{}, userError(err)
	}
	p, _ := out["Parameter"].(map[string]any)
	value, _ := p["Value"].(string)
	kind, _ := p["Type"].(string)
	return template.Stored{Type: kind, Value: value}, nil
}

// userError makes a refusal of a service one of the template.
func userError(err error) error {
	if f := fault.From(err); f != nil {
		return refuse("%s", f.Message)
	}
	return err
}

// Lookup gives what a dynamic reference means. Texts: as recorded from AWS.
func (w *World) Lookup(ctx context.Context, who stack.Caller, s state.Scope, reference template.Dynamic) (string, error) {
	if reference.Service == template.ServiceSecret {
		return w.secret(ctx, who, s, reference)
	}
	name := reference.Name
	if reference.Version != "" {
		name += ":" + reference.Version
	}
	out, err := w.Calls.Call(ctx, Identity(who, s), "ssm", "GetParameter", map[string]any{"Name": name, "WithDecryption": reference.Service == template.ServiceSecure})
	switch f := fault.From(err); {
	case f != nil && strings.HasPrefix(f.Code, "Parameter"):
		return "", refuse("Parameters: [%s:%s] cannot be found.", reference.Service, name)
	case err != nil:
		return "", userError(err)
	}
	p, _ := out["Parameter"].(map[string]any)
	value, _ := p["Value"].(string)
	if kind, _ := p["Type"].(string); kind == "SecureString" && reference.Service == template.ServiceParameter {
		return "", refuse("SSM Secure reference is not supported in: [%s]; use ssm-secure", reference.Text)
	}
	return value, nil
}

func (w *World) secret(ctx context.Context, who stack.Caller, s state.Scope, reference template.Dynamic) (string, error) {
	input := map[string]any{"SecretId": reference.Name}
	if reference.Version != "" {
		input["VersionId"] = reference.Version
	}
	if reference.Stage != "" {
		input["VersionStage"] = reference.Stage
	}
	out, err := w.Calls.Call(ctx, Identity(who, s), "secretsmanager", "GetSecretValue", input)
	if f := fault.From(err); f != nil {
		return "", refuse("%s (Service: AWSSecretsManager; Error Code: %s)", f.Message, f.Code)
	}
	if err != nil {
		return "", err
	}
	value, ok := out["SecretString"].(string)
	if !ok {
		return "", refuse("The secret %s has no text", reference.Name)
	}
	return value, nil
}

// Fetch reads the template of a nested stack.
func (w *World) Fetch(ctx context.Context, who stack.Caller, s state.Scope, url string) (string, error) {
	return w.Source.Fetch(ctx, Identity(who, s), url, "TemplateURL", template.MaxBytes)
}

// sessionName is that of CloudFormation when it acts by a role.
const sessionName = "AWSCloudFormation"

// Role is who acts by the role of a stack: one that is there, of the same account. That
// who names it may pass it, and that it trusts CloudFormation, the operation's checks
// have seen to (--iam=enforce).
func (w *World) Role(ctx context.Context, s state.Scope, roleARN string) (stack.Caller, error) {
	a, err := arn.Parse(roleARN)
	if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
		return stack.Caller{}, fmt.Errorf("%s is no role", roleARN)
	}
	if a.Account != s.Account {
		return stack.Caller{}, errors.New("a role of another account cannot be passed")
	}
	name := roleARN[strings.LastIndexByte(roleARN, '/')+1:]
	out, err := w.Calls.Call(ctx, local.Identity{Account: a.Account, Region: s.Region, CallerARN: arn.New("iam", "", a.Account, "root").String()}, "iam", "GetRole", map[string]any{"RoleName": name})
	if err != nil {
		return stack.Caller{}, err
	}
	role, _ := out["Role"].(map[string]any)
	id, _ := role["RoleId"].(string)
	return stack.Caller{ARN: arn.New("sts", "", a.Account, "assumed-role/"+name+"/"+sessionName).String(), UserID: id + ":" + sessionName}, nil
}

// Transform runs the transforms of a template.
func (w *World) Transform(ctx context.Context, who stack.Caller, in *engine.TransformInput) (map[string]any, error) {
	environment := macro.Environment{Account: in.Account, Region: in.Region, StackName: in.StackName, StackID: in.StackID, Arguments: in.Arguments}
	environment.Include = func(ctx context.Context, location string) (string, error) {
		return w.Source.Include(ctx, Identity(who, in.Scope), location)
	}
	environment.Transform = func(ctx context.Context, call macro.Call) (any, error) {
		if built := w.Transformers[call.Name]; built != nil {
			return built(ctx, in, call)
		}
		return w.runMacro(ctx, who, environment, call)
	}
	return macro.Process(ctx, in.Values, environment)
}

// runMacro runs a macro of the account: a function.
func (w *World) runMacro(ctx context.Context, who stack.Caller, environment macro.Environment, call macro.Call) (any, error) {
	found, err := w.Macros.Get(ctx, environment.Account, environment.Region, call.Name)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, macro.ErrUnknown
	}
	caller := Identity(who, state.Scope{Account: environment.Account, Region: environment.Region})
	return macro.RunLambda(ctx, environment, call, found.Function, ids.UUID(), func(ctx context.Context, function string, event []byte) (answer []byte, failed bool, err error) {
		out, err := w.Calls.Call(ctx, caller, "lambda", "Invoke", map[string]any{"FunctionName": function, "Payload": event})
		if err != nil {
			return nil, false, userError(err)
		}
		answer, _ = out["Payload"].([]byte)
		return answer, out["FunctionError"] != nil, nil
	})
}

// Serverless is SAM's transform.
func Serverless(c clock.Clock) Transformer {
	return func(_ context.Context, in *engine.TransformInput, call macro.Call) (any, error) {
		values := map[string]any{}
		for name, a := range in.Arguments {
			values[name] = a.Value
		}
		made, err := sam.Transform(call.Fragment, values, sam.Environment{Region: in.Region, Seconds: c.Now().Unix()})
		var refusal *sam.Error
		if errors.As(err, &refusal) {
			return nil, refuse("Transform %s failed with: %s", sam.Name, refusal.Message)
		}
		return made, err
	}
}
