package s3

import (
	"context"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// lockEnabled is the one word of a configuration.
const lockEnabled = "Enabled"

func (a *api) putObjectLockConfiguration(ctx context.Context, call *wire.Call, in *s3api.PutObjectLockConfigurationInput) (*s3api.PutObjectLockConfigurationOutput, error) {
	given := in.ObjectLockConfiguration
	if member.Text(in.Token) != "" {
		return nil, notImplemented("x-amz-bucket-object-lock-token", "object lock needs no token")
	}
	if given == nil || member.Text(given.ObjectLockEnabled) != lockEnabled {
		return nil, malformedXML()
	}
	lock := &object.Lock{}
	if given.Rule != nil {
		d := given.Rule.DefaultRetention
		if d == nil || (d.Days == nil) == (d.Years == nil) || member.Text(d.Mode) != object.Governance && member.Text(d.Mode) != object.Compliance {
			return nil, malformedXML()
		}
		lock.Mode = *d.Mode
		if d.Days != nil {
			lock.Days = int(*d.Days)
		} else {
			lock.Years = int(*d.Years)
		}
		if lock.Days < 0 || lock.Years < 0 || lock.Days+lock.Years == 0 {
			return nil, refused(400, "InvalidArgument", "Default retention period must be a positive integer value.")
		}
	}
	return &s3api.PutObjectLockConfigurationOutput{}, a.objects.Change(ctx, place(call, in.Bucket, nil), func(b *object.Bucket) error {
		if b.Versioning != object.Enabled {
			return refused(409, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		b.Lock = lock
		return nil
	})
}

func (a *api) getObjectLockConfiguration(ctx context.Context, call *wire.Call, in *s3api.GetObjectLockConfigurationInput) (*s3api.GetObjectLockConfigurationOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	if b.Lock == nil {
		return nil, notFound(b.Name, "object-lock")
	}
	out := &s3api.ObjectLockConfiguration{ObjectLockEnabled: ptr(lockEnabled)}
	if b.Lock.Mode != "" {
		d := &s3api.DefaultRetention{Mode: &b.Lock.Mode}
		if b.Lock.Days > 0 {
			d.Days = ptr(int32(b.Lock.Days))
		} else {
			d.Years = ptr(int32(b.Lock.Years))
		}
		out.Rule = &s3api.ObjectLockRule{DefaultRetention: d}
	}
	return &s3api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: out}, nil
}

// retention reads one; nil for none.
func retention(mode *string, until *time.Time, now time.Time) (*object.Retention, error) {
	switch {
	case mode == nil && until == nil:
		return nil, nil
	case mode == nil || until == nil:
		return nil, refused(400, "InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case *mode != object.Governance && *mode != object.Compliance:
		return nil, invalidArgument("Unknown wormMode directive.", "x-amz-object-lock-mode", *mode)
	case !until.After(now):
		return nil, invalidArgument("The retain until date must be in the future!", "x-amz-object-lock-retain-until-date", until.UTC().Format(time.RFC3339))
	}
	return &object.Retention{Mode: *mode, Until: until.UTC()}, nil
}

// hold reads a legal hold.
func hold(status string) (bool, error) {
	switch status {
	case "ON", "":
		return status == "ON", nil
	case "OFF":
		return false, nil
	}
	return false, invalidArgument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", status)
}

// keeping reads the headers of a new object.
func (a *api) keeping(mode *string, until *time.Time, legal *string) (k object.Keeping, err error) {
	if k.Retention, err = retention(mode, until, a.objects.Now()); err == nil {
		k.Hold, err = hold(member.Text(legal))
	}
	return k, err
}

// yes tells whether an option is given and true.
func yes(option *bool) bool { return option != nil && *option }

func (a *api) putObjectRetention(ctx context.Context, call *wire.Call, in *s3api.PutObjectRetentionInput) (*s3api.PutObjectRetentionOutput, error) {
	now := a.objects.Now()
	var next *object.Retention
	if in.Retention != nil {
		var err error
		if next, err = retention(in.Retention.Mode, in.Retention.RetainUntilDate, now); err != nil {
			return nil, err
		}
	}
	return &s3api.PutObjectRetentionOutput{}, a.objects.SetKeeping(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId), func(k *object.Keeping) error {
		if next.Weaker(k.Retention, now, yes(in.BypassGovernanceRetention)) {
			return object.Locked()
		}
		k.Retention = next
		return nil
	})
}

// kept finds a version for its retention or hold.
func (a *api) kept(ctx context.Context, call *wire.Call, bucket, key, versionID *string) (object.Keeping, error) {
	found, err := a.objects.Find(ctx, place(call, bucket, key), member.Text(versionID))
	if err != nil {
		return object.Keeping{}, err
	}
	defer found.Close()
	if found.Bucket.Lock == nil {
		return object.Keeping{}, refused(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
	}
	return found.Keeping, nil
}

// notLocked is the error of a version that has none.
func notLocked(key *string) error {
	return refused(404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", "Key", member.Text(key))
}

func (a *api) getObjectRetention(ctx context.Context, call *wire.Call, in *s3api.GetObjectRetentionInput) (*s3api.GetObjectRetentionOutput, error) {
	k, err := a.kept(ctx, call, in.Bucket, in.Key, in.VersionId)
	switch {
	case err != nil:
		return nil, err
	case k.Retention == nil:
		return nil, notLocked(in.Key)
	}
	return &s3api.GetObjectRetentionOutput{Retention: &s3api.ObjectLockRetention{Mode: &k.Retention.Mode, RetainUntilDate: &k.Retention.Until}}, nil
}

func (a *api) putObjectLegalHold(ctx context.Context, call *wire.Call, in *s3api.PutObjectLegalHoldInput) (*s3api.PutObjectLegalHoldOutput, error) {
	if in.LegalHold == nil || in.LegalHold.Status == nil {
		return nil, malformedXML()
	}
	on, err := hold(*in.LegalHold.Status)
	if err != nil {
		return nil, malformedXML()
	}
	return &s3api.PutObjectLegalHoldOutput{}, a.objects.SetKeeping(ctx, place(call, in.Bucket, in.Key), member.Text(in.VersionId), func(k *object.Keeping) error {
		k.Hold = on
		return nil
	})
}

func (a *api) getObjectLegalHold(ctx context.Context, call *wire.Call, in *s3api.GetObjectLegalHoldInput) (*s3api.GetObjectLegalHoldOutput, error) {
	k, err := a.kept(ctx, call, in.Bucket, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	return &s3api.GetObjectLegalHoldOutput{LegalHold: &s3api.ObjectLockLegalHold{Status: holdStatus(k)}}, nil
}

func holdStatus(k object.Keeping) *string {
	if k.Hold {
		return ptr("ON")
	}
	return ptr("OFF")
}
