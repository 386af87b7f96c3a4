// Package examples holds the functions that `lambkin demo` deploys: plain AWS
// Lambda handlers, one folder each.
//
// It promises that each folder can be deployed with `lambkin deploy`; worker also
// has a boto3 script that makes the queues in front of and behind it. No
// goroutines, no locks. Start reading at hello/app.py.
package examples

import "embed"

// Functions holds one folder a function.
//
//go:embed */*.py */*.toml
var Functions embed.FS
