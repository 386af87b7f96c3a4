"""Second step, called with rows from the queue: computes what an order costs and tells the topic.

A row that is wrong stays in the queue, comes again, and goes to the dead-letter queue after two tries.
"""

import decimal
import json
import os

import boto3

sns = boto3.client("sns")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        row = json.loads(record["body"])
        try:
            total = decimal.Decimal(row["price"]) * int(row["quantity"])
        except (KeyError, TypeError, ValueError, decimal.InvalidOperation) as error:
            print(f"order {row.get('order')} of {row['upload']} is wrong: {error!r}")
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        sns.publish(TopicArn=os.environ["TOPIC"], Message=json.dumps({**row, "total": str(total)}))
    return {"batchItemFailures": failures}
