"""Layers: published, listed, permitted, and really there when the function runs."""

import base64
import hashlib
import json
import unittest
import urllib.request

from common import ACCOUNT, REGION, RUNTIME, TIMESTAMP, Case, archive, client, status, without


class Layers(Case):
    def publish(self, name, files, **options):
        package = archive(files)
        response = self.api.publish_layer_version(LayerName=name, Content={"ZipFile": package}, **options)
        self.addCleanup(self.api.delete_layer_version, LayerName=name, VersionNumber=response["Version"])
        return response, package

    def arn(self, name, version=None):
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}" + (f":{version}" if version else "")

    def test_publish_and_get(self):
        name = self.name("layer")
        response, package = self.publish(name, {"python/tool.py": "x = 1\n"}, Description="tools", CompatibleRuntimes=[RUNTIME], LicenseInfo="MIT")
        self.assertEqual(status(response), 201)
        self.assertRegex(response["CreatedDate"], TIMESTAMP)
        content = response["Content"]
        with urllib.request.urlopen(content.pop("Location")) as reply:
            self.assertEqual(reply.read(), package)
        self.assertEqual(content, {"CodeSize": len(package), "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode()})
        expected = {"LayerArn": self.arn(name), "LayerVersionArn": self.arn(name, 1), "Version": 1, "Description": "tools",
                    "CompatibleRuntimes": [RUNTIME], "LicenseInfo": "MIT"}
        self.assertEqual(without(response, "Content", "CreatedDate"), expected)
        for got in (self.api.get_layer_version(LayerName=name, VersionNumber=1), self.api.get_layer_version_by_arn(Arn=self.arn(name, 1)),
                    self.api.get_layer_version(LayerName=self.arn(name), VersionNumber=1)):
            self.assertEqual(without(got, "Content", "CreatedDate"), expected)
        second, _ = self.publish(name, {"python/tool.py": "x = 2\n"})
        self.assertEqual(second["LayerVersionArn"], self.arn(name, 2))
        versions = self.api.list_layer_versions(LayerName=name)["LayerVersions"]
        self.assertEqual([v["Version"] for v in versions], [2, 1])
        latest = [layer for layer in self.api.list_layers()["Layers"] if layer["LayerName"] == name]
        self.assertEqual((latest[0]["LayerArn"], latest[0]["LatestMatchingVersion"]["Version"]), (self.arn(name), 2))

    def test_a_missing_version(self):
        name = self.name("layer")
        self.fails("ResourceNotFoundException", self.api.get_layer_version, LayerName=name, VersionNumber=1, code=404, message="The resource you requested does not exist.")

    def test_layers_are_merged_in_order_and_imported(self):
        low, high = self.name("low"), self.name("high")
        self.publish(low, {"python/shared.py": "who = 'low'\n", "python/lowonly.py": "who = 'low'\n", "data/low.txt": "low"})
        self.publish(high, {"python/shared.py": "who = 'high'\n"})
        source = "import shared, lowonly\ndef handler(event, context):\n    return [shared.who, lowonly.who, open('/opt/data/low.txt').read()]\n"
        self.create(source, name=(name := self.name()), Layers=[self.arn(low, 1), self.arn(high, 1)])
        self.assertEqual(json.loads(self.api.invoke(FunctionName=name)["Payload"].read()), ["high", "low", "low"])
        got = self.api.get_function_configuration(FunctionName=name)
        self.assertEqual([layer["Arn"] for layer in got["Layers"]], [self.arn(low, 1), self.arn(high, 1)])
        self.assertGreater(got["Layers"][0]["CodeSize"], 0)
        self.api.update_function_configuration(FunctionName=name, Layers=[])
        self.updated(name)
        self.assertNotIn("Layers", self.api.get_function_configuration(FunctionName=name))
        response = self.api.invoke(FunctionName=name)
        self.assertEqual(json.loads(response["Payload"].read())["errorMessage"], "Unable to import module 'app': No module named 'shared'")

    def test_unknown_and_too_many_layers(self):
        name = self.name("layer")
        self.fails("InvalidParameterValueException", self.create, Layers=[self.arn(name, 1)], code=400, message=f"Layer version {self.arn(name, 1)} does not exist.")
        for index in range(6):
            self.publish(f"{name}-{index}", {"x": "1"})
        self.fails("InvalidParameterValueException", self.create, Layers=[self.arn(f"{name}-{i}", 1) for i in range(6)], code=400,
                   message="Cannot reference more than 5 layers.")

    def test_the_policy_of_a_layer_version(self):
        name = self.name("layer")
        self.publish(name, {"x": "1"})
        version = {"LayerName": name, "VersionNumber": 1}
        self.fails("ResourceNotFoundException", self.api.get_layer_version_policy, **version, code=404, message="No policy is associated with the given resource.")
        added = self.api.add_layer_version_permission(**version, StatementId="all", Action="lambda:GetLayerVersion", Principal="*")
        self.assertEqual(status(added), 201)
        statement = {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion", "Resource": self.arn(name, 1)}
        self.assertEqual(json.loads(added["Statement"]), statement)
        policy = self.api.get_layer_version_policy(**version)
        self.assertEqual(json.loads(policy["Policy"]), {"Version": "2012-10-17", "Id": "default", "Statement": [statement]})
        self.fails("ResourceConflictException", self.api.add_layer_version_permission, **version, StatementId="all", Action="lambda:GetLayerVersion",
                   Principal="*", code=409, message="The statement id (all) provided already exists. Please provide a new statement id, or remove the existing statement.")
        self.assertEqual(status(self.api.remove_layer_version_permission(**version, StatementId="all")), 204)
        self.fails("ResourceNotFoundException", self.api.get_layer_version_policy, **version, code=404)


if __name__ == "__main__":
    unittest.main()
