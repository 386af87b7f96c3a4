"""Function URLs: the five operations with boto3, the URLs with plain HTTP clients."""

import base64
import http.client
import json
import os
import re
import unittest
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from common import REGION, Case, arn, client, status, without

SERVER = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
FORBIDDEN = {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}

SHOW = """
def handler(event, context):
    event["requestContext"]["lambda"] = context.aws_request_id
    return event
"""

ANSWERS = r"""
import json
def handler(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("no")
    return json.loads(event["body"])
"""

# A generator is our own extension; on AWS custom runtimes stream.
STREAM = """
import json, time
def handler(event, context):
    if event["rawPath"] == "/plain":
        return {"statusCode": 418, "body": "as it is"}
    def pieces():
        if event["rawPath"] == "/prelude":
            yield json.dumps({"statusCode": 201, "headers": {"content-type": "text/event-stream"}, "cookies": ["a=1", "b=2"]}) + "\\0" * 8
        for i in range(3):
            yield f"piece {i};"
            if event["rawPath"] == "/slow":
                time.sleep(0.4)
    return pieces()
"""


def request(url, method="GET", path=None, body=None, headers=None, by_host=True):
    """Calls a URL at the server's address: nothing here resolves names below localhost."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(SERVER, timeout=60)
    try:
        connection.request(method, path or (parts.path + ("?" + parts.query if parts.query else "")), body, {"Host": parts.netloc, **(headers or {})})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def signed(url, method="GET", body=b"", headers=None, auth=SigV4Auth, credentials=None):
    r = AWSRequest(method, url, data=body, headers=headers or {})
    auth(credentials or botocore.session.get_session().get_credentials(), "lambda", REGION).add_auth(r)
    return r.url, dict(r.headers.items())


class FunctionUrls(Case):
    def url(self, source, auth="NONE", public=True, qualifier=None, **options):
        self.create(source, name=(name := self.name()))
        return name, self.give(name, auth, public, qualifier, **options)

    def give(self, name, auth="NONE", public=True, qualifier=None, **options):
        which = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
        made = self.api.create_function_url_config(**which, AuthType=auth, **options)
        self.assertEqual(status(made), 201)
        if public:
            self.api.add_permission(**which, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType=auth)
            self.api.add_permission(**which, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)
        return made["FunctionUrl"]

    def test_the_life_of_a_configuration(self):
        self.create(name=(name := self.name()), Publish=True)
        self.fails("ResourceNotFoundException", self.api.get_function_url_config, FunctionName=name, code=404, message="The resource you requested does not exist.")
        self.fails("ResourceNotFoundException", self.api.create_function_url_config, FunctionName="nobody", AuthType="NONE", code=404)
        cors = {"AllowOrigins": ["https://example.org"], "AllowMethods": ["GET"], "MaxAge": 60, "AllowCredentials": True}
        made = self.api.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=cors)
        self.assertRegex(made["FunctionUrl"], rf"^http://[a-z0-9]{{32}}\.lambda-url\.{REGION}\.localhost:\d+/$")
        self.assertRegex(made["CreationTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(without(made, "FunctionUrl", "CreationTime"), {"FunctionArn": arn(name), "AuthType": "NONE", "Cors": cors, "InvokeMode": "BUFFERED"})
        self.fails("ResourceConflictException", self.api.create_function_url_config, FunctionName=name, AuthType="NONE", code=409,
                   message=f"Failed to create function url config for [functionArn = {arn(name)}]. Error message:  FunctionUrlConfig exists for this Lambda function")
        got = self.api.get_function_url_config(FunctionName=name)
        self.assertEqual(without(got, "LastModifiedTime"), without(made))
        changed = self.api.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors={})
        self.assertEqual((changed["FunctionUrl"], changed["AuthType"], changed["InvokeMode"], changed["Cors"]), (made["FunctionUrl"], "AWS_IAM", "RESPONSE_STREAM", {}))
        # A URL may be that of an alias, not of a version.
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        alias = self.api.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
        self.assertEqual(alias["FunctionArn"], arn(name, "live"))
        self.fails("ValidationException", self.api.create_function_url_config, FunctionName=name, Qualifier="1", AuthType="NONE", code=400)
        self.fails("ResourceNotFoundException", self.api.create_function_url_config, FunctionName=name, Qualifier="none", AuthType="NONE", code=404)
        listed = self.api.list_function_url_configs(FunctionName=name, MaxItems=1)
        self.assertEqual([u["FunctionArn"] for u in listed["FunctionUrlConfigs"]], [arn(name)])
        listed = self.api.list_function_url_configs(FunctionName=name, Marker=listed["NextMarker"])
        self.assertEqual([u["FunctionArn"] for u in listed["FunctionUrlConfigs"]], [arn(name, "live")])
        self.assertNotIn("NextMarker", listed)
        self.assertEqual(status(self.api.delete_function_url_config(FunctionName=name)), 204)
        self.fails("ResourceNotFoundException", self.api.delete_function_url_config, FunctionName=name, code=404)
        again = self.api.create_function_url_config(FunctionName=name, AuthType="NONE")
        self.assertNotEqual(again["FunctionUrl"], made["FunctionUrl"])
        # It goes with its alias and with its function.
        self.api.delete_alias(FunctionName=name, Name="live")
        self.assertEqual(request(alias["FunctionUrl"])[0], 403)
        self.api.delete_function(FunctionName=name)
        code, headers, body = request(again["FunctionUrl"])
        self.assertEqual((code, headers["x-amzn-ErrorType"], body), (403, "AccessDeniedException", b'{"Message":null}'))

    def test_the_event(self):
        name, url = self.url(SHOW)
        host = urlsplit(url).netloc
        code, headers, body = request(url, "POST", "/a%20b/c?x=1&x=2&y=%C3%BC", json.dumps({"k": 1}), {"Content-Type": "application/json", "Cookie": "a=1; b=2", "X-Two": "1", "X-Amzn-Trace-Id": "x", "X-Forwarded-For": "9.9.9.9"})
        self.assertEqual(code, 200, body)
        event = json.loads(body)
        self.assertEqual({k: event[k] for k in event if k not in ("headers", "requestContext")}, {
            "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c", "rawQueryString": "x=1&x=2&y=%C3%BC", "cookies": ["a=1", "b=2"],
            "queryStringParameters": {"x": "1,2", "y": "ü"}, "body": '{"k": 1}', "isBase64Encoded": False})
        context = event["requestContext"]
        self.assertEqual((context["accountId"], context["domainName"], context["stage"]), ("anonymous", host.split(":")[0], "$default"))
        self.assertEqual(context["http"], {"method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""})
        self.assertEqual((headers["x-amzn-RequestId"], context["lambda"]), (context["requestId"], context["requestId"]))
        self.assertEqual((event["headers"]["x-forwarded-for"], event["headers"]["x-forwarded-proto"], event["headers"]["host"]), ("127.0.0.1", "http", host))
        self.assertTrue(headers["x-amzn-trace-id"].startswith("Root=1-"))
        # By path, for clients that do not resolve names below localhost.
        code, _, body = request(f"http://{SERVER}/_aws/lambda-url/{host.split('.')[0]}/p/q?z=1")
        event = json.loads(body)
        self.assertEqual((code, event["rawPath"], event["queryStringParameters"], event["requestContext"]["domainName"]), (200, "/p/q", {"z": "1"}, host.split(":")[0]))
        # Bytes come in base64, forms too.
        for kind in ("application/octet-stream", "application/x-www-form-urlencoded"):
            event = json.loads(request(url, "PUT", "/", b"\x00\xff", {"Content-Type": kind})[2])
            self.assertEqual((event["body"], event["isBase64Encoded"]), ("AP8=", True))

    def test_answers(self):
        _, url = self.url(ANSWERS)

        def answer(value):
            code, headers, body = request(url, "POST", "/", json.dumps(value), {"Content-Type": "application/json"})
            return code, headers["Content-Type"], body

        # AWS: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
        self.assertEqual(answer("Hello, world!"), (200, "application/json", b"Hello, world!"))
        self.assertEqual(answer({"message": "Hello, world!"}), (200, "application/json", b'{"message":"Hello, world!"}'))
        self.assertEqual(answer(["hello", 3, True]), (200, "application/json", b'["hello",3,true]'))
        self.assertEqual(answer({"statusCode": 201, "headers": {"Content-Type": "text/html"}, "body": "<p>"}), (201, "text/html", b"<p>"))
        self.assertEqual(answer({"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}), (200, "application/json", b"\x00\xff"))
        code, headers, _ = request(url, "POST", "/", json.dumps({"statusCode": 200, "cookies": ["a=1; Path=/", "b=2"], "headers": {"Transfer-Encoding": "chunked", "Date": "x"}}), {"Content-Type": "application/json"})
        self.assertEqual((code, headers.get_all("Set-Cookie"), headers["x-amzn-Remapped-Date"]), (200, ["a=1; Path=/", "b=2"], "x"))
        # What is no answer, and a function that fails.
        self.assertEqual(answer({"statusCode": 200, "headers": {"X": "1\r\nSet-Cookie: evil"}}), (502, "application/json", b"Internal Server Error"))
        self.assertEqual(answer({"statusCode": 42}), (502, "application/json", b"Internal Server Error"))
        code, headers, body = request(url, "POST", "/fail", "1", {"Content-Type": "application/json"})
        self.assertEqual((code, body), (502, b"Internal Server Error"))

    def test_who_may_call(self):
        name, url = self.url(SHOW, public=False)
        code, headers, body = request(url)
        self.assertEqual((code, json.loads(body), headers["x-amzn-ErrorType"]), (403, FORBIDDEN, "AccessDeniedException"))
        self.api.add_permission(FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="AWS_IAM")
        self.api.add_permission(FunctionName=name, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)
        self.assertEqual(request(url)[0], 403, "the permission is for signed callers")
        self.api.add_permission(FunctionName=name, StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
        self.assertEqual(request(url)[0], 200)
        self.api.remove_permission(FunctionName=name, StatementId="invoke")
        self.assertEqual(request(url)[0], 403, "lambda:InvokeFunction is needed too")
        unknown = url.replace(urlsplit(url).netloc.split(".")[0], "a" * 32)
        code, headers, body = request(unknown)
        self.assertEqual((code, headers["x-amzn-ErrorType"], body), (403, "AccessDeniedException", b'{"Message":null}'))

    def test_signed_callers(self):
        name, url = self.url(SHOW, auth="AWS_IAM", public=False)
        code, _, body = request(url)
        self.assertEqual((code, json.loads(body)), (403, FORBIDDEN))
        target, headers = signed(url + "path?q=1", "POST", b"hello", {"Content-Type": "text/plain"})
        code, _, body = request(target, "POST", body=b"hello", headers=headers)
        event = json.loads(body)
        self.assertEqual((code, event["body"]), (200, "hello"))
        iam = event["requestContext"]["authorizer"]["iam"]
        self.assertEqual((iam["accountId"], iam["accessKey"], iam["userArn"]), ("000000000000", os.environ["AWS_ACCESS_KEY_ID"], "arn:aws:iam::000000000000:root"))
        self.assertEqual(event["requestContext"]["accountId"], "000000000000")
        code, reply, body = request(target, "POST", body=b"other", headers=headers)
        self.assertEqual((code, reply["x-amzn-ErrorType"]), (403, "InvalidSignatureException"), body)
        # A link that is signed.
        link, _ = signed(url + "linked?q=1", auth=lambda *a: SigV4QueryAuth(*a, expires=60))
        code, _, body = request(link)
        self.assertEqual((code, json.loads(body)["rawPath"]), (200, "/linked"))
        self.assertEqual(request(link.replace("linked", "other"))[0], 403)
        wrong = botocore.session.get_session().get_credentials()
        wrong.secret_key = "wrong"
        target, headers = signed(url, credentials=wrong)
        self.assertEqual(request(target, headers=headers)[0], 403)

    def test_cors(self):
        rules = {"AllowOrigins": ["https://good.example", "http://*.test"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-one"], "ExposeHeaders": ["x-two"], "MaxAge": 30, "AllowCredentials": True}
        _, url = self.url("def handler(e, c):\n    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': '*', 'Vary': 'Accept'}, 'body': 'ran'}\n", Cors=rules)
        asked = {"Origin": "https://good.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-one"}
        code, headers, body = request(url, "OPTIONS", headers=asked)
        self.assertEqual((code, body), (200, b""))
        self.assertEqual({k: headers["Access-Control-" + k] for k in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Max-Age")},
                         {"Allow-Origin": "https://good.example", "Allow-Methods": "GET,POST", "Allow-Headers": "x-one", "Allow-Credentials": "true", "Max-Age": "30"})
        code, headers, body = request(url, headers={"Origin": "http://app.test"})
        self.assertEqual((code, body, headers["Access-Control-Allow-Origin"], headers["Access-Control-Expose-Headers"]), (200, b"ran", "http://app.test", "x-two"))
        self.assertEqual(headers.get_all("Vary"), ["Accept", "Origin"])
        for origin in ("https://evil.example", "null"):
            code, headers, body = request(url, headers={"Origin": origin})
            self.assertEqual((code, headers["Access-Control-Allow-Origin"]), (200, None))
            _, headers, _ = request(url, "OPTIONS", headers={**asked, "Origin": origin})
            self.assertIsNone(headers["Access-Control-Allow-Origin"])

    def test_streams(self):
        _, url = self.url(STREAM, InvokeMode="RESPONSE_STREAM")
        code, headers, body = request(url)
        self.assertEqual((code, headers["Content-Type"], body), (200, "application/octet-stream", b"piece 0;piece 1;piece 2;"))
        code, headers, body = request(url, path="/prelude")
        self.assertEqual((code, headers["Content-Type"], headers.get_all("Set-Cookie"), body), (201, "text/event-stream", ["a=1", "b=2"], b"piece 0;piece 1;piece 2;"))
        # The first piece comes while the function runs.
        connection = http.client.HTTPConnection(SERVER, timeout=60)
        connection.request("GET", "/slow", headers={"Host": urlsplit(url).netloc})
        reply = connection.getresponse()
        self.assertEqual(reply.read1(100), b"piece 0;")
        self.assertEqual(reply.read(), b"piece 1;piece 2;")
        connection.close()
        self.assertEqual(json.loads(request(url, path="/plain")[2]), {"statusCode": 418, "body": "as it is"})

    def test_limits(self):
        name, url = self.url("def handler(e, c):\n    return str(len(e['body'])) if e['rawPath'] == '/' else 'x' * (7 << 20)\n")
        code, _, body = request(url, "POST", body="x" * (6 << 20), headers={"Content-Type": "text/plain"})
        self.assertEqual((code, json.loads(body)["message"]), (413, "Request must be smaller than 6291456 bytes for the InvokeFunction operation"))
        code, _, body = request(url, "POST", body="x" * (5 << 20), headers={"Content-Type": "text/plain"})
        self.assertEqual((code, body), (200, str(5 << 20).encode()))
        self.assertEqual(request(url, path="/much")[0], 502)
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        code, headers, body = request(url)
        self.assertEqual((code, json.loads(body)), (429, {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}))

    def test_an_alias(self):
        self.create("def handler(e, c):\n    return c.invoked_function_arn\n", name=(name := self.name()), Publish=True)
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        url = self.give(name, qualifier="live")
        self.assertEqual(request(url)[2], arn(name, "live").encode())

    def test_a_function_calls_a_url(self):
        _, url = self.url("def handler(e, c):\n    return 'called by ' + e['queryStringParameters']['who']\n")
        call = """
import os, urllib.request
def handler(event, context):
    url = os.environ["AWS_ENDPOINT_URL"] + "/_aws/lambda-url/" + event["id"] + "/?who=a-function"
    return urllib.request.urlopen(url).read().decode()
"""
        self.create(call, name=(caller := self.name()))
        answer = self.api.invoke(FunctionName=caller, Payload=json.dumps({"id": urlsplit(url).netloc.split(".")[0]}))
        self.assertEqual(json.load(answer["Payload"]), "called by a-function")


if __name__ == "__main__":
    unittest.main()
