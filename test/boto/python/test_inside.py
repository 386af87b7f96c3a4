"""What a function finds when it calls the platform by the https names that its events and APIs tell."""

import json
import unittest

from common import REGION, Case, arn, client

# Everything is the standard library's, as a function for AWS would use it.
CALLER = """
import http.client, json, os, socket, ssl, urllib.error, urllib.request

def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as reply:
            return [reply.status, reply.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    except (OSError, urllib.error.URLError) as error:
        return [0, str(error)]

def as_host(name, path="/"):
    "Whoever speaks TLS at the platform's address, asked for a name."
    try:
        with socket.create_connection((os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")[0], 443), 30) as plain:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=name) as secure:
                secure.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n".encode())
                return secure.makefile("rb").readline().decode().split()[1]
    except OSError as error:
        return type(error).__name__

def handler(event, context):
    if "url" in event:
        return get(event["url"])
    if "host" in event:
        return as_host(event["host"], event.get("path", "/"))
    if "name" in event:
        try:
            return sorted({found[4][0] for found in socket.getaddrinfo(event["name"], 443)})
        except OSError as error:
            return type(error).__name__
    return {"authorities": ssl.create_default_context().cert_store_stats()["x509_ca"],
            "variables": {name: os.environ.get(name) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")}}
"""

SHOW = """
import json
def handler(event, context):
    rc = event["requestContext"]
    return {"statusCode": 200, "body": json.dumps([rc["domainName"], rc.get("http", rc).get("path")])}
"""

BUNDLE = "/etc/pki/tls/certs/ca-bundle.crt"  # AWS: Amazon Linux has it there


class Inside(Case):
    def call(self, function, **event):
        reply = self.api.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(reply["Payload"].read())
        self.assertNotIn("FunctionError", reply, payload)
        return payload

    def caller(self, **options):
        self.create(CALLER, name=(name := self.name()), Timeout=60, MemorySize=256, **options)
        return name

    def shown(self):
        self.create(SHOW, name=(name := self.name()))
        self.api.add_permission(FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
        return name

    def test_apis_and_urls_by_https(self):
        # The deny policy closes the outside only.
        caller, shown = self.caller(Environment={"Variables": {"LAMBKIN_EGRESS": "deny"}}), self.shown()
        gateway = client("apigatewayv2")
        api = gateway.create_api(Name=shown, ProtocolType="HTTP", Target=arn(shown))["ApiId"]
        self.addCleanup(gateway.delete_api, ApiId=api)
        rest = client("apigateway")
        v1 = rest.create_rest_api(name=shown)["id"]
        self.addCleanup(rest.delete_rest_api, restApiId=v1)
        root = rest.get_resources(restApiId=v1)["items"][0]["id"]
        rest.put_method(restApiId=v1, resourceId=root, httpMethod="GET", authorizationType="NONE")
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(shown)}/invocations"
        rest.put_integration(restApiId=v1, resourceId=root, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        rest.create_deployment(restApiId=v1, stageName="prod")
        url = self.api.create_function_url_config(FunctionName=shown, AuthType="NONE")["FunctionUrl"].split("/")[2].split(".")[0]
        self.api.add_permission(FunctionName=shown, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
        self.api.add_permission(FunctionName=shown, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)
        for host, path in {
            f"{api}.execute-api.{REGION}.localhost": "/", f"{v1}.execute-api.{REGION}.localhost": "/prod/", f"{url}.lambda-url.{REGION}.localhost": "/",
            # What AWS calls them, as configurations that came from there may.
            f"{api}.execute-api.{REGION}.amazonaws.com": "/", f"{url}.lambda-url.{REGION}.on.aws": "/",
        }.items():
            with self.subTest(host):
                self.assertEqual(self.call(caller, url=f"https://{host}{path}"), [200, json.dumps([host, path])])
        self.assertEqual(self.call(caller, url=f"https://nobody.execute-api.{REGION}.localhost/"), [403, '{"message":"Forbidden"}'])

    def test_names_that_are_not_the_platforms(self):
        caller = self.caller(Environment={"Variables": {"LAMBKIN_EGRESS": "deny"}})
        for name in (f"nobody.execute-api.{REGION}.amazonaws.com", f"sqs.{REGION}.amazonaws.com", "example.org", "www.localhost"):
            self.assertEqual(self.call(caller, name=name), "gaierror", name)
        self.assertEqual(self.call(caller, name=f"any.execute-api.{REGION}.localhost"), ["169.254.100.1"])
        # No certificate for what is somebody else's, whoever asks.
        for name in ("example.org", "amazonaws.com.example.org"):
            self.assertEqual(self.call(caller, host=name), "SSLError", name)

    def test_the_address_with_tls_gives_no_more_than_the_other(self):
        caller = self.caller()
        for path in ("/_lambkin/functions/f/code", "/_lambkin/functions/f/files"):
            self.assertEqual(self.call(caller, host="localhost", path=path), "403", path)
        self.assertEqual(self.call(caller, host="localhost", path="/_lambkin/health"), "200")

    def test_public_authorities_are_trusted_too(self):
        told = self.call(self.caller())
        self.assertGreater(told["authorities"], 50)
        self.assertEqual(told["variables"], {"AWS_CA_BUNDLE": BUNDLE, "SSL_CERT_FILE": BUNDLE, "NODE_EXTRA_CA_CERTS": BUNDLE, "REQUESTS_CA_BUNDLE": None})
        told = self.call(self.caller(Environment={"Variables": {"SSL_CERT_FILE": "/var/task/mine.pem"}}))
        self.assertEqual((told["authorities"], told["variables"]["SSL_CERT_FILE"]), (0, "/var/task/mine.pem"))


if __name__ == "__main__":
    unittest.main()
