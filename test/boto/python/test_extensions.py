"""Extensions and wrappers from layers, in functions that are called as any other."""

import io
import json
import re
import time
import unittest
import zipfile

from common import ACCOUNT, REGION, RUNTIME, Case, client

PATIENCE = 60  # seconds until a line must be readable

# What the example extensions of AWS do, with the standard library alone.
PROLOG = """#!/usr/bin/env python3
import http.client, http.server, json, os, signal, sys, threading, time
NAME = os.path.basename(__file__)
def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body and json.dumps(body), {key.replace("_", "-"): value for key, value in headers.items()})
    reply = api.getresponse()
    assert reply.status < 300, (path, reply.status, reply.read())
    return reply.headers, json.loads(reply.read())
def register(*events):
    global own
    headers, function = call("POST", "/2020-01-01/extension/register", {"events": events}, Lambda_Extension_Name=NAME, Lambda_Extension_Accept_Feature="accountId")
    own = {"Lambda_Extension_Identifier": headers["Lambda-Extension-Identifier"]}
    return function
def next_event():
    return call("GET", "/2020-01-01/extension/event/next", **own)[1]
def say(what):
    print(NAME, json.dumps(what), flush=True)
"""

WATCHER = PROLOG + """
say(register("INVOKE", "SHUTDOWN"))
while True:
    event = next_event()
    say(event)
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
"""

LISTENER = PROLOG + """
done, events = threading.Event(), []
class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            events.append(event)
            if event["type"] == "platform.runtimeDone":
                done.set()
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments): pass
threading.Thread(target=http.server.ThreadingHTTPServer(("sandbox.localdomain", 4243), Listener).serve_forever, daemon=True).start()
register("INVOKE", "SHUTDOWN")
call("PUT", "/2022-07-01/telemetry", {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}}, **own)
while next_event()["eventType"] == "INVOKE":
    done.wait()
say([[event["type"], event["record"]] for event in events])
"""

BOOTSTRAP = """#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    reply = api.getresponse()
    event = reply.read()
    api.request("POST", "/2018-06-01/runtime/invocation/%s/response" % reply.headers["Lambda-Runtime-Aws-Request-Id"], event)
    api.getresponse().read()
"""


def executable(files):
    """A package whose files may be executed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for path, text in files.items():
            item = zipfile.ZipInfo(path)
            item.external_attr = 0o100755 << 16
            z.writestr(item, text)
    return out.getvalue()


class Extensions(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = client("logs")

    def layer(self, files):
        name = self.name("layer")
        response = self.api.publish_layer_version(LayerName=name, Content={"ZipFile": executable(files)})
        self.addCleanup(self.api.delete_layer_version, LayerName=name, VersionNumber=1)
        return response["LayerVersionArn"]

    def function(self, source, files, **options):
        name = self.name()
        self.create(source, name=name, Layers=[self.layer(files)], **{"Timeout": 30, **options})
        return name

    def call(self, name, event=None):
        response = self.api.invoke(FunctionName=name, Payload=json.dumps(event))
        return response, json.loads(response["Payload"].read())

    def lines(self, name, until):
        deadline = time.monotonic() + PATIENCE
        while True:
            text = "".join(e["message"] for e in self.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"])
            if until in text or time.monotonic() > deadline:
                self.assertIn(until, text)
                return text
            time.sleep(0.05)

    def said(self, text, name):
        return [json.loads(line.split(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " ")]

    def watch(self, name, **function):
        response, payload = self.call(name, {"n": 1})
        self.assertNotIn("FunctionError", response, payload)
        self.assertEqual(payload, {"n": 1})
        self.api.delete_function(FunctionName=name)
        text = self.lines(name, "SHUTDOWN\", \"deadlineMs")
        registered, invoked, ended = self.said(text, "watcher.py")
        self.assertEqual(registered, {"accountId": ACCOUNT, "functionName": name, "functionVersion": "$LATEST", "handler": "app.handler"})
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual((invoked["eventType"], invoked["requestId"], invoked["invokedFunctionArn"], invoked["tracing"]["type"]),
                         ("INVOKE", request, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", "X-Amzn-Trace-Id"))
        self.assertEqual((ended["eventType"], ended["shutdownReason"]), ("SHUTDOWN", "spindown"))
        self.assertIn("EXTENSION\tName: watcher.py\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n", text)
        self.assertLess(text.index("INIT_START"), text.index("EXTENSION\t"))
        self.assertLess(text.index("EXTENSION\t"), text.index(f"START RequestId: {request}"))

    def test_beside_python(self):
        self.watch(self.function("def handler(event, context):\n    return event\n", {"extensions/watcher.py": WATCHER}))

    def test_beside_a_custom_runtime(self):
        name = self.name()
        arguments = {"FunctionName": name, "Runtime": "provided.al2023", "Role": f"arn:aws:iam::{ACCOUNT}:role/test", "Handler": "app.handler",
                     "Code": {"ZipFile": executable({"bootstrap": BOOTSTRAP})}, "Layers": [self.layer({"extensions/watcher.py": WATCHER})], "Timeout": 30}
        self.api.create_function(**arguments)
        self.addCleanup(self._delete, name)
        self.wait(name)
        self.watch(name)

    def test_telemetry(self):
        name = self.function("print('at init')\ndef handler(event, context):\n    print('at call')\n", {"extensions/listener.py": LISTENER})
        response, _ = self.call(name)
        request = response["ResponseMetadata"]["RequestId"]
        self.api.delete_function(FunctionName=name)
        text = self.lines(name, "listener.py [[")
        self.assertIn("TELEMETRY\tName: listener.py\tState: Subscribed\tTypes: [Platform, Function]\n", text)
        told = self.said(text, "listener.py")[0]
        self.assertEqual([kind for kind, _ in told], ["platform.initStart", "platform.telemetrySubscription", "function", "platform.initRuntimeDone", "platform.extension", "platform.initReport",
                                                      "platform.start", "function", "platform.runtimeDone", "platform.report"])
        records = dict(told)
        self.assertEqual([record for kind, record in told if kind == "function"], ["at init\n", "at call\n"])
        self.assertEqual(records["platform.extension"], {"name": "listener.py", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]})
        self.assertEqual(records["platform.telemetrySubscription"], {"name": "listener.py", "state": "Subscribed", "types": ["platform", "function"]})
        self.assertEqual((records["platform.start"]["requestId"], records["platform.runtimeDone"]["requestId"], records["platform.report"]["requestId"]), (request,) * 3)
        self.assertEqual((records["platform.runtimeDone"]["status"], records["platform.runtimeDone"]["metrics"]["producedBytes"]), ("success", 4))
        self.assertGreater(records["platform.report"]["metrics"]["initDurationMs"], 0)

    def test_a_crash(self):
        name = self.function("def handler(event, context):\n    return 1\n", {"extensions/broken.py": PROLOG + "register('INVOKE')\nsys.exit(3)\n"})
        response, payload = self.call(name)
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(response["FunctionError"], "Unhandled")
        self.assertEqual(payload, {"errorType": "Extension.Crash", "errorMessage": f"RequestId: {request} Error: exit status 3"})
        text = self.lines(name, f"REPORT RequestId: {request}")
        for phase in ("init", "invoke"):
            self.assertRegex(text, rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: {phase}\tStatus: error\tError Type: Extension.Crash\n")
        self.assertEqual(text.count("EXTENSION\tName: broken.py\tState: Registered\tEvents: [INVOKE]\n"), 2)
        self.assertRegex(text, re.compile(r"^REPORT .*\tStatus: error\tError Type: Extension.Crash$", re.M))

    def test_a_launch_error(self):
        name = self.function("def handler(event, context):\n    return 1\n", {"extensions/nothing": "#!/no/such/program\n"})
        response, payload = self.call(name)
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(payload, {"errorType": "Extension.LaunchError", "errorMessage": f"RequestId: {request} Error: fork/exec /opt/extensions/nothing: no such file or directory"})
        self.assertIn("EXTENSION\tName: nothing\tState: LaunchError\tEvents: []\tError Type: UnknownError\n", self.lines(name, f"REPORT RequestId: {request}"))

    def test_a_timeout_is_told(self):
        name = self.function("import time\ndef handler(event, context):\n    time.sleep(600)\n", {"extensions/watcher.py": WATCHER}, Timeout=3)
        response, payload = self.call(name)
        self.assertEqual(payload["errorType"], "Sandbox.Timedout")
        ended = self.said(self.lines(name, "SHUTDOWN\", \"deadlineMs"), "watcher.py")[-1]
        self.assertEqual(ended["shutdownReason"], "timeout")

    def test_a_wrapper(self):
        script = "#!/bin/bash\necho \"wrapped $@\"\nexport ADDED=by-the-wrapper\nargs=(\"-X\" \"importtime\")\nexec \"$1\" -X dev \"${@:2}\"\n"
        source = "import os, sys\ndef handler(event, context):\n    return [os.environ['ADDED'], sys.flags.dev_mode, context.function_name]\n"
        name = self.function(source, {"wrapper": script}, Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}})
        for _ in range(2):
            response, payload = self.call(name)
            self.assertEqual(payload, ["by-the-wrapper", True, name])
        self.assertIn(f"wrapped /var/lang/bin/{RUNTIME} /var/runtime/bootstrap.py\n", self.lines(name, "REPORT"))

    def test_a_wrapper_that_is_missing(self):
        name = self.function("def handler(event, context):\n    return 1\n", {"other": ""}, Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}})
        response, payload = self.call(name)
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(payload, {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request} Error: Runtime exited with error: exit status 127"})
        self.assertIn("/opt/wrapper: does not exist\n", self.lines(name, "REPORT"))

    def test_errors_are_those_of_any_function(self):
        """What the handler does shows the same whether its process was forked or executed."""
        source = "import logging\nfrom decimal import Decimal\ndef handler(event, context):\n    logging.warning('two\\nlines')\n    if event: raise ValueError('no')\n    return {'d': Decimal('1.10'), 'u': 'é'}\n"
        plain = self.name()
        self.create(source, name=plain, Timeout=30)
        extended = self.function(source, {"extensions/watcher.py": WATCHER})
        for event in (None, 1):
            one, two = self.call(plain, event), self.call(extended, event)
            for response, payload in (one, two):
                if event:
                    payload.pop("requestId")
            self.assertEqual(one[1], two[1])
            self.assertEqual(one[0].get("FunctionError"), two[0].get("FunctionError"))
            self.assertEqual(one[0]["ContentType"] if "ContentType" in one[0] else None, two[0].get("ContentType"))
        texts = []
        for name in (plain, extended):
            text = self.lines(name, "ValueError")
            texts.append([re.sub(r"\d{4}-\S+Z|[0-9a-f-]{36}", "_", line) for line in text.splitlines() if "WARNING" in line or "ERROR" in line or "lines" in line])
        self.assertEqual(*texts)

    def test_an_import_error(self):
        name = self.function("import nothing_of_that_name\n", {"extensions/watcher.py": WATCHER})
        _, payload = self.call(name)
        self.assertEqual((payload["errorType"], payload["errorMessage"]), ("Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_of_that_name'"))


if __name__ == "__main__":
    unittest.main()
