// Package object is the behaviour of S3's buckets and objects: versions,
// multipart uploads, lists, lifecycle expiry and notifications.
//
// It promises: what Put, Copy, Complete and Delete acknowledge survives kill -9 and
// power loss; a reader sees one version whole, never a mixture; a change and the
// notifications of it are one commit. Bytes are read and written in constant memory.
//
// Metadata are rows of engine/store; the bytes of small objects are rows too, those
// of others are blobs of a store of their own. A blob is kept as long as a "ref" row
// names it. What a commit frees it notes in a "garbage" row; Run frees it for good,
// so that no delete waits for the disk. See DESIGN.md.
//
// Locks: gates are held for reading from a blob's naming to the commit of its ref
// row (by blob), and over the commit of a change (by bucket); for writing by who
// removes the blob or the bucket. pins.mu guards the contents that are being read.
// Nothing here starts goroutines; Run works until its context ends.
// Start reading at Objects, then history.go.
package object
