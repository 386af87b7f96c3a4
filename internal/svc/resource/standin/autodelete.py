"""Empties a bucket before it is deleted, as the CDK's handler of Custom::S3AutoDeleteObjects does."""

import boto3
import botocore.exceptions

import cfnresponse

# The CDK tags the buckets that may be emptied; without the tag nothing is deleted.
TAG = {"Key": "aws-cdk:auto-delete-objects", "Value": "true"}
ABSENT = ("NoSuchBucket", "404")

s3 = boto3.client("s3")


def handler(event, context):
    bucket = (event.get("ResourceProperties") or {}).get("BucketName", "")
    try:
        if event["RequestType"] == "Delete":
            empty(bucket)
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {}, bucket)
    except Exception as e:
        print("the bucket could not be emptied:", e)
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, event.get("PhysicalResourceId") or bucket, reason=str(e))


def empty(bucket):
    try:
        if TAG not in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]:
            print("the bucket", bucket, "has no tag that lets it be emptied")
            return
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if not versions:
                continue
            keys = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions]
            failed = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}).get("Errors")
            if failed:
                raise RuntimeError("{Key}: {Message}".format(**failed[0]))
    except botocore.exceptions.ClientError as e:
        if e.response["Error"]["Code"] in ABSENT + ("NoSuchTagSet",):
            print("there is nothing to empty:", e)
            return
        raise
