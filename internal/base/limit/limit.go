// Package limit names the limits that more than one package must agree on.
// Limits of one service live in that service's limits.go.
//
// Sources: the AWS Lambda quotas page
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) and
// the AWS API models. No goroutines, no locks.
package limit

import "time"

// Payloads of an invocation.
const (
	SyncRequestBytes  = 6 << 20     // 6,291,456: request of a synchronous call
	AsyncRequestBytes = 1 << 20     // 1,048,576: request of an asynchronous call
	ResponseBytes     = 6<<20 + 100 // 6,291,556: response of a synchronous call (RIE interop.MaxPayloadSize)
	StreamBytes       = 200 << 20   // 209,715,200: response that a function streams
	LogTailBytes      = 4 << 10     // X-Amz-Log-Result carries the last 4 KB of the log
	ClientContext     = 3583        // bytes of X-Amz-Client-Context, base64
)

// Objects of S3.
const (
	ObjectPutBytes  = 5 << 30                 // the largest single upload
	ObjectBodyBytes = ObjectPutBytes + 64<<20 // the same in chunks, with their signatures
)

// StreamChunkBytes is the largest piece in which a streamed response travels.
const StreamChunkBytes = 256 << 10

// Function configuration.
const (
	MinMemoryMB       = 128
	MaxMemoryMB       = 10240
	DefaultMemoryMB   = 128
	MinTimeout        = 1 * time.Second
	MaxTimeout        = 900 * time.Second
	DefaultTimeout    = 3 * time.Second
	MinEphemeralMB    = 512
	MaxEphemeralMB    = 10240
	EnvironmentBytes  = 4 << 10 // measured as compact JSON
	MaxLayers         = 5
	ZippedCodeBytes   = 50 << 20    // 52,428,800
	UnzippedCodeBytes = 250 << 20   // 262,144,000, layers included
	CreateBodyBytes   = 70_167_211  // CreateFunction, UpdateFunctionCode, PublishLayerVersion request bodies
	PolicyBytes       = 20 << 10    // resource policy of a function
	ControlBodyBytes  = 6<<20 + 512 // any other request body
)

// Life of an environment.
const (
	InitTimeout     = 10 * time.Second // on-demand initialisation
	RestoreTimeout  = 10 * time.Second // of a snapshot, with the function's hooks
	MBPerVCPU       = 1769             // MemorySize that buys one vCPU
	AccountInFlight = 1000             // default concurrent executions of an account in a region
)
