"""What the suites share: clients, packages and functions that clean up behind themselves.

The clients find the platform and their credentials in the environment, as any
program with boto3 does.
"""

import io
import itertools
import os
import re
import unittest
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
REGION = os.environ["AWS_DEFAULT_REGION"]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/test"
RUNTIME = "python3.14"
ECHO = "def handler(event, context):\n    return {'got': event}\n"

_numbers = itertools.count(1)


def client(service="lambda", **config):
    # No retries: a test must see the first answer.
    return boto3.client(service, config=Config(retries={"total_max_attempts": 1}, read_timeout=120, **config))


def archive(files=None, **texts):
    """A deployment package: path -> text."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for path, text in {**(files or {}), **{name + ".py": text for name, text in texts.items()}}.items():
            z.writestr(path, text)
    return out.getvalue()


def arn(name, qualifier=None):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def without(response, *names):
    return {k: v for k, v in response.items() if k not in ("ResponseMetadata", *names)}


def status(response):
    return response["ResponseMetadata"]["HTTPStatusCode"]


TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
QUICK = {"Delay": 0.05, "MaxAttempts": 1200}


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.api = client()

    def name(self, prefix="f"):
        return f"{prefix}-{type(self).__name__.lower()}-{next(_numbers)}"

    def create(self, source=ECHO, wait=True, name=None, files=None, **options):
        name = name or self.name()
        arguments = {
            "FunctionName": name, "Runtime": RUNTIME, "Role": ROLE, "Handler": "app.handler",
            "Code": {"ZipFile": archive(files, app=source)}, **options,
        }
        response = self.api.create_function(**arguments)
        self.addCleanup(self._delete, name)
        if wait:
            self.wait(name)
        return response

    def wait(self, name, waiter="function_active_v2"):
        self.api.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=QUICK)

    def updated(self, name):
        self.wait(name, "function_updated_v2")

    def _delete(self, name):
        try:
            self.api.delete_function(FunctionName=name)
        except self.api.exceptions.ResourceNotFoundException:
            pass

    def fails(self, exception, call, message=None, code=None, **arguments):
        """Calls and expects exactly this exception class and text."""
        expected = getattr(self.api.exceptions, exception, ClientError)
        with self.assertRaises(expected) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], exception)
        if code is not None:
            self.assertEqual(status(caught.exception.response), code)
        if isinstance(message, re.Pattern):
            self.assertRegex(caught.exception.response["Error"]["Message"], message)
        elif message is not None:
            self.assertEqual(caught.exception.response["Error"]["Message"], message)
        return caught.exception.response
