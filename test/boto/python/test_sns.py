"""SNS as boto3 sees it. Texts, codes and shapes: recorded from AWS (LocalStack's validated
snapshots of its SNS suite) where they are not in AWS's API reference."""

import http.server
import json
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid

import boto3
from common import ACCOUNT, REGION, Case, arn, client

SNS = client("sns")
SQS = client("sqs")
ENDPOINT = SNS.meta.endpoint_url
PATIENCE = 60


class Endpoint:
    """An HTTP endpoint that keeps what it is sent; answers are the statuses it gives, then 200."""

    def __init__(self, case, answers=()):
        self.requests = queue.Queue()
        answers = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.requests.put((dict(handler.headers.items()), body.decode()))
                handler.send_response(answers.pop(0) if answers else 200)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        case.addCleanup(thread.join)
        case.addCleanup(server.server_close)
        case.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}/hook"

    def next(self):
        headers, body = self.requests.get(timeout=PATIENCE)
        return {name.lower(): value for name, value in headers.items()}, body


def follow(url):
    with urllib.request.urlopen(url) as reply:
        return reply.read().decode()


class Base(Case):
    def name(self, suffix=""):
        return "t-" + uuid.uuid4().hex + suffix

    def topic(self, suffix="", **attributes):
        if suffix:
            attributes["FifoTopic"] = "true"
        made = SNS.create_topic(Name=self.name(suffix), Attributes=attributes)["TopicArn"]
        self.addCleanup(SNS.delete_topic, TopicArn=made)
        return made

    def queue(self, suffix="", **attributes):
        if suffix:
            attributes["FifoQueue"] = "true"
        url = SQS.create_queue(QueueName=self.name(suffix), Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.drop, url)
        return url, SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def drop(self, url):
        try:
            SQS.delete_queue(QueueUrl=url)
        except SQS.exceptions.QueueDoesNotExist:
            pass  # the test did it

    def subscribe(self, topic, protocol, endpoint, **attributes):
        return SNS.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def receive(self, url, count=1):
        messages = []
        deadline = time.monotonic() + PATIENCE
        while len(messages) < count:
            self.assertLess(time.monotonic(), deadline, f"{len(messages)} of {count} messages came")
            reply = SQS.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"])
            for message in reply.get("Messages", []):
                messages.append(message)
                SQS.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def refused(self, code, status, message, call, **parameters):
        with self.assertRaises(SNS.exceptions.ClientError) as caught:
            call(**parameters)
        response = caught.exception.response
        self.assertEqual((response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]), (code, status, message))


class Topics(Base):
    def test_topics(self):
        topic = self.topic(DisplayName="TestTopic")
        self.assertRegex(topic, f"^arn:aws:sns:{REGION}:{ACCOUNT}:t-")
        got = SNS.get_topic_attributes(TopicArn=topic)["Attributes"]
        self.assertEqual((got["TopicArn"], got["Owner"], got["DisplayName"], got["SubscriptionsConfirmed"]), (topic, ACCOUNT, "TestTopic", "0"))
        self.assertEqual(json.loads(got["Policy"])["Statement"][0]["Condition"], {"StringEquals": {"AWS:SourceOwner": ACCOUNT}})
        SNS.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="other")
        self.assertEqual(SNS.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"], "other")
        listed = [t["TopicArn"] for page in SNS.get_paginator("list_topics").paginate() for t in page["Topics"]]
        self.assertIn(topic, listed)
        self.assertEqual(SNS.get_data_protection_policy(ResourceArn=topic)["DataProtectionPolicy"], "")
        self.refused("NotFound", 404, "Topic does not exist", SNS.get_topic_attributes, TopicArn=topic + "-none")
        self.refused("InvalidParameter", 400, "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1", SNS.get_topic_attributes, TopicArn="x")
        self.refused("InvalidParameter", 400, "Invalid parameter: TopicArn", boto3.client("sns", region_name="eu-west-1").get_topic_attributes, TopicArn=topic)
        self.refused("InvalidParameter", 400, "Invalid parameter: Topic Name", SNS.create_topic, Name="bad name")
        SNS.delete_topic(TopicArn=topic)
        SNS.delete_topic(TopicArn=topic)

    def test_tags_and_permissions(self):
        name = self.name()
        self.refused("InvalidParameter", 400, "Invalid parameter: Duplicated keys are not allowed.", SNS.create_topic, Name=name, Tags=[{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}])
        topic = SNS.create_topic(Name=name, Tags=[{"Key": "k1", "Value": "v1"}, {"Key": "k2", "Value": "v2"}])["TopicArn"]
        self.addCleanup(SNS.delete_topic, TopicArn=topic)
        SNS.untag_resource(ResourceArn=topic, TagKeys=["k1"])
        SNS.tag_resource(ResourceArn=topic, Tags=[{"Key": "k2", "Value": "v2b"}])
        self.assertEqual(SNS.list_tags_for_resource(ResourceArn=topic)["Tags"], [{"Key": "k2", "Value": "v2b"}])
        self.refused("ResourceNotFound", 404, "Resource does not exist", SNS.list_tags_for_resource, ResourceArn=topic + "x")
        SNS.add_permission(TopicArn=topic, Label="test", AWSAccountId=[ACCOUNT], ActionName=["Publish"])
        policy = json.loads(SNS.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
        self.assertEqual(policy["Statement"][1], {"Sid": "test", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "SNS:Publish", "Resource": topic})
        SNS.remove_permission(TopicArn=topic, Label="test")
        self.assertEqual(len(json.loads(SNS.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])["Statement"]), 1)

    def test_queues_get_envelopes_or_raw_messages(self):
        topic = self.topic()
        plain, plain_arn = self.queue()
        raw, raw_arn = self.queue()
        subscription = self.subscribe(topic, "sqs", plain_arn)
        self.subscribe(topic, "sqs", raw_arn, RawMessageDelivery="true")
        attributes = {"attr1": {"DataType": "Number", "StringValue": "99.12"}, "attr2": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"}}
        sent = SNS.publish(TopicArn=topic, Message="Test msg \u00f6", Subject="subject", MessageAttributes=attributes)["MessageId"]
        envelope = json.loads(self.receive(plain)[0]["Body"])
        self.assertEqual(list(envelope), ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes"])
        self.assertEqual((envelope["Type"], envelope["MessageId"], envelope["TopicArn"], envelope["Subject"], envelope["Message"]), ("Notification", sent, topic, "subject", "Test msg \u00f6"))
        self.assertEqual(envelope["MessageAttributes"], {"attr1": {"Type": "Number", "Value": "99.12"}, "attr2": {"Type": "Binary", "Value": "AgME"}})
        self.assertEqual(envelope["UnsubscribeURL"], f"{ENDPOINT}/?Action=Unsubscribe&SubscriptionArn={subscription}")
        self.assertTrue(follow(envelope["SigningCertURL"]).startswith("-----BEGIN CERTIFICATE-----"))
        message = self.receive(raw)[0]
        self.assertEqual(message["Body"], "Test msg \u00f6")
        self.assertEqual(message["MessageAttributes"], attributes)

    def test_batches(self):
        topic = self.topic()
        url, queue_arn = self.queue()
        self.subscribe(topic, "sqs", queue_arn, RawMessageDelivery="true", FilterPolicy=json.dumps({"kind": ["a"]}))
        entries = [{"Id": str(n), "Message": f"m{n}", "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "ab"[n % 2]}}} for n in range(10)]
        reply = SNS.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        self.assertEqual((len(reply["Successful"]), reply["Failed"]), (10, []))
        self.assertEqual(sorted(m["Body"] for m in self.receive(url, 5)), ["m0", "m2", "m4", "m6", "m8"])
        self.refused("BatchEntryIdsNotDistinct", 400, "Two or more batch entries in the request have the same Id.", SNS.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[entries[0]] * 2)
        self.refused("TooManyEntriesInBatchRequest", 400, "The batch request contains more entries than permissible.", SNS.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[{"Id": f"i{n}", "Message": "x"} for n in range(11)])
        self.refused("NotFound", 404, "Topic does not exist", SNS.publish_batch, TopicArn=topic + "x", PublishBatchRequestEntries=entries)
        large = [{"Id": str(n), "Message": "x" * 140_000} for n in range(2)]
        self.refused("BatchRequestTooLong", 400, "The length of all the messages put together is more than the limit.", SNS.publish_batch, TopicArn=topic, PublishBatchRequestEntries=large)

    def test_what_aws_refuses_to_publish(self):
        topic = self.topic()
        for message, parameters in {
            "Invalid parameter: Empty message": {"Message": ""},
            "Invalid parameter: Subject": {"Message": "x", "Subject": ""},
            "Invalid parameter: Message too long": {"Message": "x" * (256 * 1024 + 1)},
            "Invalid parameter: Message Structure - No default entry in JSON message body": {"Message": json.dumps({"sqs": "x"}), "MessageStructure": "json"},
            "Invalid parameter: Message Structure - JSON message body failed to parse": {"Message": "{invalid", "MessageStructure": "json"},
            "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type": {"Message": "x", "MessageDeduplicationId": "d"},
        }.items():
            self.refused("InvalidParameter", 400, message, SNS.publish, TopicArn=topic, **parameters)
        self.refused("ParameterValueInvalid", 400, "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
                     SNS.publish, TopicArn=topic, Message="x", MessageAttributes={"a": {"DataType": "X", "StringValue": "1"}})
        unchecked = client("sns", parameter_validation=False)
        self.refused("ValidationError", 400, "1 validation error detected: Value null at 'messageAttributes.a.member.dataType' failed to satisfy constraint: Member must not be null",
                     unchecked.publish, TopicArn=topic, Message="x", MessageAttributes={"a": {"StringValue": "1"}})
        self.refused("InvalidParameter", 400, "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified",
                     SNS.publish, TargetArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/APNS/abcdef/0f7d5971-aa8b-4bd5-b585-0826e9f93a66", Message="x")
        self.assertIn("MessageId", SNS.publish(TargetArn=topic, Message="x"))

    def test_fifo(self):
        topic = self.topic(".fifo", ContentBasedDeduplication="true")
        url, queue_arn = self.queue(".fifo")
        self.subscribe(topic, "sqs", queue_arn)
        sent = []
        for n in range(20):
            sent.append(SNS.publish(TopicArn=topic, Message=str(n), MessageGroupId="g"))
            again = SNS.publish(TopicArn=topic, Message=str(n), MessageGroupId="g")
            self.assertEqual((again["MessageId"], again["SequenceNumber"]), (sent[-1]["MessageId"], sent[-1]["SequenceNumber"]))
        got = self.receive(url, 20)
        bodies = [json.loads(m["Body"]) for m in got]
        self.assertEqual([b["Message"] for b in bodies], [str(n) for n in range(20)])
        self.assertEqual([b["SequenceNumber"] for b in bodies], [s["SequenceNumber"] for s in sent])
        self.assertNotIn("Signature", bodies[0])
        self.assertEqual(got[0]["Attributes"]["MessageGroupId"], "g")
        self.assertEqual(got[0]["Attributes"]["MessageDeduplicationId"], "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9")  # SHA-256 of "0"
        self.refused("InvalidParameter", 400, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics", SNS.publish, TopicArn=topic, Message="x")
        self.refused("InvalidParameter", 400, "Invalid parameter: Invalid protocol type: lambda", SNS.subscribe, TopicArn=topic, Protocol="lambda", Endpoint=arn("f"))

    def test_a_subscription_has_a_dead_letter_queue(self):
        topic = self.topic()
        url, queue_arn = self.queue()
        letters, letters_arn = self.queue()
        for raw in ("false", "true"):
            subscription = self.subscribe(topic, "sqs", queue_arn + raw, RedrivePolicy=json.dumps({"deadLetterTargetArn": letters_arn}), RawMessageDelivery=raw)
            got = SNS.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
            self.assertEqual(json.loads(got["RedrivePolicy"]), {"deadLetterTargetArn": letters_arn})
        SNS.publish(TopicArn=topic, Message="lost", MessageAttributes={"attr1": {"DataType": "Number", "StringValue": "111"}})
        for message in self.receive(letters, 2):
            if message["Body"] == "lost":
                self.assertEqual(message["MessageAttributes"], {"attr1": {"DataType": "Number", "StringValue": "111"}})
            else:
                self.assertEqual((json.loads(message["Body"])["Message"], "MessageAttributes" in message), ("lost", False))

    def test_subscriptions(self):
        topic = self.topic()
        url, queue_arn = self.queue()
        subscription = self.subscribe(topic, "sqs", queue_arn)
        self.assertEqual(self.subscribe(topic, "sqs", queue_arn), subscription)
        listed = SNS.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        self.assertEqual(listed, [{"SubscriptionArn": subscription, "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": queue_arn, "TopicArn": topic}])
        everywhere = [s for page in SNS.get_paginator("list_subscriptions").paginate() for s in page["Subscriptions"]]
        self.assertIn(listed[0], everywhere)
        SNS.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue=json.dumps({"a": ["b"]}))
        got = SNS.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        self.assertEqual((json.loads(got["FilterPolicy"]), got["FilterPolicyScope"], got["PendingConfirmation"]), ({"a": ["b"]}, "MessageAttributes", "false"))
        self.refused("InvalidParameter", 400, "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol", SNS.subscribe, TopicArn=topic, Protocol="test-protocol", Endpoint="x")
        self.refused("InvalidParameter", 400, "Invalid parameter: SQS endpoint ARN", SNS.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=url)
        self.refused("NotFound", 404, "Subscription does not exist", SNS.get_subscription_attributes, SubscriptionArn=topic + ":" + str(uuid.uuid4()))
        SNS.unsubscribe(SubscriptionArn=subscription)
        SNS.unsubscribe(SubscriptionArn=subscription)
        self.assertEqual(SNS.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"], [])

    def test_http_endpoints_confirm(self):
        topic = self.topic()
        endpoint = Endpoint(self)
        self.assertEqual(SNS.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)["SubscriptionArn"], "pending confirmation")
        headers, body = endpoint.next()
        asked = json.loads(body)
        self.assertEqual(list(asked), ["Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"])
        self.assertEqual(asked["Message"], f"You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in this message.")
        self.assertEqual((headers["x-amz-sns-message-type"], headers["x-amz-sns-message-id"], headers["x-amz-sns-topic-arn"], headers["content-type"], headers["user-agent"]),
                         ("SubscriptionConfirmation", asked["MessageId"], topic, "text/plain; charset=UTF-8", "Amazon Simple Notification Service Agent"))
        self.assertEqual(SNS.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"], "PendingConfirmation")
        for wrong, message in (("TopicArn=not-an-arn&Token=" + asked["Token"], "Invalid parameter: Topic"), (f"TopicArn={topic}&Token=abc123", "Invalid parameter: Token")):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                follow(f"{ENDPOINT}/?Action=ConfirmSubscription&{wrong}")
            self.assertIn(f"<Message>{message}</Message>", caught.exception.read().decode())
        self.assertIn("<ConfirmSubscriptionResult><SubscriptionArn>" + topic, follow(asked["SubscribeURL"]))
        subscription = SNS.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"]
        SNS.publish(TopicArn=topic, Message="hello")
        headers, body = endpoint.next()
        told = json.loads(body)
        self.assertEqual((told["Message"], headers["x-amz-sns-message-type"], headers["x-amz-sns-subscription-arn"]), ("hello", "Notification", subscription))
        self.assertNotIn("x-amz-sns-rawdelivery", headers)
        SNS.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true")
        SNS.publish(TopicArn=topic, Message="raw")
        headers, body = endpoint.next()
        self.assertEqual((body, headers["x-amz-sns-rawdelivery"]), ("raw", "true"))
        self.assertIn("UnsubscribeResponse", follow(told["UnsubscribeURL"]))
        headers, body = endpoint.next()
        gone = json.loads(body)
        self.assertEqual(gone["Message"], f"You have chosen to deactivate subscription {subscription}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.")
        self.assertEqual(headers["x-amz-sns-message-type"], "UnsubscribeConfirmation")
        follow(gone["SubscribeURL"])
        self.assertEqual(SNS.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"], subscription)

    def confirmed(self, topic, endpoint, **attributes):
        subscription = self.subscribe(topic, "http", endpoint.url, **attributes)
        token = json.loads(endpoint.next()[1])["Token"]
        self.assertEqual(SNS.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"], subscription)
        return subscription

    def test_http_endpoints_that_fail_are_called_again(self):
        topic = self.topic()
        letters, letters_arn = self.queue()
        retried = Endpoint(self, [200, 500, 503])
        policy = {"healthyRetryPolicy": {"numRetries": 3, "numNoDelayRetries": 3}, "requestPolicy": {"headerContentType": "application/json"}}
        self.confirmed(topic, retried, DeliveryPolicy=json.dumps(policy))
        refusing = Endpoint(self, [200, 404])
        self.confirmed(topic, refusing, RedrivePolicy=json.dumps({"deadLetterTargetArn": letters_arn}))
        sent = SNS.publish(TopicArn=topic, Message="again")["MessageId"]
        for _ in range(3):
            headers, body = retried.next()
            self.assertEqual((headers["x-amz-sns-message-id"], headers["content-type"]), (sent, "application/json"))
        self.assertEqual(json.loads(self.receive(letters)[0]["Body"])["MessageId"], sent)
        self.assertEqual(json.loads(refusing.next()[1])["MessageId"], sent)
        self.assertTrue(refusing.requests.empty())  # AWS: 4xx is the endpoint's own mistake


class Functions(Base):
    """A subscribed function writes what it got into a queue."""

    SOURCE = """
import boto3, json
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=QUEUE, MessageBody=json.dumps(event))
"""

    def writer(self, url):
        seen_inside = url.replace(ENDPOINT, "http://169.254.100.1:4566")
        return self.create(self.SOURCE.replace("QUEUE", repr(seen_inside)))["FunctionArn"]

    def permit(self, function, topic):
        self.api.add_permission(FunctionName=function, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic)

    def test_functions_get_records(self):
        topic = self.topic()
        url, _ = self.queue()
        function = self.writer(url)
        self.permit(function, topic)
        subscription = self.subscribe(topic, "lambda", function)
        attributes = {"attr1": {"DataType": "String", "StringValue": "v"}}
        sent = SNS.publish(TopicArn=topic, Message="Hello world.", MessageAttributes=attributes)["MessageId"]
        event = json.loads(self.receive(url)[0]["Body"])
        record = event["Records"][0]
        self.assertEqual(list(record), ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"])
        self.assertEqual((len(event["Records"]), record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]), (1, "aws:sns", "1.0", subscription))
        told = record["Sns"]
        self.assertEqual(set(told), {"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes"})
        self.assertEqual((told["Type"], told["MessageId"], told["TopicArn"], told["Subject"], told["Message"]), ("Notification", sent, topic, None, "Hello world."))
        self.assertEqual(told["MessageAttributes"], {"attr1": {"Type": "String", "Value": "v"}})

    def test_a_function_that_does_not_permit_it_is_not_called(self):
        topic = self.topic()
        url, _ = self.queue()
        letters, letters_arn = self.queue()
        function = self.writer(url)
        self.permit(function, topic + "-another")
        self.subscribe(topic, "lambda", function, RedrivePolicy=json.dumps({"deadLetterTargetArn": letters_arn}))
        sent = SNS.publish(TopicArn=topic, Message="no")["MessageId"]
        letter = json.loads(self.receive(letters)[0]["Body"])
        self.assertEqual((letter["Type"], letter["MessageId"], "SigningCertURL" in letter), ("Notification", sent, True))

    def test_a_topic_is_a_dead_letter_queue_of_functions(self):
        topic = self.topic()
        url, queue_arn = self.queue()
        self.subscribe(topic, "sqs", queue_arn)
        name = self.create("def handler(event, context):\n    raise Exception('intentional')\n", DeadLetterConfig={"TargetArn": topic})["FunctionName"]
        self.api.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        self.api.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"raise_error": 1}')
        letter = json.loads(self.receive(url)[0]["Body"])
        self.assertEqual((json.loads(letter["Message"]), letter["MessageAttributes"]["ErrorCode"], letter["MessageAttributes"]["ErrorMessage"]),
                         ({"raise_error": 1}, {"Type": "Number", "Value": "200"}, {"Type": "String", "Value": "intentional"}))
