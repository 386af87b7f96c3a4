"""EventBridge as boto3 sees it. Texts and codes: recorded from AWS (LocalStack's validated
snapshots of its events suite) where they are not in AWS's API reference."""

import json
import time
import unittest
import uuid

import boto3
import botocore.exceptions

from common import Case

EVENTS = boto3.client("events")
SQS = boto3.client("sqs")


class Buses(Case):
    def queue(self, **attributes):
        name = "events-" + uuid.uuid4().hex + (".fifo" if "FifoQueue" in attributes else "")
        url = SQS.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.addCleanup(SQS.delete_queue, QueueUrl=url)
        return url, SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def bus(self):
        name = "bus-" + uuid.uuid4().hex
        arn = EVENTS.create_event_bus(Name=name)["EventBusArn"]
        self.addCleanup(EVENTS.delete_event_bus, Name=name)
        return name, arn

    def rule(self, bus, pattern, targets):
        name = "rule-" + uuid.uuid4().hex
        arn = EVENTS.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        answer = EVENTS.put_targets(Rule=name, EventBusName=bus, Targets=targets)
        self.assertEqual((0, []), (answer["FailedEntryCount"], answer["FailedEntries"]))

        def remove():
            EVENTS.remove_targets(Rule=name, EventBusName=bus, Ids=[target["Id"] for target in targets])
            EVENTS.delete_rule(Name=name, EventBusName=bus)

        self.addCleanup(remove)
        return name, arn

    def put(self, bus, **entry):
        answer = EVENTS.put_events(Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "Order", "Detail": "{}", **entry}])
        self.assertEqual(0, answer["FailedEntryCount"], answer)
        return answer["Entries"][0]["EventId"]

    def message(self, url):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            got = SQS.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
            if got:
                SQS.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
                return got[0]
        self.fail("no message")

    def refused(self, code, message, call, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        error = caught.exception.response["Error"]
        self.assertEqual((code, message), (error["Code"], error["Message"]))

    def test_event_reaches_queues_in_every_form(self):
        bus, _ = self.bus()
        plain, plain_arn = self.queue()
        path, path_arn = self.queue()
        words, words_arn = self.queue()
        fifo, fifo_arn = self.queue(FifoQueue="true")
        self.rule(bus, {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}, [
            {"Id": "plain", "Arn": plain_arn},
            {"Id": "path", "Arn": path_arn, "InputPath": "$.detail.total"},
            {"Id": "words", "Arn": words_arn, "InputTransformer": {"InputPathsMap": {"n": "$.detail.total"}, "InputTemplate": '"total is <n>"'}},
            {"Id": "fifo", "Arn": fifo_arn, "SqsParameters": {"MessageGroupId": "g"}},
        ])
        self.put(bus, Detail='{"total": 1}')
        event_id = self.put(bus, Detail='{"total": 42}', Resources=["r"])
        event = json.loads(self.message(plain)["Body"])
        self.assertEqual(
            {"version": "0", "id": event_id, "detail-type": "Order", "source": "shop", "account": "000000000000", "region": EVENTS.meta.region_name, "resources": ["r"], "detail": {"total": 42}},
            {key: value for key, value in event.items() if key != "time"},
        )
        self.assertEqual("42", self.message(path)["Body"])
        self.assertEqual('"total is 42"', self.message(words)["Body"])
        self.assertEqual("g", self.message(fifo)["Attributes"]["MessageGroupId"])

    def test_event_runs_a_function(self):
        bus, _ = self.bus()
        url, arn = self.queue()
        function = self.create(f"""
import boto3
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl={url.replace(url.split("/0000")[0], "http://169.254.100.1:4566")!r}, MessageBody=event["detail"]["say"])
""")
        _, rule_arn = self.rule(bus, {"source": ["shop"]}, [{"Id": "f", "Arn": function["FunctionArn"]}])
        self.api.add_permission(FunctionName=function["FunctionName"], StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule_arn)
        self.put(bus, Detail='{"say": "hello"}')
        self.assertEqual("hello", self.message(url)["Body"])

    def test_rules_as_terraform_reads_them(self):
        bus, bus_arn = self.bus()
        url, arn = self.queue()
        name, rule_arn = self.rule(bus, {"source": ["s"]}, [{"Id": "1", "Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": {"Arn": arn}}])
        described = EVENTS.describe_rule(Name=name, EventBusName=bus)
        self.assertEqual((name, rule_arn, '{"source": ["s"]}', "ENABLED", bus), tuple(described[k] for k in ("Name", "Arn", "EventPattern", "State", "EventBusName")))
        self.assertTrue(rule_arn.endswith(f":rule/{bus}/{name}"))
        EVENTS.disable_rule(Name=name, EventBusName=bus)
        self.assertEqual("DISABLED", EVENTS.list_rules(EventBusName=bus)["Rules"][0]["State"])
        self.assertEqual([name], EVENTS.list_rule_names_by_target(TargetArn=arn, EventBusName=bus)["RuleNames"])
        self.assertEqual([{"Id": "1", "Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": {"Arn": arn}}],
                         EVENTS.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"])
        EVENTS.tag_resource(ResourceARN=rule_arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}])
        EVENTS.untag_resource(ResourceARN=rule_arn, TagKeys=["b"])
        self.assertEqual([{"Key": "a", "Value": "1"}], EVENTS.list_tags_for_resource(ResourceARN=rule_arn)["Tags"])
        EVENTS.put_permission(EventBusName=bus, StatementId="other", Principal="111111111111", Action="events:PutEvents")
        policy = json.loads(EVENTS.describe_event_bus(Name=bus)["Policy"])
        self.assertEqual([{"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "events:PutEvents", "Resource": bus_arn}], policy["Statement"])
        EVENTS.remove_permission(EventBusName=bus, StatementId="other")
        self.assertNotIn("Policy", EVENTS.describe_event_bus(Name=bus))
        self.refused("ResourceNotFoundException", "EventBus does not have a policy.", EVENTS.remove_permission, EventBusName=bus, StatementId="other")

    def test_what_is_refused(self):
        self.refused("ResourceNotFoundException", "Event bus absent does not exist.", EVENTS.describe_event_bus, Name="absent")
        self.refused("ResourceNotFoundException", "Rule absent does not exist on EventBus default.", EVENTS.describe_rule, Name="absent")
        self.refused("ValidationException", "Parameter ScheduleExpression is not valid.", EVENTS.put_rule, Name="r", ScheduleExpression="rate(1 fortnight)")
        self.refused("ValidationException", "Cannot delete event bus default.", EVENTS.delete_event_bus, Name="default")
        with self.assertRaises(EVENTS.exceptions.InvalidEventPatternException):
            EVENTS.put_rule(Name="r", EventPattern='{"source": "s"}')
        answer = EVENTS.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "no JSON"}, {"Source": "aws.s3", "DetailType": "d", "Detail": "{}"}, {"Source": "s", "DetailType": "d", "Detail": "{}"}])
        self.assertEqual([("MalformedDetail", "Detail is malformed."), ("NotAuthorizedForSourceException", "Not authorized for the source."), (None, None)],
                         [(entry.get("ErrorCode"), entry.get("ErrorMessage")) for entry in answer["Entries"]])
        self.assertEqual(2, answer["FailedEntryCount"])

    def test_dead_letters(self):
        bus, _ = self.bus()
        dead, dead_arn = self.queue()
        gone, gone_arn = self.queue()
        _, rule_arn = self.rule(bus, {"source": ["shop"]}, [{"Id": "1", "Arn": gone_arn + "-not-there", "DeadLetterConfig": {"Arn": dead_arn}}])
        event_id = self.put(bus)
        message = self.message(dead)
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        self.assertEqual((rule_arn, gone_arn + "-not-there"), (attributes["RULE_ARN"], attributes["TARGET_ARN"]))
        self.assertTrue(attributes["ERROR_CODE"] and attributes["ERROR_MESSAGE"], attributes)
        self.assertEqual(event_id, json.loads(message["Body"])["id"])

    def test_archive_and_replay(self):
        bus, bus_arn = self.bus()
        url, arn = self.queue()
        archive, replay = "archive-" + uuid.uuid4().hex[:8], "replay-" + uuid.uuid4().hex[:8]
        created = EVENTS.create_archive(ArchiveName=archive, EventSourceArn=bus_arn, RetentionDays=1)
        self.addCleanup(EVENTS.delete_archive, ArchiveName=archive)
        self.assertEqual("ENABLED", created["State"])
        event_id = self.put(bus, Detail='{"n": 1}')
        self.assertEqual(1, EVENTS.describe_archive(ArchiveName=archive)["EventCount"])
        self.rule(bus, {"source": ["shop"]}, [{"Id": "1", "Arn": arn}])
        now = time.time()
        EVENTS.start_replay(ReplayName=replay, EventSourceArn=created["ArchiveArn"], EventStartTime=now - 3600, EventEndTime=now + 60, Destination={"Arn": bus_arn})
        event = json.loads(self.message(url)["Body"])
        self.assertEqual((event_id, replay, {"n": 1}), (event["id"], event["replay-name"], event["detail"]))
        self.assertIn(EVENTS.describe_replay(ReplayName=replay)["State"], ("RUNNING", "COMPLETED"))

    def test_pattern_is_tried(self):
        event = {"id": "1", "account": "0", "source": "s", "time": "2026-01-01T00:00:00Z", "region": "r", "resources": [], "detail-type": "d", "detail": {"a": {"b": ["x", 5]}}}
        for pattern, want in ({"detail": {"a": {"b": [5]}}}, True), ({"detail": {"a": {"b": [{"prefix": "y"}]}}}, False), ({"$or": [{"source": ["z"]}, {"account": ["0"]}]}, True):
            self.assertEqual(want, EVENTS.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"], pattern)


if __name__ == "__main__":
    unittest.main()
