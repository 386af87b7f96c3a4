"""Stacks as boto3 and the AWS command line see them.

Statuses, reasons and texts of errors: as the CloudFormation API reference and user guide have them, or as many users have
recorded them from AWS.
"""

import json
import time
import unittest
import urllib.error
import urllib.request

from botocore.exceptions import ClientError, WaiterError

import common

SLOW = {"Delay": 0.1, "MaxAttempts": 1200}

QUEUE = {"Type": "AWS::SQS::Queue"}


def location():
    return {} if common.REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": common.REGION}}


def template(**sections):
    return json.dumps(sections)


class Stacks(common.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = common.client("cloudformation")

    def setUp(self):
        self.stack = self.name("s")
        self.addCleanup(self.remove, self.stack)

    def remove(self, name):
        self.api.delete_stack(StackName=name)
        self.wait("delete", name)

    def wait(self, what, name=None):
        self.api.get_waiter(f"stack_{what}_complete").wait(StackName=name or self.stack, WaiterConfig=SLOW)

    def create(self, body, **options):
        arn = self.api.create_stack(StackName=self.stack, TemplateBody=body, **options)["StackId"]
        self.wait("create")
        return arn

    def described(self, name=None):
        return self.api.describe_stacks(StackName=name or self.stack)["Stacks"][0]

    def events(self, name=None):
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=name or self.stack)
        found = [e for page in pages for e in page["StackEvents"]]
        return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in reversed(found)]

    def refused(self, code, message, call, **options):
        with self.assertRaises(ClientError) as caught:
            call(**options)
        error = caught.exception.response["Error"]
        self.assertEqual((code, message), (error["Code"], error["Message"]))

    def change_set(self, body, kind="UPDATE", name="changes", **options):
        self.api.create_change_set(StackName=self.stack, ChangeSetName=name, ChangeSetType=kind, TemplateBody=body, **options)
        self.api.get_waiter("change_set_create_complete").wait(StackName=self.stack, ChangeSetName=name, WaiterConfig=SLOW)
        return self.api.describe_change_set(StackName=self.stack, ChangeSetName=name)

    def test_life_of_a_stack(self):
        body = template(
            Description="queues", Parameters={"Word": {"Type": "String", "Default": "one"}, "Secret": {"Type": "String", "NoEcho": True}},
            Resources={"First": {**QUEUE, "Properties": {"VisibilityTimeout": 40, "Tags": [{"Key": "w", "Value": {"Ref": "Word"}}]}},
                       "Second": {**QUEUE, "Properties": {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["First", "Arn"]}, "maxReceiveCount": 3}}}},
            Outputs={"Url": {"Value": {"Ref": "Second"}, "Description": "where", "Export": {"Name": self.stack + "-url"}}})
        arn = self.create(body, Parameters=[{"ParameterKey": "Secret", "ParameterValue": "hidden"}], Tags=[{"Key": "team", "Value": "a"}])
        self.assertRegex(arn, rf"^arn:aws:cloudformation:{common.REGION}:{common.ACCOUNT}:stack/{self.stack}/[0-9a-f-]{{36}}$")
        s = self.described()
        self.assertEqual(("CREATE_COMPLETE", "queues", arn), (s["StackStatus"], s["Description"], s["StackId"]))
        self.assertEqual([{"ParameterKey": "Secret", "ParameterValue": "****"}, {"ParameterKey": "Word", "ParameterValue": "one"}], s["Parameters"])
        self.assertEqual([{"Key": "team", "Value": "a"}], s["Tags"])
        output = s["Outputs"][0]
        self.assertEqual(("Url", "where", self.stack + "-url"), (output["OutputKey"], output["Description"], output["ExportName"]))
        sqs = common.client("sqs")
        self.assertEqual({"team": "a"}, sqs.list_queue_tags(QueueUrl=output["OutputValue"])["Tags"])
        self.assertEqual([(self.stack, "CREATE_IN_PROGRESS", "User Initiated"), ("First", "CREATE_IN_PROGRESS", None), ("First", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
                          ("First", "CREATE_COMPLETE", None), ("Second", "CREATE_IN_PROGRESS", None), ("Second", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
                          ("Second", "CREATE_COMPLETE", None), (self.stack, "CREATE_COMPLETE", None)], self.events())
        listed = self.api.list_stack_resources(StackName=self.stack)["StackResourceSummaries"]
        self.assertEqual([("First", "AWS::SQS::Queue", "CREATE_COMPLETE"), ("Second", "AWS::SQS::Queue", "CREATE_COMPLETE")],
                         [(r["LogicalResourceId"], r["ResourceType"], r["ResourceStatus"]) for r in listed])
        physical = listed[0]["PhysicalResourceId"]
        self.assertEqual(physical, self.api.describe_stack_resource(StackName=self.stack, LogicalResourceId="First")["StackResourceDetail"]["PhysicalResourceId"])
        self.assertEqual(2, len(self.api.describe_stack_resources(PhysicalResourceId=physical)["StackResources"]))
        got = self.api.get_template(StackName=self.stack)
        self.assertEqual((json.loads(body), ["Original", "Processed"]), (got["TemplateBody"], got["StagesAvailable"]))
        self.assertIn(self.stack, [x["StackName"] for x in self.api.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]])
        self.remove(self.stack)
        self.assertEqual("DELETE_COMPLETE", self.described(arn)["StackStatus"])
        self.refused("ValidationError", f"Stack with id {self.stack} does not exist", self.api.describe_stacks, StackName=self.stack)
        self.assertNotIn(self.stack + "-url", [x["Name"] for x in self.api.list_exports()["Exports"]])

    def test_an_update_that_fails_leaves_what_was(self):
        queue = {**QUEUE, "Properties": {"VisibilityTimeout": 10}}
        self.create(template(Resources={"Q": queue}))
        before = self.api.describe_stack_resource(StackName=self.stack, LogicalResourceId="Q")["StackResourceDetail"]["PhysicalResourceId"]
        broken = {"Type": "AWS::SQS::Queue", "DependsOn": "Q", "Properties": {"VisibilityTimeout": 99999999}}
        self.api.update_stack(StackName=self.stack, TemplateBody=template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 20, "FifoQueue": True}}, "Bad": broken}))
        self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
        self.assertEqual("UPDATE_ROLLBACK_COMPLETE", self.described()["StackStatus"])
        after = self.api.describe_stack_resource(StackName=self.stack, LogicalResourceId="Q")["StackResourceDetail"]["PhysicalResourceId"]
        self.assertEqual(before, after)
        sqs = common.client("sqs")
        self.assertEqual("10", sqs.get_queue_attributes(QueueUrl=after, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"])
        self.assertIn((self.stack, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Bad]. "), self.events())
        self.refused("ValidationError", "No updates are to be performed.", self.api.update_stack, StackName=self.stack, TemplateBody=template(Resources={"Q": queue}))
        self.api.update_stack(StackName=self.stack, TemplateBody=template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 20}}}))
        self.wait("update")

    def test_a_creation_that_fails_is_taken_back(self):
        body = template(Resources={"Q": QUEUE, "Bad": {"Type": "AWS::SQS::Queue", "DependsOn": "Q", "Properties": {"VisibilityTimeout": 99999999}}})
        self.api.create_stack(StackName=self.stack, TemplateBody=body)
        with self.assertRaises(WaiterError):
            self.wait("create")
        while self.described()["StackStatus"] == "ROLLBACK_IN_PROGRESS":
            pass
        events = self.events()
        self.assertIn((self.stack, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Bad]. Rollback requested by user."), events)
        self.assertEqual(("Q", "DELETE_COMPLETE", None), events[-2])
        arn = self.described()["StackId"]
        self.refused("ValidationError", f"Stack:{arn} is in ROLLBACK_COMPLETE state and can not be updated.", self.api.update_stack, StackName=self.stack, TemplateBody=body)

    def test_change_sets(self):
        two = template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 10}}, "Old": QUEUE})
        made = self.change_set(two, "CREATE")
        self.assertEqual(("CREATE_COMPLETE", "AVAILABLE"), (made["Status"], made["ExecutionStatus"]))
        self.assertEqual([("Add", "Old"), ("Add", "Q")], [(c["ResourceChange"]["Action"], c["ResourceChange"]["LogicalResourceId"]) for c in made["Changes"]])
        self.assertEqual("REVIEW_IN_PROGRESS", self.described()["StackStatus"])
        self.assertFalse(self.api.get_template(StackName=self.stack)["TemplateBody"])
        self.api.execute_change_set(StackName=self.stack, ChangeSetName="changes")
        self.wait("create")
        self.refused("ValidationError", f"Stack [{self.stack}] already exists and cannot be created again with the changeSet [again].",
                     self.api.create_change_set, StackName=self.stack, ChangeSetName="again", ChangeSetType="CREATE", TemplateBody=two)
        changed = template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 20}}, "New": {"Type": "AWS::SNS::Topic"}, "Sub": {
            "Type": "AWS::SNS::Subscription", "Properties": {"Protocol": "sqs", "TopicArn": {"Ref": "New"}, "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]}}}})
        made = self.change_set(changed, name="second")
        found = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in made["Changes"]}
        self.assertEqual({"Q": "Modify", "Old": "Remove", "New": "Add", "Sub": "Add"}, {name: c["Action"] for name, c in found.items()})
        self.assertEqual(("False", ["Properties"]), (found["Q"]["Replacement"], found["Q"]["Scope"]))
        self.assertEqual({"Target": {"Attribute": "Properties", "Name": "VisibilityTimeout", "RequiresRecreation": "Never"}, "Evaluation": "Static", "ChangeSource": "DirectModification"}, found["Q"]["Details"][0])
        self.api.execute_change_set(StackName=self.stack, ChangeSetName="second")
        self.wait("update")
        self.refused("ChangeSetNotFound", "ChangeSet [nothing] does not exist", self.api.describe_change_set, StackName=self.stack, ChangeSetName="nothing")
        self.api.create_change_set(StackName=self.stack, ChangeSetName="same", TemplateBody=changed)
        same = self.api.describe_change_set(StackName=self.stack, ChangeSetName="same")
        self.assertEqual(("FAILED", "UNAVAILABLE", "The submitted information didn't contain changes. Submit different information to create a change set."),
                         (same["Status"], same["ExecutionStatus"], same["StatusReason"]))
        self.api.delete_change_set(StackName=self.stack, ChangeSetName="same")

    def test_existing_resources_are_imported(self):
        """What cdk bootstrap asks for: a resource that was retained is taken into the stack again."""
        name = self.name("kept")
        body = template(Resources={"Kept": {**QUEUE, "DeletionPolicy": "Retain", "Properties": {"QueueName": name}}, "B": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {
            "BucketName": name}}, "Other": QUEUE})
        common.client("s3").create_bucket(Bucket=name, **location())
        self.addCleanup(common.client("s3").delete_bucket, Bucket=name)
        made = self.change_set(body, "CREATE", ImportExistingResources=True)
        self.assertTrue(made["ImportExistingResources"])
        self.assertEqual({"B": "Import", "Kept": "Add", "Other": "Add"}, {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]["Action"] for c in made["Changes"]})
        self.api.execute_change_set(StackName=self.stack, ChangeSetName="changes")
        self.wait("create")
        found = {r["LogicalResourceId"]: (r["PhysicalResourceId"], r["ResourceStatus"]) for r in self.api.describe_stack_resources(StackName=self.stack)["StackResources"]}
        self.assertEqual((name, "IMPORT_COMPLETE"), found["B"])
        sqs = common.client("sqs")
        self.addCleanup(lambda: sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"]))

    def test_exports_hold_what_is_imported(self):
        self.create(template(Resources={"Q": QUEUE}, Outputs={"A": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}, "Export": {"Name": self.stack + "-arn"}}}))
        other = self.name("t")
        self.addCleanup(self.remove, other)
        imports = template(Resources={"Q": {**QUEUE, "Properties": {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::ImportValue": self.stack + "-arn"}, "maxReceiveCount": 2}}}})
        self.api.create_stack(StackName=other, TemplateBody=imports)
        self.wait("create", other)
        self.assertEqual([other], self.api.list_imports(ExportName=self.stack + "-arn")["Imports"])
        self.api.update_stack(StackName=self.stack, TemplateBody=template(Resources={"Q": QUEUE}))
        self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
        self.assertIn((self.stack, "UPDATE_ROLLBACK_IN_PROGRESS", f"Export {self.stack}-arn cannot be deleted as it is in use by {other}. "), self.events())
        self.api.delete_stack(StackName=self.stack)
        s = self.described()
        self.assertEqual(("UPDATE_ROLLBACK_COMPLETE", f"Delete canceled. Cannot delete export {self.stack}-arn as it is in use by {other}."), (s["StackStatus"], s["StackStatusReason"]))

    def test_refusals(self):
        role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x", "AssumeRolePolicyDocument": {}}}
        self.refused("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]", self.api.create_stack, StackName=self.stack, TemplateBody=template(Resources={"R": role}),
                     Capabilities=["CAPABILITY_IAM"])
        with self.assertRaisesRegex(ClientError, r"Unrecognized resource types: \[AWS::EC2::Nothing\]\nThis platform has:\n(.*\n)*AWS::SQS:: Queue"):
            self.api.create_stack(StackName=self.stack, TemplateBody=template(Resources={"R": {"Type": "AWS::EC2::Nothing"}}))
        with self.assertRaisesRegex(ClientError, r"extraneous key \[Colour\] is not permitted"):
            self.api.create_stack(StackName=self.stack, TemplateBody=template(Resources={"Q": {**QUEUE, "Properties": {"Colour": "red"}}}))
        self.create(template(Resources={"Q": QUEUE}), EnableTerminationProtection=True)
        self.refused("AlreadyExistsException", f"Stack [{self.stack}] already exists", self.api.create_stack, StackName=self.stack, TemplateBody=template(Resources={"Q": QUEUE}))
        self.refused("ValidationError", f"Stack [{self.stack}] cannot be deleted while TerminationProtection is enabled", self.api.delete_stack, StackName=self.stack)
        self.api.update_termination_protection(StackName=self.stack, EnableTerminationProtection=False)
        policy = json.dumps({"Statement": [{"Effect": "Deny", "Action": "Update:Modify", "Principal": "*", "Resource": "LogicalResourceId/Q"}, {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]})
        self.api.set_stack_policy(StackName=self.stack, StackPolicyBody=policy)
        self.assertEqual(policy, self.api.get_stack_policy(StackName=self.stack)["StackPolicyBody"])
        self.api.update_stack(StackName=self.stack, TemplateBody=template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 20}}}))
        self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
        self.assertIn(("Q", "UPDATE_FAILED", "Action denied by stack policy: Statement [#1] does not allow [Update:Modify] for resource [Q]"), self.events())

    def test_drift(self):
        self.create(template(Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": 20}}}))
        url = self.api.describe_stack_resource(StackName=self.stack, LogicalResourceId="Q")["StackResourceDetail"]["PhysicalResourceId"]

        def detect():
            detection = self.api.detect_stack_drift(StackName=self.stack)["StackDriftDetectionId"]
            return self.api.describe_stack_drift_detection_status(StackDriftDetectionId=detection)

        self.assertEqual("IN_SYNC", detect()["StackDriftStatus"])
        sqs = common.client("sqs")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30"})
        found = detect()
        self.assertEqual(("DRIFTED", 1, "DETECTION_COMPLETE"), (found["StackDriftStatus"], found["DriftedStackResourceCount"], found["DetectionStatus"]))
        drift = self.api.describe_stack_resource_drifts(StackName=self.stack)["StackResourceDrifts"][0]
        self.assertEqual(("MODIFIED", [{"PropertyPath": "/VisibilityTimeout", "ExpectedValue": "20", "ActualValue": "30", "DifferenceType": "NOT_EQUAL"}]),
                         (drift["StackResourceDriftStatus"], drift["PropertyDifferences"]))

    def test_schemas_of_types(self):
        found = self.api.describe_type(Type="RESOURCE", TypeName="AWS::Lambda::Function")
        schema = json.loads(found["Schema"])
        self.assertEqual("FULLY_MUTABLE", found["ProvisioningType"])
        self.assertEqual(["/properties/FunctionName"], schema["primaryIdentifier"])
        self.assertIn("Timeout", schema["properties"])
        self.assertNotIn("VpcConfig", schema["properties"])  # it is refused here

    def test_nested_stack(self):
        s3, bucket = common.client("s3"), self.name("b")
        s3.create_bucket(Bucket=bucket, **location())
        self.addCleanup(s3.delete_bucket, Bucket=bucket)
        inner = template(Parameters={"Seconds": {"Type": "Number"}}, Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}}, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}}})
        s3.put_object(Bucket=bucket, Key="inner.json", Body=inner)
        self.addCleanup(s3.delete_object, Bucket=bucket, Key="inner.json")

        def body(seconds):
            return template(Resources={"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": f"https://{bucket}.s3.amazonaws.com/inner.json", "Parameters": {"Seconds": seconds}}}},
                            Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Arn"]}}})

        arn = self.create(body(10))
        nested = self.api.describe_stack_resource(StackName=self.stack, LogicalResourceId="Inner")["StackResourceDetail"]["PhysicalResourceId"]
        s = self.described(nested)
        self.assertEqual(("CREATE_COMPLETE", arn, arn), (s["StackStatus"], s["ParentId"], s["RootId"]))
        self.assertEqual(self.described()["Outputs"][0]["OutputValue"], s["Outputs"][0]["OutputValue"])
        self.api.update_stack(StackName=self.stack, TemplateBody=body(20))
        self.wait("update")
        self.assertEqual("UPDATE_COMPLETE", self.described(nested)["StackStatus"])
        self.remove(self.stack)
        self.assertEqual("DELETE_COMPLETE", self.described(nested)["StackStatus"])

    def test_change_sets_of_nested_stacks(self):
        s3, bucket = common.client("s3"), self.name("b")
        s3.create_bucket(Bucket=bucket, **location())
        self.addCleanup(s3.delete_bucket, Bucket=bucket)
        self.addCleanup(s3.delete_object, Bucket=bucket, Key="inner.json")

        def put(seconds):
            s3.put_object(Bucket=bucket, Key="inner.json", Body=template(
                Parameters={"Dead": {"Type": "String"}}, Conditions={"HasDead": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Dead"}, ""]}]}},
                Resources={"Q": {**QUEUE, "Properties": {"VisibilityTimeout": seconds}}, "Told": {"Type": "AWS::SSM::Parameter", "Condition": "HasDead", "Properties": {"Type": "String", "Value": {"Ref": "Dead"}}}}))

        body = template(Resources={"Dead": QUEUE, "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {
            "TemplateURL": f"https://{bucket}.s3.amazonaws.com/inner.json", "Parameters": {"Dead": {"Fn::GetAtt": ["Dead", "Arn"]}}}}})

        def nested(made):
            change = next(c["ResourceChange"] for c in made["Changes"] if c["ResourceChange"]["LogicalResourceId"] == "Inner")
            child = self.api.describe_change_set(ChangeSetName=change["ChangeSetId"])
            self.assertEqual((made["ChangeSetId"], made["ChangeSetId"]), (child["ParentChangeSetId"], child["RootChangeSetId"]))
            return child, [(c["ResourceChange"]["LogicalResourceId"], c["ResourceChange"]["Action"]) for c in child["Changes"]]

        put(10)
        child, changes = nested(self.change_set(body, "CREATE", IncludeNestedStacks=True))
        self.assertEqual([("Q", "Add"), ("Told", "Dynamic")], changes)
        self.assertEqual([{"ParameterKey": "Dead", "ParameterValue": "{{changeSet:KNOWN_AFTER_APPLY}}"}], child["Parameters"])
        self.assertEqual("REVIEW_IN_PROGRESS", self.described(child["StackId"])["StackStatus"])
        with self.assertRaisesRegex(ClientError, "can only be executed with its root"):
            self.api.execute_change_set(ChangeSetName=child["ChangeSetId"])
        put(20)
        self.api.execute_change_set(StackName=self.stack, ChangeSetName="changes")
        self.wait("create")
        s = self.described(child["StackId"])
        self.assertEqual(("CREATE_COMPLETE", child["ChangeSetId"]), (s["StackStatus"], s["ChangeSetId"]))
        self.assertIn('"VisibilityTimeout": 10', json.dumps(self.api.get_template(StackName=child["StackId"])["TemplateBody"]))
        made = self.change_set(body, name="second", IncludeNestedStacks=True)
        self.assertEqual([("Q", "Modify")], nested(made)[1])
        self.assertEqual(("Automatic", "Dynamic"), (made["Changes"][0]["ResourceChange"]["Details"][0]["ChangeSource"], made["Changes"][0]["ResourceChange"]["Details"][0]["Evaluation"]))
        self.api.execute_change_set(StackName=self.stack, ChangeSetName="second")
        self.wait("update")
        self.api.create_change_set(StackName=self.stack, ChangeSetName="same", TemplateBody=body, IncludeNestedStacks=True)
        self.assertIn("didn't contain changes", self.api.describe_change_set(StackName=self.stack, ChangeSetName="same")["StatusReason"])

    def test_custom_resource(self):
        code = """import cfnresponse
def handler(event, context):
    p = event["ResourceProperties"]
    if p.get("Fail") == event["RequestType"]:
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, "thing-" + p["Id"], reason="as asked")
    else:
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Word": p["Word"] + "!", "Old": str("OldResourceProperties" in event)}, "thing-" + p["Id"])
"""

        def body(**properties):
            return template(Resources={
                "F": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": common.RUNTIME, "Handler": "index.handler", "Timeout": 60, "Role": common.ROLE, "Code": {"ZipFile": code}}},
                "Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["F", "Arn"]}, **properties}}},
                Outputs={"Word": {"Value": {"Fn::GetAtt": ["Thing", "Word"]}}, "Ref": {"Value": {"Ref": "Thing"}}})

        def outputs():
            return {o["OutputKey"]: o["OutputValue"] for o in self.described()["Outputs"]}

        self.create(body(Word="hi", Id=1, Fail=False))
        self.assertEqual({"Word": "hi!", "Ref": "thing-1"}, outputs())
        self.api.update_stack(StackName=self.stack, TemplateBody=body(Word="ho", Id=2))
        self.wait("update")
        self.assertEqual({"Word": "ho!", "Ref": "thing-2"}, outputs())
        self.assertEqual([("Thing", "DELETE_IN_PROGRESS", None), ("Thing", "DELETE_COMPLETE", None), (self.stack, "UPDATE_COMPLETE", None)], self.events()[-3:])
        self.api.update_stack(StackName=self.stack, TemplateBody=body(Word="no", Id=2, Fail="Update"))
        self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
        self.assertEqual({"Word": "ho!", "Ref": "thing-2"}, outputs())
        reasons = [reason for name, status, reason in self.events() if (name, status) == ("Thing", "UPDATE_FAILED")]
        self.assertRegex(reasons[0], r"^Received response status \[FAILED\] from custom resource. Message returned: as asked \(RequestId: [0-9a-f-]{36}\)$")

    def topic_with_queue(self):
        """A topic, and a function that receives the next message that it got."""
        sns, sqs = common.client("sns"), common.client("sqs")
        topic = sns.create_topic(Name=self.name("t"))["TopicArn"]
        url = sqs.create_queue(QueueName=self.name("q"))["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.addCleanup(sns.delete_topic, TopicArn=topic)
        self.addCleanup(sqs.delete_queue, QueueUrl=url)

        def receive():
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", []):
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    return json.loads(message["Body"])
            self.fail("the topic told nothing")
        return topic, receive

    def test_custom_resource_of_a_topic(self):
        """Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html"""
        topic, receive = self.topic_with_queue()

        def body(**properties):
            return template(Resources={"Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": topic, **properties}}},
                            Outputs={"Word": {"Value": {"Fn::GetAtt": ["Thing", "Word"]}}, "Ref": {"Value": {"Ref": "Thing"}}})

        def request(kind):
            message = receive()
            self.assertEqual("AWS CloudFormation custom resource request", message["Subject"])
            document = json.loads(message["Message"])
            self.assertEqual((kind, "Thing", "Custom::Thing", topic), (document["RequestType"], document["LogicalResourceId"], document["ResourceType"], document["ServiceToken"]))
            return document

        def answer(document, **more):
            whole = {"Status": "SUCCESS", "PhysicalResourceId": "one", **{k: document[k] for k in ("StackId", "RequestId", "LogicalResourceId")}, **more}
            put(document["ResponseURL"], whole)

        def put(url, document):
            with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(document).encode(), method="PUT")) as response:
                self.assertEqual(200, response.status)

        self.api.create_stack(StackName=self.stack, TemplateBody=body(Size=1))
        first = request("Create")
        self.assertEqual({"ServiceToken": topic, "Size": "1"}, first["ResourceProperties"])
        answer(first, Data={"Word": "hi"})
        self.wait("create")
        self.assertEqual({"Word": "hi", "Ref": "one"}, {o["OutputKey"]: o["OutputValue"] for o in self.described()["Outputs"]})
        with self.assertRaisesRegex(urllib.error.HTTPError, "403") as caught:
            put(first["ResponseURL"], {})
        caught.exception.close()
        # Another PhysicalResourceId: the former one is deleted in the clean-up.
        self.api.update_stack(StackName=self.stack, TemplateBody=body(Size=2))
        second = request("Update")
        self.assertEqual(("one", "1", "2"), (second["PhysicalResourceId"], second["OldResourceProperties"]["Size"], second["ResourceProperties"]["Size"]))
        answer(second, PhysicalResourceId="two", Data={"Word": "ho"}, NoEcho=True)
        gone = request("Delete")
        self.assertEqual(("one", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), (gone["PhysicalResourceId"], self.described()["StackStatus"]))
        answer(gone)
        self.wait("update")
        # NoEcho hides the attributes, but not in outputs: crpg-ref-responses.html
        self.assertEqual({"Word": "ho", "Ref": "two"}, {o["OutputKey"]: o["OutputValue"] for o in self.described()["Outputs"]})
        # Too long, and a failure: each is rolled back by a request of the other way.
        for wrong, reason in ({"Data": {"Word": "x" * 4096}}, "Response object is too long."), ({"Status": "FAILED", "Reason": "no room"}, "Message returned: no room (RequestId: "):
            self.api.update_stack(StackName=self.stack, TemplateBody=body(Size=3))
            answer(request("Update"), **{"PhysicalResourceId": "two", **wrong})
            back = request("Update")
            self.assertEqual(("3", "2"), (back["OldResourceProperties"]["Size"], back["ResourceProperties"]["Size"]))
            answer(back, PhysicalResourceId="two", Data={"Word": "ho"}, NoEcho=True)
            self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
            self.assertIn(reason, [r for n, s, r in self.events() if (n, s) == ("Thing", "UPDATE_FAILED")][-1])
        # Nobody answers in time.
        self.api.update_stack(StackName=self.stack, TemplateBody=body(Size=4, ServiceTimeout=1))
        request("Update")
        answer(request("Update"), PhysicalResourceId="two", Data={"Word": "ho"}, NoEcho=True)
        self.api.get_waiter("stack_rollback_complete").wait(StackName=self.stack, WaiterConfig=SLOW)
        self.assertIn("CloudFormation did not receive a response from your Custom Resource.", [r for n, s, r in self.events() if (n, s) == ("Thing", "UPDATE_FAILED")][-1])
        self.api.delete_stack(StackName=self.stack)
        answer(request("Delete"), PhysicalResourceId="two")
        self.wait("delete")

    def test_custom_resource_of_a_topic_with_a_function(self):
        code = """import cfnresponse, json
def handler(event, context):
    request = json.loads(event["Records"][0]["Sns"]["Message"])
    cfnresponse.send(request, context, cfnresponse.SUCCESS, {"Word": "hi"}, "one")
"""
        self.create(template(Resources={
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": common.RUNTIME, "Handler": "index.handler", "Timeout": 60, "Role": common.ROLE, "Code": {"ZipFile": code}}},
            "T": {"Type": "AWS::SNS::Topic"}, "P": {"Type": "AWS::Lambda::Permission", "Properties": {
                "FunctionName": {"Ref": "F"}, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com", "SourceArn": {"Ref": "T"}}},
            "S": {"Type": "AWS::SNS::Subscription", "DependsOn": "P", "Properties": {"TopicArn": {"Ref": "T"}, "Protocol": "lambda", "Endpoint": {"Fn::GetAtt": ["F", "Arn"]}}},
            "Thing": {"Type": "AWS::CloudFormation::CustomResource", "DependsOn": "S", "Properties": {"ServiceToken": {"Ref": "T"}, "ServiceTimeout": 60}}},
            Outputs={"Word": {"Value": {"Fn::GetAtt": ["Thing", "Word"]}}}))
        self.assertEqual("hi", self.described()["Outputs"][0]["OutputValue"])

    def test_wait_conditions(self):
        """Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html"""
        def body(handle, **properties):
            return template(Resources={
                handle: {"Type": "AWS::CloudFormation::WaitConditionHandle"},
                "Told": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/" + self.stack, "Value": {"Ref": handle}}},
                "W" + handle: {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": "Told", "Properties": {"Handle": {"Ref": handle}, **properties}}},
                Outputs={"Data": {"Value": {"Fn::GetAtt": ["W" + handle, "Data"]}}})

        def signal(url, **document):
            with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(document).encode(), method="PUT")):
                pass

        def handle():
            ssm, deadline = common.client("ssm"), time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    return ssm.get_parameter(Name="/" + self.stack)["Parameter"]["Value"]
                except ssm.exceptions.ParameterNotFound:
                    time.sleep(0.05)
            self.fail("there is no handle")

        self.api.create_stack(StackName=self.stack, TemplateBody=body("First", Timeout=600, Count=2))
        url = handle()
        signal(url, Status="SUCCESS", UniqueId="a", Data="1", Reason="r")
        signal(url, Status="SUCCESS", UniqueId="a", Data="again", Reason="of one id the first counts")
        self.assertEqual("CREATE_IN_PROGRESS", self.described()["StackStatus"])
        signal(url, Status="SUCCESS", UniqueId="b", Data="2", Reason="r")
        self.wait("create")
        self.assertEqual({"a": "1", "b": "2"}, json.loads(self.described()["Outputs"][0]["OutputValue"]))
        with self.assertRaisesRegex(ClientError, "cannot be signaled"):
            self.api.signal_resource(StackName=self.stack, LogicalResourceId="First", UniqueId="x", Status="SUCCESS")
        self.remove(self.stack)
        self.api.create_stack(StackName=self.stack, TemplateBody=body("First", Timeout=600))
        signal(handle(), Status="FAILURE", UniqueId="a", Reason="no disk", Data="")
        self.assertRaises(WaiterError, self.wait, "create")
        self.assertIn(("WFirst", "CREATE_FAILED", "WaitCondition received failed message: 'no disk' for uniqueId: a"), self.events())
        self.remove(self.stack)
        self.api.create_stack(StackName=self.stack, TemplateBody=body("First", Timeout=1))
        self.assertRaises(WaiterError, self.wait, "create")
        self.assertIn(("WFirst", "CREATE_FAILED", "WaitCondition timed out. Received 0 conditions when expecting 1"), self.events())

    def test_signals(self):
        """Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-creationpolicy.html"""
        def body(**wanted):
            return template(Resources={"W": {"Type": "AWS::CloudFormation::WaitCondition", "CreationPolicy": {"ResourceSignal": wanted}}})

        def signal(unique, status):
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    return self.api.signal_resource(StackName=self.stack, LogicalResourceId="W", UniqueId=unique, Status=status)
                except ClientError as e:  # it is not being made yet
                    self.assertEqual("ValidationError", e.response["Error"]["Code"])
                time.sleep(0.05)
            self.fail("the resource takes no signal")

        self.api.create_stack(StackName=self.stack, TemplateBody=body(Count=2, Timeout="PT10M"))
        for unique in ("a", "a", "b"):
            signal(unique, "SUCCESS")
        self.wait("create")
        self.assertEqual(1, self.events().count(("W", "CREATE_IN_PROGRESS", "Received SUCCESS signal with UniqueId a")))
        with self.assertRaisesRegex(ClientError, "Resource W is in CREATE_COMPLETE state and cannot be signaled"):
            self.api.signal_resource(StackName=self.stack, LogicalResourceId="W", UniqueId="c", Status="SUCCESS")
        self.remove(self.stack)
        self.api.create_stack(StackName=self.stack, TemplateBody=body())
        signal("x", "FAILURE")
        self.assertRaises(WaiterError, self.wait, "create")
        self.assertIn(("W", "CREATE_FAILED", "Received FAILURE signal with UniqueId x"), self.events())
        self.remove(self.stack)
        self.api.create_stack(StackName=self.stack, TemplateBody=body(Timeout="PT1S"))
        self.assertRaises(WaiterError, self.wait, "create")
        self.assertIn(("W", "CREATE_FAILED", "Failed to receive 1 resource signal(s) within the specified duration"), self.events())

    def test_topics_hear_of_events(self):
        topic, receive = self.topic_with_queue()
        arn = self.create(template(Parameters={"Secret": {"Type": "String", "NoEcho": True}}, Resources={"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Secret"}}}}),
                          NotificationARNs=[topic], Parameters=[{"ParameterKey": "Secret", "ParameterValue": "hush-hush"}])
        self.assertEqual([topic], self.described()["NotificationARNs"])
        missing = {("AWS::CloudFormation::Stack", "CREATE_COMPLETE"), ("AWS::SSM::Parameter", "CREATE_COMPLETE")}  # in any order: the topic is a standard one
        while missing:
            message = receive()
            self.assertEqual("AWS CloudFormation Notification", message["Subject"])
            lines = dict(line.split("=", 1) for line in message["Message"].splitlines())
            self.assertEqual((f"'{arn}'", f"'{self.stack}'", f"'{common.ACCOUNT}'"), (lines["StackId"], lines["StackName"], lines["Namespace"]))
            self.assertNotIn("hush-hush", message["Message"])
            missing.discard((lines["ResourceType"].strip("'"), lines["ResourceStatus"].strip("'")))


if __name__ == "__main__":
    unittest.main()
