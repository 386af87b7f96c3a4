// Package function holds what a Lambda function is: its versions, and the trees
// of files that they run.
//
// A *Version is immutable and shared freely. No goroutines, no locks. Start
// reading at Version.
package function
