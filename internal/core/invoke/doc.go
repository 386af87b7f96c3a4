// Package invoke is the way of one invocation: it admits a call against the
// concurrency of its account and function, leases an execution environment to
// it, and words its outcome and its log as AWS does.
//
// It promises: an environment has one owner, the pool or one call, and serves
// one event at a time; after a timeout, an exit or an error of the sandbox it is
// closed, never reused. A call that was admitted and begun ends with a Response
// or an error of the host, also when its client has gone. On a full host calls
// wait in one fair queue, for a bounded time. A warm call touches no disk, no
// lock shared by all functions, and starts no goroutine.
//
// Provisioned environments are started ahead of any call and are neither reaped
// nor evicted. All environments together are kept within a memory budget, by what
// they really hold; idle ones go, the least useful first.
//
// A version with SnapStart has a template, and its environments are clones of it.
//
// Goroutines: one for each environment that is being closed or provisioned, and
// for each template that is made, closed or clones ahead; Close waits for them. Locks: functionPool.mu (idle environments and counts of one function),
// hostQueue.mu (environments alive and their memory, waiting calls), logWriter.mu (the log of one
// environment), shard.mu (table of functions). shard.mu may be held while
// functionPool.mu is taken; every other one is a leaf, except that logWriter.mu
// is held over LogSink.Append. None is held over the sandbox.
//
// Start reading at Invoker.Invoke, then call.go; DESIGN.md has the reasons.
package invoke
