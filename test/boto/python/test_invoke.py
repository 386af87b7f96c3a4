"""Invoking functions: results, errors, logs, contexts, throttling."""

import base64
import json
import re
import time
import unittest

from botocore.exceptions import ClientError
from common import ACCOUNT, ECHO, REGION, Case, arn, client, status


class Invoke(Case):
    def call(self, name, event=None, **options):
        payload = {} if event is None else {"Payload": json.dumps(event)}
        response = self.api.invoke(FunctionName=name, **payload, **options)
        return response, response["Payload"].read()

    def header(self, response, name):
        return response["ResponseMetadata"]["HTTPHeaders"].get(name)

    def test_a_result(self):
        self.create(name=(name := self.name()))
        response, payload = self.call(name, {"ä": [1, None, 2.5]})
        self.assertEqual(json.loads(payload), {"got": {"ä": [1, None, 2.5]}})
        self.assertEqual((response["StatusCode"], response["ExecutedVersion"]), (200, "$LATEST"))
        self.assertNotIn("FunctionError", response)
        self.assertNotIn("LogResult", response)
        self.assertRegex(self.header(response, "x-amzn-trace-id"), r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
        self.assertEqual(self.header(response, "content-type"), "application/json")

    def test_none_is_null_and_no_payload_is_an_empty_object(self):
        self.create("def handler(event, context):\n    assert event == {}, event\n", name=(name := self.name()))
        self.assertEqual(self.call(name)[1], b"null")

    def test_the_request_id_is_one(self):
        self.create("def handler(event, context):\n    return context.aws_request_id\n", name=(name := self.name()))
        response, payload = self.call(name)
        self.assertEqual(json.loads(payload), response["ResponseMetadata"]["RequestId"])

    def test_an_exception(self):
        self.create("def handler(event, context):\n    raise KeyError('gone')\n", name=(name := self.name()))
        response, payload = self.call(name)
        self.assertEqual((response["StatusCode"], response["FunctionError"]), (200, "Unhandled"))
        self.assertEqual(json.loads(payload), {
            "errorMessage": "'gone'", "errorType": "KeyError", "requestId": response["ResponseMetadata"]["RequestId"],
            "stackTrace": ['  File "/var/task/app.py", line 2, in handler\n    raise KeyError(\'gone\')\n']})

    def test_a_timeout(self):
        self.create("import time\ndef handler(event, context):\n    time.sleep(60)\n", name=(name := self.name()), Timeout=1)
        response, payload = self.call(name)
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(json.loads(payload), {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"})

    def test_the_tail_of_the_log(self):
        self.create("def handler(event, context):\n    print('hello from inside')\n", name=(name := self.name()))
        response, _ = self.call(name, LogType="Tail")
        request = response["ResponseMetadata"]["RequestId"]
        tail = base64.b64decode(response["LogResult"]).decode()
        self.assertRegex(tail, re.compile(
            rf"START RequestId: {request} Version: \$LATEST\nhello from inside\nEND RequestId: {request}\n"
            rf"REPORT RequestId: {request}\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"))

    def test_the_context(self):
        source = ("def handler(event, context):\n"
                  "    return {n: getattr(context, n) for n in ('function_name', 'function_version', 'invoked_function_arn', 'memory_limit_in_mb', 'log_group_name')}"
                  " | {'remaining': context.get_remaining_time_in_millis(), 'client': context.client_context and context.client_context.custom}\n")
        self.create(source, name=(name := self.name()), Timeout=30)
        context = base64.b64encode(json.dumps({"custom": {"key": "value"}}).encode()).decode()
        _, payload = self.call(name, ClientContext=context)
        got = json.loads(payload)
        self.assertTrue(0 < got.pop("remaining") <= 30_000)
        self.assertEqual(got, {
            "function_name": name, "function_version": "$LATEST", "invoked_function_arn": arn(name), "memory_limit_in_mb": "128",
            "log_group_name": f"/aws/lambda/{name}", "client": {"key": "value"}})

    def test_the_environment(self):
        self.create("import os\ndef handler(event, context):\n    return [os.environ[k] for k in event]\n", name=(name := self.name()),
                    Environment={"Variables": {"MINE": "yes"}})
        keys = ["MINE", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "_HANDLER", "TZ"]
        self.assertEqual(json.loads(self.call(name, keys)[1]), ["yes", REGION, name, "app.handler", ":UTC"])

    def test_a_dry_run_runs_nothing(self):
        self.create("raise SystemExit(1)\n", name=(name := self.name()))
        response = self.api.invoke(FunctionName=name, InvocationType="DryRun")
        self.assertEqual((response["StatusCode"], response["Payload"].read()), (204, b""))
        self.assertNotIn("ExecutedVersion", response)

    def test_an_asynchronous_call_runs_with_its_request_id(self):
        # The function tells what it did by the only thing it shares with the test: its log.
        self.create("def handler(event, context):\n    print('ran', event, context.aws_request_id)\n", name=(name := self.name()))
        response = self.api.invoke(FunctionName=name, InvocationType="Event", Payload=b"42")
        self.assertEqual((response["StatusCode"], response["Payload"].read()), (202, b""))
        self.assertNotIn("ExecutedVersion", response)
        wanted, logs = f"ran 42 {response['ResponseMetadata']['RequestId']}\n", client("logs")
        deadline = time.monotonic() + 60
        while True:
            try:
                messages = [e["message"] for e in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
            except logs.exceptions.ResourceNotFoundException:
                messages = []
            if wanted in messages or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.assertIn(wanted, messages)

    def test_an_unknown_function_or_qualifier(self):
        self.fails("ResourceNotFoundException", self.api.invoke, FunctionName="nobody", code=404, message=f"Function not found: {arn('nobody', '$LATEST')}")
        self.create(name=(name := self.name()))
        self.fails("ResourceNotFoundException", self.api.invoke, FunctionName=name, Qualifier="7", code=404, message=f"Function not found: {arn(name, '7')}")

    def test_an_event_that_is_no_json(self):
        self.create(name=(name := self.name()))
        self.fails("InvalidRequestContentException", self.api.invoke, FunctionName=name, Payload=b"{nope", code=400,
                   message=re.compile(r"^Could not parse request body into json: Could not parse payload into json: Unexpected character \('n' \(code 110\)\)"))

    def test_a_client_context_that_is_no_json(self):
        self.create(name=(name := self.name()))
        self.fails("InvalidRequestContentException", self.api.invoke, FunctionName=name, ClientContext="!!", code=400)

    def test_an_event_that_is_too_large(self):
        self.create(name=(name := self.name()))
        with self.assertRaises(ClientError) as caught:
            self.api.invoke(FunctionName=name, Payload=b'"' + b"x" * (6 << 20) + b'"')
        self.assertEqual(status(caught.exception.response), 413)
        self.assertIn("6291456 bytes", caught.exception.response["Error"]["Message"])
        largest = b'"' + b"x" * ((6 << 20) - 2) + b'"'
        self.create("def handler(event, context):\n    return len(event)\n", name=(counter := self.name()), MemorySize=256)
        self.assertEqual(self.api.invoke(FunctionName=counter, Payload=largest)["Payload"].read(), str((6 << 20) - 2).encode())

    def test_reserved_concurrency_of_zero_throttles(self):
        self.create(name=(name := self.name()))
        self.assertEqual(self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)["ReservedConcurrentExecutions"], 0)
        answer = self.fails("TooManyRequestsException", self.api.invoke, FunctionName=name, code=429, message="Rate Exceeded.")
        self.assertEqual(answer["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        self.assertIn("retry-after", answer["ResponseMetadata"]["HTTPHeaders"])
        self.assertEqual(self.api.get_function(FunctionName=name)["Concurrency"], {"ReservedConcurrentExecutions": 0})
        self.api.delete_function_concurrency(FunctionName=name)
        self.assertEqual(json.loads(self.call(name, 1)[1]), {"got": 1})

    def test_the_account_keeps_a_hundred(self):
        self.create(name=(name := self.name()))
        self.fails("InvalidParameterValueException", self.api.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=901, code=400,
                   message="Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")

    def test_a_stream_of_a_buffered_function_is_its_result(self):
        self.create(name=(name := self.name()))
        response = self.api.invoke_with_response_stream(FunctionName=name, Payload=b"7", LogType="Tail")
        self.assertEqual(response["ExecutedVersion"], "$LATEST")
        events = list(response["EventStream"])
        self.assertEqual(b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e), b'{"got": 7}')
        self.assertIn("END RequestId", base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode())
        self.create("def handler(event, context):\n    raise KeyError('gone')\n", name=(broken := self.name()))
        last = list(self.api.invoke_with_response_stream(FunctionName=broken)["EventStream"])[-1]
        self.assertEqual(last["InvokeComplete"]["ErrorCode"], "Unhandled")

    def stream(self, name, **options):
        response = self.api.invoke_with_response_stream(FunctionName=name, **options)
        return response, response["EventStream"]

    def test_a_generator_streams_while_it_runs(self):
        # It never ends by itself: what arrives before its timeout came at once.
        self.create("import time\ndef handler(event, context):\n    yield 'one'\n    yield b'two'\n    time.sleep(600)\n", name=(name := self.name()), Timeout=3)
        response, events = self.stream(name)
        self.assertEqual((response["StatusCode"], response["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual(self.header(response, "content-type"), "application/vnd.amazon.eventstream")
        self.assertRegex(self.header(response, "x-amzn-trace-id"), r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
        events, request = list(events), response["ResponseMetadata"]["RequestId"]
        # What a runtime sends by HTTP, as under runsc, may arrive in one piece.
        self.assertEqual(b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]), b"onetwo")
        complete = events[-1]["InvokeComplete"]
        self.assertEqual(complete["ErrorCode"], "Unhandled")
        self.assertEqual(json.loads(complete["ErrorDetails"]), {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 3.00 seconds"})

    def test_a_stream_that_fails_and_one_that_crashes(self):
        self.create("import os\ndef handler(event, context):\n    yield 'begun'\n    if event: os._exit(3)\n    raise KeyError('gone')\n", name=(name := self.name()))
        response, events = self.stream(name, Payload=b"0", LogType="Tail")
        first, last = list(events)
        self.assertEqual(first, {"PayloadChunk": {"Payload": b"begun"}})
        self.assertEqual(json.loads(last["InvokeComplete"]["ErrorDetails"]), {
            "errorMessage": "'gone'", "errorType": "KeyError", "requestId": response["ResponseMetadata"]["RequestId"],
            "stackTrace": ['  File "/var/task/app.py", line 5, in handler\n    raise KeyError(\'gone\')\n']})
        self.assertIn("[ERROR] KeyError: 'gone'", base64.b64decode(last["InvokeComplete"]["LogResult"]).decode())
        _, events = self.stream(name, Payload=b"1")
        first, last = list(events)
        self.assertEqual(json.loads(last["InvokeComplete"]["ErrorDetails"])["errorType"], "Runtime.ExitError")
        self.assertEqual([e["PayloadChunk"]["Payload"] for e in list(self.stream(name, Payload=b"0")[1])[:-1]], [b"begun"], "the function does not recover")

    def test_a_generator_of_a_buffered_call_is_its_pieces_together(self):
        self.create("def handler(event, context):\n    yield 'one'\n    yield b'two'\n", name=(name := self.name()))
        response = self.api.invoke(FunctionName=name)
        self.assertEqual(response["Payload"].read(), b"onetwo")
        self.assertNotIn("FunctionError", response)

    def test_the_limits_of_streamed_and_buffered_responses(self):
        source = ("def handler(event, context):\n    piece = b'x' * (1 << 20)\n    for _ in range(event >> 20): yield piece\n"
                  "    yield piece[:event & ((1 << 20) - 1)]\n    print('closed')\n")
        self.create(source, name=(name := self.name()), Timeout=300, MemorySize=512)

        def collect(size):
            got, last = 0, None
            for last in self.stream(name, Payload=str(size).encode())[1]:
                got += len(last.get("PayloadChunk", {}).get("Payload", b""))
            return got, last["InvokeComplete"].get("ErrorDetails")

        def whole(size):
            response = self.api.invoke(FunctionName=name, Payload=str(size).encode())
            body = response["Payload"].read()
            return (0, body) if "FunctionError" in response else (len(body), None)

        for call, limit in ((whole, (6 << 20) + 100), (collect, 200 << 20)):
            self.assertEqual(call(limit), (limit, None))
            self.assertEqual(json.loads(call(limit + 1)[1]), {
                "errorMessage": f"Response payload size exceeded maximum allowed payload size ({limit} bytes).", "errorType": "Function.ResponseSizeTooLarge"})

    def test_an_error_before_the_stream_is_an_error_reply(self):
        self.create(name=(name := self.name()))
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        answer = self.fails("TooManyRequestsException", self.api.invoke_with_response_stream, FunctionName=name, code=429, message="Rate Exceeded.")
        self.assertEqual(answer["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["content-type"], "application/json")
        self.assertNotIn("x-amz-executed-version", headers)
        self.fails("ResourceNotFoundException", self.api.invoke_with_response_stream, FunctionName="nobody", code=404, message=f"Function not found: {arn('nobody', '$LATEST')}")

    def test_a_dry_run_of_a_stream_runs_nothing(self):
        self.create("raise SystemExit(1)\n", name=(name := self.name()))
        response, events = self.stream(name, InvocationType="DryRun")
        self.assertEqual((response["StatusCode"], list(events)), (204, []))
        self.assertNotIn("ExecutedVersion", response)

    def test_a_function_goes_on_without_its_client(self):
        source = ("import time\ndef handler(event, context):\n    for n in range(event):\n        yield b'x' * (1 << 20)\n    print('made all')\n")
        self.create(source, name=(name := self.name()), Timeout=300, MemorySize=512)
        _, events = self.stream(name, Payload=b"64")
        for _ in events:
            break
        events.close()
        logs, deadline, messages = client("logs"), time.monotonic() + 120, []
        while "made all\n" not in messages and time.monotonic() < deadline:
            time.sleep(0.05)
            messages = [e["message"] for e in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
        self.assertIn("made all\n", messages)

    def test_boto3_inside_reaches_the_platform(self):
        self.create(name=(inner := self.name("inner")))
        source = ("import boto3, json\ndef handler(event, context):\n"
                  "    reply = boto3.client('lambda').invoke(FunctionName=event, Payload='1')\n    return json.load(reply['Payload'])\n")
        self.create(source, name=(outer := self.name("outer")), Timeout=60, MemorySize=512)
        self.assertEqual(json.loads(self.call(outer, inner)[1]), {"got": 1})


if __name__ == "__main__":
    unittest.main()
