"""Calls another function with boto3, which finds the platform by itself."""

import json

import boto3

client = boto3.client("lambda")


def handler(event, context):
    reply = client.invoke(FunctionName=event["function"], Payload=json.dumps(event["payload"]))
    answer = json.load(reply["Payload"])
    print(f"{event['function']} answered with status {reply['StatusCode']}")
    return {"called": event["function"], "answer": answer}
