"""Versions and aliases."""

import json
import unittest

from common import Case, archive, arn, status, without

WHO = "import os\ndef handler(event, context):\n    return [%r, context.function_version, context.invoked_function_arn]\n"


class Versions(Case):
    def call(self, name, qualifier=None):
        options = {"Qualifier": qualifier} if qualifier else {}
        response = self.api.invoke(FunctionName=name, **options)
        return json.loads(response["Payload"].read()), response["ExecutedVersion"]

    def three(self):
        """A function with versions 1 ("one") and 2 ("two") and $LATEST ("three")."""
        self.create(WHO % "one", name=(name := self.name()), Publish=True)
        self.wait(name + ":1")  # a version becomes active by itself
        for text in ("two", "three"):
            if text == "three":
                self.api.publish_version(FunctionName=name)
            self.api.update_function_code(FunctionName=name, ZipFile=archive(app=WHO % text))
            self.updated(name)
        return name

    def test_a_version_is_what_latest_was(self):
        name = self.three()
        self.assertEqual(self.call(name), (["three", "$LATEST", arn(name)], "$LATEST"))
        self.assertEqual(self.call(name, "1"), (["one", "1", arn(name, "1")], "1"))
        self.assertEqual(self.call(name, "2"), (["two", "2", arn(name, "2")], "2"))
        got = self.api.get_function_configuration(FunctionName=name, Qualifier="2")
        self.assertEqual((got["FunctionArn"], got["Version"]), (arn(name, "2"), "2"))
        listed = self.api.list_versions_by_function(FunctionName=name)["Versions"]
        self.assertEqual([(v["Version"], v["FunctionArn"]) for v in listed], [(q, arn(name, q)) for q in ("$LATEST", "1", "2")])

    def test_publish_answers_the_new_version_and_does_nothing_without_a_change(self):
        self.create(name=(name := self.name()))
        first = self.api.publish_version(FunctionName=name, Description="first")
        self.assertEqual(status(first), 201)
        self.assertEqual((first["Version"], first["FunctionArn"], first["Description"]), ("1", arn(name, "1"), "first"))
        self.assertEqual(self.api.publish_version(FunctionName=name)["Version"], "1")
        self.api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")

    def test_publish_checks_the_code(self):
        self.create(name=(name := self.name()))
        self.fails("InvalidParameterValueException", self.api.publish_version, FunctionName=name, CodeSha256="bm8=", code=400)
        self.fails("PreconditionFailedException", self.api.publish_version, FunctionName=name, RevisionId="x", code=412)

    def test_a_version_can_be_deleted_and_is_not_numbered_again(self):
        name = self.three()
        self.api.delete_function(FunctionName=name, Qualifier="1")
        self.fails("ResourceNotFoundException", self.api.get_function, FunctionName=name, Qualifier="1", code=404, message=f"Function not found: {arn(name, '1')}")
        self.assertEqual(self.api.publish_version(FunctionName=name)["Version"], "3")

    def test_an_alias_names_a_version(self):
        name = self.three()
        alias = self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="what runs")
        self.assertEqual(status(alias), 201)
        revision = alias["RevisionId"]
        self.assertEqual(without(alias, "RevisionId"), {"AliasArn": arn(name, "live"), "Name": "live", "FunctionVersion": "1", "Description": "what runs"})
        self.assertEqual(without(self.api.get_alias(FunctionName=name, Name="live")), without(alias))
        self.assertEqual(self.call(name, "live"), (["one", "1", arn(name, "live")], "1"))
        self.assertEqual(self.call(f"{name}:live")[1], "1")
        updated = self.api.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RevisionId=revision)
        self.assertEqual((updated["FunctionVersion"], updated["Description"]), ("2", "what runs"))
        self.assertNotEqual(updated["RevisionId"], revision)
        self.fails("PreconditionFailedException", self.api.update_alias, FunctionName=name, Name="live", FunctionVersion="1", RevisionId=revision, code=412)
        self.assertEqual(self.call(name, "live")[1], "2")
        got = self.api.get_function(FunctionName=name, Qualifier="live")["Configuration"]
        self.assertEqual((got["FunctionArn"], got["Version"]), (arn(name, "live"), "2"))
        self.assertEqual([a["Name"] for a in self.api.list_aliases(FunctionName=name)["Aliases"]], ["live"])
        self.assertEqual(self.api.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"], [])
        self.fails("ResourceConflictException", self.api.delete_function, FunctionName=name, Qualifier="2", code=409)
        self.assertEqual(status(self.api.delete_alias(FunctionName=name, Name="live")), 204)
        self.fails("ResourceNotFoundException", self.api.get_alias, FunctionName=name, Name="live", code=404, message=f"Cannot find alias arn: {arn(name, 'live')}")

    def test_a_weighted_alias_reaches_both(self):
        name = self.three()
        alias = self.api.create_alias(FunctionName=name, Name="canary", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
        self.assertEqual(alias["RoutingConfig"], {"AdditionalVersionWeights": {"2": 0.5}})
        seen = set()
        for _ in range(200):  # chance that one side never comes: 2 to the power of -199
            seen.add(self.call(name, "canary")[1])
            if len(seen) == 2:
                break
        self.assertEqual(seen, {"1", "2"})
        plain = self.api.update_alias(FunctionName=name, Name="canary", RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertNotIn("RoutingConfig", plain)

    def test_alias_errors(self):
        self.create(name=(name := self.name()))
        self.fails("ResourceNotFoundException", self.api.create_alias, FunctionName=name, Name="a", FunctionVersion="9", code=404, message=f"Function not found: {arn(name, '9')}")
        self.api.create_alias(FunctionName=name, Name="a", FunctionVersion="$LATEST")
        self.fails("ResourceConflictException", self.api.create_alias, FunctionName=name, Name="a", FunctionVersion="$LATEST", code=409,
                   message=f"Alias already exists: {arn(name, 'a')}")


if __name__ == "__main__":
    unittest.main()
