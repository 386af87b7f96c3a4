"""HTTP APIs: apigatewayv2 with boto3, the APIs with plain HTTP clients."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import secrets
import threading
import time
import unittest
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from common import ACCOUNT, REGION, Case, arn, client, status, without

SERVER = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc

SHOW = """
def handler(event, context):
    return event
"""


def request(url, method="GET", path="", body=None, headers=None, host=None):
    """Calls a URL at the server's address: nothing here resolves names below localhost."""
    parts = urlsplit(url + path)
    connection = http.client.HTTPConnection(SERVER, timeout=60)
    try:
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body, {"Host": host or parts.netloc, **(headers or {})})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def message(reply):
    return reply[0], json.loads(reply[2])["message"]


class Upstream:
    """A server of the user's own."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self):
                length = int(self.headers.get("Content-Length") or 0)
                code, headers, body = answer(self, self.rfile.read(length))
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def prime(bits):
    """A number that is prime but for one chance in 4^16 (Miller and Rabin)."""
    while True:
        n = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if any(n % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
            continue
        twos = ((n - 1) & (1 - n)).bit_length() - 1
        for _ in range(16):
            x = pow(secrets.randbelow(n - 3) + 2, (n - 1) >> twos, n)
            if x != 1 and all(pow(x, 1 << i, n) != n - 1 for i in range(twos)):
                break
        else:
            return n


class Signer:
    """A key that signs JSON web tokens with RS256 (RFC 7515, RFC 8017 8.2): Python has no RSA of its own."""

    def __init__(self, kid):
        self.kid, self.e = kid, 65537
        while True:
            p, q = prime(1024), prime(1024)
            if p != q and (p - 1) % self.e and (q - 1) % self.e:
                break
        self.n, self.d = p * q, pow(self.e, -1, (p - 1) * (q - 1))

    @staticmethod
    def text(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def jwk(self):
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": self.text(self.n.to_bytes(256, "big")), "e": self.text(self.e.to_bytes(3, "big"))}

    def token(self, **claims):
        signed = self.text(json.dumps({"alg": "RS256", "kid": self.kid}).encode()) + "." + self.text(json.dumps(claims).encode())
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
        padded = b"\0\1" + b"\xff" * (256 - 3 - len(digest)) + b"\0" + digest
        return signed + "." + self.text(pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(256, "big"))


class HttpApis(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gw = client("apigatewayv2")
        cls.logs = client("logs")

    def upstream(self, answer):
        server = Upstream(answer)
        self.addCleanup(server.close)
        return server.url

    def function(self, source=SHOW, permit=True):
        self.create(source, name=(name := self.name()))
        if permit:
            self.api.add_permission(FunctionName=name, StatementId="apis", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
        return name

    def http_api(self, **options):
        api = self.gw.create_api(Name=self.name("api"), ProtocolType="HTTP", **options)
        self.addCleanup(self.gw.delete_api, ApiId=api["ApiId"])
        return api["ApiId"], api["ApiEndpoint"]

    def integration(self, api, uri, version="2.0", **options):
        if uri.startswith("http"):
            return self.gw.create_integration(ApiId=api, IntegrationType="HTTP_PROXY", IntegrationUri=uri, **{"IntegrationMethod": "ANY", **options})["IntegrationId"]
        return self.gw.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn(uri), PayloadFormatVersion=version, **options)["IntegrationId"]

    def route(self, api, key, integration, **options):
        return self.gw.create_route(ApiId=api, RouteKey=key, Target="integrations/" + integration, **options)["RouteId"]

    def fails(self, exception, call, message=None, code=None, **arguments):
        with self.assertRaises(getattr(self.gw.exceptions, exception)) as caught:
            call(**arguments)
        error = caught.exception.response
        if message:
            self.assertEqual(error["Error"]["Message"], message)
        return error

    def test_a_quick_create(self):
        name = self.function()
        api = self.gw.create_api(Name="quick", ProtocolType="HTTP", Target=arn(name), Tags={"a": "1"})
        self.addCleanup(self.gw.delete_api, ApiId=api["ApiId"])
        self.assertEqual(status(api), 201)
        self.assertRegex(api["ApiEndpoint"], rf"^http://{api['ApiId']}\.execute-api\.{REGION}\.localhost:\d+$")
        self.assertEqual(without(api, "ApiEndpoint", "ApiId", "CreatedDate"), {
            "ApiKeySelectionExpression": "$request.header.x-api-key", "DisableExecuteApiEndpoint": False, "Name": "quick", "ProtocolType": "HTTP",
            "RouteSelectionExpression": "${request.method} ${request.path}", "Tags": {"a": "1"}, "IpAddressType": "ipv4"})
        [route] = self.gw.get_routes(ApiId=api["ApiId"])["Items"]
        [integration] = self.gw.get_integrations(ApiId=api["ApiId"])["Items"]
        self.assertEqual((route["RouteKey"], route["Target"], route["ApiGatewayManaged"]), ("$default", "integrations/" + integration["IntegrationId"], True))
        [stage] = self.gw.get_stages(ApiId=api["ApiId"])["Items"]
        self.assertEqual((stage["StageName"], stage["AutoDeploy"]), ("$default", True))
        code, headers, body = request(api["ApiEndpoint"], "POST", "/a%2Fb%20c?x=1&x=2&y=%C3%BC", "<é>".encode(), {"Content-Type": "text/plain", "Cookie": "a=1; b=2", "X-Forwarded-For": "9.9.9.9"})
        self.assertEqual(code, 200, body)
        event = json.loads(body)
        host = urlsplit(api["ApiEndpoint"]).netloc
        self.assertEqual({k: event[k] for k in event if k not in ("headers", "requestContext")}, {
            "version": "2.0", "routeKey": "$default", "rawPath": "/a/b c", "rawQueryString": "x=1&x=2&y=%C3%BC", "cookies": ["a=1", "b=2"],
            "queryStringParameters": {"x": "1,2", "y": "ü"}, "body": "<é>", "isBase64Encoded": False})
        context = event["requestContext"]
        self.assertEqual((context["accountId"], context["apiId"], context["domainName"], context["stage"]), (ACCOUNT, api["ApiId"], host.split(":")[0], "$default"))
        self.assertEqual((context["requestId"], event["headers"]["x-forwarded-for"]), (headers["apigw-requestid"], "9.9.9.9, 127.0.0.1"))
        self.assertNotIn("cookie", event["headers"])
        # By path.
        code, _, body = request(f"http://{SERVER}/_aws/execute-api/{api['ApiId']}/p/q")
        self.assertEqual((code, json.loads(body)["rawPath"]), (200, "/p/q"))
        self.assertEqual(message(request(f"http://{SERVER}/_aws/execute-api/nobody/")), (403, "Forbidden"))
        self.gw.update_api(ApiId=api["ApiId"], DisableExecuteApiEndpoint=True)
        self.assertEqual(message(request(api["ApiEndpoint"])), (404, "Not Found"))

    def test_routes(self):
        name = self.function("def handler(e, c):\n    return e['routeKey'] + ' ' + str(sorted(e.get('pathParameters', {}).items()))\n")
        api, url = self.http_api()
        i = self.integration(api, name)
        for key in ("GET /pets", "GET /pets/{id}", "ANY /pets/dog", "GET /pets/dog/{rest+}", "ANY /{proxy+}", "GET /a/{x}/c", "POST /a/b/c"):
            self.route(api, key, i)
        self.assertEqual(message(request(url, path="/pets")), (404, "Not Found"), "no stage yet")
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)

        def chosen(method, path):
            code, _, body = request(url, method, path)
            return body.decode() if code == 200 else (code, json.loads(body)["message"])

        self.assertEqual(chosen("GET", "/pets"), "GET /pets []")
        self.assertEqual(chosen("GET", "/pets/a%20b"), "GET /pets/{id} [('id', 'a b')]")
        self.assertEqual(chosen("GET", "/pets/dog"), "ANY /pets/dog []")
        self.assertEqual(chosen("DELETE", "/pets/dog"), "ANY /pets/dog []")
        self.assertEqual(chosen("DELETE", "/pets/cat"), "ANY /{proxy+} [('proxy', 'pets/cat')]")
        self.assertEqual(chosen("GET", "/pets/dog/1/2"), "GET /pets/dog/{rest+} [('rest', '1/2')]")
        self.assertEqual(chosen("POST", "/a/b/c"), "POST /a/b/c []")
        self.assertEqual(chosen("GET", "/a/b/c"), "GET /a/{x}/c [('x', 'b')]")
        self.assertEqual(chosen("GET", "/"), (404, "Not Found"))
        # The new route counts at once: the stage deploys by itself.
        default = self.route(api, "$default", i)
        self.assertEqual(chosen("GET", "/"), "$default []")
        self.gw.delete_route(ApiId=api, RouteId=default)
        self.assertEqual(chosen("GET", "/"), (404, "Not Found"))

    def test_configuration_is_checked(self):
        api, _ = self.http_api()
        i = self.integration(api, "nobody")
        self.route(api, "GET /x", i)
        self.fails("ConflictException", self.gw.create_route, ApiId=api, RouteKey="GET /x", message="Route with key GET /x already exists for this API")
        for key in ("get /x", "GET x", "FETCH /x", "GET /{a+}/b", "GET /x{y}", "GET"):
            self.fails("BadRequestException", self.gw.create_route, ApiId=api, RouteKey=key)
        self.fails("BadRequestException", self.gw.create_route, ApiId=api, RouteKey="GET /y", Target="integrations/none")
        self.fails("BadRequestException", self.gw.create_route, ApiId=api, RouteKey="GET /y", AuthorizationType="JWT", AuthorizerId="none")
        self.fails("NotFoundException", self.gw.get_api, ApiId="nobody", message="Invalid API identifier specified nobody")
        self.fails("NotFoundException", self.gw.get_route, ApiId=api, RouteId="none")
        self.fails("ConflictException", self.gw.delete_integration, ApiId=api, IntegrationId=i)
        for bad in ({"IntegrationType": "MOCK"}, {"IntegrationType": "AWS_PROXY", "IntegrationUri": arn("f")}, {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "ftp://x", "IntegrationMethod": "GET"},
                    {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x", "IntegrationMethod": "GET", "ConnectionType": "VPC_LINK", "ConnectionId": "v"},
                    {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x", "IntegrationMethod": "GET", "RequestParameters": {"overwrite:header.Authorization": "x"}},
                    {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage", "PayloadFormatVersion": "1.0"}):
            self.fails("BadRequestException", self.gw.create_integration, ApiId=api, **bad)
        self.fails("BadRequestException", self.gw.create_api, Name="ws", ProtocolType="WEBSOCKET")
        self.fails("BadRequestException", self.gw.create_stage, ApiId=api, StageName="no spaces")
        self.gw.create_stage(ApiId=api, StageName="one")
        self.fails("ConflictException", self.gw.create_stage, ApiId=api, StageName="one", message="Stage already exists")

    def test_stages_and_deployments(self):
        name = self.function("def handler(e, c):\n    return {'stage': e['requestContext']['stage'], 'path': e['rawPath'], 'route': e['routeKey'], 'variables': e.get('stageVariables')}\n")
        api, url = self.http_api()
        i = self.gw.create_integration(ApiId=api, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0",
                                       IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:{ACCOUNT}:function:${{stageVariables.fn}}/invocations")["IntegrationId"]
        self.route(api, "GET /one", i)
        first = self.gw.create_deployment(ApiId=api, Description="first")
        self.assertEqual((first["DeploymentStatus"], first["AutoDeployed"]), ("DEPLOYED", False))
        self.gw.create_stage(ApiId=api, StageName="prod", DeploymentId=first["DeploymentId"], StageVariables={"fn": name})
        self.route(api, "GET /two", i)
        self.gw.create_stage(ApiId=api, StageName="dev", AutoDeploy=True, StageVariables={"fn": name, "color": "blue"})
        code, _, body = request(url, path="/prod/one")
        self.assertEqual((code, json.loads(body)), (200, {"stage": "prod", "path": "/prod/one", "route": "GET /one", "variables": {"fn": name}}))
        self.assertEqual(message(request(url, path="/prod/two")), (404, "Not Found"), "a deployment is a snapshot")
        self.assertEqual(json.loads(request(url, path="/dev/two")[2])["variables"], {"fn": name, "color": "blue"})
        self.assertEqual(message(request(url, path="/none/two")), (404, "Not Found"))
        second = self.gw.create_deployment(ApiId=api, StageName="prod")
        self.assertEqual(request(url, path="/prod/two")[0], 200)
        self.fails("BadRequestException", self.gw.delete_deployment, ApiId=api, DeploymentId=second["DeploymentId"])
        self.gw.update_stage(ApiId=api, StageName="prod", DeploymentId=first["DeploymentId"], StageVariables={"fn": "nobody"})
        self.assertEqual(message(request(url, path="/prod/one")), (500, "Internal Server Error"))
        self.gw.delete_deployment(ApiId=api, DeploymentId=second["DeploymentId"])
        stage = self.gw.get_stage(ApiId=api, StageName="dev")
        self.assertEqual(stage["LastDeploymentStatusMessage"], f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'")
        self.gw.delete_stage(ApiId=api, StageName="dev")
        self.assertEqual(message(request(url, path="/dev/two")), (404, "Not Found"))

    def test_payload_1_and_answers(self):
        name = self.function("import json\ndef handler(e, c):\n    if e['path'] == '/fail':\n        raise ValueError('x')\n    return json.loads(e['body']) if e['body'] else {'statusCode': 200, 'body': json.dumps(e)}\n")
        api, url = self.http_api()
        self.route(api, "ANY /{proxy+}", self.integration(api, name, version="1.0"))
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        event = json.loads(request(url, path="/x/y?a=1&a=2")[2])
        self.assertEqual((event["version"], event["resource"], event["path"], event["httpMethod"], event["multiValueQueryStringParameters"], event["pathParameters"], event["body"]),
                         ("1.0", "/{proxy+}", "/x/y", "GET", {"a": ["1", "2"]}, {"proxy": "x/y"}, None))
        self.assertEqual((event["requestContext"]["identity"]["sourceIp"], event["requestContext"]["resourcePath"]), ("127.0.0.1", "/{proxy+}"))

        def answer(value):
            return request(url, "POST", "/a", json.dumps(value), {"Content-Type": "application/json"})

        code, headers, body = answer({"statusCode": 201, "headers": {"x-one": "1", "Server": "mine"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": base64.b64encode(b"\0\xff").decode(), "isBase64Encoded": True})
        self.assertEqual((code, headers["x-one"], headers.get_all("Set-Cookie"), headers["Server"], headers["Content-Type"], body), (201, "1", ["a=1", "b=2"], None, "text/plain;charset=UTF-8", b"\0\xff"))
        self.assertEqual(message(answer("text")), (500, "Internal Server Error"))
        self.assertEqual(message(answer({"statusCode": 200, "headers": {"a": "b\r\nc: d"}})), (500, "Internal Server Error"))
        self.assertEqual(message(request(url, path="/fail")), (500, "Internal Server Error"))

    def test_the_functions_policy_decides(self):
        name = self.function(permit=False)
        api, url = self.http_api()
        i = self.integration(api, name)
        self.route(api, "GET /pets/{id}", i)
        self.route(api, "ANY /any", i)
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        self.assertEqual(message(request(url, path="/pets/1")), (500, "Internal Server Error"))
        self.api.add_permission(FunctionName=name, StatementId="one", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/GET/pets/*")
        self.assertEqual(request(url, path="/pets/1")[0], 200)
        self.assertEqual(message(request(url, path="/any")), (500, "Internal Server Error"))
        self.api.add_permission(FunctionName=name, StatementId="two", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/*/any")
        self.assertEqual(request(url, "PUT", "/any")[0], 200)

    def test_http_integrations(self):
        def answer(handler, body):
            if handler.path.startswith("/slow"):
                time.sleep(1.5)
            return 202, {"X-Up": "stream", "X-Gone": "1", "Connection": "close"}, json.dumps({"path": handler.path, "method": handler.command, "headers": {k.lower(): v for k, v in handler.headers.items()}, "body": body.decode()}).encode()

        up = self.upstream(answer)
        api, url = self.http_api()
        mapped = self.integration(api, up + "/base/{proxy}", RequestParameters={"append:header.x-added": "$context.requestId", "overwrite:header.x-static": "a-${request.header.x-one}", "remove:header.x-gone": "''", "append:querystring.q": "$request.path.proxy"},
                                  ResponseParameters={"202": {"overwrite:statuscode": "203", "append:header.x-new": "$response.body.method", "remove:header.x-gone": "''"}})
        self.route(api, "ANY /to/{proxy+}", mapped)
        self.route(api, "GET /slow", self.integration(api, up + "/slow", TimeoutInMillis=200))
        self.route(api, "GET /platform", self.integration(api, f"http://{SERVER}/_lambkin/health"))
        self.route(api, "GET /metadata", self.integration(api, "http://169.254.169.254/latest/meta-data/"))
        self.route(api, "GET /path", self.integration(api, up, RequestParameters={"overwrite:path": "/other/$stageVariables"}))
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        code, headers, body = request(url, "POST", "/to/a%20b/c?x=1", "hello", {"X-One": "1", "X-Gone": "1", "Te": "trailers"})
        got = json.loads(body)
        self.assertEqual((code, headers["x-up"], headers["x-new"], headers["x-gone"]), (203, "stream", "POST", None))
        self.assertEqual((got["path"], got["method"], got["body"], got["headers"]["x-added"], got["headers"]["x-static"]), ("/base/a%20b/c?q=a+b%2Fc&x=1", "POST", "hello", headers["apigw-requestid"], "a-1"))
        self.assertIn("forwarded", got["headers"])
        self.assertNotIn("x-gone", got["headers"])
        self.assertNotIn("te", got["headers"])
        self.assertEqual(message(request(url, path="/slow")), (503, "Service Unavailable"))
        for path in ("/platform", "/metadata"):
            code, _, body = request(url, path=path)
            self.assertEqual(code, 503, body)
        self.assertEqual(json.loads(request(url, path="/path")[2])["path"], "/other/$stageVariables")

    def test_cors(self):
        name = self.function("def handler(e, c):\n    return {'statusCode': 200, 'headers': {'access-control-allow-origin': 'evil'}, 'body': e['requestContext']['http']['method']}\n")
        api, url = self.http_api(Target=arn(name), CorsConfiguration={"AllowOrigins": ["https://good.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 5})
        code, headers, body = request(url, "OPTIONS", "/x", headers={"Origin": "https://good.example", "Access-Control-Request-Method": "GET"})
        self.assertEqual((code, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Methods"], headers["Access-Control-Allow-Headers"], headers["Access-Control-Max-Age"]),
                         (204, "https://good.example", "GET", "x-a", "5"))
        code, headers, body = request(url, headers={"Origin": "https://good.example"})
        self.assertEqual((code, body, headers["Access-Control-Allow-Origin"]), (200, b"GET", "https://good.example"))
        self.assertIsNone(request(url, headers={"Origin": "https://other.example"})[1]["Access-Control-Allow-Origin"])
        self.gw.delete_cors_configuration(ApiId=api)
        self.assertEqual(request(url, "OPTIONS", headers={"Origin": "https://x", "Access-Control-Request-Method": "GET"})[2], b"OPTIONS")

    def test_lambda_authorizers(self):
        decide = self.function("""
import json
calls = 0
def handler(event, context):
    global calls
    calls += 1
    token = event["headers"].get("authorization") or event["headers"].get("Authorization")
    if token == "fail":
        raise Exception("broken")
    if event["version"] == "1.0":
        if token == "who":
            raise Exception("Unauthorized")
        return {"principalId": "ada", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow" if token == "yes" else "Deny", "Resource": event["methodArn"]}]}, "context": {"calls": calls}}
    return {"isAuthorized": token.startswith("yes"), "context": {"calls": calls, "source": event["identitySource"], "arn": event["routeArn"]}}
""")
        name = self.function("def handler(e, c):\n    return e['requestContext'].get('authorizer')\n")
        api, url = self.http_api()
        simple = self.gw.create_authorizer(ApiId=api, Name="simple", AuthorizerType="REQUEST", AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(decide)}/invocations",
                                           AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True, IdentitySource=["$request.header.Authorization"], AuthorizerResultTtlInSeconds=300)["AuthorizerId"]
        policy = self.gw.create_authorizer(ApiId=api, Name="policy", AuthorizerType="REQUEST", AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(decide)}/invocations",
                                           AuthorizerPayloadFormatVersion="1.0", IdentitySource=["$request.header.Authorization"])["AuthorizerId"]
        self.route(api, "GET /simple", self.integration(api, name), AuthorizationType="CUSTOM", AuthorizerId=simple)
        self.route(api, "GET /policy/{x}", self.integration(api, name), AuthorizationType="CUSTOM", AuthorizerId=policy)
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)

        def call(path, token=None):
            return request(url, path=path, headers={"Authorization": token} if token else {})

        self.assertEqual(message(call("/simple")), (401, "Unauthorized"))
        self.assertEqual(message(call("/simple", "no")), (403, "Forbidden"))
        self.assertEqual(message(call("/simple", "fail")), (500, "Internal Server Error"))
        one = json.loads(call("/simple", "yes")[2])["lambda"]
        self.assertEqual((one["source"], one["arn"]), (["yes"], f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/$default/GET/simple"))
        self.assertEqual(json.loads(call("/simple", "yes")[2])["lambda"], one, "remembered")
        self.assertNotEqual(json.loads(call("/simple", "yes2")[2])["lambda"]["calls"], one["calls"])
        self.gw.reset_authorizers_cache(ApiId=api, StageName="$default")
        self.assertNotEqual(json.loads(call("/simple", "yes")[2])["lambda"]["calls"], one["calls"])
        self.assertEqual(message(call("/policy/1", "no")), (403, "Forbidden"))
        self.assertEqual(message(call("/policy/1", "who")), (401, "Unauthorized"))
        code, _, body = call("/policy/1", "yes")
        self.assertEqual(code, 200, body)
        self.fails("ConflictException", self.gw.delete_authorizer, ApiId=api, AuthorizerId=simple)

    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    def test_jwt_authorizers(self):
        signer, stranger = Signer("one"), Signer("one")
        asked = []

        def issuer(handler, _):
            asked.append(handler.path)
            answers = {"/pool/.well-known/openid-configuration": {"issuer": url + "/pool", "jwks_uri": url + "/pool/keys"}, "/pool/keys": {"keys": [signer.jwk()]}}
            return (200, {"Content-Type": "application/json"}, json.dumps(answers[handler.path]).encode()) if handler.path in answers else (404, {}, b"")

        url = self.upstream(issuer)
        api, endpoint = self.http_api()
        i = self.integration(api, self.function("def handler(e, c):\n    return e['requestContext']['authorizer']['jwt']\n"))
        a = self.gw.create_authorizer(ApiId=api, Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"], JwtConfiguration={"Issuer": url + "/pool", "Audience": ["shop", "web"]})["AuthorizerId"]
        self.route(api, "GET /any", i, AuthorizationType="JWT", AuthorizerId=a)
        self.route(api, "GET /scoped", i, AuthorizationType="JWT", AuthorizerId=a, AuthorizationScopes=["orders/read", "orders/write"])
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        now = int(time.time())
        good = {"iss": url + "/pool", "aud": "web", "sub": "ann", "exp": now + 600, "iat": now, "nbf": now, "scope": "orders/read profile"}

        def call(path, token=None):
            code, headers, body = request(endpoint, path=path, headers={"Authorization": token} if token else None)
            return code, json.loads(body), headers

        code, got, _ = call("/any", "Bearer " + signer.token(**good))
        self.assertEqual((code, got["scopes"]), (200, None))
        self.assertEqual({k: str(v) for k, v in good.items()}, got["claims"])
        self.assertEqual(asked, ["/pool/.well-known/openid-configuration", "/pool/keys"])
        self.assertEqual(call("/any", signer.token(**{**good, "aud": ["x", "shop"]}))[0], 200)
        self.assertEqual(call("/any", signer.token(**{k: v for k, v in good.items() if k != "aud"}, client_id="shop"))[0], 200)
        code, got, _ = call("/scoped", "Bearer " + signer.token(**good))
        self.assertEqual((code, got["scopes"]), (200, ["orders/read"]))
        code, got, _ = call("/scoped", signer.token(**{**good, "scope": "profile"}))
        self.assertEqual((code, got), (403, {"message": "Forbidden"}))
        for name, token in {
            "none": None, "no token": "Bearer x", "expired": signer.token(**{**good, "exp": now - 600}), "too early": signer.token(**{**good, "nbf": now + 600}),
            "another audience": signer.token(**{**good, "aud": "other"}), "another issuer": signer.token(**{**good, "iss": url}), "another key": stranger.token(**good),
            "changed": signer.token(**good).replace(".", ".e30", 1),
        }.items():
            with self.subTest(name):
                code, got, headers = call("/any", token)
                self.assertEqual((code, got), (401, {"message": "Unauthorized"}))
                self.assertTrue(headers["www-authenticate"].startswith("Bearer"), headers["www-authenticate"])
        self.assertEqual(len(asked), 2)  # keys are kept

    def test_iam_authorization(self):
        name = self.function("def handler(e, c):\n    return e['requestContext']['authorizer']['iam']\n")
        api, url = self.http_api()
        self.route(api, "POST /x", self.integration(api, name), AuthorizationType="AWS_IAM")
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        self.assertEqual(message(request(url, "POST", "/x")), (403, "Forbidden"))
        r = AWSRequest("POST", url + "/x", data=b"body", headers={"Content-Type": "text/plain"})
        SigV4Auth(botocore.session.get_session().get_credentials(), "execute-api", REGION).add_auth(r)
        code, _, body = request(url, "POST", "/x", b"body", dict(r.headers.items()))
        self.assertEqual((code, json.loads(body)["userArn"]), (200, f"arn:aws:iam::{ACCOUNT}:root"))
        self.assertEqual(request(url, "POST", "/x", b"other", dict(r.headers.items()))[0], 403)

    def test_throttling(self):
        name = self.function("def handler(e, c):\n    return 'ok'\n")
        api, url = self.http_api()
        self.route(api, "GET /x", self.integration(api, name))
        self.route(api, "GET /free", self.integration(api, name))
        self.gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, RouteSettings={"GET /x": {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2}})
        self.assertEqual([request(url, path="/x")[0] for _ in range(3)], [200, 200, 429])
        self.assertEqual(message(request(url, path="/x")), (429, "Too Many Requests"))
        self.assertEqual(request(url, path="/free")[0], 200)
        self.gw.delete_route_settings(ApiId=api, StageName="$default", RouteKey="GET /x")
        self.assertEqual(request(url, path="/x")[0], 200)

    def test_options_that_http_apis_do_not_have(self):
        """Each member that docs/api.md lists as refused is, and what it lists as inert is kept and shown. Sources: the members marked
        "Supported only for WebSocket APIs" in the API's model; the two texts about stages as users of the deployment tools report them."""
        name = self.function()
        api, _ = self.http_api()
        i = self.integration(api, name)
        self.route(api, "GET /x", i)
        for refused in ({"ApiKeyRequired": True}, {"ModelSelectionExpression": "$request.body.x"}, {"RequestModels": {"m": "x"}}, {"RequestParameters": {"route.request.header.x": {"Required": True}}},
                        {"RouteResponseSelectionExpression": "$default"}, {"AuthorizationScopes": ["a"]}):
            self.fails("BadRequestException", self.gw.create_route, ApiId=api, RouteKey="GET /y", Target="integrations/" + i, **refused)
        uri = {"IntegrationType": "AWS_PROXY", "IntegrationUri": arn(name), "PayloadFormatVersion": "2.0"}
        for refused in ({"ConnectionType": "VPC_LINK", "ConnectionId": "v"}, {"ConnectionId": "v"}, {"ContentHandlingStrategy": "CONVERT_TO_TEXT"}, {"TlsConfig": {"ServerNameToVerify": "x"}}, {"PassthroughBehavior": "NEVER"},
                        {"RequestTemplates": {"application/json": "{}"}}, {"TemplateSelectionExpression": "$request.body.x"},
                        {"ResponseParameters": {"99": {"append:header.x": "y"}}}, {"PayloadFormatVersion": "3.0"}):
            self.fails("BadRequestException", self.gw.create_integration, ApiId=api, **{**uri, **refused})
        logs = "Execution logs are not supported on protocolType HTTP"
        for refused, text in (({"ClientCertificateId": "c"}, None), ({"DefaultRouteSettings": {"LoggingLevel": "INFO"}}, logs), ({"DefaultRouteSettings": {"DataTraceEnabled": True}}, logs),
                              ({"RouteSettings": {"GET /x": {"LoggingLevel": "ERROR"}}}, logs), ({"AccessLogSettings": {"Format": "$context.status"}}, None),
                              ({"AccessLogSettings": {"DestinationArn": f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/x", "Format": "$context.status"}}, None), ({"DeploymentId": "none"}, None),
                              ({"StageVariables": {"a b": "c"}}, None)):
            self.fails("BadRequestException", self.gw.create_stage, message=text, ApiId=api, StageName="s", **refused)
        self.fails("NotFoundException", self.gw.create_stage, message="Unable to find Route by key GET /none within the provided RouteSettings", ApiId=api, StageName="s", RouteSettings={"GET /none": {"ThrottlingBurstLimit": 1}})
        for refused in ({"RouteSelectionExpression": "$request.body.action"}, {"RouteKey": "GET /x"}, {"CredentialsArn": f"arn:aws:iam::{ACCOUNT}:role/r"}):
            self.fails("BadRequestException", self.gw.create_api, Name="a", ProtocolType="HTTP", **refused)
        # Inert: kept and shown.
        inert = {"ApiKeySelectionExpression": "$request.header.x-api-key", "DisableSchemaValidation": True, "IpAddressType": "dualstack"}
        made = self.gw.create_api(Name="inert", ProtocolType="HTTP", **inert)
        self.addCleanup(self.gw.delete_api, ApiId=made["ApiId"])
        self.assertEqual({k: made[k] for k in inert}, inert)
        stage = self.gw.create_stage(ApiId=api, StageName="s", DefaultRouteSettings={"DetailedMetricsEnabled": True, "LoggingLevel": "OFF", "DataTraceEnabled": False})
        self.assertEqual(stage["DefaultRouteSettings"]["DetailedMetricsEnabled"], True)
        # Settings of a route outlive it, and the stage can still be changed.
        self.gw.update_stage(ApiId=api, StageName="s", RouteSettings={"GET /x": {"ThrottlingBurstLimit": 1}})
        self.gw.delete_route(ApiId=api, RouteId=self.gw.get_routes(ApiId=api)["Items"][0]["RouteId"])
        self.assertIn("GET /x", self.gw.update_stage(ApiId=api, StageName="s", Description="changed")["RouteSettings"])

    def test_access_logs(self):
        group = "/apis/" + self.name("logs")
        self.logs.create_log_group(logGroupName=group)
        self.addCleanup(self.logs.delete_log_group, logGroupName=group)
        name = self.function("def handler(e, c):\n    return 'ok'\n")
        api, url = self.http_api(Target=arn(name))
        self.gw.update_stage(ApiId=api, StageName="$default", AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}",
            "Format": '{"id":"$context.requestId","status":"$context.status","path":"$context.path","agent":"$context.identity.userAgent","route":"$context.routeKey","length":"$context.responseLength","none":"$context.authorizer.x"}'})
        _, headers, _ = request(url, path="/logged", headers={"User-Agent": 'evil"\\x'})
        deadline = time.monotonic() + 60
        events = []
        while not events and time.monotonic() < deadline:
            events = self.logs.filter_log_events(logGroupName=group)["events"]
        self.assertEqual(json.loads(events[0]["message"]), {"id": headers["apigw-requestid"], "status": "200", "path": "/logged", "agent": 'evil"\\x', "route": "$default", "length": "2", "none": "-"})

    def test_domain_names(self):
        name = self.function("def handler(e, c):\n    return {'path': e['rawPath'], 'route': e['routeKey'], 'stage': e['requestContext']['stage'], 'domain': e['requestContext']['domainName']}\n")
        api, url = self.http_api()
        i = self.integration(api, name)
        self.route(api, "GET /pets", i)
        self.gw.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
        domain = f"shop-{api}.example.com"
        made = self.gw.create_domain_name(DomainName=domain, DomainNameConfigurations=[{"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x"}])
        self.addCleanup(self.gw.delete_domain_name, DomainName=domain)
        self.assertEqual(made["DomainNameConfigurations"][0]["DomainNameStatus"], "AVAILABLE")
        self.fails("ConflictException", self.gw.create_domain_name, DomainName=domain)
        self.assertEqual(message(request(f"http://{SERVER}", path="/pets", host=domain)), (403, "Forbidden"))
        root = self.gw.create_api_mapping(DomainName=domain, ApiId=api, Stage="prod")
        v1 = self.gw.create_api_mapping(DomainName=domain, ApiId=api, Stage="prod", ApiMappingKey="shop/v1")
        self.fails("BadRequestException", self.gw.create_api_mapping, DomainName=domain, ApiId=api, Stage="none", ApiMappingKey="x")
        for path, raw in (("/pets", "/pets"), ("/shop/v1/pets", "/shop/v1/pets")):
            code, _, body = request(f"http://{SERVER}", path=path, host=domain)
            self.assertEqual((code, json.loads(body)), (200, {"path": raw, "route": "GET /pets", "stage": "prod", "domain": domain}))
        self.gw.delete_api_mapping(DomainName=domain, ApiMappingId=root["ApiMappingId"])
        self.assertEqual(message(request(f"http://{SERVER}", path="/pets", host=domain)), (403, "Forbidden"))
        self.assertEqual(request(f"http://{SERVER}", path="/shop/v1/pets", host=domain)[0], 200)
        self.assertEqual([m["ApiMappingKey"] for m in self.gw.get_api_mappings(DomainName=domain)["Items"]], ["shop/v1"])
        self.assertEqual(self.gw.get_api_mapping(DomainName=domain, ApiMappingId=v1["ApiMappingId"])["Stage"], "prod")

    def test_both_versions_share_domain_names(self):
        """Sources: the pages "API mappings" and "Custom domain names" of the developer guide; the text about edges as users report it."""
        rest = client("apigateway")
        name = self.function("def handler(e, c):\n    return e['requestContext']['domainName'] + ' ' + e['rawPath']\n")
        api, _ = self.http_api()
        self.route(api, "$default", self.integration(api, name))
        self.gw.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
        rest_api = rest.create_rest_api(name=self.name("rest"))["id"]
        self.addCleanup(rest.delete_rest_api, restApiId=rest_api)
        root = rest.get_resources(restApiId=rest_api)["items"][0]["id"]
        at = {"restApiId": rest_api, "resourceId": root, "httpMethod": "GET"}
        rest.put_method(authorizationType="NONE", **at)
        rest.put_integration(type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}, **at)
        rest.put_method_response(statusCode="200", **at)
        rest.put_integration_response(statusCode="200", responseTemplates={"application/json": "rest $context.domainName $context.path"}, **at)
        rest.create_deployment(restApiId=rest_api, stageName="dev")
        first, second, edge = f"one-{api}.example.com", f"two-{api}.example.com", f"edge-{api}.example.com"
        rest.create_domain_name(domainName=first, regionalCertificateArn="arn:aws:acm:us-east-1:1:certificate/x", endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "1"})
        self.gw.create_domain_name(DomainName=second, DomainNameConfigurations=[{"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/y"}])
        rest.create_domain_name(domainName=edge)
        for made in (first, second, edge):
            self.addCleanup(self.gw.delete_domain_name, DomainName=made)
            self.fails("ConflictException", self.gw.create_domain_name, DomainName=made, message="The domain name resource already exists.")
            with self.assertRaises(rest.exceptions.BadRequestException):
                rest.create_domain_name(domainName=made.upper())
        # Each sees what the other made.
        shown = self.gw.get_domain_name(DomainName=first)
        self.assertEqual((shown["DomainNameConfigurations"][0]["CertificateArn"], shown["DomainNameConfigurations"][0]["EndpointType"], shown["Tags"]), ("arn:aws:acm:us-east-1:1:certificate/x", "REGIONAL", {"a": "1"}))
        self.assertEqual(rest.get_domain_name(domainName=second)["regionalCertificateArn"], "arn:aws:acm:us-east-1:1:certificate/y")
        for listed in ([d["domainName"] for d in rest.get_domain_names(limit=500)["items"]], [d["DomainName"] for d in self.gw.get_domain_names()["Items"]]):
            self.assertLessEqual({first, second, edge}, set(listed))
        # A name leads to APIs of both kinds, whichever version made it or maps it.
        for domain in (first, second):
            self.gw.create_api_mapping(DomainName=domain, ApiId=api, Stage="prod", ApiMappingKey="shop/v2")
            deep = self.gw.create_api_mapping(DomainName=domain, ApiId=rest_api, Stage="dev", ApiMappingKey="shop/v2/deep")
            rest.create_base_path_mapping(domainName=domain, basePath="plain", restApiId=rest_api, stage="dev")

            def ask(path, domain=domain):
                code, _, body = request(f"http://{SERVER}", path=path, host=domain)
                return [code, body]

            self.assertEqual(ask("/shop/v2/x"), [200, f"{domain} /shop/v2/x".encode()])
            self.assertEqual(ask("/shop/v2/deep"), [200, f"rest {domain} /shop/v2/deep".encode()])
            self.assertEqual(ask("/plain"), [200, f"rest {domain} /plain".encode()])
            self.assertEqual(ask("/other")[0], 403)
            self.assertEqual([(m["basePath"], m["restApiId"]) for m in rest.get_base_path_mappings(domainName=domain)["items"]], [("plain", rest_api), ("shop/v2", api), ("shop/v2/deep", rest_api)])
            self.assertEqual({m["ApiMappingKey"]: m["Stage"] for m in self.gw.get_api_mappings(DomainName=domain)["Items"]}, {"plain": "dev", "shop/v2": "prod", "shop/v2/deep": "dev"})
            self.gw.update_api_mapping(DomainName=domain, ApiId=rest_api, ApiMappingId=deep["ApiMappingId"], ApiMappingKey="moved")
            self.assertEqual(ask("/moved"), [200, f"rest {domain} /moved".encode()])
        with self.assertRaises(rest.exceptions.BadRequestException):
            rest.create_base_path_mapping(domainName=second, basePath="http", restApiId=api, stage="prod")
        self.fails("BadRequestException", self.gw.create_api_mapping, DomainName=edge, ApiId=api, Stage="prod", message="Only REGIONAL domain names can be managed through the API Gateway V2 API. For EDGE domain names, please use the API Gateway V1 API. Also note that only REST APIs can be attached to EDGE domain names.")
        self.fails("NotFoundException", self.gw.create_api_mapping, DomainName=first, ApiId="none", Stage="prod", ApiMappingKey="x", message="Invalid API identifier specified none")
        socket = self.gw.create_api(Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
        self.addCleanup(self.gw.delete_api, ApiId=socket)
        self.gw.create_stage(ApiId=socket, StageName="prod")
        self.fails("BadRequestException", self.gw.create_api_mapping, DomainName=first, ApiId=socket, Stage="prod", ApiMappingKey="ws")
        # Tags are one thing too.
        named = self.gw.get_domain_name(DomainName=second)["DomainNameArn"]
        self.gw.tag_resource(ResourceArn=named, Tags={"x": "1", "y": "2"})
        rest.untag_resource(resourceArn=named, tagKeys=["x"])
        self.assertEqual((self.gw.get_tags(ResourceArn=named)["Tags"], rest.get_tags(resourceArn=named)["tags"]), ({"y": "2"}, {"y": "2"}))
        with self.assertRaises(rest.exceptions.BadRequestException):
            rest.delete_rest_api(restApiId=rest_api)  # while names lead to it

    def test_openapi(self):
        name = self.function("def handler(e, c):\n    return e['routeKey']\n")
        integration = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0",
                       "uri": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(name)}/invocations"}
        document = {"openapi": "3.0.1", "info": {"title": "pets", "version": "1"}, "paths": {
            "/pets/{id}": {"get": {"x-amazon-apigateway-integration": integration}},
            "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": True, "x-amazon-apigateway-integration": integration}}}}
        api = self.gw.import_api(Body=json.dumps(document))
        self.addCleanup(self.gw.delete_api, ApiId=api["ApiId"])
        self.assertEqual((status(api), api["Name"], api["Version"]), (201, "pets", "1"))
        self.gw.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        self.assertEqual(request(api["ApiEndpoint"], path="/pets/1")[2], b"GET /pets/{id}")
        self.assertEqual(request(api["ApiEndpoint"], path="/other")[2], b"$default")
        exported = self.gw.export_api(ApiId=api["ApiId"], Specification="OAS30", OutputType="JSON")["body"].read()
        self.assertEqual(json.loads(exported)["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"]["uri"], integration["uri"])
        document["paths"] = {"/cats": {"get": {"x-amazon-apigateway-integration": integration}}}
        self.assertEqual(status(self.gw.reimport_api(ApiId=api["ApiId"], Body=json.dumps(document))), 201)
        self.assertEqual(request(api["ApiEndpoint"], path="/cats")[2], b"GET /cats")
        self.assertEqual(message(request(api["ApiEndpoint"], path="/pets/1")), (404, "Not Found"))
        self.assertEqual(status(self.gw.reimport_api(ApiId=api["ApiId"], Body=exported.decode())), 201)
        self.assertEqual(request(api["ApiEndpoint"], path="/pets/1")[2], b"GET /pets/{id}")
        self.fails("BadRequestException", self.gw.import_api, Body="{")
        self.fails("BadRequestException", self.gw.reimport_api, ApiId=api["ApiId"], Body=json.dumps({**document, "paths": {"/{a+}/b": {"get": {}}}}))
        self.assertEqual(request(api["ApiEndpoint"], path="/pets/1")[0], 200, "nothing changed")

    def test_tags_and_lists(self):
        api, _ = self.http_api(Tags={"a": "1"})
        self.gw.create_stage(ApiId=api, StageName="s", Tags={"b": "2"})
        name = f"arn:aws:apigateway:{REGION}::/apis/{api}"
        self.gw.tag_resource(ResourceArn=name, Tags={"c": "3"})
        self.gw.untag_resource(ResourceArn=name, TagKeys=["a"])
        self.assertEqual(self.gw.get_tags(ResourceArn=name)["Tags"], {"c": "3"})
        self.assertEqual(self.gw.get_tags(ResourceArn=name + "/stages/s")["Tags"], {"b": "2"})
        others = [self.http_api()[0] for _ in range(3)]
        found, token = [], None
        while True:
            page = self.gw.get_apis(MaxResults="2", **({"NextToken": token} if token else {}))
            self.assertLessEqual(len(page["Items"]), 2)
            found += [item["ApiId"] for item in page["Items"]]
            token = page.get("NextToken")
            if not token:
                break
        self.assertLessEqual({api, *others}, set(found))
        self.assertEqual(len(found), len(set(found)))

    def test_limits(self):
        name = self.function("def handler(e, c):\n    return str(len(e['body']))\n")
        _, url = self.http_api(Target=arn(name))
        self.assertEqual(request(url, "POST", body="x" * (5 << 20), headers={"Content-Type": "text/plain"})[2], str(5 << 20).encode())
        self.assertEqual(message(request(url, "POST", body="x" * (7 << 20), headers={"Content-Type": "text/plain"})), (413, "Request Entity Too Large"))
        self.assertEqual(message(request(url, "POST", body="x" * (11 << 20), headers={"Content-Type": "text/plain"})), (413, "Request Entity Too Large"))
        self.assertEqual(message(request(url, headers={"X-Long": "x" * 11000})), (431, "Request Header Fields Too Large"))


if __name__ == "__main__":
    unittest.main()
