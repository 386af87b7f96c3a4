package resource

import (
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
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
	s.apply = func(c *call, was, want any) error {
		if want != nil {
			want = to(want)
		}
		return apply(c, was, want)
	}
	return s
}

// shown reads the step back by an operation: the answer's member in the form of the template.
func (s step) shown(operation string, from func(out values) any) step {
	s.live = func(c *call) (any, error) {
		out, err := c.do(operation, c.identity())
		if err != nil {
			return nil, err
		}
		return from(out), nil
	}
	return s
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
				return c.run("PutBucketAcl", values{"Bucket": c.physical, "ACL": cannedACL(value.Text(want))})
			}},
			setting("PublicAccessBlockConfiguration", "PutPublicAccessBlock", "PublicAccessBlockConfiguration", same, "DeletePublicAccessBlock").
				shown("GetPublicAccessBlock", func(out values) any { return out["PublicAccessBlockConfiguration"] }),
			setting("OwnershipControls", "PutBucketOwnershipControls", "OwnershipControls", same, "DeleteBucketOwnershipControls").
				shown("GetBucketOwnershipControls", func(out values) any { return out["OwnershipControls"] }),
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
			setting("BucketEncryption", "PutBucketEncryption", "ServerSideEncryptionConfiguration", encryption, "DeleteBucketEncryption"),
			setting("CorsConfiguration", "PutBucketCors", "CORSConfiguration", corsConfiguration, "DeleteBucketCors"),
			setting("LifecycleConfiguration", "PutBucketLifecycleConfiguration", "LifecycleConfiguration", lifecycle, "DeleteBucketLifecycle"),
			setting("Tags", "PutBucketTagging", "Tagging", func(v any) any { return values{"TagSet": value.TagList(v)} }, "DeleteBucketTagging").
				shown("GetBucketTagging", func(out values) any { return value.TagList(out["TagSet"]) }),
			{property: "NotificationConfiguration", apply: putNotifications},
		},
		attributes: func(c *call, _ values) values {
			name := c.physical
			return values{"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com", "RegionalDomainName": name + ".s3." + c.r.Region + ".amazonaws.com",
				"DualStackDomainName": name + ".s3.dualstack." + c.r.Region + ".amazonaws.com"}
		},
		handled: []string{"ObjectLockEnabled"},
		unread:  []string{"ObjectLockEnabled", "BucketEncryption", "CorsConfiguration", "LifecycleConfiguration", "NotificationConfiguration"},
		without: []string{"MetadataTableConfiguration", "MetadataConfiguration", "WebsiteURL"},
		inert: map[string]string{"PublicAccessBlockConfiguration": "kept and shown; nothing is public anyway", "AccessControl": "only what is so anyway is accepted: Private and BucketOwnerFullControl",
			"OwnershipControls": "only what is so anyway is accepted: BucketOwnerEnforced", "BucketEncryption": "AES256 is what is so anyway; aws:kms with the key of AWS itself becomes it; a key of one's own fails"},
		refused: map[string]string{
			"AbacStatus": noWay, "AccelerateConfiguration": noWay, "AnalyticsConfigurations": noWay, "BucketNamePrefix": noWay, "BucketNamespace": noWay, "IntelligentTieringConfigurations": noWay,
			"InventoryConfigurations": noWay, "LoggingConfiguration": "accesses are not logged", "MetadataConfiguration": noWay, "MetadataTableConfiguration": noWay, "MetricsConfigurations": noWay,
			"ReplicationConfiguration": noWay, "WebsiteConfiguration": noWay,
		}}
}

// cannedACL is the API's name of an access control: "public-read" of PublicRead.
func cannedACL(name string) string {
	switch name {
	case "", "Private":
		return "private"
	case "AwsExecRead":
		return "aws-exec-read"
	}
	var out strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte('-')
		}
		out.WriteRune(r)
	}
	return strings.ToLower(out.String())
}

// encryption is by AES256, the only one that there is. The key that AWS itself
// manages is one of nobody's own, and gets the same. AWS: encrypts by that key.
func encryption(v any) any {
	return values{"Rules": value.Each(value.At(v, "ServerSideEncryptionConfiguration"), func(rule any) any {
		out := value.Renamed(rule, map[string]string{"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"})
		by, ok := out["ApplyServerSideEncryptionByDefault"].(values)
		if ok && value.Text(by["SSEAlgorithm"]) == "aws:kms" && (by["KMSMasterKeyID"] == nil || value.Text(by["KMSMasterKeyID"]) == "alias/aws/s3") {
			out["ApplyServerSideEncryptionByDefault"] = values{"SSEAlgorithm": "AES256"}
		}
		return out
	})}
}

func corsConfiguration(v any) any {
	return values{"CORSRules": value.Each(value.At(v, "CorsRules"), func(rule any) any {
		return value.Renamed(rule, map[string]string{"Id": "ID", "ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"})
	})}
}

// lifecycle turns the rules of a template into those of the API, whose filter and
// expiration are objects.
func lifecycle(v any) any {
	return values{"Rules": value.Each(value.At(v, "Rules"), func(rule any) any {
		out := value.Renamed(rule, map[string]string{"Id": "ID"})
		filter, expiration := values{}, values{}
		for _, name := range []string{"Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"} {
			value.Move(out, name, filter, name)
		}
		value.Move(out, "TagFilters", filter, "Tags")
		value.Move(out, "ExpirationInDays", expiration, "Days")
		value.Move(out, "ExpirationDate", expiration, "Date")
		value.Move(out, "ExpiredObjectDeleteMarker", expiration, "ExpiredObjectDeleteMarker")
		if len(expiration) > 0 {
			out["Expiration"] = expiration
		}
		out["Filter"] = filterOf(filter)
		older := values{}
		value.Move(out, "NoncurrentVersionExpirationInDays", older, "NoncurrentDays")
		if len(older) > 0 {
			out["NoncurrentVersionExpiration"] = older
		}
		for single, several := range map[string]string{"Transition": "Transitions", "NoncurrentVersionTransition": "NoncurrentVersionTransitions"} {
			if one := out[single]; one != nil {
				delete(out, single)
				out[several] = append(value.List(out[several]), one)
			}
		}
		for _, name := range []string{"Transitions", "NoncurrentVersionTransitions"} {
			if out[name] != nil {
				out[name] = value.Each(out[name], func(t any) any {
					return value.Renamed(t, map[string]string{"TransitionInDays": pickName(name), "TransitionDate": "Date"})
				})
			}
		}
		return out
	})}
}

func pickName(of string) string {
	if of == "Transitions" {
		return "Days"
	}
	return "NoncurrentDays"
}

// filterOf has one condition as it is, several as a conjunction.
func filterOf(filter values) values {
	tags := value.List(filter["Tags"])
	switch {
	case len(filter) == 1 && len(tags) == 1:
		return values{"Tag": tags[0]}
	case len(filter) > 1 || len(tags) > 1:
		return values{"And": filter}
	case len(filter) == 0:
		return values{"Prefix": ""}
	}
	return maps.Clone(filter)
}

func putNotifications(c *call, _, want any) error {
	return c.run("PutBucketNotificationConfiguration", values{"Bucket": c.physical, "NotificationConfiguration": notifications(want)})
}

// notifications turns a template's configuration, in which each event stands
// alone, into the API's.
func notifications(v any) values {
	out := values{}
	for _, kind := range []struct{ from, to, target, arn string }{
		{"LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"},
		{"QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"},
		{"TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"},
	} {
		if value.At(v, kind.from) == nil {
			continue
		}
		out[kind.to] = value.Each(value.At(v, kind.from), func(one any) any {
			in := value.Renamed(one, map[string]string{kind.target: kind.arn})
			if event := in["Event"]; event != nil {
				delete(in, "Event")
				in["Events"] = []any{event}
			}
			if rules := value.At(in["Filter"], "S3Key", "Rules"); rules != nil {
				in["Filter"] = values{"Key": values{"FilterRules": rules}}
			}
			return in
		})
	}
	if on := value.At(v, "EventBridgeConfiguration"); on != nil && value.Text(value.At(on, "EventBridgeEnabled")) != "false" {
		out["EventBridgeConfiguration"] = values{}
	}
	return out
}
