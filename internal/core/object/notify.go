package object

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Event is what happened to an object, by the name that records have: with "s3:"
// before it it is the name in configurations.
type Event string

// The events that happen here.
const (
	CreatedPut      Event = "ObjectCreated:Put"
	CreatedPost     Event = "ObjectCreated:Post"
	CreatedCopy     Event = "ObjectCreated:Copy"
	CreatedComplete Event = "ObjectCreated:CompleteMultipartUpload"
	Removed         Event = "ObjectRemoved:Delete"
	RemovedMarker   Event = "ObjectRemoved:DeleteMarkerCreated"
	Expired         Event = "LifecycleExpiration:Delete"
	ExpiredMarker   Event = "LifecycleExpiration:DeleteMarkerCreated"
	TaggingPut      Event = "ObjectTagging:Put"
	TaggingDelete   Event = "ObjectTagging:Delete"
)

// Caller is who makes a change, as event records tell it.
type Caller struct {
	PrincipalID string // with the kind before it: "AWS:AIDA…"
	Address     string
	RequestID   string
	HostID      string
	TraceID     string
}

// Notification says who is told of the changes in a bucket.
type Notification struct {
	Destinations []Destination `json:",omitempty"`
	EventBridge  bool          `json:",omitempty"` // the default bus of account and region gets all
}

// Destination is a queue, a topic or a function.
type Destination struct {
	ID     string
	ARN    string
	Events []string // "s3:ObjectCreated:*"
	Prefix string   `json:",omitempty"`
	Suffix string   `json:",omitempty"`
}

// wants tells whether an event of a key is for the destination.
func (d *Destination) wants(event Event, key string) bool {
	if !strings.HasPrefix(key, d.Prefix) || !strings.HasSuffix(key, d.Suffix) {
		return false
	}
	return slices.ContainsFunc(d.Events, func(pattern string) bool { return covers(pattern, "s3:"+string(event)) })
}

// covers tells whether the name of an event in a configuration means another one.
func covers(pattern, name string) bool {
	if all, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, all)
	}
	return pattern == name
}

// overlaps tells whether one change could be for both.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func (d *Destination) overlaps(other *Destination) bool {
	prefixes := strings.HasPrefix(d.Prefix, other.Prefix) || strings.HasPrefix(other.Prefix, d.Prefix)
	suffixes := strings.HasSuffix(d.Suffix, other.Suffix) || strings.HasSuffix(other.Suffix, d.Suffix)
	if !prefixes || !suffixes {
		return false
	}
	for _, a := range d.Events {
		for _, b := range other.Events {
			if covers(a, b) || covers(b, a) {
				return true
			}
		}
	}
	return false
}

// SetNotification says who is told from now on. Queues and topics get a test event,
// in the same commit. With check each destination must be there.
func (o *Objects) SetNotification(ctx context.Context, in Place, n Notification, check bool) error {
	for i := range n.Destinations {
		for j := range n.Destinations[:i] {
			if n.Destinations[i].overlaps(&n.Destinations[j]) {
				return fail(InvalidArgument, "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
			}
		}
		if err := o.checkDestination(ctx, in.Bucket, &n.Destinations[i], check); err != nil {
			return err
		}
	}
	defer o.config.Outbox.Wake()
	return o.change(ctx, in, func(b *Bucket, batch *store.Batch) error {
		b.Notification = n
		for _, d := range n.Destinations {
			if delivery.Service(d.ARN) == "lambda" {
				continue
			}
			body, err := json.Marshal(testEvent{"Amazon S3", "s3:TestEvent", stamp(o.config.Clock.Now()), b.Name, in.By.RequestID, in.By.HostID})
			if err == nil {
				err = o.config.Outbox.Add(batch, b.message(d.ARN, body, in.By))
			}
			if err != nil {
				return trouble("send a test event", err)
			}
		}
		return nil
	})
}

func (o *Objects) checkDestination(ctx context.Context, bucket string, d *Destination, check bool) error {
	bad := func(why string) error {
		return fail(InvalidArgument, "Unable to validate the following destination configurations", "ArgumentName1", d.ARN, "ArgumentValue1", why)
	}
	a, err := arn.Parse(d.ARN)
	if err != nil || !slices.Contains([]string{"sqs", "sns", "lambda"}, a.Service) || !o.config.Outbox.Serves(d.ARN) {
		return fail(InvalidArgument, "The ARN could not be parsed", "ArgumentName1", d.ARN)
	}
	if strings.HasSuffix(a.Resource, ".fifo") { // AWS: FIFO queues and topics cannot be destinations
		return bad("FIFO queues and topics are not supported")
	}
	if !check || o.config.Objection == nil {
		return nil
	}
	if why := o.config.Objection(ctx, ARN(bucket), d.ARN); why != "" {
		return bad(why)
	}
	return nil
}

type testEvent struct{ Service, Event, Time, Bucket, RequestId, HostId string }

// stamp is a time as records have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// sequencer is the place of a version in the history of its key, to be compared as text.
func sequencer(order uint64) string { return fmt.Sprintf("%018X", order) }

// record is an event record.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         Event             `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                recordBody        `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type recordBody struct {
	Version         string       `json:"s3SchemaVersion"`
	ConfigurationID string       `json:"configurationId"`
	Bucket          recordBucket `json:"bucket"`
	Object          recordObject `json:"object"`
}

type recordBucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

type recordObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// emptyETag is the ETag that records of delete markers have.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// notify adds what the configuration of the bucket says of an event to the batch.
func (c *change) notify(event Event, v *Version, by Caller) error {
	n := &c.bucket.Notification
	if n.EventBridge {
		if err := c.notifyBus(event, v, by); err != nil {
			return trouble("notify", err)
		}
	}
	for i := range n.Destinations {
		d := &n.Destinations[i]
		if !d.wants(event, c.key) {
			continue
		}
		body, err := json.Marshal(map[string][]record{"Records": {c.record(d.ID, event, v, by)}})
		if err == nil {
			err = c.objects.config.Outbox.Add(c.batch, c.bucket.message(d.ARN, body, by))
		}
		if err != nil {
			return trouble("notify", err)
		}
		c.told = true
	}
	return nil
}

// message is what the outbox sends.
func (b *Bucket) message(target string, body []byte, by Caller) *delivery.Message {
	m := &delivery.Message{Target: target, Body: body, Principal: "s3.amazonaws.com", Source: ARN(b.Name), TraceID: by.TraceID, Purpose: "notification of bucket " + b.Name, Policy: delivery.Internal()}
	if delivery.Service(target) == "sns" {
		m.Subject = "Amazon S3 Notification"
	}
	return m
}

func (c *change) record(configuration string, event Event, v *Version, by Caller) record {
	r := record{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: c.bucket.Region, EventTime: stamp(c.objects.config.Clock.Now()), EventName: event,
		UserIdentity: principal{by.PrincipalID}, RequestParameters: map[string]string{"sourceIPAddress": by.Address},
		ResponseElements: map[string]string{"x-amz-request-id": by.RequestID, "x-amz-id-2": by.HostID},
	}
	if !strings.HasPrefix(string(event), "ObjectCreated") && !strings.HasPrefix(string(event), "ObjectRemoved") {
		r.EventVersion = "2.3" // AWS: of lifecycles and tags
	}
	o := recordObject{Key: strings.ReplaceAll(url.QueryEscape(c.key), "%2F", "/"), Sequencer: sequencer(c.next(c.objects.config.Clock.Now()))}
	if strings.HasPrefix(string(event), "ObjectCreated") {
		o.Sequencer = sequencer(v.Order)
	}
	switch {
	case v.Marker:
		o.ETag = emptyETag
	case event != Removed && event != Expired:
		o.ETag, o.Size = v.ETag, &v.Size
	}
	if v.ID != NullVersion {
		o.VersionID = v.ID
	}
	r.S3 = recordBody{"1.0", configuration, recordBucket{c.bucket.Name, principal{c.bucket.Account}, ARN(c.bucket.Name)}, o}
	return r
}

// busEvent is the detail of an event for EventBridge.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
type busEvent struct {
	Version      string            `json:"version"`
	Bucket       map[string]string `json:"bucket"`
	Object       busObject         `json:"object"`
	RequestID    string            `json:"request-id"`
	Requester    string            `json:"requester"`
	Address      string            `json:"source-ip-address,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	DeletionType string            `json:"deletion-type,omitempty"`
}

type busObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"etag,omitempty"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
}

// busKinds are the detail types, reasons and deletion types.
var busKinds = map[Event][3]string{
	CreatedPut: {"Object Created", "PutObject"}, CreatedPost: {"Object Created", "POST Object"}, CreatedCopy: {"Object Created", "CopyObject"},
	CreatedComplete: {"Object Created", "CompleteMultipartUpload"},
	Removed:         {"Object Deleted", "DeleteObject", "Permanently Deleted"}, RemovedMarker: {"Object Deleted", "DeleteObject", "Delete Marker Created"},
	Expired: {"Object Deleted", "Lifecycle Expiration", "Permanently Deleted"}, ExpiredMarker: {"Object Deleted", "Lifecycle Expiration", "Delete Marker Created"},
	TaggingPut: {"Object Tags Added"}, TaggingDelete: {"Object Tags Deleted"},
}

func (c *change) notifyBus(event Event, v *Version, by Caller) error {
	kind := busKinds[event]
	r := c.record("", event, v, by)
	detail := busEvent{
		Version: "0", Bucket: map[string]string{"name": c.bucket.Name}, RequestID: by.RequestID, Requester: c.bucket.Account, Address: by.Address, Reason: kind[1], DeletionType: kind[2],
		Object: busObject{Key: c.key, Size: r.S3.Object.Size, ETag: r.S3.Object.ETag, VersionID: r.S3.Object.VersionID, Sequencer: r.S3.Object.Sequencer},
	}
	if event == Expired || event == ExpiredMarker {
		detail.Requester = "s3.amazonaws.com"
	}
	body, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	resources, err := json.Marshal([]string{ARN(c.bucket.Name)})
	if err != nil {
		return err
	}
	m := c.bucket.message(arn.New("events", c.bucket.Region, c.bucket.Account, "event-bus/default").String(), body, by)
	m.Detail = map[string]string{bus.DetailSource: "aws.s3", bus.DetailType: kind[0], bus.DetailResources: string(resources)}
	c.told = true
	return c.objects.config.Outbox.Add(c.batch, m)
}
