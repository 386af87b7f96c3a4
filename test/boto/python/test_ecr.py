"""ECR as deployment tools use it: they look for repositories, CloudFormation templates declare one; images there are none."""

import json
import unittest

import botocore.exceptions

import common


class Repositories(common.Case):
    @classmethod
    def setUpClass(cls):
        cls.ecr = common.client("ecr")

    def test_absent(self):
        # `osls remove` asks so, and takes this error, and no other, for "there is none".
        with self.assertRaises(self.ecr.exceptions.RepositoryNotFoundException) as caught:
            self.ecr.describe_repositories(repositoryNames=["serverless-none-dev"])
        self.assertEqual(400, caught.exception.response["ResponseMetadata"]["HTTPStatusCode"])

    def test_life(self):
        made = self.ecr.create_repository(repositoryName="assets", imageTagMutability="IMMUTABLE", tags=[{"Key": "a", "Value": "1"}])["repository"]
        self.assertEqual(made, self.ecr.describe_repositories(repositoryNames=["assets"])["repositories"][0])
        self.assertTrue(made["repositoryUri"].endswith(".dkr.ecr.us-east-1.amazonaws.com/assets"), made)
        policy = json.dumps({"Version": "2008-10-17", "Statement": []})
        self.ecr.set_repository_policy(repositoryName="assets", policyText=policy)
        self.assertEqual(policy, self.ecr.get_repository_policy(repositoryName="assets")["policyText"])
        self.assertEqual([], self.ecr.list_images(repositoryName="assets")["imageIds"])
        with self.assertRaises(botocore.exceptions.ClientError) as caught:  # no registry: nothing to log in to
            self.ecr.get_authorization_token()
        self.assertEqual(4, caught.exception.response["ResponseMetadata"]["HTTPStatusCode"] // 100)
        self.ecr.delete_repository(repositoryName="assets")
        self.assertEqual([], self.ecr.describe_repositories()["repositories"])


if __name__ == "__main__":
    unittest.main()
