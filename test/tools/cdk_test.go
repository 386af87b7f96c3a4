package tools

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
)

// cdkApp is a stack of everything that an application of functions is made of.
const cdkApp = `
import aws_cdk as cdk
from aws_cdk import (aws_apigatewayv2 as http, aws_apigatewayv2_integrations as integrations, aws_events as events, aws_events_targets as targets,
                     aws_lambda as lambda_, aws_lambda_event_sources as sources, aws_logs as logs, aws_s3 as s3, aws_s3_deployment as deployment,
                     aws_s3_notifications as notifications, aws_sns as sns, aws_sns_subscriptions as subscriptions, aws_sqs as sqs, custom_resources as custom)

app = cdk.App()
stack = cdk.Stack(app, "shop")

function = lambda_.Function(stack, "Function", runtime=lambda_.Runtime("python3.14", lambda_.RuntimeFamily.PYTHON), handler="app.handler",
                            code=lambda_.Code.from_asset("code"), environment={"GREETING": "hello"}, log_retention=logs.RetentionDays.ONE_WEEK)
url = function.add_function_url(auth_type=lambda_.FunctionUrlAuthType.NONE)
api = http.HttpApi(stack, "Api")
api.add_routes(path="/items/{name}", methods=[http.HttpMethod.GET], integration=integrations.HttpLambdaIntegration("Items", function))
queue = sqs.Queue(stack, "Queue")
function.add_event_source(sources.SqsEventSource(queue))
topic = sns.Topic(stack, "Topic")
topic.add_subscription(subscriptions.SqsSubscription(queue))
events.Rule(stack, "Rule", event_pattern=events.EventPattern(source=["shop"]), targets=[targets.LambdaFunction(function)])
bucket = s3.Bucket(stack, "Bucket", removal_policy=cdk.RemovalPolicy.DESTROY, auto_delete_objects=True)
bucket.add_event_notification(s3.EventType.OBJECT_CREATED, notifications.LambdaDestination(function))
deployment.BucketDeployment(stack, "Site", sources=[deployment.Source.asset("site")], destination_bucket=bucket, destination_key_prefix="site")

# Handlers of custom resources: the user's own in the CDK's framework, and one call of an API.
nested = cdk.NestedStack(stack, "Nested")
maker = lambda_.Function(nested, "Maker", runtime=function.runtime, handler="app.made", code=lambda_.Code.from_asset("code"))
made = cdk.CustomResource(nested, "Made", service_token=custom.Provider(nested, "Provider", on_event_handler=maker).service_token, properties={"Word": "made"})
asked = custom.AwsCustomResource(nested, "Asked", policy=custom.AwsCustomResourcePolicy.from_sdk_calls(resources=[queue.queue_arn]), install_latest_aws_sdk=False, on_create=custom.AwsSdkCall(
    service="SQS", action="getQueueAttributes", parameters={"QueueUrl": queue.queue_url, "AttributeNames": ["QueueArn"]}, physical_resource_id=custom.PhysicalResourceId.of("asked")))

cdk.CfnOutput(stack, "Made", value=made.get_att_string("Word"))
cdk.CfnOutput(stack, "Asked", value=asked.get_response_field("Attributes.QueueArn"))
cdk.CfnOutput(stack, "Url", value=url.url)
cdk.CfnOutput(stack, "ApiUrl", value=api.api_endpoint)
cdk.CfnOutput(stack, "QueueUrl", value=queue.queue_url)
cdk.CfnOutput(stack, "TopicArn", value=topic.topic_arn)
cdk.CfnOutput(stack, "BucketName", value=bucket.bucket_name)
cdk.CfnOutput(stack, "FunctionName", value=function.function_name)

app.synth()
`

const cdkHandler = `
import json
import os


def handler(event, context):
    print("event", json.dumps(event))
    return {"statusCode": 200, "body": os.environ["GREETING"] + " " + str((event.get("pathParameters") or {}).get("name"))}


def made(event, context):
    return {"Data": {"Word": event["ResourceProperties"]["Word"] + " by " + event["RequestType"]}}
`

// Who bootstraps and who deploys have no more than the CDK's guide wants:
// https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html and security-iam.html.
const (
	cdkBootstrapper = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:*","ecr:*","ssm:*","s3:*","iam:*"],"Resource":"*"}]}`
	cdkDeveloper    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/cdk-*"}]}`
)

// TestCDK bootstraps, deploys, compares, changes, breaks, mends and destroys an
// application of the CDK in Python, where policies count: the developer may do
// nothing but assume the roles of the bootstrap stack.
func TestCDK(t *testing.T) {
	t.Parallel()
	library, aws, node := install(t, clients.CDK), install(t, clients.AWS), installNode(t)
	p := newStrictProject(t, append([]string{library.Bin, aws.Bin}, node...)...)
	p.write("shop/app.py", cdkApp)
	p.write("shop/code/app.py", cdkHandler)
	p.write("shop/site/index.html", "the site")
	p.write("shop/cdk.json", `{"app": "`+filepath.Join(library.Bin, "python3")+` app.py"}`)

	p.as("bootstrapper", cdkBootstrapper)
	p.run("shop", "cdk", "bootstrap", "aws://000000000000/us-east-1")
	p.run("shop", "cdk", "bootstrap", "aws://000000000000/us-east-1") // again: nothing to do
	p.as("developer", cdkDeveloper)
	outputs := p.cdkDeploy()
	if made, asked := outputs["Made"], outputs["Asked"]; made != "made by Create" || !strings.HasSuffix(outputs["QueueUrl"], asked[strings.LastIndex(asked, ":")+1:]) {
		t.Errorf("the custom resources give %q and %q", made, asked)
	}
	if got := p.aws("s3", "cp", "s3://"+outputs["BucketName"]+"/site/index.html", "-"); got != "the site" {
		t.Errorf("the site deployed to the bucket is %q", got)
	}
	p.answers(outputs["Url"], 200, "hello None")
	p.answers(outputs["ApiUrl"]+"/items/pen", 200, "hello pen")
	p.aws("sns", "publish", "--topic-arn", outputs["TopicArn"], "--message", "by the topic")
	p.aws("events", "put-events", "--entries", `[{"Source":"shop","DetailType":"order","Detail":"{\"by\":\"the rule\"}"}]`)
	p.write("pen.txt", "x")
	p.aws("s3", "cp", "pen.txt", "s3://"+outputs["BucketName"]+"/by-the-bucket.txt")
	for _, seen := range []string{"by the topic", "the rule", "by-the-bucket.txt"} {
		p.eventually(seen, "", "aws", "logs", "filter-log-events", "--log-group-name", "/aws/lambda/"+outputs["FunctionName"])
	}
	p.contains(p.run("shop", "cdk", "diff"), "There were no differences")

	// The code alone, past CloudFormation, by who may change functions.
	p.as("operator", cdkDeveloper, "AWSLambda_FullAccess", "ReadOnlyAccess") // it reads the stack, the assets and what the function refers to
	p.replace("shop/code/app.py", `+ " " +`, `+ ", " +`)
	p.contains(p.run("shop", "cdk", "deploy", "--hotswap", "--require-approval", "never"), "hotswapped!")
	p.answers(outputs["ApiUrl"]+"/items/pen", 200, "hello, pen")

	// A second deployment: a rule less, a queue more.
	p.replace("shop/app.py", `queue = sqs.Queue(stack, "Queue")`, `queue = sqs.Queue(stack, "Queue"); more = sqs.Queue(stack, "More")`)
	p.replace("shop/app.py", `events.Rule(stack, "Rule", event_pattern=events.EventPattern(source=["shop"]), targets=[targets.LambdaFunction(function)])`, ``)
	p.cdkDeploy()
	p.answers(outputs["ApiUrl"]+"/items/pen", 200, "hello, pen")

	// One that fails rolls back; the next succeeds.
	p.replace("shop/app.py", `more = sqs.Queue(stack, "More")`, `more = sqs.Queue(stack, "Other", queue_name="taken")`)
	p.aws("sqs", "create-queue", "--queue-name", "taken", "--attributes", "DelaySeconds=7")
	p.contains(p.fail("shop", "cdk", "deploy", "--require-approval", "never"), "UPDATE_ROLLBACK_COMPLET", "already exists")
	p.answers(outputs["ApiUrl"]+"/items/pen", 200, "hello, pen")
	p.replace("shop/app.py", `queue_name="taken"`, `queue_name="free"`)
	p.cdkDeploy()

	p.run("shop", "cdk", "destroy", "--force")
	if left := p.aws("s3", "ls"); left != "" && !onlyAssets(left) {
		t.Errorf("cdk destroy left the buckets %s", left)
	}
	p.nothingLeft()
}

// cdkDeploy deploys the project and reads the outputs of its stack.
func (p *project) cdkDeploy() map[string]string {
	p.t.Helper()
	p.run("shop", "cdk", "deploy", "--require-approval", "never", "--outputs-file", "outputs.json")
	text, err := os.ReadFile(filepath.Join(p.folder, "shop", "outputs.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var outputs map[string]map[string]string
	if err := json.Unmarshal(text, &outputs); err != nil {
		p.t.Fatal(err)
	}
	return outputs["shop"]
}
