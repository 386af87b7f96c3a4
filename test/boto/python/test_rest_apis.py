"""REST APIs of API Gateway: boto3 configures them, plain HTTP clients call them."""

import base64
import contextlib
import gzip
import http.client
import json
import os
import re
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from common import ACCOUNT, REGION, Case, arn, client, status

SERVER = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
API = client("apigateway")

PROXY = r"""
import base64, json
def handler(event, context):
    path = event["path"]
    if path == "/fail":
        raise ValueError("no")
    if path == "/malformed":
        return {"statusCode": 200, "body": {"no": "text"}}
    if path == "/unknown":
        return {"statusCode": 200, "nosuch": 1}
    if path == "/image":
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True, "body": base64.b64encode(b"\x89PNG\xff").decode()}
    return {"statusCode": 201, "headers": {"X-One": "1", "Authorization": "seen"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": json.dumps(event)}
"""

PLAIN = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("Bad Request: " + event["fail"])
    return {"got": event}
"""

AUTHORIZER = """
import uuid
def handler(event, context):
    token = event.get("authorizationToken") or event["headers"].get("X-Token")
    if token == "error":
        raise ValueError("broken")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    effect = "Deny" if token == "deny" else "Allow"
    resource = "arn:aws:execute-api:*:*:nothing/*" if token == "elsewhere" else event["methodArn"]
    return {"principalId": "user", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}]},
            "context": {"n": 1, "yes": True, "text": token, "call": uuid.uuid4().hex}}
"""


def uri(function):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


def call(api, path, method="GET", body=None, headers=None, host=False):
    """Calls an API by its path form, or by its host name."""
    headers = dict(headers or {})
    if host:
        headers["Host"] = f"{api}.execute-api.{REGION}.localhost"
    else:
        path = f"/_aws/execute-api/{api}{path}"
    connection = http.client.HTTPConnection(SERVER, timeout=120)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


class RestApis(Case):
    def function(self, source):
        name = self.name()
        self.create(source, name=name)
        return arn(name)

    def permit(self, function, api, pattern="*/*/*"):
        self.api.add_permission(FunctionName=function, StatementId=self.name(), Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{pattern}")

    def rest_api(self, **options):
        made = API.create_rest_api(name=self.name(), endpointConfiguration={"types": ["REGIONAL"]}, **options)
        self.addCleanup(self.delete_api, made["id"])
        return made["id"], made["rootResourceId"]

    def imported(self, document, **options):
        made = API.import_rest_api(body=json.dumps(document), **options)
        self.addCleanup(self.delete_api, made["id"])
        return made["id"]

    def delete_api(self, api):
        try:
            API.delete_rest_api(restApiId=api)
        except API.exceptions.NotFoundException:
            pass

    def method(self, api, resource, verb="GET", integration=None, **options):
        options.setdefault("authorizationType", "NONE")
        API.put_method(restApiId=api, resourceId=resource, httpMethod=verb, **options)
        API.put_integration(restApiId=api, resourceId=resource, httpMethod=verb, **integration)

    def mock(self, api, resource, verb="GET", template='{"statusCode": 200}', answers=None, **options):
        self.method(api, resource, verb, {"type": "MOCK", "requestTemplates": {"application/json": template}}, **options)
        for code, answer in (answers or {"200": {}}).items():
            API.put_method_response(restApiId=api, resourceId=resource, httpMethod=verb, statusCode=code,
                                    responseParameters={name: False for name in answer.get("responseParameters", {})})
            API.put_integration_response(restApiId=api, resourceId=resource, httpMethod=verb, statusCode=code, **answer)

    def deploy(self, api, stage="prod", **options):
        return API.create_deployment(restApiId=api, stageName=stage, **options)["id"]

    def refused(self, code, message, do, **arguments):
        with self.assertRaises(ClientError) as caught:
            do(**arguments)
        self.assertEqual((caught.exception.response["Error"]["Code"], message), (code, caught.exception.response["Error"]["Message"]))


class Proxy(RestApis):
    def setUp(self):
        function = self.function(PROXY)
        self.id, root = self.rest_api(binaryMediaTypes=["image/*"])
        proxy = API.create_resource(restApiId=self.id, parentId=root, pathPart="{proxy+}")["id"]
        for resource in (root, proxy):
            self.method(self.id, resource, "ANY", {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri(function)})
        self.lambda_arn = function
        self.deploy(self.id, variables={"color": "blue"})

    def test_hello_world(self):
        code, headers, body = call(self.id, "/prod/pets/a%20b?x=1&x=2")
        self.assertEqual((code, json.loads(body)), (500, {"message": "Internal server error"}))  # nobody may yet
        self.permit(self.lambda_arn, self.id)
        code, headers, body = call(self.id, "/prod/pets/a%20b?x=1&x=2", "POST", "hi", {"X-Me": "you"}, host=True)
        event = json.loads(body)
        self.assertEqual(code, 201)
        self.assertEqual((headers["X-One"], headers["X-Amzn-Remapped-Authorization"], headers.get_all("Set-Cookie")), ("1", "seen", ["a=1", "b=2"]))
        self.assertRegex(headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
        self.assertTrue(headers["x-amz-apigw-id"])
        self.assertEqual({k: event[k] for k in ("resource", "path", "httpMethod", "pathParameters", "queryStringParameters", "multiValueQueryStringParameters", "stageVariables", "body", "isBase64Encoded")},
                         {"resource": "/{proxy+}", "path": "/pets/a%20b", "httpMethod": "POST", "pathParameters": {"proxy": "pets/a b"}, "queryStringParameters": {"x": "2"},
                          "multiValueQueryStringParameters": {"x": ["1", "2"]}, "stageVariables": {"color": "blue"}, "body": "hi", "isBase64Encoded": False})
        context = event["requestContext"]
        self.assertEqual((context["stage"], context["apiId"], context["accountId"], context["path"], context["resourcePath"], context["httpMethod"]),
                         ("prod", self.id, ACCOUNT, "/prod/pets/a%20b", "/{proxy+}", "POST"))
        self.assertEqual(context["domainName"], f"{self.id}.execute-api.{REGION}.localhost")
        self.assertEqual(context["requestId"], headers["x-amzn-RequestId"])

    def test_what_functions_do_wrong(self):
        self.permit(self.lambda_arn, self.id)
        for path in ("/fail", "/malformed", "/unknown"):
            code, headers, body = call(self.id, "/prod" + path)
            self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (502, {"message": "Internal server error"}, "InternalServerErrorException"), path)

    def test_binary(self):
        self.permit(self.lambda_arn, self.id)
        code, headers, body = call(self.id, "/prod/image", headers={"Accept": "image/png,*/*"})
        self.assertEqual((code, headers["Content-Type"], body), (200, "image/png", b"\x89PNG\xff"))
        code, headers, body = call(self.id, "/prod/image")
        self.assertEqual(base64.b64decode(body), b"\x89PNG\xff")
        event = json.loads(call(self.id, "/prod/up", "PUT", b"\xff\xfe", {"Content-Type": "image/gif"})[2])
        self.assertEqual((event["isBase64Encoded"], base64.b64decode(event["body"])), (True, b"\xff\xfe"))

    def test_who_is_not_there(self):
        for path, answer in {"/nosuch/x": {"message": "Forbidden"}, "/": {"message": "Forbidden"}}.items():
            code, headers, body = call(self.id, path)
            self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (403, answer, "ForbiddenException"))
        API.update_rest_api(restApiId=self.id, patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}])
        self.assertEqual(call(self.id, "/prod/x")[0], 403)
        API.delete_rest_api(restApiId=self.id)
        self.assertEqual((call(self.id, "/prod/x")[0], call(self.id, "/prod/x")[2]), (403, b'{"message":"Forbidden"}'))

    def test_a_body_that_is_too_large(self):
        code, _, body = call(self.id, "/prod/x", "POST", b"x" * (10 << 20) + b"x")
        self.assertEqual((code, body), (413, b"HTTP content length exceeded 10485760 bytes."))

    def test_deployments_are_snapshots(self):
        self.permit(self.lambda_arn, self.id)
        root = API.get_resources(restApiId=self.id)["items"][0]["id"]
        self.mock(self.id, API.create_resource(restApiId=self.id, parentId=root, pathPart="new")["id"])
        self.assertEqual(call(self.id, "/prod/new")[0], 201)  # {proxy+} still
        before = API.get_stage(restApiId=self.id, stageName="prod")["deploymentId"]
        self.deploy(self.id)
        self.assertEqual(call(self.id, "/prod/new")[0], 200)
        API.update_stage(restApiId=self.id, stageName="prod", patchOperations=[{"op": "replace", "path": "/deploymentId", "value": before}])
        self.assertEqual(call(self.id, "/prod/new")[0], 201)


    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-enable-compression.html
    def test_compression(self):
        self.permit(self.lambda_arn, self.id)
        API.update_rest_api(restApiId=self.id, patchOperations=[{"op": "replace", "path": "/minimumCompressionSize", "value": "100"}])
        self.deploy(self.id)
        code, headers, body = call(self.id, "/prod/x", "POST", gzip.compress(b"hello"), {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
        self.assertEqual((code, headers["Content-Encoding"]), (201, "gzip"))
        self.assertEqual(json.loads(gzip.decompress(body))["body"], "hello")
        code, headers, body = call(self.id, "/prod/x", "POST", b"hello", {"Accept-Encoding": "identity"})
        self.assertEqual((code, headers["Content-Encoding"], json.loads(body)["body"]), (201, None, "hello"))
        code, _, body = call(self.id, "/prod/x", "POST", b"hello", {"Content-Encoding": "br"})
        self.assertEqual((code, json.loads(body)), (415, {"message": "Unsupported Media Type"}))


class Mock(RestApis):
    def test_routes(self):
        api, root = self.rest_api()
        for name, parent in {"fixed": root, "{var}": root, "{greedy+}": root}.items():
            resource = API.create_resource(restApiId=api, parentId=parent, pathPart=name)["id"]
            self.mock(api, resource, answers={"200": {"responseTemplates": {"application/json": "$context.resourcePath $input.params('var')$input.params('greedy')"}}})
        self.deploy(api)
        for path, want in {"/fixed": "/fixed ", "/other": "/{var} other", "/a/b": "/{greedy+} a/b", "/fixed/b": "/{greedy+} fixed/b"}.items():
            self.assertEqual(call(api, "/prod" + path)[2].decode(), want)
        code, headers, body = call(api, "/prod/fixed", "POST")
        self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (403, {"message": "Missing Authentication Token"}, "MissingAuthenticationTokenException"))

    def test_templates_choose_answers(self):
        api, root = self.rest_api()
        self.mock(api, root, "POST", '#if($input.params("fail") == "yes"){"statusCode": 400}#else{"statusCode": 200}#end', {
            "200": {"responseTemplates": {"application/json": '{"stage": "$context.stage", "v": "$stageVariables.v"}', "text/plain": "plain"}},
            "400": {"selectionPattern": "4\\d\\d", "responseTemplates": {"application/json": '#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-Tea = "pot"){}'}}})
        self.deploy(api, variables={"v": "1"})
        code, headers, body = call(api, "/prod", "POST", "{}")
        self.assertEqual((code, json.loads(body), headers["Content-Type"]), (200, {"stage": "prod", "v": "1"}, "application/json"))
        self.assertEqual(call(api, "/prod", "POST", "{}", {"Accept": "text/plain"})[2], b"plain")
        code, headers, body = call(api, "/prod?fail=yes", "POST", "{}")
        self.assertEqual((code, headers["X-Tea"]), (418, "pot"))

    def test_cors_as_tools_configure_it(self):
        api, root = self.rest_api()
        names = {"method.response.header.Access-Control-Allow-Headers": "'Content-Type,X-Amz-Date'", "method.response.header.Access-Control-Allow-Methods": "'*'", "method.response.header.Access-Control-Allow-Origin": "'*'"}
        self.mock(api, root, "OPTIONS", answers={"200": {"responseParameters": names, "responseTemplates": {"application/json": ""}}})
        self.deploy(api)
        code, headers, body = call(api, "/prod", "OPTIONS", headers={"Origin": "https://example.com", "Access-Control-Request-Method": "PUT"})
        self.assertEqual((code, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Methods"], headers["Access-Control-Allow-Headers"], body),
                         (200, "*", "*", "Content-Type,X-Amz-Date", b""))

    def test_gateway_responses(self):
        api, root = self.rest_api()
        self.mock(api, root)
        API.put_gateway_response(restApiId=api, responseType="MISSING_AUTHENTICATION_TOKEN", statusCode="404", responseParameters={"gatewayresponse.header.X-Why": "'none'", "gatewayresponse.header.X-Path": "context.path"},
                                 responseTemplates={"application/json": '{"error": $context.error.messageString, "type": "$context.error.responseType"}'})
        self.deploy(api)
        code, headers, body = call(api, "/prod/none")
        self.assertEqual((code, json.loads(body), headers["X-Why"], headers["X-Path"]), (404, {"error": "Missing Authentication Token", "type": "MISSING_AUTHENTICATION_TOKEN"}, "none", "/prod/none"))


class Plain(RestApis):
    def setUp(self):
        self.lambda_arn = self.function(PLAIN)
        self.id, self.root = self.rest_api()
        self.permit(self.lambda_arn, self.id)

    def integrate(self, **options):
        self.method(self.id, self.root, "POST", {"type": "AWS", "integrationHttpMethod": "POST", "uri": uri(self.lambda_arn), **options})
        for code, pattern in {"200": None, "400": "Bad Request:.*"}.items():
            API.put_method_response(restApiId=self.id, resourceId=self.root, httpMethod="POST", statusCode=code, responseParameters={"method.response.header.X-Got": False})
            answer = {"selectionPattern": pattern, "responseTemplates": {"application/json": '{"error": $input.json("$.errorMessage")}'}} if pattern else {"responseParameters": {"method.response.header.X-Got": "integration.response.body.got.name"}}
            API.put_integration_response(restApiId=self.id, resourceId=self.root, httpMethod="POST", statusCode=code, **answer)
        self.deploy(self.id)

    def test_templates(self):
        self.integrate(requestTemplates={"application/json": '{"name": $input.json("$.pet.name"), "fail": "$input.params(\'fail\')", "all": "$util.escapeJavaScript($input.body)"}'}, passthroughBehavior="NEVER")
        body = '{"pet": {"name": "Rex"}}'
        code, headers, answer = call(self.id, "/prod", "POST", body, {"Content-Type": "application/json"})
        self.assertEqual((code, json.loads(answer), headers["X-Got"]), (200, {"got": {"name": "Rex", "fail": "", "all": body}}, "Rex"))
        code, _, answer = call(self.id, "/prod?fail=x", "POST", body)
        self.assertEqual((code, json.loads(answer)), (400, {"error": "Bad Request: x"}))
        code, headers, answer = call(self.id, "/prod", "POST", "a", {"Content-Type": "text/plain"})
        self.assertEqual((code, json.loads(answer)), (415, {"message": "Unsupported Media Type"}))
        code, headers, answer = call(self.id, "/prod", "POST", "no json")
        self.assertEqual(code, 400)
        self.assertIn("Could not parse request body into json", json.loads(answer)["message"])

    def test_passthrough(self):
        self.integrate()
        self.assertEqual(json.loads(call(self.id, "/prod", "POST", '{"a": 1}')[2]), {"got": {"a": 1}})

    def test_a_queue_behind_an_api(self):
        sqs = client("sqs")
        url = sqs.create_queue(QueueName=self.name())["QueueUrl"]
        self.addCleanup(sqs.delete_queue, QueueUrl=url)
        queue = url.rsplit("/", 1)[1]
        API.put_method(restApiId=self.id, resourceId=self.root, httpMethod="PUT", authorizationType="NONE")
        API.put_integration(restApiId=self.id, resourceId=self.root, httpMethod="PUT", type="AWS", integrationHttpMethod="POST", uri=f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/{queue}",
                            credentials=f"arn:aws:iam::{ACCOUNT}:role/api", requestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
                            requestTemplates={"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"})
        API.put_method_response(restApiId=self.id, resourceId=self.root, httpMethod="PUT", statusCode="200")
        API.put_integration_response(restApiId=self.id, resourceId=self.root, httpMethod="PUT", statusCode="200")
        self.deploy(self.id)
        code, _, answer = call(self.id, "/prod", "PUT", '{"a": "b&c"}')
        self.assertEqual(code, 200, answer)
        self.assertTrue(json.loads(answer)["SendMessageResponse"]["SendMessageResult"]["MessageId"])
        self.assertEqual(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"], '{"a": "b&c"}')

    def service(self, method, uri, http="POST", **integration):
        """A method that calls a service, and answers what it answers."""
        API.put_method(restApiId=self.id, resourceId=self.root, httpMethod=method, authorizationType="NONE", requestParameters={"method.request.querystring.key": False})
        API.put_integration(restApiId=self.id, resourceId=self.root, httpMethod=method, type="AWS", integrationHttpMethod=http, uri=f"arn:aws:apigateway:{REGION}:{uri}", credentials=f"arn:aws:iam::{ACCOUNT}:role/api", **integration)
        for status, pattern in (("200", {}), ("404", {"selectionPattern": "404"}), ("400", {"selectionPattern": "400"})):
            API.put_method_response(restApiId=self.id, resourceId=self.root, httpMethod=method, statusCode=status, responseParameters={"method.response.header.ETag": False})
            API.put_integration_response(restApiId=self.id, resourceId=self.root, httpMethod=method, statusCode=status, responseParameters={"method.response.header.ETag": "integration.response.header.ETag"}, **pattern)

    # The forms are those of the query APIs of SQS and SNS:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
    def test_forms_with_members_that_have_members(self):
        sqs, sns = client("sqs"), client("sns")
        url = sqs.create_queue(QueueName=self.name())["QueueUrl"]
        self.addCleanup(sqs.delete_queue, QueueUrl=url)
        topic = sns.create_topic(Name=self.name())["TopicArn"]
        self.addCleanup(sns.delete_topic, TopicArn=topic)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"], Attributes={"RawMessageDelivery": "true"})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]})})
        form = {"requestParameters": {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}}
        queue = url.rsplit("/", 1)[1]
        self.service("PUT", f"sqs:path/{ACCOUNT}/{queue}", **form, requestTemplates={"application/json": "Action=SendMessage&MessageBody=$input.body"
                     "&MessageAttribute.1.Name=kind&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=order"
                     "&MessageAttribute.2.Name=n&MessageAttribute.2.Value.DataType=Number&MessageAttribute.2.Value.StringValue=7"})
        self.service("PATCH", "sns:action/Publish", **form, requestTemplates={"application/json": f"TopicArn={topic}&Message=$input.body"
                     "&MessageAttributes.entry.1.Name=kind&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=note"})
        self.service("DELETE", "sns:path//", **form, requestTemplates={"application/json": f"Action=Publish&TopicArn={topic}&Message=x&MessageAttributes.entry.1.Name=kind&MessageAttributes.entry.1.Value.DataType=Nonsense"})
        self.deploy(self.id)

        def message():
            got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"][0]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
            return got["Body"], {name: a["StringValue"] for name, a in got["MessageAttributes"].items()}

        code, _, answer = call(self.id, "/prod", "PUT", "one")
        self.assertEqual(code, 200, answer)
        self.assertEqual(message(), ("one", {"kind": "order", "n": "7"}))
        code, _, answer = call(self.id, "/prod", "PATCH", "two")
        self.assertEqual(code, 200, answer)
        self.assertTrue(json.loads(answer)["PublishResponse"]["PublishResult"]["MessageId"])
        self.assertEqual(message(), ("two", {"kind": "note"}))
        code, _, answer = call(self.id, "/prod", "DELETE", "x")
        self.assertEqual((code, json.loads(answer)["Error"]["Type"]), (400, "Sender"), answer)

    # https://docs.aws.amazon.com/apigateway/latest/developerguide/integrating-api-with-aws-services-s3.html
    def test_a_bucket_behind_an_api(self):
        s3 = client("s3")
        bucket = self.name().lower()
        s3.create_bucket(Bucket=bucket)
        self.addCleanup(s3.delete_bucket, Bucket=bucket)
        key = {"requestParameters": {"integration.request.path.key": "method.request.querystring.key"}}
        typed = {"requestParameters": {**key["requestParameters"], "integration.request.header.x-amz-meta-by": "'api'"}}
        self.service("PUT", f"s3:path/{bucket}/{{key}}", "PUT", passthroughBehavior="WHEN_NO_MATCH", **typed)
        self.service("PATCH", f"s3:path/{bucket}/{{key}}", "GET", **key)
        self.service("DELETE", f"{bucket}.s3:path/{{key}}", "DELETE", **key)
        self.service("OPTIONS", f"s3:path/{bucket}?list-type=2", "GET")
        self.deploy(self.id)
        code, headers, answer = call(self.id, "/prod?key=a/b%20c", "PUT", "hello")
        self.assertEqual(code, 200, answer)
        self.assertTrue(headers["ETag"])
        got = s3.get_object(Bucket=bucket, Key="a/b c")
        self.assertEqual((got["Body"].read(), got["Metadata"]), (b"hello", {"by": "api"}))
        self.assertEqual(call(self.id, "/prod?key=a/b%20c", "PATCH")[2], b"hello")
        self.assertIn(b"<Key>a/b c</Key>", call(self.id, "/prod", "OPTIONS")[2])
        code, _, answer = call(self.id, "/prod?key=a/b%20c", "DELETE")
        self.assertEqual(code, 200, answer)
        code, _, answer = call(self.id, "/prod?key=a/b%20c", "PATCH")
        self.assertEqual((code, b"<Code>NoSuchKey</Code>" in answer), (404, True), answer)


class Tests(RestApis):
    def test_methods_before_they_are_deployed(self):
        function = self.function(PROXY)
        api, root = self.rest_api()
        self.permit(function, api)
        pets = API.create_resource(restApiId=api, parentId=root, pathPart="{id}")["id"]
        self.method(api, pets, "GET", {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri(function)}, apiKeyRequired=True)
        got = API.test_invoke_method(restApiId=api, resourceId=pets, httpMethod="GET", pathWithQueryString="/7?a=b", headers={"X-Me": "you"}, stageVariables={"v": "w"})
        event = json.loads(got["body"])
        self.assertEqual((got["status"], event["pathParameters"], event["queryStringParameters"], event["headers"]["X-Me"], event["stageVariables"], event["requestContext"]["stage"]),
                         (201, {"id": "7"}, {"a": "b"}, "you", {"v": "w"}, "test-invoke-stage"))
        # The words of https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-test-method.html and of users' reports.
        lines = got["log"].splitlines()
        self.assertTrue(lines[0].startswith("Execution log for request "), lines[0])
        self.assertTrue(all(re.fullmatch(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4} : .*", line) for line in lines[1:]), lines)
        words = [line.partition(" : ")[2] for line in lines[1:]]
        order = ["Starting execution for request: ", "HTTP Method: GET, Resource Path: /7", "Method request path: {id=7}", "Method request query string: {a=b}", "Method request headers: {X-Me=you}",
                 "Method request body before transformations: ", "Endpoint request URI: https://lambda.", "Endpoint request headers: {", "Endpoint request body after transformations: {", "Sending request to https://lambda.",
                 "Received response. Status: 200, Integration latency: ", "Endpoint response headers: {", "Endpoint response body before transformations: {", "Method response body after transformations: {",
                 "Method response headers: {", "Successfully completed execution", "Method completed with status: 201"]
        self.assertEqual([word for word, want in zip(words, order, strict=True) if not word.startswith(want)], [], got["log"])

    def test_authorizers(self):
        function = self.function(AUTHORIZER)
        api, _ = self.rest_api()
        self.permit(function, api, "authorizers/*")
        authorizer = API.create_authorizer(restApiId=api, name="a", type="TOKEN", authorizerUri=uri(function), identitySource="method.request.header.Authorization")["id"]
        got = API.test_invoke_authorizer(restApiId=api, authorizerId=authorizer, headers={"Authorization": "allow"})
        self.assertEqual((got["clientStatus"], got["principalId"], json.loads(got["policy"])["Statement"][0]["Effect"]), (0, "user", "Allow"))
        self.assertEqual(API.test_invoke_authorizer(restApiId=api, authorizerId=authorizer)["clientStatus"], 401)


class Access(RestApis):
    def authorizer(self, api, kind, **options):
        function = self.function(AUTHORIZER)
        self.permit(function, api, "authorizers/*")
        return API.create_authorizer(restApiId=api, name=self.name(), type=kind, authorizerUri=uri(function), **options)["id"]

    def echo(self, api, resource, **options):
        self.mock(api, resource, answers={"200": {"responseTemplates": {"application/json": '{"p": "$context.authorizer.principalId", "n": "$context.authorizer.n", "t": "$context.authorizer.text", "c": "$context.authorizer.call", "k": "$context.identity.apiKeyId"}'}}}, **options)

    def test_token_authorizer(self):
        api, root = self.rest_api()
        authorizer = self.authorizer(api, "TOKEN", identitySource="method.request.header.Authorization", identityValidationExpression="[a-z]+", authorizerResultTtlInSeconds=300)
        self.echo(api, root, authorizationType="CUSTOM", authorizerId=authorizer)
        self.deploy(api)
        ask = lambda token: call(api, "/prod", headers={"Authorization": token} if token else {})
        code, headers, body = ask("allow")
        self.assertEqual(code, 200, body)
        first = json.loads(body)
        self.assertEqual((first["p"], first["n"], first["t"]), ("user", "1", "allow"))
        self.assertEqual(json.loads(ask("allow")[2])["c"], first["c"])  # remembered
        API.flush_stage_authorizers_cache(restApiId=api, stageName="prod")
        self.assertNotEqual(json.loads(ask("allow")[2])["c"], first["c"])
        for token, want in {None: (401, {"message": "Unauthorized"}), "123": (401, {"message": "Unauthorized"}), "unauthorized": (401, {"message": "Unauthorized"}),
                            "deny": (403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
                            "elsewhere": (403, {"Message": "User is not authorized to access this resource"}), "error": (500, {"message": None})}.items():
            code, headers, body = ask(token)
            self.assertEqual((code, json.loads(body)), want, token)

    def test_request_authorizer(self):
        api, root = self.rest_api()
        authorizer = self.authorizer(api, "REQUEST", identitySource="method.request.header.X-Token", authorizerResultTtlInSeconds=0)
        self.echo(api, root, authorizationType="CUSTOM", authorizerId=authorizer)
        self.deploy(api)
        self.assertEqual(json.loads(call(api, "/prod", headers={"X-Token": "hello"})[2])["t"], "hello")
        self.assertEqual(call(api, "/prod")[0], 401)

    def test_iam(self):
        api, root = self.rest_api()
        self.mock(api, root, answers={"200": {"responseTemplates": {"application/json": "$context.identity.userArn"}}}, authorizationType="AWS_IAM")
        self.deploy(api)
        code, headers, body = call(api, "/prod")
        self.assertEqual((code, json.loads(body)), (403, {"message": "Missing Authentication Token"}))
        url = f"http://{SERVER}/_aws/execute-api/{api}/prod"
        r = AWSRequest("GET", url)
        SigV4Auth(botocore.session.get_session().get_credentials(), "execute-api", REGION).add_auth(r)
        code, headers, body = call(api, "/prod", headers={"Host": SERVER, **dict(r.headers.items())})
        self.assertEqual((code, body.decode()), (200, f"arn:aws:iam::{ACCOUNT}:root"))
        r.headers["Authorization"] = r.headers["Authorization"][:-4] + "0000"
        self.assertEqual(call(api, "/prod", headers={"Host": SERVER, **dict(r.headers.items())})[0], 403)

    def test_api_keys_and_usage_plans(self):
        api, root = self.rest_api()
        self.echo(api, root, apiKeyRequired=True)
        self.deploy(api)
        key = API.create_api_key(name=self.name(), enabled=True)
        self.addCleanup(API.delete_api_key, apiKey=key["id"])
        plan = API.create_usage_plan(name=self.name(), apiStages=[{"apiId": api, "stage": "prod"}], quota={"limit": 3, "period": "MONTH"}, throttle={"rateLimit": 1000, "burstLimit": 1000})
        self.addCleanup(API.delete_usage_plan, usagePlanId=plan["id"])
        self.addCleanup(API.update_usage_plan, usagePlanId=plan["id"], patchOperations=[{"op": "remove", "path": "/apiStages", "value": f"{api}:prod"}])
        ask = lambda value: call(api, "/prod", headers={"x-api-key": value} if value else {})
        for value in (None, "wrong", key["value"]):
            code, headers, body = ask(value)
            self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (403, {"message": "Forbidden"}, "ForbiddenException"))
        API.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        for _ in range(3):
            code, headers, body = ask(key["value"])
            self.assertEqual((code, json.loads(body)["k"]), (200, key["id"]))
        code, headers, body = ask(key["value"])
        self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (429, {"message": "Limit Exceeded"}, "LimitExceededException"))
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self.assertEqual(API.get_usage(usagePlanId=plan["id"], startDate=today, endDate=today)["items"], {key["id"]: [[3, 0]]})
        API.update_usage_plan(usagePlanId=plan["id"], patchOperations=[{"op": "replace", "path": "/quota/limit", "value": "100"}, {"op": "replace", "path": "/throttle/burstLimit", "value": "1"}, {"op": "replace", "path": "/throttle/rateLimit", "value": "0.001"}])
        answers = [ask(key["value"]) for _ in range(3)]
        self.assertEqual((answers[-1][0], json.loads(answers[-1][2])), (429, {"message": "Too Many Requests"}))

    def test_resource_policy(self):
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/*"}]}
        api, root = self.rest_api(policy=json.dumps(policy))
        self.mock(api, root)
        self.mock(api, root, "PUT")
        self.deploy(api)
        self.assertEqual(call(api, "/prod")[0], 200)
        code, _, body = call(api, "/prod", "PUT")
        self.assertEqual((code, json.loads(body)), (403, {"Message": f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:{REGION}:********{ACCOUNT[8:]}:{api}/prod/PUT/"}))


class Validation(RestApis):
    def test_request_validators(self):
        api, root = self.rest_api()
        API.create_model(restApiId=api, name="Pet", contentType="application/json", schema=json.dumps({
            "$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "owner": {"$ref": f"https://apigateway.amazonaws.com/restapis/{api}/models/Owner"}}}))
        API.create_model(restApiId=api, name="Owner", contentType="application/json", schema='{"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}}')
        validator = API.create_request_validator(restApiId=api, name="all", validateRequestBody=True, validateRequestParameters=True)["id"]
        self.mock(api, root, "POST", requestValidatorId=validator, requestModels={"application/json": "Pet"}, requestParameters={"method.request.querystring.q": True, "method.request.header.X-Need": True})
        API.put_gateway_response(restApiId=api, responseType="BAD_REQUEST_BODY", responseTemplates={"application/json": '{"message": $context.error.messageString, "why": "$context.error.validationErrorString"}'})
        self.deploy(api)
        code, headers, body = call(api, "/prod", "POST", "{}")
        self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (400, {"message": "Missing required request parameters: [X-Need, q]"}, "BadRequestException"))
        ask = lambda body: call(api, "/prod?q=1", "POST", body, {"X-Need": "1", "Content-Type": "application/json"})
        self.assertEqual(ask('{"id": 1, "owner": {"name": "Ada"}}')[0], 200)
        for wrong in ("", "{", "[]", '{"id": "1"}', '{"id": 1, "owner": {"name": "A"}}'):
            code, _, body = ask(wrong)
            self.assertEqual((code, json.loads(body)["message"]), (400, "Invalid request body"), wrong)
        self.assertIn("/owner/name", json.loads(body)["why"])


class Documents(RestApis):
    def test_swagger_as_chalice_writes_it(self):
        function = self.function(PROXY)
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri(function), "passthroughBehavior": "when_no_match", "contentHandling": "CONVERT_TO_TEXT", "responses": {"default": {"statusCode": "200"}}}
        responses = {"200": {"description": "200 response", "schema": {"$ref": "#/definitions/Empty"}}}
        api = self.imported({"swagger": "2.0", "info": {"version": "1.0", "title": self.name()}, "schemes": ["https"], "definitions": {"Empty": {"type": "object", "title": "Empty Schema"}},
                             "x-amazon-apigateway-binary-media-types": ["application/octet-stream", "image/png"],
                             "paths": {"/": {"get": {"consumes": ["application/json"], "produces": ["application/json"], "responses": responses, "x-amazon-apigateway-integration": integration}},
                                       "/pets/{id}": {"get": {"responses": responses, "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}], "x-amazon-apigateway-integration": integration}}}},
                            parameters={"endpointConfigurationTypes": "EDGE"})
        self.permit(function, api)
        self.deploy(api, "api")
        self.assertEqual(json.loads(call(api, "/api/")[2])["path"], "/")
        self.assertEqual(json.loads(call(api, "/api/pets/7")[2])["pathParameters"], {"id": "7"})
        put = API.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps({"swagger": "2.0", "info": {"title": "t"}, "paths": {"/only": {"get": {"responses": {}, "x-amazon-apigateway-integration": integration | {"responses": {}}}}}}))
        self.assertEqual(put["name"], "t")
        self.deploy(api, "api")
        self.assertEqual((call(api, "/api/only")[0], call(api, "/api/pets/7")[0]), (201, 403))

    def test_export(self):
        api, root = self.rest_api()
        self.mock(api, root)
        self.deploy(api)
        for kind, version in {"swagger": "2.0", "oas30": "3.0.1"}.items():
            got = API.get_export(restApiId=api, stageName="prod", exportType=kind, parameters={"extensions": "apigateway"})
            document = json.loads(got["body"].read())
            self.assertEqual((document.get("swagger") or document["openapi"], got["contentType"]), (version, "application/json"))
            again = self.imported(document)
            self.deploy(again)
            self.assertEqual(call(again, "/prod")[0], 200)
        text = API.get_export(restApiId=api, stageName="prod", exportType="oas30", accepts="application/yaml")["body"].read().decode()
        self.assertIn("openapi: ", text)

    def test_errors_of_documents(self):
        self.refused("BadRequestException", "Invalid OpenAPI input.", API.import_rest_api, body=b'{"hello": 1}')
        self.refused("BadRequestException", "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/a': Invalid ARN specified in the request",
                     API.import_rest_api, body=json.dumps({"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": "no"}}}}}))


class Remote(RestApis):
    def setUp(self):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/slow"):
                    time.sleep(3)
                answer = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}).encode()
                self.send_response(207 if "fail" not in self.path else 404)
                self.send_header("X-Answer", "yes")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # the platform has waited long enough
                    self.wfile.write(answer)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.id, self.root = self.rest_api()

    def test_http_proxy(self):
        resource = API.create_resource(restApiId=self.id, parentId=self.root, pathPart="{proxy+}")["id"]
        self.method(self.id, resource, "ANY", {"type": "HTTP_PROXY", "integrationHttpMethod": "ANY", "uri": self.url + "/base/{proxy}", "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy", "integration.request.header.X-Set": "'v'"}},
                    requestParameters={"method.request.path.proxy": True})
        self.deploy(self.id)
        code, headers, body = call(self.id, "/prod/a/b?c=d", "POST", "hello", {"X-Mine": "1", "Content-Type": "text/plain"})
        got = json.loads(body)
        self.assertEqual((code, headers["X-Answer"], got["path"], got["body"]), (207, "yes", "/base/a/b?c=d", "hello"))
        self.assertEqual((got["headers"]["X-Mine"], got["headers"]["X-Set"]), ("1", "v"))

    def test_http_with_templates_and_limits(self):
        self.method(self.id, self.root, "POST", {"type": "HTTP", "integrationHttpMethod": "POST", "uri": self.url + "/${stageVariables.where}", "requestTemplates": {"application/json": '{"made": $input.json("$.x")}'}, "timeoutInMillis": 1000})
        for code, pattern in {"200": None, "400": "4\\d{2}"}.items():
            API.put_method_response(restApiId=self.id, resourceId=self.root, httpMethod="POST", statusCode=code)
            API.put_integration_response(restApiId=self.id, resourceId=self.root, httpMethod="POST", statusCode=code, **({"selectionPattern": pattern} if pattern else {"responseTemplates": {"application/json": "$input.path('$.body')"}}))
        for where, want in {"good": (200, {"made": 1}), "slow": (504, {"message": "Endpoint request timed out"})}.items():
            self.deploy(self.id, variables={"where": where})
            code, _, body = call(self.id, "/prod", "POST", '{"x": 1}')
            self.assertEqual((code, json.loads(body)), want)
        self.deploy(self.id, variables={"where": "fail"})
        self.assertEqual(call(self.id, "/prod", "POST", '{"x": 1}')[0], 400)

    def test_addresses_that_are_not_called(self):
        self.method(self.id, self.root, "GET", {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://${stageVariables.host}/latest/meta-data"})
        for host, want in {"169.254.169.254": 500, SERVER: 500, "127.0.0.1:1": 504}.items():
            self.deploy(self.id, variables={"host": host})
            self.assertEqual(call(self.id, "/prod")[0], want, host)


class Configuration(RestApis):
    def test_texts_of_errors(self):
        api, root = self.rest_api()
        self.refused("NotFoundException", f"Invalid API identifier specified {ACCOUNT}:nosuch", API.get_rest_api, restApiId="nosuch")
        self.refused("NotFoundException", "Invalid Resource identifier specified", API.get_resource, restApiId=api, resourceId="x")
        self.refused("NotFoundException", "Invalid stage identifier specified", API.get_stage, restApiId=api, stageName="x")
        self.refused("NotFoundException", "Invalid Method identifier specified", API.get_method, restApiId=api, resourceId=root, httpMethod="GET")
        self.refused("BadRequestException", "The REST API doesn't contain any methods", API.create_deployment, restApiId=api)
        API.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        self.refused("BadRequestException", "No integration defined for method", API.create_deployment, restApiId=api)
        self.refused("NotFoundException", "Invalid Integration identifier specified", API.get_integration, restApiId=api, resourceId=root, httpMethod="GET")
        self.refused("ConflictException", "Method already exists for this resource", API.put_method, restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        self.refused("BadRequestException", "This platform has no cache of answers: cache clusters are not supported", API.create_stage, restApiId=api, stageName="s", deploymentId="d", cacheClusterEnabled=True)

    def test_what_clients_read(self):
        api, root = self.rest_api(description="d", tags={"a": "b"}, minimumCompressionSize=5)
        self.mock(api, root)
        got = API.get_rest_api(restApiId=api)
        self.assertEqual((got["description"], got["tags"], got["rootResourceId"], got["endpointConfiguration"]["types"], got["apiKeySource"], got["disableExecuteApiEndpoint"]), ("d", {"a": "b"}, root, ["REGIONAL"], "HEADER", False))
        resources = API.get_resources(restApiId=api, embed=["methods"])["items"]
        self.assertEqual(resources[0]["resourceMethods"]["GET"]["methodIntegration"]["integrationResponses"]["200"]["statusCode"], "200")
        deployment = self.deploy(api)
        stage = API.get_stage(restApiId=api, stageName="prod")
        self.assertEqual((stage["deploymentId"], stage["cacheClusterStatus"], stage["methodSettings"]), (deployment, "NOT_AVAILABLE", {}))
        API.tag_resource(resourceArn=f"arn:aws:apigateway:{REGION}::/restapis/{api}/stages/prod", tags={"x": "y"})
        self.assertEqual(API.get_tags(resourceArn=f"arn:aws:apigateway:{REGION}::/restapis/{api}/stages/prod")["tags"], {"x": "y"})
        self.assertEqual(status(API.delete_method(restApiId=api, resourceId=root, httpMethod="GET")), 204)

    def test_canaries(self):
        api, root = self.rest_api()
        self.mock(api, root, answers={"200": {"responseTemplates": {"application/json": "one $stageVariables.v $context.isCanaryRequest"}}})
        first = self.deploy(api, variables={"v": "a"})
        API.update_integration_response(restApiId=api, resourceId=root, httpMethod="GET", statusCode="200", patchOperations=[{"op": "replace", "path": "/responseTemplates/application~1json", "value": "two $stageVariables.v"}])
        second = self.deploy(api, canarySettings={"percentTraffic": 0.0, "stageVariableOverrides": {"v": "b"}})
        stage = API.get_stage(restApiId=api, stageName="prod")
        self.assertEqual((stage["deploymentId"], stage["canarySettings"]["deploymentId"]), (first, second))
        self.assertEqual(call(api, "/prod")[2], b"one a false")
        API.update_stage(restApiId=api, stageName="prod", patchOperations=[{"op": "replace", "path": "/canarySettings/percentTraffic", "value": "100.0"}])
        self.assertEqual(call(api, "/prod")[2], b"two b")
        API.update_stage(restApiId=api, stageName="prod", patchOperations=[
            {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"}, {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"}, {"op": "remove", "path": "/canarySettings"}])
        stage = API.get_stage(restApiId=api, stageName="prod")
        self.assertEqual((stage["deploymentId"], stage["variables"], "canarySettings" in stage), (second, {"v": "b"}, False))

    def test_domain_names(self):
        api, root = self.rest_api()
        pets = API.create_resource(restApiId=api, parentId=root, pathPart="pets")["id"]
        self.mock(api, pets, answers={"200": {"responseTemplates": {"application/json": "$context.path $context.domainName $context.stage"}}})
        self.deploy(api)
        name = f"{self.name()}.example.com"
        made = API.create_domain_name(domainName=name, regionalCertificateArn="arn:aws:acm:us-east-1:1:certificate/x", endpointConfiguration={"types": ["REGIONAL"]})
        self.addCleanup(API.delete_domain_name, domainName=name)
        self.assertEqual((made["domainNameStatus"], made["endpointConfiguration"]["types"]), ("AVAILABLE", ["REGIONAL"]))
        self.refused("BadRequestException", "The domain name you provided already exists.", API.create_domain_name, domainName=name)

        def ask(path):
            with contextlib.closing(http.client.HTTPConnection(SERVER, timeout=120)) as connection:
                connection.request("GET", path, headers={"Host": name})
                reply = connection.getresponse()
                return reply.status, reply.read().decode()

        self.assertEqual(ask("/v1/pets"), (403, '{"message":"Forbidden"}'))
        API.create_base_path_mapping(domainName=name, basePath="v1", restApiId=api, stage="prod")
        self.assertEqual(ask("/v1/pets"), (200, f"/v1/pets {name} prod"))
        API.create_base_path_mapping(domainName=name, restApiId=api)
        self.assertEqual(ask("/prod/pets"), (200, f"/prod/pets {name} prod"))
        self.assertEqual(sorted(m["basePath"] for m in API.get_base_path_mappings(domainName=name)["items"]), ["(none)", "v1"])
        self.refused("BadRequestException", f"Please remove all base path mappings related to the domain name {name} before deleting the API", API.delete_rest_api, restApiId=api)
        for path in ("(none)", "v1"):
            API.delete_base_path_mapping(domainName=name, basePath=path)

    def test_logs(self):
        logs = client("logs")
        api, root = self.rest_api()
        self.mock(api, root)
        group = "/api/" + api
        logs.create_log_group(logGroupName=group)
        self.addCleanup(logs.delete_log_group, logGroupName=group)
        API.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/logs"}])
        self.deploy(api)
        API.update_stage(restApiId=api, stageName="prod", patchOperations=[
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"},
            {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId $context.status $context.httpMethod $context.resourcePath $context.nosuch"},
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}])
        request = call(api, "/prod")[1]["x-amzn-RequestId"]
        deadline = time.monotonic() + 60
        lines = []
        while time.monotonic() < deadline and not lines:
            lines = [e["message"].strip() for e in logs.filter_log_events(logGroupName=group)["events"]]
        self.assertEqual(lines, [f"{request} 200 GET / -"])
        execution = [e["message"] for e in logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api}/prod")["events"]]
        self.assertTrue(any("Method completed with status: 200" in line for line in execution), execution)


if __name__ == "__main__":
    unittest.main()
