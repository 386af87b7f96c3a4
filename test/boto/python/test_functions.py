"""Creating, reading, listing, updating and deleting functions."""

import base64
import hashlib
import unittest
import urllib.error
import urllib.request

import boto3
from common import ACCOUNT, ECHO, REGION, ROLE, RUNTIME, TIMESTAMP, UUID, Case, archive, arn, client, status, without


class Functions(Case):
    def expected(self, name, package, **changes):
        """FunctionConfiguration of a function that was given no option."""
        return {
            "FunctionName": name, "FunctionArn": arn(name), "Runtime": RUNTIME, "Role": ROLE, "Handler": "app.handler",
            "CodeSize": len(package), "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode(),
            "Description": "", "Timeout": 3, "MemorySize": 128, "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"}, "PackageType": "Zip", "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512}, "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}, **changes,
        }

    def configuration(self, response, *unknown):
        """The response without what cannot be known, which is checked for its form."""
        self.assertRegex(response["LastModified"], TIMESTAMP)
        self.assertRegex(response["RevisionId"], UUID)
        return without(response, "LastModified", "RevisionId", *unknown)

    def test_create_answers_a_pending_function_and_the_waiter_sees_it_active(self):
        name, package = self.name(), archive(app=ECHO)
        response = self.create(name=name, wait=False, Code={"ZipFile": package})
        self.assertEqual(status(response), 201)
        version = response["RuntimeVersionConfig"]["RuntimeVersionArn"]
        self.assertRegex(version, rf"^arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}$")
        pending = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating",
                   "RuntimeVersionConfig": {"RuntimeVersionArn": version}}
        self.assertEqual(self.configuration(response), self.expected(name, package, **pending))

        self.api.get_waiter("function_active_v2").wait(FunctionName=name)
        active = self.expected(name, package, State="Active", LastUpdateStatus="Successful", RuntimeVersionConfig={"RuntimeVersionArn": version})
        self.assertEqual(self.configuration(self.api.get_function_configuration(FunctionName=name)), active)

        got = self.api.get_function(FunctionName=name)
        self.assertEqual(self.configuration(got["Configuration"]), active)
        self.assertEqual(sorted(without(got)), ["Code", "Configuration"])
        self.assertEqual(got["Code"]["RepositoryType"], "S3")
        for waiter in ("function_exists", "function_active"):
            self.api.get_waiter(waiter).wait(FunctionName=name)

    def test_the_code_can_be_fetched_by_its_location_only_with_the_signature(self):
        package = archive(app=ECHO)
        self.create(name=(name := self.name()), Code={"ZipFile": package})
        location = self.api.get_function(FunctionName=name)["Code"]["Location"]
        with urllib.request.urlopen(location) as reply:
            self.assertEqual(reply.read(), package)
        for forged in (location[:-1] + ("0" if location[-1] != "0" else "1"), location.split("?")[0]):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(forged)
            self.assertEqual(caught.exception.code, 403)
            caught.exception.close()

    def test_every_option_comes_back(self):
        name, package = self.name(), archive(app=ECHO)
        self.create(name=name, Code={"ZipFile": package}, Description="all of it", Timeout=900, MemorySize=10240,
                    Environment={"Variables": {"AA": "1", "BB": ""}}, EphemeralStorage={"Size": 1024}, Tags={"team": "a"},
                    LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "LogGroup": "/custom/group"})
        got = self.api.get_function(FunctionName=name)
        self.assertEqual(self.configuration(got["Configuration"], "RuntimeVersionConfig"), self.expected(
            name, package, Description="all of it", Timeout=900, MemorySize=10240, Environment={"Variables": {"AA": "1", "BB": ""}},
            EphemeralStorage={"Size": 1024}, State="Active", LastUpdateStatus="Successful",
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "INFO", "LogGroup": "/custom/group"}))
        self.assertEqual(got["Tags"], {"team": "a"})

    def test_an_empty_environment_differs_from_none(self):
        self.create(name=(name := self.name()), Environment={"Variables": {}})
        self.assertEqual(self.api.get_function_configuration(FunctionName=name)["Environment"], {"Variables": {}})

    def test_names_come_in_four_forms(self):
        self.create(name=(name := self.name()))
        for form in (name, f"{ACCOUNT}:function:{name}", arn(name), arn(name, "$LATEST"), f"{name}:$LATEST"):
            with self.subTest(form):
                got = self.api.get_function_configuration(FunctionName=form)
                self.assertEqual(got["FunctionArn"], arn(name, "$LATEST" if form.endswith("$LATEST") else None))
        got = self.api.get_function_configuration(FunctionName=name, Qualifier="$LATEST")
        self.assertEqual(got["FunctionArn"], arn(name, "$LATEST"))

    def test_lists_are_paged_and_leave_the_state_out(self):
        names = sorted(self.name("list") for _ in range(3))
        for name in names:
            self.create(name=name, wait=False)
        pages = self.api.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
        entries = [f for page in pages for f in page["Functions"]]
        listed = [f for f in entries if f["FunctionName"] in names]
        self.assertEqual([f["FunctionName"] for f in listed], names)
        hidden = {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig"}
        self.assertEqual(hidden & set(listed[0]), set())
        self.assertEqual(listed[0]["FunctionArn"], arn(names[0]))
        for name in names:
            self.wait(name)

    def test_update_code_runs_the_new_code(self):
        self.create(name=(name := self.name()))
        before = self.api.get_function_configuration(FunctionName=name)
        package = archive(app="def handler(event, context):\n    return 'new'\n")
        response = self.api.update_function_code(FunctionName=name, ZipFile=package)
        self.assertEqual({k: response[k] for k in ("State", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode")}, {
            "State": "Active", "LastUpdateStatus": "InProgress", "LastUpdateStatusReason": "The function is being created.",
            "LastUpdateStatusReasonCode": "Creating"})
        self.api.get_waiter("function_updated_v2").wait(FunctionName=name)
        self.assertEqual(self.api.invoke(FunctionName=name)["Payload"].read(), b'"new"')
        after = self.api.get_function_configuration(FunctionName=name)
        self.assertEqual(after["LastUpdateStatus"], "Successful")
        self.assertNotEqual(after["RevisionId"], before["RevisionId"])
        self.assertEqual(after["CodeSha256"], base64.b64encode(hashlib.sha256(package).digest()).decode())

    def test_dry_run_of_update_code_changes_nothing(self):
        self.create(name=(name := self.name()))
        before = self.api.get_function_configuration(FunctionName=name)
        self.api.update_function_code(FunctionName=name, ZipFile=archive(app="x = 1\n"), DryRun=True)
        self.assertEqual(without(self.api.get_function_configuration(FunctionName=name)), without(before))

    def test_update_configuration_changes_only_what_is_given(self):
        name, package = self.name(), archive(app=ECHO)
        self.create(name=name, Code={"ZipFile": package}, Description="old", Environment={"Variables": {"AA": "1"}})
        response = self.api.update_function_configuration(FunctionName=name, Timeout=11, MemorySize=256)
        self.assertEqual((response["Timeout"], response["LastUpdateStatus"]), (11, "InProgress"))
        self.updated(name)
        got = self.api.get_function_configuration(FunctionName=name)
        self.assertEqual(self.configuration(got, "RuntimeVersionConfig"), self.expected(
            name, package, Description="old", Timeout=11, MemorySize=256, Environment={"Variables": {"AA": "1"}},
            State="Active", LastUpdateStatus="Successful"))

    def test_a_stale_revision_is_refused(self):
        self.create(name=(name := self.name()))
        self.fails("PreconditionFailedException", self.api.update_function_configuration, FunctionName=name, Timeout=5,
                   RevisionId="00000000-0000-4000-8000-000000000000", code=412,
                   message="The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")

    def test_delete(self):
        self.create(name=(name := self.name()))
        self.assertEqual(status(self.api.delete_function(FunctionName=name)), 204)
        self.fails("ResourceNotFoundException", self.api.get_function, FunctionName=name, code=404, message=f"Function not found: {arn(name)}")
        self.fails("ResourceNotFoundException", self.api.delete_function, FunctionName=name, code=404, message=f"Function not found: {arn(name)}")

    def test_a_name_is_taken_once(self):
        self.create(name=(name := self.name()), wait=False)
        self.fails("ResourceConflictException", self.create, name=name, wait=False, code=409, message=f"Function already exist: {name}")
        self.wait(name)

    def test_accounts_and_regions_do_not_see_each_other(self):
        self.create(name=(name := self.name()))
        other = boto3.client("lambda", region_name="eu-west-1")
        with self.assertRaises(other.exceptions.ResourceNotFoundException):
            other.get_function(FunctionName=name)

    def test_limits_are_answered_with_the_texts_of_aws(self):
        cases = [
            ("ValidationException", "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: "
             "Member must have value greater than or equal to 128", {"MemorySize": 64}),
            ("ValidationException", "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
             "Member must have value greater than or equal to 1", {"Timeout": 0}),
            ("InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.",
             {"Code": {"ZipFile": b"no zip"}}),
            ("InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables "
             "you have provided exceeded the 4KB limit. String measured: " + '{"AA":"' + "x" * 4096 + '"}', {"Environment": {"Variables": {"AA": "x" * 4096}}}),
        ]
        plain = client(parameter_validation=False)
        for exception, message, options in cases:
            with self.subTest(message[:80]):
                arguments = {"FunctionName": self.name(), "Runtime": RUNTIME, "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": archive(app=ECHO)}}
                self.fails(exception, plain.create_function, message=message, code=400, **{**arguments, **options})

    def test_what_is_not_there_yet_is_refused_not_ignored(self):
        refused = {
            "Code": [{"S3Bucket": "no-such-bucket", "S3Key": "key"}, {"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/x:1"}],
            "VpcConfig": [{"SubnetIds": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-0123456789abcdef0"]}],
            "FileSystemConfigs": [[{"Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0", "LocalMountPath": "/mnt/x"}]],
            "Architectures": [["arm64"]],
        }
        plain = client(parameter_validation=False)
        for option, values in refused.items():
            for value in values:
                with self.subTest(option=option, value=str(value)):
                    arguments = {"FunctionName": self.name(), "Runtime": RUNTIME, "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": archive(app=ECHO)}}
                    self.fails("InvalidParameterValueException", plain.create_function, code=400, **{**arguments, option: value})

    def test_account_settings_count(self):
        before = self.api.get_account_settings()
        self.create(wait=False, name=(name := self.name()))
        after = self.api.get_account_settings()
        self.assertEqual(after["AccountUsage"]["FunctionCount"], before["AccountUsage"]["FunctionCount"] + 1)
        self.assertGreater(after["AccountUsage"]["TotalCodeSize"], before["AccountUsage"]["TotalCodeSize"])
        self.assertEqual(without(after["AccountLimit"], "UnreservedConcurrentExecutions"), {
            "TotalCodeSize": 80530636800, "CodeSizeUnzipped": 262144000, "CodeSizeZipped": 52428800, "ConcurrentExecutions": 1000})
        self.wait(name)

    def test_terraform_reads_these_after_every_create(self):
        self.create(name=(name := self.name()))
        self.assertEqual(without(self.api.get_function_code_signing_config(FunctionName=name)), {"CodeSigningConfigArn": "", "FunctionName": name})
        self.assertEqual(without(self.api.get_function_recursion_config(FunctionName=name)), {"RecursiveLoop": "Terminate"})
        self.assertEqual(without(self.api.get_runtime_management_config(FunctionName=name)), {
            "UpdateRuntimeOn": "Auto", "FunctionArn": arn(name, "$LATEST")})
        self.assertEqual(without(self.api.get_function_concurrency(FunctionName=name)), {})


if __name__ == "__main__":
    unittest.main()
