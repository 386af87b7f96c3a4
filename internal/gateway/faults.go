package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire/postform"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// family is the way in which a kind of service names the errors that are common
// to all operations: they are in no API model.
type family uint8

const (
	restFamily  family = iota // rest-json: Lambda
	jsonFamily                // json and cbor: DynamoDB, Kinesis, Logs; the status is 400
	queryFamily               // query, ec2 and rest-xml other than S3
	s3Family
)

func (d *destination) family() family {
	signing := d.signing
	if d.service != nil {
		signing = d.service.model.SigningName
	}
	switch d.protocol {
	case shape.JSON, shape.CBOR:
		return jsonFamily
	case shape.Query, shape.EC2:
		return queryFamily
	case shape.RestXML:
		if sigv4.S3Family(signing) {
			return s3Family
		}
		return queryFamily
	}
	return restFamily
}

// reply is a code with its status.
type reply struct {
	code   string
	status int
}

// fault makes the common error of the caller that has these four replies.
func (d *destination) fault(replies [4]reply, message string) *fault.Fault {
	r := replies[d.family()]
	return &fault.Fault{Code: r.code, Message: message, Status: r.status, Sender: true}
}

// The common errors, for rest-json, json, query and S3.
// AWS: https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html,
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; the
// json services answer 400 where the others answer 403.
var (
	missingToken      = [4]reply{{"MissingAuthenticationTokenException", 403}, {"MissingAuthenticationTokenException", 400}, {"MissingAuthenticationToken", 403}, {"AccessDenied", 403}}
	incomplete        = [4]reply{{"IncompleteSignatureException", 403}, {"IncompleteSignatureException", 400}, {"IncompleteSignature", 403}, {"AuthorizationHeaderMalformed", 400}}
	badQuery          = [4]reply{{"IncompleteSignatureException", 403}, {"IncompleteSignatureException", 400}, {"IncompleteSignature", 403}, {"AuthorizationQueryParametersError", 400}}
	unsupported       = [4]reply{{"IncompleteSignatureException", 403}, {"IncompleteSignatureException", 400}, {"IncompleteSignature", 403}, {"InvalidRequest", 400}}
	mismatch          = [4]reply{{"InvalidSignatureException", 403}, {"InvalidSignatureException", 400}, {"SignatureDoesNotMatch", 403}, {"SignatureDoesNotMatch", 403}}
	skewed            = [4]reply{{"InvalidSignatureException", 403}, {"InvalidSignatureException", 400}, {"SignatureDoesNotMatch", 403}, {"RequestTimeTooSkewed", 403}}
	accessDenied      = [4]reply{{"AccessDeniedException", 403}, {"AccessDeniedException", 400}, {"AccessDenied", 403}, {"AccessDenied", 403}}
	payloadMismatch   = [4]reply{{"InvalidSignatureException", 403}, {"InvalidSignatureException", 400}, {"SignatureDoesNotMatch", 403}, {"XAmzContentSHA256Mismatch", 400}}
	payloadUnreadable = [4]reply{{"SerializationException", 400}, {"SerializationException", 400}, {"MalformedInput", 400}, {"InvalidRequest", 400}}
	unknownKey        = [4]reply{{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"InvalidClientTokenId", 403}, {"InvalidAccessKeyId", 403}}
	invalidToken      = [4]reply{{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"InvalidClientTokenId", 403}, {"InvalidToken", 400}}
	expiredToken      = [4]reply{{"ExpiredTokenException", 403}, {"ExpiredTokenException", 400}, {"ExpiredToken", 403}, {"ExpiredToken", 400}}
	unknownOperation  = [4]reply{{"UnknownOperationException", 404}, {"UnknownOperationException", 400}, {"InvalidAction", 400}, {"NotImplemented", 404}}
	missingAction     = [4]reply{{"UnknownOperationException", 404}, {"UnknownOperationException", 400}, {"MissingAction", 400}, {"NotImplemented", 404}}
	notImplemented    = [4]reply{{"NotImplementedException", 400}, {"NotImplementedException", 400}, {"NotImplemented", 400}, {"NotImplemented", 400}}
	tooLarge          = [4]reply{{"RequestEntityTooLargeException", 413}, {"RequestEntityTooLargeException", 413}, {"RequestEntityTooLarge", 413}, {"EntityTooLarge", 400}}
	unavailable       = [4]reply{{"ServiceUnavailableException", 503}, {"ServiceUnavailableException", 503}, {"ServiceUnavailable", 503}, {"ServiceUnavailable", 503}}
	timedOut          = [4]reply{{"RequestTimeoutException", 408}, {"RequestTimeoutException", 408}, {"RequestTimeout", 408}, {"RequestTimeout", 400}}
)

// signatureReplies are the replies to each kind of refused signature.
var signatureReplies = map[sigv4.Kind][4]reply{
	sigv4.Missing: missingToken, sigv4.Incomplete: incomplete, sigv4.BadQuery: badQuery, sigv4.Unsupported: unsupported,
	sigv4.Mismatch: mismatch, sigv4.Expired: accessDenied, sigv4.Skewed: skewed, sigv4.HeadersNotSigned: accessDenied,
	sigv4.PayloadMismatch: payloadMismatch, sigv4.PayloadNotReadable: payloadUnreadable,
}

// refuse turns a refused signature, key or body into the error of the
// protocol; other errors stay what they are.
func (d *destination) refuse(err error) error {
	var refused *sigv4.Error
	s3 := d.family() == s3Family
	switch {
	case errors.As(err, &refused) && refused.Kind == sigv4.FormField:
		return postform.MissingField(refused.Message)
	case errors.As(err, &refused):
		message := refused.Message
		switch {
		case refused.Kind == sigv4.Missing && s3:
			message = "Access Denied"
		case refused.Kind == sigv4.Missing && d.family() == queryFamily:
			message = "Request is missing Authentication Token"
		case refused.Kind == sigv4.Unsupported && s3:
			message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
		}
		return d.fault(signatureReplies[refused.Kind], message)
	case errors.Is(err, identity.ErrUnknownKey) && s3:
		return d.fault(unknownKey, "The AWS Access Key Id you provided does not exist in our records.")
	case errors.Is(err, identity.ErrUnknownKey):
		return d.fault(unknownKey, "The security token included in the request is invalid.")
	case errors.Is(err, identity.ErrInvalidToken) && s3:
		return d.fault(invalidToken, "The provided token is malformed or otherwise invalid.")
	case errors.Is(err, identity.ErrInvalidToken):
		return d.fault(invalidToken, "The security token included in the request is invalid.")
	case errors.Is(err, identity.ErrExpiredToken) && s3:
		return d.fault(expiredToken, "The provided token has expired.")
	case errors.Is(err, identity.ErrExpiredToken):
		return d.fault(expiredToken, "The security token included in the request is expired")
	}
	return err
}

// tooLarge is the error of a body over the limit.
func (d *destination) tooLarge(l bodyLimit) *fault.Fault {
	name := l.name
	if name != "" {
		name = " for the " + name + " operation"
	}
	f := d.fault(tooLarge, "Request must be smaller than "+strconv.FormatInt(l.bytes, 10)+" bytes"+name)
	f.MessageMember = "Message" // AWS: as Lambda spells it for this one
	return f
}

// notImplemented is the error of an operation that is in the model only.
func (d *destination) notImplemented(op *operation) *fault.Fault {
	return d.fault(notImplemented, "This platform does not implement the operation "+op.model.Name+" of the service "+op.service.model.ID+" yet.")
}

// unavailable is the error of a write that the disk does not take now. AWS: says nothing of
// disks; its common error of this status is one that clients try again.
func (d *destination) unavailable(why string) *fault.Fault {
	f := d.fault(unavailable, "The request has failed due to a temporary failure of the server: "+why+".")
	f.Sender = false
	return f
}

// internalNames are the names that AWS's models have for "our fault".
var internalNames = []string{
	"ServiceException", "InternalServerException", "InternalServerError", "InternalServiceError", "InternalServiceException",
	"InternalServiceFault", "InternalFailure", "InternalFailureException", "InternalErrorException", "InternalException",
}

// internal is the service's own internal error, without a word of what it was.
func (d *destination) internal() *fault.Fault {
	if d.family() == s3Family {
		return &fault.Fault{Code: "InternalError", Message: "We encountered an internal error. Please try again.", Status: http.StatusInternalServerError}
	}
	const message = "The request processing has failed because of an unknown error, exception or failure."
	if d.service != nil {
		for _, name := range internalNames {
			if s := d.service.model.Exception(name); s != nil && s.Error.Status >= 500 {
				return shape.Errorf(s, message)
			}
		}
	}
	return &fault.Fault{Code: "InternalFailure", Message: message, Status: http.StatusInternalServerError}
}

// echo keeps what a client sent fit for an error text.
func echo(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
