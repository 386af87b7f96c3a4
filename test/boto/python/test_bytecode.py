"""Functions start from bytecode that was compiled when they were deployed."""

import io
import json
import unittest
import urllib.request
import zipfile

from common import RUNTIME, Case, archive

# Counts what is compiled from source while the function initialises. The module
# that counts is already imported then: of itself it tells the header of its file.
COUNTING = """
import importlib.machinery

compiled = []
compile_source = importlib.machinery.SourceFileLoader.source_to_code


def counting(self, data, path, **options):
    compiled.append(path)
    return compile_source(self, data, path, **options)


importlib.machinery.SourceFileLoader.source_to_code = counting
import package.module, package.warns


def handler(event, context):
    with open(__cached__ if "__cached__" in globals() else __spec__.cached, "rb") as file:
        own = file.read(8)[4]
    return {"compiled": compiled, "own": own, "value": package.module.VALUE, "file": package.module.where()}
"""


class Bytecode(Case):
    def call(self, name):
        response = self.api.invoke(FunctionName=name)
        payload = json.loads(response["Payload"].read())
        self.assertNotIn("FunctionError", response, payload)
        return payload

    def test_modules_are_loaded_from_bytecode(self):
        module = "import inspect\nVALUE = 42\ndef where():\n    return inspect.currentframe().f_code.co_filename\n"
        self.create(COUNTING, name=(name := self.name()), files={"package/__init__.py": "", "package/module.py": module, "package/warns.py": "x = 1 is 1\n"})
        # What warns is compiled at each start, so that it warns at each start, as on AWS.
        self.assertEqual(self.call(name), {"compiled": ["/var/task/package/warns.py"], "own": 1, "value": 42, "file": "/var/task/package/module.py"})

    def test_the_package_that_is_downloaded_is_the_one_that_was_uploaded(self):
        package = archive({"package/__init__.py": "", "package/module.py": "x = 1\n"}, app="import package.module\ndef handler(event, context):\n    return 1\n")
        self.create(name=(name := self.name()))
        self.api.update_function_code(FunctionName=name, ZipFile=package)
        self.updated(name)
        self.assertEqual(self.call(name), 1)
        with urllib.request.urlopen(self.api.get_function(FunctionName=name)["Code"]["Location"]) as reply:
            got = reply.read()
        self.assertEqual(got, package)
        self.assertNotIn("pyc", " ".join(zipfile.ZipFile(io.BytesIO(got)).namelist()))

    def test_a_layer_over_another_is_never_run_from_the_others_bytecode(self):
        arns = []
        for who, rest in (("low", ""), ("high", "x = 1 is 1\n")):  # what warns has no bytecode of its own
            files = {"python/shared.py": f"who = '{who}'\n{rest}"}
            layer = self.api.publish_layer_version(LayerName=self.name(who), Content={"ZipFile": archive(files)})
            arns.append(layer["LayerVersionArn"])
            low = "import shared, importlib.util, os\ndef handler(event, context):\n    return [shared.who, os.path.exists(importlib.util.cache_from_source(shared.__file__))]\n"
            self.create(low, name=(name := self.name()), Layers=arns)
            self.assertEqual(self.call(name), [who, who == "low"])

    def test_a_package_with_something_else_in_the_place_of_the_cache(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("app.py", "import file.a, link.b\ndef handler(event, context):\n    return [file.a.x, link.b.x]\n")
            z.writestr("file/a.py", "x = 1\n")
            z.writestr("file/__pycache__", "mine")
            z.writestr("link/b.py", "x = 2\n")
            link = zipfile.ZipInfo("link/__pycache__")
            link.create_system, link.external_attr = 3, 0o120777 << 16
            z.writestr(link, "../elsewhere")
            z.writestr("elsewhere/c.txt", "")
        name = self.name()
        self.api.create_function(FunctionName=name, Runtime=RUNTIME, Role="arn:aws:iam::000000000000:role/test", Handler="app.handler", Code={"ZipFile": out.getvalue()})
        self.addCleanup(self._delete, name)
        self.wait(name)
        self.assertEqual(self.call(name), [1, 2])


if __name__ == "__main__":
    unittest.main()
