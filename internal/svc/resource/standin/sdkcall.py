"""Makes one call of an AWS API for each change of a custom resource, as the CDK's handler of Custom::AWS does."""

import datetime
import json
import re
import time

import boto3
import botocore.exceptions

import cfnresponse

PHYSICAL_ID = "PHYSICAL:RESOURCEID:"  # stands for it in parameters
LONGEST_SESSION_NAME = 64
# Services whose clients have another name here than in the SDK for JavaScript.
CLIENTS = {
    "cloudwatchlogs": "logs", "cloudwatchevents": "events", "eventbridge": "events", "stepfunctions": "stepfunctions", "sfn": "stepfunctions",
    "secretsmanager": "secretsmanager", "cognitoidentityserviceprovider": "cognito-idp", "elbv2": "elbv2",
}


def handler(event, context):
    wanted = event["ResourceProperties"]
    calls = {kind: json.loads(wanted[kind]) for kind in ("Create", "Update", "Delete") if wanted.get(kind)}
    call = calls.get(event["RequestType"])
    physical, data = physical_id(event, calls), {}
    try:
        if call:
            found = make(call, physical)
            data = chosen(call, found)
            path = (call.get("physicalResourceId") or {}).get("responsePath")
            if path:
                physical = found.get(path)
        cfnresponse.send(event, context, cfnresponse.SUCCESS, data, physical, reason="OK")
    except Exception as e:
        print("the call failed:", e)
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, event.get("PhysicalResourceId") or context.log_stream_name, reason=str(e))


def physical_id(event, calls):
    """The id that the properties tell; what the answer tells counts more."""
    kinds = ("Create", "Update", "Delete") if event["RequestType"] == "Create" else (event["RequestType"],)
    for kind in kinds:
        given = ((calls.get(kind) or {}).get("physicalResourceId") or {}).get("id")
        if given:
            return given
    return event.get("PhysicalResourceId") or event["LogicalResourceId"]


def make(call, physical):
    """Makes the call and gives the answer by the paths in it."""
    client = boto3.client(client_name(call["service"]), **session(call, physical))
    name = call["action"].removesuffix("Command").lower()
    method = next((m for m, operation in client.meta.method_to_api_mapping.items() if operation.lower() == name), None)
    if method is None:
        raise ValueError("{} has no action {}".format(call["service"], call["action"]))
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    try:
        answer = getattr(client, method)(**fitted(call.get("parameters") or {}, shape, physical))
    except botocore.exceptions.ClientError as e:
        ignored = call.get("ignoreErrorCodesMatching")
        if ignored and any(re.search(ignored, name) for name in (e.response["Error"]["Code"], type(e).__name__)):
            print("ignored:", e)
            return {}
        raise
    answer.pop("ResponseMetadata", None)
    found = {"region": client.meta.region_name}
    flatten(answer, "", found)
    if call.get("logApiResponseData", True):
        print("API response", found)
    return found


def client_name(service):
    """The name of boto3's client for a service as either SDK for JavaScript names it."""
    name = service.lower().removeprefix("@aws-sdk/client-")
    plain = name.replace("-", "").replace(" ", "")
    if plain in CLIENTS:
        return CLIENTS[plain]
    return next((known for known in boto3.session.Session().get_available_services() if known.replace("-", "") == plain), name)


def session(call, physical):
    """Region and credentials of the call."""
    given = {"region_name": call["region"]} if call.get("region") else {}
    if not call.get("assumedRoleArn"):
        return given
    name = re.sub(r"[^\w+=,.@-]", "", "{}-{}".format(int(time.time() * 1000), physical))[:LONGEST_SESSION_NAME]
    external = {"ExternalId": call["externalId"]} if call.get("externalId") else {}
    keys = boto3.client("sts", **given).assume_role(RoleArn=call["assumedRoleArn"], RoleSessionName=name, **external)["Credentials"]
    return dict(given, aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])


def fitted(value, shape, physical):
    """Parameters in the types of the API: in a template numbers and truths may be text."""
    if value == PHYSICAL_ID:
        value = physical
    kind = shape.type_name if shape is not None else ""
    if isinstance(value, dict):
        members = shape.members if kind == "structure" else {}
        other = shape.value if kind == "map" else None
        return {key: fitted(one, members.get(key, other), physical) for key, one in value.items()}
    if isinstance(value, list):
        return [fitted(one, shape.member if kind == "list" else None, physical) for one in value]
    if isinstance(value, str) and kind in ("integer", "long"):
        return int(value)
    if isinstance(value, str) and kind in ("float", "double"):
        return float(value)
    if isinstance(value, str) and kind == "boolean":
        return value.lower() == "true"
    return value


def flatten(value, path, into):
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, datetime.datetime):
        value = value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        for key, one in value.items():
            flatten(one, path + "." + key if path else key, into)
    elif isinstance(value, list):
        for i, one in enumerate(value):
            flatten(one, path + "." + str(i), into)
    else:
        into[path] = value


def chosen(call, found):
    """What of the answer the resource keeps."""
    paths = [call["outputPath"]] if call.get("outputPath") else call.get("outputPaths")
    if not paths:
        return found
    return {key: value for key, value in found.items() if key.startswith(tuple(paths))}
