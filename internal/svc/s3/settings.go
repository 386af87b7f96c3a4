package s3

import (
	"context"
	"encoding/json"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Settings are sub-resources of a bucket that are kept as they were given, in its row,
// under these names.
const (
	ownershipSetting  = "ownershipControls"
	accessSetting     = "publicAccessBlock"
	tagSetting        = "tagging"
	policySetting     = "policy"
	corsSetting       = "cors"
	encryptionSetting = "encryption"
	websiteSetting    = "website"
	lifecycleSetting  = "lifecycle"
)

// ownerEnforced is the one kind of ownership: there are no access control lists.
const ownerEnforced = "BucketOwnerEnforced"

const whyNoACLs = "there are no access control lists"

// absent are the errors of settings that a bucket does not have.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var absent = map[string][2]string{
	ownershipSetting:  {"OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
	accessSetting:     {"NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
	tagSetting:        {"NoSuchTagSet", "The TagSet does not exist"},
	policySetting:     {"NoSuchBucketPolicy", "The bucket policy does not exist"},
	corsSetting:       {"NoSuchCORSConfiguration", "The CORS configuration does not exist"},
	encryptionSetting: {"ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"},
	websiteSetting:    {"NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
	lifecycleSetting:  {"NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
	"replication":     {"ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
	"object-lock":     {"ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
}

func notFound(bucket, name string) error {
	return refused(404, absent[name][0], absent[name][1], "BucketName", bucket)
}

// get reads a setting into value; an error if the bucket does not have it.
func (a *api) get(ctx context.Context, call *wire.Call, bucket *string, name string, value any) error {
	b, err := a.objects.Bucket(ctx, place(call, bucket, nil))
	if err != nil {
		return err
	}
	data, ok := b.Settings[name]
	if !ok {
		return notFound(b.Name, name)
	}
	return json.Unmarshal(data, value)
}

// set keeps a setting; a nil value removes it.
func (a *api) set(ctx context.Context, call *wire.Call, bucket *string, name string, value any) error {
	return a.objects.Change(ctx, place(call, bucket, nil), func(b *object.Bucket) error {
		if value == nil {
			delete(b.Settings, name)
			return nil
		}
		data, err := json.Marshal(value)
		b.Settings[name] = data
		return err
	})
}

func (a *api) deleteSetting(ctx context.Context, call *wire.Call, bucket *string, name string) (*struct{}, error) {
	return nil, a.set(ctx, call, bucket, name, nil)
}

func (a *api) getBucketVersioning(ctx context.Context, call *wire.Call, in *s3api.GetBucketVersioningInput) (*s3api.GetBucketVersioningOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketVersioningOutput{Status: member.Optional(b.Versioning)}, nil
}

func (a *api) putBucketVersioning(ctx context.Context, call *wire.Call, in *s3api.PutBucketVersioningInput) (*struct{}, error) {
	given := in.VersioningConfiguration
	if given == nil {
		return nil, malformedXML()
	}
	if member.Text(given.MFADelete) == "Enabled" {
		return nil, notImplemented("MfaDelete", "there are no devices for multi-factor authentication")
	}
	state := member.Text(given.Status)
	if state != object.Enabled && state != object.Suspended {
		return nil, refused(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	return nil, a.objects.Change(ctx, place(call, in.Bucket, nil), func(b *object.Bucket) error {
		if b.Lock != nil && state != object.Enabled {
			return refused(409, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
		}
		b.Versioning = state
		return nil
	})
}

func (a *api) getBucketTagging(ctx context.Context, call *wire.Call, in *s3api.GetBucketTaggingInput) (*s3api.GetBucketTaggingOutput, error) {
	out := &s3api.GetBucketTaggingOutput{}
	return out, a.get(ctx, call, in.Bucket, tagSetting, &out.TagSet)
}

func (a *api) putBucketTagging(ctx context.Context, call *wire.Call, in *s3api.PutBucketTaggingInput) (*struct{}, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := tagMap(in.Tagging.TagSet)
	if err == nil {
		err = object.CheckTags(tags, object.MaxBucketTags)
	}
	if err != nil {
		return nil, err
	}
	return nil, a.set(ctx, call, in.Bucket, tagSetting, in.Tagging.TagSet)
}

func (a *api) deleteBucketTagging(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketTaggingInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, tagSetting)
}

func (a *api) getBucketEncryption(ctx context.Context, call *wire.Call, in *s3api.GetBucketEncryptionInput) (*s3api.GetBucketEncryptionOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	// AWS: every bucket has this; DeleteBucketEncryption goes back to it.
	rule := s3api.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &s3api.ServerSideEncryptionByDefault{SSEAlgorithm: ptr(encryption)}, BucketKeyEnabled: ptr(false)}
	if data, given := b.Settings[encryptionSetting]; given {
		err = json.Unmarshal(data, &rule)
	}
	return &s3api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &s3api.ServerSideEncryptionConfiguration{Rules: []s3api.ServerSideEncryptionRule{rule}}}, err
}

func (a *api) putBucketEncryption(ctx context.Context, call *wire.Call, in *s3api.PutBucketEncryptionInput) (*struct{}, error) {
	given := in.ServerSideEncryptionConfiguration
	if given == nil || len(given.Rules) != 1 {
		return nil, malformedXML()
	}
	rule := given.Rules[0]
	if by := rule.ApplyServerSideEncryptionByDefault; by != nil {
		switch algorithm := member.Text(by.SSEAlgorithm); {
		case algorithm != encryption && algorithm != managedEncryption, !isManagedKey(member.Text(by.KMSMasterKeyID)):
			return nil, notImplemented("SSEAlgorithm", whyNoKMS)
		case algorithm == encryption && by.KMSMasterKeyID != nil:
			return nil, invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse", "KMSMasterKeyID", member.Text(by.KMSMasterKeyID))
		}
	}
	if rule.BlockedEncryptionTypes != nil {
		return nil, notImplemented("BlockedEncryptionTypes", whyNoSSEC)
	}
	if rule.BucketKeyEnabled == nil {
		rule.BucketKeyEnabled = ptr(false)
	}
	return nil, a.set(ctx, call, in.Bucket, encryptionSetting, rule)
}

func (a *api) deleteBucketEncryption(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketEncryptionInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, encryptionSetting)
}

func (a *api) getPublicAccessBlock(ctx context.Context, call *wire.Call, in *s3api.GetPublicAccessBlockInput) (*s3api.GetPublicAccessBlockOutput, error) {
	out := &s3api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &s3api.PublicAccessBlockConfiguration{}}
	return out, a.get(ctx, call, in.Bucket, accessSetting, out.PublicAccessBlockConfiguration)
}

func (a *api) putPublicAccessBlock(ctx context.Context, call *wire.Call, in *s3api.PutPublicAccessBlockInput) (*struct{}, error) {
	c := in.PublicAccessBlockConfiguration
	if c == nil {
		return nil, malformedXML()
	}
	for _, member := range []**bool{&c.BlockPublicAcls, &c.IgnorePublicAcls, &c.BlockPublicPolicy, &c.RestrictPublicBuckets} {
		if *member == nil {
			*member = ptr(false)
		}
	}
	return nil, a.set(ctx, call, in.Bucket, accessSetting, c)
}

func (a *api) deletePublicAccessBlock(ctx context.Context, call *wire.Call, in *s3api.DeletePublicAccessBlockInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, accessSetting)
}

func (a *api) getBucketOwnershipControls(ctx context.Context, call *wire.Call, in *s3api.GetBucketOwnershipControlsInput) (*s3api.GetBucketOwnershipControlsOutput, error) {
	out := &s3api.GetBucketOwnershipControlsOutput{OwnershipControls: &s3api.OwnershipControls{}}
	return out, a.get(ctx, call, in.Bucket, ownershipSetting, out.OwnershipControls)
}

func (a *api) putBucketOwnershipControls(ctx context.Context, call *wire.Call, in *s3api.PutBucketOwnershipControlsInput) (*struct{}, error) {
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, malformedXML()
	}
	if member.Text(in.OwnershipControls.Rules[0].ObjectOwnership) != ownerEnforced {
		return nil, notImplemented("ObjectOwnership", whyNoACLs)
	}
	return nil, a.set(ctx, call, in.Bucket, ownershipSetting, in.OwnershipControls)
}

func (a *api) deleteBucketOwnershipControls(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketOwnershipControlsInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, ownershipSetting)
}

func (a *api) getBucketWebsite(ctx context.Context, call *wire.Call, in *s3api.GetBucketWebsiteInput) (*s3api.GetBucketWebsiteOutput, error) {
	return nil, a.absent(ctx, call, in.Bucket, websiteSetting)
}

func (a *api) getBucketReplication(ctx context.Context, call *wire.Call, in *s3api.GetBucketReplicationInput) (*s3api.GetBucketReplicationOutput, error) {
	return nil, a.absent(ctx, call, in.Bucket, "replication")
}

// absent is the answer for what no bucket can have here.
func (a *api) absent(ctx context.Context, call *wire.Call, bucket *string, name string) error {
	b, err := a.objects.Bucket(ctx, place(call, bucket, nil))
	if err != nil {
		return err
	}
	return notFound(b.Name, name)
}

func (a *api) getBucketACL(ctx context.Context, call *wire.Call, in *s3api.GetBucketAclInput) (*s3api.GetBucketAclOutput, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return &s3api.GetBucketAclOutput{Owner: owner(call.Account), Grants: grants(call.Account)}, err
}

// putBucketACL takes only what is so anyway, see refuseACL.
func (a *api) putBucketACL(ctx context.Context, call *wire.Call, in *s3api.PutBucketAclInput) (*struct{}, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err == nil && (in.AccessControlPolicy != nil || in.ACL == nil) {
		err = aclsOff()
	}
	return nil, err
}

func (a *api) getBucketLogging(ctx context.Context, call *wire.Call, in *s3api.GetBucketLoggingInput) (*s3api.GetBucketLoggingOutput, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return &s3api.GetBucketLoggingOutput{}, err
}

func (a *api) putBucketLogging(ctx context.Context, call *wire.Call, in *s3api.PutBucketLoggingInput) (*struct{}, error) {
	if in.BucketLoggingStatus != nil && in.BucketLoggingStatus.LoggingEnabled != nil {
		return nil, notImplemented("LoggingEnabled", "there are no access logs")
	}
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return nil, err
}

func (a *api) getBucketRequestPayment(ctx context.Context, call *wire.Call, in *s3api.GetBucketRequestPaymentInput) (*s3api.GetBucketRequestPaymentOutput, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return &s3api.GetBucketRequestPaymentOutput{Payer: ptr("BucketOwner")}, err
}

func (a *api) getBucketAccelerateConfiguration(ctx context.Context, call *wire.Call, in *s3api.GetBucketAccelerateConfigurationInput) (*s3api.GetBucketAccelerateConfigurationOutput, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return &s3api.GetBucketAccelerateConfigurationOutput{}, err
}

// putBucketRequestPayment takes only what is so anyway.
func (a *api) putBucketRequestPayment(ctx context.Context, call *wire.Call, in *s3api.PutBucketRequestPaymentInput) (*struct{}, error) {
	switch given := in.RequestPaymentConfiguration; {
	case given == nil || member.Text(given.Payer) != "BucketOwner" && member.Text(given.Payer) != "Requester":
		return nil, malformedXML()
	case member.Text(given.Payer) == "Requester":
		return nil, notImplemented("Payer", "nobody pays for requests")
	}
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return nil, err
}

// putBucketAccelerateConfiguration takes only what is so anyway.
func (a *api) putBucketAccelerateConfiguration(ctx context.Context, call *wire.Call, in *s3api.PutBucketAccelerateConfigurationInput) (*struct{}, error) {
	switch given := in.AccelerateConfiguration; {
	case given == nil || member.Text(given.Status) != "Enabled" && member.Text(given.Status) != "Suspended":
		return nil, malformedXML()
	case member.Text(given.Status) == "Enabled":
		return nil, notImplemented("Status", "there is nothing to accelerate")
	}
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return nil, err
}

// deleteBucketReplication and deleteBucketWebsite remove what no bucket has.
func (a *api) deleteBucketReplication(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketReplicationInput) (*struct{}, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return nil, err
}

func (a *api) deleteBucketWebsite(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketWebsiteInput) (*struct{}, error) {
	_, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	return nil, err
}
