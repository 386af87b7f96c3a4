"""SQS as boto3 and raw query requests see it. Texts and codes: recorded from AWS
(LocalStack's validated snapshots of its SQS suite) where they are not in AWS's API reference."""

import hashlib
import json
import threading
import time
import unittest
import urllib.parse
import urllib.request
import uuid

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.exceptions
import xml.etree.ElementTree as ElementTree

SQS = boto3.client("sqs")
ENDPOINT = SQS.meta.endpoint_url
NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


def query(path="/", **parameters):
    """Sends one signed request of the query protocol; gives the status and the root element."""
    body = urllib.parse.urlencode({"Version": "2012-11-05", **parameters})
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = botocore.awsrequest.AWSRequest("POST", ENDPOINT + path, headers, body)
    session = boto3.Session()
    botocore.auth.SigV4Auth(session.get_credentials(), "sqs", session.region_name).add_auth(request)
    sent = urllib.request.Request(request.url, body.encode(), dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent) as reply:
            return reply.status, ElementTree.fromstring(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, ElementTree.fromstring(error.read())


def find(root, *names):
    for name in names:
        root = root.find(NAMESPACE + name)
    return root.text


class Queues(unittest.TestCase):
    def queue(self, suffix="", **attributes):
        if suffix:
            attributes["FifoQueue"] = "true"
        url = SQS.create_queue(QueueName="q-" + uuid.uuid4().hex + suffix, Attributes=attributes)["QueueUrl"]
        self.addCleanup(SQS.delete_queue, QueueUrl=url)
        return url

    def arn(self, url):
        return SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def refused(self, code, query_code, status, message, call, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        response = caught.exception.response
        self.assertEqual(
            (response["Error"]["Code"], response["Error"]["QueryErrorCode"], response["ResponseMetadata"]["HTTPStatusCode"]),
            (query_code, code, status),
        )
        if message is not None:
            self.assertEqual(response["Error"]["Message"], message)

    def test_urls_and_lists(self):
        name = "list-" + uuid.uuid4().hex
        urls = []
        for n in range(3):
            urls.append(SQS.create_queue(QueueName=f"{name}-{n}")["QueueUrl"])
            self.addCleanup(SQS.delete_queue, QueueUrl=urls[-1])
        self.assertRegex(urls[0], f"^{ENDPOINT}/[0-9]{{12}}/{name}-0$")
        self.assertEqual(SQS.get_queue_url(QueueName=name + "-1")["QueueUrl"], urls[1])
        self.assertEqual(SQS.list_queues(QueueNamePrefix=name)["QueueUrls"], urls)
        first = SQS.list_queues(QueueNamePrefix=name, MaxResults=2)
        self.assertEqual(first["QueueUrls"], urls[:2])
        rest = SQS.list_queues(QueueNamePrefix=name, MaxResults=2, NextToken=first["NextToken"])
        self.assertEqual((rest["QueueUrls"], "NextToken" in rest), (urls[2:], False))
        self.assertNotIn("QueueUrls", SQS.list_queues(QueueNamePrefix=name + "-none"))
        # The host is of no matter: the legacy names lead to the same queue.
        path = urllib.parse.urlparse(urls[0]).path
        for host in ("https://queue.amazonaws.com", "https://us-east-1.queue.amazonaws.com", "https://sqs.us-east-1.amazonaws.com"):
            SQS.send_message(QueueUrl=host + path, MessageBody="x")
        self.refused("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.",
                     SQS.get_queue_url, QueueName=name + "-none")
        self.refused("QueueNameExists", "QueueAlreadyExists", 400,
                     "A queue already exists with the same name and a different value for attribute DelaySeconds",
                     SQS.create_queue, QueueName=name + "-0", Attributes={"DelaySeconds": "5"})
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400,
                     "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length", SQS.create_queue, QueueName="a b")

    def test_a_deleted_queue_cannot_be_made_again_at_once(self):
        url = SQS.create_queue(QueueName="gone-" + uuid.uuid4().hex)["QueueUrl"]
        SQS.delete_queue(QueueUrl=url)
        self.refused("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400,
                     "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
                     SQS.create_queue, QueueName=url.rsplit("/", 1)[1])

    def test_attributes(self):
        url = self.queue(VisibilityTimeout="5")
        attributes = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for name in ("CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"):
            attributes.pop(name)
        self.assertEqual(attributes, {
            "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
            "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
            "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "VisibilityTimeout": "5",
        })
        policy = {"Version": "2012-10-17", "Statement": []}
        SQS.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy), "DelaySeconds": "1"})
        self.assertEqual(SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "DelaySeconds"])["Attributes"],
                         {"Policy": json.dumps(policy), "DelaySeconds": "1"})
        self.refused("InvalidAttributeName", "InvalidAttributeName", 400, "Unknown Attribute FifoQueue.",
                     SQS.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "true"})
        self.refused("InvalidAttributeValue", "InvalidAttributeValue", 400, "Invalid value for the parameter DelaySeconds.",
                     SQS.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "901"})
        fifo = self.queue(".fifo")
        self.refused("InvalidAttributeValue", "InvalidAttributeValue", 400,
                     "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
                     SQS.set_queue_attributes, QueueUrl=fifo, Attributes={"FifoQueue": "false"})

    def test_tags(self):
        url = self.queue()
        SQS.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "", "c": "3"})
        SQS.untag_queue(QueueUrl=url, TagKeys=["a"])
        self.assertEqual(SQS.list_queue_tags(QueueUrl=url)["Tags"], {"b": "", "c": "3"})
        SQS.untag_queue(QueueUrl=url, TagKeys=["b", "c"])
        self.assertNotIn("Tags", SQS.list_queue_tags(QueueUrl=url))

    def test_permissions(self):
        url = self.queue()
        arn = self.arn(url)
        SQS.add_permission(QueueUrl=url, Label="one", AWSAccountIds=["111111111111", "222222222222"], Actions=["ReceiveMessage"])
        policy = json.loads(SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
        self.assertEqual(policy, {"Version": "2008-10-17", "Id": arn + "/SQSDefaultPolicy", "Statement": [{
            "Sid": "one", "Effect": "Allow", "Action": "SQS:ReceiveMessage", "Resource": arn,
            "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]}}]})
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400, "Value one for parameter Label is invalid. Reason: Already exists.",
                     SQS.add_permission, QueueUrl=url, Label="one", AWSAccountIds=["111111111111"], Actions=["*"])
        SQS.remove_permission(QueueUrl=url, Label="one")
        self.assertNotIn("Attributes", SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]))
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400, "Value one for parameter Label is invalid. Reason: can't find label.",
                     SQS.remove_permission, QueueUrl=url, Label="one")

    def test_a_message_with_attributes(self):
        url = self.queue()
        given = {"text": {"DataType": "String", "StringValue": "ü"}, "number": {"DataType": "Number.int", "StringValue": "7"},
                 "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
        trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
        # boto3 compares the digests of the body and of the attributes by itself.
        sent = SQS.send_message(QueueUrl=url, MessageBody="hello ☺", MessageAttributes=given, MessageSystemAttributes=trace)
        self.assertEqual(sent["MD5OfMessageBody"], hashlib.md5("hello ☺".encode()).hexdigest())
        self.assertIn("MD5OfMessageSystemAttributes", sent)
        message = SQS.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], VisibilityTimeout=0)["Messages"][0]
        self.assertEqual((message["MessageId"], message["Body"], message["MessageAttributes"]), (sent["MessageId"], "hello ☺", given))
        self.assertEqual(message["Attributes"]["AWSTraceHeader"], trace["AWSTraceHeader"]["StringValue"])
        self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
        message = SQS.receive_message(QueueUrl=url, MessageAttributeNames=["tex.*", "number"])["Messages"][0]
        self.assertEqual((sorted(message["MessageAttributes"]), "Attributes" in message), (["number", "text"], False))
        SQS.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.assertNotIn("Messages", SQS.receive_message(QueueUrl=url))

    def test_what_a_message_must_be(self):
        url, fifo = self.queue(), self.queue(".fifo")
        invalid = ("InvalidParameterValueException", "InvalidParameterValue", 400)
        self.refused(*invalid, "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
                     SQS.send_message, QueueUrl=url, MessageBody="a" * 1048577)
        SQS.send_message(QueueUrl=url, MessageBody="a" * 1048576)
        self.refused("InvalidMessageContents", "InvalidMessageContents", 400, None, SQS.send_message, QueueUrl=url, MessageBody="\x01")
        self.refused("MissingRequiredParameterException", "MissingParameter", 400, "The request must contain the parameter MessageBody.",
                     SQS.send_message, QueueUrl=url, MessageBody="")
        self.refused(*invalid, "Message (user) attribute 'e' must contain a non-empty value of type 'String'.",
                     SQS.send_message, QueueUrl=url, MessageBody="x", MessageAttributes={"e": {"DataType": "String", "StringValue": ""}})
        self.refused("MissingRequiredParameterException", "MissingParameter", 400, "The request must contain the parameter MessageGroupId.",
                     SQS.send_message, QueueUrl=fifo, MessageBody="x", MessageDeduplicationId="d")
        self.refused(*invalid, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
                     SQS.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g")
        self.refused(*invalid, "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
                     SQS.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d", DelaySeconds=2)
        self.refused(*invalid, "Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
                     SQS.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="group 123")
        self.refused(*invalid, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
                     SQS.receive_message, QueueUrl=url, MaxNumberOfMessages=11)
        self.refused(*invalid, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
                     SQS.receive_message, QueueUrl=url, WaitTimeSeconds=21)
        self.refused("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, 'The input receipt handle "x" is not a valid receipt handle.',
                     SQS.delete_message, QueueUrl=url, ReceiptHandle="x")

    def test_batches_fail_in_part(self):
        url = self.queue(MaximumMessageSize="1024")
        sent = SQS.send_message_batch(QueueUrl=url, Entries=[{"Id": "long", "MessageBody": "a" * 1025}, {"Id": "fits", "MessageBody": "b"}])
        self.assertEqual([s["Id"] for s in sent["Successful"]], ["fits"])
        self.assertEqual(sent["Failed"], [{"Id": "long", "Code": "InvalidParameterValue", "SenderFault": True,
                                           "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."}])
        handle = SQS.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
        changed = SQS.change_message_visibility_batch(QueueUrl=url, Entries=[
            {"Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": 60}, {"Id": "bad", "ReceiptHandle": "x", "VisibilityTimeout": 60}])
        self.assertEqual(([s["Id"] for s in changed["Successful"]], changed["Failed"][0]["Code"]), (["good"], "ReceiptHandleIsInvalid"))
        deleted = SQS.delete_message_batch(QueueUrl=url, Entries=[{"Id": "good", "ReceiptHandle": handle}, {"Id": "bad", "ReceiptHandle": "x"}])
        self.assertEqual(([s["Id"] for s in deleted["Successful"]], deleted["Failed"][0]["Id"]), (["good"], "bad"))
        batch = lambda n, size=1: [{"Id": str(i), "MessageBody": "a" * size} for i in range(n)]
        self.refused("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400,
                     "Maximum number of entries per request are 10. You have sent 20.", SQS.send_message_batch, QueueUrl=url, Entries=batch(20))
        self.refused("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400,
                     "Batch requests cannot be longer than 1048576 bytes. You have sent 1048578 bytes.", SQS.send_message_batch, QueueUrl=url, Entries=batch(2, 524289))
        self.refused("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400, None, SQS.send_message_batch, QueueUrl=url, Entries=[])
        self.refused("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, None,
                     SQS.send_message_batch, QueueUrl=url, Entries=batch(1) * 2)
        self.refused("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400,
                     "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
                     SQS.send_message_batch, QueueUrl=url, Entries=[{"Id": "a:b", "MessageBody": "x"}])
        fifo = self.queue(".fifo")
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400, "The request must contain the parameter MessageGroupId.",
                     SQS.send_message_batch, QueueUrl=fifo, Entries=[{"Id": "a", "MessageBody": "x", "MessageDeduplicationId": "d"}])

    def test_fifo(self):
        url = self.queue(".fifo", ContentBasedDeduplication="true", VisibilityTimeout="1")
        sent = [SQS.send_message(QueueUrl=url, MessageBody=f"m{n}", MessageGroupId="g") for n in (0, 1, 2, 1)]
        self.assertEqual(sent[1]["MessageId"], sent[3]["MessageId"])
        self.assertEqual(sorted(s["SequenceNumber"] for s in sent[:3]), [s["SequenceNumber"] for s in sent[:3]])
        take = lambda **more: SQS.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], **more).get("Messages", [])
        first = take(VisibilityTimeout=30, ReceiveRequestAttemptId="one")
        self.assertEqual([m["Body"] for m in first], ["m0", "m1", "m2"])
        self.assertEqual(first[0]["Attributes"]["MessageGroupId"], "g")
        self.assertEqual([m["ReceiptHandle"] for m in take(ReceiveRequestAttemptId="one")], [m["ReceiptHandle"] for m in first])
        self.assertEqual(take(), [])
        again = take(WaitTimeSeconds=20)  # the repeated attempt made the timeout that of the queue
        self.assertEqual([m["Body"] for m in again], ["m0", "m1", "m2"])
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400,
                     f"Value {first[0]['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
                     SQS.delete_message, QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])

    def test_a_long_poll_wakes_at_once_and_delays_end(self):
        url = self.queue()
        got = []
        poll = threading.Thread(target=lambda: got.append((SQS.receive_message(QueueUrl=url, WaitTimeSeconds=20), time.monotonic())))
        begin = time.monotonic()
        poll.start()
        SQS.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=1)
        poll.join()
        self.assertEqual(got[0][0]["Messages"][0]["Body"], "now")
        self.assertGreaterEqual(got[0][1] - begin, 0.99)

    def test_dead_letters_and_their_way_back(self):
        dead = self.queue()
        url = self.queue(VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 1}))
        self.assertEqual(SQS.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])
        sent = SQS.send_message(QueueUrl=url, MessageBody="bad")
        SQS.receive_message(QueueUrl=url)
        self.assertNotIn("Messages", SQS.receive_message(QueueUrl=url))
        letter = SQS.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0)["Messages"][0]
        self.assertEqual((letter["MessageId"], letter["Attributes"]["ApproximateReceiveCount"], letter["Attributes"]["DeadLetterQueueSourceArn"]),
                         (sent["MessageId"], "2", self.arn(url)))
        SQS.start_message_move_task(SourceArn=self.arn(dead))
        back = SQS.receive_message(QueueUrl=url, WaitTimeSeconds=20, AttributeNames=["All"])["Messages"][0]
        self.assertEqual((back["Body"], back["Attributes"]["ApproximateReceiveCount"]), ("bad", "1"))
        task = {}
        while task.get("Status") != "COMPLETED":
            task = SQS.list_message_move_tasks(SourceArn=self.arn(dead))["Results"][0]
            self.assertIn(task["Status"], ("RUNNING", "COMPLETED"))
        self.assertEqual((task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]), (1, 1))
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400, "Source queue must be configured as a Dead Letter Queue.",
                     SQS.start_message_move_task, SourceArn=self.arn(url))
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400, "Value for parameter TaskHandle is invalid.",
                     SQS.cancel_message_move_task, TaskHandle="x")

    def test_a_move_task_is_slow_and_can_be_cancelled(self):
        dead, other = self.queue(), self.queue()
        self.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 1}))
        SQS.send_message_batch(QueueUrl=dead, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(10)])
        start = lambda: SQS.start_message_move_task(SourceArn=self.arn(dead), DestinationArn=self.arn(other), MaxNumberOfMessagesPerSecond=1)
        handle = start()["TaskHandle"]
        self.refused("InvalidParameterValueException", "InvalidParameterValue", 400,
                     "There is already a task running. Only one active task is allowed for a source queue arn at a given time.", start)
        self.assertIn("Messages", SQS.receive_message(QueueUrl=other, WaitTimeSeconds=20))
        moved = SQS.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
        task = SQS.list_message_move_tasks(SourceArn=self.arn(dead))["Results"][0]
        self.assertEqual((task["Status"], task["ApproximateNumberOfMessagesMoved"], "TaskHandle" in task), ("CANCELLED", moved, False))

    def test_purge(self):
        url = self.queue()
        SQS.send_message(QueueUrl=url, MessageBody="x")
        SQS.purge_queue(QueueUrl=url)
        self.assertNotIn("Messages", SQS.receive_message(QueueUrl=url))
        self.refused("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403,
                     f"Only one PurgeQueue operation on {url.rsplit('/', 1)[1]} is allowed every 60 seconds.", SQS.purge_queue, QueueUrl=url)


class QueryProtocol(unittest.TestCase):
    """The protocol that SQS spoke before 2023, and that older clients speak."""

    def test_a_message(self):
        name = "query-" + uuid.uuid4().hex
        status, root = query(Action="CreateQueue", QueueName=name, **{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7", "Tag.1.Key": "k", "Tag.1.Value": "v"})
        self.assertEqual((status, root.tag), (200, NAMESPACE + "CreateQueueResponse"))
        url = find(root, "CreateQueueResult", "QueueUrl")
        self.addCleanup(SQS.delete_queue, QueueUrl=url)
        self.assertEqual(SQS.list_queue_tags(QueueUrl=url)["Tags"], {"k": "v"})
        path = urllib.parse.urlparse(url).path
        status, root = query(path, Action="SendMessage", MessageBody="hello", **{
            "MessageAttribute.1.Name": "a", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "b"})
        self.assertEqual(find(root, "SendMessageResult", "MD5OfMessageBody"), hashlib.md5(b"hello").hexdigest())
        status, root = query(Action="ReceiveMessage", QueueUrl=url, **{"MessageAttributeName.1": "All", "AttributeName.1": "ApproximateReceiveCount"})
        message = root.find(NAMESPACE + "ReceiveMessageResult").find(NAMESPACE + "Message")
        self.assertEqual(find(message, "Body"), "hello")
        self.assertEqual((find(message, "Attribute", "Name"), find(message, "Attribute", "Value")), ("ApproximateReceiveCount", "1"))
        self.assertEqual((find(message, "MessageAttribute", "Name"), find(message, "MessageAttribute", "Value", "StringValue")), ("a", "b"))
        status, root = query(path, Action="DeleteMessageBatch", **{
            "DeleteMessageBatchRequestEntry.1.Id": "one", "DeleteMessageBatchRequestEntry.1.ReceiptHandle": find(message, "ReceiptHandle"),
            "DeleteMessageBatchRequestEntry.2.Id": "two", "DeleteMessageBatchRequestEntry.2.ReceiptHandle": "x"})
        self.assertEqual(find(root, "DeleteMessageBatchResult", "DeleteMessageBatchResultEntry", "Id"), "one")
        self.assertEqual(find(root, "DeleteMessageBatchResult", "BatchResultErrorEntry", "Code"), "ReceiptHandleIsInvalid")
        status, root = query(path, Action="GetQueueAttributes", **{"AttributeName.1": "VisibilityTimeout"})
        self.assertEqual((find(root, "GetQueueAttributesResult", "Attribute", "Name"), find(root, "GetQueueAttributesResult", "Attribute", "Value")), ("VisibilityTimeout", "7"))
        status, root = query(Action="ListQueues", QueueNamePrefix=name)
        self.assertEqual(find(root, "ListQueuesResult", "QueueUrl"), url)

    def test_errors(self):
        status, root = query(Action="GetQueueUrl", QueueName="none")
        self.assertEqual((status, root.tag), (400, NAMESPACE + "ErrorResponse"))
        self.assertEqual((find(root, "Error", "Type"), find(root, "Error", "Code"), find(root, "Error", "Message")),
                         ("Sender", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist for this wsdl version."))
        status, root = query(Action="Nonsense")
        self.assertEqual((status, find(root, "Error", "Code")), (400, "InvalidAction"))
