"""Event source mappings of queues. Texts and codes: recorded from AWS (LocalStack's validated snapshots
test_lambda_integration_sqs and test_lambda_api, reports of users) where they are not in the developer guide."""

import json
import time

import boto3

from common import REGION, UUID, ACCOUNT, Case, ClientError, arn, status, without

SQS = boto3.client("sqs")
PATIENCE = 60  # seconds for what must happen

# Sends what it got, and what the environment knows of the call, to the queue RESULTS. A body
# {"fail": n} fails at its first n receives: the message alone if the function reports failures.
HANDLER = """
import json, os, boto3
SQS = boto3.client("sqs")

def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            body = json.loads(record["body"])
        except ValueError:
            body = {}
        times = body.get("fail", 0) if isinstance(body, dict) else 0
        if int(record["attributes"]["ApproximateReceiveCount"]) <= times:
            failed.append({"itemIdentifier": record["messageId"]})
    SQS.send_message(QueueUrl=os.environ["RESULTS"], MessageBody=json.dumps({"event": event, "arn": context.invoked_function_arn}))
    if os.environ.get("REPORT"):
        return {"batchItemFailures": failed}
    if failed:
        raise Exception("failed")
"""


class Mappings(Case):
    def queue(self, suffix="", **attributes):
        if suffix:
            attributes["FifoQueue"] = "true"
        url = SQS.create_queue(QueueName=self.name("q") + suffix, Attributes=attributes)["QueueUrl"]
        self.addCleanup(SQS.delete_queue, QueueUrl=url)
        return url

    def arn(self, url):
        return SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def function(self, results=None, report=False, source=HANDLER, **options):
        environment = {"RESULTS": results or "", "REPORT": "1" if report else ""}
        return self.create(source=source, Environment={"Variables": environment}, **options)["FunctionName"]

    def map(self, queue, name, wait=True, **options):
        mapping = self.api.create_event_source_mapping(EventSourceArn=self.arn(queue), FunctionName=name, **options)
        self.addCleanup(self.unmap, mapping["UUID"])
        if wait:
            self.reach(mapping["UUID"], "Enabled")
        return mapping

    def unmap(self, uuid):
        """Deletes a mapping, if it is there, when it is in no transition."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.api.delete_event_source_mapping(UUID=uuid)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return
            time.sleep(0.05)
        self.fail(f"mapping {uuid} is still there")

    def reach(self, uuid, state):
        deadline = time.monotonic() + PATIENCE
        while True:
            mapping = self.api.get_event_source_mapping(UUID=uuid)
            if mapping["State"] == state:
                return mapping
            self.assertLess(time.monotonic(), deadline, f"state {mapping['State']}, wanted {state}")
            time.sleep(0.02)

    def results(self, queue, enough):
        """What the function sent until enough(list) holds."""
        found, deadline = [], time.monotonic() + PATIENCE
        while not enough(found):
            self.assertLess(time.monotonic(), deadline, f"so far: {found}")
            for message in SQS.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                SQS.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    def empty(self, queue):
        """Waits until a queue holds nothing, in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + PATIENCE
        while True:
            counts = SQS.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            if set(counts.values()) == {"0"}:
                return
            self.assertLess(time.monotonic(), deadline, f"the queue still has {counts}")
            time.sleep(0.05)

    def test_the_life_of_a_mapping(self):
        queue, results = self.queue(), self.queue()
        name = self.function(results)
        created = self.map(queue, name, wait=False, Tags={"a": "1"})
        uuid = created["UUID"]
        own = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"
        self.assertEqual(202, status(created))
        self.assertRegex(uuid, UUID)
        self.assertEqual({
            "UUID": uuid, "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "EventSourceArn": self.arn(queue), "FunctionArn": arn(name),
            "State": "Creating", "StateTransitionReason": "USER_INITIATED", "FunctionResponseTypes": [], "EventSourceMappingArn": own,
        }, without(created, "LastModified"))
        enabled = self.reach(uuid, "Enabled")
        self.assertEqual({**without(created, "State"), "State": "Enabled"}, without(enabled))
        self.assertEqual([uuid], [m["UUID"] for m in self.api.list_event_source_mappings(EventSourceArn=self.arn(queue))["EventSourceMappings"]])
        self.assertEqual([uuid], [m["UUID"] for m in self.api.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]])
        self.assertEqual([], self.api.list_event_source_mappings(FunctionName="other")["EventSourceMappings"])
        self.assertEqual({"a": "1"}, self.api.list_tags(Resource=own)["Tags"])
        self.api.tag_resource(Resource=own, Tags={"b": "2"})
        self.api.untag_resource(Resource=own, TagKeys=["a"])
        self.assertEqual({"b": "2"}, self.api.list_tags(Resource=own)["Tags"])

        disabling = self.api.update_event_source_mapping(UUID=uuid, Enabled=False, BatchSize=1)
        self.assertEqual((202, "Disabling", 1), (status(disabling), disabling["State"], disabling["BatchSize"]))
        self.reach(uuid, "Disabled")
        SQS.send_message(QueueUrl=queue, MessageBody="waits")
        self.assertEqual("Enabling", self.api.update_event_source_mapping(UUID=uuid, Enabled=True)["State"])
        self.assertEqual("waits", self.results(results, len)[0]["event"]["Records"][0]["body"])
        self.reach(uuid, "Enabled")
        updating = self.api.update_event_source_mapping(UUID=uuid, ScalingConfig={"MaximumConcurrency": 2}, FunctionResponseTypes=["ReportBatchItemFailures"])
        self.assertEqual("Updating", updating["State"])
        self.assertEqual(({"MaximumConcurrency": 2}, ["ReportBatchItemFailures"]), (updating["ScalingConfig"], updating["FunctionResponseTypes"]))
        self.reach(uuid, "Enabled")
        self.assertNotIn("ScalingConfig", self.api.update_event_source_mapping(UUID=uuid, ScalingConfig={}))
        self.reach(uuid, "Enabled")
        deleting = self.api.delete_event_source_mapping(UUID=uuid)
        self.assertEqual((202, "Deleting"), (status(deleting), deleting["State"]))
        self.unmap(uuid)
        self.assertEqual([], self.api.list_event_source_mappings(EventSourceArn=self.arn(queue))["EventSourceMappings"])

    def test_refusals(self):
        queue, fifo, short = self.queue(), self.queue(".fifo"), self.queue(VisibilityTimeout="2")
        name = self.function()
        source = self.arn(queue)
        mapping = self.map(queue, name)

        def refused(code, message, call=self.api.create_event_source_mapping, **parameters):
            with self.assertRaises(ClientError) as caught:
                call(**parameters)
            self.assertEqual((code, message), (caught.exception.response["Error"]["Code"], caught.exception.response["Error"]["Message"]))

        missing = "00000000-0000-4000-8000-000000000000"
        for call in self.api.get_event_source_mapping, self.api.update_event_source_mapping, self.api.delete_event_source_mapping:
            refused("ResourceNotFoundException", "The resource you requested does not exist.", call, UUID=missing)
        invalid = "InvalidParameterValueException"
        refused("ResourceConflictException", f'An event source mapping with SQS arn (" {source} ") and function (" {name} ") already exists. '
                f'Please update or delete the existing mapping with UUID {mapping["UUID"]}', EventSourceArn=source, FunctionName=arn(name))
        refused(invalid, "Unrecognized event source.", FunctionName=name)
        refused(invalid, "Function does not exist", EventSourceArn=source, FunctionName="missing")
        refused(invalid, "Function does not exist", EventSourceArn=source, FunctionName=name + ":missing")
        refused(invalid, "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: "
                "The specified queue does not exist.", EventSourceArn=source + "x", FunctionName=name)
        refused(invalid, "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds", EventSourceArn=self.arn(short), FunctionName=name)
        window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        refused(invalid, window, EventSourceArn=source, FunctionName=name, BatchSize=11)
        refused(invalid, window, self.api.update_event_source_mapping, UUID=mapping["UUID"], BatchSize=11)
        refused(invalid, "Batching window is not supported for FIFO queues", EventSourceArn=self.arn(fifo), FunctionName=name, MaximumBatchingWindowInSeconds=1)
        refused(invalid, "StartingPosition is not valid for SQS event sources.", EventSourceArn=source, FunctionName=name, StartingPosition="LATEST")
        refused(invalid, "Unsupported DestinationConfig parameter for given event source mapping type.", EventSourceArn=source, FunctionName=name,
                DestinationConfig={"OnFailure": {"Destination": source}})
        for bad in "simple string", '{"eventSource": "aws:sqs"}', '{"eventSource": []}', "":
            refused(invalid, "Invalid filter pattern definition.", EventSourceArn=source, FunctionName=name, FilterCriteria={"Filters": [{"Pattern": bad}]})
        refused(invalid, "An event source of kinesis is not supported: event sources are SQS queues; streams and brokers do not exist here yet.",
                EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", FunctionName=name, StartingPosition="LATEST")

    def test_the_event(self):
        queue, results = self.queue(), self.queue()
        name = self.function(results)
        self.map(queue, name + ":$LATEST")
        sent = SQS.send_message(QueueUrl=queue, MessageBody='{"é": "\u2028<&>"}', MessageAttributes={
            "text": {"DataType": "String", "StringValue": "x"}, "number": {"DataType": "Number", "StringValue": "6"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\0\1"}})
        result = self.results(results, len)[0]
        [record] = result["event"]["Records"]
        self.assertEqual(arn(name, "$LATEST"), result["arn"])
        self.assertEqual(["Records"], list(result["event"]))
        self.assertEqual(["messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfMessageAttributes", "md5OfBody", "eventSource",
                          "eventSourceARN", "awsRegion"], list(record))
        attributes = record["attributes"]
        self.assertEqual(["ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"], list(attributes))
        self.assertEqual("1", attributes["ApproximateReceiveCount"])
        self.assertLess(abs(int(attributes["SentTimestamp"]) / 1000 - time.time()), PATIENCE)
        empty = {"stringListValues": [], "binaryListValues": []}
        self.assertEqual({
            "messageId": sent["MessageId"], "body": '{"é": "\u2028<&>"}', "md5OfBody": sent["MD5OfMessageBody"], "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
            "eventSource": "aws:sqs", "eventSourceARN": self.arn(queue), "awsRegion": REGION,
            "messageAttributes": {"text": {"stringValue": "x", "dataType": "String", **empty}, "number": {"stringValue": "6", "dataType": "Number", **empty},
                                  "bytes": {"binaryValue": "AAE=", "dataType": "Binary", **empty}},
        }, without(record, "receiptHandle", "attributes"))
        self.empty(queue)

    def test_a_version_and_an_alias_as_targets(self):
        queue, results = self.queue(), self.queue()
        name = self.function(results)
        version = self.api.publish_version(FunctionName=name)["Version"]
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        mapping = self.map(queue, arn(name, "live"))
        self.assertEqual(arn(name, "live"), mapping["FunctionArn"])
        SQS.send_message(QueueUrl=queue, MessageBody="x")
        self.assertEqual(arn(name, "live"), self.results(results, len)[0]["arn"])
        updating = self.api.update_event_source_mapping(UUID=mapping["UUID"], FunctionName=f"{name}:{version}")
        self.assertEqual(arn(name, version), updating["FunctionArn"])
        self.reach(mapping["UUID"], "Enabled")
        SQS.send_message(QueueUrl=queue, MessageBody="y")
        self.assertEqual(arn(name, version), self.results(results, len)[0]["arn"])

    def test_batching_window(self):
        queue, results = self.queue(), self.queue()
        name = self.function(results)
        for batch in range(2):
            SQS.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": f"{batch}-{i}"} for i in range(10)])
        self.map(queue, name, BatchSize=20, MaximumBatchingWindowInSeconds=300)
        [result] = self.results(results, len)
        self.assertEqual(20, len(result["event"]["Records"]))
        self.assertIn("md5OfMessageAttributes", result["event"]["Records"][0])
        self.assertIsNone(result["event"]["Records"][0]["md5OfMessageAttributes"])

    def test_a_failed_batch_comes_again_and_ends_in_the_dead_letter_queue(self):
        dead, results = self.queue(), self.queue()
        queue = self.queue(VisibilityTimeout="1", RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 2}))
        name = self.function(results, Timeout=1)
        self.map(queue, name)
        SQS.send_message(QueueUrl=queue, MessageBody='{"fail": 1}')
        self.results(results, lambda found: len(found) == 2)
        self.empty(queue)
        SQS.send_message(QueueUrl=queue, MessageBody='{"fail": 9}')
        counts = [r["event"]["Records"][0]["attributes"]["ApproximateReceiveCount"] for r in self.results(results, lambda found: len(found) == 2)]
        self.assertEqual(["1", "2"], counts)
        deadline = time.monotonic() + PATIENCE
        while not (messages := SQS.receive_message(QueueUrl=dead, WaitTimeSeconds=5).get("Messages")):
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual('{"fail": 9}', messages[0]["Body"])

    def test_partial_failures(self):
        queue, results = self.queue(VisibilityTimeout="1"), self.queue()
        name = self.function(results, report=True, Timeout=1)
        SQS.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": json.dumps({"fail": i % 2, "i": i})} for i in range(6)])
        self.map(queue, name, FunctionResponseTypes=["ReportBatchItemFailures"])
        bodies = lambda found: sorted(json.loads(record["body"])["i"] for result in found for record in result["event"]["Records"])
        found = self.results(results, lambda found: len(bodies(found)) >= 9)
        self.assertEqual([0, 1, 1, 2, 3, 3, 4, 5, 5], bodies(found))
        self.empty(queue)

    def test_filters(self):
        queue, results = self.queue(), self.queue()
        name = self.function(results)
        pattern = json.dumps({"body": {"kind": ["order"], "amount": [{"numeric": [">", 100]}]}})
        mapping = self.map(queue, name, FilterCriteria={"Filters": [{"Pattern": pattern}]})
        self.assertEqual({"Filters": [{"Pattern": pattern}]}, mapping["FilterCriteria"])
        wanted = json.dumps({"kind": "order", "amount": 101})
        for body in "plain", json.dumps({"kind": "order", "amount": 100}), json.dumps({"kind": "other", "amount": 500}), "[1]", wanted:
            SQS.send_message(QueueUrl=queue, MessageBody=body)
        self.empty(queue)  # those that do not match are deleted
        self.assertEqual([wanted], [record["body"] for result in self.results(results, len) for record in result["event"]["Records"]])
        updated = self.api.update_event_source_mapping(UUID=mapping["UUID"], FilterCriteria={})
        self.assertNotIn("FilterCriteria", updated)
        self.reach(mapping["UUID"], "Enabled")
        SQS.send_message(QueueUrl=queue, MessageBody="plain")
        self.assertEqual("plain", self.results(results, len)[0]["event"]["Records"][0]["body"])

    def test_order_within_the_groups_of_a_fifo_queue(self):
        queue, results = self.queue(".fifo", ContentBasedDeduplication="true", VisibilityTimeout="1"), self.queue(".fifo", ContentBasedDeduplication="true")
        source = HANDLER.replace("MessageBody=", "MessageGroupId='all', MessageBody=")
        name = self.function(results, source=source, report=True, Timeout=1)
        self.map(queue, name, BatchSize=1, FunctionResponseTypes=["ReportBatchItemFailures"])
        for i in range(8):
            SQS.send_message_batch(QueueUrl=queue, Entries=[
                {"Id": group, "MessageGroupId": group, "MessageBody": json.dumps({"group": group, "i": i, "fail": 1 if i == 2 else 0})} for group in "abc"])
        records = lambda found: [record for result in found for record in result["event"]["Records"]]
        found = records(self.results(results, lambda found: len(records(found)) == 27))
        for group in "abc":
            bodies = [json.loads(record["body"]) for record in found if record["attributes"]["MessageGroupId"] == group]
            self.assertEqual([0, 1, 2, 2, 3, 4, 5, 6, 7], [body["i"] for body in bodies])
        self.assertEqual(["ApproximateReceiveCount", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId", "MessageDeduplicationId",
                          "ApproximateFirstReceiveTimestamp"], list(found[0]["attributes"]))
        self.empty(queue)

    def test_a_function_that_feeds_itself_is_stopped(self):
        # AWS: after about 16 runs, https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
        dead, results = self.queue(), self.queue()
        queue = self.queue(VisibilityTimeout="1", RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 1}))
        source = HANDLER.replace("    failed = []", "    SQS.send_message(QueueUrl=os.environ['SELF'], MessageBody='again')\n    failed = []")
        name = self.create(source=source, Timeout=1, Environment={"Variables": {"RESULTS": results, "SELF": queue}})["FunctionName"]
        self.map(queue, name)
        SQS.send_message(QueueUrl=queue, MessageBody="begin")
        deadline = time.monotonic() + PATIENCE
        while not SQS.receive_message(QueueUrl=dead, WaitTimeSeconds=5).get("Messages"):
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(16, len(self.results(results, lambda found: len(found) >= 16)))
        self.empty(queue)


del Case  # it has no tests of its own
