package invoke

import (
	"strings"
	"testing"
)

func TestEnvironmentIsTheCompleteSet(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		v := versionOf("f")
		v.Environment = map[string]string{"MINE": "1", "TZ": "Europe/Berlin", "AWS_REGION": "mars-1", "PATH": "/mine"}
		b.call(t, v)
		got := map[string]string{}
		for _, pair := range b.starter.specs[0].Environ {
			name, value, _ := strings.Cut(pair, "=")
			if _, twice := got[name]; twice {
				t.Errorf("%s is there twice", name)
			}
			got[name] = value
		}
		trace := got["_X_AMZN_TRACE_ID"]
		delete(got, "_X_AMZN_TRACE_ID")
		if !strings.HasPrefix(trace, "Root=1-") {
			t.Errorf("_X_AMZN_TRACE_ID %q: a start on demand is traced", trace)
		}
		diff(t, "environment", got, map[string]string{
			"AWS_ACCESS_KEY_ID": "ASIA123456789012", "AWS_SECRET_ACCESS_KEY": "secret of arn:aws:iam::123456789012:role/r", "AWS_SESSION_TOKEN": "token of f",
			"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://169.254.100.1:4566",
			"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
			"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
			"AWS_LAMBDA_LOG_STREAM_NAME": b.log.order[0].Stream, "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001",
			"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
			"_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1", "_AWS_XRAY_DAEMON_PORT": "2000",
			"LAMBDA_RUNTIME_DIR": "/var/runtime", "LAMBDA_TASK_ROOT": "/var/task", "LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8",
			"LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
			"PWD":             "/var/task", "PYTHONPATH": "/var/runtime", "SHLVL": "0", "_HANDLER": "app.handler",
			"MINE": "1", "TZ": "Europe/Berlin", "PATH": "/mine",
		})
	})
}

func TestOSOnlyRuntimesHaveNoPythonVariables(t *testing.T) {
	v := versionOf("f")
	v.Runtime = "provided.al2023"
	for _, pair := range environ(&Config{}, v, "stream", Credentials{}, "", OnDemand) {
		for _, name := range []string{"AWS_EXECUTION_ENV=", "PYTHONPATH=", "LC_CTYPE=", "_X_AMZN_TRACE_ID="} {
			if strings.HasPrefix(pair, name) {
				t.Errorf("%s is set", pair)
			}
		}
	}
}

func TestProgramsAreToldWhomToTrustUnlessTheUserSaysSo(t *testing.T) {
	v := versionOf("f")
	v.Environment = map[string]string{"AWS_CA_BUNDLE": "/var/task/mine.pem"}
	all := strings.Join(environ(&Config{Trust: "/bundle"}, v, "stream", Credentials{}, "", OnDemand), "\n")
	for _, want := range []string{"AWS_CA_BUNDLE=/var/task/mine.pem", "SSL_CERT_FILE=/bundle", "NODE_EXTRA_CA_CERTS=/bundle"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestRuntimeVersionIsNotOneOfAWS(t *testing.T) {
	name, arn := RuntimeVersion("python3.13", "eu-west-1")
	if name != "python:3.13.lambkin.v1" || !strings.HasPrefix(arn, "arn:aws:lambda:eu-west-1::runtime:") || len(arn) != len("arn:aws:lambda:eu-west-1::runtime:")+64 {
		t.Errorf("%s %s", name, arn)
	}
	if name, _ := RuntimeVersion("provided.al2023", "eu-west-1"); name != "provided:al2023.lambkin.v1" {
		t.Errorf("%s", name)
	}
}
