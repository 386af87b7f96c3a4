"""Parameter Store and Secrets Manager as boto3 sees them, and as a function reads them."""

import json
import unittest
import uuid

import boto3
import botocore.exceptions

from common import Case

SSM = boto3.client("ssm")
SECRETS = boto3.client("secretsmanager")


class Configuration(Case):
    def refused(self, code, call, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        error = caught.exception.response["Error"]
        self.assertEqual(code, error["Code"])
        return error["Message"]

    def put(self, name, value="v", **options):
        answer = SSM.put_parameter(Name=name, Value=value, Type=options.pop("Type", "String"), **options)
        self.addCleanup(SSM.delete_parameters, Names=[name])
        return answer

    def test_parameters(self):
        root = "/" + uuid.uuid4().hex
        first = self.put(root + "/a", "1", Description="d", Tags=[{"Key": "team", "Value": "x"}])
        self.assertEqual((1, "Standard"), (first["Version"], first["Tier"]))
        self.put(root + "/b", "2,3", Type="StringList")
        self.put(root + "/deep/c", "secret", Type="SecureString")
        self.assertEqual("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
                         self.refused("ParameterAlreadyExists", SSM.put_parameter, Name=root + "/a", Value="2", Type="String"))
        self.assertEqual(2, SSM.put_parameter(Name=root + "/a", Value="2", Overwrite=True)["Version"])
        got = SSM.get_parameter(Name=root + "/a")["Parameter"]
        self.assertEqual({"Name": root + "/a", "Type": "String", "Value": "2", "Version": 2, "DataType": "text", "ARN": f"arn:aws:ssm:{SSM.meta.region_name}:000000000000:parameter{root}/a"},
                         {k: v for k, v in got.items() if k != "LastModifiedDate"})
        self.assertEqual("1", SSM.get_parameter(Name=root + "/a:1")["Parameter"]["Value"])
        self.assertEqual("1", SSM.get_parameter(Name=got["ARN"] + ":1")["Parameter"]["Value"])
        self.assertNotEqual("secret", SSM.get_parameter(Name=root + "/deep/c")["Parameter"]["Value"])
        self.assertEqual("secret", SSM.get_parameter(Name=root + "/deep/c", WithDecryption=True)["Parameter"]["Value"])
        both = SSM.get_parameters(Names=[root + "/b", root + "/none"])
        self.assertEqual((["2,3"], [root + "/none"]), ([p["Value"] for p in both["Parameters"]], both["InvalidParameters"]))
        paths = SSM.get_paginator("get_parameters_by_path")
        self.assertEqual(["a", "b"], [p["Name"][len(root) + 1:] for page in paths.paginate(Path=root, PaginationConfig={"PageSize": 1}) for p in page["Parameters"]])
        self.assertEqual(3, len(SSM.get_parameters_by_path(Path=root, Recursive=True)["Parameters"]))
        self.assertEqual([1, 2], [p["Version"] for p in SSM.get_parameter_history(Name=root + "/a")["Parameters"]])
        SSM.label_parameter_version(Name=root + "/a", ParameterVersion=1, Labels=["old"])
        self.assertEqual("1", SSM.get_parameter(Name=root + "/a:old")["Parameter"]["Value"])
        described = SSM.describe_parameters(ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [root]}, {"Key": "Type", "Values": ["SecureString"]}])["Parameters"]
        self.assertEqual([(root + "/deep/c", "alias/aws/ssm")], [(p["Name"], p["KeyId"]) for p in described])
        SSM.add_tags_to_resource(ResourceType="Parameter", ResourceId=root + "/a", Tags=[{"Key": "k", "Value": "v"}])
        SSM.remove_tags_from_resource(ResourceType="Parameter", ResourceId=root + "/a", TagKeys=["team"])
        self.assertEqual([{"Key": "k", "Value": "v"}], SSM.list_tags_for_resource(ResourceType="Parameter", ResourceId=root + "/a")["TagList"])
        SSM.delete_parameter(Name=root + "/a")
        self.refused("ParameterNotFound", SSM.get_parameter, Name=root + "/a")
        self.refused("ParameterNotFound", SSM.delete_parameter, Name=root + "/a")
        self.refused("InvalidKeyId", SSM.put_parameter, Name=root + "/k", Value="v", Type="SecureString", KeyId="alias/mine")

    def test_secrets(self):
        name = "db/" + uuid.uuid4().hex
        made = SECRETS.create_secret(Name=name, SecretString='{"password": "p"}', Description="d", Tags=[{"Key": "a", "Value": "1"}])
        self.assertRegex(made["ARN"], f"^arn:aws:secretsmanager:[a-z0-9-]+:000000000000:secret:{name}-[A-Za-z0-9]{{6}}$")
        got = SECRETS.get_secret_value(SecretId=name)
        self.assertEqual(('{"password": "p"}', ["AWSCURRENT"], made["VersionId"]), (got["SecretString"], got["VersionStages"], got["VersionId"]))
        second = SECRETS.put_secret_value(SecretId=made["ARN"], SecretBinary=b"\x00\xff")
        self.assertEqual(b"\x00\xff", SECRETS.get_secret_value(SecretId=name)["SecretBinary"])
        self.assertEqual('{"password": "p"}', SECRETS.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"])
        described = SECRETS.describe_secret(SecretId=name)
        self.assertEqual({made["VersionId"]: ["AWSPREVIOUS"], second["VersionId"]: ["AWSCURRENT"]}, described["VersionIdsToStages"])
        self.assertEqual(([{"Key": "a", "Value": "1"}], "d"), (described["Tags"], described["Description"]))
        SECRETS.update_secret(SecretId=name, Description="changed")
        self.assertEqual(["changed"], [s["Description"] for s in SECRETS.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]])
        SECRETS.put_resource_policy(SecretId=name, ResourcePolicy='{"Version": "2012-10-17", "Statement": []}')
        self.assertEqual([], json.loads(SECRETS.get_resource_policy(SecretId=name)["ResourcePolicy"])["Statement"])
        batch = SECRETS.batch_get_secret_value(SecretIdList=[name, "none"])
        self.assertEqual(([name], ["ResourceNotFoundException"]), ([s["Name"] for s in batch["SecretValues"]], [e["ErrorCode"] for e in batch["Errors"]]))
        SECRETS.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        self.assertEqual("You can't perform this operation on the secret because it was marked for deletion.", self.refused("InvalidRequestException", SECRETS.get_secret_value, SecretId=name))
        SECRETS.restore_secret(SecretId=name)
        SECRETS.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        self.assertEqual("Secrets Manager can't find the specified secret.", self.refused("ResourceNotFoundException", SECRETS.get_secret_value, SecretId=name))
        password = SECRETS.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"]
        self.assertRegex(password, "^[A-Za-z0-9]{40}$")
        self.assertNotEqual(password, SECRETS.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"])

    def test_a_function_reads_its_configuration(self):
        name = "/f/" + uuid.uuid4().hex
        self.put(name, "from the store", Type="SecureString")
        SECRETS.create_secret(Name=name, SecretString="from the manager")
        self.addCleanup(SECRETS.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True)
        function = self.create("""
import boto3
def handler(event, context):
    return [boto3.client("ssm").get_parameter(Name=event, WithDecryption=True)["Parameter"]["Value"], boto3.client("secretsmanager").get_secret_value(SecretId=event)["SecretString"]]
""")
        answer = self.api.invoke(FunctionName=function["FunctionName"], Payload=json.dumps(name))
        self.assertEqual(["from the store", "from the manager"], json.load(answer["Payload"]))


if __name__ == "__main__":
    unittest.main()
