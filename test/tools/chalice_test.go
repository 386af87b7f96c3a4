package tools

import (
	"regexp"
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
)

// chaliceApp has a handler of each kind that Chalice deploys without CloudFormation.
const chaliceApp = `
import os

from chalice import BadRequestError, Chalice, Rate

app = Chalice(app_name="shop")


@app.route("/")
def index():
    return {"hello": "world"}


@app.route("/items/{name}", methods=["GET", "POST"], cors=True)
def item(name):
    if name == "none":
        raise BadRequestError("no such item")
    request = app.current_request
    return {"name": name, "method": request.method, "body": request.json_body, "query": request.query_params}


@app.schedule(Rate(1, unit=Rate.HOURS))
def every_hour(event):
    print("tick", event.detail_type)


@app.on_sqs_message(queue="orders", batch_size=5)
def orders(event):
    for record in event:
        print("order", record.body)


@app.on_sns_message(topic="news")
def news(event):
    print("news", event.subject, event.message)


@app.on_s3_event(bucket="uploads", events=["s3:ObjectCreated:*"], prefix="in/")
def uploads(event):
    print("upload", event.bucket, event.key)


@app.lambda_function()
def plain(event, context):
    return {"event": event, "role": bool(os.environ.get("AWS_ACCESS_KEY_ID"))}
`

// TestChalice deploys an application of all kinds of handlers, calls each, changes
// it, breaks it, mends it and removes it.
func TestChalice(t *testing.T) {
	t.Parallel()
	chalice, aws := install(t, clients.Chalice), install(t, clients.AWS)
	p := newProject(t, chalice.Bin, aws.Bin)
	p.write("shop/app.py", chaliceApp)
	p.write("shop/requirements.txt", "")
	p.write("shop/.chalice/config.json", `{"version": "2.0", "app_name": "shop", "stages": {"dev": {"api_gateway_stage": "api"}}}`)
	p.aws("sqs", "create-queue", "--queue-name", "orders", "--attributes", "VisibilityTimeout=60") // as long as Chalice lets functions run
	topic := p.aws("sns", "create-topic", "--name", "news", "--query", "TopicArn", "--output", "text")
	p.aws("s3", "mb", "s3://uploads")

	out := p.run("shop", "chalice", "deploy")
	p.contains(out, "Creating lambda function: shop-dev", "Rest API URL: ")
	url := regexp.MustCompile(`Rest API URL: (\S+)`).FindStringSubmatch(out)[1]
	if got := p.run("shop", "chalice", "url"); got != url+"\n" {
		t.Errorf("chalice url says %q, deploy said %q", got, url)
	}
	p.answers(url, 200, `{"hello":"world"}`)
	p.answers(url+"items/pen?a=1", 200, `{"name":"pen","method":"GET","body":null,"query":{"a":"1"}}`)
	p.answers(url+"items/none", 400, `{"Code":"BadRequestError","Message":"no such item"}`)
	p.answers(url+"nothing", 403, `{"message":"Missing Authentication Token"}`)
	p.contains(p.run("shop", "chalice", "invoke", "--name", "plain"), `"role": true`)

	p.aws("sqs", "send-message", "--queue-url", p.queue("orders"), "--message-body", "three pens")
	p.aws("sns", "publish", "--topic-arn", trimmed(topic), "--subject", "extra", "--message", "pens are out")
	p.write("pen.txt", "x")
	p.aws("s3", "cp", "pen.txt", "s3://uploads/in/pen.txt")
	p.eventually("order three pens", "shop", "chalice", "logs", "--name", "orders")
	p.eventually("news extra pens are out", "shop", "chalice", "logs", "--name", "news")
	p.eventually("upload uploads in/pen.txt", "shop", "chalice", "logs", "--name", "uploads")

	// A second deployment: a changed function, one more, one less.
	p.replace("shop/app.py", `{"hello": "world"}`, `{"hello": "again"}`)
	p.replace("shop/app.py", "@app.lambda_function()\ndef plain(", "@app.lambda_function()\ndef other(")
	out = p.run("shop", "chalice", "deploy")
	p.contains(out, "Updating lambda function: shop-dev", "Creating lambda function: shop-dev-other", "Deleting function: ")
	p.answers(url, 200, `{"hello":"again"}`)

	// One that fails leaves what was before; the next succeeds.
	p.replace("shop/app.py", `queue="orders"`, `queue="absent"`)
	p.contains(p.fail("shop", "chalice", "deploy"), "absent")
	p.answers(url, 200, `{"hello":"again"}`)
	p.replace("shop/app.py", `queue="absent"`, `queue="orders"`)
	p.run("shop", "chalice", "deploy")
	p.answers(url, 200, `{"hello":"again"}`)

	p.contains(p.run("shop", "chalice", "delete"), "Deleting Rest API: ", "Deleting function: ")
	p.nothingLeft()
}
