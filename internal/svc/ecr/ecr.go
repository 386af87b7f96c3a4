// Package ecr keeps the names and settings of image repositories (Amazon ECR), for
// templates that declare one: `cdk bootstrap` does. There is no registry behind
// them: no image can be pushed, each repository is empty, and what is configured
// for images is inert (docs/api.md).
//
// It promises AWS's codes and texts of errors, and that what is acknowledged
// survives kill -9: there is no state beside the store, and every change checks
// the row that it read. No goroutines, no locks. Start reading at Service.
package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/ecrapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// maxTags of a repository; defaultPage of DescribeRepositories.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html
const (
	maxTags     = 50
	defaultPage = 100
)

// repository is one row.
type repository struct {
	Created    time.Time
	Mutability string
	Exclusions []ecrapi.ImageTagMutabilityExclusionFilter `json:",omitempty"`
	ScanOnPush bool
	Encryption string
	Policy     string            `json:",omitempty"`
	Lifecycle  string            `json:",omitempty"`
	Tags       map[string]string `json:",omitempty"`
}

type api struct {
	store store.Store
	clock clock.Clock
}

// Service is the table of the operations.
func Service(state store.Store, at clock.Clock) *wire.Service {
	a := &api{state, at}
	return wire.NewService(ecrapi.Model,
		ecrapi.HandleCreateRepository(a.createRepository),
		ecrapi.HandleDeleteRepository(a.deleteRepository),
		ecrapi.HandleDescribeRepositories(a.describeRepositories),
		ecrapi.HandleSetRepositoryPolicy(a.setRepositoryPolicy),
		ecrapi.HandleGetRepositoryPolicy(a.getRepositoryPolicy),
		ecrapi.HandleDeleteRepositoryPolicy(a.deleteRepositoryPolicy),
		ecrapi.HandlePutLifecyclePolicy(a.putLifecyclePolicy),
		ecrapi.HandleGetLifecyclePolicy(a.getLifecyclePolicy),
		ecrapi.HandleDeleteLifecyclePolicy(a.deleteLifecyclePolicy),
		ecrapi.HandlePutImageScanningConfiguration(a.putImageScanningConfiguration),
		ecrapi.HandlePutImageTagMutability(a.putImageTagMutability),
		ecrapi.HandleTagResource(a.tagResource),
		ecrapi.HandleUntagResource(a.untagResource),
		ecrapi.HandleListTagsForResource(a.listTagsForResource),
		ecrapi.HandleListImages(a.listImages),
		ecrapi.HandleDescribeImages(a.describeImages),
	)
}

func key(call *wire.Call, name string) []byte {
	return tuple.Key("ecr", "repository", call.Account, call.Region, name)
}

func missing(call *wire.Call, name string) error {
	return ecrapi.RepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", name, call.Account)
}

// own refuses the registry of another account.
func own(call *wire.Call, registry *string, name string) error {
	if registry != nil && *registry != call.Account {
		return ecrapi.RepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", name, *registry)
	}
	return nil
}

func read(snap store.Snap, at []byte) (*repository, store.Check, error) {
	value, version, err := snap.Get(at)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Absent(at), nil
	}
	r := &repository{}
	if err == nil {
		err = json.Unmarshal(value, r)
	}
	return r, store.At(at, version), err
}

// find reads one that must be there.
func (a *api) find(ctx context.Context, call *wire.Call, registry *string, name string) (*repository, error) {
	if err := own(call, registry, name); err != nil {
		return nil, err
	}
	snap, err := a.store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	r, _, err := read(snap, key(call, name))
	if err == nil && r == nil {
		err = missing(call, name)
	}
	return r, err
}

// change changes one that must be there.
func (a *api) change(ctx context.Context, call *wire.Call, registry *string, name string, change func(r *repository) error) error {
	if err := own(call, registry, name); err != nil {
		return err
	}
	return store.Change(ctx, a.store, func(snap store.Snap) (*store.Batch, error) {
		r, check, err := read(snap, key(call, name))
		if err == nil && r == nil {
			err = missing(call, name)
		}
		if err == nil {
			err = change(r)
		}
		if err != nil {
			return nil, err
		}
		return put(check, call, name, r)
	})
}

func put(check store.Check, call *wire.Call, name string, r *repository) (*store.Batch, error) {
	value, err := json.Marshal(r)
	return &store.Batch{Checks: []store.Check{check}, Puts: []store.KV{{Key: key(call, name), Value: value}}}, err
}

func repositoryARN(call *wire.Call, name string) string {
	return arn.New("ecr", call.Region, call.Account, "repository/"+name).String()
}

// shown is a repository as answers have it.
func (r *repository) shown(call *wire.Call, name string) *ecrapi.Repository {
	at, uri := repositoryARN(call, name), call.Account+".dkr.ecr."+call.Region+".amazonaws.com/"+name
	return &ecrapi.Repository{RepositoryArn: &at, RegistryId: &call.Account, RepositoryName: &name, RepositoryUri: &uri, CreatedAt: &r.Created, ImageTagMutability: &r.Mutability,
		ImageTagMutabilityExclusionFilters: r.Exclusions, ImageScanningConfiguration: &ecrapi.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush},
		EncryptionConfiguration: &ecrapi.EncryptionConfiguration{EncryptionType: &r.Encryption}}
}

func (a *api) createRepository(ctx context.Context, call *wire.Call, in *ecrapi.CreateRepositoryRequest) (*ecrapi.CreateRepositoryResponse, error) {
	if err := own(call, in.RegistryId, *in.RepositoryName); err != nil {
		return nil, err
	}
	r := &repository{Created: a.clock.Now().UTC(), Mutability: "MUTABLE", Exclusions: in.ImageTagMutabilityExclusionFilters, Encryption: "AES256"}
	if in.ImageTagMutability != nil {
		r.Mutability = *in.ImageTagMutability
	}
	if scan := in.ImageScanningConfiguration; scan != nil && scan.ScanOnPush != nil {
		r.ScanOnPush = *scan.ScanOnPush
	}
	if e := in.EncryptionConfiguration; e != nil && *e.EncryptionType != r.Encryption {
		return nil, ecrapi.InvalidParameterException("Invalid parameter at 'encryptionConfiguration' failed to satisfy constraint: 'This platform has no KMS service: only AES256 is supported'")
	}
	if err := r.tag(in.Tags); err != nil {
		return nil, err
	}
	err := store.Change(ctx, a.store, func(snap store.Snap) (*store.Batch, error) {
		found, check, err := read(snap, key(call, *in.RepositoryName))
		if err == nil && found != nil {
			err = ecrapi.RepositoryAlreadyExistsException("The repository with name '%s' already exists in the registry with id '%s'", *in.RepositoryName, call.Account)
		}
		if err != nil {
			return nil, err
		}
		return put(check, call, *in.RepositoryName, r)
	})
	return &ecrapi.CreateRepositoryResponse{Repository: r.shown(call, *in.RepositoryName)}, err
}

func (a *api) deleteRepository(ctx context.Context, call *wire.Call, in *ecrapi.DeleteRepositoryRequest) (*ecrapi.DeleteRepositoryResponse, error) {
	if err := own(call, in.RegistryId, *in.RepositoryName); err != nil {
		return nil, err
	}
	out := &ecrapi.DeleteRepositoryResponse{}
	return out, store.Change(ctx, a.store, func(snap store.Snap) (*store.Batch, error) {
		r, check, err := read(snap, key(call, *in.RepositoryName))
		if err == nil && r == nil {
			err = missing(call, *in.RepositoryName)
		}
		if err != nil {
			return nil, err
		}
		out.Repository = r.shown(call, *in.RepositoryName)
		return &store.Batch{Checks: []store.Check{check}, Deletes: [][]byte{check.Key}}, nil
	})
}

func (a *api) describeRepositories(ctx context.Context, call *wire.Call, in *ecrapi.DescribeRepositoriesRequest) (*ecrapi.DescribeRepositoriesResponse, error) {
	out := &ecrapi.DescribeRepositoriesResponse{Repositories: []ecrapi.Repository{}}
	for _, name := range in.RepositoryNames {
		r, err := a.find(ctx, call, in.RegistryId, name)
		if err != nil {
			return nil, err
		}
		out.Repositories = append(out.Repositories, *r.shown(call, name))
	}
	if len(in.RepositoryNames) > 0 {
		return out, nil
	}
	if err := own(call, in.RegistryId, ""); err != nil {
		return nil, err
	}
	snap, err := a.store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	limit := int32(defaultPage)
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	lo, hi := tuple.Range("ecr", "repository", call.Account, call.Region)
	if in.NextToken != nil { // the first name of the page
		lo = key(call, *in.NextToken)
	}
	return out, store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		name, _ := parts[len(parts)-1].(string)
		if len(out.Repositories) == int(limit) {
			out.NextToken = &name
			return false, nil
		}
		r := &repository{}
		if err := json.Unmarshal(e.Value, r); err != nil {
			return false, err
		}
		out.Repositories = append(out.Repositories, *r.shown(call, name))
		return true, nil
	})
}

// tag adds tags.
func (r *repository) tag(tags []ecrapi.Tag) error {
	if r.Tags == nil {
		r.Tags = map[string]string{}
	}
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return ecrapi.InvalidTagParameterException("Invalid parameter at 'tags' failed to satisfy constraint: 'Tag keys that begin with aws: are reserved'")
		}
		r.Tags[*t.Key] = *t.Value
	}
	if len(r.Tags) > maxTags {
		return ecrapi.TooManyTagsException("A repository can have no more than %d tags", maxTags)
	}
	return nil
}

// ofARN is the name in a repository's ARN.
func ofARN(call *wire.Call, text string) (string, error) {
	name, ours := strings.CutPrefix(text, repositoryARN(call, ""))
	if !ours || name == "" {
		return "", ecrapi.InvalidParameterException("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return name, nil
}

func (a *api) tagResource(ctx context.Context, call *wire.Call, in *ecrapi.TagResourceRequest) (*ecrapi.TagResourceResponse, error) {
	name, err := ofARN(call, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ecrapi.TagResourceResponse{}, a.change(ctx, call, nil, name, func(r *repository) error { return r.tag(in.Tags) })
}

func (a *api) untagResource(ctx context.Context, call *wire.Call, in *ecrapi.UntagResourceRequest) (*ecrapi.UntagResourceResponse, error) {
	name, err := ofARN(call, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ecrapi.UntagResourceResponse{}, a.change(ctx, call, nil, name, func(r *repository) error {
		maps.DeleteFunc(r.Tags, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return nil
	})
}

func (a *api) listTagsForResource(ctx context.Context, call *wire.Call, in *ecrapi.ListTagsForResourceRequest) (*ecrapi.ListTagsForResourceResponse, error) {
	name, err := ofARN(call, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	r, err := a.find(ctx, call, nil, name)
	if err != nil {
		return nil, err
	}
	out := &ecrapi.ListTagsForResourceResponse{Tags: []ecrapi.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		value := r.Tags[key]
		out.Tags = append(out.Tags, ecrapi.Tag{Key: &key, Value: &value})
	}
	return out, nil
}

// document refuses what is no JSON object.
func document(member, text string) error {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return ecrapi.InvalidParameterException("Invalid parameter at '%s' failed to satisfy constraint: 'Invalid JSON'", member)
	}
	return nil
}

func (a *api) setRepositoryPolicy(ctx context.Context, call *wire.Call, in *ecrapi.SetRepositoryPolicyRequest) (*ecrapi.SetRepositoryPolicyResponse, error) {
	if err := document("PolicyText", *in.PolicyText); err != nil {
		return nil, err
	}
	err := a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error { r.Policy = *in.PolicyText; return nil })
	return &ecrapi.SetRepositoryPolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, PolicyText: in.PolicyText}, err
}

func noPolicy(call *wire.Call, name string) error {
	return ecrapi.RepositoryPolicyNotFoundException("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, call.Account)
}

func (a *api) getRepositoryPolicy(ctx context.Context, call *wire.Call, in *ecrapi.GetRepositoryPolicyRequest) (*ecrapi.GetRepositoryPolicyResponse, error) {
	r, err := a.find(ctx, call, in.RegistryId, *in.RepositoryName)
	if err == nil && r.Policy == "" {
		err = noPolicy(call, *in.RepositoryName)
	}
	if err != nil {
		return nil, err
	}
	return &ecrapi.GetRepositoryPolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, PolicyText: &r.Policy}, nil
}

func (a *api) deleteRepositoryPolicy(ctx context.Context, call *wire.Call, in *ecrapi.DeleteRepositoryPolicyRequest) (*ecrapi.DeleteRepositoryPolicyResponse, error) {
	out := &ecrapi.DeleteRepositoryPolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName}
	return out, a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error {
		if r.Policy == "" {
			return noPolicy(call, *in.RepositoryName)
		}
		out.PolicyText, r.Policy = new(r.Policy), ""
		return nil
	})
}

func (a *api) putLifecyclePolicy(ctx context.Context, call *wire.Call, in *ecrapi.PutLifecyclePolicyRequest) (*ecrapi.PutLifecyclePolicyResponse, error) {
	if err := document("LifecyclePolicyText", *in.LifecyclePolicyText); err != nil {
		return nil, err
	}
	err := a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error { r.Lifecycle = *in.LifecyclePolicyText; return nil })
	return &ecrapi.PutLifecyclePolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: in.LifecyclePolicyText}, err
}

func noLifecycle(call *wire.Call, name string) error {
	return ecrapi.LifecyclePolicyNotFoundException("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, call.Account)
}

func (a *api) getLifecyclePolicy(ctx context.Context, call *wire.Call, in *ecrapi.GetLifecyclePolicyRequest) (*ecrapi.GetLifecyclePolicyResponse, error) {
	r, err := a.find(ctx, call, in.RegistryId, *in.RepositoryName)
	if err == nil && r.Lifecycle == "" {
		err = noLifecycle(call, *in.RepositoryName)
	}
	if err != nil {
		return nil, err
	}
	return &ecrapi.GetLifecyclePolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: &r.Lifecycle}, nil
}

func (a *api) deleteLifecyclePolicy(ctx context.Context, call *wire.Call, in *ecrapi.DeleteLifecyclePolicyRequest) (*ecrapi.DeleteLifecyclePolicyResponse, error) {
	out := &ecrapi.DeleteLifecyclePolicyResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName}
	return out, a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error {
		if r.Lifecycle == "" {
			return noLifecycle(call, *in.RepositoryName)
		}
		out.LifecyclePolicyText, r.Lifecycle = new(r.Lifecycle), ""
		return nil
	})
}

func (a *api) putImageScanningConfiguration(ctx context.Context, call *wire.Call, in *ecrapi.PutImageScanningConfigurationRequest) (*ecrapi.PutImageScanningConfigurationResponse, error) {
	err := a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error {
		r.ScanOnPush = in.ImageScanningConfiguration.ScanOnPush != nil && *in.ImageScanningConfiguration.ScanOnPush
		return nil
	})
	return &ecrapi.PutImageScanningConfigurationResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, ImageScanningConfiguration: in.ImageScanningConfiguration}, err
}

func (a *api) putImageTagMutability(ctx context.Context, call *wire.Call, in *ecrapi.PutImageTagMutabilityRequest) (*ecrapi.PutImageTagMutabilityResponse, error) {
	err := a.change(ctx, call, in.RegistryId, *in.RepositoryName, func(r *repository) error {
		r.Mutability, r.Exclusions = *in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters
		return nil
	})
	return &ecrapi.PutImageTagMutabilityResponse{RegistryId: &call.Account, RepositoryName: in.RepositoryName, ImageTagMutability: in.ImageTagMutability,
		ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters}, err
}

// listImages has none to list: nothing can be pushed.
func (a *api) listImages(ctx context.Context, call *wire.Call, in *ecrapi.ListImagesRequest) (*ecrapi.ListImagesResponse, error) {
	_, err := a.find(ctx, call, in.RegistryId, *in.RepositoryName)
	return &ecrapi.ListImagesResponse{ImageIds: []ecrapi.ImageIdentifier{}}, err
}

func (a *api) describeImages(ctx context.Context, call *wire.Call, in *ecrapi.DescribeImagesRequest) (*ecrapi.DescribeImagesResponse, error) {
	_, err := a.find(ctx, call, in.RegistryId, *in.RepositoryName)
	if err == nil && len(in.ImageIds) > 0 {
		image := in.ImageIds[0]
		err = ecrapi.ImageNotFoundException("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
			cmp.Or(member.Text(image.ImageDigest), "null"), cmp.Or(member.Text(image.ImageTag), "null"), *in.RepositoryName, call.Account)
	}
	return &ecrapi.DescribeImagesResponse{ImageDetails: []ecrapi.ImageDetail{}}, err
}
