"""Object lock as boto3 sees it: retentions, holds, defaults, and what they keep."""

import datetime
import unittest

import common
from test_s3 import S3Case

DAY = datetime.timedelta(days=1)


def later(days):
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0) + days * DAY


# AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html; the texts are those of S3's replies.
class ObjectLock(S3Case):
    def unlock(self, name):
        for version in self.api.list_object_versions(Bucket=name).get("Versions", []):
            hold = dict(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
            self.api.put_object_legal_hold(**hold, LegalHold={"Status": "OFF"})
            self.api.delete_object(**hold, BypassGovernanceRetention=True)

    def locked(self):
        name = self.name("b").replace("_", "-")
        self.api.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        self.addCleanup(self.destroy, name)
        self.addCleanup(self.unlock, name)
        return name

    def test_a_governance_retention(self):
        b = self.locked()
        self.assertEqual(self.api.get_bucket_versioning(Bucket=b)["Status"], "Enabled")
        self.assertEqual(self.api.get_object_lock_configuration(Bucket=b)["ObjectLockConfiguration"], {"ObjectLockEnabled": "Enabled"})
        until = later(1)
        v = self.api.put_object(Bucket=b, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
        got = self.api.head_object(Bucket=b, Key="k")
        self.assertEqual((got["ObjectLockMode"], got["ObjectLockRetainUntilDate"]), ("GOVERNANCE", until))
        self.assertEqual(self.api.get_object_retention(Bucket=b, Key="k")["Retention"], {"Mode": "GOVERNANCE", "RetainUntilDate": until})
        error = self.refused("AccessDenied", 403, self.api.delete_object, Bucket=b, Key="k", VersionId=v)["Error"]
        self.assertEqual(error["Message"], "Access Denied because object protected by object lock.")
        failed = self.api.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "k", "VersionId": v}]})["Errors"]
        self.assertEqual([(e["Key"], e["VersionId"], e["Code"]) for e in failed], [("k", v, "AccessDenied")])
        self.assertTrue(self.api.delete_object(Bucket=b, Key="k")["DeleteMarker"])
        self.assertEqual(self.body(b, "k", VersionId=v), b"x")
        retain = lambda days, **options: self.api.put_object_retention(Bucket=b, Key="k", VersionId=v, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(days)}, **options)
        retain(3)
        self.refused("AccessDenied", 403, lambda: retain(2))
        retain(2, BypassGovernanceRetention=True)
        self.api.delete_object(Bucket=b, Key="k", VersionId=v, BypassGovernanceRetention=True)
        self.refused("NoSuchVersion", 404, self.api.get_object, Bucket=b, Key="k", VersionId=v)

    def test_a_legal_hold(self):
        b = self.locked()
        v = self.api.put_object(Bucket=b, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")["VersionId"]
        self.assertEqual(self.api.get_object_legal_hold(Bucket=b, Key="k")["LegalHold"], {"Status": "ON"})
        self.refused("AccessDenied", 403, self.api.delete_object, Bucket=b, Key="k", VersionId=v, BypassGovernanceRetention=True)
        self.api.put_object_legal_hold(Bucket=b, Key="k", LegalHold={"Status": "OFF"})
        self.refused("NoSuchObjectLockConfiguration", 404, self.api.get_object_retention, Bucket=b, Key="k")
        self.api.delete_object(Bucket=b, Key="k", VersionId=v)

    def test_the_default_of_a_bucket(self):
        b = self.bucket()
        rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}}
        self.refused("InvalidBucketState", 409, self.api.put_object_lock_configuration, Bucket=b, ObjectLockConfiguration=rule)
        self.api.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
        self.api.put_object_lock_configuration(Bucket=b, ObjectLockConfiguration=rule)
        self.assertEqual(self.api.get_object_lock_configuration(Bucket=b)["ObjectLockConfiguration"], rule)
        self.refused("InvalidBucketState", 409, self.api.put_bucket_versioning, Bucket=b, VersioningConfiguration={"Status": "Suspended"})
        self.addCleanup(self.unlock, b)
        upload = self.api.create_multipart_upload(Bucket=b, Key="parts")["UploadId"]
        part = self.api.upload_part(Bucket=b, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        self.api.complete_multipart_upload(Bucket=b, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
        self.api.put_object(Bucket=b, Key="k", Body=b"x")
        self.api.copy_object(Bucket=b, Key="copy", CopySource={"Bucket": b, "Key": "k"})
        for key in ("parts", "k", "copy"):
            got = self.api.get_object(Bucket=b, Key=key)
            self.assertEqual(got["ObjectLockMode"], "GOVERNANCE", key)
            self.assertLess(abs(got["ObjectLockRetainUntilDate"] - later(2)), datetime.timedelta(minutes=5))
            self.refused("AccessDenied", 403, self.api.delete_object, Bucket=b, Key=key, VersionId=got["VersionId"])

    def test_what_is_refused(self):
        plain, b = self.bucket(), self.locked()
        self.api.put_object(Bucket=plain, Key="k", Body=b"x")
        self.refused("ObjectLockConfigurationNotFoundError", 404, self.api.get_object_lock_configuration, Bucket=plain)
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": later(1)}
        for call in (lambda: self.api.put_object(Bucket=plain, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON"), lambda: self.api.put_object_retention(Bucket=plain, Key="k", Retention=retention),
                     lambda: self.api.get_object_legal_hold(Bucket=plain, Key="k"), lambda: self.api.create_multipart_upload(Bucket=plain, Key="k", ObjectLockLegalHoldStatus="ON")):
            self.assertEqual(self.refused("InvalidRequest", 400, call)["Error"]["Message"], "Bucket is missing Object Lock Configuration")
        for options in ({"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockRetainUntilDate": later(1)}, {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(-1)}):
            self.refused("InvalidArgument", 400, self.api.put_object, Bucket=b, Key="k", Body=b"x", **options)

    def test_what_is_so_anyway(self):
        b = self.bucket()
        self.api.put_bucket_request_payment(Bucket=b, RequestPaymentConfiguration={"Payer": "BucketOwner"})
        self.api.put_bucket_accelerate_configuration(Bucket=b, AccelerateConfiguration={"Status": "Suspended"})
        self.api.delete_bucket_website(Bucket=b)
        self.api.delete_bucket_replication(Bucket=b)
        self.refused("NotImplemented", 400, self.api.put_bucket_website, Bucket=b, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})


if __name__ == "__main__":
    unittest.main()
