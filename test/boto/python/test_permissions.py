"""Resource policies, tags, and the small configurations."""

import json
import unittest

from common import ACCOUNT, REGION, Case, arn, status, without


class Permissions(Case):
    def test_a_statement(self):
        self.create(name=(name := self.name()))
        self.fails("ResourceNotFoundException", self.api.get_policy, FunctionName=name, code=404, message="The resource you requested does not exist.")
        bucket = "arn:aws:s3:::bucket"
        added = self.api.add_permission(FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                                        SourceArn=bucket, SourceAccount=ACCOUNT)
        self.assertEqual(status(added), 201)
        statement = {"Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": arn(name),
                     "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": bucket}}}
        self.assertEqual(json.loads(added["Statement"]), statement)
        self.api.add_permission(FunctionName=name, StatementId="friend", Action="lambda:*", Principal="111122223333")
        policy = self.api.get_policy(FunctionName=name)
        self.assertEqual(json.loads(policy["Policy"]), {"Version": "2012-10-17", "Id": "default", "Statement": [
            statement, {"Sid": "friend", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "lambda:*", "Resource": arn(name)}]})
        self.fails("ResourceConflictException", self.api.add_permission, FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
                   Principal="s3.amazonaws.com", code=409,
                   message="The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.")
        self.fails("PreconditionFailedException", self.api.remove_permission, FunctionName=name, StatementId="s3", RevisionId="x", code=412)
        for sid in ("s3", "friend"):
            self.assertEqual(status(self.api.remove_permission(FunctionName=name, StatementId=sid)), 204)
        self.fails("ResourceNotFoundException", self.api.get_policy, FunctionName=name, code=404, message="The resource you requested does not exist.")
        self.fails("ResourceNotFoundException", self.api.remove_permission, FunctionName=name, StatementId="s3", code=404)

    def test_an_alias_has_its_own_policy(self):
        self.create(name=(name := self.name()), Publish=True)
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        self.api.add_permission(FunctionName=name, Qualifier="live", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
        policy = json.loads(self.api.get_policy(FunctionName=name, Qualifier="live")["Policy"])
        self.assertEqual(policy["Statement"][0]["Resource"], arn(name, "live"))
        self.fails("ResourceNotFoundException", self.api.get_policy, FunctionName=name, code=404)

    def test_tags(self):
        self.create(name=(name := self.name()), Tags={"a": "1", "b": "2"})
        self.assertEqual(status(self.api.tag_resource(Resource=arn(name), Tags={"b": "3", "ü/x": "4"})), 204)
        self.assertEqual(self.api.list_tags(Resource=arn(name))["Tags"], {"a": "1", "b": "3", "ü/x": "4"})
        self.assertEqual(status(self.api.untag_resource(Resource=arn(name), TagKeys=["a", "ü/x"])), 204)
        self.assertEqual(self.api.get_function(FunctionName=name)["Tags"], {"b": "3"})
        self.fails("ResourceNotFoundException", self.api.list_tags, Resource=arn("nobody"), code=404)

    def test_recursion_and_runtime_management(self):
        self.create(name=(name := self.name()))
        self.assertEqual(without(self.api.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")), {"RecursiveLoop": "Allow"})
        self.assertEqual(without(self.api.get_function_recursion_config(FunctionName=name)), {"RecursiveLoop": "Allow"})
        put = self.api.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
        self.assertEqual((put["UpdateRuntimeOn"], put["FunctionArn"]), ("FunctionUpdate", arn(name, "$LATEST")))
        self.assertEqual(self.api.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"], "FunctionUpdate")

    def test_reserved_concurrency(self):
        self.create(name=(name := self.name()))
        self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
        self.assertEqual(without(self.api.get_function_concurrency(FunctionName=name)), {"ReservedConcurrentExecutions": 5})
        self.assertEqual(status(self.api.delete_function_concurrency(FunctionName=name)), 204)
        self.assertEqual(without(self.api.get_function_concurrency(FunctionName=name)), {})

    def test_operations_that_are_not_there_are_refused_at_once(self):
        for call in (lambda: self.api.list_capacity_providers(), lambda: self.api.list_code_signing_configs()):
            with self.assertRaises(Exception) as caught:
                call()
            self.assertIn(status(caught.exception.response), range(400, 500))


if __name__ == "__main__":
    unittest.main()
