"""Called by a schedule each night: adds up all orders."""

import decimal
import json
import os

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    bucket, count, total = os.environ["BUCKET"], 0, decimal.Decimal(0)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="orders/"):
        for found in page.get("Contents", []):
            order = json.load(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"])
            count, total = count + 1, total + decimal.Decimal(order["total"])
    s3.put_object(Bucket=bucket, Key="report.json", Body=json.dumps({"orders": count, "total": str(total), "run": event["run"]}))
