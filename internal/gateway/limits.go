package gateway

import (
	"net/http"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// What the http.Server in front of the gateway should be configured with. Reading
// of bodies is bounded by wire/intake, because a ReadTimeout of the server
// would also end long invocations; there is no WriteTimeout for the same reason.
const (
	ReadHeaderTimeout = 10 * time.Second
	IdleTimeout       = 5 * time.Minute // longer than clients keep idle connections: they close first, no request is lost
	MaxHeaderBytes    = 64 << 10
)

// HTTP2 bounds what one connection of HTTP/2 may have the server do; what is common to
// both versions of HTTP is above. Streams that are reset at once, headers without an end
// and frames that want an answer are bounded by net/http, which ends the connection.
func HTTP2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams,
		SendPingTimeout:      halfDead, PingTimeout: halfDead, WriteByteTimeout: halfDead, // a client that is gone holds nothing
	}
}

const (
	maxStreams = 128 // AWS: as many, by its load balancers' documentation
	halfDead   = 30 * time.Second
)

// streamIdle is how long nothing may come of a body that is streamed.
const streamIdle = time.Minute

// diskLogSeconds are between two log lines about a full disk.
const diskLogSeconds = 60

// bodyLimit is the largest request body of one operation.
type bodyLimit struct {
	bytes int64
	name  string // of the operation in AWS's error text
}

// bodyLimits lists the operations whose limit is not limit.ControlBodyBytes.
// AWS: Lambda's own error texts name these numbers.
var bodyLimits = map[string]bodyLimit{
	"Lambda.CreateFunction":      {limit.CreateBodyBytes, "CreateFunction"},
	"Lambda.UpdateFunctionCode":  {limit.CreateBodyBytes, "UpdateFunctionCode"},
	"Lambda.PublishLayerVersion": {limit.CreateBodyBytes, "PublishLayerVersion"},
	"Lambda.Invoke":              {limit.SyncRequestBytes, "InvokeFunction"},
	"Lambda.InvokeAsync":         {limit.AsyncRequestBytes, "InvokeAsync"},

	"Lambda.InvokeWithResponseStream": {limit.SyncRequestBytes, "InvokeWithResponseStream"},

	"S3.PutObject":  {limit.ObjectBodyBytes, "PutObject"},
	"S3.UploadPart": {limit.ObjectBodyBytes, "UploadPart"},
}

// limitOf is the limit of an operation; the name is empty for a request whose
// operation is not known before its body is read.
func limitOf(service, name string) bodyLimit {
	if l, ok := bodyLimits[service+"."+name]; ok {
		return l
	}
	return bodyLimit{limit.ControlBodyBytes, name}
}
