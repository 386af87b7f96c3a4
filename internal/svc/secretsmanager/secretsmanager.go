// Package secretsmanager is the AWS Secrets Manager API: it translates between
// the wire and core/secret.
//
// It promises AWS's codes and texts of errors; what a secret does is
// core/secret's. Rotation, replication and keys other than AWS's own are refused.
//
// No goroutines, no locks. Start reading at Service.
package secretsmanager

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/secretsmanagerapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct{ secrets *secret.Secrets }

// Service is the table of the operations.
func Service(secrets *secret.Secrets) *wire.Service {
	a := &api{secrets: secrets}
	return wire.NewService(secretsmanagerapi.Model,
		secretsmanagerapi.HandleCreateSecret(wrap(a.createSecret)),
		secretsmanagerapi.HandleDescribeSecret(wrap(a.describeSecret)),
		secretsmanagerapi.HandleUpdateSecret(wrap(a.updateSecret)),
		secretsmanagerapi.HandleDeleteSecret(wrap(a.deleteSecret)),
		secretsmanagerapi.HandleRestoreSecret(wrap(a.restoreSecret)),
		secretsmanagerapi.HandleListSecrets(wrap(a.listSecrets)),
		secretsmanagerapi.HandleGetSecretValue(wrap(a.getSecretValue)),
		secretsmanagerapi.HandleBatchGetSecretValue(wrap(a.batchGetSecretValue)),
		secretsmanagerapi.HandlePutSecretValue(wrap(a.putSecretValue)),
		secretsmanagerapi.HandleListSecretVersionIds(wrap(a.listSecretVersionIDs)),
		secretsmanagerapi.HandleUpdateSecretVersionStage(wrap(a.updateSecretVersionStage)),
		secretsmanagerapi.HandleGetRandomPassword(wrap(a.getRandomPassword)),
		secretsmanagerapi.HandleGetResourcePolicy(wrap(a.getResourcePolicy)),
		secretsmanagerapi.HandlePutResourcePolicy(wrap(a.putResourcePolicy)),
		secretsmanagerapi.HandleDeleteResourcePolicy(wrap(a.deleteResourcePolicy)),
		secretsmanagerapi.HandleValidateResourcePolicy(wrap(a.validateResourcePolicy)),
		secretsmanagerapi.HandleTagResource(wrap(a.tagResource)),
		secretsmanagerapi.HandleUntagResource(wrap(a.untagResource)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return func(ctx context.Context, call *wire.Call, in *In) (*Out, error) {
		out, err := do(ctx, call, in)
		var refusal *secret.Error
		if errors.As(err, &refusal) {
			return nil, &fault.Fault{Code: refusal.Code, Message: refusal.Message, MessageMember: "Message", Status: http.StatusBadRequest, Sender: true}
		}
		return out, err
	}
}

func refuse(code, message string) error { return &secret.Error{Code: code, Message: message} }

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func scope(call *wire.Call) secret.Scope {
	return secret.Scope{Account: call.Account, Region: call.Region}
}

// defaultKey is the only key for secrets: AWS's own.
const defaultKey = "alias/aws/secretsmanager"

func checkKey(key *string) error {
	if member.Text(key) != "" && *key != defaultKey {
		return refuse(secret.InvalidParameter, "This platform has no customer managed keys; secrets are encrypted by "+defaultKey+".")
	}
	return nil
}

// value is the one of the two that was given, nil for none.
func value(plain *string, binary []byte) (*secret.Value, error) {
	switch {
	case plain != nil && binary != nil:
		return nil, refuse(secret.InvalidParameter, "You can't specify both a binary secret value and a string secret value in the same secret.")
	case plain != nil:
		return &secret.Value{Bytes: []byte(*plain)}, nil
	case binary != nil:
		return &secret.Value{Bytes: binary, Binary: true}, nil
	}
	return nil, nil
}

func tagsIn(tags []secretsmanagerapi.Tag) map[string]string {
	all := map[string]string{}
	for _, t := range tags {
		all[member.Text(t.Key)] = member.Text(t.Value)
	}
	return all
}

func tagsOut(tags map[string]string) []secretsmanagerapi.Tag {
	all := []secretsmanagerapi.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		all = append(all, secretsmanagerapi.Tag{Key: &key, Value: &value})
	}
	return all
}

func (a *api) createSecret(ctx context.Context, call *wire.Call, in *secretsmanagerapi.CreateSecretRequest) (*secretsmanagerapi.CreateSecretResponse, error) {
	if len(in.AddReplicaRegions) > 0 {
		return nil, refuse(secret.InvalidParameter, "AddReplicaRegions is not supported: this platform does not replicate secrets.")
	}
	if member.Text(in.Type) != "" {
		return nil, refuse(secret.InvalidParameter, "Type is not supported: this platform has no managed external secrets.")
	}
	if err := checkKey(in.KmsKeyId); err != nil {
		return nil, err
	}
	v, err := value(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	s, version, err := a.secrets.Create(ctx, scope(call), *in.Name, member.Text(in.Description), member.Text(in.ClientRequestToken), v, tagsIn(in.Tags))
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.CreateSecretResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, VersionId: member.Optional(version)}, nil
}

// stages are those of the versions that have any, as DescribeSecret shows them.
func stages(s *secret.Secret) map[string][]string {
	all := map[string][]string{}
	for id, v := range s.Versions {
		if len(v.Stages) > 0 {
			all[id] = v.Stages
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (a *api) describeSecret(ctx context.Context, call *wire.Call, in *secretsmanagerapi.DescribeSecretRequest) (*secretsmanagerapi.DescribeSecretResponse, error) {
	s, err := a.secrets.Describe(ctx, scope(call), *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.DescribeSecretResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, Description: member.Optional(s.Description), LastChangedDate: &s.Changed, DeletedDate: moment(s.Deleted),
		Tags: tagsOut(s.Tags), VersionIdsToStages: stages(s), CreatedDate: &s.Created}, nil
}

func (a *api) updateSecret(ctx context.Context, call *wire.Call, in *secretsmanagerapi.UpdateSecretRequest) (*secretsmanagerapi.UpdateSecretResponse, error) {
	if member.Text(in.Type) != "" {
		return nil, refuse(secret.InvalidParameter, "Type is not supported: this platform has no managed external secrets.")
	}
	if err := checkKey(in.KmsKeyId); err != nil {
		return nil, err
	}
	v, err := value(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	s, version, err := a.secrets.Put(ctx, scope(call), *in.SecretId, member.Text(in.ClientRequestToken), v, nil, func(s *secret.Secret) {
		if in.Description != nil {
			s.Description = *in.Description
		}
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.UpdateSecretResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, VersionId: member.Optional(version)}, nil
}

// The recovery window, in days.
const (
	leastRecovery   = 7
	mostRecovery    = 30
	defaultRecovery = 30
	day             = 24 * time.Hour
)

func (a *api) deleteSecret(ctx context.Context, call *wire.Call, in *secretsmanagerapi.DeleteSecretRequest) (*secretsmanagerapi.DeleteSecretResponse, error) {
	days := int64(defaultRecovery)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
	}
	force := member.On(in.ForceDeleteWithoutRecovery)
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, refuse(secret.InvalidParameter, "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < leastRecovery || days > mostRecovery:
		return nil, refuse(secret.InvalidParameter, "RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	var s *secret.Secret
	var err error
	if force {
		s, err = a.secrets.Remove(ctx, scope(call), *in.SecretId)
	} else {
		s, err = a.secrets.Delete(ctx, scope(call), *in.SecretId, time.Duration(days)*day)
	}
	if err != nil {
		return nil, err
	}
	gone := s.Gone
	if force {
		gone = s.Deleted
	}
	return &secretsmanagerapi.DeleteSecretResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, DeletionDate: &gone}, nil
}

func (a *api) restoreSecret(ctx context.Context, call *wire.Call, in *secretsmanagerapi.RestoreSecretRequest) (*secretsmanagerapi.RestoreSecretResponse, error) {
	s, err := a.secrets.Restore(ctx, scope(call), *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.RestoreSecretResponse{ARN: member.Optional(s.ARN()), Name: &s.Name}, nil
}

func (a *api) getSecretValue(ctx context.Context, call *wire.Call, in *secretsmanagerapi.GetSecretValueRequest) (*secretsmanagerapi.GetSecretValueResponse, error) {
	s, version, v, err := a.secrets.Get(ctx, scope(call), *in.SecretId, member.Text(in.VersionId), member.Text(in.VersionStage))
	if err != nil {
		return nil, err
	}
	out := &secretsmanagerapi.GetSecretValueResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, VersionId: &version, VersionStages: append([]string{}, s.Versions[version].Stages...), CreatedDate: &s.Versions[version].Created}
	if v.Binary {
		out.SecretBinary = v.Bytes
	} else {
		plain := string(v.Bytes)
		out.SecretString = &plain
	}
	return out, nil
}

func (a *api) putSecretValue(ctx context.Context, call *wire.Call, in *secretsmanagerapi.PutSecretValueRequest) (*secretsmanagerapi.PutSecretValueResponse, error) {
	v, err := value(in.SecretString, in.SecretBinary)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, refuse(secret.InvalidRequest, "You must provide either SecretString or SecretBinary.")
	case member.Text(in.RotationToken) != "":
		return nil, refuse(secret.InvalidParameter, "RotationToken is not supported: this platform does not rotate secrets.")
	}
	s, version, err := a.secrets.Put(ctx, scope(call), *in.SecretId, member.Text(in.ClientRequestToken), v, in.VersionStages, nil)
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.PutSecretValueResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, VersionId: &version, VersionStages: append([]string{}, s.Versions[version].Stages...)}, nil
}

// Pages of lists.
const (
	maxPage   = 100
	batchPage = 20
)

// cursor is where a list goes on.
func cursor(token *string) (string, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(member.Text(token))
	if err != nil {
		return "", refuse("InvalidNextTokenException", "Invalid pagination token.")
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

func (a *api) listSecrets(ctx context.Context, call *wire.Call, in *secretsmanagerapi.ListSecretsRequest) (*secretsmanagerapi.ListSecretsResponse, error) {
	if member.Text(in.SortBy) != "" && *in.SortBy != "name" || member.Text(in.SortOrder) == "desc" {
		return nil, refuse(secret.InvalidParameter, "Lists of secrets are sorted by name, in ascending order, on this platform.")
	}
	if err := checkFilters(in.Filters); err != nil {
		return nil, err
	}
	after, err := cursor(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &secretsmanagerapi.ListSecretsResponse{SecretList: []secretsmanagerapi.SecretListEntry{}}
	err = a.secrets.Each(ctx, scope(call), after, func(s *secret.Secret) bool {
		if !s.Deleted.IsZero() && !member.On(in.IncludePlannedDeletion) || !accepts(in.Filters, s) {
			return true
		}
		if n := len(out.SecretList); n == limit(in.MaxResults, maxPage) {
			out.NextToken = tokenFor(*out.SecretList[n-1].Name)
			return false
		}
		out.SecretList = append(out.SecretList, secretsmanagerapi.SecretListEntry{ARN: member.Optional(s.ARN()), Name: &s.Name, Description: member.Optional(s.Description), LastChangedDate: &s.Changed, DeletedDate: moment(s.Deleted),
			Tags: tagsOut(s.Tags), SecretVersionsToStages: stages(s), CreatedDate: &s.Created})
		return true
	})
	return out, err
}

// filterKeys are what lists can be filtered by.
var filterKeys = []string{"name", "description", "tag-key", "tag-value", "all"}

func checkFilters(filters []secretsmanagerapi.Filter) error {
	for i := range filters {
		if !slices.Contains(filterKeys, member.Text(filters[i].Key)) {
			return refuse(secret.InvalidParameter, "The filter "+member.Text(filters[i].Key)+" is none of "+strings.Join(filterKeys, ", ")+".")
		}
	}
	return nil
}

// accepts tells whether a secret meets all filters.
//
// AWS: values are prefixes, of words for a description; "!" at the beginning
// negates (API reference of ListSecrets, Filter).
func accepts(filters []secretsmanagerapi.Filter, s *secret.Secret) bool {
	for i := range filters {
		has := map[string][]string{"name": {s.Name}, "description": strings.Fields(s.Description), "tag-key": slices.Collect(maps.Keys(s.Tags)), "tag-value": slices.Collect(maps.Values(s.Tags))}
		has["all"] = slices.Concat(has["name"], has["description"], has["tag-key"], has["tag-value"])
		if !slices.ContainsFunc(filters[i].Values, func(wanted string) bool {
			prefix, negated := strings.CutPrefix(wanted, "!")
			return negated != slices.ContainsFunc(has[member.Text(filters[i].Key)], func(value string) bool { return strings.HasPrefix(value, prefix) })
		}) {
			return false
		}
	}
	return true
}

func (a *api) batchGetSecretValue(ctx context.Context, call *wire.Call, in *secretsmanagerapi.BatchGetSecretValueRequest) (*secretsmanagerapi.BatchGetSecretValueResponse, error) {
	names := in.SecretIdList
	out := &secretsmanagerapi.BatchGetSecretValueResponse{SecretValues: []secretsmanagerapi.SecretValueEntry{}, Errors: []secretsmanagerapi.APIErrorType{}}
	switch {
	case len(names) > 0 && len(in.Filters) > 0:
		return nil, refuse(secret.InvalidParameter, "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(names) == 0 && len(in.Filters) == 0:
		return nil, refuse(secret.InvalidParameter, "Either 'SecretIdList' or 'Filters' must be provided.")
	case len(in.Filters) > 0:
		if in.MaxResults == nil {
			most := int32(batchPage)
			in.MaxResults = &most
		}
		listed, err := a.listSecrets(ctx, call, &secretsmanagerapi.ListSecretsRequest{Filters: in.Filters, MaxResults: in.MaxResults, NextToken: in.NextToken})
		if err != nil {
			return nil, err
		}
		for i := range listed.SecretList {
			names = append(names, *listed.SecretList[i].ARN)
		}
		out.NextToken = listed.NextToken
	}
	for _, name := range names {
		got, err := a.getSecretValue(ctx, call, &secretsmanagerapi.GetSecretValueRequest{SecretId: &name})
		var refusal *secret.Error
		switch {
		case errors.As(err, &refusal):
			out.Errors = append(out.Errors, secretsmanagerapi.APIErrorType{SecretId: &name, ErrorCode: &refusal.Code, Message: &refusal.Message})
		case err != nil:
			return nil, err
		default:
			out.SecretValues = append(out.SecretValues, secretsmanagerapi.SecretValueEntry(*got))
		}
	}
	return out, nil
}

func (a *api) listSecretVersionIDs(ctx context.Context, call *wire.Call, in *secretsmanagerapi.ListSecretVersionIdsRequest) (*secretsmanagerapi.ListSecretVersionIdsResponse, error) {
	s, err := a.secrets.Describe(ctx, scope(call), *in.SecretId)
	if err != nil {
		return nil, err
	}
	after, err := cursor(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &secretsmanagerapi.ListSecretVersionIdsResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, Versions: []secretsmanagerapi.SecretVersionsListEntry{}}
	for _, id := range slices.Sorted(maps.Keys(s.Versions)) {
		v := s.Versions[id]
		if id <= after || len(v.Stages) == 0 && !member.On(in.IncludeDeprecated) {
			continue
		}
		if n := len(out.Versions); n == limit(in.MaxResults, maxPage) {
			out.NextToken = tokenFor(*out.Versions[n-1].VersionId)
			break
		}
		out.Versions = append(out.Versions, secretsmanagerapi.SecretVersionsListEntry{VersionId: &id, VersionStages: v.Stages, CreatedDate: &v.Created})
	}
	return out, nil
}

func (a *api) updateSecretVersionStage(ctx context.Context, call *wire.Call, in *secretsmanagerapi.UpdateSecretVersionStageRequest) (*secretsmanagerapi.UpdateSecretVersionStageResponse, error) {
	s, err := a.secrets.MoveStage(ctx, scope(call), *in.SecretId, *in.VersionStage, member.Text(in.RemoveFromVersionId), member.Text(in.MoveToVersionId))
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.UpdateSecretVersionStageResponse{ARN: member.Optional(s.ARN()), Name: &s.Name}, nil
}

func (a *api) getResourcePolicy(ctx context.Context, call *wire.Call, in *secretsmanagerapi.GetResourcePolicyRequest) (*secretsmanagerapi.GetResourcePolicyResponse, error) {
	s, err := a.secrets.Describe(ctx, scope(call), *in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.GetResourcePolicyResponse{ARN: member.Optional(s.ARN()), Name: &s.Name, ResourcePolicy: member.Optional(s.Policy)}, nil
}

func (a *api) putResourcePolicy(ctx context.Context, call *wire.Call, in *secretsmanagerapi.PutResourcePolicyRequest) (*secretsmanagerapi.PutResourcePolicyResponse, error) {
	s, err := a.secrets.SetPolicy(ctx, scope(call), *in.SecretId, *in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.PutResourcePolicyResponse{ARN: member.Optional(s.ARN()), Name: &s.Name}, nil
}

func (a *api) deleteResourcePolicy(ctx context.Context, call *wire.Call, in *secretsmanagerapi.DeleteResourcePolicyRequest) (*secretsmanagerapi.DeleteResourcePolicyResponse, error) {
	s, err := a.secrets.SetPolicy(ctx, scope(call), *in.SecretId, "")
	if err != nil {
		return nil, err
	}
	return &secretsmanagerapi.DeleteResourcePolicyResponse{ARN: member.Optional(s.ARN()), Name: &s.Name}, nil
}

func (a *api) validateResourcePolicy(_ context.Context, _ *wire.Call, in *secretsmanagerapi.ValidateResourcePolicyRequest) (*secretsmanagerapi.ValidateResourcePolicyResponse, error) {
	if !json.Valid([]byte(*in.ResourcePolicy)) {
		return nil, refuse(secret.MalformedPolicy, "This resource policy contains invalid Json")
	}
	passed := true
	return &secretsmanagerapi.ValidateResourcePolicyResponse{PolicyValidationPassed: &passed, ValidationErrors: []secretsmanagerapi.ValidationErrorsEntry{}}, nil
}

func (a *api) tagResource(ctx context.Context, call *wire.Call, in *secretsmanagerapi.TagResourceRequest) (*struct{}, error) {
	return nil, a.secrets.ChangeTags(ctx, scope(call), *in.SecretId, func(tags map[string]string) { maps.Copy(tags, tagsIn(in.Tags)) })
}

func (a *api) untagResource(ctx context.Context, call *wire.Call, in *secretsmanagerapi.UntagResourceRequest) (*struct{}, error) {
	return nil, a.secrets.ChangeTags(ctx, scope(call), *in.SecretId, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}
