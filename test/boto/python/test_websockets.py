"""WebSocket APIs: apigatewayv2 and apigatewaymanagementapi with boto3, the APIs with a small client."""

import base64
import json
import os
import socket
import struct
import time
import unittest
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from common import ACCOUNT, REGION, Case, arn, client, status

SERVER = urlsplit(os.environ["AWS_ENDPOINT_URL"])

# The function pushes to its own client, in the words of AWS's examples:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-chat-app.html
PUSH = """
import json, os, boto3

def handler(event, context):
    rc = event["requestContext"]
    if rc["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    body = json.loads(event["body"])
    management = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{rc['domainName']}/{rc['stage']}")
    management.post_to_connection(ConnectionId=body.get("to", rc["connectionId"]), Data=("pushed " + body["text"]).encode())
    return {"statusCode": 200, "body": "ignored"}
"""

SHOW = """
import json

def handler(event, context):
    print("EVENT", event["requestContext"]["eventType"])
    if event["requestContext"]["eventType"] == "CONNECT" and "refuse" in (event.get("queryStringParameters") or {}):
        return {"statusCode": 401}
    return {"statusCode": 200, "body": json.dumps(event)}
"""

SAM = """
Transform: AWS::Serverless-2016-10-31
Parameters: {LogName: {Type: String}}
Resources:
  Log:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Ref LogName}
  Handler:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.14
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return {"statusCode": 200, "body": event["requestContext"]["routeKey"]}
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      StageName: live
      DefaultRouteSettings: {ThrottlingBurstLimit: 500, ThrottlingRateLimit: 1000, LoggingLevel: INFO, DataTraceEnabled: true, DetailedMetricsEnabled: true}
      RouteSettings: {ping: {ThrottlingBurstLimit: 1, ThrottlingRateLimit: 0.001}}
      AccessLogSettings:
        DestinationArn: !GetAtt Log.Arn
        Format: $context.eventType $context.routeKey $context.status
      StageVariables: {color: red}
      Routes:
        $connect: {FunctionArn: !GetAtt Handler.Arn}
        echo: {FunctionArn: !GetAtt Handler.Arn, RouteResponseSelectionExpression: $default}
  Ping:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {ApiId: !Ref Chat, IntegrationType: MOCK, RequestTemplates: {$default: '{"statusCode": 200}'}}
  PingResponse:
    Type: AWS::ApiGatewayV2::IntegrationResponse
    Properties: {ApiId: !Ref Chat, IntegrationId: !Ref Ping, IntegrationResponseKey: /200/, ResponseTemplates: {$default: pong}}
  PingModel:
    Type: AWS::ApiGatewayV2::Model
    Properties: {ApiId: !Ref Chat, Name: Ping, ContentType: application/json, Schema: {type: object, properties: {count: {type: integer}}}}
  PingRoute:
    Type: AWS::ApiGatewayV2::Route
    DependsOn: PingModel
    Properties: {ApiId: !Ref Chat, RouteKey: ping, RouteResponseSelectionExpression: $default, Target: !Sub "integrations/${Ping}", ModelSelectionExpression: $request.body.kind, RequestModels: {$default: Ping}}
  PingAnswer:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Chat, RouteId: !Ref PingRoute, RouteResponseKey: $default}
Outputs:
  Id: {Value: !Ref Chat}
"""


class WebSocket:
    """As much of RFC 6455 as the tests need."""

    def __init__(self, path, host=SERVER.netloc, **headers):
        self.socket = socket.create_connection((SERVER.hostname, SERVER.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        self.body = b"" if self.status == 101 else self.file.read(int(self.headers.get("content-length", 0)))

    def frame(self, opcode, data, final=True):
        mask = os.urandom(4)
        size = len(data)
        head = bytes([(0x80 if final else 0) | opcode])
        head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536 else bytes([0x80 | 127]) + struct.pack(">Q", size)
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def send(self, message):
        self.frame(1, json.dumps(message).encode())

    def read(self):
        """The opcode and payload of the next frame, joined with what continues it."""
        first, second = self.file.read(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.file.read(8))[0]
        data = self.file.read(size)
        while not first & 0x80:
            more, rest = self.read_part()
            first |= more & 0x80
            data += rest
        return first & 0x0F, data

    def read_part(self):
        first, second = self.file.read(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.file.read(8))[0]
        return first, self.file.read(size)

    def text(self):
        opcode, data = self.read()
        assert opcode == 1, (opcode, data)
        return data.decode()

    def closed(self):
        opcode, data = self.read()
        assert opcode == 8, (opcode, data)
        return struct.unpack(">H", data[:2])[0]

    def close(self):
        self.file.close()
        self.socket.close()


class WebSockets(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gw = client("apigatewayv2")

    def make(self, source, routes, permit="*", **extra):
        """An API whose routes call one function; its id."""
        self.create(source, name=(name := self.name()), Timeout=30)
        api = self.gw.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        self.assertTrue(api["ApiEndpoint"].startswith("ws://"), api["ApiEndpoint"])
        api = api["ApiId"]
        self.addCleanup(self.gw.delete_api, ApiId=api)
        self.api.add_permission(FunctionName=name, StatementId="ws", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{permit}")
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(name)}/invocations"
        integration = self.gw.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri)["IntegrationId"]
        for key, options in routes.items():
            route = self.gw.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", **options)
            if "RouteResponseSelectionExpression" in options:
                self.gw.create_route_response(ApiId=api, RouteId=route["RouteId"], RouteResponseKey="$default")
        self.gw.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
        return api

    def connect(self, api, query="", want=101, **headers):
        ws = WebSocket(f"/_aws/execute-api/{api}/prod{query}", **headers)
        self.addCleanup(ws.close)
        self.assertEqual(ws.status, want, ws.body)
        return ws

    def management(self, api):
        return boto3.client("apigatewaymanagementapi", endpoint_url=f"{SERVER.geturl()}/_aws/execute-api/{api}/prod", config=Config(retries={"total_max_attempts": 1}))

    def test_messages_are_answered(self):
        answers = {"RouteResponseSelectionExpression": "$default"}
        api = self.make(SHOW, {"$connect": {}, "show": answers, "$default": answers})
        ws = self.connect(api)
        ws.send({"action": "show", "n": 1})
        event = json.loads(ws.text())
        self.assertEqual((event["requestContext"]["routeKey"], event["requestContext"]["eventType"], json.loads(event["body"])["n"]), ("show", "MESSAGE", 1))
        ws.frame(1, b"no JSON")
        self.assertEqual(json.loads(ws.text())["requestContext"]["routeKey"], "$default")
        by_host = WebSocket("/prod", host=f"{api}.execute-api.{REGION}.localhost:{SERVER.port}")
        self.addCleanup(by_host.close)
        self.assertEqual(by_host.status, 101)
        by_host.send({"action": "show"})
        self.assertEqual(json.loads(by_host.text())["requestContext"]["domainName"], f"{api}.execute-api.{REGION}.localhost")
        ws.frame(2, b"\x00")
        self.assertEqual(ws.closed(), 1003)

    def test_who_is_refused(self):
        api = self.make(SHOW, {"$connect": {}, "$disconnect": {}})
        ws = self.connect(api, "?refuse=1", want=401)
        self.assertEqual(set(json.loads(ws.body)), {"message", "connectionId", "requestId"})
        ws = self.connect(api)
        ws.send({"action": "none"})
        self.assertEqual({**json.loads(ws.text()), "connectionId": "", "requestId": ""}, {"message": "Forbidden", "connectionId": "", "requestId": ""})
        nowhere = WebSocket(f"/_aws/execute-api/{api}/nowhere")
        self.addCleanup(nowhere.close)
        self.assertEqual((nowhere.status, json.loads(nowhere.body)), (403, {"message": "Forbidden"}))
        locked = self.make(SHOW, {"$connect": {}}, permit="other/$connect")
        self.assertEqual(json.loads(self.connect(locked, want=502).body)["message"], "Internal server error")

    def test_a_function_pushes(self):
        api = self.make(PUSH, {"$connect": {}, "push": {}})
        ws = self.connect(api)
        ws.send({"action": "push", "text": "hello"})
        self.assertEqual(ws.text(), "pushed hello")
        by_host = WebSocket("/prod", host=f"{api}.execute-api.{REGION}.localhost:{SERVER.port}")
        self.addCleanup(by_host.close)
        by_host.send({"action": "push", "text": "by host"})
        self.assertEqual(by_host.text(), "pushed by host")

    def test_connections(self):
        api = self.make(SHOW, {"$connect": {}, "show": {"RouteResponseSelectionExpression": "$default"}})
        ws = self.connect(api, **{"User-Agent": "small"})
        ws.send({"action": "show"})
        connection = json.loads(ws.text())["requestContext"]["connectionId"]
        management = self.management(api)
        got = management.get_connection(ConnectionId=connection)
        self.assertEqual(got["Identity"], {"SourceIp": "127.0.0.1", "UserAgent": "small"})
        self.assertGreaterEqual(got["LastActiveAt"], got["ConnectedAt"])
        self.assertEqual(status(management.post_to_connection(ConnectionId=connection, Data=b"hi")), 200)
        self.assertEqual(ws.text(), "hi")
        large = b"x" * (128 << 10)
        management.post_to_connection(ConnectionId=connection, Data=large)
        self.assertEqual(ws.text(), large.decode())
        self.refused("PayloadTooLargeException", 413, management.post_to_connection, ConnectionId=connection, Data=large + b"x")
        self.refused("BadRequestException", 400, management.post_to_connection, ConnectionId="nobody", Data=b"x")
        self.refused("GoneException", 410, management.post_to_connection, ConnectionId="AAAAAAAAAAAAAAA=", Data=b"x")
        self.assertEqual(status(management.delete_connection(ConnectionId=connection)), 204)
        self.assertEqual(ws.closed(), 1000)
        for call in (management.get_connection, management.delete_connection):
            self.refused("GoneException", 410, call, ConnectionId=connection)

    def refused(self, code, http, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual((caught.exception.response["Error"]["Code"], status(caught.exception.response)), (code, http))

    def test_sam_deploys_one(self):
        cloud, name = client("cloudformation"), self.name("chat")
        cloud.create_stack(StackName=name, TemplateBody=SAM, Parameters=[{"ParameterKey": "LogName", "ParameterValue": name}], Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
        self.addCleanup(cloud.delete_stack, StackName=name)
        cloud.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
        api = cloud.describe_stacks(StackName=name)["Stacks"][0]["Outputs"][0]["OutputValue"]
        ws = WebSocket(f"/_aws/execute-api/{api}/live")
        self.addCleanup(ws.close)
        self.assertEqual(ws.status, 101, ws.body)
        ws.send({"action": "ping"})
        self.assertEqual(ws.text(), "pong")
        ws.send({"action": "ping"})
        self.assertEqual(json.loads(ws.text())["message"], "Too Many Requests")
        model = self.gw.get_models(ApiId=api)["Items"][0]
        self.assertEqual((model["Name"], json.loads(model["Schema"])["type"]), ("Ping", "object"))
        with self.assertRaises(self.gw.exceptions.ConflictException):
            self.gw.delete_model(ApiId=api, ModelId=model["ModelId"])
        self.gw.delete_route_settings(ApiId=api, StageName="live", RouteKey="ping")
        ws.send({"action": "ping", "count": "many"})
        self.assertEqual({**json.loads(ws.text()), "connectionId": "", "requestId": ""}, {"message": "Invalid request body", "connectionId": "", "requestId": ""})
        wanted = ["CONNECT $connect 200", "MESSAGE ping 200", "MESSAGE ping 429", "MESSAGE ping 400"]
        self.assertCountEqual(self.logged(name, len(wanted)), wanted)  # a line is written after the answer, so the next message can overtake it
        self.assertIn('Route request body before transformations: {"action": "ping"}', "".join(self.logged(f"/aws/apigateway/{api}/live", 8)))
        stage = self.gw.get_stage(ApiId=api, StageName="live")
        self.assertEqual((stage["StageVariables"], stage["DefaultRouteSettings"]["LoggingLevel"]), ({"color": "red"}, "INFO"))
        self.gw.delete_stage(ApiId=api, StageName="live")
        self.assertEqual(ws.closed(), 1001)

    def two_way(self, api, key, responses=None, **integration):
        """A route with an integration that answers."""
        made = self.gw.create_integration(ApiId=api, **integration)
        for response_key, response in (responses or {}).items():
            self.gw.create_integration_response(ApiId=api, IntegrationId=made["IntegrationId"], IntegrationResponseKey=response_key, **response)
        route = self.gw.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{made['IntegrationId']}", RouteResponseSelectionExpression="$default")["RouteId"]
        self.gw.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
        return made

    def test_integrations_without_proxies(self):
        api = self.make(SHOW, {"$connect": {}})
        queue = client("sqs").create_queue(QueueName=self.name("q"))["QueueUrl"]
        self.addCleanup(client("sqs").delete_queue, QueueUrl=queue)
        role = f"arn:aws:iam::{ACCOUNT}:role/test"
        # A message becomes one of a queue, as in a REST API.
        made = self.two_way(api, "enqueue", IntegrationType="AWS", IntegrationMethod="POST", IntegrationUri=f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/{queue.rsplit('/')[-1]}", CredentialsArn=role,
                            RequestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}, PassthroughBehavior="NEVER",
                            RequestTemplates={"$default": "Action=SendMessage&MessageBody=$util.urlEncode($input.path('$.text'))"},
                            responses={"$default": {"ResponseTemplates": {"$default": "queued"}}, r"/4\d\d/": {"ResponseTemplates": {"$default": "no"}}})
        self.assertEqual(made["IntegrationResponseSelectionExpression"], "${integration.response.statuscode}")
        # A function that gets what a template makes.
        name = self.name()
        self.create("def handler(event, context):\n    if event['n'] < 0: raise ValueError('it is negative')\n    return {'double': 2 * event['n']}\n", name=name)
        self.api.add_permission(FunctionName=name, StatementId="ws", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*")
        made = self.two_way(api, "double", IntegrationType="AWS", IntegrationMethod="POST", IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(name)}/invocations",
                            TemplateSelectionExpression="${request.body.form}", RequestTemplates={"plain": "{\"n\": $input.json('$.n')}"},
                            responses={"$default": {"ResponseTemplates": {"$default": "$input.path('$.double') for $context.connectionId"}}, "/.*negative.*/": {"ResponseTemplates": {"$default": "refused"}}})
        self.assertEqual(made["IntegrationResponseSelectionExpression"], "${integration.response.body.errorMessage}")
        ws = self.connect(api)
        ws.send({"action": "enqueue", "text": "a & b"})
        self.assertEqual(ws.text(), "queued")
        self.assertEqual(client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"], "a & b")
        ws.send({"action": "double", "form": "plain", "n": 21})
        self.assertRegex(ws.text(), r"^42 for \S+=$")
        ws.send({"action": "double", "form": "plain", "n": -1})
        self.assertEqual(ws.text(), "refused")
        self.fails("BadRequestException", self.gw.create_integration, ApiId=api, IntegrationType="AWS", IntegrationMethod="POST", IntegrationUri=f"arn:aws:apigateway:{REGION}:sqs:path/a/b")

    def logged(self, group, count):
        """The messages of a log group, once there are so many."""
        logs = client("logs")
        for _ in range(600):
            events = logs.filter_log_events(logGroupName=group)["events"]
            if len(events) >= count:
                return [event["message"].strip() for event in events]
            time.sleep(0.1)
        self.fail(f"{group} has {len(events)} events")

    def test_configuration(self):
        api = self.make(SHOW, {"$connect": {}})
        integration = self.gw.create_integration(ApiId=api, IntegrationType="MOCK", TemplateSelectionExpression="200", RequestTemplates={"200": '{"statusCode":200}'})["IntegrationId"]
        route = self.gw.create_route(ApiId=api, RouteKey="ping", Target=f"integrations/{integration}", RouteResponseSelectionExpression="$default")["RouteId"]
        answer = self.gw.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")["RouteResponseId"]
        response = self.gw.create_integration_response(ApiId=api, IntegrationId=integration, IntegrationResponseKey="/200/", TemplateSelectionExpression="x", ResponseTemplates={"x": "pong"})
        ws = self.connect(api)
        ws.send({"action": "ping"})
        self.assertEqual(ws.text(), "pong")
        self.gw.update_integration_response(ApiId=api, IntegrationId=integration, IntegrationResponseId=response["IntegrationResponseId"], ResponseTemplates={"x": "PONG"})
        ws.send({"action": "ping"})
        self.assertEqual(ws.text(), "PONG")  # an open connection follows the deployments
        self.assertEqual([r["RouteResponseId"] for r in self.gw.get_route_responses(ApiId=api, RouteId=route)["Items"]], [answer])
        self.gw.delete_route_response(ApiId=api, RouteId=route, RouteResponseId=answer)
        self.fails("NotFoundException", self.gw.get_route_response, ApiId=api, RouteId=route, RouteResponseId=answer)
        for bad in ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x"}, {"IntegrationType": "AWS", "IntegrationUri": arn("f")}):
            self.fails("BadRequestException", self.gw.create_integration, ApiId=api, **bad)
        self.fails("BadRequestException", self.gw.create_stage, ApiId=api, StageName="$default")


if __name__ == "__main__":
    unittest.main()
