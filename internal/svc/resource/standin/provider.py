"""Hands the requests for a custom resource to a function of the user's, as the CDK's provider framework does for its onEvent handler."""

import json
import os

import boto3
import botocore.config

import cfnresponse

USER_FUNCTION = os.environ["USER_ON_EVENT_FUNCTION_ARN"]
LONGEST_CALL = 900  # seconds
# The physical id of what could not be made: its deletion is none of the user's business.
NEVER_MADE = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
UNKNOWN = "AWSCDK::CustomResourceProviderFramework::MISSING_PHYSICAL_ID"

functions = boto3.client("lambda", config=botocore.config.Config(read_timeout=LONGEST_CALL, retries={"max_attempts": 0}))


def handler(event, context):
    before = event.get("PhysicalResourceId")
    if event["RequestType"] == "Delete" and before == NEVER_MADE:
        cfnresponse.send(event, context, cfnresponse.SUCCESS, None, before, reason=cfnresponse.SUCCESS)
        return
    try:
        answer = ask(event)
        physical = answer.get("PhysicalResourceId") or before or event["RequestId"]
        if event["RequestType"] == "Delete" and physical != before:
            raise ValueError('DELETE: cannot change the physical resource ID from "{}" to "{}" during deletion'.format(before, physical))
    except Exception as e:
        print("the request could not be carried out:", e)
        unmade = NEVER_MADE if event["RequestType"] == "Create" else UNKNOWN
        cfnresponse.send(event, context, cfnresponse.FAILED, None, before or unmade, reason=str(e))
        return
    cfnresponse.send(event, context, cfnresponse.SUCCESS, answer.get("Data"), physical, noEcho=bool(answer.get("NoEcho")), reason=cfnresponse.SUCCESS)


def ask(event):
    """Calls the user's function and gives what it answers."""
    reply = functions.invoke(FunctionName=USER_FUNCTION, Payload=json.dumps(event))
    text = reply["Payload"].read().decode()
    try:
        answer = json.loads(text or "null") or {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ValueError("return values from user-handlers must be JSON objects. got: " + json.dumps(text))
    if reply.get("FunctionError"):
        raise RuntimeError("{}\n\nLogs: /aws/lambda/{}\n".format(answer.get("errorMessage") or "error", USER_FUNCTION.split(":")[6]))
    return answer
