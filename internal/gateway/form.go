package gateway

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/wire/postform"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
	"github.com/lambkin-dev/lambkin/internal/wire/xmlvalue"
)

// A form that a web page posts to a bucket is S3's PutObject in other clothes: the
// API model does not have it. Its fields become the headers of a PutObject request,
// and its file the body, after the signature of its policy was proven and the policy
// agreed.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html

// isForm tells whether a request is such a form: no other API takes one.
func (e *exchange) isForm() bool {
	return postform.Is(e.r) && e.r.Header.Get("Authorization") == "" && !strings.Contains(e.r.URL.RawQuery, "X-Amz-Algorithm=") && e.gateway.tables.groups[s3Name] != nil
}

// serveForm stores the file of a form and answers as the form wants it.
func (e *exchange) serveForm() error {
	svc := e.gateway.tables.groups[s3Name].restOf
	e.dest = destination{service: svc, op: svc.operations["PutObject"], protocol: shape.RestXML, signing: s3Name}
	e.aim()
	bucket, key, _ := strings.Cut(objectPath(bucketPath(e.r.Host, e.r.URL.EscapedPath())), "/")
	switch {
	case e.dest.op.do == nil:
		return e.dest.notImplemented(e.dest.op)
	case bucket == "" || key != "":
		return &fault.Fault{Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.", Status: http.StatusMethodNotAllowed, Sender: true,
			Detail: map[string]any{"Method": http.MethodPost, "ResourceType": "OBJECT"}}
	case e.r.ContentLength > limit.ObjectBodyBytes:
		return e.dest.tooLarge(e.dest.op.limit)
	}
	body := http.MaxBytesReader(&e.w, &patient{body: e.r.Body, control: http.NewResponseController(&e.w)}, limit.ObjectBodyBytes)
	form, err := postform.Read(e.r.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	if form.Fields["key"] == "" {
		return postform.MissingField("key")
	}
	policy, err := e.proveForm(form, bucket)
	if err != nil {
		return err
	}
	e.noteUse()
	return e.storeForm(form, policy, bucket)
}

// proveForm finds the caller by the signature of the policy.
func (e *exchange) proveForm(form *postform.Form, bucket string) (*postform.Policy, error) {
	claim, err := sigv4.ParseForm(form.Fields)
	e.claim, e.signed = claim, err == nil
	if err != nil {
		return nil, e.dest.refuse(err)
	}
	if err := e.identify(); err != nil {
		return nil, err
	}
	encoded := form.Fields["policy"]
	if e.key.Verified {
		if err := claim.VerifyForm(e.key.Secret, encoded); err != nil {
			return nil, e.dest.refuse(err)
		}
	}
	policy, err := postform.ParsePolicy(encoded)
	if err == nil {
		err = policy.Check(form, bucket, e.gateway.verifier.Now())
	}
	return policy, err
}

// storeForm calls PutObject with what the form says.
func (e *exchange) storeForm(form *postform.Form, policy *postform.Policy, bucket string) error {
	header, err := form.Header()
	if err != nil {
		return err
	}
	if tagging, ok := form.Fields["tagging"]; ok {
		tags, err := formTags(tagging)
		if err != nil {
			return err
		}
		header.Set("X-Amz-Tagging", tags)
	}
	for _, name := range []string{"User-Agent", "X-Amzn-Trace-Id", "Referer"} {
		if value := e.r.Header.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	key := form.Fields["key"]
	r := e.r.Clone(e.r.Context())
	r.Header, r.ContentLength, r.URL.RawQuery = header, -1, ""
	r.Body = io.NopCloser(form.Limit(policy.Least, policy.Most))
	e.call.Request, e.call.Form = r, true
	e.Exchange.Path = "/" + bucket + "/" + url.PathEscape(key)
	in, err := e.codec().Decode(&e.Exchange)
	if err == nil {
		err = shape.Validate(e.dest.service.model, e.dest.op.model.Input, in)
	}
	if err != nil {
		return err
	}
	out, err := e.dest.op.do.Do(r.Context(), &e.call, in)
	if err != nil {
		return err
	}
	e.read = true
	stored, _ := out.(*s3api.PutObjectOutput)
	return e.answerForm(form, bucket, key, stored)
}

// formTags is the tag set of a form, which is XML, as the header has it.
func formTags(text string) (string, error) {
	var tagging struct {
		Tags []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if xml.Unmarshal([]byte(text), &tagging) != nil {
		return "", &fault.Fault{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema", Status: http.StatusBadRequest, Sender: true}
	}
	tags := url.Values{}
	for _, tag := range tagging.Tags {
		tags.Add(tag.Key, tag.Value)
	}
	return tags.Encode(), nil
}

// answerForm writes the reply that the form asks for.
func (e *exchange) answerForm(form *postform.Form, bucket, key string, stored *s3api.PutObjectOutput) error {
	etag := ""
	if stored != nil && stored.ETag != nil {
		etag = *stored.ETag
	}
	status, page := form.Success(bucket, key, etag)
	location := e.call.Endpoint + "/" + bucket + "/" + url.QueryEscape(key)
	if bucketOfHost(e.r.Host) != "" {
		location = e.call.Endpoint + "/" + url.QueryEscape(key)
	}
	if page == "" {
		page = location
	}
	e.call.Header.Set("Location", page)
	e.call.Status = status
	if status != http.StatusCreated {
		return e.codec().Encode(&e.w, &e.Exchange, stored)
	}
	x := &xmlvalue.Encoder{Model: e.dest.service.model}
	x.Raw(xmlvalue.Declaration)
	x.Open("PostResponse", "")
	for _, element := range [][2]string{{"Location", location}, {"Bucket", bucket}, {"Key", key}, {"ETag", etag}} {
		x.Element(element[0], element[1])
	}
	x.Close("PostResponse")
	return e.codec().Encode(&document{ResponseWriter: &e.w, body: x.Bytes()}, &e.Exchange, stored)
}

// document gives a reply that has only headers a body.
type document struct {
	http.ResponseWriter
	body []byte
}

// WriteHeader writes the body too.
func (d *document) WriteHeader(status int) {
	d.Header().Set("Content-Type", "application/xml")
	d.Header().Set("Content-Length", strconv.Itoa(len(d.body)))
	d.ResponseWriter.WriteHeader(status)
	_, _ = d.Write(d.body) // a client that is gone misses it
}
