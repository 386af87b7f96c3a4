"""Asynchronous calls, their destinations and dead letters, as boto3 sees them.

The records and attributes are those that AWS sent in LocalStack's recorded tests
(tests/aws/services/lambda_/test_lambda_destinations.snapshot.json) and documents at
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
The server of these tests passes the pauses between tries 120 times faster.
"""

import json
import time

import boto3
from botocore.exceptions import ClientError

from common import Case, arn, status

# Fails as often as the event says, then returns what it got.
SOURCE = """
import time

def handler(event, context):
    print('ran', context.aws_request_id)
    if event.get('fail'):
        raise ValueError('intentional failure: ' + 'x' * event.get('long', 0))
    return {'got': event}
"""

# Sends its own event on, without end, to the queue that called it by way of a destination.
FOREVER = "def handler(event, context):\n    print('hop')\n    return 1\n"


class Destinations(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = boto3.client("sqs")

    def queue(self, **attributes):
        name = self.name("q") + (".fifo" if attributes.get("FifoQueue") else "")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def message(self, url):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            got = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
            if got:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
                return got[0]
        self.fail("no message")

    def start(self, name, event, qualifier=None):
        """Calls asynchronously; the request id of the call."""
        more = {"Qualifier": qualifier} if qualifier else {}
        response = self.api.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **more)
        self.assertEqual(202, status(response))
        return response["ResponseMetadata"]["RequestId"]

    def record(self, url):
        record = json.loads(self.message(url)["Body"])
        self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        return record

    def test_the_records_of_success_and_failure(self):
        name = self.name()
        self.create(SOURCE, name=name)
        (good, good_arn), (bad, bad_arn) = self.queue(), self.queue()
        put = self.api.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, DestinationConfig={
            "OnSuccess": {"Destination": good_arn}, "OnFailure": {"Destination": bad_arn}})
        self.assertEqual(arn(name, "$LATEST"), put["FunctionArn"])
        request = self.start(name, {"n": 1})
        self.assertEqual({
            "version": "1.0",
            "requestContext": {"requestId": request, "functionArn": arn(name, "$LATEST"), "condition": "Success", "approximateInvokeCount": 1},
            "requestPayload": {"n": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"got": {"n": 1}},
        }, self.record(good))
        request = self.start(name, {"fail": True})
        record = self.record(bad)
        error = record.pop("responsePayload")
        self.assertEqual({
            "version": "1.0",
            "requestContext": {"requestId": request, "functionArn": arn(name, "$LATEST"), "condition": "RetriesExhausted", "approximateInvokeCount": 2},
            "requestPayload": {"fail": True},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        }, record)
        self.assertEqual(["errorMessage", "errorType", "requestId", "stackTrace"], list(error))
        self.assertEqual(("intentional failure: ", "ValueError", request), (error["errorMessage"], error["errorType"], error["requestId"]))

    def test_a_dead_letter_has_the_event_and_three_attributes(self):
        name = self.name()
        url, queue = self.queue()
        created = self.create(SOURCE, name=name, DeadLetterConfig={"TargetArn": queue})
        self.assertEqual({"TargetArn": queue}, created["DeadLetterConfig"])
        request = self.start(name, {"fail": True, "long": 2000})
        letter = self.message(url)
        self.assertEqual({"fail": True, "long": 2000}, json.loads(letter["Body"]))
        attributes = {k: (v["DataType"], v["StringValue"]) for k, v in letter["MessageAttributes"].items()}
        self.assertEqual({
            "RequestID": ("String", request), "ErrorCode": ("Number", "200"),
            "ErrorMessage": ("String", ("intentional failure: " + "x" * 2000)[:1024]),
        }, attributes)
        # Three tries with one request id.
        runs = boto3.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name, filterPattern="ran")["events"]
        self.assertEqual([f"ran {request}\n"] * 3, [e["message"] for e in runs])

    def test_a_dead_letter_of_a_published_version_stays(self):
        name = self.name()
        url, queue = self.queue()
        self.create(SOURCE, name=name, DeadLetterConfig={"TargetArn": queue}, Publish=True)
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        self.assertNotIn("DeadLetterConfig", self.api.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""}))
        self.wait(name, "function_updated_v2")
        self.api.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=0)
        self.start(name, {"fail": True}, "live")
        self.assertEqual({"fail": True}, json.loads(self.message(url)["Body"]))

    def test_a_reservation_of_nothing_goes_straight_to_the_dead_letter_queue(self):
        name = self.name()
        (letters, letters_arn), (records, records_arn) = self.queue(), self.queue()
        self.create(SOURCE, name=name, DeadLetterConfig={"TargetArn": letters_arn})
        self.api.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": records_arn}})
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        request = self.start(name, {"n": 1})
        self.assertEqual({
            "version": "1.0",
            "requestContext": {"requestId": request, "functionArn": arn(name, "$LATEST"), "condition": "ZeroReservedConcurrency", "approximateInvokeCount": 0},
            "requestPayload": {"n": 1},
        }, self.record(records))
        letter = self.message(letters)
        self.assertEqual(({"n": 1}, request), (json.loads(letter["Body"]), letter["MessageAttributes"]["RequestID"]["StringValue"]))
        self.assertIn("AWSTraceHeader", letter["Attributes"])

    def test_an_event_that_gets_too_old(self):
        name = self.name()
        url, queue = self.queue()
        self.create(SOURCE, name=name)
        # The first retry would come after a minute, at the greatest age.
        self.api.put_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": queue}})
        self.api.invoke(FunctionName=name, Payload='{"n": 1}')  # warm: the age of this test's events passes in half a second
        self.start(name, {"fail": True})
        context = self.record(url)["requestContext"]
        self.assertEqual("EventAgeExceeded", context["condition"])

    def test_a_function_as_the_destination_of_a_function(self):
        first, second = self.name(), self.name()
        url, queue = self.queue()
        self.create(SOURCE, name=first)
        self.create(SOURCE, name=second)
        self.api.put_function_event_invoke_config(FunctionName=first, DestinationConfig={"OnSuccess": {"Destination": arn(second)}})
        self.api.put_function_event_invoke_config(FunctionName=second, DestinationConfig={"OnSuccess": {"Destination": queue}})
        request = self.start(first, {"n": 1})
        record = self.record(url)
        inner = record["requestPayload"]
        self.assertEqual((arn(second, "$LATEST"), arn(first, "$LATEST"), request, {"got": {"n": 1}}),
                         (record["requestContext"]["functionArn"], inner["requestContext"]["functionArn"], inner["requestContext"]["requestId"], inner["responsePayload"]))

    def test_a_bus_as_the_destination(self):
        events = boto3.client("events")
        name, bus = self.name(), self.name("bus")
        url, queue = self.queue()
        bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
        self.addCleanup(events.delete_event_bus, Name=bus)
        events.put_rule(Name="all", EventBusName=bus, EventPattern='{"source": ["lambda"]}')
        events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": queue}])
        self.addCleanup(events.delete_rule, Name="all", EventBusName=bus)
        self.addCleanup(events.remove_targets, Rule="all", EventBusName=bus, Ids=["1"])
        self.create(SOURCE, name=name)
        self.api.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": bus_arn}})
        request = self.start(name, {"n": 1})
        event = json.loads(self.message(url)["Body"])
        self.assertEqual(("lambda", "Lambda Function Invocation Result - Success", [arn(name, "$LATEST"), bus_arn]), (event["source"], event["detail-type"], event["resources"]))
        self.assertEqual((request, {"got": {"n": 1}}), (event["detail"]["requestContext"]["requestId"], event["detail"]["responsePayload"]))

    def test_a_topic_takes_records_and_dead_letters(self):
        sns = boto3.client("sns")
        name = self.name()
        url, queue = self.queue()
        topic = sns.create_topic(Name=self.name("t"))["TopicArn"]
        self.addCleanup(sns.delete_topic, TopicArn=topic)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
        self.create(SOURCE, name=name, DeadLetterConfig={"TargetArn": topic})
        self.api.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": topic}})
        request = self.start(name, {"n": 1})
        self.assertEqual(request, self.record(url)["requestContext"]["requestId"])
        request = self.start(name, {"fail": True})
        letter = self.message(url)
        self.assertEqual({"fail": True}, json.loads(letter["Body"]))
        attributes = {k: (v["DataType"], v["StringValue"]) for k, v in letter["MessageAttributes"].items()}
        self.assertEqual({"RequestID": ("String", request), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", "intentional failure: ")}, attributes)

    def test_a_bucket_takes_records_of_failures(self):
        s3 = boto3.client("s3")
        name, bucket = self.name(), self.name("bucket")
        s3.create_bucket(Bucket=bucket)
        self.addCleanup(s3.delete_bucket, Bucket=bucket)
        self.create(SOURCE, name=name)
        destination = {"Destination": "arn:aws:s3:::" + bucket}
        with self.assertRaises(ClientError) as caught:  # on failure only
            self.api.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": destination})
        self.assertEqual("InvalidParameterValueException", caught.exception.response["Error"]["Code"])
        self.api.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": destination})
        request = self.start(name, {"fail": True})
        deadline = time.monotonic() + 120
        while not (found := s3.list_objects_v2(Bucket=bucket).get("Contents", [])):
            self.assertLess(time.monotonic(), deadline, "no object")
        self.addCleanup(s3.delete_object, Bucket=bucket, Key=found[0]["Key"])
        self.assertRegex(found[0]["Key"], rf"^aws/lambda/async/{name}/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}$")
        record = json.loads(s3.get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read())
        self.assertEqual((request, "RetriesExhausted"), (record["requestContext"]["requestId"], record["requestContext"]["condition"]))

    def test_two_functions_that_call_each_other_are_stopped(self):
        """Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html: about 16 times, then
        the event goes to the dead-letter queue."""
        first, second = self.name(), self.name()
        url, queue = self.queue()
        self.create(FOREVER, name=first, DeadLetterConfig={"TargetArn": queue})
        self.create(FOREVER, name=second, DeadLetterConfig={"TargetArn": queue})
        self.api.put_function_event_invoke_config(FunctionName=first, DestinationConfig={"OnSuccess": {"Destination": arn(second)}})
        self.api.put_function_event_invoke_config(FunctionName=second, DestinationConfig={"OnSuccess": {"Destination": arn(first)}})
        self.start(first, {"n": 1})
        letter = self.message(url)
        self.assertIn("Lineage=", letter["Attributes"]["AWSTraceHeader"])
        hops = boto3.client("logs").filter_log_events(logGroupName="/aws/lambda/" + first, filterPattern="hop")["events"]
        self.assertEqual(16, len(hops))

    def test_what_is_refused(self):
        name = self.name()
        _, fifo = self.queue(FifoQueue="true")
        self.create(SOURCE, name=name)
        with self.assertRaises(ClientError) as caught:
            self.api.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": fifo})
        self.assertEqual("InvalidParameterValueException", caught.exception.response["Error"]["Code"])
        with self.assertRaises(ClientError) as caught:
            self.api.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn(name)}})
        self.assertEqual("You can't specify the function as a destination for itself.", caught.exception.response["Error"]["Message"])
        with self.assertRaises(self.api.exceptions.ResourceNotFoundException):
            self.api.get_function_event_invoke_config(FunctionName=name)

    def test_configurations_are_listed_by_pages(self):
        name = self.name()
        self.create(SOURCE, name=name, Publish=True)
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for qualifier in ("$LATEST", "1", "live"):
            self.api.put_function_event_invoke_config(FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=1)
        pages = self.api.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=name, PaginationConfig={"PageSize": 2})
        found = [c["FunctionArn"] for page in pages for c in page["FunctionEventInvokeConfigs"]]
        self.assertEqual({arn(name, q) for q in ("$LATEST", "1", "live")}, set(found))
        self.api.delete_function_event_invoke_config(FunctionName=name, Qualifier="1")
        self.assertEqual(2, len(self.api.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]))
