package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// defaults fills what CreateFunction sets when the caller does not.
func (v *Version) defaults() {
	v.MemoryMB, v.EphemeralMB, v.Timeout = limit.DefaultMemoryMB, limit.MinEphemeralMB, limit.DefaultTimeout
	v.Architecture = "x86_64"
	v.TracingMode, v.SnapStart = "PassThrough", snapStartNone
	v.LogFormat, v.LogGroup = logFormatText, "/aws/lambda/"+v.Name
}

const (
	snapStartNone = "None"
	logFormatText = "Text"
	logFormatJSON = "JSON"
	logLevelInfo  = "INFO"
)

// apply sets what the caller gave, except the layers, and checks the outcome.
func (r *Registry) apply(s *Settings, v *Version) error {
	if err := s.apply(v); err != nil {
		return err
	}
	return r.checkSnapStart(v)
}

func (s *Settings) apply(v *Version) error {
	set(&v.Description, s.Description)
	set(&v.Role, s.Role)
	set(&v.Runtime, s.Runtime)
	set(&v.Handler, s.Handler)
	set(&v.MemoryMB, s.MemoryMB)
	set(&v.EphemeralMB, s.EphemeralMB)
	set(&v.Timeout, s.Timeout)
	set(&v.DeadLetterARN, s.DeadLetter)
	set(&v.KMSKeyARN, s.KMSKeyARN)
	set(&v.TracingMode, s.TracingMode)
	set(&v.SnapStart, s.SnapStart)
	if s.Environment != nil {
		v.Environment = maps.Clone(s.Environment)
	}
	if err := s.Logging.apply(v); err != nil {
		return err
	}
	return v.check()
}

func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// apply follows AWS: JSON brings both levels, INFO unless given; Text has none.
func (l *Logging) apply(v *Version) error {
	if l == nil {
		return nil
	}
	set(&v.LogFormat, l.LogFormat)
	set(&v.LogGroup, l.LogGroup)
	if v.LogFormat != logFormatJSON {
		if l.ApplicationLogLevel != nil || l.SystemLogLevel != nil {
			return &InvalidError{Message: `LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`}
		}
		v.ApplicationLogLevel, v.SystemLogLevel = "", ""
		return nil
	}
	for _, level := range []*string{&v.ApplicationLogLevel, &v.SystemLogLevel} {
		if *level == "" {
			*level = logLevelInfo
		}
	}
	set(&v.ApplicationLogLevel, l.ApplicationLogLevel)
	set(&v.SystemLogLevel, l.SystemLogLevel)
	return nil
}

// check holds the rules that AWS's public API model does not carry.
func (v *Version) check() error {
	if v.Runtime == "" || v.Handler == "" {
		return &InvalidError{Message: "Runtime and Handler are mandatory parameters for functions created with deployment packages."}
	}
	if !slices.Contains(runtimes, v.Runtime) {
		return &InvalidError{Message: fmt.Sprintf("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", v.Runtime, strings.Join(runtimes, ", "))}
	}
	for _, r := range []struct {
		member        string
		value, lo, hi int
	}{
		{"memorySize", v.MemoryMB, limit.MinMemoryMB, limit.MaxMemoryMB},
		{"ephemeralStorage.size", v.EphemeralMB, limit.MinEphemeralMB, limit.MaxEphemeralMB},
		{"timeout", int(v.Timeout / time.Second), int(limit.MinTimeout / time.Second), int(limit.MaxTimeout / time.Second)},
	} {
		switch {
		case r.value < r.lo:
			return invalidValue(strconv.Itoa(r.value), r.member, "Member must have value greater than or equal to "+strconv.Itoa(r.lo))
		case r.value > r.hi:
			return invalidValue(strconv.Itoa(r.value), r.member, "Member must have value less than or equal to "+strconv.Itoa(r.hi))
		}
	}
	return checkEnvironment(v.Environment)
}

// runtimes that functions may name. AWS's own list holds other languages, too:
// they are not served here, so they are no valid value.
var runtimes = []string{
	"python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8", "provided.al2023",
}

// reserved environment variables, from
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
	"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

func checkEnvironment(variables map[string]string) error {
	if len(variables) == 0 {
		return nil
	}
	var measured bytes.Buffer
	encoder := json.NewEncoder(&measured)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(variables); err != nil {
		return fmt.Errorf("measure the environment: %w", err)
	}
	if text := strings.TrimSuffix(measured.String(), "\n"); len(text) > limit.EnvironmentBytes {
		return &InvalidError{Message: "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: " + text}
	}
	var reserved []string
	for _, name := range reservedVariables {
		if _, ok := variables[name]; ok {
			reserved = append(reserved, name)
		}
	}
	if _, err := netns.FunctionPolicy(variables[netns.Variable]); err != nil {
		return &InvalidError{Message: "The environment variable " + netns.Variable + " is not valid: " + err.Error()}
	}
	if len(reserved) > 0 {
		return &InvalidError{Message: "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: " + strings.Join(reserved, ", ")}
	}
	return nil
}

// architecture reads Architectures; "" is not given. More than one is refused
// by the API model's own constraint, before it comes here.
func architecture(given []string) string {
	if len(given) == 0 {
		return ""
	}
	return given[0]
}
