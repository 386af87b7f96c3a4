"""SnapStart: published versions start from a snapshot of the initialised function.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html and the pages below it.
"""

import base64
import json
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

import common
from common import Case, client

# The hooks are those of AWS's own package, which comes with the runtime.
HOOKS = """
import os, time, uuid, random
from snapshot_restore_py import register_after_restore, register_before_snapshot
seen = ["init"]
identity = str(uuid.uuid4())
register_before_snapshot(seen.append, "before 1")
register_before_snapshot(seen.append, "before 2")
register_after_restore(seen.append, "after 1")
@register_after_restore
def second():
    seen.append("after 2")
    print("restored")
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {"seen": seen, "init": identity, "drawn": str(uuid.uuid4()), "random": random.random(), "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "version": context.function_version, "stream": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")}
"""
ORDER = ["init", "before 2", "before 1", "after 1", "after 2"]


class TestSnapStart(Case):
    def publish(self, name):
        version = self.api.publish_version(FunctionName=name)
        self.api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version["Version"], WaiterConfig=common.QUICK)
        return version

    def call(self, name, qualifier, event=None, **options):
        response = self.api.invoke(FunctionName=name, Qualifier=qualifier, LogType="Tail", Payload=json.dumps(event or {}), **options)
        body = json.loads(response["Payload"].read())
        self.assertNotIn("FunctionError", response, body)
        return body, base64.b64decode(response["LogResult"]).decode()

    def test_life_of_a_version(self):
        name = self.name()
        created = self.create(HOOKS, name=name, SnapStart={"ApplyOn": "PublishedVersions"})
        self.assertEqual(created["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        published = self.api.publish_version(FunctionName=name)
        self.assertEqual((published["State"], published["StateReason"], published["StateReasonCode"]), ("Pending", "The function is being created.", "Creating"))
        self.assertEqual(published["SnapStart"], {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        self.api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=common.QUICK)
        active = self.api.get_function_configuration(FunctionName=name, Qualifier="1")
        self.assertEqual((active["State"], active["SnapStart"]), ("Active", {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}))
        self.assertEqual(self.api.get_function_configuration(FunctionName=name)["SnapStart"]["OptimizationStatus"], "Off")

        body, log = self.call(name, "1")
        self.assertEqual((body["seen"], body["type"], body["version"], body["stream"]), (ORDER, "snap-start", "1", None))
        self.assertRegex(log, re.compile(
            r"\ARESTORE_START Runtime Version: python:[^\t]+\tRuntime Version ARN: arn:aws:lambda:[^\n]+\nrestored\n"
            r"RESTORE_REPORT Restore Duration: \d+\.\d\d ms\nSTART RequestId: [0-9a-f-]{36} Version: 1\nEND RequestId: [0-9a-f-]{36}\n"
            r"REPORT RequestId: [0-9a-f-]{36}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"
            r"Restore Duration: \d+\.\d\d ms\tBilled Restore Duration: \d+ ms\t\n\Z"))
        warm, log = self.call(name, "1")
        self.assertEqual((warm["seen"], warm["init"]), (ORDER, body["init"]))
        self.assertNotIn("Restore", log)

        # $LATEST is initialised as ever, and runs no hooks.
        latest, log = self.call(name, "$LATEST")
        self.assertEqual((latest["seen"], latest["type"]), (["init"], "on-demand"))
        self.assertIn("Init Duration", log)

    def test_each_environment_is_its_own(self):
        name = self.name()
        self.create(HOOKS, name=name, SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        self.api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=common.QUICK)
        with ThreadPoolExecutor(6) as pool:
            bodies = list(pool.map(lambda _: self.call(name, "1", {"sleep": 1})[0], range(6)))
        self.assertEqual([body["seen"] for body in bodies], [ORDER] * 6)
        self.assertEqual(len({body["init"] for body in bodies}), 1)  # what the initialisation drew is in all
        self.assertEqual(len({body["drawn"] for body in bodies}), 6)
        self.assertEqual(len({body["random"] for body in bodies}), 6)

    def test_an_initialisation_that_fails_fails_the_version(self):
        for source in ("raise ValueError('no')\n", HOOKS + "@register_before_snapshot\ndef third():\n    raise ValueError('no')\n"):
            name = self.name()
            self.create(source, name=name, SnapStart={"ApplyOn": "PublishedVersions"})
            self.api.publish_version(FunctionName=name)
            with self.assertRaisesRegex(Exception, "Failed"):
                self.api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=common.QUICK)
            failed = self.api.get_function_configuration(FunctionName=name, Qualifier="1")
            self.assertEqual((failed["State"], failed["StateReason"], failed["StateReasonCode"], failed["SnapStart"]["OptimizationStatus"]),
                             ("Failed", "An error occurred during function initialization.", "FunctionError.RuntimeInitError", "Off"))
            events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            self.assertTrue(any("ValueError" in event["message"] for event in events), events)
            self.assertTrue(any(re.search(r"INIT_REPORT Init Duration: .*\tPhase: init\tStatus: error\tError Type: ", event["message"]) for event in events), events)

    def test_hooks_that_fail_or_hang(self):
        name = self.name()
        self.create(HOOKS + "@register_after_restore\ndef third():\n    raise ValueError('no')\n", name=name, SnapStart={"ApplyOn": "PublishedVersions"})
        self.publish(name)
        self.fails("SnapStartException", self.api.invoke, code=400, FunctionName=name, Qualifier="1")
        self.api.update_function_code(FunctionName=name, ZipFile=common.archive(
            app=HOOKS + "@register_after_restore\ndef third():\n    time.sleep(600)\n"))
        self.updated(name)
        self.publish(name)
        self.fails("SnapStartTimeoutException", self.api.invoke, code=408, FunctionName=name, Qualifier="2",
                   message="Lambda couldn't restore the snapshot within the timeout limit.")
        messages = [event["message"] for event in client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="RESTORE_REPORT")["events"]]
        self.assertTrue(any(re.fullmatch(r"RESTORE_REPORT Restore Duration: \d+\.\d\d ms\tStatus: error\tError Type: Runtime.ExitError\n", m) for m in messages), messages)
        self.assertTrue(any(re.fullmatch(r"RESTORE_REPORT Restore Duration: \d{5}\.\d\d ms\tStatus: timeout\n", m) for m in messages), messages)

    def test_what_cannot_be_cloned_runs_with_its_hooks(self):
        name = self.name()
        self.create("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" + HOOKS, name=name, SnapStart={"ApplyOn": "PublishedVersions"})
        self.publish(name)
        body, log = self.call(name, "1")
        self.assertEqual((body["seen"], body["type"]), (ORDER, "snap-start"))
        self.assertRegex(log, r"\tInit Duration: \d")
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="SNAPSTART_FALLBACK")["events"]
        self.assertEqual([event["message"] for event in events], ["SNAPSTART_FALLBACK Reason: the function cannot be cloned: its initialisation left 1 threads\n"])

    def test_what_it_cannot_go_with(self):
        snap_start = {"ApplyOn": "PublishedVersions"}
        for message, options in {
            "python3.11 is not supported for SnapStart enabled functions.": {"Runtime": "python3.11"},
            "EphemeralStorage greater than 512 MB is not supported for SnapStart enabled functions.": {"EphemeralStorage": {"Size": 1024}},
        }.items():
            arguments = {"FunctionName": self.name(), "Runtime": common.RUNTIME, "Role": common.ROLE, "Handler": "app.handler", "Code": {"ZipFile": common.archive(app=HOOKS)}}
            self.fails("InvalidParameterValueException", self.api.create_function, message=message, code=400, **{**arguments, **options}, SnapStart=snap_start)
        name = self.name()
        self.create(HOOKS, name=name)
        self.assertEqual(self.api.update_function_configuration(FunctionName=name, SnapStart=snap_start)["SnapStart"]["ApplyOn"], "PublishedVersions")
        self.updated(name)
        self.publish(name)
        self.fails("InvalidParameterValueException", self.api.put_provisioned_concurrency_config, code=400, FunctionName=name, Qualifier="1",
                   ProvisionedConcurrentExecutions=1, message="Provisioned Concurrency is not supported for SnapStart enabled functions.")


if __name__ == "__main__":
    unittest.main()
