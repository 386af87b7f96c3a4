package resource

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/forms"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

const bucketNameLength = 63

// northVirginia is the region that CreateBucket must not name.
const northVirginia = "us-east-1"

func buckets() []*definition {
	return []*definition{
		bucket(),
		{name: "AWS::S3::BucketPolicy", service: "s3", create: "PutBucketPolicy", update: "PutBucketPolicy", remove: "DeleteBucketPolicy", read: "GetBucketPolicy", checked: true,
			inert:   map[string]string{"PolicyDocument": policiesInert},
			members: values{"PolicyDocument": "Policy"}, naming: naming{property: "Bucket", fixed: true}, identity: physicalAs("Bucket")},
	}
}

// setting is a step for a part of a bucket's configuration: to turns the property
// into the member, from the answer of get back.
func setting(property, operation, member string, to func(any) any, clear string) step {
	return put(property, operation, member, clear).with(to)
}

// with gives the API the property in another form.
func (s step) with(to func(any) any) step {
	apply := s.apply
	s.to = to
	s.apply = func(c *call, was, want any) error {
		if want != nil {
			want = to(want)
		}
		return apply(c, was, want)
	}
	return s
}

// shown reads the step back by an operation, of whose answer member is what was
// given; "": all of it. What is as it was deployed has the form of the template;
// back turns other values.
func (s step) shown(operation, member string, back func(any) any) step {
	s.live = func(c *call) (any, error) {
		out, err := c.do(operation, c.identity())
		if err != nil {
			return nil, err
		}
		var live any = out
		if member != "" {
			live = out[member]
		}
		return s.back(c, live, back), nil
	}
	return s
}

// back turns what is live into the form of the template.
func (s step) back(c *call, live any, back func(any) any) any {
	if deployed := c.properties[s.property]; deployed != nil && live != nil {
		given := deployed
		if s.to != nil {
			given = s.to(deployed)
		}
		if value.Includes(value.Normal(value.LikeDeployed(live, given)), value.Normal(given)) {
			return deployed
		}
	}
	if live == nil || back == nil {
		return live
	}
	return back(live)
}

func same(v any) any { return v }

func bucket() *definition {
	return &definition{name: "AWS::S3::Bucket", service: "s3", create: "CreateBucket", remove: "DeleteBucket", read: "HeadBucket", checked: true,
		naming: naming{property: "BucketName", rule: stack.NameRule{MaxLength: bucketNameLength, LowerCase: true}}, members: values{"BucketName": "Bucket"}, identity: physicalAs("Bucket"),
		make: func(c *call) (values, error) {
			in := values{"Bucket": c.name()}
			if c.r.Region != northVirginia {
				in["CreateBucketConfiguration"] = values{"LocationConstraint": c.r.Region}
			}
			if locked := c.properties["ObjectLockEnabled"]; locked != nil {
				in["ObjectLockEnabledForBucket"] = locked
			}
			out, err := c.do("CreateBucket", in)
			if c.r.Again && exists(err) && strings.Contains(err.Error(), "AlreadyOwnedByYou") {
				return values{}, nil // begin has looked whose it is
			}
			return out, err
		},
		steps: []step{
			{property: "AccessControl", apply: func(c *call, _, want any) error {
				return c.run("PutBucketAcl", values{"Bucket": c.physical, "ACL": forms.CannedACL(value.Text(want))})
			}},
			setting("PublicAccessBlockConfiguration", "PutPublicAccessBlock", "PublicAccessBlockConfiguration", same, "DeletePublicAccessBlock").
				shown("GetPublicAccessBlock", "PublicAccessBlockConfiguration", nil),
			setting("OwnershipControls", "PutBucketOwnershipControls", "OwnershipControls", same, "DeleteBucketOwnershipControls").
				shown("GetBucketOwnershipControls", "OwnershipControls", nil),
			{property: "VersioningConfiguration", apply: func(c *call, _, want any) error {
				if want == nil { // versions that exist stay, as on AWS
					want = values{"Status": "Suspended"}
				}
				return c.run("PutBucketVersioning", values{"Bucket": c.physical, "VersioningConfiguration": want})
			}, live: func(c *call) (any, error) {
				out, err := c.do("GetBucketVersioning", values{"Bucket": c.physical})
				if status := out["Status"]; status != nil {
					return values{"Status": status}, err
				}
				return nil, err
			}},
			{property: "ObjectLockConfiguration", apply: func(c *call, _, want any) error {
				if want == nil { // the lock stays, only new objects are no longer kept
					want = values{"ObjectLockEnabled": "Enabled"}
				}
				return c.run("PutObjectLockConfiguration", values{"Bucket": c.physical, "ObjectLockConfiguration": want})
			}, live: func(c *call) (any, error) {
				out, err := c.do("GetObjectLockConfiguration", values{"Bucket": c.physical})
				return out["ObjectLockConfiguration"], err
			}},
			setting("BucketEncryption", "PutBucketEncryption", "ServerSideEncryptionConfiguration", forms.Encryption, "DeleteBucketEncryption").
				shown("GetBucketEncryption", "ServerSideEncryptionConfiguration", forms.EncryptionBack),
			setting("CorsConfiguration", "PutBucketCors", "CORSConfiguration", forms.CORS, "DeleteBucketCors").
				shown("GetBucketCors", "", forms.CORSBack),
			setting("LifecycleConfiguration", "PutBucketLifecycleConfiguration", "LifecycleConfiguration", forms.Lifecycle, "DeleteBucketLifecycle").
				shown("GetBucketLifecycleConfiguration", "", forms.LifecycleBack),
			setting("Tags", "PutBucketTagging", "Tagging", func(v any) any { return values{"TagSet": value.TagList(v)} }, "DeleteBucketTagging").
				shown("GetBucketTagging", "", func(live any) any { return value.TagList(value.At(live, "TagSet")) }),
			notified(step{property: "NotificationConfiguration"}).
				shown("GetBucketNotificationConfiguration", "", forms.NotificationsBack),
		},
		attributes: func(c *call, _ values) values {
			name := c.physical
			return values{"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com", "RegionalDomainName": name + ".s3." + c.r.Region + ".amazonaws.com",
				"DualStackDomainName": name + ".s3.dualstack." + c.r.Region + ".amazonaws.com"}
		},
		handled: []string{"ObjectLockEnabled"},
		unread:  []string{"ObjectLockEnabled"},
		without: []string{"MetadataTableConfiguration", "MetadataConfiguration", "WebsiteURL"},
		inert: map[string]string{"PublicAccessBlockConfiguration": "kept and shown; nothing is public anyway", "AccessControl": "only what is so anyway is accepted: Private and BucketOwnerFullControl",
			"OwnershipControls": "only what is so anyway is accepted: BucketOwnerEnforced", "BucketEncryption": "AES256 is what is so anyway; aws:kms with the key of AWS itself becomes it; a key of one's own fails"},
		refused: refusedOfBuckets}
}

// refusedOfBuckets are what buckets do not have here.
var refusedOfBuckets = map[string]string{
	"AbacStatus": noWay, "AccelerateConfiguration": noWay, "AnalyticsConfigurations": noWay, "BucketNamePrefix": noWay, "BucketNamespace": noWay, "IntelligentTieringConfigurations": noWay,
	"InventoryConfigurations": noWay, "LoggingConfiguration": "accesses are not logged", "MetadataConfiguration": noWay, "MetadataTableConfiguration": noWay, "MetricsConfigurations": noWay,
	"ReplicationConfiguration": noWay, "WebsiteConfiguration": noWay,
}

// notified is the step of a bucket's notifications.
func notified(s step) step {
	s.to = func(v any) any { return forms.Notifications(v) }
	s.apply = func(c *call, _, want any) error {
		return c.run("PutBucketNotificationConfiguration", values{"Bucket": c.physical, "NotificationConfiguration": forms.Notifications(want)})
	}
	return s
}
