"""Third step, called by the topic: keeps each priced order as an object.

A message may come twice: the key is the order's, so that nothing is counted twice.
"""

import json
import os

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        s3.put_object(Bucket=os.environ["BUCKET"], Key=f"orders/{order['upload']}/{order['order']}.json", Body=json.dumps(order))
