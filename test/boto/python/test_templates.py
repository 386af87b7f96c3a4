"""CloudFormation's templates as boto3 sees them: what is validated and summarised, from where templates are read,
and what transforms make of them.

Texts of errors: as recorded from AWS by localstack's test suite, or as users report them.
"""

import json
import os
import unittest
from urllib.parse import urlsplit

from botocore.exceptions import ClientError, WaiterError

import common

TOPIC = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n"


class Templates(common.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cloudformation = common.client("cloudformation")
        cls.s3 = common.client("s3")
        cls.endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])

    def refused(self, message, call=None, **options):
        with self.assertRaises(ClientError) as caught:
            (call or self.cloudformation.validate_template)(**options)
        error = caught.exception.response["Error"]
        self.assertEqual(("ValidationError", message, 400), (error["Code"], error["Message"], common.status(caught.exception.response)))

    def bucket(self):
        name = self.name("b")
        self.s3.create_bucket(Bucket=name)
        self.addCleanup(self.s3.delete_bucket, Bucket=name)
        return name

    def put(self, bucket, key, text):
        self.addCleanup(self.s3.delete_object, Bucket=bucket, Key=key)
        return self.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())

    def deploy(self, text, capabilities=(), **parameters):
        """The outputs of a stack, and its processed template."""
        name = self.name("s")
        self.cloudformation.create_stack(StackName=name, TemplateBody=text, Capabilities=list(capabilities),
                                         Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        self.addCleanup(self.undeploy, name)
        try:
            self.cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=common.QUICK)
        except WaiterError:
            events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            self.fail([(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in events])
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        processed = self.cloudformation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}, processed

    def undeploy(self, name):
        self.cloudformation.delete_stack(StackName=name)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=common.QUICK)

    def test_validation(self):
        got = common.without(self.cloudformation.validate_template(TemplateBody="""
Description: d
Parameters:
  KeyExample: {Description: The EC2 Key Pair to allow SSH access to the instance, Type: AWS::EC2::KeyPair::KeyName}
  Size: {Type: Number, Default: 3, NoEcho: true}
Resources:
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}, RoleName: !Ref KeyExample}}
"""))
        self.assertEqual({
            "Description": "d", "Capabilities": ["CAPABILITY_NAMED_IAM"], "CapabilitiesReason": "The following resource(s) require capabilities: [AWS::IAM::Role]",
            "Parameters": [{"ParameterKey": "KeyExample", "NoEcho": False, "Description": "The EC2 Key Pair to allow SSH access to the instance"},
                           {"ParameterKey": "Size", "NoEcho": True, "DefaultValue": "3"}]}, got)
        for text, message in {
            '{"this is invalid JSON"="bobbins"}': "Template format error: JSON not well-formed. (line 1, column 25)",
            "Resources:\n  A:\n      B: c\n    D: e\n": "Template format error: YAML not well-formed. (line 4, column 5)",
            "template.yaml": "Template format error: unsupported structure.",
            "{}": "Template format error: At least one Resources member must be defined.",
            "Resources: {A: &a {Type: AWS::SNS::Topic}, B: *a}": "Template error: YAML aliases are not allowed in CloudFormation templates",
            "Resources: {A: {Type: X, Properties: {N: !Ref B}}, B: {Type: X, DependsOn: A}}": "Circular dependency between resources: [A, B]",
            "Resources: {A: {Type: X, Properties: {N: !Ref B}}}": "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
            "Resource: {}\n" + TOPIC: "Invalid template property or properties [Resource]",
        }.items():
            with self.subTest(text):
                self.refused(message, TemplateBody=text)
        self.refused("Either Template URL or Template Body must be specified.")

    def test_summary(self):
        got = common.without(self.cloudformation.get_template_summary(TemplateBody="""
AWSTemplateFormatVersion: '2010-09-09'
Metadata: {TopicName: sns-topic-simple}
Parameters: {P: {Type: String, AllowedValues: [a, b]}}
Transform: [AWS::LanguageExtensions]
Resources: {topic123: {Type: AWS::SNS::Topic}, P: {Type: AWS::SSM::Parameter}, I: {Type: AWS::EC2::Instance}}
""", TemplateSummaryConfig={"TreatUnrecognizedResourceTypesAsWarnings": True}))
        self.assertEqual({"TopicName": "sns-topic-simple"}, json.loads(got.pop("Metadata")))
        self.assertEqual({
            "Version": "2010-09-09", "DeclaredTransforms": ["AWS::LanguageExtensions"], "ResourceTypes": ["AWS::EC2::Instance", "AWS::SNS::Topic", "AWS::SSM::Parameter"],
            "Capabilities": ["CAPABILITY_AUTO_EXPAND"], "CapabilitiesReason": "The following transform(s) require capabilities: [AWS::LanguageExtensions]",
            "Parameters": [{"ParameterKey": "P", "ParameterType": "String", "NoEcho": False, "ParameterConstraints": {"AllowedValues": ["a", "b"]}}],
            "ResourceIdentifierSummaries": [
                {"ResourceType": "AWS::EC2::Instance", "LogicalResourceIds": ["I"]},
                {"ResourceType": "AWS::SNS::Topic", "LogicalResourceIds": ["topic123"], "ResourceIdentifiers": ["TopicArn"]},
                {"ResourceType": "AWS::SSM::Parameter", "LogicalResourceIds": ["P"], "ResourceIdentifiers": ["Name"]}],
            "Warnings": {"UnrecognizedResourceTypes": ["AWS::EC2::Instance"]}}, got)

    def test_template_url_in_every_form(self):
        bucket = self.bucket()
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        first = self.s3.put_object(Bucket=bucket, Key="a/t 1.yaml", Body=b"Description: one\n" + TOPIC.encode())
        second = self.s3.put_object(Bucket=bucket, Key="a/t 1.yaml", Body=b"Description: two\n" + TOPIC.encode())
        for made in (first, second):
            self.addCleanup(self.s3.delete_object, Bucket=bucket, Key="a/t 1.yaml", VersionId=made["VersionId"])
        port = self.endpoint.port
        for url, description in {
            f"{self.endpoint.geturl()}/{bucket}/a/t%201.yaml": "two",
            f"http://localhost:{port}/{bucket}/a/t%201.yaml": "two",
            f"http://{bucket}.localhost:{port}/a/t%201.yaml": "two",
            f"http://{bucket}.s3.{common.REGION}.localhost:{port}/a/t%201.yaml": "two",
            f"https://s3.amazonaws.com/{bucket}/a/t%201.yaml": "two",
            f"https://s3.{common.REGION}.amazonaws.com/{bucket}/a/t%201.yaml": "two",
            f"https://s3-{common.REGION}.amazonaws.com/{bucket}/a/t%201.yaml": "two",
            f"https://{bucket}.s3.amazonaws.com/a/t%201.yaml": "two",
            f"https://{bucket}.s3.{common.REGION}.amazonaws.com/a/t%201.yaml?versionId={first['VersionId']}": "one",
            self.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/t 1.yaml"}): "two",
        }.items():
            with self.subTest(url):
                self.assertEqual(description, self.cloudformation.get_template_summary(TemplateURL=url)["Description"])
        access = "TemplateURL must reference a valid S3 object to which you have access."
        self.refused(access, TemplateURL=f"https://s3.amazonaws.com/{bucket}/nothing.yaml")
        self.refused(access, TemplateURL=f"https://no-{bucket}.s3.amazonaws.com/a.yaml")
        self.refused("TemplateURL must be a supported URL.", TemplateURL="https://example.com/dummy.yml")
        self.refused(f"S3 error: Domain name specified in {bucket} is not a valid S3 domain", TemplateURL=f"s3://{bucket}/a/t.yaml")

    def test_sizes(self):
        bucket = self.bucket()
        padding = "#" * 1_000_000
        self.put(bucket, "exact", (TOPIC + padding)[:1_000_000])
        self.put(bucket, "large", TOPIC + padding)
        self.cloudformation.validate_template(TemplateURL=f"https://s3.amazonaws.com/{bucket}/exact")
        self.refused("Template may not exceed 1000000 bytes in size.", TemplateURL=f"https://s3.amazonaws.com/{bucket}/large")
        text = TOPIC + "#" * 51_200
        self.refused(f"1 validation error detected: Value '{text}' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200", TemplateBody=text)
        for name, text in {"bomb": "a: &a [x, x]\nb: &b [*a, *a]\n" + TOPIC, "deep": "a: " + "[" * 500_000, "wide": "a: [" + "!Ref x, " * 120_000 + "]", "open": "? " * 400_000}.items():
            with self.subTest(name):
                self.put(bucket, name, text)
                with self.assertRaises(ClientError) as caught:
                    self.cloudformation.validate_template(TemplateURL=f"https://s3.amazonaws.com/{bucket}/{name}")
                self.assertEqual("ValidationError", caught.exception.response["Error"]["Code"])

    def test_language_extensions(self):
        outputs, processed = self.deploy("""
Transform: AWS::LanguageExtensions
Parameters: {Names: {Type: CommaDelimitedList}}
Resources:
  Fn::ForEach::Parameters:
    - Name
    - !Ref Names
    - P${Name}: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "${Name} of ${AWS::StackName}"}}
  Count: {Type: AWS::SSM::Parameter, DependsOn: [Pa, Pb], Properties: {Type: String, Value: {Fn::ToJsonString: {n: {Fn::Length: !Ref Names}, first: !Ref Pa}}}}
Outputs:
  Count: {Value: !GetAtt Count.Value}
  First: {Value: !Ref Pa}
""", capabilities=["CAPABILITY_AUTO_EXPAND"], Names="a,b")
        self.assertEqual({"n": 2, "first": outputs["First"]}, json.loads(outputs["Count"]))
        self.assertEqual(["Count", "Pa", "Pb"], sorted(processed["Resources"]))
        self.assertNotIn("Transform", processed)

    def test_output_of_another_stack(self):
        name = self.name("s")
        self.cloudformation.create_stack(StackName=name, TemplateBody=TOPIC + "Outputs: {Arn: {Value: !Ref Topic}}")
        self.addCleanup(self.undeploy, name)
        self.cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=common.QUICK)
        outputs, _ = self.deploy("""
Parameters: {Other: {Type: String}}
Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: {Fn::GetStackOutput: {StackName: !Ref Other, OutputName: Arn}}}}}
Outputs: {Value: {Value: !GetAtt P.Value}}
""", Other=name)
        self.assertRegex(outputs["Value"], f"^arn:aws:sns:{common.REGION}:{common.ACCOUNT}:{name}-Topic-")

    def test_include(self):
        bucket = self.bucket()
        self.put(bucket, "data.yaml", "Value: from_transformation\n")
        outputs, processed = self.deploy("""
Parameters: {BucketName: {Type: String}}
Resources:
  P:
    Type: AWS::SSM::Parameter
    Properties:
      Description: hello
      Type: String
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: !Sub "s3://${BucketName}/data.yaml"}}
Outputs: {Value: {Value: !GetAtt P.Value}}
""", capabilities=["CAPABILITY_AUTO_EXPAND"], BucketName=bucket)
        self.assertEqual({"Value": "from_transformation"}, outputs)
        self.assertEqual({"Description": "hello", "Type": "String", "Value": "from_transformation"}, processed["Resources"]["P"]["Properties"])

    def test_macro(self):
        function = self.name()
        self.create("""
def handler(event, context):
    fragment = event["fragment"]
    fragment["Resources"]["P"]["Properties"]["Value"] = ",".join([event["params"]["Input"], event["templateParameterValues"]["Name"], event["transformId"], event["region"], str(sorted(fragment))])
    return {"requestId": event["requestId"], "status": "success", "fragment": fragment}
""", name=function)
        macro = "M" + function.replace("-", "")
        self.deploy("Resources: {M: {Type: AWS::CloudFormation::Macro, Properties: {Name: %s, FunctionName: %s}}}" % (macro, common.arn(function)))
        text = """
Transform: {Name: %s, Parameters: {Input: !Ref Name}}
Parameters: {Name: {Type: String}}
Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}}
Outputs: {Value: {Value: !GetAtt P.Value}}
""" % macro
        with self.assertRaises(ClientError) as caught:
            self.cloudformation.create_stack(StackName=self.name("s"), TemplateBody=text, Parameters=[{"ParameterKey": "Name", "ParameterValue": "given"}])
        self.assertEqual(("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"),
                         (caught.exception.response["Error"]["Code"], caught.exception.response["Error"]["Message"]))
        outputs, _ = self.deploy(text, capabilities=["CAPABILITY_AUTO_EXPAND"], Name="given")
        self.assertEqual(f"given,given,{common.ACCOUNT}::{macro},{common.REGION},['Outputs', 'Parameters', 'Resources']", outputs["Value"])


if __name__ == "__main__":
    unittest.main()
