package function

import (
	"context"
	"errors"
)

// Create makes a function in State Pending; with Publish the answer is version 1.
func (r *Registry) Create(ctx context.Context, t Target, in CreateInput) (*Version, error) {
	return nil, errors.ErrUnsupported
}

// Get is GetFunction.
func (r *Registry) Get(ctx context.Context, t Target) (*Function, error) {
	return nil, errors.ErrUnsupported
}

// GetConfiguration is GetFunctionConfiguration.
func (r *Registry) GetConfiguration(ctx context.Context, t Target) (*Version, error) {
	return nil, errors.ErrUnsupported
}

// List is ListFunctions.
func (r *Registry) List(ctx context.Context, scope Scope, in ListInput) (*VersionPage, error) {
	return nil, errors.ErrUnsupported
}

// UpdateCode is UpdateFunctionCode; a dry run changes nothing and answers what would be.
func (r *Registry) UpdateCode(ctx context.Context, t Target, in UpdateCodeInput) (*Version, error) {
	return nil, errors.ErrUnsupported
}

// UpdateConfiguration is UpdateFunctionConfiguration.
func (r *Registry) UpdateConfiguration(ctx context.Context, t Target, in UpdateConfigurationInput) (*Version, error) {
	return nil, errors.ErrUnsupported
}

// Delete is DeleteFunction: the whole function, or the version that the target names.
func (r *Registry) Delete(ctx context.Context, t Target) error { return errors.ErrUnsupported }

// PublishVersion makes $LATEST a numbered version, or answers the newest one if nothing has changed since.
func (r *Registry) PublishVersion(ctx context.Context, t Target, in PublishVersionInput) (*Version, error) {
	return nil, errors.ErrUnsupported
}

// ListVersions is ListVersionsByFunction: $LATEST first.
func (r *Registry) ListVersions(ctx context.Context, t Target, page Page) (*VersionPage, error) {
	return nil, errors.ErrUnsupported
}

// CreateAlias makes an alias of the target's function.
func (r *Registry) CreateAlias(ctx context.Context, t Target, in AliasInput) (*Alias, error) {
	return nil, errors.ErrUnsupported
}

// GetAlias reads an alias.
func (r *Registry) GetAlias(ctx context.Context, t Target, alias string) (*Alias, error) {
	return nil, errors.ErrUnsupported
}

// UpdateAlias changes what the input gives.
func (r *Registry) UpdateAlias(ctx context.Context, t Target, in AliasInput) (*Alias, error) {
	return nil, errors.ErrUnsupported
}

// DeleteAlias removes an alias; an unknown one is no error, as on AWS.
func (r *Registry) DeleteAlias(ctx context.Context, t Target, alias string) error {
	return errors.ErrUnsupported
}

// ListAliases lists in order of name; functionVersion "" lets all through.
func (r *Registry) ListAliases(ctx context.Context, t Target, functionVersion string, page Page) (*AliasPage, error) {
	return nil, errors.ErrUnsupported
}

// PublishLayer makes the next version of a layer.
func (r *Registry) PublishLayer(ctx context.Context, t LayerTarget, in PublishLayerInput) (*Layer, error) {
	return nil, errors.ErrUnsupported
}

// GetLayer reads the layer version that the target names (GetLayerVersion and GetLayerVersionByArn).
// caller is asked for because a layer of another account needs a permission.
func (r *Registry) GetLayer(ctx context.Context, caller Scope, t LayerTarget) (*Layer, error) {
	return nil, errors.ErrUnsupported
}

// ListLayers lists the latest version of each layer.
func (r *Registry) ListLayers(ctx context.Context, scope Scope, in ListLayersInput) (*LayerPage, error) {
	return nil, errors.ErrUnsupported
}

// ListLayerVersions lists the versions of a layer, the newest first.
func (r *Registry) ListLayerVersions(ctx context.Context, t LayerTarget, in ListLayersInput) (*LayerPage, error) {
	return nil, errors.ErrUnsupported
}

// DeleteLayer removes a layer version; functions that have it keep it. An unknown version is no error, as on AWS.
func (r *Registry) DeleteLayer(ctx context.Context, t LayerTarget) error {
	return errors.ErrUnsupported
}

// AddLayerPermission adds a statement to the policy of a layer version.
func (r *Registry) AddLayerPermission(ctx context.Context, t LayerTarget, in LayerPermissionInput) (*PolicyStatement, error) {
	return nil, errors.ErrUnsupported
}

// LayerPolicy is GetLayerVersionPolicy.
func (r *Registry) LayerPolicy(ctx context.Context, t LayerTarget) (*Policy, error) {
	return nil, errors.ErrUnsupported
}

// RemoveLayerPermission removes a statement; revisionID nil is not checked.
func (r *Registry) RemoveLayerPermission(ctx context.Context, t LayerTarget, statementID string, revisionID *string) error {
	return errors.ErrUnsupported
}

// AddPermission adds a statement to the policy of a function, a version or an alias.
func (r *Registry) AddPermission(ctx context.Context, t Target, in PermissionInput) (*PolicyStatement, error) {
	return nil, errors.ErrUnsupported
}

// GetPolicy reads the policy of what the target names.
func (r *Registry) GetPolicy(ctx context.Context, t Target) (*Policy, error) {
	return nil, errors.ErrUnsupported
}

// RemovePermission removes a statement; revisionID nil is not checked.
func (r *Registry) RemovePermission(ctx context.Context, t Target, statementID string, revisionID *string) error {
	return errors.ErrUnsupported
}

// Tag adds tags to the function with this ARN.
func (r *Registry) Tag(ctx context.Context, scope Scope, resourceARN string, tags map[string]string) error {
	return errors.ErrUnsupported
}

// Untag removes tags.
func (r *Registry) Untag(ctx context.Context, scope Scope, resourceARN string, keys []string) error {
	return errors.ErrUnsupported
}

// Tags is ListTags.
func (r *Registry) Tags(ctx context.Context, scope Scope, resourceARN string) (map[string]string, error) {
	return nil, errors.ErrUnsupported
}

// PutConcurrency reserves concurrency for a function.
func (r *Registry) PutConcurrency(ctx context.Context, t Target, reserved int) error {
	return errors.ErrUnsupported
}

// Concurrency reads the reservation: nil is none.
func (r *Registry) Concurrency(ctx context.Context, t Target) (*int, error) {
	return nil, errors.ErrUnsupported
}

// DeleteConcurrency gives the reservation back.
func (r *Registry) DeleteConcurrency(ctx context.Context, t Target) error {
	return errors.ErrUnsupported
}

// AccountSettings is GetAccountSettings.
func (r *Registry) AccountSettings(ctx context.Context, scope Scope) (*AccountSettings, error) {
	return nil, errors.ErrUnsupported
}

// PutRuntimeManagement is PutRuntimeManagementConfig.
func (r *Registry) PutRuntimeManagement(ctx context.Context, t Target, in RuntimeManagement) (*RuntimeManagement, error) {
	return nil, errors.ErrUnsupported
}

// RuntimeManagement is GetRuntimeManagementConfig.
func (r *Registry) RuntimeManagement(ctx context.Context, t Target) (*RuntimeManagement, error) {
	return nil, errors.ErrUnsupported
}

// PutRecursion sets RecursiveLoop: "Terminate" or "Allow".
func (r *Registry) PutRecursion(ctx context.Context, t Target, recursiveLoop string) (string, error) {
	return "", errors.ErrUnsupported
}

// Recursion reads RecursiveLoop.
func (r *Registry) Recursion(ctx context.Context, t Target) (string, error) {
	return "", errors.ErrUnsupported
}
