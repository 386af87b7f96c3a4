package resource

import (
	_ "embed"
	"strings"
)

// The CDK's handlers of some custom resources are Node.js, which this platform
// does not run. A function of such a handler gets a program of ours that does the
// same in Python; all else of it is as the template has it. It is known by the
// logical id that the CDK has for its one handler of a kind in each stack.
// AWS: runs the handler itself.
var (
	//go:embed standin/autodelete.py
	autoDelete string
	//go:embed standin/logretention.py
	logRetention string

	standIns = []struct{ prefix, source string }{
		{"CustomS3AutoDeleteObjectsCustomResourceProviderHandler", autoDelete},
		{"LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8a", logRetention},
	}
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
	return ""
}

// dressed gives a function's configuration the runtime of what stands in for it.
func dressed(c *call, in values) values {
	if standIn(c) != "" {
		in["Runtime"], in["Handler"] = standInRuntime, standInHandler
	}
	return in
}
