package invoke

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// Addresses that a function sees; each exists inside its network namespace only.
const (
	runtimeAPIAddress = "169.254.100.1:9001"
	xrayAddress       = "169.254.100.1:2000"
	xrayPort          = "2000"
)

// InitializationType says what an environment was started for.
type InitializationType string

// The kinds of start.
const (
	OnDemand               InitializationType = "on-demand"
	ProvisionedConcurrency InitializationType = "provisioned-concurrency"
	SnapStart              InitializationType = "snap-start"
)

// runtimeRelease counts what a function can notice of our runtimes: raise it
// when the bootstrap changes its behaviour.
const runtimeRelease = "lambkin.v1"

// RuntimeVersion names the version of a runtime as INIT_START and
// RuntimeVersionConfig tell it. The form is AWS's, the release is ours: a reader
// must not take it for one of AWS's own.
func RuntimeVersion(runtime, region string) (name, arn string) {
	family, version := "provided", strings.TrimPrefix(runtime, "provided.")
	if rest, ok := strings.CutPrefix(runtime, "python"); ok {
		family, version = "python", rest
	}
	name = family + ":" + version + "." + runtimeRelease
	digest := sha256.Sum256([]byte(name))
	return name, "arn:aws:lambda:" + region + "::runtime:" + hex.EncodeToString(digest[:])
}

// logStream names a new environment's log stream.
//
// AWS: a stream in a log group that several functions may share carries the
// function's name before the version.
func logStream(v *function.Version, now time.Time) telemetry.LogStream {
	stream := now.UTC().Format("2006/01/02/")
	if v.LogGroup != defaultLogGroup(v.Name) {
		stream += v.Name
	}
	stream += "[" + v.Version + "]" + ids.Hex(16)
	return telemetry.LogStream{Account: v.Account, Region: v.Region, Group: logGroup(v), Stream: stream}
}

func defaultLogGroup(name string) string { return "/aws/lambda/" + name }

func logGroup(v *function.Version) string {
	if v.LogGroup == "" {
		return defaultLogGroup(v.Name)
	}
	return v.LogGroup
}

// trusting are the variables by which programs find the certificates to trust: the
// AWS SDKs, whatever uses OpenSSL's or Go's defaults, Node.js.
//
// REQUESTS_CA_BUNDLE is left out: where it is set, requests forgets what a session's
// verify says, which code for AWS relies on.
var trusting = []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}

// environ is the whole environment of a function's processes: what users may
// set themselves, then their variables, then what they may not.
func environ(c *Config, v *function.Version, stream string, keys Credentials, trace string, kind InitializationType) []string {
	all := map[string]string{
		"AWS_ENDPOINT_URL":         c.Endpoint,
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":  xrayAddress,
		"LANG":                     "en_US.UTF-8",
		"LD_LIBRARY_PATH":          "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"PATH":                     "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                       ":UTC",
	}
	if c.Trust != "" {
		for _, name := range trusting {
			all[name] = c.Trust
		}
	}
	python := strings.HasPrefix(v.Runtime, "python")
	if python {
		all["LC_CTYPE"] = "C.UTF-8"
		all["PYTHONPATH"] = "/var/runtime"
	}
	maps.Copy(all, v.Environment)
	fixed := map[string]string{
		"AWS_ACCESS_KEY_ID":               keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           keys.SecretAccessKey,
		"AWS_SESSION_TOKEN":               keys.SessionToken,
		"AWS_REGION":                      v.Region,
		"AWS_DEFAULT_REGION":              v.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        v.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(v.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     v.Version,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  string(kind),
		"AWS_LAMBDA_LOG_GROUP_NAME":       logGroup(v),
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPIAddress,
		"_AWS_XRAY_DAEMON_ADDRESS":        strings.TrimSuffix(xrayAddress, ":"+xrayPort),
		"_AWS_XRAY_DAEMON_PORT":           xrayPort,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                "/var/task",
		"PWD":                             "/var/task",
		"SHLVL":                           "0",
		"_HANDLER":                        v.Handler,
	}
	if kind == SnapStart {
		// AWS: "not available in Lambda SnapStart functions", snapstart-monitoring.html.
		delete(fixed, "AWS_LAMBDA_LOG_GROUP_NAME")
		delete(fixed, "AWS_LAMBDA_LOG_STREAM_NAME")
	}
	if python {
		// AWS: OS-only runtimes do not have it.
		fixed["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + v.Runtime
	}
	if trace != "" {
		fixed["_X_AMZN_TRACE_ID"] = trace
	}
	if v.LogFormat == logFormatJSON {
		fixed["AWS_LAMBDA_LOG_FORMAT"] = logFormatJSON
		fixed["AWS_LAMBDA_LOG_LEVEL"] = v.ApplicationLogLevel
		if v.ApplicationLogLevel == "" {
			fixed["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
		}
	}
	maps.Copy(all, fixed)
	pairs := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, name+"="+all[name])
	}
	return pairs
}
