"""Permissions as boto3 sees them on a server with --iam=enforce.

Texts of refusals: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html; SQS's lower case, SNS's
upper case and S3's quotes as users of the clients report them (aws/serverless-application-model#3633,
aws-ia/terraform-aws-control_tower_account_factory#151, aws-samples/serverless-patterns#2457).
"""

import http.client
import json
import os
import time
import unittest
import unittest.mock
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

import common

PATIENCE = 60
SENDER = """import boto3
from botocore.exceptions import ClientError
sqs = boto3.client("sqs")

def handler(event, context):
    try:
        sqs.send_message(QueueUrl=event["url"], MessageBody="from the function")
    except ClientError as refusal:
        return refusal.response["Error"]
    return "sent"
"""


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal):
    return document({"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]})


class Enforced(common.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.iam, cls.sqs, cls.sns, cls.s3, cls.sts = (common.client(name) for name in ("iam", "sqs", "sns", "s3", "sts"))
        cls.account = cls.sts.get_caller_identity()["Account"]

    def refused(self, code, message, call, status=None, **options):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**options)
        error = caught.exception.response["Error"]
        self.assertEqual((code, message), (error["Code"], error["Message"]))
        if status:
            self.assertEqual(status, common.status(caught.exception.response))

    def role(self, *statements, service="lambda.amazonaws.com", principal=None, **options):
        name = self.name("r")
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principal or {"Service": service}), **options)["Role"]
        self.addCleanup(self.iam.delete_role, RoleName=name)
        if statements:
            self.grant(name, *statements)
        return name, made["Arn"]

    def grant(self, role, *statements):
        self.iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=document(*statements))
        self.addCleanup(self.silent, self.iam.delete_role_policy, RoleName=role, PolicyName="inline")

    def silent(self, call, **options):
        try:
            call(**options)
        except botocore.exceptions.ClientError:
            pass

    def user(self, *statements, **options):
        """A user with an access key: its name, its ARN and a maker of its clients."""
        name = self.name("u")
        made = self.iam.create_user(UserName=name, **options)["User"]
        self.addCleanup(self.iam.delete_user, UserName=name)
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
            self.addCleanup(self.iam.delete_user_policy, UserName=name, PolicyName="inline")
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.addCleanup(self.iam.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
        return name, made["Arn"], self.as_key(key["AccessKeyId"], key["SecretAccessKey"])

    def test_connections_of_websocket_apis(self):
        gw = common.client("apigatewayv2")
        api = gw.create_api(Name=self.name("ws"), ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
        self.addCleanup(gw.delete_api, ApiId=api)
        route = gw.create_route(ApiId=api, RouteKey="one")["RouteId"]
        gw.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
        address = {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/prod"}
        resource = f"arn:aws:execute-api:{common.REGION}:{self.account}:{api}/prod/POST/@connections/*"
        for statements, want in (([], "AccessDeniedException"), ([allow("execute-api:Invoke")], "AccessDeniedException"), ([allow("execute-api:ManageConnections", resource)], "GoneException")):
            _, _, make = self.user(*statements)
            with unittest.mock.patch.dict(os.environ, address):
                management = make("apigatewaymanagementapi")
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                management.post_to_connection(ConnectionId="AAAAAAAAAAAAAAA=", Data=b"x")
            self.assertEqual(caught.exception.response["Error"]["Code"], want)
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                make("apigatewayv2").create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
            self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDeniedException")
        _, _, make = self.user(allow("apigateway:POST", f"arn:aws:apigateway:{common.REGION}::/apis/{api}/routes/{route}/routeresponses"))
        make("apigatewayv2").create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")

    def as_key(self, key, secret, token=None):
        def make(service, **config):
            return boto3.client(service, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
                                config=Config(retries={"total_max_attempts": 1}, **config))
        return make

    def assumed(self, maker, role, session="one", **options):
        given = maker("sts").assume_role(RoleArn=role, RoleSessionName=session, **options)["Credentials"]
        return self.as_key(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def queue(self, **attributes):
        url = self.sqs.create_queue(QueueName=self.name("q"), Attributes=attributes)["QueueUrl"]
        self.addCleanup(self.sqs.delete_queue, QueueUrl=url)
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def bucket(self, **objects):
        name = self.name("b").lower()
        self.s3.create_bucket(Bucket=name)
        self.addCleanup(self.empty, name)
        for key, body in objects.items():
            self.s3.put_object(Bucket=name, Key=key, Body=body.encode())
        return name

    def empty(self, name):
        self.s3.delete_bucket_policy(Bucket=name)
        for o in self.s3.list_objects_v2(Bucket=name).get("Contents", []):
            self.s3.delete_object(Bucket=name, Key=o["Key"])
        self.s3.delete_bucket(Bucket=name)

    def received(self, url):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for message in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]).get("Messages", []):
                return message
        self.fail(f"nothing came to {url}")


class Functions(Enforced):
    def invoke(self, name, event):
        return json.loads(self.api.invoke(FunctionName=name, Payload=json.dumps(event).encode())["Payload"].read())

    def test_a_function_may_what_its_role_may(self):
        role, role_arn = self.role()
        url, queue = self.queue()
        name = self.create(SENDER, Role=role_arn, Timeout=60)["FunctionName"]
        who = f"arn:aws:sts::{self.account}:assumed-role/{role}/{name}"
        text = f"User: {who} is not authorized to perform: sqs:sendmessage on resource: {queue}"
        refusal = self.invoke(name, {"url": url})
        self.assertEqual(("AccessDenied", text + " because no identity-based policy allows the sqs:sendmessage action"), (refusal["Code"], refusal["Message"]))
        self.grant(role, allow("sqs:SendMessage", queue))
        self.assertEqual("sent", self.invoke(name, {"url": url}))
        self.assertEqual("from the function", self.received(url)["Body"])
        self.grant(role, allow("sqs:*"), deny("sqs:Send*"))
        self.assertEqual(text + " with an explicit deny in an identity-based policy", self.invoke(name, {"url": url})["Message"])

    def test_a_policy_of_the_queue_lets_the_role_in(self):
        _, role_arn = self.role()
        url, queue = self.queue()
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({"Effect": "Allow", "Principal": {"AWS": role_arn}, "Action": "sqs:SendMessage", "Resource": queue})})
        name = self.create(SENDER, Role=role_arn, Timeout=60)["FunctionName"]
        self.assertEqual("sent", self.invoke(name, {"url": url}))

    def test_a_function_is_not_the_root_by_a_key_of_its_own(self):
        name = self.create("""import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    try:
        return boto3.client("iam", aws_access_key_id="test", aws_secret_access_key="test").list_users()["Users"]
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
""", Role=self.role()[1], Timeout=60)["FunctionName"]
        self.assertEqual("InvalidClientTokenId", self.invoke(name, {}))

    def test_a_role_must_be_there_and_trust_the_service(self):
        # Text: as users of the deployment tools report it.
        for role in (common.ROLE, self.role(service="events.amazonaws.com")[1]):
            self.fails("InvalidParameterValueException", self.api.create_function, "The role defined for the function cannot be assumed by Lambda.", 400,
                       FunctionName=self.name(), Runtime=common.RUNTIME, Role=role, Handler="app.handler", Code={"ZipFile": common.archive(app=common.ECHO)})

    def test_to_create_a_function_its_role_must_be_passed(self):
        _, role_arn = self.role()
        _, user, make = self.user(allow("lambda:*"))
        options = dict(Runtime=common.RUNTIME, Role=role_arn, Handler="app.handler", Code={"ZipFile": common.archive(app=common.ECHO)})
        self.refused("AccessDeniedException", f"User: {user} is not authorized to perform: iam:PassRole on resource: {role_arn} because no identity-based policy allows the iam:PassRole action",
                     make("lambda").create_function, 403, FunctionName=self.name(), **options)
        for service, passes in (("lambda.amazonaws.com", True), ("events.amazonaws.com", False)):
            _, _, make = self.user(allow("lambda:*"), allow("iam:PassRole", role_arn, Condition={"StringEquals": {"iam:PassedToService": service}}))
            name = self.name()
            if passes:
                make("lambda").create_function(FunctionName=name, **options)
                self.addCleanup(self._delete, name)
            else:
                with self.assertRaises(botocore.exceptions.ClientError):
                    make("lambda").create_function(FunctionName=name, **options)

    def test_invoke_by_name_alias_and_permission(self):
        _, role_arn = self.role()
        name = self.create(Role=role_arn, Publish=True)["FunctionName"]
        self.api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        _, user, make = self.user(allow("lambda:InvokeFunction", common.arn(name, "live")))
        make("lambda").invoke(FunctionName=name, Qualifier="live")
        make("lambda").invoke(FunctionName=common.arn(name, "live"))
        self.refused("AccessDeniedException",
                     f"User: {user} is not authorized to perform: lambda:InvokeFunction on resource: {common.arn(name)} because no identity-based policy allows the lambda:InvokeFunction action",
                     make("lambda").invoke, 403, FunctionName=name)
        self.api.add_permission(FunctionName=name, StatementId="user", Action="lambda:InvokeFunction", Principal=user)
        make("lambda").invoke(FunctionName=name)


    def test_a_function_url_by_iam(self):
        # Source: lambda/latest/dg/urls-auth.html: both permissions are needed.
        name = self.create("def handler(event, context):\n    return event['requestContext']['authorizer']['iam']['userArn']\n", Role=self.role()[1])["FunctionName"]
        url = self.api.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
        path = os.environ["AWS_ENDPOINT_URL"] + "/_aws/lambda-url/" + urllib.parse.urlparse(url).netloc.split(".")[0] + "/"
        via = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
        for statements, want in (([], 403), ([allow("lambda:InvokeFunctionUrl")], 403),
                                 ([allow("lambda:InvokeFunctionUrl", Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}), allow("lambda:InvokeFunction", Condition=via)], 200)):
            _, user, make = self.user(*statements)
            signed = AWSRequest("GET", path)
            SigV4Auth(make("lambda")._get_credentials(), "lambda", common.REGION).add_auth(signed)
            try:
                with urllib.request.urlopen(urllib.request.Request(path, headers=dict(signed.headers))) as reply:
                    self.assertEqual((want, user), (reply.status, reply.read().decode()))
            except urllib.error.HTTPError as refusal:
                self.assertEqual(want, refusal.code)
                refusal.close()


class Users(Enforced):
    def test_each_service_refuses_in_its_words(self):
        _, user, make = self.user()
        url, queue = self.queue()
        topic = self.sns.create_topic(Name=self.name("t"))["TopicArn"]
        self.addCleanup(self.sns.delete_topic, TopicArn=topic)
        bucket = self.bucket(k="v")

        def text(action, resource):
            return f"User: {user} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"

        region, account = common.REGION, self.account
        for code, status, action, resource, service, operation, options in (
            ("AccessDenied", 403, "sqs:sendmessage", queue, "sqs", "send_message_batch", {"QueueUrl": url, "Entries": [{"Id": "a", "MessageBody": "m"}]}),
            ("AuthorizationError", 403, "SNS:Publish", topic, "sns", "publish", {"TopicArn": topic, "Message": "m"}),
            ("AccessDenied", 403, "s3:GetObject", f'"arn:aws:s3:::{bucket}/k"', "s3", "get_object", {"Bucket": bucket, "Key": "k"}),
            ("AccessDenied", 403, "s3:ListBucket", f'"arn:aws:s3:::{bucket}"', "s3", "list_objects_v2", {"Bucket": bucket}),
            ("AccessDeniedException", 403, "lambda:ListFunctions", "*", "lambda", "list_functions", {}),
            ("AccessDeniedException", 400, "events:PutEvents", f"arn:aws:events:{region}:{account}:event-bus/default", "events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
            ("AccessDeniedException", 400, "ssm:GetParameter", f"arn:aws:ssm:{region}:{account}:parameter/app/x", "ssm", "get_parameter", {"Name": "/app/x"}),
            ("AccessDeniedException", 400, "secretsmanager:GetSecretValue", "none", "secretsmanager", "get_secret_value", {"SecretId": "none"}),
            ("AccessDeniedException", 400, "logs:DescribeLogGroups", f"arn:aws:logs:{region}:{account}:log-group::log-stream:", "logs", "describe_log_groups", {}),
            ("AccessDenied", 403, "iam:ListRoles", f"arn:aws:iam::{account}:role/", "iam", "list_roles", {}),
            ("AccessDeniedException", 403, "scheduler:ListSchedules", "*", "scheduler", "list_schedules", {}),
        ):
            with self.subTest(action):
                self.refused(code, text(action, resource), getattr(make(service), operation), status, **options)
        self.refused("AccessDenied", f"User: {user} is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::{account}:role/none", make("sts").assume_role,
                     403, RoleArn=f"arn:aws:iam::{account}:role/none", RoleSessionName="one")
        self.assertEqual(user, make("sts").get_caller_identity()["Arn"])

    def test_groups_managed_policies_and_boundary(self):
        name, user, make = self.user()
        url, queue = self.queue()
        sqs = make("sqs")
        policy = self.iam.create_policy(PolicyName=self.name("p"), PolicyDocument=document(allow("sqs:SendMessage", queue)))["Policy"]["Arn"]
        self.addCleanup(self.iam.delete_policy, PolicyArn=policy)
        group = self.name("g")
        self.iam.create_group(GroupName=group)
        self.addCleanup(self.iam.delete_group, GroupName=group)
        self.iam.attach_group_policy(GroupName=group, PolicyArn=policy)
        self.addCleanup(self.iam.detach_group_policy, GroupName=group, PolicyArn=policy)
        self.iam.add_user_to_group(GroupName=group, UserName=name)
        self.addCleanup(self.iam.remove_user_from_group, GroupName=group, UserName=name)
        sqs.send_message(QueueUrl=url, MessageBody="by the group")
        bound = self.iam.create_policy(PolicyName=self.name("p"), PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
        self.addCleanup(self.iam.delete_policy, PolicyArn=bound)
        self.iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=bound)
        self.addCleanup(self.silent, self.iam.delete_user_permissions_boundary, UserName=name)
        self.refused("AccessDenied", f"User: {user} is not authorized to perform: sqs:sendmessage on resource: {queue} because no permissions boundary allows the sqs:sendmessage action",
                     sqs.send_message, QueueUrl=url, MessageBody="m")

    def test_conditions_and_variables(self):
        bucket = self.bucket(**{"open/a": "1", "shut/a": "2"})
        name, _, make = self.user(
            allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition={"StringLike": {"s3:prefix": ["open/*", "${aws:username}/*"]}}),
            allow("s3:*Object", f"arn:aws:s3:::{bucket}/${{aws:username}}/*", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringEquals": {"aws:RequestedRegion": common.REGION}}),
            allow("sqs:CreateQueue", Condition={"StringEquals": {"aws:RequestTag/team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
            allow("sqs:ListQueues", Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
            allow("sqs:GetQueueUrl", Condition={"DateLessThan": {"aws:CurrentTime": "2001-01-01"}}),
        )
        s3, sqs = make("s3"), make("sqs")
        self.assertEqual(1, s3.list_objects_v2(Bucket=bucket, Prefix="open/")["KeyCount"])
        s3.put_object(Bucket=bucket, Key=f"{name}/mine", Body=b"x")
        self.assertEqual(b"x", s3.get_object(Bucket=bucket, Key=f"{name}/mine")["Body"].read())
        queue = self.name("q")
        self.addCleanup(self.sqs.delete_queue, QueueUrl=sqs.create_queue(QueueName=queue, tags={"team": "blue"})["QueueUrl"])
        for call, options in (
            (s3.list_objects_v2, {"Bucket": bucket}), (s3.list_objects_v2, {"Bucket": bucket, "Prefix": "shut/"}), (s3.get_object, {"Bucket": bucket, "Key": "open/a"}),
            (sqs.create_queue, {"QueueName": queue + "2"}), (sqs.create_queue, {"QueueName": queue + "3", "tags": {"team": "red"}}),
            (sqs.create_queue, {"QueueName": queue + "4", "tags": {"team": "blue", "more": "x"}}), (sqs.list_queues, {}), (sqs.get_queue_url, {"QueueName": queue}),
        ):
            with self.subTest(call.__name__, **options):
                with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
                    call(**options)

    def test_tags_of_the_resource_and_of_the_caller(self):
        _, _, make = self.user(allow("sqs:*", Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}), Tags=[{"Key": "team", "Value": "blue"}])
        for team, may in (("blue", True), ("red", False)):
            url, _ = self.queue()
            self.sqs.tag_queue(QueueUrl=url, Tags={"team": team})
            if may:
                make("sqs").send_message(QueueUrl=url, MessageBody="m")
            else:
                with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
                    make("sqs").send_message(QueueUrl=url, MessageBody="m")

    def test_secret_by_its_own_policy(self):
        secrets = common.client("secretsmanager")
        made = secrets.create_secret(Name=self.name("s"), SecretString="x")
        self.addCleanup(secrets.delete_secret, SecretId=made["ARN"], ForceDeleteWithoutRecovery=True)
        _, user, make = self.user()
        secrets.put_resource_policy(SecretId=made["ARN"], ResourcePolicy=document({"Effect": "Allow", "Principal": {"AWS": user}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}))
        self.assertEqual("x", make("secretsmanager").get_secret_value(SecretId=made["Name"])["SecretString"])
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
            make("secretsmanager").describe_secret(SecretId=made["Name"])

    def test_the_root_may_all_but_what_a_resource_denies(self):
        url, queue = self.queue()
        bucket = self.bucket(k="v")
        self.s3.put_bucket_policy(Bucket=bucket, Policy=document({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}))
        self.refused("AccessDenied", f'User: arn:aws:iam::{self.account}:root is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/k" with an explicit deny in a resource-based policy',
                     self.s3.get_object, Bucket=bucket, Key="k")
        self.s3.delete_bucket_policy(Bucket=bucket)  # AWS: API_DeleteBucketPolicy: the root always may
        self.assertEqual(b"v", self.s3.get_object(Bucket=bucket, Key="k")["Body"].read())
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({"Effect": "Deny", "Principal": {"AWS": self.account}, "Action": "sqs:SendMessage", "Resource": queue})})
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "explicit deny in a resource-based policy"):
            self.sqs.send_message(QueueUrl=url, MessageBody="m")


class Buckets(Enforced):
    def test_what_is_not_there_is_hidden_from_who_may_not_list(self):
        # Source: API_GetObject, Permissions.
        bucket = self.bucket()
        _, user, reader = self.user(allow("s3:GetObject"))
        self.refused("AccessDenied", f'User: {user} is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::{bucket}" because no identity-based policy allows the s3:ListBucket action',
                     reader("s3").get_object, 403, Bucket=bucket, Key="none")
        _, _, lister = self.user(allow(["s3:GetObject", "s3:ListBucket"]))
        with self.assertRaises(self.s3.exceptions.NoSuchKey):
            lister("s3").get_object(Bucket=bucket, Key="none")

    def test_copy_needs_both_and_delete_decides_for_each(self):
        source, target = self.bucket(k="v", keep="w"), self.bucket()
        _, user, make = self.user(allow("s3:PutObject", f"arn:aws:s3:::{target}/*"), allow("s3:DeleteObject", f"arn:aws:s3:::{source}/k"))
        self.refused("AccessDenied", f'User: {user} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{source}/k" because no identity-based policy allows the s3:GetObject action',
                     make("s3").copy_object, Bucket=target, Key="k", CopySource={"Bucket": source, "Key": "k"})
        answer = make("s3").delete_objects(Bucket=source, Delete={"Objects": [{"Key": "k"}, {"Key": "keep"}]})
        self.assertEqual(["k"], [o["Key"] for o in answer["Deleted"]])
        self.assertEqual([("keep", "AccessDenied")], [(e["Key"], e["Code"]) for e in answer["Errors"]])
        self.assertEqual(["keep"], [o["Key"] for o in self.s3.list_objects_v2(Bucket=source)["Contents"]])

    def test_presigned_links_carry_the_rights_of_who_signed(self):
        bucket = self.bucket(k="v", other="w")
        _, _, make = self.user(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/k"))
        s3 = make("s3", signature_version="s3v4")
        with urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})) as reply:
            self.assertEqual(b"v", reply.read())
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "other"}))
        self.assertEqual(403, caught.exception.code)
        caught.exception.close()

    def anonymous(self, method, bucket, path):
        address = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
        connection = http.client.HTTPConnection(address)
        connection.request(method, path, headers={"Host": f"{bucket}.s3.localhost"})
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body

    def test_anybody_may_what_the_policy_of_a_bucket_says(self):
        bucket = self.bucket(**{"public/a": "1", "private": "2"})
        status, body = self.anonymous("GET", bucket, "/public/a")
        self.assertEqual(403, status)
        self.assertIn(b"<Code>AccessDenied</Code><Message>Access Denied</Message>", body)
        self.s3.put_bucket_policy(Bucket=bucket, Policy=document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/public/*"}))
        self.assertEqual((200, b"1"), self.anonymous("GET", bucket, "/public/a"))
        self.assertEqual([403, 403, 403], [self.anonymous(*r)[0] for r in (("GET", bucket, "/private"), ("PUT", bucket, "/public/b"), ("GET", bucket, "/"))])


class Sessions(Enforced):
    def test_a_role_is_assumed_by_whom_it_trusts(self):
        _, user, make = self.user()
        account = {"AWS": self.account}
        _, trusts_account = self.role(allow("sqs:*"), principal=account)
        self.refused("AccessDenied", f"User: {user} is not authorized to perform: sts:AssumeRole on resource: {trusts_account}", make("sts").assume_role, RoleArn=trusts_account, RoleSessionName="one")
        _, _, granted = self.user(allow("sts:AssumeRole", trusts_account))
        self.assumed(granted, trusts_account)("sqs").list_queues()
        _, trusts_user = self.role(allow("sqs:*"), principal={"AWS": user})
        role = self.assumed(make, trusts_user, session="me")
        role("sqs").list_queues()
        self.assertEqual(f"arn:aws:sts::{self.account}:assumed-role/{trusts_user.rsplit('/', 1)[1]}/me", role("sts").get_caller_identity()["Arn"])
        _, trusts_lambda = self.role()
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
            granted("sts").assume_role(RoleArn=trusts_lambda, RoleSessionName="one")
        self.refused("AccessDenied", "Roles may not be assumed by root accounts.", self.sts.assume_role, RoleArn=trusts_account, RoleSessionName="one")

    def test_the_external_id(self):
        _, user, make = self.user()
        name, role = self.role(principal={"AWS": user})
        self.iam.update_assume_role_policy(RoleName=name, PolicyDocument=document(
            {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}))
        make("sts").assume_role(RoleArn=role, RoleSessionName="one", ExternalId="42")
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
            make("sts").assume_role(RoleArn=role, RoleSessionName="one")

    def test_session_policies_restrict(self):
        _, user, make = self.user()
        url, queue = self.queue()
        name, role = self.role(allow("sqs:*"), principal={"AWS": user})
        limited = self.assumed(make, role, Policy=document(allow("sqs:ReceiveMessage"), allow("s3:*")))
        limited("sqs").receive_message(QueueUrl=url)
        who = f"arn:aws:sts::{self.account}:assumed-role/{name}/one"
        self.refused("AccessDenied", f"User: {who} is not authorized to perform: sqs:sendmessage on resource: {queue} because no session policy allows the sqs:sendmessage action",
                     limited("sqs").send_message, QueueUrl=url, MessageBody="m")
        self.refused("AccessDenied", f"User: {who} is not authorized to perform: s3:ListAllMyBuckets on resource: \"arn:aws:s3:::*\" because no identity-based policy allows the s3:ListAllMyBuckets action",
                     limited("s3").list_buckets)
        by_arn = self.assumed(make, role, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"}])
        by_arn("sqs").get_queue_attributes(QueueUrl=url)
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "no session policy"):
            by_arn("sqs").send_message(QueueUrl=url, MessageBody="m")
        self.refused("MalformedPolicyDocument", "Syntax errors in policy.", make("sts").assume_role, RoleArn=role, RoleSessionName="one", Policy="{}")

    def test_session_tags(self):
        _, user, make = self.user()
        _, role = self.role(allow("sqs:ListQueues", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}}), principal={"AWS": user})
        self.assumed(make, role, Tags=[{"Key": "team", "Value": "blue"}])("sqs").list_queues()
        with self.assertRaisesRegex(botocore.exceptions.ClientError, "AccessDenied"):
            self.assumed(make, role, Tags=[{"Key": "team", "Value": "red"}])("sqs").list_queues()


class APIs(Enforced):
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/integrating-api-with-aws-services-s3.html
    def test_an_integration_does_what_its_role_may(self):
        bucket, gateway = self.name("b").lower(), common.client("apigateway")
        self.s3.create_bucket(Bucket=bucket)
        self.addCleanup(self.s3.delete_bucket, Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"v")
        self.addCleanup(self.s3.delete_object, Bucket=bucket, Key="k")
        _, reads = self.role(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), service="apigateway.amazonaws.com")
        _, nothing = self.role(allow("sqs:*"), service="apigateway.amazonaws.com")
        _, stranger = self.role(allow("s3:*"), service="lambda.amazonaws.com")
        integration = lambda role, method: {"x-amazon-apigateway-integration": {"type": "aws", "httpMethod": method, "uri": f"arn:aws:apigateway:{common.REGION}:s3:path/{bucket}/k", "credentials": role,
                                            "responses": {"default": {"statusCode": "200"}, "403": {"statusCode": "403"}}}, "responses": {"200": {"description": "x"}, "403": {"description": "x"}}}
        document = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {
            "/reads": {"get": integration(reads, "GET"), "delete": integration(reads, "DELETE")}, "/nothing": {"get": integration(nothing, "GET")}, "/stranger": {"get": integration(stranger, "GET")}}}
        api = gateway.import_rest_api(body=json.dumps(document))["id"]
        self.addCleanup(gateway.delete_rest_api, restApiId=api)
        gateway.create_deployment(restApiId=api, stageName="s")

        def call(path, method="GET"):
            request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/s{path}", method=method)
            try:
                with urllib.request.urlopen(request) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as refusal:
                return refusal.code, refusal.read()

        self.assertEqual(call("/reads"), (200, b"v"))
        for path, method in (("/reads", "DELETE"), ("/nothing", "GET")):
            code, body = call(path, method)
            self.assertEqual((code, b"<Code>AccessDenied</Code>" in body), (403, True), body)
        self.assertEqual(call("/stranger")[0], 500)
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"v")

    def test_to_give_an_integration_a_role_it_must_be_passed(self):
        _, role = self.role(allow("sqs:*"), service="apigateway.amazonaws.com")
        _, user, make = self.user(allow("apigateway:*"))
        gateway = make("apigateway")
        api = gateway.create_rest_api(name=self.name("a"))["id"]
        self.addCleanup(common.client("apigateway").delete_rest_api, restApiId=api)
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        integration = dict(restApiId=api, resourceId=root, httpMethod="GET", type="AWS", integrationHttpMethod="POST", uri=f"arn:aws:apigateway:{common.REGION}:sqs:action/ListQueues", credentials=role)
        text = f"User: {user} is not authorized to perform: iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action"
        self.refused("AccessDeniedException", text, gateway.put_integration, 403, **integration)
        openapi = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/": {"get": {"x-amazon-apigateway-integration": {
            "type": "aws", "httpMethod": "POST", "uri": integration["uri"], "credentials": role}}}}}
        self.refused("AccessDeniedException", text, gateway.put_rest_api, 403, restApiId=api, body=json.dumps(openapi))
        _, _, passes = self.user(allow("apigateway:PUT", f"arn:aws:apigateway:{common.REGION}::/restapis/{api}/*"), allow("iam:PassRole", role))
        passes("apigateway").put_integration(**integration)
        with self.assertRaisesRegex(botocore.exceptions.ClientError, f"apigateway:GET on resource: arn:aws:apigateway:{common.REGION}::/restapis/{api}"):
            passes("apigateway").get_rest_api(restApiId=api)
        # A variable of a stage names the role as well as the integration does.
        owner = common.client("apigateway")
        owner.put_integration(**{**integration, "credentials": role.replace(role.partition("role/")[2], "${stageVariables.role}")})
        variables = {"role": role.partition("role/")[2]}
        self.refused("AccessDeniedException", text, gateway.create_deployment, 403, restApiId=api, stageName="s", variables=variables)
        owner.create_deployment(restApiId=api, stageName="s", variables={"role": "nobody"})
        patch = [{"op": "replace", "path": "/variables/role", "value": variables["role"]}]
        self.refused("AccessDeniedException", text, gateway.update_stage, 403, restApiId=api, stageName="s", patchOperations=patch)
        self.refused("AccessDeniedException", text, gateway.test_invoke_method, 403, restApiId=api, resourceId=root, httpMethod="GET", stageVariables=variables)
        _, _, passes = self.user(allow("apigateway:*"), allow("iam:PassRole", role))
        passes("apigateway").update_stage(restApiId=api, stageName="s", patchOperations=patch)

    def call(self, api, path, make=None):
        """A request to an HTTP API, signed if there is somebody to sign: the status and the body."""
        url = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}{path}"
        request = AWSRequest("POST", url, data=b"hello")
        if make:
            SigV4Auth(make("lambda")._get_credentials(), "execute-api", common.REGION).add_auth(request)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"hello", dict(request.headers), method="POST")) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def test_an_integration_calls_a_service_as_its_role_may(self):
        gw = common.client("apigatewayv2")
        api = gw.create_api(Name=self.name("a"), ProtocolType="HTTP")["ApiId"]
        self.addCleanup(gw.delete_api, ApiId=api)
        gw.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        url, queue = self.queue()
        name, role = self.role(service="apigateway.amazonaws.com")
        _, user, make = self.user(allow("apigateway:*"))
        integration = dict(ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage", PayloadFormatVersion="1.0",
                           RequestParameters={"QueueUrl": url, "MessageBody": "$request.body"})
        self.refused("AccessDeniedException", f"User: {user} is not authorized to perform: iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action",
                     make("apigatewayv2").create_integration, 403, CredentialsArn=role, **integration)
        for key, credentials, authorization in (("$default", role, "NONE"), ("POST /untrusted", self.role(allow("sqs:*"))[1], "NONE"), ("POST /caller", "arn:aws:iam::*:user/*", "AWS_IAM")):
            made = gw.create_integration(CredentialsArn=credentials, **integration)["IntegrationId"]
            gw.create_route(ApiId=api, RouteKey=key, Target="integrations/" + made, AuthorizationType=authorization)
        status, text = self.call(api, "/")
        self.assertEqual(403, status, text)
        self.assertIn(f"<Code>AccessDenied</Code><Message>User: arn:aws:sts::{self.account}:assumed-role/{name}/BackplaneAssumeRoleSession is not authorized to perform: sqs:sendmessage on resource: {queue}", text)
        self.grant(name, allow("sqs:SendMessage", queue))
        self.assertEqual(200, self.call(api, "/")[0])
        self.assertEqual((500, '{"message":"Internal Server Error"}'), self.call(api, "/untrusted"))
        for statements, want in (([], 403), ([allow("execute-api:Invoke")], 403), ([allow("execute-api:Invoke"), allow("sqs:SendMessage", queue)], 200)):
            _, _, caller = self.user(*statements)
            self.assertEqual(want, self.call(api, "/caller", caller)[0])
        self.assertEqual("2", self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"])


class Stacks(Enforced):
    TEMPLATE = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})

    def stack(self, make, **options):
        cloudformation = make("cloudformation")
        name = self.name("s")
        cloudformation.create_stack(StackName=name, TemplateBody=self.TEMPLATE, OnFailure="DO_NOTHING", **options)
        self.addCleanup(self.gone, name)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status, [e.get("ResourceStatusReason", "") for e in cloudformation.describe_stack_events(StackName=name)["StackEvents"]]
            time.sleep(0.05)
        self.fail("the stack does not end")

    def gone(self, name):
        cloudformation = common.client("cloudformation")
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=common.QUICK)

    def test_a_stack_may_what_its_caller_or_its_role_may(self):
        # Source: AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html.
        _, user, make = self.user(allow("cloudformation:*"))
        status, reasons = self.stack(make)
        self.assertEqual("CREATE_FAILED", status)
        self.assertTrue([r for r in reasons if f"User: {user} is not authorized to perform: sqs:createqueue" in r], reasons)
        _, role = self.role(allow("sqs:*"), service="cloudformation.amazonaws.com")
        self.refused("AccessDenied", f"User: {user} is not authorized to perform: iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action",
                     make("cloudformation").create_stack, StackName=self.name("s"), TemplateBody=self.TEMPLATE, RoleARN=role)
        _, _, passes = self.user(allow(["cloudformation:*", "iam:PassRole"]))
        self.assertEqual("CREATE_COMPLETE", self.stack(passes, RoleARN=role)[0])
        self.assertEqual("CREATE_COMPLETE", self.stack(self.user(allow(["cloudformation:*", "sqs:*"]))[2])[0])

    def test_cloud_control_may_what_its_caller_or_its_role_may(self):
        # Text: aws/aws-sdk#140, aws-cloudformation/aws-cloudformation-resource-providers-cloudformation#113.
        _, user, make = self.user(allow("cloudformation:*"))
        control = make("cloudcontrol")
        queue = {"TypeName": "AWS::SQS::Queue", "DesiredState": json.dumps({"QueueName": self.name("q")})}

        def create(by, **options):
            token = by.create_resource(**queue, **options)["ProgressEvent"]["RequestToken"]
            return by.get_resource_request_status(RequestToken=token)["ProgressEvent"]

        failed = create(control)
        self.assertEqual(("FAILED", "AccessDenied"), (failed["OperationStatus"], failed["ErrorCode"]), failed)
        self.assertIn(f"User: {user} is not authorized to perform: sqs:", failed["StatusMessage"])
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            control.list_resources(TypeName="AWS::SQS::Queue")
        error = caught.exception.response["Error"]
        self.assertEqual("AccessDeniedException", error["Code"])
        self.assertTrue(error["Message"].startswith(f"AWS::SQS::Queue Handler returned status FAILED: User: {user} is not authorized to perform: sqs:listqueues"), error)
        resource = f"arn:aws:cloudformation:{common.REGION}:{self.account}:resource/*"
        _, stranger, nobody = self.user()
        self.refused("AccessDeniedException", f"User: {stranger} is not authorized to perform: cloudformation:ListResources on resource: {resource} because no identity-based policy allows the cloudformation:ListResources action",
                     nobody("cloudcontrol").list_resources, TypeName="AWS::SQS::Queue")
        _, role = self.role(allow("sqs:*"), service="cloudformation.amazonaws.com")
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            control.create_resource(**queue, RoleArn=role)
        self.assertIn("iam:PassRole", str(caught.exception))
        _, _, passes = self.user(allow(["cloudformation:*", "iam:PassRole"]))
        made = create(passes("cloudcontrol"), RoleArn=role)
        self.assertEqual("SUCCESS", made["OperationStatus"], made)
        self.sqs.delete_queue(QueueUrl=made["Identifier"])

    def test_a_stack_is_within_the_policies_of_the_session(self):
        _, user, make = self.user()
        _, role = self.role(allow("*"), principal={"AWS": user})
        limited = self.assumed(make, role, Policy=document(allow("cloudformation:*")))
        status, reasons = self.stack(limited)
        self.assertEqual("CREATE_FAILED", status)
        self.assertTrue([r for r in reasons if "because no session policy allows the sqs:createqueue action" in r], reasons)


class Deliveries(Enforced):
    """What services send to each other needs the policy of who gets it."""

    def open(self, url, queue, service, source=None):
        condition = {"Condition": {"ArnEquals": {"aws:SourceArn": source}}} if source else {}
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": queue, **condition})})

    def test_topic_to_queue(self):
        # Source: sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html, sns-dead-letter-queues.html.
        topic = self.sns.create_topic(Name=self.name("t"))["TopicArn"]
        self.addCleanup(self.sns.delete_topic, TopicArn=topic)
        (url, queue), (dead_url, dead) = self.queue(), self.queue()
        self.open(dead_url, dead, "sns.amazonaws.com", topic)
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead}), "RawMessageDelivery": "true"})
        self.sns.publish(TopicArn=topic, Message="refused")
        self.assertEqual("refused", self.received(dead_url)["Body"])
        self.open(url, queue, "sns.amazonaws.com", topic)
        self.sns.publish(TopicArn=topic, Message="let in")
        self.assertEqual("let in", self.received(url)["Body"])

    def test_rule_to_queue(self):
        # Source: eventbridge/latest/userguide/eb-use-resource-based.html, eb-rule-dlq.html.
        events = common.client("events")
        name = self.name("rule")
        rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
        (url, queue), (dead_url, dead) = self.queue(), self.queue()
        self.addCleanup(events.delete_rule, Name=name)
        self.addCleanup(events.remove_targets, Rule=name, Ids=["a"])
        events.put_targets(Rule=name, Targets=[{"Id": "a", "Arn": queue, "DeadLetterConfig": {"Arn": dead}}])
        self.open(dead_url, dead, "events.amazonaws.com", rule)
        events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": '{"n":1}'}])
        letter = self.received(dead_url)
        self.assertEqual("NO_PERMISSIONS", letter["MessageAttributes"]["ERROR_CODE"]["StringValue"])
        self.open(url, queue, "events.amazonaws.com", rule)
        events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": '{"n":2}'}])
        self.assertEqual({"n": 2}, json.loads(self.received(url)["Body"])["detail"])

    def test_bucket_to_queue(self):
        # Source: AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html.
        bucket = self.bucket()
        url, queue = self.queue()
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
            {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue,
             "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}, "StringEquals": {"aws:SourceAccount": self.account}}})})
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectCreated:*"]}]})
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"v")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if "k" in [r["s3"]["object"]["key"] for r in json.loads(self.received(url)["Body"]).get("Records", [])]:
                return
        self.fail("the notification did not come")

    def test_destination_needs_the_role_of_the_function(self):
        role, role_arn = self.role()
        url, queue = self.queue()
        self.grant(role, allow("sqs:SendMessage", queue))
        name = self.create(Role=role_arn)["FunctionName"]
        self.api.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue}})
        self.api.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n":1}')
        self.assertEqual({"n": 1}, json.loads(self.received(url)["Body"])["requestPayload"])

    def test_mapping_reads_as_the_role_of_the_function(self):
        # Text: as users of the deployment tools report it.
        role, role_arn = self.role()
        (url, queue), (out_url, out) = self.queue(), self.queue()
        name = self.create(SENDER.replace('event["url"]', repr(out_url)), Role=role_arn)["FunctionName"]
        mapping = dict(FunctionName=name, EventSourceArn=queue)
        self.fails("InvalidParameterValueException", self.api.create_event_source_mapping, "The provided execution role does not have permissions to call ReceiveMessage on SQS", 400, **mapping)
        self.grant(role, allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue), allow("sqs:SendMessage", out))
        made = self.api.create_event_source_mapping(**mapping)
        self.addCleanup(self.silent, self.api.delete_event_source_mapping, UUID=made["UUID"])
        self.sqs.send_message(QueueUrl=url, MessageBody="m")
        self.assertEqual("from the function", self.received(out_url)["Body"])

    def test_schedule_acts_as_its_role(self):
        scheduler = common.client("scheduler")
        role, role_arn = self.role(service="scheduler.amazonaws.com")
        (url, queue), (dead_url, dead) = self.queue(), self.queue()
        self.grant(role, allow("sqs:SendMessage", dead))
        soon = lambda: time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + 3))  # a time that is past is refused
        for target, body in ((queue, None), (dead, None), ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", {"QueueUrl": url, "MessageBody": "m"})):
            scheduler.create_schedule(Name=self.name("s"), ScheduleExpression=soon(), FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
                                      Target={"Arn": target, "RoleArn": role_arn, "Input": json.dumps(body) if body else '"direct"', "DeadLetterConfig": {"Arn": dead}})
        codes = sorted(self.taken(dead_url) for _ in range(3))
        self.assertEqual(["", "AccessDeniedException", "AccessDeniedException"], codes)
        self.assertEqual("0", self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"])
        self.refused("ValidationException", "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.", scheduler.create_schedule, Name=self.name("s"),
                     ScheduleExpression=soon(), FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": queue, "RoleArn": self.role()[1]})

    def taken(self, url):
        message = self.received(url)
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue", "")


if __name__ == "__main__":
    unittest.main()
