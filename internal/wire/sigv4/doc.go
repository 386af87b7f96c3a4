// Package sigv4 verifies and makes AWS Signature Version 4 signatures of HTTP
// requests: in the Authorization header, presigned in the query, and of the
// chunks of a streamed body.
//
// It promises: signatures are compared in constant time; nothing of a request is
// trusted before Verify succeeded except to find the key (Claim); a signing key
// is cached only after it verified a request, in a cache of fixed size; a body
// reader returns io.EOF only after the last byte was verified. Canonicalisation
// follows what AWS's own SDKs sign where they differ from each other.
//
// Errors are *Error; its Kind is turned into the code of a protocol by the
// gateway, its message is AWS's. The package knows no identities: the caller
// finds the secret of Claim.AccessKeyID.
//
// The key cache of a Verifier has the only lock; no goroutines. Start reading at
// Parse, then Verifier.Verify.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4
