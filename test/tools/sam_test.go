package tools

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// samDeveloper is what SAM's guide gives to who deploys: "Grant specific IAM permissions" of
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-permissions-cloudformation.html,
// without the part for images.
const samDeveloper = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "CloudFormationTemplate", "Effect": "Allow", "Action": ["cloudformation:CreateChangeSet"], "Resource": ["arn:aws:cloudformation:*:aws:transform/Serverless-2016-10-31"]},
  {"Sid": "CloudFormationStack", "Effect": "Allow", "Action": ["cloudformation:CreateChangeSet", "cloudformation:CreateStack", "cloudformation:DeleteStack", "cloudformation:DescribeChangeSet",
   "cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks", "cloudformation:ExecuteChangeSet", "cloudformation:GetTemplateSummary", "cloudformation:ListStackResources",
   "cloudformation:UpdateStack"], "Resource": ["arn:aws:cloudformation:*:000000000000:stack/*"]},
  {"Sid": "S3", "Effect": "Allow", "Action": ["s3:CreateBucket", "s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::*/*"]},
  {"Sid": "Lambda", "Effect": "Allow", "Action": ["lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListTags",
   "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"], "Resource": ["arn:aws:lambda:*:000000000000:function:*"]},
  {"Sid": "IAM", "Effect": "Allow", "Action": ["iam:CreateRole", "iam:AttachRolePolicy", "iam:DeleteRole", "iam:DetachRolePolicy", "iam:GetRole", "iam:TagRole"], "Resource": ["arn:aws:iam::000000000000:role/*"]},
  {"Sid": "IAMPassRole", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
  {"Sid": "APIGateway", "Effect": "Allow", "Action": ["apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"], "Resource": ["arn:aws:apigateway:*::*"]}]}`

// samManaged are the managed policies that the same page names, and one for the queue
// that the test adds.
var samManaged = []string{"AWSCloudFormationFullAccess", "IAMFullAccess", "AWSLambda_FullAccess", "AmazonAPIGatewayAdministrator", "AmazonS3FullAccess", "AmazonEC2ContainerRegistryFullAccess", "AmazonSQSFullAccess"}

// TestSAM takes the official hello-world project from source to an answering URL,
// changes it, breaks it, mends it and removes it, where policies count.
func TestSAM(t *testing.T) {
	t.Parallel()
	sam, aws := install(t, clients.SAM), install(t, clients.AWS)
	p := newStrictProject(t, sam.Bin, aws.Bin)
	// Without a network SAM takes the template that its own package brings.
	p.run("", "sam", "init", "--no-interactive", "--name", "hello", "--runtime", "python3.14", "--dependency-manager", "pip", "--app-template", "hello-world")
	p.run("hello", "sam", "build")
	p.as("developer", samDeveloper)
	p.aws("s3", "mb", "s3://packages")
	deploy := []string{"deploy", "--s3-bucket", "packages", "--config-env", "none", "--stack-name", "hello", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset"}
	out := p.run("hello", "sam", deploy...)
	p.contains(out, "Successfully created/updated stack - hello")
	url := regexp.MustCompile(`https?://\S+/hello/?`).FindString(out)
	p.says(url, "hello world")
	p.contains(p.run("hello", "sam", deploy...), "No changes to deploy. Stack hello is up to date")
	p.as("master", "", samManaged...)
	deploy = append(slices.Delete(deploy, 1, 5), "--resolve-s3")
	p.contains(p.run("hello", "sam", "list", "resources", "--stack-name", "hello", "--output", "json"), `"LogicalResourceId": "HelloWorldFunction"`)
	p.contains(p.run("hello", "sam", "list", "endpoints", "--stack-name", "hello", "--output", "json"), `"LogicalResourceId": "ServerlessRestApi"`)
	p.contains(p.run("hello", "sam", "list", "stack-outputs", "--stack-name", "hello", "--output", "json"), `"OutputKey": "HelloWorldApi"`)
	p.contains(p.run("hello", "sam", "remote", "invoke", "HelloWorldFunction", "--stack-name", "hello", "--event-file", "events/event.json"), "hello world")
	p.eventually("START RequestId", "hello", "sam", "logs", "--stack-name", "hello", "--name", "HelloWorldFunction")

	// Code alone, past CloudFormation.
	p.replace("hello/hello_world/app.py", "hello world", "hello sync")
	p.answer = "y\n" // that it is no stack of production; asked even where nobody is
	p.run("hello", "sam", "sync", "--code", "--no-watch", "--stack-name", "hello", "--no-dependency-layer")
	p.says(url, "hello sync")

	// A second deployment: a changed function, a queue that fires it more, then less.
	p.replace("hello/hello_world/app.py", "hello sync", "hello again")
	p.replace("hello/template.yaml", "\nOutputs:", "  Orders:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: orders\n\nOutputs:")
	p.run("hello", "sam", "build")
	p.run("hello", "sam", deploy...)
	p.says(url, "hello again")
	p.queue("orders")

	// One that fails rolls back; the next succeeds.
	p.aws("sqs", "create-queue", "--queue-name", "taken", "--attributes", "DelaySeconds=7")
	p.replace("hello/template.yaml", "QueueName: orders", "QueueName: taken")
	p.replace("hello/hello_world/app.py", "hello again", "hello never")
	p.run("hello", "sam", "build")
	p.contains(p.fail("hello", "sam", deploy...), "UPDATE_ROLLBACK_COMPLETE")
	p.says(url, "hello again")
	p.queue("orders")
	p.replace("hello/template.yaml", "QueueName: taken", "QueueName: free")
	p.replace("hello/hello_world/app.py", "hello never", "hello at last")
	p.run("hello", "sam", "build")
	p.run("hello", "sam", deploy...)
	p.says(url, "hello at last")
	if out := p.fail("", "aws", "sqs", "get-queue-url", "--queue-name", "orders", "--endpoint-url", "http://"+p.server.Address); !strings.Contains(out, "NonExistentQueue") {
		t.Error(out)
	}

	p.run("hello", "sam", "delete", "--stack-name", "hello", "--no-prompts", "--region", platform.Region)
	p.nothingLeft()
}

// samEvents is a project of functions that events fire, in the manner of SAM's
// quick starts.
const samEvents = `
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.14
    Handler: app.handler
    CodeUri: src/
    Timeout: 10
Parameters:
  Stage:
    Type: String
    Default: test
Resources:
  OnEvent:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          TABLE: !Ref Orders
          STAGE: !Ref Stage
      Policies:
        - SQSSendMessagePolicy:
            QueueName: !GetAtt Orders.QueueName
      Events:
        Order:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [shop]
              detail-type: [order]
        Hourly:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 hour)
        Web:
          Type: HttpApi
          Properties:
            Path: /orders/{name}
            Method: get
  OnMessage:
    Type: AWS::Serverless::Function
    Properties:
      AutoPublishAlias: live
      Layers: [!Ref Words]
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Orders.Arn
            BatchSize: 5
        News:
          Type: SNS
          Properties:
            Topic: !Ref News
        Uploads:
          Type: S3
          Properties:
            Bucket: !Ref Uploads
            Events: s3:ObjectCreated:*
  Words:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: layer/
  Orders:
    Type: AWS::SQS::Queue
  News:
    Type: AWS::SNS::Topic
  Uploads:
    Type: AWS::S3::Bucket
Outputs:
  Web:
    Value: !Sub "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
  News:
    Value: !Ref News
  Uploads:
    Value: !Ref Uploads
`

const samEventsHandler = `
import os
try:
    import words
except ImportError:
    words = None


def handler(event, context):
    print("seen", event, words and words.WORD, os.environ.get("STAGE"))
    return {"statusCode": 200, "body": "order " + event["pathParameters"]["name"]} if "pathParameters" in event else "done"
`

// TestSAMEvents deploys functions fired by a bus, a schedule, an HTTP API, a queue,
// a topic and a bucket, with a layer and an alias, and sees each fire.
func TestSAMEvents(t *testing.T) {
	t.Parallel()
	sam, aws := install(t, clients.SAM), install(t, clients.AWS)
	p := newProject(t, sam.Bin, aws.Bin)
	p.write("shop/template.yaml", samEvents)
	p.write("shop/src/app.py", samEventsHandler)
	p.write("shop/layer/python/words.py", "WORD = 'by the layer'\n")
	p.run("shop", "sam", "validate", "--lint")
	p.run("shop", "sam", "build")
	out := p.run("shop", "sam", "deploy", "--resolve-s3", "--stack-name", "shop", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--parameter-overrides", "Stage=live")
	output := func(key string) string {
		return trimmed(p.aws("cloudformation", "describe-stacks", "--stack-name", "shop", "--query", "Stacks[0].Outputs[?OutputKey=='"+key+"'].OutputValue", "--output", "text"))
	}
	p.contains(out, "Successfully created/updated stack - shop")
	p.answers(output("Web")+"/orders/pen", 200, "order pen")
	p.aws("events", "put-events", "--entries", `[{"Source":"shop","DetailType":"order","Detail":"{\"by\":\"the rule\"}"}]`)
	p.aws("sns", "publish", "--topic-arn", output("News"), "--message", "by the topic")
	p.write("pen.txt", "x")
	p.aws("s3", "cp", "pen.txt", "s3://"+output("Uploads")+"/by-the-bucket.txt")
	p.eventually("the rule", "shop", "sam", "logs", "--stack-name", "shop", "--name", "OnEvent")
	for _, seen := range []string{"by the topic", "by-the-bucket.txt", "by the layer"} {
		p.eventually(seen, "shop", "sam", "logs", "--stack-name", "shop", "--name", "OnMessage")
	}
	p.aws("s3", "rm", "--recursive", "s3://"+output("Uploads"))
	p.run("shop", "sam", "delete", "--stack-name", "shop", "--no-prompts", "--region", platform.Region)
	p.nothingLeft()
}
