"""Makes the pipeline of docs/pipeline.md with boto3, uploads a file and tells what became of its rows.

    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
        python3 examples/pipeline/setup.py

It can be run again: what is there is used. With --remove it removes all that it made. Nothing in it is particular to
this platform. It makes a role that allows what the functions and the schedule do, and no more; PIPELINE_ROLE names another.
"""

import datetime
import io
import json
import os
import pathlib
import sys
import time
import zipfile

import boto3

NAME = "pipeline"
FUNCTIONS = ("parse", "price", "store", "report")
TIMEOUT = 5  # seconds for a call, and until a row that failed comes again
NIGHTLY = {"ScheduleExpression": "cron(0 2 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"}

s3, sqs, sns, scheduler = boto3.client("s3"), boto3.client("sqs"), boto3.client("sns"), boto3.client("scheduler")
functions, logs, iam = boto3.client("lambda"), boto3.client("logs"), boto3.client("iam")
REGION, ACCOUNT = s3.meta.region_name, boto3.client("sts").get_caller_identity()["Account"]
BUCKET = f"{NAME}-{ACCOUNT}-{REGION}"
ROLE = os.environ.get("PIPELINE_ROLE", f"arn:aws:iam::{ACCOUNT}:role/{NAME}")
TOPIC, DEAD, ROWS = (f"arn:aws:{service}:{REGION}:{ACCOUNT}:{NAME}-{name}" for service, name in (("sns", "priced"), ("sqs", "dead"), ("sqs", "rows")))


STARTED = time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", flush=True)


def function(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-{name}"


def wait(what, done, seconds=120):
    deadline = time.monotonic() + seconds
    while not (result := done()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds} seconds")
        time.sleep(0.2)
    return result


def unless(refused, call, *positional, **arguments):
    """Calls; None if it was refused because the thing is there already, or is not there."""
    try:
        return call(*positional, **arguments)
    except refused:
        return None


def queue(name, **attributes):
    # For a minute after it was deleted, a queue cannot be made again.
    recently = sqs.exceptions.QueueDeletedRecently
    return wait(f"the queue {name}", lambda: unless(recently, sqs.create_queue, QueueName=f"{NAME}-{name}", Attributes=attributes))["QueueUrl"]


def role():
    """Makes the role of the functions and the schedule; its policy is what they do."""
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    unless(iam.exceptions.EntityAlreadyExistsException, iam.create_role, RoleName=NAME, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=policy(
        allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/*"),
        allow(["s3:ListBucket"], f"arn:aws:s3:::{BUCKET}"),
        allow(["sqs:GetQueueUrl", "sqs:SendMessage"], ROWS),  # parse
        allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], ROWS),  # the event source mapping
        allow(["sqs:SendMessage"], DEAD),  # calls and schedules that failed
        allow(["sns:Publish"], TOPIC),
        allow(["lambda:InvokeFunction"], function("report")),  # the schedule
        allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{NAME}-*")))


def allow(actions, resource):
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def with_role(call, **arguments):
    """Calls until the service may assume the role: on AWS a new one is known within seconds."""
    def once():
        try:
            return call(**arguments)
        except (functions.exceptions.InvalidParameterValueException, scheduler.exceptions.ValidationException) as error:
            if "assume" not in error.response["Error"]["Message"]:
                raise
    return wait("the role", once)


def deploy():
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FUNCTIONS:
            archive.writestr(name + ".py", pathlib.Path(__file__).with_name(name + ".py").read_text())
    for name in FUNCTIONS:
        made = unless(
            functions.exceptions.ResourceConflictException, with_role, functions.create_function, FunctionName=f"{NAME}-{name}", Runtime="python3.14", Handler=name + ".handler",
            Timeout=TIMEOUT, Role=ROLE, Code={"ZipFile": package.getvalue()}, DeadLetterConfig={"TargetArn": DEAD},
            Environment={"Variables": {"QUEUE": f"{NAME}-rows", "TOPIC": TOPIC, "BUCKET": BUCKET}})
        if not made:
            functions.update_function_code(FunctionName=f"{NAME}-{name}", ZipFile=package.getvalue())
    for name in FUNCTIONS:
        for waiter in ("function_active_v2", "function_updated_v2"):
            functions.get_waiter(waiter).wait(FunctionName=f"{NAME}-{name}", WaiterConfig={"Delay": 1})


def permit(name, service, source):
    unless(functions.exceptions.ResourceConflictException, functions.add_permission, FunctionName=f"{NAME}-{name}", StatementId=service,
           Action="lambda:InvokeFunction", Principal=service + ".amazonaws.com", SourceArn=source, SourceAccount=ACCOUNT)


def mappings():
    return functions.list_event_source_mappings(EventSourceArn=ROWS)["EventSourceMappings"]


def make():
    """Makes everything; gives the URL of the dead-letter queue."""
    dead = queue("dead")
    queue("rows", VisibilityTimeout=str(TIMEOUT), RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 2}))
    sns.create_topic(Name=f"{NAME}-priced")
    place = {} if REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    unless(s3.exceptions.BucketAlreadyOwnedByYou, s3.create_bucket, Bucket=BUCKET, **place)
    if "PIPELINE_ROLE" not in os.environ:
        role()
    say("made the bucket, the queues rows and dead, the topic priced and the role")
    deploy()
    say("deployed " + ", ".join(FUNCTIONS))
    permit("parse", "s3", f"arn:aws:s3:::{BUCKET}")
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"LambdaFunctionConfigurations": [{
        "LambdaFunctionArn": function("parse"), "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}, {"Name": "suffix", "Value": ".csv"}]}}}]})
    if not mappings():
        functions.create_event_source_mapping(EventSourceArn=ROWS, FunctionName=f"{NAME}-price", BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"])
    permit("store", "sns", TOPIC)
    sns.subscribe(TopicArn=TOPIC, Protocol="lambda", Endpoint=function("store"))
    unless(scheduler.exceptions.ConflictException, schedule, name="nightly", **NIGHTLY)
    say("joined them: bucket -> parse, rows -> price, priced -> store, schedule -> report")
    return dead


def schedule(name, run="nightly", **options):
    return with_role(
        scheduler.create_schedule, Name=f"{NAME}-{name}", FlexibleTimeWindow={"Mode": "OFF"}, **options,
        Target={"Arn": function("report"), "RoleArn": ROLE, "Input": json.dumps({"run": run}), "DeadLetterConfig": {"Arn": DEAD}})


def orders(upload):
    return [json.load(s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"]) for page in
            s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"orders/{upload}/") for found in page.get("Contents", [])]


def try_it(dead):
    run = str(time.time_ns())
    upload = f"uploads/{run} orders.csv"
    good, wrong = range(1, 26), ("26", "27")
    lines = ["order,item,quantity,price", *(f"{n},tea,{n % 4 + 1},2.50" for n in good), "26,coffee,many,3.10", '27,"cake, ""large""",1,']
    s3.put_object(Bucket=BUCKET, Key=upload, Body="\n".join(lines).encode())
    say(f"uploaded {len(lines) - 1} orders, {len(wrong)} of them wrong")

    def priced():
        found = orders(upload)
        return found if len(found) >= len(good) else None

    found = wait("the orders", priced)
    say(f"{len(found)} orders were priced, such as {min(found, key=lambda o: int(o['order']))}")

    failed = set()

    def letters():
        for message in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            row = json.loads(message["Body"])
            if row.get("upload") == upload:
                failed.add(row["order"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        return failed >= set(wrong)

    wait("the dead-letter queue", letters)
    say("in the dead-letter queue: orders " + ", ".join(sorted(failed)))

    # Nobody wants to wait for the night: a schedule of its own for once, which is gone after it.
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    schedule(f"once-{run}", run, ScheduleExpression=soon.strftime("at(%Y-%m-%dT%H:%M:%S)"), ActionAfterCompletion="DELETE")

    def report():
        got = unless(s3.exceptions.NoSuchKey, s3.get_object, Bucket=BUCKET, Key="report.json")
        text = json.load(got["Body"]) if got else {}
        return text if text.get("run") == run else None

    text = wait("the report", report)
    say(f"the report: {text['orders']} orders, {text['total']}")


def remove():
    for mapping in mappings():
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    wait("the mapping is gone", lambda: not mappings())
    for page in scheduler.get_paginator("list_schedules").paginate(NamePrefix=NAME + "-"):
        for found in page["Schedules"]:
            unless(scheduler.exceptions.ResourceNotFoundException, scheduler.delete_schedule, Name=found["Name"])
    sns.delete_topic(TopicArn=TOPIC)  # and its subscription
    for name in FUNCTIONS:
        unless(functions.exceptions.ResourceNotFoundException, functions.delete_function, FunctionName=f"{NAME}-{name}")
        unless(logs.exceptions.ResourceNotFoundException, logs.delete_log_group, logGroupName=f"/aws/lambda/{NAME}-{name}")
    for name in ("rows", "dead"):
        found = unless(sqs.exceptions.QueueDoesNotExist, sqs.get_queue_url, QueueName=f"{NAME}-{name}")
        if found:
            sqs.delete_queue(QueueUrl=found["QueueUrl"])
    if any(found["Name"] == BUCKET for found in s3.list_buckets()["Buckets"]):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=BUCKET, Key=found["Key"])
        s3.delete_bucket(Bucket=BUCKET)
    if "PIPELINE_ROLE" not in os.environ:
        unless(iam.exceptions.NoSuchEntityException, iam.delete_role_policy, RoleName=NAME, PolicyName=NAME)
        unless(iam.exceptions.NoSuchEntityException, iam.delete_role, RoleName=NAME)
    say("all of the pipeline is removed")


if __name__ == "__main__":
    if sys.argv[1:] == ["--remove"]:
        remove()
    else:
        try_it(make())
