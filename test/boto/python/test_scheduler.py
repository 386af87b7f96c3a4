"""EventBridge Scheduler as boto3 sees it. Texts: AWS's API reference, and recorded ones where it has none."""

import datetime
import json
import time
import unittest
import uuid

import boto3
import botocore.exceptions

SCHEDULER = boto3.client("scheduler")
SQS = boto3.client("sqs")
ROLE = "arn:aws:iam::000000000000:role/scheduler"
OFF = {"Mode": "OFF"}


class Schedules(unittest.TestCase):
    def setUp(self):
        self.name = "s-" + uuid.uuid4().hex
        self.url = SQS.create_queue(QueueName=self.name)["QueueUrl"]
        self.addCleanup(SQS.delete_queue, QueueUrl=self.url)
        self.arn = SQS.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def create(self, expression, target=None, **options):
        answer = SCHEDULER.create_schedule(Name=self.name, ScheduleExpression=expression, FlexibleTimeWindow=OFF, Target=target or {"Arn": self.arn, "RoleArn": ROLE, "Input": "now"}, **options)
        self.addCleanup(self.delete)
        return answer["ScheduleArn"]

    def delete(self):
        try:
            SCHEDULER.delete_schedule(Name=self.name)
        except SCHEDULER.exceptions.ResourceNotFoundException:
            pass

    def body(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for message in SQS.receive_message(QueueUrl=self.url, WaitTimeSeconds=20).get("Messages", []):
                SQS.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                return message["Body"]
        self.fail("no message")

    def soon(self):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)  # a time that is past is refused
        return f"at({at:%Y-%m-%dT%H:%M:%S})"

    def test_one_time_schedule_sends_and_goes(self):
        arn = self.create(self.soon(), {"Arn": self.arn, "RoleArn": ROLE, "Input": "<aws.scheduler.schedule-arn>"}, ActionAfterCompletion="DELETE")
        self.assertEqual(arn, self.body())
        with self.assertRaises(SCHEDULER.exceptions.ResourceNotFoundException) as caught:
            SCHEDULER.get_schedule(Name=self.name)
        self.assertEqual(f"Schedule {self.name} does not exist.", caught.exception.response["Error"]["Message"])

    def test_universal_target(self):
        self.create("rate(1 day)", {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": ROLE, "Input": json.dumps({"QueueUrl": self.url, "MessageBody": "hello"})})
        self.assertEqual("hello", self.body())

    def test_schedule_as_terraform_reads_it(self):
        arn = self.create("cron(0 9 ? * MON-FRI *)", ScheduleExpressionTimezone="Europe/Berlin", Description="d")
        self.assertTrue(arn.endswith(":schedule/default/" + self.name))
        got = SCHEDULER.get_schedule(Name=self.name)
        for key in ("CreationDate", "LastModificationDate", "ResponseMetadata"):
            got.pop(key)
        self.assertEqual({
            "Arn": arn, "GroupName": "default", "Name": self.name, "ScheduleExpression": "cron(0 9 ? * MON-FRI *)", "ScheduleExpressionTimezone": "Europe/Berlin", "State": "ENABLED",
            "Description": "d", "FlexibleTimeWindow": OFF, "ActionAfterCompletion": "NONE",
            "Target": {"Arn": self.arn, "RoleArn": ROLE, "Input": "now", "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}},
        }, got)
        SCHEDULER.update_schedule(Name=self.name, ScheduleExpression="rate(5 minutes)", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 4}, State="DISABLED", Target={"Arn": self.arn, "RoleArn": ROLE})
        got = SCHEDULER.get_schedule(Name=self.name)
        self.assertEqual(("rate(5 minutes)", "DISABLED", 4, "UTC"), (got["ScheduleExpression"], got["State"], got["FlexibleTimeWindow"]["MaximumWindowInMinutes"], got["ScheduleExpressionTimezone"]))
        self.assertNotIn("Description", got)
        self.assertEqual([self.name], [s["Name"] for s in SCHEDULER.list_schedules(NamePrefix=self.name)["Schedules"]])

    def test_groups(self):
        group = "g-" + uuid.uuid4().hex
        arn = SCHEDULER.create_schedule_group(Name=group, Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
        SCHEDULER.create_schedule(Name="inside", GroupName=group, ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, State="DISABLED", Target={"Arn": self.arn, "RoleArn": ROLE})
        SCHEDULER.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
        SCHEDULER.untag_resource(ResourceArn=arn, TagKeys=["a"])
        self.assertEqual([{"Key": "b", "Value": "2"}], SCHEDULER.list_tags_for_resource(ResourceArn=arn)["Tags"])
        self.assertIn(group, [g["Name"] for g in SCHEDULER.get_paginator("list_schedule_groups").paginate().search("ScheduleGroups[]")])
        self.assertEqual("ACTIVE", SCHEDULER.get_schedule_group(Name=group)["State"])
        SCHEDULER.delete_schedule_group(Name=group)
        with self.assertRaises(SCHEDULER.exceptions.ResourceNotFoundException):
            SCHEDULER.get_schedule(Name="inside", GroupName=group)

    def test_what_is_refused(self):
        def refused(message, **change):
            arguments = {"Name": "n", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF, "Target": {"Arn": self.arn, "RoleArn": ROLE}, **change}
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                SCHEDULER.create_schedule(**arguments)
            error = caught.exception.response["Error"]
            self.assertEqual(("ValidationException", message), (error["Code"], error["Message"]))

        refused("Invalid Schedule Expression rate(1 fortnight).", ScheduleExpression="rate(1 fortnight)")
        refused("MaximumWindowInMinutes must be provided when the flexible time window mode is FLEXIBLE.", FlexibleTimeWindow={"Mode": "FLEXIBLE"})
        refused("Invalid request provided: this platform does not have the service ec2.", Target={"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", "RoleArn": ROLE})


if __name__ == "__main__":
    unittest.main()
