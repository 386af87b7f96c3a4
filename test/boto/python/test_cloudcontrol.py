"""Cloud Control: resources of CloudFormation's types without a stack."""

import json
import unittest

import botocore.exceptions

import common

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


class Resources(common.Case):
    @classmethod
    def setUpClass(cls):
        cls.control = common.client("cloudcontrol")

    def ended(self, answer, status="SUCCESS"):
        waiter = self.control.get_waiter("resource_request_success")
        event = answer["ProgressEvent"]
        self.assertEqual("IN_PROGRESS", event["OperationStatus"])
        if status == "SUCCESS":
            waiter.wait(RequestToken=event["RequestToken"], WaiterConfig={"Delay": 1})
        event = self.control.get_resource_request_status(RequestToken=event["RequestToken"])["ProgressEvent"]
        self.assertEqual(status, event["OperationStatus"], event)
        return event

    def make(self, kind, **desired):
        event = self.ended(self.control.create_resource(TypeName=kind, DesiredState=json.dumps(desired)))
        self.addCleanup(self.remove, kind, event["Identifier"])
        return event["Identifier"], self.read(kind, event["Identifier"])

    def remove(self, kind, identifier):
        self.ended(self.control.delete_resource(TypeName=kind, Identifier=identifier))

    def read(self, kind, identifier):
        found = self.control.get_resource(TypeName=kind, Identifier=identifier)
        self.assertEqual((kind, identifier), (found["TypeName"], found["ResourceDescription"]["Identifier"]))
        return json.loads(found["ResourceDescription"]["Properties"])

    def change(self, kind, identifier, *patch):
        self.ended(self.control.update_resource(TypeName=kind, Identifier=identifier, PatchDocument=json.dumps(patch)))
        return self.read(kind, identifier)

    def identifiers(self, kind, **model):
        more = {"ResourceModel": json.dumps(model)} if model else {}
        return [one["Identifier"] for one in self.control.list_resources(TypeName=kind, **more)["ResourceDescriptions"]]

    def refused(self, code, text, operation, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(self.control, operation)(**arguments)
        self.assertEqual(code, caught.exception.response["Error"]["Code"])
        self.assertIn(text, caught.exception.response["Error"]["Message"])

    def test_queue(self):
        kind = "AWS::SQS::Queue"
        url, queue = self.make(kind, QueueName="controlled", VisibilityTimeout=60, Tags=[{"Key": "a", "Value": "1"}])
        self.assertEqual((60, [{"Key": "a", "Value": "1"}], url), (queue["VisibilityTimeout"], queue["Tags"], queue["QueueUrl"]))
        self.assertIn(url, self.identifiers(kind))
        queue = self.change(kind, url, {"op": "replace", "path": "/VisibilityTimeout", "value": 70}, {"op": "remove", "path": "/Tags/0"})
        self.assertEqual((70, []), (queue["VisibilityTimeout"], queue["Tags"]))
        self.refused("NotUpdatableException", "createOnlyProperties [/properties/QueueName]", "update_resource", TypeName=kind, Identifier=url,
                     PatchDocument=json.dumps([{"op": "replace", "path": "/QueueName", "value": "other"}]))
        event = self.ended(self.control.create_resource(TypeName=kind, DesiredState='{"QueueName": "controlled"}'), "FAILED")
        self.assertEqual("AlreadyExists", event["ErrorCode"])
        self.assertIn("Resource of type 'AWS::SQS::Queue' with identifier 'controlled' already exists.", event["StatusMessage"])

    def test_function_of_several_resources(self):
        role, attributes = self.make("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST)
        code = {"ZipFile": "def handler(event, context):\n    return 1\n"}
        name, function = self.make("AWS::Lambda::Function", Role=attributes["Arn"], Runtime=common.RUNTIME, Handler="index.handler", Code=code)
        self.assertNotIn("Code", function)
        self.assertEqual(256, self.change("AWS::Lambda::Function", name, {"op": "replace", "path": "/MemorySize", "value": 256})["MemorySize"])
        invoke = lambda: common.client("lambda").invoke(FunctionName=name)["Payload"].read()
        self.assertEqual(b"1", invoke())
        self.change("AWS::Lambda::Function", name, {"op": "add", "path": "/Code", "value": {"ZipFile": "def handler(event, context):\n    return 2\n"}})
        self.assertEqual(b"2", invoke())
        permission, _ = self.make("AWS::Lambda::Permission", FunctionName=name, Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
        self.assertEqual(name, permission.split("|")[0])
        self.assertEqual([permission], self.identifiers("AWS::Lambda::Permission", FunctionName=name))
        url, _ = self.make("AWS::Lambda::Url", TargetFunctionArn=function["Arn"], AuthType="NONE")
        self.assertTrue(self.read("AWS::Lambda::Url", url)["FunctionUrl"].startswith("http"))

    def test_refusals(self):
        self.refused("TypeNotFoundException", "cannot be found", "get_resource", TypeName="AWS::No::Such", Identifier="x")
        self.refused("UnsupportedActionException", "does not support READ action", "get_resource", TypeName="AWS::SQS::QueuePolicy", Identifier="x")
        self.refused("UnsupportedActionException", "this platform does not have DynamoDB yet", "list_resources", TypeName="AWS::DynamoDB::Table")
        self.refused("ResourceNotFoundException", "Handler returned status FAILED", "get_resource", TypeName="AWS::Logs::LogGroup", Identifier="none")
        self.refused("InvalidRequestException", "#: required key [RestApiId] not found", "list_resources", TypeName="AWS::ApiGateway::Stage")
        self.refused("ValidationException", "extraneous key [Nmae] is not permitted", "create_resource", TypeName="AWS::SQS::Queue", DesiredState='{"Nmae": "x"}')
        self.refused("RequestTokenNotFoundException", "none", "get_resource_request_status", RequestToken="none")

    def test_tokens_and_requests(self):
        arguments = dict(TypeName="AWS::SSM::Parameter", DesiredState='{"Name": "/controlled", "Type": "String", "Value": "1"}', ClientToken="token-of-mine")
        first = self.control.create_resource(**arguments)
        self.ended(first)
        self.addCleanup(self.remove, "AWS::SSM::Parameter", "/controlled")
        self.assertEqual(first["ProgressEvent"]["RequestToken"], self.control.create_resource(**arguments)["ProgressEvent"]["RequestToken"])
        self.refused("ClientTokenConflictException", "token-of-mine", "create_resource", **{**arguments, "DesiredState": '{"Type": "String", "Value": "2"}'})
        found = self.control.list_resource_requests(ResourceRequestStatusFilter={"Operations": ["CREATE"], "OperationStatuses": ["SUCCESS"]})["ResourceRequestStatusSummaries"]
        self.assertIn(first["ProgressEvent"]["RequestToken"], [one["RequestToken"] for one in found])


if __name__ == "__main__":
    unittest.main()
