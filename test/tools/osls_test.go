package tools

import (
	"regexp"
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
)

const oslsService = `
service: shop
frameworkVersion: '>=3'
provider:
  name: aws
  runtime: python3.14
  stage: dev
  region: us-east-1
functions:
  items:
    handler: app.items
    events:
      - httpApi: 'GET /items/{name}'
  orders:
    handler: app.orders
    events:
      - sqs:
          arn: !GetAtt Orders.Arn
          batchSize: 5
  hourly:
    handler: app.hourly
    events:
      - schedule: rate(1 hour)
  uploads:
    handler: app.uploads
    events:
      - s3:
          bucket: shop-uploads
          event: s3:ObjectCreated:*
          rules:
            - prefix: in/
resources:
  Resources:
    Orders:
      Type: AWS::SQS::Queue
      Properties:
        QueueName: orders
`

const oslsHandlers = `
import json


def items(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"name": event["pathParameters"]["name"], "version": 1})}


def orders(event, context):
    for record in event["Records"]:
        print("order", record["body"])


def hourly(event, context):
    print("tick")
    return "tick"


def uploads(event, context):
    for record in event["Records"]:
        print("upload", record["s3"]["object"]["key"])
`

// TestOsls takes a service of the Serverless Framework's open fork through its life.
func TestOsls(t *testing.T) {
	t.Parallel()
	aws, node := install(t, clients.AWS), installNode(t)
	p := newProject(t, append([]string{aws.Bin}, node...)...)
	p.write("shop/serverless.yml", oslsService)
	p.write("shop/app.py", oslsHandlers)

	out := p.run("shop", "osls", "deploy")
	url := regexp.MustCompile(`GET - (https?://\S+)/items/`).FindStringSubmatch(out)
	if url == nil {
		t.Fatalf("osls deploy tells no endpoint:\n%s", out)
	}
	p.answers(url[1]+"/items/pen", 200, `{"name": "pen", "version": 1}`)
	p.contains(p.run("shop", "osls", "info"), "items: shop-dev-items", "orders: shop-dev-orders")
	p.contains(p.run("shop", "osls", "invoke", "-f", "hourly"), "tick")
	p.aws("sqs", "send-message", "--queue-url", p.queue("orders"), "--message-body", "three pens")
	p.write("pen.txt", "x")
	p.aws("s3", "cp", "pen.txt", "s3://shop-uploads/in/pen.txt")
	p.eventually("order three pens", "shop", "osls", "logs", "-f", "orders")
	p.eventually("upload in/pen.txt", "shop", "osls", "logs", "-f", "uploads")

	p.replace("shop/app.py", `"version": 1`, `"version": 2`)
	p.run("shop", "osls", "deploy", "function", "-f", "items")
	p.answers(url[1]+"/items/pen", 200, `{"name": "pen", "version": 2}`)

	// A second deployment: a changed function, one less, a resource more.
	p.replace("shop/app.py", `"version": 2`, `"version": 3`)
	p.replace("shop/serverless.yml", "  hourly:\n    handler: app.hourly\n    events:\n      - schedule: rate(1 hour)\n", "")
	p.replace("shop/serverless.yml", "  Resources:\n", "  Resources:\n    News:\n      Type: AWS::SNS::Topic\n")
	p.run("shop", "osls", "deploy")
	p.answers(url[1]+"/items/pen", 200, `{"name": "pen", "version": 3}`)

	// One that fails rolls back; the next succeeds.
	p.aws("sqs", "create-queue", "--queue-name", "taken", "--attributes", "DelaySeconds=7")
	p.replace("shop/serverless.yml", "    News:\n", "    Taken:\n      Type: AWS::SQS::Queue\n      Properties:\n        QueueName: taken\n    News:\n")
	p.contains(p.fail("shop", "osls", "deploy"), "CREATE_FAILED: Taken (AWS::SQS::Queue)", "already exists")
	p.answers(url[1]+"/items/pen", 200, `{"name": "pen", "version": 3}`)
	p.replace("shop/serverless.yml", "QueueName: taken", "QueueName: free")
	p.run("shop", "osls", "deploy")

	p.aws("s3", "rm", "--recursive", "s3://shop-uploads")
	p.run("shop", "osls", "remove")
	p.nothingLeft()
}
