"""The AWS command line: each service as its users type it."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from common import ACCOUNT, REGION, ROLE, RUNTIME, Case, archive, arn


class CommandLine(Case):
    def aws(self, *arguments, succeeds=True):
        done = subprocess.run([sys.executable, "-m", "awscli", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode == 0, succeeds, done.stderr)
        return done.stdout if succeeds else done.stderr

    def test_create_wait_invoke_logs_delete(self):
        with tempfile.TemporaryDirectory() as folder:
            package, out = os.path.join(folder, "app.zip"), os.path.join(folder, "out.json")
            with open(package, "wb") as f:
                f.write(archive(app="def handler(event, context):\n    print('seen by the command line')\n    return event\n"))
            name = self.name("cli")
            self.addCleanup(self._delete, name)
            created = json.loads(self.aws("lambda", "create-function", "--function-name", name, "--runtime", RUNTIME, "--handler", "app.handler",
                                          "--role", ROLE, "--zip-file", "fileb://" + package))
            self.assertEqual((created["FunctionArn"], created["State"]), (arn(name), "Pending"))
            self.aws("lambda", "wait", "function-active-v2", "--function-name", name)
            answer = json.loads(self.aws("lambda", "invoke", "--function-name", name, "--payload", '{"answer": 42}', out))
            self.assertEqual(answer, {"StatusCode": 200, "ExecutedVersion": "$LATEST"})
            with open(out) as f:
                self.assertEqual(json.load(f), {"answer": 42})
            deadline = time.monotonic() + 60
            while True:
                text = self.aws("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{name}", "--query", "events[].message", "--output", "text")
                if "seen by the command line" in text or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            self.assertIn("seen by the command line", text)
            self.aws("lambda", "delete-function", "--function-name", name)
            gone = self.aws("lambda", "get-function", "--function-name", name, succeeds=False)
            self.assertIn(f"An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: {arn(name)}", gone)

    def query(self, expression, *arguments):
        return self.aws(*arguments, "--query", expression, "--output", "text").strip()

    def test_sqs(self):
        name = self.name("cli")
        url = self.query("QueueUrl", "sqs", "create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=30")
        self.addCleanup(self.aws, "sqs", "delete-queue", "--queue-url", url)
        self.aws("sqs", "send-message", "--queue-url", url, "--message-body", "three pens", "--message-attributes", '{"colour": {"DataType": "String", "StringValue": "red"}}')
        batch = json.loads(self.aws("sqs", "send-message-batch", "--queue-url", url, "--entries", "Id=1,MessageBody=a", "Id=2,MessageBody=b"))
        self.assertEqual([r["Id"] for r in batch["Successful"]], ["1", "2"])
        got = json.loads(self.aws("sqs", "receive-message", "--queue-url", url, "--message-attribute-names", "All", "--wait-time-seconds", "5"))["Messages"][0]
        self.assertEqual((got["Body"], got["MessageAttributes"]["colour"]["StringValue"]), ("three pens", "red"))
        self.aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"])
        counts = json.loads(self.aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All"))["Attributes"]
        self.assertEqual((counts["ApproximateNumberOfMessages"], counts["VisibilityTimeout"]), ("2", "30"))
        self.assertIn("(AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation", self.aws("sqs", "get-queue-url", "--queue-name", "absent", succeeds=False))

    def test_sns_to_sqs(self):
        name = self.name("cli")
        topic = self.query("TopicArn", "sns", "create-topic", "--name", name)
        self.addCleanup(self.aws, "sns", "delete-topic", "--topic-arn", topic)
        url = self.query("QueueUrl", "sqs", "create-queue", "--queue-name", name)
        self.addCleanup(self.aws, "sqs", "delete-queue", "--queue-url", url)
        queue = self.query("Attributes.QueueArn", "sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "QueueArn")
        policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}]}
        self.aws("sqs", "set-queue-attributes", "--queue-url", url, "--attributes", json.dumps({"Policy": json.dumps(policy)}))
        self.aws("sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue, "--attributes", "RawMessageDelivery=true")
        self.aws("sns", "publish", "--topic-arn", topic, "--message", "pens are out")
        self.assertEqual(self.query("Messages[0].Body", "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "20"), "pens are out")
        self.assertIn("(NotFound) when calling the GetTopicAttributes operation: Topic does not exist", self.aws("sns", "get-topic-attributes", "--topic-arn", topic + "x", succeeds=False))

    def test_events_and_scheduler(self):
        name = self.name("cli")
        self.create(name=name)
        rule = self.query("RuleArn", "events", "put-rule", "--name", name, "--event-pattern", '{"source": ["shop"]}')
        self.aws("lambda", "add-permission", "--function-name", name, "--statement-id", "rule", "--action", "lambda:InvokeFunction", "--principal", "events.amazonaws.com", "--source-arn", rule)
        self.assertEqual(self.query("FailedEntryCount", "events", "put-targets", "--rule", name, "--targets", f"Id=1,Arn={arn(name)}"), "0")
        self.assertEqual(self.query("FailedEntryCount", "events", "put-events", "--entries", '[{"Source": "shop", "DetailType": "order", "Detail": "{}"}]'), "0")
        self.assertEqual(self.query("Result", "events", "test-event-pattern", "--event-pattern", '{"source": ["shop"]}', "--event",
                                    '{"id": "1", "source": "shop", "detail-type": "order", "account": "1", "region": "r", "time": "2026-01-01T00:00:00Z", "resources": [], "detail": {}}'), "True")
        self.aws("events", "remove-targets", "--rule", name, "--ids", "1")
        self.aws("events", "delete-rule", "--name", name)
        self.assertIn("(ResourceNotFoundException) when calling the DescribeRule operation", self.aws("events", "describe-rule", "--name", name, succeeds=False))
        self.aws("scheduler", "create-schedule", "--name", name, "--schedule-expression", "rate(1 day)", "--flexible-time-window", "Mode=OFF", "--target", f"Arn={arn(name)},RoleArn={ROLE}")
        self.assertEqual(self.query("[State,ScheduleExpression]", "scheduler", "get-schedule", "--name", name), "ENABLED\trate(1 day)")
        self.aws("scheduler", "delete-schedule", "--name", name)

    def test_s3(self):
        bucket = self.name("cli")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pen.txt")
            with open(path, "w") as f:
                f.write("a red pen")
            self.assertIn(f"make_bucket: {bucket}", self.aws("s3", "mb", f"s3://{bucket}"))
            self.aws("s3", "cp", path, f"s3://{bucket}/in/pen.txt")
            self.aws("s3", "sync", folder, f"s3://{bucket}/all")
            self.assertEqual(self.query("Contents[].Key", "s3api", "list-objects-v2", "--bucket", bucket), "all/pen.txt\tin/pen.txt")
            self.assertIn("9 pen.txt", self.aws("s3", "ls", f"s3://{bucket}/in/"))
            self.aws("s3", "cp", f"s3://{bucket}/in/pen.txt", path + ".back")
            with open(path + ".back") as f:
                self.assertEqual(f.read(), "a red pen")
            self.assertIn("(404)", self.aws("s3api", "head-object", "--bucket", bucket, "--key", "absent", succeeds=False))
            self.assertIn("(BucketNotEmpty) when calling the DeleteBucket operation", self.aws("s3", "rb", f"s3://{bucket}", succeeds=False))
            self.assertIn(f"remove_bucket: {bucket}", self.aws("s3", "rb", "--force", f"s3://{bucket}"))

    def test_iam_and_sts(self):
        name = self.name("cli")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com", "AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}]}
        role = self.query("Role.Arn", "iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(trust))
        self.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
        self.assertEqual(self.query("AttachedPolicies[].PolicyName", "iam", "list-attached-role-policies", "--role-name", name), "AWSLambdaBasicExecutionRole")
        self.assertEqual(self.query("AssumedRoleUser.Arn", "sts", "assume-role", "--role-arn", role, "--role-session-name", "me"), f"arn:aws:sts::000000000000:assumed-role/{name}/me")
        self.assertEqual(self.query("Account", "sts", "get-caller-identity"), "000000000000")
        self.assertIn("(DeleteConflict) when calling the DeleteRole operation: Cannot delete entity, must detach all policies first.", self.aws("iam", "delete-role", "--role-name", name, succeeds=False))
        self.aws("iam", "detach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
        self.aws("iam", "delete-role", "--role-name", name)

    def test_parameters_and_secrets(self):
        name = self.name("cli")
        self.aws("ssm", "put-parameter", "--name", f"/{name}/a", "--type", "SecureString", "--value", "hidden")
        self.assertEqual(self.query("Parameter.Value", "ssm", "get-parameter", "--name", f"/{name}/a", "--with-decryption"), "hidden")
        self.assertEqual(self.query("Parameters[].Name", "ssm", "get-parameters-by-path", "--path", f"/{name}"), f"/{name}/a")
        self.aws("ssm", "delete-parameter", "--name", f"/{name}/a")
        self.assertIn("(ParameterNotFound) when calling the GetParameter operation", self.aws("ssm", "get-parameter", "--name", f"/{name}/a", succeeds=False))
        self.aws("secretsmanager", "create-secret", "--name", name, "--secret-string", "hidden")
        self.assertEqual(self.query("SecretString", "secretsmanager", "get-secret-value", "--secret-id", name), "hidden")
        self.aws("secretsmanager", "delete-secret", "--secret-id", name, "--force-delete-without-recovery")
        self.assertIn("(ResourceNotFoundException) when calling the GetSecretValue operation", self.aws("secretsmanager", "get-secret-value", "--secret-id", name, succeeds=False))

    def test_mapping_of_a_queue(self):
        name = self.name("cli")
        self.create(name=name)
        url = self.query("QueueUrl", "sqs", "create-queue", "--queue-name", name)
        self.addCleanup(self.aws, "sqs", "delete-queue", "--queue-url", url)
        mapping = self.query("UUID", "lambda", "create-event-source-mapping", "--function-name", name, "--event-source-arn", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", "--batch-size", "2")
        self.assertEqual(self.query("BatchSize", "lambda", "get-event-source-mapping", "--uuid", mapping), "2")
        self.aws("lambda", "delete-event-source-mapping", "--uuid", mapping)
        self.assertIn("(ResourceNotFoundException) when calling the UpdateEventSourceMapping operation: The resource you requested does not exist.",
                      self.aws("lambda", "update-event-source-mapping", "--uuid", "00000000-0000-4000-8000-000000000000", succeeds=False))


if __name__ == "__main__":
    unittest.main()
