"""Makes a log group and sets how long it keeps its events, as the CDK's handler of Custom::LogRetention does."""

import boto3

import cfnresponse

OWN_DAYS = 1  # the handler's own log


def handler(event, context):
    wanted = event.get("ResourceProperties") or {}
    group = wanted.get("LogGroupName", "")
    try:
        logs = boto3.client("logs", region_name=wanted.get("LogGroupRegion"))
        if event["RequestType"] == "Delete":
            if wanted.get("RemovalPolicy") == "destroy":
                remove(logs, group)
        else:
            keep(logs, group, wanted.get("RetentionInDays"))
            if event["RequestType"] == "Create":
                keep(boto3.client("logs"), "/aws/lambda/" + context.function_name, OWN_DAYS)
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {"LogGroupName": group}, group)
    except Exception as e:
        print("the log group could not be changed:", e)
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, event.get("PhysicalResourceId") or group, reason=str(e))


def keep(logs, group, days):
    try:
        logs.create_log_group(logGroupName=group)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    if days:
        logs.put_retention_policy(logGroupName=group, retentionInDays=int(days))
    else:
        logs.delete_retention_policy(logGroupName=group)


def remove(logs, group):
    try:
        logs.delete_log_group(logGroupName=group)
    except logs.exceptions.ResourceNotFoundException:
        pass
