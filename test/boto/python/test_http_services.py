"""HTTP APIs that call services by themselves (IntegrationSubtype): what they send, and what clients get."""

import json
import unittest
import xml.etree.ElementTree as ElementTree
from urllib.parse import quote

from common import ACCOUNT, REGION, Case, client, without
from test_http_apis import message, request

SQS = "{http://queue.amazonaws.com/doc/2012-11-05/}"


class HttpServices(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gw, cls.sqs, cls.events, cls.iam = client("apigatewayv2"), client("sqs"), client("events"), client("iam")

    def setUp(self):
        self.id = self.gw.create_api(Name=self.name("api"), ProtocolType="HTTP")["ApiId"]
        self.addCleanup(self.gw.delete_api, ApiId=self.id)
        self.url = self.gw.get_api(ApiId=self.id)["ApiEndpoint"]
        self.gw.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True, StageVariables={"kind": "of-stage"})
        name = self.name("role")
        self.role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
        self.addCleanup(self.iam.delete_role, RoleName=name)

    def queue(self, **attributes):
        name = self.name("q") + (".fifo" if "FifoQueue" in attributes else "")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return url

    def integration(self, subtype, parameters, **options):
        return self.gw.create_integration(ApiId=self.id, IntegrationSubtype=subtype, RequestParameters=parameters,
                                          **{"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "1.0", "CredentialsArn": self.role, **options})

    def route(self, key, subtype, parameters, **options):
        made = self.integration(subtype, parameters, **options)
        self.gw.create_route(ApiId=self.id, RouteKey=key, Target="integrations/" + made["IntegrationId"])
        return made

    def received(self, url):
        return self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"], WaitTimeSeconds=20)["Messages"][0]

    def test_messages_are_sent(self):
        url = self.queue()
        made = self.route("POST /send/{kind}", "SQS-SendMessage", {
            "QueueUrl": url, "MessageBody": "$request.body.order", "DelaySeconds": "$request.querystring.delay",
            "MessageAttributes": json.dumps({"kind": {"DataType": "String", "StringValue": "${request.path.kind} ${stageVariables.kind}"},
                                             "agent": {"DataType": "String", "StringValue": "${request.header.x-agent}"},
                                             "bytes": {"DataType": "Binary", "BinaryValue": "AQI="}})})
        self.assertEqual(without(made, "IntegrationId", "RequestParameters", "ResponseMetadata"), {
            "ConnectionType": "INTERNET", "CredentialsArn": self.role, "IntegrationSubtype": "SQS-SendMessage", "IntegrationType": "AWS_PROXY",
            "PayloadFormatVersion": "1.0", "TimeoutInMillis": 30000})
        # What a client sends stays in its place: it makes no attributes of its own.
        code, headers, body = request(self.url, "POST", "/send/a%20b?delay=0", '{"order": {"n": 1}}', {"X-Agent": '"},"evil":{"DataType":"String","StringValue":"x'})
        self.assertEqual((code, headers["content-type"]), (200, "text/xml"), body)
        answer = ElementTree.fromstring(body)
        self.assertEqual(answer.tag, SQS + "SendMessageResponse")
        got = self.received(url)
        self.assertEqual(answer.findtext(f"{SQS}SendMessageResult/{SQS}MessageId"), got["MessageId"])
        self.assertEqual(json.loads(got["Body"]), {"n": 1})
        self.assertEqual(got["MessageAttributes"], {
            "kind": {"DataType": "String", "StringValue": "a b of-stage"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\1\2"},
            "agent": {"DataType": "String", "StringValue": '"},"evil":{"DataType":"String","StringValue":"x'}})
        # AWS: a parameter that a request has nothing for is 400.
        self.assertEqual(message(request(self.url, "POST", "/send/a?delay=0", '{"other": 1}', {"X-Agent": "a"})), (400, "Bad Request"))
        self.assertEqual(message(request(self.url, "POST", "/send/a?delay=0", json.dumps({"order": "x", "fill": "y" * (100 << 10)}))), (400, "Bad Request"), "paths are looked for in 100 KB")
        # What SQS refuses comes as SQS says it.
        code, _, body = request(self.url, "POST", "/send/a?delay=901", '{"order": 1}', {"X-Agent": "a"})
        self.assertEqual((code, ElementTree.fromstring(body).findtext(f"{SQS}Error/{SQS}Code")), (400, "InvalidParameterValue"), body)

    def test_messages_are_received_and_deleted(self):
        url = self.queue()
        self.route("POST /", "SQS-SendMessage", {"QueueUrl": url, "MessageBody": "$request.body", "MessageAttributes": '{"a": {"DataType": "Number", "StringValue": "${context.requestTimeEpoch}"}}'})
        self.route("GET /", "SQS-ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": "10", "MaxNumberOfMessages": "1", "VisibilityTimeout": "600",
                                                  "AttributeNames": "SentTimestamp,ApproximateReceiveCount", "MessageAttributeNames": '["All"]'})
        self.route("DELETE /", "SQS-DeleteMessage", {"QueueUrl": url, "ReceiptHandle": "$request.querystring.handle"})
        self.route("DELETE /all", "SQS-PurgeQueue", {"QueueUrl": url, "Region": REGION}, ResponseParameters={"200": {"overwrite:statuscode": "204"}})
        body = "x" * (150 << 10)
        self.assertEqual(request(self.url, "POST", "/", body)[0], 200, "a whole body may be longer than 100 KB")
        code, _, reply = request(self.url)
        self.assertEqual(code, 200, reply)
        [got] = ElementTree.fromstring(reply).iter(SQS + "Message")
        self.assertEqual(got.findtext(SQS + "Body"), body)
        self.assertEqual({a.findtext(SQS + "Name"): a.findtext(SQS + "Value") for a in got.iter(SQS + "Attribute")}.get("ApproximateReceiveCount"), "1")
        self.assertEqual([a.findtext(SQS + "Name") for a in got.iter(SQS + "MessageAttribute")], ["a"])
        code, _, reply = request(self.url, "DELETE", "/?handle=" + quote(got.findtext(SQS + "ReceiptHandle"), safe=""))
        self.assertEqual((code, ElementTree.fromstring(reply).tag), (200, SQS + "DeleteMessageResponse"))
        self.assertEqual(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0")
        self.sqs.send_message(QueueUrl=url, MessageBody="more")
        self.assertEqual(request(self.url, "DELETE", "/all")[0], 204)
        self.assertEqual(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"], "0")

    def test_messages_of_a_fifo_queue(self):
        url = self.queue(FifoQueue="true")
        self.route("POST /", "SQS-SendMessage", {"QueueUrl": url, "MessageBody": "$request.body", "MessageGroupId": "$request.header.x-group", "MessageDeduplicationId": "$context.requestId"})
        self.assertEqual(request(self.url, "POST", "/", "one", {"X-Group": "g"})[0], 200)
        self.assertEqual(self.received(url)["Attributes"]["MessageGroupId"], "g")
        self.assertEqual(message(request(self.url, "POST", "/", "one")), (400, "Bad Request"))

    def test_events_are_put(self):
        target, bus, rule = self.queue(), self.name("bus"), self.name("rule")
        self.events.create_event_bus(Name=bus)
        self.addCleanup(self.events.delete_event_bus, Name=bus)
        self.events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": [{"prefix": "shop"}]}')
        self.addCleanup(self.events.delete_rule, Name=rule, EventBusName=bus)
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:" + target.rsplit("/", 1)[1]
        self.sqs.set_queue_attributes(QueueUrl=target, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}]})})
        self.events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "q", "Arn": queue_arn}])
        self.addCleanup(self.events.remove_targets, Rule=rule, EventBusName=bus, Ids=["q"])
        self.route("POST /{source}", "EventBridge-PutEvents", {
            "EventBusName": bus, "Source": "shop.${request.path.source}", "DetailType": "$request.body.type", "Detail": "$request.body.detail",
            "Resources": "arn:aws:s3:::a, arn:aws:s3:::b", "Time": "$request.header.x-time"})
        code, headers, body = request(self.url, "POST", "/orders", json.dumps({"type": "made", "detail": {"n": 7}}), {"X-Time": "2026-01-02T03:04:05Z"})
        answer = json.loads(body)
        self.assertEqual((code, headers["content-type"], answer["FailedEntryCount"]), (200, "application/x-amz-json-1.1", 0), body)
        event = json.loads(self.received(target)["Body"])
        self.assertEqual(without(event, "version"), {
            "id": answer["Entries"][0]["EventId"], "source": "shop.orders", "detail-type": "made", "detail": {"n": 7}, "account": ACCOUNT, "region": REGION,
            "time": "2026-01-02T03:04:05Z", "resources": ["arn:aws:s3:::a", "arn:aws:s3:::b"]})
        self.assertEqual(message(request(self.url, "POST", "/orders", json.dumps({"type": "made", "detail": {}}), {"X-Time": "soon"})), (400, "Bad Request"))
        # AWS: an entry that is refused is no error of the call.
        code, _, body = request(self.url, "POST", "/orders", json.dumps({"type": "made", "detail": "no JSON"}), {"X-Time": "1700000000"})
        self.assertEqual((code, json.loads(body)["FailedEntryCount"], json.loads(body)["Entries"][0]["ErrorCode"]), (200, 1, "MalformedDetail"))

    def test_configuration_is_checked(self):
        def refused(words, subtype="SQS-SendMessage", parameters=None, **options):
            with self.assertRaises(self.gw.exceptions.BadRequestException) as caught:
                self.integration(subtype, {"QueueUrl": "u", "MessageBody": "$request.body"} if parameters is None else parameters, **options)
            self.assertEqual(caught.exception.response["Error"]["Message"], words)

        refused("Operation: SQS-SendMessage requires enabling passthrough, or defining all of the following parameters: [QueueUrl, MessageBody]", parameters={"QueueUrl": "u"})
        refused("Invalid selection expression specified: Validation Result: warnings : [], errors : [Invalid source: $request.cookie.x specified for destination: MessageBody]",
                parameters={"QueueUrl": "u", "MessageBody": "$request.cookie.x"})
        refused("Invalid selection expression specified: Validation Result: warnings : [], errors : [Invalid destination: Nothing specified for operation: SQS-SendMessage]",
                parameters={"QueueUrl": "u", "MessageBody": "b", "Nothing": "x"})
        refused("Operation: SQS-Nothing is not supported", "SQS-Nothing")
        for service in ("Kinesis-PutRecord", "AppConfig-GetConfiguration", "StepFunctions-StartExecution", "StepFunctions-StartSyncExecution", "StepFunctions-StopExecution"):
            refused(f"Operation: {service} is not supported by this platform: it does not have {service.split('-')[0]}", service)
        refused("CredentialsArn is required for integrations with IntegrationSubtype", CredentialsArn="")
        refused("Cross-account pass role is not allowed.", CredentialsArn="arn:aws:iam::111122223333:role/r")
        refused("PayloadFormatVersion must be 1.0 for integrations with IntegrationSubtype", PayloadFormatVersion="2.0")
        refused("IntegrationUri is not supported for integrations with IntegrationSubtype", IntegrationUri="http://x")
        refused("IntegrationSubtype is only supported for AWS_PROXY integrations", IntegrationType="HTTP_PROXY")
        # An update changes parameters one by one; an empty value takes one out.
        made = self.integration("SQS-SendMessage", {"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": "1"})["IntegrationId"]
        changed = self.gw.update_integration(ApiId=self.id, IntegrationId=made, RequestParameters={"MessageBody": "c", "DelaySeconds": ""})
        self.assertEqual(changed["RequestParameters"], {"QueueUrl": "u", "MessageBody": "c"})
        with self.assertRaises(self.gw.exceptions.BadRequestException):
            self.gw.update_integration(ApiId=self.id, IntegrationId=made, RequestParameters={"QueueUrl": ""})

    def test_a_document_and_its_export(self):
        url = self.queue()
        integration = {"type": "aws_proxy", "integrationSubtype": "SQS-SendMessage", "credentials": self.role, "payloadFormatVersion": "1.0", "connectionType": "INTERNET",
                       "requestParameters": {"QueueUrl": url, "MessageBody": "$request.body.MessageBody"}}
        document = {"openapi": "3.0.1", "info": {"title": "direct", "version": "1"}, "paths": {"/submit": {"post": {
            "responses": {"default": {"description": "sent"}}, "x-amazon-apigateway-integration": integration}}}}
        api = self.gw.import_api(Body=json.dumps(document))
        self.addCleanup(self.gw.delete_api, ApiId=api["ApiId"])
        self.gw.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        self.assertEqual(request(api["ApiEndpoint"], "POST", "/submit", '{"MessageBody": "by document"}')[0], 200)
        self.assertEqual(self.received(url)["Body"], "by document")
        exported = json.loads(self.gw.export_api(ApiId=api["ApiId"], OutputType="JSON", Specification="OAS30")["body"].read())
        self.assertEqual(exported["paths"]["/submit"]["post"]["x-amazon-apigateway-integration"], integration)

    def test_a_template(self):
        name = self.name("stack")
        cloudformation = client("cloudformation")
        template = {"Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"}, "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": name, "ProtocolType": "HTTP"}},
            "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {
                "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage", "PayloadFormatVersion": "1.0", "CredentialsArn": self.role,
                "RequestParameters": {"QueueUrl": {"Ref": "Queue"}, "MessageBody": "$request.body", "DelaySeconds": 0}}},
            "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": "$default", "Target": {"Fn::Sub": "integrations/${Integration}"}}},
            "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True}}},
            "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}, "Queue": {"Value": {"Ref": "Queue"}}}}
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        self.addCleanup(cloudformation.get_waiter("stack_delete_complete").wait, StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
        self.addCleanup(cloudformation.delete_stack, StackName=name)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
        outputs = {o["OutputKey"]: o["OutputValue"] for o in cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}
        self.assertEqual(request(outputs["Url"], "POST", "/", "by template")[0], 200)
        self.assertEqual(self.received(outputs["Queue"])["Body"], "by template")


if __name__ == "__main__":
    unittest.main()
