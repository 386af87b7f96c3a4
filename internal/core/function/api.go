package function

import "time"

// Page asks for a part of a list. Marker is the NextMarker of the answer before
// or empty; MaxItems 0 means AWS's default.
type Page struct {
	Marker   string
	MaxItems int
}

// Code is the code of a function or layer.
type Code struct {
	ZipFile    []byte // the archive itself, decoded
	FromBucket bool   // it did not come in the request, whose size bounds it else
}

// Settings are the parameters that CreateFunction and
// UpdateFunctionConfiguration share. Nil means that the caller did not give
// the parameter: the default when creating, no change when updating.
type Settings struct {
	Description *string
	Role        *string
	Runtime     *string
	Handler     *string
	MemoryMB    *int
	EphemeralMB *int
	Timeout     *time.Duration
	Environment map[string]string // nil: not given; empty: set to {}
	Layers      []string          // layer version ARNs; nil: not given; empty: none
	DeadLetter  *string           // TargetArn; "" removes it
	KMSKeyARN   *string           // "" removes it
	TracingMode *string
	SnapStart   *string // ApplyOn
	Logging     *Logging
}

// Logging is LoggingConfig; nil members are not given.
type Logging struct {
	LogFormat           *string
	ApplicationLogLevel *string
	SystemLogLevel      *string
	LogGroup            *string
}

// CreateInput is what CreateFunction takes.
type CreateInput struct {
	Settings
	Code          Code
	Architectures []string // nil: [x86_64]
	Tags          map[string]string
	Publish       bool
}

// UpdateCodeInput is what UpdateFunctionCode takes.
type UpdateCodeInput struct {
	Code          Code
	Architectures []string // nil: no change
	DryRun        bool
	Publish       bool
	RevisionID    *string
}

// UpdateConfigurationInput is what UpdateFunctionConfiguration takes.
type UpdateConfigurationInput struct {
	Settings
	RevisionID *string
}

// PublishVersionInput is what PublishVersion takes.
type PublishVersionInput struct {
	Description *string
	CodeSHA256  *string
	RevisionID  *string
}

// Function is the answer of Get.
type Function struct {
	Version             *Version // as the target names it; Version.Code and CodeSizeBytes locate the zip in the blob store
	Tags                map[string]string
	ReservedConcurrency *int // nil: unreserved
}

// ListInput is what ListFunctions takes.
type ListInput struct {
	Page
	AllVersions bool // FunctionVersion=ALL: published versions too, each followed by its function's others
}

// VersionPage is a part of a list of versions; ListFunctions gives one too.
type VersionPage struct {
	Versions   []*Version
	NextMarker string // "": that was all
}

// Alias is one alias of a function.
type Alias struct {
	Scope           Scope
	Function        string
	Name            string
	FunctionVersion string
	Description     string
	Routing         map[string]float64 // AdditionalVersionWeights; nil: none
	RevisionID      string
}

// ARN is the ARN of the alias.
func (a *Alias) ARN() string {
	return Target{Scope: a.Scope, Name: a.Function, Qualifier: a.Name}.ARN()
}

// AliasInput is what CreateAlias and UpdateAlias take. Nil means not given;
// CreateAlias wants FunctionVersion.
type AliasInput struct {
	Name            string
	FunctionVersion *string
	Description     *string
	Routing         map[string]float64 // nil: not given; empty: none
	RevisionID      *string            // UpdateAlias only
}

// AliasPage is a part of the list of a function's aliases.
type AliasPage struct {
	Aliases    []*Alias
	NextMarker string
}

// Layer is one version of a layer, as published.
type Layer struct {
	Scope                   Scope
	Name                    string
	Version                 int64
	Description             string
	LicenseInfo             string
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
	Created                 time.Time
	CodeSHA256              string // base64
	CodeSizeBytes           int64
	Code                    string // content address of the zip
}

// ARN is the ARN with the version.
func (l *Layer) ARN() string {
	return LayerTarget{Scope: l.Scope, Name: l.Name, Version: l.Version}.ARN()
}

// LayerARN is the ARN without the version.
func (l *Layer) LayerARN() string { return LayerTarget{Scope: l.Scope, Name: l.Name}.ARN() }

// PublishLayerInput is what PublishLayerVersion takes.
type PublishLayerInput struct {
	Description             string
	LicenseInfo             string
	Code                    Code
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
}

// ListLayersInput is what ListLayers and ListLayerVersions take; an empty
// filter lets everything through.
type ListLayersInput struct {
	Page
	CompatibleRuntime      string
	CompatibleArchitecture string
}

// LayerPage is a part of a list of layers; ListLayers gives the latest version
// of each.
type LayerPage struct {
	Layers     []*Layer
	NextMarker string
}

// LayerPermissionInput is what AddLayerVersionPermission takes.
type LayerPermissionInput struct {
	StatementID    string
	Action         string
	Principal      string
	OrganizationID string // "": none
	RevisionID     *string
}

// PermissionInput is what AddPermission takes; nil means not given.
type PermissionInput struct {
	StatementID           string
	Action                string
	Principal             string
	SourceARN             *string
	SourceAccount         *string
	EventSourceToken      *string
	PrincipalOrgID        *string
	FunctionURLAuthType   *string
	InvokedViaFunctionURL *bool
	RevisionID            *string
}

// Policy is a resource policy as AWS prints it.
type Policy struct {
	Document   string // JSON
	RevisionID string
}

// PolicyStatement is what AddPermission and AddLayerVersionPermission answer.
type PolicyStatement struct {
	Statement  string // JSON
	RevisionID string
}

// AccountSettings is the answer of GetAccountSettings.
type AccountSettings struct {
	TotalCodeSizeBytes, CodeSizeUnzippedBytes, CodeSizeZippedBytes int64
	ConcurrentExecutions, UnreservedConcurrentExecutions           int
	UsedCodeSizeBytes                                              int64
	FunctionCount                                                  int64
}

// RuntimeManagement is the runtime management configuration of a version.
type RuntimeManagement struct {
	UpdateRuntimeOn   string // "Auto", "Manual" or "FunctionUpdate"
	RuntimeVersionARN string // Manual only
	FunctionARN       string // qualified; an output
}

// Resolved is what an invocation runs. It is shared: read it only.
type Resolved struct {
	Version             *Version // never of State Pending or Failed
	InvokedARN          string   // as the caller named it: with alias or version, if given
	ReservedConcurrency *int     // nil: unreserved
	// Provisioned is how many environments are kept ready for the version,
	// FunctionProvisioned for all versions of the function.
	Provisioned, FunctionProvisioned int
	RecursionAllowed                 bool // RecursiveLoop is "Allow"
}
