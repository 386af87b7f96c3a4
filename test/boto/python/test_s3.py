"""Buckets, objects, lists, uploads in parts and copies, as boto3 sees them."""

import base64
import datetime
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request
import zlib

import common
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

MIB = 1 << 20


class S3Case(common.Case):
    @classmethod
    def setUpClass(cls):
        cls.api = common.client("s3")

    def bucket(self, **options):
        name = self.name("b").replace("_", "-")
        self.api.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": common.REGION}, **options) \
            if common.REGION != "us-east-1" else self.api.create_bucket(Bucket=name, **options)
        self.addCleanup(self.destroy, name)
        return name

    def destroy(self, name):
        try:
            for page in self.api.get_paginator("list_object_versions").paginate(Bucket=name):
                gone = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
                if gone:
                    self.api.delete_objects(Bucket=name, Delete={"Objects": gone, "Quiet": True})
            self.api.delete_bucket(Bucket=name)
        except self.api.exceptions.NoSuchBucket:
            pass

    def refused(self, code, status, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        got = caught.exception.response
        self.assertEqual((got["Error"]["Code"], common.status(got)), (code, status), got)
        return got

    def body(self, bucket, key, **options):
        return self.api.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


class Buckets(S3Case):
    def test_life(self):
        name = self.bucket()
        self.assertIn(name, [b["Name"] for b in self.api.list_buckets()["Buckets"]])
        self.assertEqual(self.api.head_bucket(Bucket=name)["BucketRegion"], common.REGION)
        location = self.api.get_bucket_location(Bucket=name)["LocationConstraint"]
        self.assertEqual(location, None if common.REGION == "us-east-1" else common.REGION)
        self.api.put_object(Bucket=name, Key="k", Body=b"x")
        got = self.refused("BucketNotEmpty", 409, self.api.delete_bucket, Bucket=name)
        self.assertEqual(got["Error"]["BucketName"], name)
        self.api.delete_object(Bucket=name, Key="k")
        self.api.delete_bucket(Bucket=name)
        self.refused("404", 404, self.api.head_bucket, Bucket=name)
        got = self.refused("NoSuchBucket", 404, self.api.list_objects_v2, Bucket=name)
        self.assertEqual(got["Error"]["Message"], "The specified bucket does not exist")

    def test_names(self):
        for name in ("ab", "under_score", "-front", "192.168.0.1", "two..dots"):
            with self.subTest(name):
                with self.assertRaises(Exception):
                    self.api.create_bucket(Bucket=name)

    def test_made_twice(self):
        name = self.bucket()
        if common.REGION == "us-east-1":
            self.api.create_bucket(Bucket=name)
        else:
            self.refused("BucketAlreadyOwnedByYou", 409, self.api.create_bucket, Bucket=name, CreateBucketConfiguration={"LocationConstraint": common.REGION})


class Objects(S3Case):
    def test_put_get_head_delete(self):
        b = self.bucket()
        for size in (0, 1, 64 << 10, (64 << 10) + 1, MIB + 7):
            data = bytes(range(256)) * (size // 256) + bytes(size % 256)
            with self.subTest(size):
                put = self.api.put_object(Bucket=b, Key="a/b c+é", Body=data, ContentType="text/plain", Metadata={"Colour": "blue"}, CacheControl="no-cache")
                etag = '"' + hashlib.md5(data).hexdigest() + '"'
                self.assertEqual(put["ETag"], etag)
                self.assertEqual(put["ChecksumCRC32"], base64.b64encode(zlib.crc32(data).to_bytes(4)).decode())
                got = self.api.get_object(Bucket=b, Key="a/b c+é")
                self.assertEqual(got["Body"].read(), data)
                for answer in (got, self.api.head_object(Bucket=b, Key="a/b c+é", ChecksumMode="ENABLED")):
                    self.assertEqual(answer["ETag"], etag)
                    self.assertEqual(answer["ContentLength"], size)
                    self.assertEqual(answer["ContentType"], "text/plain")
                    self.assertEqual(answer["CacheControl"], "no-cache")
                    self.assertEqual(answer["Metadata"], {"colour": "blue"})
                    self.assertEqual(answer["ServerSideEncryption"], "AES256")
                    self.assertEqual(answer["ChecksumCRC32"], put["ChecksumCRC32"])
                    self.assertEqual(answer["ChecksumType"], "FULL_OBJECT")
                    self.assertNotIn("VersionId", answer)
        self.api.delete_object(Bucket=b, Key="a/b c+é")
        got = self.refused("NoSuchKey", 404, self.api.get_object, Bucket=b, Key="a/b c+é")
        self.assertEqual(got["Error"]["Key"], "a/b c+é")
        self.refused("404", 404, self.api.head_object, Bucket=b, Key="a/b c+é")
        self.api.delete_object(Bucket=b, Key="a/b c+é")  # is no error

    def test_a_key_may_be_the_folder_of_another(self):
        b = self.bucket()
        for key in ("a", "a/", "a/b", "a//b", "/", "//x", "..", "a/../b", ".", "%2F", "a?b", "a#b", "a&b=c", "\u00e4\u6f22"):
            self.api.put_object(Bucket=b, Key=key, Body=key.encode())
        for key in ("a", "a/", "a/b", "a//b", "/", "//x", "%2F", "a?b", "a#b", "a&b=c", "\u00e4\u6f22"):
            self.assertEqual(self.body(b, key), key.encode(), key)

    def test_ranges(self):
        b = self.bucket()
        data = bytes(range(256)) * 1024
        self.api.put_object(Bucket=b, Key="k", Body=data)
        for given, want in {"bytes=0-9": data[:10], "bytes=-5": data[-5:], "bytes=262100-": data[262100:], "bytes=10-9": data,
                            "bytes=262140-999999999999999999999": data[262140:], "items=1-2": data, "bytes=0-1,4-5": data}.items():
            with self.subTest(given):
                got = self.api.get_object(Bucket=b, Key="k", Range=given)
                self.assertEqual(got["Body"].read(), want)
                self.assertEqual(common.status(got), 200 if want is data else 206)
        self.assertEqual(self.api.get_object(Bucket=b, Key="k", Range="bytes=5-6")["ContentRange"], f"bytes 5-6/{len(data)}")
        got = self.refused("InvalidRange", 416, self.api.get_object, Bucket=b, Key="k", Range="bytes=262144-")
        self.assertEqual(got["Error"]["ActualObjectSize"], "262144")

    def test_conditions(self):
        b = self.bucket()
        etag = self.api.put_object(Bucket=b, Key="k", Body=b"one")["ETag"]
        modified = self.api.head_object(Bucket=b, Key="k")["LastModified"]
        hour = datetime.timedelta(hours=1)
        self.assertEqual(self.body(b, "k", IfMatch=etag), b"one")
        self.assertEqual(self.body(b, "k", IfNoneMatch='"other"'), b"one")
        self.assertEqual(self.body(b, "k", IfModifiedSince=modified - hour), b"one")
        self.assertEqual(self.body(b, "k", IfMatch=etag, IfUnmodifiedSince=modified - hour), b"one")
        self.refused("PreconditionFailed", 412, self.api.get_object, Bucket=b, Key="k", IfMatch='"other"')
        self.refused("PreconditionFailed", 412, self.api.get_object, Bucket=b, Key="k", IfUnmodifiedSince=modified - hour)
        got = self.refused("304", 304, self.api.get_object, Bucket=b, Key="k", IfNoneMatch=etag)
        self.assertEqual(got["ResponseMetadata"]["HTTPHeaders"]["etag"], etag)
        self.refused("304", 304, self.api.get_object, Bucket=b, Key="k", IfModifiedSince=modified)
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        self.refused("PreconditionFailed", 412, self.api.put_object, Bucket=b, Key="k", Body=b"two", IfNoneMatch="*")
        self.refused("PreconditionFailed", 412, self.api.put_object, Bucket=b, Key="k", Body=b"two", IfMatch='"other"')
        self.refused("NoSuchKey", 404, self.api.put_object, Bucket=b, Key="none", Body=b"two", IfMatch=etag)
        self.api.put_object(Bucket=b, Key="k", Body=b"two", IfMatch=etag)
        self.api.put_object(Bucket=b, Key="new", Body=b"three", IfNoneMatch="*")
        self.assertEqual(self.body(b, "k"), b"two")

    def test_checksums(self):
        b = self.bucket()
        data = b"checksum me" * 10_000
        sums = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            with self.subTest(algorithm):
                put = self.api.put_object(Bucket=b, Key=algorithm, Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
                member = "Checksum" + algorithm
                if algorithm in sums:
                    self.assertEqual(put[member], base64.b64encode(sums[algorithm](data).digest()).decode())
                self.assertEqual(self.api.head_object(Bucket=b, Key=algorithm, ChecksumMode="ENABLED")[member], put[member])
        self.refused("BadDigest", 400, self.api.put_object, Bucket=b, Key="bad", Body=data, ChecksumSHA256=base64.b64encode(bytes(32)).decode())
        self.refused("BadDigest", 400, self.api.put_object, Bucket=b, Key="bad", Body=data, ContentMD5=base64.b64encode(bytes(16)).decode())
        self.refused("InvalidDigest", 400, self.api.put_object, Bucket=b, Key="bad", Body=data, ContentMD5="no")
        self.refused("404", 404, self.api.head_object, Bucket=b, Key="bad")
        attributes = self.api.get_object_attributes(Bucket=b, Key="SHA256", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"])
        self.assertEqual(attributes["ObjectSize"], len(data))
        self.assertEqual(attributes["Checksum"]["ChecksumType"], "FULL_OBJECT")
        self.assertNotIn("ObjectParts", attributes)

    def test_delete_many(self):
        b = self.bucket()
        keys = [f"k{i:04}" for i in range(450)]
        for key in keys[:3]:
            self.api.put_object(Bucket=b, Key=key, Body=b"x" * (70 << 10))
        got = self.api.delete_objects(Bucket=b, Delete={"Objects": [{"Key": k} for k in keys]})
        self.assertEqual([d["Key"] for d in got["Deleted"]], keys)
        self.assertNotIn("Errors", got)
        self.assertEqual(self.api.list_objects_v2(Bucket=b)["KeyCount"], 0)
        got = self.api.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "a", "VersionId": "strange"}], "Quiet": True})
        self.assertEqual([(e["Key"], e["Code"]) for e in got["Errors"]], [("a", "InvalidArgument")])

    def test_refusals_name_what_is_missing(self):
        b = self.bucket()
        put = lambda **options: self.refused("NotImplemented", 501, self.api.put_object, Bucket=b, Key="k", Body=b"x", **options)
        put(ServerSideEncryption="aws:kms", SSEKMSKeyId="arn:aws:kms:us-east-1:000000000000:key/mine")
        put(StorageClass="GLACIER")
        self.refused("AccessControlListNotSupported", 400, self.api.put_object, Bucket=b, Key="k", Body=b"x", ACL="public-read")
        self.refused("InvalidRequest", 400, self.api.put_object, Bucket=b, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=datetime.datetime(2040, 1, 1))
        self.refused("AccessDenied", 403, self.api.put_object, Bucket=b, Key="k", Body=b"x", ExpectedBucketOwner="111122223333")
        self.refused("KeyTooLongError", 400, self.api.put_object, Bucket=b, Key="k" * 1025, Body=b"x")
        self.refused("MetadataTooLarge", 400, self.api.put_object, Bucket=b, Key="k", Body=b"x", Metadata={"a": "b" * 2048})


class Lists(S3Case):
    def test_prefixes_and_pages(self):
        b = self.bucket()
        keys = sorted(["a", "a/1", "a/2", "b", "b+c/x", "photos/2020/1.jpg", "photos/2020/2.jpg", "photos/2021/1.jpg", "z z", "\u00e9/1"], key=lambda k: k.encode())
        for key in keys:
            self.api.put_object(Bucket=b, Key=key, Body=key.encode())
        everything = self.api.list_objects_v2(Bucket=b)
        self.assertEqual([o["Key"] for o in everything["Contents"]], keys)
        self.assertEqual([o["Size"] for o in everything["Contents"]], [len(k.encode()) for k in keys])
        self.assertEqual(everything["KeyCount"], len(keys))
        self.assertFalse(everything["IsTruncated"])
        got = self.api.list_objects_v2(Bucket=b, Delimiter="/")
        self.assertEqual([o["Key"] for o in got["Contents"]], ["a", "b", "z z"])
        self.assertEqual([p["Prefix"] for p in got["CommonPrefixes"]], ["a/", "b+c/", "photos/", "\u00e9/"])
        got = self.api.list_objects_v2(Bucket=b, Delimiter="/", Prefix="photos/")
        self.assertEqual([p["Prefix"] for p in got["CommonPrefixes"]], ["photos/2020/", "photos/2021/"])
        self.assertEqual([o["Key"] for o in self.api.list_objects_v2(Bucket=b, StartAfter="a/1")["Contents"]], keys[2:])
        for operation in ("list_objects", "list_objects_v2", "list_object_versions"):
            for delimiter in ("", "/", "0"):
                for size in (1, 2, 3, 100):
                    with self.subTest(operation=operation, delimiter=delimiter, size=size):
                        found, prefixes = [], []
                        options = {"Delimiter": delimiter} if delimiter else {}
                        for page in self.api.get_paginator(operation).paginate(Bucket=b, PaginationConfig={"PageSize": size}, **options):
                            some = page.get("Contents", page.get("Versions", []))
                            self.assertLessEqual(len(some) + len(page.get("CommonPrefixes", [])), size)
                            found += [o["Key"] for o in some]
                            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
                        want = sorted({k[:k.index(delimiter) + 1] for k in keys if delimiter and delimiter in k}, key=lambda k: k.encode())
                        self.assertEqual(prefixes, want)
                        self.assertEqual(found, [k for k in keys if not delimiter or delimiter not in k])
        self.assertEqual(self.api.list_objects_v2(Bucket=b, MaxKeys=0)["KeyCount"], 0)
        self.refused("InvalidArgument", 400, self.api.list_objects_v2, Bucket=b, ContinuationToken="?")


class Uploads(S3Case):
    def test_parts(self):
        b = self.bucket()
        parts = [b"a" * (5 * MIB), b"b" * (5 * MIB + 1), b"the end"]
        upload = self.api.create_multipart_upload(Bucket=b, Key="big", ContentType="text/x", Metadata={"m": "1"})["UploadId"]
        listed = self.api.list_multipart_uploads(Bucket=b)["Uploads"]
        self.assertEqual([(u["Key"], u["UploadId"]) for u in listed], [("big", upload)])
        etags = []
        for n, data in [(1, b"replaced" * MIB), *enumerate(parts, 1)]:
            etags.append(self.api.upload_part(Bucket=b, Key="big", UploadId=upload, PartNumber=n, Body=data)["ETag"])
        etags = etags[1:]
        got = self.api.list_parts(Bucket=b, Key="big", UploadId=upload, MaxParts=2)
        self.assertEqual([(p["PartNumber"], p["Size"], p["ETag"]) for p in got["Parts"]], [(1, len(parts[0]), etags[0]), (2, len(parts[1]), etags[1])])
        self.assertTrue(got["IsTruncated"])
        self.assertEqual(got["NextPartNumberMarker"], 2)
        listed = [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]
        complete = lambda parts: dict(Bucket=b, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
        self.refused("InvalidPartOrder", 400, self.api.complete_multipart_upload, **complete(listed[::-1]))
        self.refused("InvalidPart", 400, self.api.complete_multipart_upload, **complete([{"PartNumber": 1, "ETag": '"0"'}]))
        self.refused("NoSuchKey", 404, self.api.get_object, Bucket=b, Key="big")
        done = self.api.complete_multipart_upload(**complete(listed))
        digest = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()
        self.assertEqual(done["ETag"], f'"{digest}-3"')
        got = self.api.get_object(Bucket=b, Key="big")
        whole = b"".join(parts)
        self.assertEqual(got["Body"].read(), whole)
        self.assertEqual((got["ContentType"], got["Metadata"], got["ContentLength"]), ("text/x", {"m": "1"}, len(whole)))
        self.assertEqual(self.body(b, "big", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}"), b"aabb")
        second = self.api.get_object(Bucket=b, Key="big", PartNumber=2)
        self.assertEqual((second["PartsCount"], second["Body"].read()), (3, parts[1]))
        self.refused("NoSuchUpload", 404, self.api.list_parts, Bucket=b, Key="big", UploadId=upload)
        self.assertEqual(self.api.complete_multipart_upload(**complete(listed))["ETag"], done["ETag"])  # asked again

    def test_small_parts_and_abort(self):
        b = self.bucket()
        upload = self.api.create_multipart_upload(Bucket=b, Key="k")["UploadId"]
        etags = [self.api.upload_part(Bucket=b, Key="k", UploadId=upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]
        got = self.refused("EntityTooSmall", 400, self.api.complete_multipart_upload, Bucket=b, Key="k", UploadId=upload,
                           MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]})
        self.assertEqual((got["Error"]["ProposedSize"], got["Error"]["MinSizeAllowed"], got["Error"]["PartNumber"]), ("5", "5242880", "1"))
        self.refused("InvalidArgument", 400, self.api.upload_part, Bucket=b, Key="k", UploadId=upload, PartNumber=10_001, Body=b"x")
        self.api.abort_multipart_upload(Bucket=b, Key="k", UploadId=upload)
        self.refused("NoSuchUpload", 404, self.api.abort_multipart_upload, Bucket=b, Key="k", UploadId=upload)
        self.refused("NoSuchUpload", 404, self.api.upload_part, Bucket=b, Key="k", UploadId=upload, PartNumber=1, Body=b"x")

    def test_transfer_manager(self):
        b = self.bucket()
        data = bytes(range(251)) * (80_000)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
        self.api.upload_fileobj(io.BytesIO(data), b, "up", Config=config)
        out = io.BytesIO()
        self.api.download_fileobj(b, "up", out, Config=config)
        self.assertEqual(out.getvalue(), data)
        self.api.copy({"Bucket": b, "Key": "up"}, b, "copied", Config=config)
        head = self.api.head_object(Bucket=b, Key="copied")
        self.assertEqual(head["ContentLength"], len(data))
        self.assertTrue(head["ETag"].endswith('-4"'), head["ETag"])
        self.assertEqual(self.body(b, "copied", Range="bytes=5242870-5242890"), data[5242870:5242891])

    def test_composite_and_full_checksums(self):
        b = self.bucket()
        parts = [b"1" * (5 * MIB), b"2"]
        for kind, algorithm in (("COMPOSITE", "SHA256"), ("COMPOSITE", "CRC32"), ("FULL_OBJECT", "CRC32")):
            with self.subTest(kind + algorithm):
                upload = self.api.create_multipart_upload(Bucket=b, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)["UploadId"]
                done = []
                for n, data in enumerate(parts, 1):
                    p = self.api.upload_part(Bucket=b, Key="k", UploadId=upload, PartNumber=n, Body=data, ChecksumAlgorithm=algorithm)
                    done.append({"PartNumber": n, "ETag": p["ETag"], "Checksum" + algorithm: p["Checksum" + algorithm]})
                got = self.api.complete_multipart_upload(Bucket=b, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
                value = got["Checksum" + algorithm]
                if kind == "FULL_OBJECT":
                    self.assertEqual(value, base64.b64encode(zlib.crc32(b"".join(parts)).to_bytes(4)).decode())
                else:
                    self.assertTrue(value.endswith("-2"), value)
                self.assertEqual(got["ChecksumType"], kind)
                attributes = self.api.get_object_attributes(Bucket=b, Key="k", ObjectAttributes=["ObjectParts"])["ObjectParts"]
                self.assertEqual(attributes["TotalPartsCount"], 2)


class Copies(S3Case):
    def test_copy(self):
        b, c = self.bucket(), self.bucket()
        for size in (10, 200 << 10):
            with self.subTest(size):
                data = b"c" * size
                etag = self.api.put_object(Bucket=b, Key="from +1", Body=data, ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")["ETag"]
                got = self.api.copy_object(Bucket=c, Key="to", CopySource={"Bucket": b, "Key": "from +1"})
                self.assertEqual(got["CopyObjectResult"]["ETag"], etag)
                self.api.delete_object(Bucket=b, Key="from +1")
                head = self.api.get_object(Bucket=c, Key="to")
                self.assertEqual((head["Body"].read(), head["ContentType"], head["Metadata"], head["TagCount"]), (data, "text/x", {"m": "1"}, 1))
                self.api.copy_object(Bucket=c, Key="to", CopySource=f"{c}/to", MetadataDirective="REPLACE", Metadata={"n": "2"}, ContentType="text/y")
                head = self.api.head_object(Bucket=c, Key="to")
                self.assertEqual((head["ContentType"], head["Metadata"]), ("text/y", {"n": "2"}))
        self.refused("InvalidRequest", 400, self.api.copy_object, Bucket=c, Key="to", CopySource=f"{c}/to")
        self.refused("NoSuchKey", 404, self.api.copy_object, Bucket=c, Key="to", CopySource=f"{c}/none")
        self.refused("PreconditionFailed", 412, self.api.copy_object, Bucket=c, Key="x", CopySource=f"{c}/to", CopySourceIfMatch='"0"')
        self.refused("PreconditionFailed", 412, self.api.copy_object, Bucket=c, Key="x", CopySource=f"{c}/to", CopySourceIfNoneMatch=etag)


class Tags(S3Case):
    def test_tags_of_objects(self):
        b = self.bucket()
        self.api.put_object(Bucket=b, Key="k", Body=b"x", Tagging="a=1&b=%20two")
        self.assertEqual(self.api.get_object_tagging(Bucket=b, Key="k")["TagSet"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": " two"}])
        self.api.put_object_tagging(Bucket=b, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
        self.assertEqual(self.api.get_object_tagging(Bucket=b, Key="k")["TagSet"], [{"Key": "c", "Value": ""}])
        self.api.delete_object_tagging(Bucket=b, Key="k")
        self.assertEqual(self.api.get_object_tagging(Bucket=b, Key="k")["TagSet"], [])
        self.refused("InvalidTag", 400, self.api.put_object_tagging, Bucket=b, Key="k", Tagging={"TagSet": [{"Key": str(i), "Value": ""} for i in range(11)]})


class Versions(S3Case):
    def test_versions_and_markers(self):
        b = self.bucket()
        self.assertNotIn("Status", self.api.get_bucket_versioning(Bucket=b))
        self.api.put_object(Bucket=b, Key="k", Body=b"null")
        self.api.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
        self.assertEqual(self.api.get_bucket_versioning(Bucket=b)["Status"], "Enabled")
        one = self.api.put_object(Bucket=b, Key="k", Body=b"one")["VersionId"]
        two = self.api.put_object(Bucket=b, Key="k", Body=b"two")["VersionId"]
        marker = self.api.delete_object(Bucket=b, Key="k")
        self.assertTrue(marker["DeleteMarker"])
        got = self.refused("NoSuchKey", 404, self.api.get_object, Bucket=b, Key="k")
        self.assertEqual(got["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"], "true")
        self.refused("MethodNotAllowed", 405, self.api.get_object, Bucket=b, Key="k", VersionId=marker["VersionId"])
        self.assertEqual([self.body(b, "k", VersionId=v) for v in ("null", one, two)], [b"null", b"one", b"two"])
        listed = self.api.list_object_versions(Bucket=b)
        self.assertEqual([(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]], [(two, False), (one, False), ("null", False)])
        self.assertEqual([(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]], [(marker["VersionId"], True)])
        self.assertEqual(self.api.list_objects_v2(Bucket=b)["KeyCount"], 0)
        self.api.delete_object(Bucket=b, Key="k", VersionId=marker["VersionId"])
        self.assertEqual(self.body(b, "k"), b"two")
        self.api.copy_object(Bucket=b, Key="k", CopySource={"Bucket": b, "Key": "k", "VersionId": one})
        self.assertEqual(self.body(b, "k"), b"one")
        self.refused("NoSuchVersion", 404, self.api.get_object, Bucket=b, Key="k", VersionId=two[:-4] + "AAAA")
        self.refused("InvalidArgument", 400, self.api.get_object, Bucket=b, Key="k", VersionId="strange")
        self.refused("BucketNotEmpty", 409, self.api.delete_bucket, Bucket=b)


class Settings(S3Case):
    def test_what_terraform_reads_of_a_new_bucket(self):
        # The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        b = self.bucket()
        for operation, code in {"policy": "NoSuchBucketPolicy", "lifecycle_configuration": "NoSuchLifecycleConfiguration", "tagging": "NoSuchTagSet", "cors": "NoSuchCORSConfiguration",
                                "website": "NoSuchWebsiteConfiguration", "replication": "ReplicationConfigurationNotFoundError"}.items():
            got = self.refused(code, 404, getattr(self.api, "get_bucket_" + operation), Bucket=b)
            self.assertEqual(got["Error"]["BucketName"], b)
        self.refused("ObjectLockConfigurationNotFoundError", 404, self.api.get_object_lock_configuration, Bucket=b)
        encryption = self.api.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"]["Rules"][0]
        self.assertEqual(encryption["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"})
        acl = self.api.get_bucket_acl(Bucket=b)
        self.assertEqual([(g["Permission"], g["Grantee"]["Type"], g["Grantee"]["ID"]) for g in acl["Grants"]], [("FULL_CONTROL", "CanonicalUser", acl["Owner"]["ID"])])
        self.assertEqual(self.api.get_bucket_request_payment(Bucket=b)["Payer"], "BucketOwner")
        self.assertNotIn("LoggingEnabled", self.api.get_bucket_logging(Bucket=b))
        self.assertNotIn("Status", self.api.get_bucket_accelerate_configuration(Bucket=b))
        self.assertTrue(all(self.api.get_public_access_block(Bucket=b)["PublicAccessBlockConfiguration"].values()))
        self.assertEqual(self.api.get_bucket_ownership_controls(Bucket=b)["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
        self.assertEqual(common.without(self.api.get_bucket_notification_configuration(Bucket=b)), {})
        self.api.delete_public_access_block(Bucket=b)
        self.refused("NoSuchPublicAccessBlockConfiguration", 404, self.api.get_public_access_block, Bucket=b)
        self.api.delete_bucket_ownership_controls(Bucket=b)
        self.refused("OwnershipControlsNotFoundError", 404, self.api.get_bucket_ownership_controls, Bucket=b)

    def test_what_is_put_is_shown(self):
        b = self.bucket()
        tags = [{"Key": "team", "Value": "x"}]
        self.api.put_bucket_tagging(Bucket=b, Tagging={"TagSet": tags})
        self.assertEqual(self.api.get_bucket_tagging(Bucket=b)["TagSet"], tags)
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}' % b
        self.api.put_bucket_policy(Bucket=b, Policy=policy)
        self.assertEqual(self.api.get_bucket_policy(Bucket=b)["Policy"], policy)
        self.assertTrue(self.api.get_bucket_policy_status(Bucket=b)["PolicyStatus"]["IsPublic"])
        self.refused("MalformedPolicy", 400, self.api.put_bucket_policy, Bucket=b, Policy="{}")
        rules = [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example.com"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]
        self.api.put_bucket_cors(Bucket=b, CORSConfiguration={"CORSRules": rules})
        self.assertEqual(self.api.get_bucket_cors(Bucket=b)["CORSRules"], rules)
        rules = [{"ID": "tmp", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}]
        self.api.put_bucket_lifecycle_configuration(Bucket=b, LifecycleConfiguration={"Rules": rules})
        self.assertEqual(self.api.get_bucket_lifecycle_configuration(Bucket=b)["Rules"], rules)
        self.assertNotIn("Expiration", self.api.put_object(Bucket=b, Key="other", Body=b"x"))
        # AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, rounded up to midnight
        midnight = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)).strftime("%a, %d %b %Y 00:00:00 GMT")
        for answer in (self.api.put_object(Bucket=b, Key="tmp/x", Body=b"x"), self.api.get_object(Bucket=b, Key="tmp/x"), self.api.head_object(Bucket=b, Key="tmp/x"),
                       self.api.copy_object(Bucket=b, Key="tmp/y", CopySource={"Bucket": b, "Key": "tmp/x"})):
            self.assertEqual(answer["Expiration"], f'expiry-date="{midnight}", rule-id="tmp"')
        self.api.delete_bucket_lifecycle(Bucket=b)
        self.refused("NoSuchLifecycleConfiguration", 404, self.api.get_bucket_lifecycle_configuration, Bucket=b)
        for name in ("tagging", "policy", "cors"):
            getattr(self.api, "delete_bucket_" + name)(Bucket=b)
        self.refused("NoSuchTagSet", 404, self.api.get_bucket_tagging, Bucket=b)
        self.refused("NotImplemented", 501, self.api.put_bucket_encryption, Bucket=b,
                     ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "mine"}}]})
        managed = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]}  # what SAM and the CDK give their buckets
        self.api.put_bucket_encryption(Bucket=b, ServerSideEncryptionConfiguration=managed)
        self.assertEqual(self.api.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"], managed)
        self.api.put_object(Bucket=b, Key="managed", Body=b"x", ServerSideEncryption="aws:kms")
        self.api.delete_bucket_encryption(Bucket=b)
        self.assertEqual(self.api.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"],
                         {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]})
        self.refused("NotImplemented", 400, self.api.put_bucket_replication, Bucket=b, ReplicationConfiguration={"Role": "r", "Rules": []})


class Notifications(S3Case):
    def receive(self, queue):
        for _ in range(30):
            for message in self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2).get("Messages", []):
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                return json.loads(message["Body"])
        self.fail("no message came")

    def test_to_a_queue_and_a_function(self):
        self.sqs, functions = common.client("sqs"), common.client("lambda")
        b = self.bucket()
        queue = self.sqs.create_queue(QueueName=self.name("q"))["QueueUrl"]
        answers = self.sqs.create_queue(QueueName=self.name("answers"))["QueueUrl"]
        arn = lambda url: self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        name = self.name("f")
        function = functions.create_function(FunctionName=name, Runtime=common.RUNTIME, Role=common.ROLE, Handler="app.handler", Code={"ZipFile": common.archive(
            app="import boto3, json, os\nsqs, s3 = boto3.client('sqs'), boto3.client('s3')\ndef handler(event, context):\n    r = event['Records'][0]['s3']\n"
                "    text = s3.get_object(Bucket=r['bucket']['name'], Key=r['object']['key'])['Body'].read().decode()\n"
                "    sqs.send_message(QueueUrl=os.environ['ANSWERS'], MessageBody=json.dumps({'text': text}))\n")}, Environment={"Variables": {"ANSWERS": answers}}, Timeout=60)["FunctionArn"]
        self.addCleanup(lambda: functions.delete_function(FunctionName=name))
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=common.QUICK)
        to = lambda kind, arn: {"Bucket": b, "NotificationConfiguration": {kind + "Configurations": [{("Lambda" if kind == "LambdaFunction" else "") + kind.replace("Lambda", "") + "Arn": arn, "Events": ["s3:ObjectCreated:*"]}]}}
        # The texts are those of S3's replies.
        for kind, target, why in (("Queue", arn(queue) + "x", "The destination queue does not exist"), ("LambdaFunction", function + "x", "The destination Lambda does not exist"),
                                  ("Topic", arn(queue).replace(":sqs:", ":sns:"), "The destination topic does not exist"), ("LambdaFunction", function, f"Not authorized to invoke function [{function}]")):
            got = self.refused("InvalidArgument", 400, self.api.put_bucket_notification_configuration, **to(kind, target))
            self.assertEqual((got["Error"]["Message"], got["Error"]["ArgumentName1"], got["Error"]["ArgumentValue1"]), ("Unable to validate the following destination configurations", target, why))
        self.api.put_bucket_notification_configuration(**to("LambdaFunction", function), SkipDestinationValidation=True)
        functions.add_permission(FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::" + b, SourceAccount=common.ACCOUNT)
        self.refused("InvalidArgument", 400, self.api.put_bucket_notification_configuration, Bucket=b,
                     NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn(queue) + "x", "Events": ["s3:ObjectCreated:*"]}]})
        configuration = {
            "QueueConfigurations": [{"Id": "one", "QueueArn": arn(queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                                     "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in/"}]}}}],
            "LambdaFunctionConfigurations": [{"Id": "two", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "f/"}, {"Name": "Suffix", "Value": ".txt"}]}}}],
            "EventBridgeConfiguration": {},
        }
        self.api.put_bucket_notification_configuration(Bucket=b, NotificationConfiguration=configuration)
        self.assertEqual(common.without(self.api.get_bucket_notification_configuration(Bucket=b)), configuration)
        self.assertEqual(self.receive(queue)["Event"], "s3:TestEvent")
        etag = self.api.put_object(Bucket=b, Key="in/a b", Body=b"data")["ETag"]
        self.api.put_object(Bucket=b, Key="out", Body=b"data")
        record = self.receive(queue)["Records"][0]
        self.assertEqual((record["eventName"], record["s3"]["configurationId"], record["s3"]["bucket"]["name"]), ("ObjectCreated:Put", "one", b))
        self.assertEqual(record["s3"]["object"], {"key": "in/a+b", "size": 4, "eTag": etag.strip('"'), "sequencer": record["s3"]["object"]["sequencer"]})
        self.api.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "in/a b"}]})
        self.assertEqual(self.receive(queue)["Records"][0]["eventName"], "ObjectRemoved:Delete")
        self.api.put_object(Bucket=b, Key="f/x.txt", Body=b"for the function")
        self.assertEqual(self.receive(answers), {"text": "for the function"})


class Code(S3Case):
    def test_functions_and_layers_from_a_bucket(self):
        functions = common.client("lambda")
        b, name = self.bucket(), self.name("f")
        self.api.put_object(Bucket=b, Key="code/f.zip", Body=common.archive(app="import shared\ndef handler(event, context):\n    return shared.VALUE\n"))
        self.api.put_object(Bucket=b, Key="layer.zip", Body=common.archive({"python/shared.py": "VALUE = 'from a bucket'\n"}))
        layer = functions.publish_layer_version(LayerName=self.name("l"), Content={"S3Bucket": b, "S3Key": "layer.zip"})["LayerVersionArn"]
        arguments = dict(FunctionName=name, Runtime=common.RUNTIME, Role=common.ROLE, Handler="app.handler", Layers=[layer], Timeout=60)
        self.addCleanup(lambda: functions.delete_function(FunctionName=name))
        with self.assertRaises(ClientError) as caught:
            functions.create_function(Code={"S3Bucket": b, "S3Key": "none"}, **arguments)
        self.assertEqual(caught.exception.response["Error"]["Message"], "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
        functions.create_function(Code={"S3Bucket": b, "S3Key": "code/f.zip"}, **arguments)
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=common.QUICK)
        self.assertEqual(json.loads(functions.invoke(FunctionName=name)["Payload"].read()), "from a bucket")
        functions.update_function_code(FunctionName=name, S3Bucket=b, S3Key="code/f.zip")


class CommandLine(S3Case):
    def aws(self, *arguments):
        done = subprocess.run([sys.executable, "-m", "awscli", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_mb_cp_sync_ls_presign_rm_rb(self):
        b = self.name("cli")
        self.aws("s3", "mb", f"s3://{b}")
        self.addCleanup(self.destroy, b)
        with tempfile.TemporaryDirectory() as folder:
            for path, data in {"big.bin": bytes(range(256)) * (40 * 1024), "a.txt": b"a", "sub/b.txt": b"b"}.items():
                os.makedirs(os.path.dirname(os.path.join(folder, "up", path)), exist_ok=True)
                with open(os.path.join(folder, "up", path), "wb") as f:
                    f.write(data)
                os.utime(os.path.join(folder, "up", path), (1e9, 1e9))  # AWS tells seconds: a file of this second would be newer than its object
            self.aws("s3", "cp", os.path.join(folder, "up", "big.bin"), f"s3://{b}/big.bin")  # in parts
            self.aws("s3", "sync", os.path.join(folder, "up"), f"s3://{b}/tree")
            self.assertEqual(self.aws("s3", "sync", os.path.join(folder, "up"), f"s3://{b}/tree"), "")
            listed = self.aws("s3", "ls", f"s3://{b}", "--recursive")
            self.assertEqual([line.split()[-1] for line in listed.splitlines()], ["big.bin", "tree/a.txt", "tree/big.bin", "tree/sub/b.txt"])
            self.assertIn("PRE sub/", self.aws("s3", "ls", f"s3://{b}/tree/"))
            self.aws("s3", "cp", f"s3://{b}/tree", os.path.join(folder, "down"), "--recursive")
            with open(os.path.join(folder, "down", "big.bin"), "rb") as f:
                self.assertEqual(f.read(), bytes(range(256)) * (40 * 1024))
            self.aws("s3", "mv", f"s3://{b}/tree/a.txt", f"s3://{b}/moved.txt")
            with urllib.request.urlopen(self.aws("s3", "presign", f"s3://{b}/moved.txt").strip()) as answer:
                self.assertEqual(answer.read(), b"a")
        self.aws("s3", "rm", f"s3://{b}", "--recursive")
        self.aws("s3", "rb", f"s3://{b}")


class Addresses(S3Case):
    def test_presigned(self):
        b = self.bucket()
        url = self.api.generate_presigned_url("put_object", Params={"Bucket": b, "Key": "k k", "ContentType": "text/x"}, ExpiresIn=60)
        request = urllib.request.Request(url, data=b"presigned", method="PUT", headers={"Content-Type": "text/x"})
        with urllib.request.urlopen(request) as answer:
            self.assertEqual(answer.status, 200)
        url = self.api.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "k k", "ResponseContentType": "text/y"}, ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            self.assertEqual((answer.read(), answer.headers["Content-Type"]), (b"presigned", "text/y"))

    def test_virtual_hosts(self):
        b = self.bucket()
        self.api.put_object(Bucket=b, Key="a/b", Body=b"x")
        endpoint = urllib.parse.urlsplit(self.api.meta.endpoint_url)
        for host in (f"{b}.s3.{common.REGION}.localhost", f"{b}.localhost", f"{b}.s3.amazonaws.com"):
            url = self.api.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "a/b"})
            with self.subTest(host):
                import boto3
                from botocore.config import Config
                other = boto3.client("s3", endpoint_url=f"http://{host}:{endpoint.port}", config=Config(s3={"addressing_style": "path"}))
                url = other.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "a/b"}).replace(f"/{b}/a/b", "/a/b")
                request = urllib.request.Request(url.replace(host + ":", endpoint.hostname + ":"), headers={"Host": f"{host}:{endpoint.port}"})
                with urllib.request.urlopen(request) as answer:
                    self.assertEqual(answer.read(), b"x")


if __name__ == "__main__":
    unittest.main()
