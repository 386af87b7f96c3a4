// Package postform reads the forms by which web pages upload to S3 (POST with
// multipart/form-data) and their policies.
//
// It promises: the file is a stream and never in memory; the fields before it are
// bounded; a form is checked against its policy by AWS's rules, with AWS's errors.
// Fields behind the file are ignored. Signatures are wire/sigv4's, identities the gateway's.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
//
// No goroutines, no locks. Start reading at Read, then Policy.Check.
package postform
