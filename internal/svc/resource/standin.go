package resource

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// The CDK's handlers of some custom resources are Node.js, which this platform
// does not run. A function of such a handler gets a program of ours that does the
// same in Python; all else of it is as the template has it. It is known by the
// logical id that the CDK has for its one handler of a kind in each stack, that of
// the provider framework by the name of its handler.
// AWS: runs the handler itself.
var (
	//go:embed standin/autodelete.py
	autoDelete string
	//go:embed standin/logretention.py
	logRetention string
	//go:embed standin/provider.py
	provider string
	//go:embed standin/sdkcall.py
	sdkCall string

	standIns = []struct{ prefix, source string }{
		{"CustomS3AutoDeleteObjectsCustomResourceProviderHandler", autoDelete},
		{"LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8a", logRetention},
		{"AWS679f53fac002430cb0da5b7982bd2287", sdkCall},
	}

	// anywhere are the logical ids of handlers in Python that the CDK declares for
	// processors of ARM, and that any can run.
	anywhere = []string{"CustomCDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C"}
)

// Of the function that stands in.
const (
	standInRuntime = "python3.14" // inside the binary
	standInHandler = "index.handler"
)

// standIn is the source of the program for a function that cannot run here, or "".
func standIn(c *call) string {
	if !strings.HasPrefix(c.text("Runtime"), "nodejs") {
		return ""
	}
	for _, s := range standIns {
		if strings.HasPrefix(c.r.LogicalID, s.prefix) {
			return s.source
		}
	}
	// AWS: handlers that wait (isComplete) need Step Functions, which are not here.
	variables := value.At(c.properties, "Environment", "Variables")
	if c.text("Handler") == "framework.onEvent" && value.At(variables, "USER_ON_EVENT_FUNCTION_ARN") != nil && value.At(variables, "USER_IS_COMPLETE_FUNCTION_ARN") == nil {
		return provider
	}
	return ""
}

func runsAnywhere(c *call) bool {
	return slices.ContainsFunc(anywhere, func(prefix string) bool { return strings.HasPrefix(c.r.LogicalID, prefix) })
}

// architectures are those that the function is made for; nil: that of this machine.
func architectures(c *call) any {
	if runsAnywhere(c) {
		return nil
	}
	return c.properties["Architectures"]
}

// dressed gives a function's configuration the runtime of what stands in for it.
func dressed(c *call, in values) values {
	if runsAnywhere(c) {
		delete(in, "Architectures")
	}
	if standIn(c) != "" {
		in["Runtime"], in["Handler"] = standInRuntime, standInHandler
	}
	return in
}
