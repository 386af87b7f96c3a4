"""First step, called by S3 for each CSV file that is uploaded: sends its rows to the queue."""

import csv
import io
import itertools
import json
import os
import urllib.parse

import boto3

s3, sqs = boto3.client("s3"), boto3.client("sqs")


def handler(event, context):
    queue = sqs.get_queue_url(QueueName=os.environ["QUEUE"])["QueueUrl"]
    for record in event["Records"]:
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])  # S3 encodes it in its events
        text = s3.get_object(Bucket=record["s3"]["bucket"]["name"], Key=key)["Body"].read().decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        sent = 0
        for batch in itertools.batched(rows, 10):  # as many as a request may have
            answer = sqs.send_message_batch(QueueUrl=queue, Entries=[
                {"Id": str(n), "MessageBody": json.dumps({**row, "upload": key})} for n, row in enumerate(batch)])
            if answer.get("Failed"):
                raise RuntimeError(f"rows of {key} were not sent: {answer['Failed']}")  # the call is tried again
            sent += len(batch)
        print(f"{key}: {sent} rows")
