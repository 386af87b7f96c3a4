package function

import (
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// Latest is the name of the one version that can change.
const Latest = "$LATEST"

// Version is one immutable reading of a function version's configuration. For
// $LATEST each update makes a new Version with a new RevisionID. A *Version is
// shared between goroutines and must never be written to.
type Version struct {
	Account, Region string
	Name            string
	Version         string // Latest or a decimal number from 1

	Description   string
	Role          string
	Runtime       string // "python3.13", "provided.al2023"
	Handler       string
	MemoryMB      int
	EphemeralMB   int
	Timeout       time.Duration     // whole seconds
	Architecture  string            // "x86_64" or "arm64"
	Environment   map[string]string // nil: never set; empty: set to {}
	Layers        []LayerVersion    // lowest first, as configured
	CodeSHA256    string            // base64 of the SHA-256 of the zip
	CodeSizeBytes int64
	Code          string // content address of the zip in engine/blob, hex SHA-256

	State            State
	StateReason      string
	StateReasonCode  string
	LastUpdateStatus string // "", "InProgress", "Successful", "Failed"
	LastUpdateReason string
	LastUpdateCode   string

	LastModified time.Time
	RevisionID   string // AWS's: changes with a permission and with the state, too
	// Generation changes exactly when environments of an earlier reading must not
	// serve this one: key environments by it, not by RevisionID.
	Generation string

	LogFormat           string // "Text" or "JSON"
	ApplicationLogLevel string // JSON only
	SystemLogLevel      string // JSON only
	LogGroup            string

	TracingMode   string // "PassThrough" or "Active"
	DeadLetterARN string
	KMSKeyARN     string
	SnapStart     string // "None" or "PublishedVersions"

	// Preload names what of the runtime's own the code will import; see
	// Config.Preload. It is known once the version is active.
	Preload string `json:",omitempty"`

	// TaskDir and OptDir are the unpacked, read-only trees that an environment
	// sees as /var/task and /opt; OptDir is empty without layers. Both are
	// filled by the registry when it reads the version, not stored.
	TaskDir string `json:"-"`
	OptDir  string `json:"-"`
}

// LayerVersion is a layer as a function refers to it.
type LayerVersion struct {
	ARN       string // with version
	SizeBytes int64
	Code      string // content address of the zip
}

// State of a version.
type State string

// The states of a version.
const (
	Pending  State = "Pending"
	Active   State = "Active"
	Inactive State = "Inactive"
	Failed   State = "Failed"
)

// ARN is the version's ARN: unqualified for $LATEST, qualified otherwise.
func (v *Version) ARN() string {
	if v.Version == Latest {
		return v.FunctionARN()
	}
	return v.QualifiedARN()
}

// FunctionARN is the ARN without a qualifier.
func (v *Version) FunctionARN() string {
	return arn.New("lambda", v.Region, v.Account, "function:"+v.Name).String()
}

// QualifiedARN is the ARN with the version as qualifier, also for $LATEST.
func (v *Version) QualifiedARN() string { return v.FunctionARN() + ":" + v.Version }
