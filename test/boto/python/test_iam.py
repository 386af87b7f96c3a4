"""IAM as boto3 sees it: what the deployment tools create, and keys that really sign.

Texts of errors: IAM's, as users of the tools report them. Documents come decoded: boto3 undoes their URL-encoding.
"""

import json
import unittest

import boto3
import botocore.exceptions

import common

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["logs:*"], "Resource": "*"}]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


class IAM(common.Case):
    @classmethod
    def setUpClass(cls):
        cls.iam = common.client("iam")
        cls.account = common.client("sts").get_caller_identity()["Account"]

    def refused(self, code, message, call, **options):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**options)
        error = caught.exception.response["Error"]
        self.assertEqual((code, message), (error["Code"], error["Message"]))
        return caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]

    def role(self, **options):
        name = self.name("r")
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **options)["Role"]
        self.addCleanup(self.gone, self.iam.delete_role, RoleName=name)
        return name, made

    def gone(self, delete, **options):
        try:
            delete(**options)
        except self.iam.exceptions.NoSuchEntityException:
            pass

    def test_role_as_terraform_makes_it(self):
        name, made = self.role(Description="d", MaxSessionDuration=7200, Path="/app/", Tags=[{"Key": "k", "Value": "v"}])
        self.assertEqual(f"arn:aws:iam::{self.account}:role/app/{name}", made["Arn"])
        self.assertRegex(made["RoleId"], "^AROA[A-Z2-7]{17}$")
        self.iam.get_waiter("role_exists").wait(RoleName=name, WaiterConfig=common.QUICK)
        got = self.iam.get_role(RoleName=name)["Role"]
        self.assertEqual((TRUST, "d", 7200, [{"Key": "k", "Value": "v"}], {}),
                         (got["AssumeRolePolicyDocument"], got["Description"], got["MaxSessionDuration"], got["Tags"], got["RoleLastUsed"]))
        self.iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(ALLOW))
        self.iam.attach_role_policy(RoleName=name, PolicyArn=BASIC)
        self.assertEqual(["inline"], self.iam.list_role_policies(RoleName=name)["PolicyNames"])
        self.assertEqual(ALLOW, self.iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"])
        self.assertEqual([{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}], self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"])
        self.assertEqual([], self.iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"])
        self.assertIn(name, [r["RoleName"] for r in self.iam.list_entities_for_policy(PolicyArn=BASIC)["PolicyRoles"]])
        status = self.refused("DeleteConflict", "Cannot delete entity, must detach all policies first.", self.iam.delete_role, RoleName=name)
        self.assertEqual(409, status)
        self.iam.detach_role_policy(RoleName=name, PolicyArn=BASIC)
        self.iam.delete_role_policy(RoleName=name, PolicyName="inline")
        self.iam.delete_role(RoleName=name)
        status = self.refused("NoSuchEntity", f"The role with name {name} cannot be found.", self.iam.get_role, RoleName=name)
        self.assertEqual(404, status)

    def test_refusals(self):
        name, _ = self.role()
        self.refused("EntityAlreadyExists", f"Role with name {name} already exists.", self.iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.refused("MalformedPolicyDocument", "This policy contains invalid Json", self.iam.create_role, RoleName=name + "x", AssumeRolePolicyDocument="{")
        self.refused("MalformedPolicyDocument", "Syntax errors in policy.", self.iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument="{}")
        missing = f"arn:aws:iam::{self.account}:policy/none"
        self.refused("NoSuchEntity", f"Policy {missing} does not exist or is not attachable.", self.iam.attach_role_policy, RoleName=name, PolicyArn=missing)
        self.refused("NoSuchEntity", "The role policy with name none cannot be found.", self.iam.get_role_policy, RoleName=name, PolicyName="none")
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.iam.get_role(RoleName="a b")
        self.assertEqual("ValidationError", caught.exception.response["Error"]["Code"])

    def test_any_region_signs(self):
        name, _ = self.role()
        elsewhere = boto3.client("iam", region_name="eu-central-1")
        self.assertEqual(name, elsewhere.get_role(RoleName=name)["Role"]["RoleName"])

    def test_role_changes(self):
        name, _ = self.role()
        self.iam.update_role(RoleName=name, Description="other", MaxSessionDuration=3601)
        trust = json.loads(json.dumps(TRUST).replace("lambda.", "states."))
        self.iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        self.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")
        self.iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        self.iam.untag_role(RoleName=name, TagKeys=["a"])
        got = self.iam.get_role(RoleName=name)["Role"]
        self.assertEqual(("other", 3601, trust), (got["Description"], got["MaxSessionDuration"], got["AssumeRolePolicyDocument"]))
        self.assertEqual({"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess"}, got["PermissionsBoundary"])
        self.assertEqual([{"Key": "b", "Value": "2"}], self.iam.list_role_tags(RoleName=name)["Tags"])
        self.iam.delete_role_permissions_boundary(RoleName=name)
        self.assertNotIn("PermissionsBoundary", self.iam.get_role(RoleName=name)["Role"])

    def test_sessions_are_bounded_by_the_role(self):
        _, made = self.role(MaxSessionDuration=7200)
        sts = common.client("sts")
        session = {"RoleArn": made["Arn"], "RoleSessionName": "session"}
        got = sts.assume_role(DurationSeconds=7200, **session)["AssumedRoleUser"]
        self.assertEqual(made["RoleId"] + ":session", got["AssumedRoleId"])
        self.refused("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", sts.assume_role, DurationSeconds=7201, **session)

    def test_pages(self):
        prefix = f"/{self.name('pages')}/"
        names = sorted(self.role(Path=prefix)[0] for _ in range(5))
        pages = list(self.iam.get_paginator("list_roles").paginate(PathPrefix=prefix, PaginationConfig={"PageSize": 2}))
        self.assertEqual([2, 2, 1], [len(page["Roles"]) for page in pages])
        self.assertEqual(names, sorted(r["RoleName"] for page in pages for r in page["Roles"]))
        self.refused("ValidationError", "Invalid Marker.", self.iam.list_roles, Marker="?")

    def test_managed_policy(self):
        name = self.name("p")
        made = self.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(ALLOW), Description="d")["Policy"]
        arn = made["Arn"]
        self.addCleanup(self.gone, self.iam.delete_policy, PolicyArn=arn)
        self.assertEqual((f"arn:aws:iam::{self.account}:policy/{name}", "v1", 0), (arn, made["DefaultVersionId"], made["AttachmentCount"]))
        deny = json.loads(json.dumps(ALLOW).replace("Allow", "Deny"))
        self.assertEqual("v2", self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(deny), SetAsDefault=True)["PolicyVersion"]["VersionId"])
        self.assertEqual([("v2", True), ("v1", False)], [(v["VersionId"], v["IsDefaultVersion"]) for v in self.iam.list_policy_versions(PolicyArn=arn)["Versions"]])
        self.assertEqual(deny, self.iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"])
        role, _ = self.role()
        self.iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        self.assertEqual((1, "d"), (self.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"], self.iam.get_policy(PolicyArn=arn)["Policy"]["Description"]))
        self.refused("DeleteConflict", "Cannot delete a policy attached to entities.", self.iam.delete_policy, PolicyArn=arn)
        self.iam.detach_role_policy(RoleName=role, PolicyArn=arn)
        self.iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
        local = [p["PolicyName"] for page in self.iam.get_paginator("list_policies").paginate(Scope="Local") for p in page["Policies"]]
        self.assertIn(name, local)
        self.assertNotIn("AdministratorAccess", local)
        self.iam.delete_policy(PolicyArn=arn)
        self.refused("NoSuchEntity", f"Policy {arn} was not found.", self.iam.get_policy, PolicyArn=arn)

    def test_policies_of_aws(self):
        got = self.iam.get_policy(PolicyArn=BASIC)["Policy"]
        document = self.iam.get_policy_version(PolicyArn=BASIC, VersionId=got["DefaultVersionId"])["PolicyVersion"]["Document"]
        # AWS: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html
        self.assertEqual(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], document["Statement"][0]["Action"])

    def user(self, **options):
        name = self.name("u")
        self.iam.create_user(UserName=name, **options)
        self.addCleanup(self.gone, self.iam.delete_user, UserName=name)
        return name

    def test_a_users_key_signs(self):
        name = self.user(Path="/team/")
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.addCleanup(self.gone, self.iam.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
        self.assertRegex(key["AccessKeyId"], "^AKIA[A-Z2-7]{16}$")
        self.assertEqual("N/A", self.iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"])
        session = boto3.Session(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
        me = session.client("sts").get_caller_identity()
        self.assertEqual(f"arn:aws:iam::{self.account}:user/team/{name}", me["Arn"])
        own = session.client("iam")
        self.assertEqual((name, me["UserId"]), (own.get_user()["User"]["UserName"], own.get_user()["User"]["UserId"]))
        self.assertEqual([key["AccessKeyId"]], [k["AccessKeyId"] for k in own.list_access_keys()["AccessKeyMetadata"]])
        used = self.iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        self.assertEqual((name, "sts"), (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]))
        forged = boto3.Session(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key="x" * 40).client("sts")
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            forged.get_caller_identity()
        self.assertEqual("SignatureDoesNotMatch", caught.exception.response["Error"]["Code"])
        self.iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
        self.refused("InvalidClientTokenId", "The security token included in the request is invalid.", session.client("sts").get_caller_identity)
        self.refused("DeleteConflict", "Cannot delete entity, must delete access keys first.", self.iam.delete_user, UserName=name)
        self.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])

    def test_groups(self):
        name, group = self.user(), self.name("g")
        self.iam.create_group(GroupName=group)
        self.iam.add_user_to_group(GroupName=group, UserName=name)
        self.assertEqual([name], [u["UserName"] for u in self.iam.get_group(GroupName=group)["Users"]])
        self.assertEqual([group], [g["GroupName"] for g in self.iam.list_groups_for_user(UserName=name)["Groups"]])
        self.iam.attach_group_policy(GroupName=group, PolicyArn=BASIC)
        self.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=json.dumps(ALLOW))
        self.iam.update_user(UserName=name, NewUserName=name + "-2")
        self.addCleanup(self.gone, self.iam.delete_user, UserName=name + "-2")
        self.iam.remove_user_from_group(GroupName=group, UserName=name + "-2")
        self.iam.detach_group_policy(GroupName=group, PolicyArn=BASIC)
        self.iam.delete_group_policy(GroupName=group, PolicyName="p")
        self.iam.delete_group(GroupName=group)

    def test_instance_profile(self):
        role, profile = self.role()[0], self.name("i")
        self.iam.create_instance_profile(InstanceProfileName=profile)
        self.iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=profile, WaiterConfig=common.QUICK)
        self.iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
        self.assertEqual([role], [r["RoleName"] for r in self.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]])
        self.refused("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", self.iam.delete_role, RoleName=role)
        self.iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
        self.iam.delete_instance_profile(InstanceProfileName=profile)
        self.refused("NoSuchEntity", f"Instance Profile {profile} cannot be found.", self.iam.get_instance_profile, InstanceProfileName=profile)

    def test_simulations(self):
        # Decisions: API_EvaluationResult; the logic is that of --iam=enforce, with a truth table of its own.
        name = self.name("u")
        user = self.iam.create_user(UserName=name)["User"]["Arn"]
        self.addCleanup(self.gone, self.iam.delete_user, UserName=name)
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/${aws:username}/*"},
            {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"},
            {"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        self.addCleanup(self.gone, self.iam.delete_user_policy, UserName=name, PolicyName="p")

        def decisions(simulate, **options):
            results = [r for page in self.iam.get_paginator(simulate).paginate(**options) for r in page["EvaluationResults"]]
            return {(r["EvalActionName"], r["EvalResourceName"]): r for r in results}

        mine, other = f"arn:aws:s3:::b/{name}/k", "arn:aws:s3:::b/other/k"
        results = decisions("simulate_principal_policy", PolicySourceArn=user, ActionNames=["s3:GetObject", "s3:GetObjectAcl", "sqs:SendMessage"], ResourceArns=[mine, other], PaginationConfig={"PageSize": 4})
        self.assertEqual({("s3:GetObject", mine): "allowed", ("s3:GetObject", other): "implicitDeny", ("s3:GetObjectAcl", mine): "explicitDeny", ("s3:GetObjectAcl", other): "explicitDeny",
                          ("sqs:SendMessage", mine): "implicitDeny", ("sqs:SendMessage", other): "implicitDeny"}, {k: r["EvalDecision"] for k, r in results.items()})
        self.assertEqual([{"SourcePolicyId": "p", "SourcePolicyType": "user"}], results["s3:GetObject", mine]["MatchedStatements"])
        self.assertEqual(["aws:SourceIp"], results["s3:GetObject", mine]["MissingContextValues"])
        given = [{"ContextKeyName": "aws:SourceIp", "ContextKeyType": "ip", "ContextKeyValues": ["10.1.2.3"]}]
        send = dict(ActionNames=["sqs:SendMessage"], ContextEntries=given)
        self.assertEqual(["allowed"], [r["EvalDecision"] for r in decisions("simulate_principal_policy", PolicySourceArn=user, **send).values()])
        bound = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
        result, = decisions("simulate_custom_policy", PolicyInputList=[json.dumps(policy)], PermissionsBoundaryPolicyInputList=[bound], **send).values()
        self.assertEqual(("implicitDeny", False), (result["EvalDecision"], result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]))
        resource = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sqs:*", "Resource": "*"}]})
        result, = decisions("simulate_custom_policy", PolicyInputList=[bound], ResourcePolicy=resource, CallerArn=user, ActionNames=["sqs:SendMessage"]).values()
        self.assertEqual("allowed", result["EvalDecision"])
        self.assertEqual(["aws:SourceIp", "aws:username"], self.iam.get_context_keys_for_principal_policy(PolicySourceArn=user)["ContextKeyNames"])
        self.assertEqual([], self.iam.get_context_keys_for_custom_policy(PolicyInputList=[bound])["ContextKeyNames"])
        self.refused("NoSuchEntity", f"The user with name {name}-none cannot be found.", self.iam.simulate_principal_policy, PolicySourceArn=user + "-none", ActionNames=["s3:GetObject"])

    def test_account(self):
        self.assertGreaterEqual(self.iam.get_account_summary()["SummaryMap"]["RolesQuota"], 1000)
        self.iam.create_account_alias(AccountAlias="lamb-kin")
        self.assertEqual(["lamb-kin"], self.iam.list_account_aliases()["AccountAliases"])
        self.iam.delete_account_alias(AccountAlias="lamb-kin")
        self.assertEqual([], self.iam.list_account_aliases()["AccountAliases"])
        self.assertTrue(self.iam.get_user()["User"]["Arn"].endswith(":root"))


if __name__ == "__main__":
    unittest.main()
