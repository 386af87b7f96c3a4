"""A stand-in for the compiled part of AWS's client, where there is no wheel."""

import http.client
import os


def initialize_client(user_agent):
    pass


def _call(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime" + path, body, headers or {})
    response = connection.getresponse()
    return response.read(), response.headers


def next():
    body, found = _call("GET", "/invocation/next")
    headers = {name: found.get(name) for name in found}
    headers["Lambda-Runtime-Deadline-Ms"] = int(headers["Lambda-Runtime-Deadline-Ms"])
    return body, headers


def post_invocation_result(invoke_id, body, content_type, invocation_id=None):
    _call("POST", "/invocation/%s/response" % invoke_id, body, {"Content-Type": content_type})


def post_error(invoke_id, body, xray_fault, invocation_id=None):
    _call("POST", "/invocation/%s/error" % invoke_id, body.encode("utf-8"))
