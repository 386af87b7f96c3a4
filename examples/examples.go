// Package examples holds the functions that `lambkin demo` deploys: plain AWS
// Lambda handlers, one folder each.
//
// It promises that each folder but pipeline can be deployed with `lambkin
// deploy`. worker and pipeline have a boto3 script, setup.py, that makes what is
// around their functions; docs/pipeline.md shows the second. No goroutines, no
// locks. Start reading at hello/app.py.
package examples

import "embed"

// Functions holds one folder a function.
//
//go:embed */*.py */*.toml
var Functions embed.FS
