"""Handles orders from a queue: an event source mapping calls it with batches of messages.

It names the messages that it could not handle. The others are deleted from the queue; those
come again, and after two tries they go to the dead-letter queue. setup.py makes all of it.
"""

import json


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            order = json.loads(record["body"])
            total = order["quantity"] * order["price"]
            if order["quantity"] < 1:
                raise ValueError(f"a quantity of {order['quantity']}")
            print(f"order {order['order']}: {total}")
        except (KeyError, TypeError, ValueError) as error:
            print(f"message {record['messageId']} was not handled, try {record['attributes']['ApproximateReceiveCount']}: {error!r}")
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
