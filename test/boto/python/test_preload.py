"""What the platform imports ahead of a function is never seen in place of the function's own."""

import json
import unittest

from common import Case

IMPORTS_BOTO3 = """
import sys

ahead = sorted(name for name in ("boto3", "botocore", "urllib3") if name in sys.modules)
import boto3

sqs = boto3.client("sqs", region_name="eu-west-1")


def handler(event, context):
    return [ahead, boto3.__file__, sqs.meta.region_name, sqs._request_signer._credentials.access_key[:4], boto3.DEFAULT_SESSION is not None]
"""


class Preload(Case):
    def call(self, name):
        response = self.api.invoke(FunctionName=name)
        payload = json.loads(response["Payload"].read())
        self.assertNotIn("FunctionError", response, payload)
        return payload

    def test_boto3_is_there_ahead_and_holds_nothing_of_anybody(self):
        self.create(IMPORTS_BOTO3, name=(name := self.name()))
        site = "/var/lang/lib/python3.14/site-packages/boto3/__init__.py"
        self.assertEqual(self.call(name), [["boto3", "botocore", "urllib3"], site, "eu-west-1", "ASIA", True])

    def test_a_function_without_it_starts_without_it(self):
        self.create("import sys\nahead = 'boto3' in sys.modules\ndef handler(event, context):\n    return ahead\n", name=(name := self.name()))
        self.assertIs(self.call(name), False)

    def test_the_boto3_of_the_package_wins(self):
        files = {"boto3/__init__.py": "def client(*a, **k):\n    return 'mine'\n"}
        self.create("import boto3\ndef handler(event, context):\n    return [boto3.client('sqs'), boto3.__file__]\n", name=(name := self.name()), files=files)
        self.assertEqual(self.call(name), ["mine", "/var/task/boto3/__init__.py"])

    def test_what_boto3_depends_on_wins_too(self):
        # Also what boto3 looked for and did not find.
        source = "import sys\nahead = 'boto3' in sys.modules\nimport boto3, %s\ndef handler(event, context):\n    return [ahead, %s.__file__]\n"
        for module in ("jmespath", "awscrt"):
            files = {module + "/__init__.py": "def compile(*a, **k):\n    pass\nclass Options:\n    pass\n__version__ = '0.0.1'\n", module + "/exceptions.py": "",
                     module + "/auth.py": "", module + "/visitor.py": ""}
            source_of = source.replace("import boto3, ", "import ")  # the runtime's boto3 does not work with such a thing
            self.create(source_of % (module, module), name=(name := self.name()), files=files | {"later.py": "def f():\n    import boto3\n"})
            self.assertEqual(self.call(name), [False, f"/var/task/{module}/__init__.py"])

    def test_modules_named_as_standard_ones_win_but_for_those_that_aws_imports_first(self):
        files = {"queue.py": "who = 'mine'\n", "json.py": "who = 'mine'\n", "html/page.txt": "no module", "statistics/__init__.py": "who = 'mine'\n"}
        source = "import queue, json, html, statistics\ndef handler(event, context):\n    return [getattr(m, 'who', 'standard') for m in (queue, json, html, statistics)]\n"
        self.create(source, name=(name := self.name()), files=files)
        self.assertEqual(self.call(name), ["mine", "standard", "standard", "mine"])


if __name__ == "__main__":
    unittest.main()
