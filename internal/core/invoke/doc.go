// Package invoke is the way of one invocation: it admits a call, leases an
// environment to it and words its outcome as AWS does.
//
// It promises that an environment serves one event at a time and never again
// after a failure. Start reading at Request.
package invoke
