package main

import (
	"fmt"
	"time"
)

// Goals: what a row is held against. They are ratios to
// the floor of the same run where the machine decides the figure.
const (
	goalWarmRatio      = 1.7 // p50 of a warm call, times the floor's
	goalWarmP99Ratio   = 3.0
	goalThroughput     = 0.75                   // of the floor's requests/s
	goalCPU            = 100 * time.Microsecond // a request, many clients
	goalParked         = 3 * time.Millisecond   // cold start, p50
	goalParkedP99      = 10 * time.Millisecond
	goalEmpty          = 10 * time.Millisecond // the same with nothing parked
	goalEmptyP99       = 25 * time.Millisecond
	goalBurst          = 600 * time.Millisecond
	goalRestore        = 4 * time.Millisecond // p50
	goalStart          = 50 * time.Millisecond
	goalBoto3          = 60 * time.Millisecond
	goalAlwaysWarm     = 10 * time.Millisecond // p99 of calls to provisioned environments
	goalAcknowledged   = 1.5                   // p50 of an asynchronous call to its 202, times a raw fsync
	goalMessages       = 5000.0                // SQS messages/s
	goalWake           = 5 * time.Millisecond
	goalPublish        = 10 * time.Millisecond // from Publish to the start of a function
	goalPutEvents      = 8 * time.Millisecond  // from PutEvents to the start of a function
	goalPutObject      = 10 * time.Millisecond // from PutObject to the start of a function
	goalFront          = 1.3                   // p50 of an HTTP API, times a direct Invoke's
	goalRoutes         = 1.1                   // p50 with many routes, times that with few
	goalIdleMiB        = 40.0
	goalEnvironmentMiB = 3.0
	goalIdleGiB        = 3.0 // of 1,000 environments
	goalThaw           = 100 * time.Microsecond
)

// atMost and atLeast word a goal and whether value meets it.
func atMost(value, goal float64, text string) string {
	return verdict("<= "+text, value <= goal)
}

func atLeast(value, goal float64, text string) string {
	return verdict(">= "+text, value >= goal)
}

func atMostTime(value, goal time.Duration) string {
	return atMost(float64(value), float64(goal), fmt.Sprint(goal))
}

func verdict(text string, met bool) string {
	if met {
		return text + ", met"
	}
	return text + ", MISSED"
}
