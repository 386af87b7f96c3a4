// Package ssm is the Parameter Store part of the AWS Systems Manager API: it
// translates between the wire and core/parameter.
//
// It promises AWS's codes and texts of errors; what a parameter does is
// core/parameter's. Parameter policies and keys other than AWS's own are refused.
//
// No goroutines, no locks. Start reading at Service.
package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/ssmapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/parameter"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct{ parameters *parameter.Parameters }

// Service is the table of the operations.
func Service(parameters *parameter.Parameters) *wire.Service {
	a := &api{parameters: parameters}
	return wire.NewService(ssmapi.Model,
		ssmapi.HandlePutParameter(wrap(a.putParameter)),
		ssmapi.HandleGetParameter(wrap(a.getParameter)),
		ssmapi.HandleGetParameters(wrap(a.getParameters)),
		ssmapi.HandleGetParametersByPath(wrap(a.getParametersByPath)),
		ssmapi.HandleGetParameterHistory(wrap(a.getParameterHistory)),
		ssmapi.HandleDescribeParameters(wrap(a.describeParameters)),
		ssmapi.HandleDeleteParameter(wrap(a.deleteParameter)),
		ssmapi.HandleDeleteParameters(wrap(a.deleteParameters)),
		ssmapi.HandleLabelParameterVersion(wrap(a.labelParameterVersion)),
		ssmapi.HandleUnlabelParameterVersion(wrap(a.unlabelParameterVersion)),
		ssmapi.HandleAddTagsToResource(wrap(a.addTagsToResource)),
		ssmapi.HandleRemoveTagsFromResource(wrap(a.removeTagsFromResource)),
		ssmapi.HandleListTagsForResource(wrap(a.listTagsForResource)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return func(ctx context.Context, call *wire.Call, in *In) (*Out, error) {
		out, err := do(ctx, call, in)
		var refusal *parameter.Error
		if errors.As(err, &refusal) {
			return nil, &fault.Fault{Code: refusal.Code, Message: refusal.Message, Status: http.StatusBadRequest, Sender: true}
		}
		return out, err
	}
}

func invalid(message string) error {
	return &parameter.Error{Code: "ValidationException", Message: message}
}

func scope(call *wire.Call) parameter.Scope {
	return parameter.Scope{Account: call.Account, Region: call.Region}
}

func (a *api) putParameter(ctx context.Context, call *wire.Call, in *ssmapi.PutParameterRequest) (*ssmapi.PutParameterResult, error) {
	v := parameter.Version{Name: *in.Name, Type: member.Text(in.Type), Value: *in.Value, Tier: member.Text(in.Tier), DataType: member.Text(in.DataType), Description: member.Text(in.Description),
		AllowedPattern: member.Text(in.AllowedPattern), User: call.CallerARN}
	if v.DataType == "" {
		v.DataType = "text"
	}
	switch {
	case member.Text(in.Policies) != "" && member.Text(in.Policies) != "[]":
		return nil, &parameter.Error{Code: "InvalidPolicyTypeException", Message: "Parameter policies are not supported by this platform."}
	case v.DataType != "text":
		return nil, invalid("The following data type is not supported: " + v.DataType + " (Data type names are all lowercase.)")
	case member.Text(in.KeyId) != "" && *in.KeyId != parameter.DefaultKey:
		return nil, &parameter.Error{Code: "InvalidKeyId", Message: "This platform has no customer managed keys; SecureStrings are encrypted by " + parameter.DefaultKey + "."}
	case v.Type == parameter.SecureString:
		v.KeyID = parameter.DefaultKey
	}
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[*t.Key] = *t.Value
	}
	made, err := a.parameters.Put(ctx, scope(call), v, member.On(in.Overwrite), tags)
	if err != nil {
		return nil, err
	}
	return &ssmapi.PutParameterResult{Version: &made.Number, Tier: &made.Tier}, nil
}

// out shows a version as most operations do.
func (a *api) out(call *wire.Call, v *parameter.Version, decrypt bool) (*ssmapi.Parameter, error) {
	value, err := a.parameters.Reveal(scope(call), v, decrypt)
	if err != nil {
		return nil, err
	}
	return &ssmapi.Parameter{Name: &v.Name, Type: &v.Type, Value: &value, Version: &v.Number, LastModifiedDate: &v.Modified, ARN: member.Optional(scope(call).ARN(v.Name)), DataType: &v.DataType}, nil
}

func (a *api) getParameter(ctx context.Context, call *wire.Call, in *ssmapi.GetParameterRequest) (*ssmapi.GetParameterResult, error) {
	v, err := a.parameters.Get(ctx, scope(call), *in.Name)
	if err != nil {
		return nil, err
	}
	out, err := a.out(call, v, member.On(in.WithDecryption))
	if err != nil {
		return nil, err
	}
	if selector := strings.TrimPrefix(*in.Name, v.Name); selector != *in.Name {
		out.Selector = member.Optional(selector)
	}
	return &ssmapi.GetParameterResult{Parameter: out}, nil
}

func (a *api) getParameters(ctx context.Context, call *wire.Call, in *ssmapi.GetParametersRequest) (*ssmapi.GetParametersResult, error) {
	out := &ssmapi.GetParametersResult{Parameters: []ssmapi.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		got, err := a.getParameter(ctx, call, &ssmapi.GetParameterRequest{Name: &name, WithDecryption: in.WithDecryption})
		var refusal *parameter.Error
		switch {
		case errors.As(err, &refusal):
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.Parameters = append(out.Parameters, *got.Parameter)
		}
	}
	return out, nil
}

// Pages of lists.
const (
	pathPage     = 10
	describePage = 50
)

// cursor is where a list goes on.
func cursor(token *string) (after string, err error) {
	decoded, err := base64.RawURLEncoding.DecodeString(member.Text(token))
	if err != nil {
		return "", &parameter.Error{Code: "InvalidNextToken", Message: "The specified token is not valid."}
	}
	return string(decoded), nil
}

func tokenFor(last string) *string {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(last))
	return &encoded
}

func limit(most *int32, otherwise int) int {
	if most == nil {
		return otherwise
	}
	return int(*most)
}

// list visits a page of the parameters that a test accepts and returns the token
// for the next one.
func (a *api) list(ctx context.Context, call *wire.Call, token *string, most int, accept func(*parameter.Version, map[string]string) bool, show func(*parameter.Version) error) (next *string, err error) {
	after, err := cursor(token)
	if err != nil {
		return nil, err
	}
	shown, last := 0, ""
	listErr := a.parameters.Each(ctx, scope(call), after, func(v *parameter.Version, tags map[string]string) bool {
		if !accept(v, tags) {
			return true
		}
		if shown == most {
			next = tokenFor(last)
			return false
		}
		shown, last = shown+1, v.Name
		err = show(v)
		return err == nil
	})
	return next, errors.Join(listErr, err)
}

func (a *api) getParametersByPath(ctx context.Context, call *wire.Call, in *ssmapi.GetParametersByPathRequest) (*ssmapi.GetParametersByPathResult, error) {
	if !strings.HasPrefix(*in.Path, "/") {
		return nil, invalid("The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.")
	}
	filters, err := newFilters(in.ParameterFilters, "Type", "KeyId", "Label")
	if err != nil {
		return nil, err
	}
	out := &ssmapi.GetParametersByPathResult{Parameters: []ssmapi.Parameter{}}
	out.NextToken, err = a.list(ctx, call, in.NextToken, limit(in.MaxResults, pathPage),
		func(v *parameter.Version, tags map[string]string) bool {
			return below(*in.Path, v.Name, member.On(in.Recursive)) && filters.accept(v, tags)
		},
		func(v *parameter.Version) error {
			shown, err := a.out(call, v, member.On(in.WithDecryption))
			if err == nil {
				out.Parameters = append(out.Parameters, *shown)
			}
			return err
		})
	return out, err
}

// below tells whether a name is in a path, at any level if it is recursive.
func below(path, name string, recursive bool) bool {
	rest, found := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	return found && rest != "" && (recursive || !strings.Contains(rest, "/"))
}

func (a *api) getParameterHistory(ctx context.Context, call *wire.Call, in *ssmapi.GetParameterHistoryRequest) (*ssmapi.GetParameterHistoryResult, error) {
	all, err := a.parameters.History(ctx, scope(call), *in.Name)
	if err != nil {
		return nil, err
	}
	after, err := cursor(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ssmapi.GetParameterHistoryResult{Parameters: []ssmapi.ParameterHistory{}}
	for _, v := range all {
		if version(v) <= after {
			continue
		}
		if len(out.Parameters) == limit(in.MaxResults, describePage) {
			out.NextToken = tokenFor(version(all[slices.Index(all, v)-1]))
			break
		}
		value, err := a.parameters.Reveal(scope(call), v, member.On(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, ssmapi.ParameterHistory{Name: &v.Name, Type: &v.Type, KeyId: member.Optional(v.KeyID), LastModifiedDate: &v.Modified, LastModifiedUser: member.Optional(v.User),
			Description: member.Optional(v.Description), Value: &value, AllowedPattern: member.Optional(v.AllowedPattern), Version: &v.Number, Labels: append([]string{}, v.Labels...), Tier: &v.Tier,
			Policies: []ssmapi.ParameterInlinePolicy{}, DataType: &v.DataType})
	}
	return out, nil
}

// version is a number that sorts as text.
func version(v *parameter.Version) string {
	const digits = 20
	text := "00000000000000000000" + itoa(v.Number)
	return text[len(text)-digits:]
}

func (a *api) describeParameters(ctx context.Context, call *wire.Call, in *ssmapi.DescribeParametersRequest) (*ssmapi.DescribeParametersResult, error) {
	if member.On(in.Shared) {
		return nil, invalid("Shared is not supported: this platform does not share parameters between accounts.")
	}
	if len(in.Filters) > 0 && len(in.ParameterFilters) > 0 {
		return nil, invalid("You can use either Filters or ParameterFilters in a single request.")
	}
	given := in.ParameterFilters
	for _, f := range in.Filters { // the older form
		given = append(given, ssmapi.ParameterStringFilter{Key: f.Key, Values: f.Values})
	}
	filters, err := newFilters(given, "Name", "Path", "Type", "KeyId", "Tier", "DataType", "tag:")
	if err != nil {
		return nil, err
	}
	out := &ssmapi.DescribeParametersResult{Parameters: []ssmapi.ParameterMetadata{}}
	out.NextToken, err = a.list(ctx, call, in.NextToken, limit(in.MaxResults, describePage), filters.accept, func(v *parameter.Version) error {
		out.Parameters = append(out.Parameters, ssmapi.ParameterMetadata{Name: &v.Name, ARN: member.Optional(scope(call).ARN(v.Name)), Type: &v.Type, KeyId: member.Optional(v.KeyID), LastModifiedDate: &v.Modified,
			LastModifiedUser: member.Optional(v.User), Description: member.Optional(v.Description), AllowedPattern: member.Optional(v.AllowedPattern), Version: &v.Number, Tier: &v.Tier,
			Policies: []ssmapi.ParameterInlinePolicy{}, DataType: &v.DataType})
		return nil
	})
	return out, err
}

func (a *api) deleteParameter(ctx context.Context, call *wire.Call, in *ssmapi.DeleteParameterRequest) (*ssmapi.DeleteParameterResult, error) {
	return &ssmapi.DeleteParameterResult{}, a.parameters.Delete(ctx, scope(call), *in.Name)
}

func (a *api) deleteParameters(ctx context.Context, call *wire.Call, in *ssmapi.DeleteParametersRequest) (*ssmapi.DeleteParametersResult, error) {
	out := &ssmapi.DeleteParametersResult{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		err := a.parameters.Delete(ctx, scope(call), name)
		var refusal *parameter.Error
		switch {
		case errors.As(err, &refusal):
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.DeletedParameters = append(out.DeletedParameters, name)
		}
	}
	return out, nil
}

func (a *api) labelParameterVersion(ctx context.Context, call *wire.Call, in *ssmapi.LabelParameterVersionRequest) (*ssmapi.LabelParameterVersionResult, error) {
	number := int64(0)
	if in.ParameterVersion != nil {
		number = *in.ParameterVersion
	}
	at, bad, err := a.parameters.Label(ctx, scope(call), *in.Name, number, in.Labels)
	if err != nil {
		return nil, err
	}
	return &ssmapi.LabelParameterVersionResult{InvalidLabels: append([]string{}, bad...), ParameterVersion: &at}, nil
}

func (a *api) unlabelParameterVersion(ctx context.Context, call *wire.Call, in *ssmapi.UnlabelParameterVersionRequest) (*ssmapi.UnlabelParameterVersionResult, error) {
	removed, bad, err := a.parameters.Unlabel(ctx, scope(call), *in.Name, *in.ParameterVersion, in.Labels)
	if err != nil {
		return nil, err
	}
	return &ssmapi.UnlabelParameterVersionResult{RemovedLabels: append([]string{}, removed...), InvalidLabels: append([]string{}, bad...)}, nil
}

// changeTags changes the tags of a parameter, the only resource with tags here.
func (a *api) changeTags(ctx context.Context, call *wire.Call, kind, name *string, change func(map[string]string)) (map[string]string, error) {
	if *kind != "Parameter" {
		return nil, &parameter.Error{Code: "InvalidResourceType", Message: "This platform has no resources of the type " + *kind + "."}
	}
	return a.parameters.ChangeTags(ctx, scope(call), *name, change)
}

func (a *api) addTagsToResource(ctx context.Context, call *wire.Call, in *ssmapi.AddTagsToResourceRequest) (*ssmapi.AddTagsToResourceResult, error) {
	_, err := a.changeTags(ctx, call, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[*t.Key] = *t.Value
		}
	})
	return &ssmapi.AddTagsToResourceResult{}, err
}

func (a *api) removeTagsFromResource(ctx context.Context, call *wire.Call, in *ssmapi.RemoveTagsFromResourceRequest) (*ssmapi.RemoveTagsFromResourceResult, error) {
	_, err := a.changeTags(ctx, call, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
	return &ssmapi.RemoveTagsFromResourceResult{}, err
}

func (a *api) listTagsForResource(ctx context.Context, call *wire.Call, in *ssmapi.ListTagsForResourceRequest) (*ssmapi.ListTagsForResourceResult, error) {
	tags, err := a.changeTags(ctx, call, in.ResourceType, in.ResourceId, nil)
	if err != nil {
		return nil, err
	}
	out := &ssmapi.ListTagsForResourceResult{TagList: []ssmapi.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		out.TagList = append(out.TagList, ssmapi.Tag{Key: &key, Value: &value})
	}
	return out, nil
}
