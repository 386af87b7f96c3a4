"""Reserved and provisioned concurrency, throttles, runtime management and recursion settings."""

import json
import threading
import time
import unittest

from common import Case, archive, arn, client, status, without

KIND = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
HOLD = KIND.replace("    return", "    import time\n    time.sleep((event or {}).get('hold', 0))\n    return")
PATIENCE = 120


class Concurrency(Case):
    def kind(self, name, qualifier="$LATEST", event=None):
        """How the environment that served a call was initialised."""
        response = self.api.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event or {}))
        return json.loads(response["Payload"].read())

    def published(self, source=KIND, **options):
        self.create(source, name=(name := self.name()), **options)
        self.assertEqual(self.api.publish_version(FunctionName=name)["Version"], "1")
        return name

    def provision(self, name, qualifier, n):
        put = self.api.put_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=n)
        self.assertEqual(status(put), 202)
        self.assertEqual((put["RequestedProvisionedConcurrentExecutions"], put["Status"]), (n, "IN_PROGRESS"))
        return put

    def until(self, wanted, name, qualifier):
        deadline = time.monotonic() + PATIENCE
        while (got := self.api.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier))["Status"] != wanted:
            self.assertLess(time.monotonic(), deadline, got)
            time.sleep(0.02)
        return got

    def throttled(self, reason, **call):
        error = self.fails("TooManyRequestsException", self.api.invoke, code=429, message="Rate Exceeded.", **call)
        self.assertEqual((error["Reason"], error["Type"]), (reason, "User"))
        self.assertGreaterEqual(int(error["ResponseMetadata"]["HTTPHeaders"]["retry-after"]), 1)

    def test_a_reservation_of_nothing_stops_a_function(self):
        self.create(name=(name := self.name()))
        self.assertEqual(without(self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)), {"ReservedConcurrentExecutions": 0})
        self.throttled("ReservedFunctionConcurrentInvocationLimitExceeded", FunctionName=name)
        # The event is accepted, and given up at once: it never runs.
        self.assertEqual(self.api.invoke(FunctionName=name, InvocationType="Event")["StatusCode"], 202)
        self.api.delete_function_concurrency(FunctionName=name)
        self.assertEqual(self.api.invoke(FunctionName=name)["StatusCode"], 200)

    def test_a_reservation_bounds_calls_at_once_and_calls_a_second(self):
        self.create(HOLD, name=(name := self.name()), Timeout=60)
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        done = threading.Event()

        def hold():
            self.kind(name, event={"hold": 5})
            done.set()

        holder = threading.Thread(target=hold)
        holder.start()
        refused = 0
        while not done.is_set() and not refused:
            try:
                self.kind(name)
            except self.api.exceptions.TooManyRequestsException as e:
                # The first calls may have come before the one that holds, at most ten in a second.
                self.assertIn(e.response["Reason"], ("ReservedFunctionConcurrentInvocationLimitExceeded", "ReservedFunctionInvocationRateLimitExceeded"))
                refused += 1
        holder.join()
        self.assertEqual(refused, 1)

    def test_a_hundred_stay_unreserved(self):
        self.create(name=(name := self.name()))
        self.fails("InvalidParameterValueException", self.api.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=901, code=400,
                   message="Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")

    def test_provisioned_environments_serve_first_and_the_rest_spills_over(self):
        name = self.published(HOLD, Timeout=60)
        before = self.api.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        put = self.provision(name, "1", 2)
        self.assertEqual((put["AllocatedProvisionedConcurrentExecutions"], put["AvailableProvisionedConcurrentExecutions"]), (0, 0))
        ready = self.until("READY", name, "1")
        self.assertEqual(without(ready), {
            "RequestedProvisionedConcurrentExecutions": 2, "AllocatedProvisionedConcurrentExecutions": 2,
            "AvailableProvisionedConcurrentExecutions": 2, "Status": "READY", "LastModified": put["LastModified"]})
        self.assertEqual(self.api.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"], before - 2)
        listed = self.api.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
        self.assertEqual(listed, [{"FunctionArn": arn(name, "1"), **without(ready)}])
        for _ in range(3):
            self.assertEqual(self.kind(name, "1"), "provisioned-concurrency")
        self.assertEqual(self.kind(name), "on-demand")
        kinds = []
        calls = [threading.Thread(target=lambda: kinds.append(self.kind(name, "1", {"hold": 3}))) for _ in range(3)]
        for c in calls:
            c.start()
        for c in calls:
            c.join()
        self.assertEqual(sorted(kinds), ["on-demand", "provisioned-concurrency", "provisioned-concurrency"])
        self.assertEqual(status(self.api.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")), 204)
        self.fails("ProvisionedConcurrencyConfigNotFoundException", self.api.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1", code=404,
                   message="No Provisioned Concurrency Config found for this function")
        self.assertEqual(self.api.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"], [])

    def test_provisioned_concurrency_is_part_of_the_reservation(self):
        name = self.published()
        self.provision(name, "1", 2)
        self.until("READY", name, "1")
        self.fails("InvalidParameterValueException", self.api.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1, code=400,
                   message=" ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
        self.throttled("ReservedFunctionConcurrentInvocationLimitExceeded", FunctionName=name)
        self.assertEqual(self.kind(name, "1"), "provisioned-concurrency")
        self.fails("InvalidParameterValueException", self.api.put_provisioned_concurrency_config, FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=3,
                   code=400, message="Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")

    def test_provisioned_concurrency_moves_with_its_alias(self):
        name = self.published()
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        self.provision(name, "live", 1)
        self.until("READY", name, "live")
        # AWS: the version is provisioned under its number as well.
        self.assertEqual([self.kind(name, q) for q in ("live", "1")], ["provisioned-concurrency"] * 2)
        self.api.update_function_code(FunctionName=name, ZipFile=archive(app=KIND + "# second\n"))
        self.updated(name)
        # The update of $LATEST costs the version nothing.
        self.assertEqual(self.kind(name, "live"), "provisioned-concurrency")
        self.api.publish_version(FunctionName=name)
        self.api.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
        self.until("READY", name, "live")
        self.assertEqual([self.kind(name, q) for q in ("live", "2", "1")], ["provisioned-concurrency"] * 2 + ["on-demand"])
        self.fails("ProvisionedConcurrencyConfigNotFoundException", self.api.get_provisioned_concurrency_config, FunctionName=name, Qualifier="2", code=404)
        self.fails("ResourceConflictException", self.api.put_provisioned_concurrency_config, FunctionName=name, Qualifier="2", ProvisionedConcurrentExecutions=1,
                   code=409, message="Version is pointed by a Provisioned Concurrency alias")
        self.api.delete_alias(FunctionName=name, Name="live")
        self.assertEqual(self.api.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"], [])

    def test_an_initialisation_that_fails_is_told(self):
        name = self.published("raise RuntimeError('not today')\n")
        self.provision(name, "1", 1)
        self.assertEqual(without(self.until("FAILED", name, "1"), "LastModified"), {
            "RequestedProvisionedConcurrentExecutions": 1, "AllocatedProvisionedConcurrentExecutions": 0,
            "AvailableProvisionedConcurrentExecutions": 0, "Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE"})
        self.assertEqual(self.api.invoke(FunctionName=name, Qualifier="1")["FunctionError"], "Unhandled")

    def test_only_what_is_published_is_provisioned(self):
        name = self.published()
        self.fails("InvalidParameterValueException", self.api.put_provisioned_concurrency_config, FunctionName=name, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1,
                   code=400, message="Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        for operation in (self.api.get_provisioned_concurrency_config, self.api.delete_provisioned_concurrency_config):
            self.fails("InvalidParameterValueException", operation, FunctionName=name, Qualifier="$LATEST", code=400,
                       message="The function resource provided must be an alias or a published version.")
            self.fails("ResourceNotFoundException", operation, FunctionName=name, Qualifier="noalias", code=404, message=f"Cannot find alias arn: {arn(name, 'noalias')}")
            self.fails("ResourceNotFoundException", operation, FunctionName=name, Qualifier="10", code=404, message=f"Function not found: {arn(name, '10')}")

    def test_runtime_management_is_kept(self):
        name = self.published()
        self.assertEqual(without(self.api.get_runtime_management_config(FunctionName=name)), {"UpdateRuntimeOn": "Auto", "FunctionArn": arn(name, "$LATEST")})
        put = self.api.put_runtime_management_config(FunctionName=name, Qualifier="1", UpdateRuntimeOn="FunctionUpdate")
        self.assertEqual(without(put), {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn(name, "1")})
        self.assertEqual(self.api.get_runtime_management_config(FunctionName=name, Qualifier="1")["UpdateRuntimeOn"], "FunctionUpdate")
        self.fails("InvalidParameterValueException", self.api.put_runtime_management_config, FunctionName=name, UpdateRuntimeOn="Manual",
                   RuntimeVersionArn=f"arn:aws:lambda:us-east-1::runtime:{'0' * 64}", code=400)


LOOP = """
import os
from botocore.config import Config
import boto3

client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))

def handler(event, context):
    print("hop", event["hop"])
    client.invoke(FunctionName=context.function_name, InvocationType="Event", Payload='{"hop": %d}' % (event["hop"] + 1))
"""


class Recursion(Case):
    def hops(self, name, enough):
        """The numbers that the runs of a loop have logged, once enough are there."""
        logs, deadline, found = client("logs"), time.monotonic() + PATIENCE, []
        while len(found) < enough and time.monotonic() < deadline:
            time.sleep(0.2)
            events = logs.filter_log_events(logGroupName="/aws/lambda/" + name, filterPattern="hop")["events"]
            found = sorted(int(e["message"].split()[1]) for e in events)
        return found

    def test_a_function_that_calls_itself_is_stopped_after_16_runs(self):
        self.create(LOOP, name=(name := self.name()), Timeout=60, MemorySize=1769)
        self.assertEqual(without(self.api.get_function_recursion_config(FunctionName=name)), {"RecursiveLoop": "Terminate"})
        self.api.invoke(FunctionName=name, Payload='{"hop": 1}')
        self.assertEqual(self.hops(name, 16), list(range(1, 17)))
        time.sleep(1)  # what would come now would come at once
        self.assertEqual(len(self.hops(name, 16)), 16)

    def test_a_function_may_be_allowed_to_call_itself(self):
        source = LOOP.replace('    client.invoke', '    if event["hop"] < 20:\n        client.invoke')
        self.create(source, name=(name := self.name()), Timeout=60, MemorySize=1769)
        self.assertEqual(without(self.api.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")), {"RecursiveLoop": "Allow"})
        self.api.invoke(FunctionName=name, Payload='{"hop": 1}')
        self.assertEqual(self.hops(name, 20), list(range(1, 21)))

    def test_the_caller_of_a_stopped_call_is_told(self):
        self.create(name=(name := self.name()))
        headers = {}
        api = client()
        api.meta.events.register("before-call.lambda.Invoke", lambda params, **_: params["headers"].update(headers))
        for _ in range(16):
            reply = api.invoke(FunctionName=name)
            headers["X-Amzn-Trace-Id"] = reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"]
        self.fails("RecursiveInvocationException", api.invoke, FunctionName=name, code=400)


if __name__ == "__main__":
    unittest.main()
