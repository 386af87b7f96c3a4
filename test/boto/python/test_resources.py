"""The resource types of CloudFormation against the real server: a stack of many kinds is made, changed, rolled back and deleted.

What each type does with each property is tested in test/resource; here the resources work together.
"""

import json
import unittest
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions

import common

TEMPLATE = """
Parameters:
  Message: {Type: String, Default: hello}
  Receives: {Type: Number, Default: 3}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}
      ManagedPolicyArns: [arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]
      Policies: [{PolicyName: p, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Runtime: %RUNTIME%
      Handler: index.handler
      Environment: {Variables: {MESSAGE: !Ref Message, QUEUE_URL: !Ref Queue}}
      Code:
        ZipFile: |
          import os
          def handler(event, context):
              return {"message": os.environ["MESSAGE"]}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Function}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version, Name: live}}
  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !GetAtt Function.Arn, AuthType: NONE}}
  UrlPermission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Function, Action: "lambda:InvokeFunctionUrl", Principal: "*", FunctionUrlAuthType: NONE}}
  UrlInvoke: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Function, Action: "lambda:InvokeFunction", Principal: "*", InvokedViaFunctionUrl: true}}
  Dead: {Type: AWS::SQS::Queue}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 60, RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: !Ref Receives}}
  Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Alias, EventSourceArn: !GetAtt Queue.Arn, BatchSize: 5}}
  Topic: {Type: AWS::SNS::Topic, Properties: {Subscription: [{Protocol: sqs, Endpoint: !GetAtt Dead.Arn}]}}
  TopicFunction: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Function.Arn}}
  TopicPermission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt Function.Arn, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com, SourceArn: !Ref Topic}}
  BucketPermission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt Function.Arn, Action: "lambda:InvokeFunction", Principal: s3.amazonaws.com, SourceAccount: !Ref "AWS::AccountId"}}
  Bucket:
    Type: AWS::S3::Bucket
    DependsOn: BucketPermission
    Properties:
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration: {LambdaConfigurations: [{Event: "s3:ObjectCreated:*", Function: !GetAtt Function.Arn}]}
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties: {Bucket: !Ref Bucket, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Deny, Principal: "*", Action: "s3:*", Resource: !Sub "${Bucket.Arn}/*", Condition: {Bool: {"aws:SecureTransport": "false"}}}]}}
  Rule:
    Type: AWS::Events::Rule
    Properties: {EventPattern: {source: [shop]}, Targets: [{Id: f, Arn: !GetAtt Function.Arn}]}
  RulePermission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt Function.Arn, Action: "lambda:InvokeFunction", Principal: events.amazonaws.com, SourceArn: !GetAtt Rule.Arn}}
  Schedule:
    Type: AWS::Scheduler::Schedule
    Properties: {ScheduleExpression: "rate(1 day)", FlexibleTimeWindow: {Mode: "OFF"}, Target: {Arn: !GetAtt Function.Arn, RoleArn: !GetAtt Role.Arn}}
  Parameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Message}}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {GenerateSecretString: {PasswordLength: 16}}}
  LogGroup: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        openapi: 3.0.1
        info: {title: !Ref "AWS::StackName", version: "1"}
        paths:
          /hello:
            get:
              x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}
  Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api}}
  Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: Prod}}
  ApiPermission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Function, Action: "lambda:InvokeFunction", Principal: apigateway.amazonaws.com, SourceArn: !Sub "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"}}
  Repository: {Type: AWS::ECR::Repository, Properties: {ImageScanningConfiguration: {ScanOnPush: true}}}
Outputs:
  Url: {Value: !GetAtt Url.FunctionUrl}
  Queue: {Value: !Ref Queue}
  Bucket: {Value: !Ref Bucket}
  Function: {Value: !Ref Function}
  Stage: {Value: !Ref Stage}
""".replace("%RUNTIME%", common.RUNTIME)

# As the CDK writes it for a bucket with auto_delete_objects and a function with log_retention.
HANDLERS = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {Tags: [{Key: "aws-cdk:auto-delete-objects", Value: "true"}], VersioningConfiguration: {Status: Enabled}}
    UpdateReplacePolicy: Delete
    DeletionPolicy: Delete
  BucketAutoDeleteObjectsCustomResource:
    Type: Custom::S3AutoDeleteObjects
    Properties: {ServiceToken: !GetAtt CustomS3AutoDeleteObjectsCustomResourceProviderHandler9D90184F.Arn, BucketName: !Ref Bucket}
    DeletionPolicy: Delete
  CustomS3AutoDeleteObjectsCustomResourceProviderRole3B1BD092:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
  CustomS3AutoDeleteObjectsCustomResourceProviderHandler9D90184F:
    Type: AWS::Lambda::Function
    Properties:
      Code: {S3Bucket: !Sub "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}", S3Key: 97484721f29e34bf38d7a459804dd2d2a8dea6f8c27d7531e215bf4274fbc895.zip}
      Timeout: 900
      MemorySize: 128
      Handler: index.handler
      Role: !GetAtt CustomS3AutoDeleteObjectsCustomResourceProviderRole3B1BD092.Arn
      Runtime: nodejs22.x
      Description: !Join ["", ["Lambda function for auto-deleting objects in ", !Ref Bucket, " S3 bucket."]]
    DependsOn: [CustomS3AutoDeleteObjectsCustomResourceProviderRole3B1BD092]
  Retention:
    Type: Custom::LogRetention
    Properties: {ServiceToken: !GetAtt LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8aFD4BFC8A.Arn, LogGroupName: /aws/lambda/other, RetentionInDays: 7, RemovalPolicy: destroy}
  LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8aFD4BFC8A:
    Type: AWS::Lambda::Function
    Properties:
      Code: {S3Bucket: !Sub "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}", S3Key: 2819175352ad1ce0dae768e83fc328fb70fb5f10b4a8ff0ccbcb791f02b0716d.zip}
      Timeout: 900
      Handler: index.handler
      Role: !GetAtt CustomS3AutoDeleteObjectsCustomResourceProviderRole3B1BD092.Arn
      Runtime: nodejs22.x
"""


class Stack(common.Case):
    @classmethod
    def setUpClass(cls):
        cls.cloudformation = common.client("cloudformation")

    def deploy(self, call, **parameters):
        call(StackName="many", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"],
             Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])

    def ended(self, name="many"):
        """Waits until the operation is over and gives the stack."""
        while True:
            stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack

    def reasons(self, name="many"):
        events = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=name).build_full_result()["StackEvents"]
        return {e["LogicalResourceId"]: e.get("ResourceStatusReason", "") for e in reversed(events) if e["ResourceStatus"].endswith("_FAILED")}

    def says(self, outputs):
        answer = common.client().invoke(FunctionName=outputs["Function"], Qualifier="$LATEST")
        return json.load(answer["Payload"])["message"]

    def test_life(self):
        self.deploy(self.cloudformation.create_stack)
        stack = self.ended()
        self.assertEqual("CREATE_COMPLETE", stack["StackStatus"], self.reasons())
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        self.assertEqual("hello", self.says(outputs))
        # The path form of a URL, for clients that do not resolve names below localhost.
        address = urllib.parse.urlparse(outputs["Url"])
        path = "http://127.0.0.1:{}/_aws/lambda-url/{}/".format(address.port, address.hostname.split(".")[0])
        with urllib.request.urlopen(path) as answer:
            self.assertEqual({"message": "hello"}, json.load(answer))

        # In place: no resource gets another id.
        before = self.resources()
        self.deploy(self.cloudformation.update_stack, Message="changed")
        self.assertEqual("UPDATE_COMPLETE", self.ended()["StackStatus"], self.reasons())
        self.assertEqual(before, self.resources())
        self.assertEqual("changed", self.says(outputs))

        # What fails takes back what has been changed already.
        self.deploy(self.cloudformation.update_stack, Message="lost", Receives="1001")
        self.assertEqual("UPDATE_ROLLBACK_COMPLETE", self.ended()["StackStatus"])
        self.assertRegex(self.reasons()["Queue"], r'^Resource handler returned message: ".*maxReceiveCount.* \(Service: Sqs, Status Code: 400, Request ID: [0-9a-f-]+\)" \(RequestToken: [0-9a-f-]+, HandlerErrorCode: InvalidRequest\)$')
        self.assertEqual("changed", self.says(outputs))
        self.assertEqual("60", common.client("sqs").get_queue_attributes(QueueUrl=outputs["Queue"], AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"])

        # A bucket that is not empty holds up the deletion, in AWS's words.
        s3 = boto3.resource("s3")
        s3.Bucket(outputs["Bucket"]).put_object(Key="k", Body=b"v")
        self.cloudformation.delete_stack(StackName="many")
        self.assertEqual("DELETE_FAILED", self.ended()["StackStatus"])
        self.assertRegex(self.reasons()["Bucket"], r'^Resource handler returned message: "The bucket you tried to delete is not empty.* \(Service: S3, Status Code: 409, Request ID: ')
        s3.Bucket(outputs["Bucket"]).object_versions.delete()
        self.cloudformation.delete_stack(StackName="many")
        self.assertEqual("DELETE_COMPLETE", self.ended(stack["StackId"])["StackStatus"], self.reasons(stack["StackId"]))
        with self.assertRaises(botocore.exceptions.ClientError):
            common.client().get_function(FunctionName=outputs["Function"])

    def test_handlers_of_the_cdk(self):
        """Their own are Node.js; the objects of the bucket go with it all the same, and the log group with the stack."""
        logs, s3 = common.client("logs"), boto3.resource("s3")
        self.cloudformation.create_stack(StackName="handlers", TemplateBody=HANDLERS, Capabilities=["CAPABILITY_IAM"])
        self.assertEqual("CREATE_COMPLETE", self.ended("handlers")["StackStatus"], self.reasons("handlers"))
        bucket = s3.Bucket(self.resources("handlers")["Bucket"])
        for key in "abc":
            bucket.put_object(Key=key, Body=b"x")
        bucket.Object("b").delete()
        self.assertEqual(7, logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/other")["logGroups"][0]["retentionInDays"])
        stack = self.cloudformation.describe_stacks(StackName="handlers")["Stacks"][0]["StackId"]
        self.cloudformation.delete_stack(StackName="handlers")
        self.assertEqual("DELETE_COMPLETE", self.ended(stack)["StackStatus"], self.reasons(stack))
        self.assertEqual([], logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/other")["logGroups"])
        self.assertNotIn(bucket.name, [b.name for b in s3.buckets.all()])

    def resources(self, name="many"):
        summaries = self.cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in summaries}

    def test_what_a_property_would_promise_is_refused_before_anything_is_made(self):
        for resource, reason in {
            "{Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: alias/mine}}": "there is no KMS service",
            "{Type: AWS::DynamoDB::Table, Properties: {KeySchema: []}}": "this platform does not have DynamoDB yet",
            "{Type: AWS::SQS::Queue, Properties: {Nonsense: 1}}": "Nonsense",
            "{Type: AWS::EC2::Instance}": "AWS::EC2::Instance",
        }.items():
            with self.subTest(resource):
                with self.assertRaises(botocore.exceptions.ClientError) as caught:
                    self.cloudformation.create_stack(StackName="refused", TemplateBody="Resources: {R: " + resource + "}")
                error = caught.exception.response["Error"]
                self.assertEqual("ValidationError", error["Code"])
                self.assertIn(reason, error["Message"])


if __name__ == "__main__":
    unittest.main()
