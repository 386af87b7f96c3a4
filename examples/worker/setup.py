"""Makes the pipeline queue -> worker -> dead-letter queue with boto3, sends orders through it and tells what became of them.

    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
        python3 examples/worker/setup.py

It can be run again: what is there is used. Nothing in it is particular to this platform.
"""

import io
import json
import pathlib
import time
import zipfile

import boto3

NAME = "worker"
ORDERS = 20
TIMEOUT = 2  # seconds for a batch, and until a message that failed comes again

sqs, functions, logs, iam = boto3.client("sqs"), boto3.client("lambda"), boto3.client("logs"), boto3.client("iam")


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def role(source):
    """Makes the role of the function; its policy is what the function and its event source mapping do. Gives its ARN."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    try:
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=policy(trust))
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=policy(
        {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], "Resource": source},
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}))
    return iam.get_role(RoleName=NAME)["Role"]["Arn"]


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def deploy(role_arn):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", pathlib.Path(__file__).with_name("app.py").read_text())

    def made():
        try:
            return functions.create_function(FunctionName=NAME, Runtime="python3.14", Handler="app.handler", Timeout=TIMEOUT,
                                             Role=role_arn, Code={"ZipFile": package.getvalue()})
        except functions.exceptions.InvalidParameterValueException as error:
            if "assume" not in error.response["Error"]["Message"]:
                raise  # else the role is new: on AWS it is known within seconds

    try:
        wait("the function", made)
    except functions.exceptions.ResourceConflictException:
        functions.update_function_code(FunctionName=NAME, ZipFile=package.getvalue())
    functions.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 1})
    functions.get_waiter("function_updated_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 1})


def connect(source):
    # Only orders are of interest: other messages are deleted unseen.
    pattern = json.dumps({"body": {"order": [{"exists": True}]}})
    if functions.list_event_source_mappings(EventSourceArn=source, FunctionName=NAME)["EventSourceMappings"]:
        return
    functions.create_event_source_mapping(
        EventSourceArn=source, FunctionName=NAME, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": pattern}]})


def wait(what, done, seconds=120):
    deadline = time.monotonic() + seconds
    while not (result := done()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds} seconds")
        time.sleep(0.2)
    return result


def drained(url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) == {"0"}


def main():
    dead_url, dead = queue(NAME + "-dead")
    url, source = queue(NAME + "-orders", VisibilityTimeout=str(TIMEOUT),
                        RedrivePolicy=json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2}))
    deploy(role(source))
    connect(source)
    begin = int(time.time() * 1000)
    orders = [{"order": n, "quantity": n % 7, "price": 5} for n in range(ORDERS)]  # those without a quantity fail
    for first in range(0, ORDERS, 10):
        sqs.send_message_batch(QueueUrl=url, Entries=[
            {"Id": str(o["order"]), "MessageBody": json.dumps(o)} for o in orders[first:first + 10]])
    sqs.send_message(QueueUrl=url, MessageBody="no order")
    wait("the queue is empty", lambda: drained(url))
    good = sum(o["quantity"] > 0 for o in orders)

    def handled():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + NAME, startTime=begin, filterPattern="order")
        lines = [event["message"] for page in pages for event in page["events"] if event["message"].startswith("order ")]
        return lines if len(lines) >= good else None

    lines = wait("the log of the worker", handled)
    print(f"{len(lines)} orders were handled, such as", lines[0].strip())
    failed = []

    def letters():
        for message in sqs.receive_message(QueueUrl=dead_url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            failed.append(json.loads(message["Body"])["order"])
            sqs.delete_message(QueueUrl=dead_url, ReceiptHandle=message["ReceiptHandle"])
        return len(failed) >= ORDERS - good

    wait("the dead-letter queue", letters)
    print("in the dead-letter queue: orders", ", ".join(map(str, sorted(failed))))


if __name__ == "__main__":
    main()
