package gateway

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// exchange is one request on its way through the gateway.
type exchange struct {
	wire.Exchange
	gateway *Gateway
	w       writer
	r       *http.Request
	call    wire.Call
	claim   sigv4.Claim
	key     identity.Key
	signed  bool
	origin  origin
	read    bool // the body was read, at least in part
	dest    destination
}

// serve runs the steps and writes the reply.
func (e *exchange) serve() {
	if e.crossOrigin() {
		return
	}
	if e.isForm() {
		if err := e.serveForm(); err != nil {
			e.fail(err)
		}
		return
	}
	out, err := e.run()
	if err == nil {
		if err = e.codec().Encode(&e.w, &e.Exchange, out); err == nil {
			return
		}
	}
	e.fail(err)
}

// run is the order of steps of every request. An error is a *fault.Fault or
// trouble of ours.
func (e *exchange) run() (any, error) {
	if err := e.arrive(); err != nil {
		return nil, err
	}
	return e.answer()
}

// answer is what comes behind the head of a request.
func (e *exchange) answer() (any, error) {
	if err := e.body(); err != nil {
		return nil, err
	}
	e.noteUse()
	op := e.dest.op
	if op.do == nil {
		return nil, e.dest.notImplemented(op)
	}
	in, err := e.codec().Decode(&e.Exchange)
	if err != nil {
		return nil, err
	}
	if err := shape.Validate(op.service.model, op.model.Input, in); err != nil {
		return nil, err
	}
	return op.do.Do(e.r.Context(), &e.call, in)
}

// noteUse tells IAM that a key of its own was used.
func (e *exchange) noteUse() {
	if !e.key.Stored || e.gateway.used == nil {
		return
	}
	if err := e.gateway.used(e.key.AccessKeyID, e.claim.Service, e.claim.Region); err != nil {
		e.gateway.log.Warn("the use of an access key could not be kept", "err", err)
	}
}

// arrive finds the destination and the caller by the request's head.
func (e *exchange) arrive() error {
	g := e.gateway
	claim, claimErr := sigv4.Parse(e.r)
	e.claim, e.signed = claim, claimErr == nil
	dest, unknown := g.tables.route(e.r, claim.Service)
	e.dest = dest
	e.aim()
	missing := isMissing(claimErr)
	switch {
	case e.origin == strange:
		return dest.fault(accessDenied, refusedOrigin)
	case claimErr != nil && (!missing || dest.service == nil && dest.protocol != shape.Query):
		// Without a signature even the name of the service is a guess.
		return dest.refuse(claimErr)
	case dest.op == nil && unknown != "":
		return dest.fault(unknownOperation, unknown)
	case missing && dest.op != nil && !g.takesUnsigned(dest.op):
		return dest.refuse(claimErr)
	case g.codecs[dest.protocol] == nil:
		return dest.fault(notImplemented, "This platform does not speak the protocol "+string(dest.protocol)+" yet.")
	case missing:
		return nil
	case sigv4.S3Family(claim.Service) && claim.PayloadHash == "" && dest.family() == s3Family:
		return &fault.Fault{Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256", Status: http.StatusBadRequest, Sender: true}
	}
	return e.identify()
}

// takesUnsigned tells whether an operation may come without a signature. Where
// permissions are enforced the policies of buckets and queues may let anybody in.
func (g *Gateway) takesUnsigned(op *operation) bool {
	name := op.service.model.SigningName
	return op.model.Unsigned || g.enforced && (name == s3Name || name == "sqs")
}

// isMissing tells that a request carries no signature at all.
func isMissing(err error) bool {
	var refused *sigv4.Error
	return errors.As(err, &refused) && refused.Kind == sigv4.Missing
}

// aim gives the codec its view of the destination.
func (e *exchange) aim() {
	e.Exchange.Service = standIn
	if e.dest.service != nil {
		e.Exchange.Service = e.dest.service.model
	}
	e.Exchange.Operation = nil
	e.Exchange.Path = e.dest.path
	if e.dest.op != nil {
		e.Exchange.Operation = e.dest.op.model
	}
}

// standIn is the model of a service that we do not have, for error replies.
var standIn = &shape.Service{ID: "Unknown", JSONVersion: "1.1"}

// identify finds the key of the signature; nothing is proven yet.
func (e *exchange) identify() error {
	key, err := e.gateway.identity.Lookup(e.claim.AccessKeyID, e.claim.SessionToken)
	if err != nil {
		return e.dest.refuse(err)
	}
	switch {
	case !key.Verified && e.origin == unproven:
		return e.dest.fault(accessDenied, refusedOrigin)
	case !key.Verified && !e.gateway.allowedHost(e.r.Host):
		return e.dest.fault(accessDenied, refusedHost)
	case !key.Verified && crossSite(e.r) && !sigv4.S3Family(e.claim.Service):
		return e.dest.fault(accessDenied, refusedSite)
	}
	if want := e.signingName(); key.Verified && want != "" && e.claim.Service != want {
		return e.dest.refuse(&sigv4.Error{Kind: sigv4.Mismatch, Message: "Credential should be scoped to correct service: '" + want + "'."})
	}
	e.key = key
	if sigv4.S3Family(e.claim.Service) {
		e.claim.Bucket = bucketOfHost(e.r.Host)
	}
	e.call.AccessKeyID, e.call.Account, e.call.Region = key.AccessKeyID, key.Account, e.claim.Region
	e.call.CallerARN, e.call.UserID, e.call.Session = key.ARN, key.UserID, key.Session
	return nil
}

func (e *exchange) signingName() string {
	if e.dest.service == nil {
		return ""
	}
	return e.dest.service.model.SigningName
}

// defaultRegion is the region of an unsigned request.
const defaultRegion = "us-east-1"

// body reads the body as the operation wants it and verifies the signature.
func (e *exchange) body() error {
	if !e.signed {
		e.call.Region = defaultRegion
	}
	limit := limitOf("", "")
	if e.dest.op != nil {
		limit = e.dest.op.limit
		if e.dest.op.streams && e.streamable() {
			return e.stream(limit)
		}
	}
	raw, err := e.gateway.room.Read(&e.w, e.r, limit.bytes)
	if err == nil {
		err = e.verify(raw)
	}
	if err == nil {
		raw, err = e.decoded(raw, limit.bytes)
	}
	if err == nil && e.dest.family() == s3Family {
		err = checkDigests(e.r.Header, raw)
	}
	if err == nil {
		raw, err = unzip(e.r, raw, limit.bytes)
	}
	switch {
	case fault.From(err) != nil:
		return err
	case errors.Is(err, intake.ErrTooLarge):
		return e.dest.tooLarge(limit)
	case intake.Slow(err):
		return e.dest.fault(timedOut, socketTimeout)
	case err != nil:
		return e.unreadable(err)
	}
	e.read = true
	return e.deliver(raw)
}

// streamable tells whether a body can be proven while it is read: not when the
// client signed its hash without stating it.
func (e *exchange) streamable() bool {
	return !e.key.Verified || len(e.claim.PayloadHash) == hashText || sigv4.S3Family(e.claim.Service)
}

// hashText is the length of a SHA-256 in hex.
const hashText = 64

// socketTimeout is AWS's text for a body that does not come.
const socketTimeout = "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."

// unreadable is the error of a body that could not be read or verified.
func (e *exchange) unreadable(err error) error {
	if refused := e.dest.refuse(err); fault.From(refused) != nil {
		return refused
	}
	return e.dest.fault(payloadUnreadable, "The request body could not be read to its end.")
}

// deliver hands the body to the codec and finds the operation of a query request.
func (e *exchange) deliver(body []byte) error {
	if e.dest.op == nil {
		if err := e.act(body); err != nil {
			return err
		}
	}
	if e.dest.op.streams {
		e.r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	}
	e.Exchange.Body = body
	return nil
}

// act finds the operation that a query request names by its Action parameter.
func (e *exchange) act(body []byte) error {
	action, ok := "", false
	if formBody(e.r) {
		action, ok = parameter(string(body), "Action")
	}
	form := string(body)
	if !ok {
		form = e.r.URL.RawQuery
		action, ok = parameter(form, "Action")
	}
	if !ok {
		return e.dest.fault(missingAction, "The request is missing an action or operation parameter.")
	}
	version, _ := parameter(form, "Version")
	if e.dest.group != nil {
		e.dest.op = e.dest.group.actions[action]
	} else {
		e.dest.op = e.gateway.tables.open[version+"."+action]
	}
	switch {
	case e.dest.op == nil && !e.signed:
		return e.dest.refuse(&sigv4.Error{Kind: sigv4.Missing})
	case e.dest.op == nil:
		return e.dest.fault(unknownOperation, "Could not find operation "+echo(action)+" for version "+echo(version))
	case !e.signed && !e.gateway.takesUnsigned(e.dest.op):
		return e.dest.refuse(&sigv4.Error{Kind: sigv4.Missing})
	}
	e.dest.service = e.dest.op.service
	e.aim()
	return nil
}

// verify proves the signature over a body in memory.
func (e *exchange) verify(raw []byte) error {
	if !e.key.Verified {
		return nil
	}
	stated := e.claim.PayloadHash
	hash := sigv4.PayloadHash(raw)
	switch s3 := sigv4.S3Family(e.claim.Service); {
	case s3 && stated == sigv4.UnsignedPayload, e.chunked():
		hash = stated
	case s3 && stated != "" && !strings.EqualFold(stated, hash):
		return sigv4.ErrPayloadMismatch()
	}
	return e.gateway.verifier.Verify(e.r, &e.claim, e.key.Secret, hash)
}

// chunked tells of a body in chunks, which only S3 knows.
func (e *exchange) chunked() bool {
	return sigv4.S3Family(e.claim.Service) && sigv4.Chunked(e.claim.PayloadHash)
}

// decoded undoes aws-chunked.
func (e *exchange) decoded(raw []byte, limit int64) ([]byte, error) {
	if !e.chunked() {
		return raw, nil
	}
	e.unchunk()
	return intake.ReadAll(sigv4.NewBody(bytes.NewReader(raw), &e.claim, e.key.Secret), int64(len(raw)), limit)
}

// unchunk takes aws-chunked out of the headers, as the body no longer is.
func (e *exchange) unchunk() {
	var left []string
	for _, coding := range strings.Split(e.r.Header.Get("Content-Encoding"), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			left = append(left, coding)
		}
	}
	e.r.Header.Del("Content-Encoding")
	if left != nil {
		e.r.Header.Set("Content-Encoding", strings.Join(left, ","))
	}
}

// stream verifies the head of a request now and wraps its body in a reader that
// proves the rest: only io.EOF says that all of it was signed.
func (e *exchange) stream(limit bodyLimit) error {
	if e.r.ContentLength > limit.bytes {
		return e.dest.tooLarge(limit)
	}
	if e.key.Verified {
		if err := e.gateway.verifier.Verify(e.r, &e.claim, e.key.Secret, e.claim.PayloadHash); err != nil {
			return e.dest.refuse(err)
		}
	}
	body := http.MaxBytesReader(&e.w, &patient{body: e.r.Body, control: http.NewResponseController(&e.w)}, limit.bytes)
	var in io.Reader = body
	switch {
	case e.chunked():
		e.unchunk()
		in = &trailed{in: sigv4.NewBody(body, &e.claim, e.key.Secret), r: e.r}
	case len(e.claim.PayloadHash) == hashText:
		in = sigv4.Hashed(body, &e.claim)
	}
	e.read = true
	e.r.Body = struct {
		io.Reader
		io.Closer
	}{in, body}
	return nil
}

// codec is the codec of the destination, or one whose errors any client can read.
func (e *exchange) codec() wire.Codec {
	if e.dest.family() == s3Family {
		if c := e.gateway.codecs[S3XML]; c != nil {
			return c
		}
	}
	for _, p := range []shape.Protocol{e.dest.protocol, shape.RestJSON, shape.JSON, shape.Query} {
		if c := e.gateway.codecs[p]; c != nil {
			return c
		}
	}
	return bare{}
}

// bare writes errors when no codec is configured at all.
type bare struct{ wire.Codec }

// EncodeFault writes code and message as text.
func (bare) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	w.Header().Set("x-amzn-RequestId", x.Call.RequestID)
	http.Error(w, f.Error(), f.Status)
}

// fail answers an error: the one place that turns errors into replies.
func (e *exchange) fail(err error) {
	f := fault.From(err)
	var refused *sigv4.Error
	var tooLarge *http.MaxBytesError
	switch {
	case f != nil:
	case errors.As(err, &refused): // of a streamed body, out of the operation
		f = fault.From(e.dest.refuse(err))
	case errors.As(err, &tooLarge):
		f = e.dest.tooLarge(e.dest.op.limit)
	case intake.Slow(err) && e.w.status == 0:
		f = e.dest.fault(timedOut, socketTimeout)
	case e.r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client is gone: nobody reads a reply
	case errors.Is(err, store.ErrDiskFull):
		e.gateway.internal.Add(1)
		if now, last := e.gateway.verifier.Now().Unix(), e.gateway.disk.Load(); now-last >= diskLogSeconds && e.gateway.disk.CompareAndSwap(last, now) {
			e.log("the disk is full", slog.Any("err", err))
		}
		f = e.dest.unavailable("its disk is full")
	case errors.Is(err, store.ErrBusy):
		e.gateway.internal.Add(1)
		f = e.dest.unavailable("it has more to write than its disk takes")
	case errors.Is(err, store.ErrReadOnly):
		e.gateway.internal.Add(1)
		f = e.dest.unavailable("its disk has failed, and the server starts again")
	default:
		e.gateway.internal.Add(1)
		e.log("internal error", slog.Any("err", err))
		f = e.dest.internal()
	}
	if e.w.status != 0 {
		panic(http.ErrAbortHandler) // the reply has begun: only a cut connection tells that it is not whole
	}
	e.gateway.faults.Add(1)
	if !e.read {
		intake.Drain(&e.w, e.r)
	}
	e.codec().EncodeFault(&e.w, &e.Exchange, f)
}

// recover turns a panic into an internal error.
func (e *exchange) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p) // net/http cuts the connection
	}
	e.gateway.panics.Add(1)
	e.gateway.internal.Add(1)
	e.log("panic", slog.Any("err", p), slog.String("stack", string(debug.Stack())))
	if e.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	e.codec().EncodeFault(&e.w, &e.Exchange, e.dest.internal())
}

// log writes one error with the request's id and operation.
func (e *exchange) log(text string, attributes ...slog.Attr) {
	op := "unknown"
	if e.dest.op != nil {
		op = e.dest.op.service.model.ID + "." + e.dest.op.model.Name
	}
	attributes = append([]slog.Attr{slog.String("request_id", e.call.RequestID), slog.String("op", op)}, attributes...)
	e.gateway.log.LogAttrs(e.r.Context(), slog.LevelError, text, attributes...)
}
