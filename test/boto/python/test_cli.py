"""The AWS command line, as the README shows it."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from common import ECHO, ROLE, RUNTIME, Case, archive, arn


class CommandLine(Case):
    def aws(self, *arguments, succeeds=True):
        done = subprocess.run([sys.executable, "-m", "awscli", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode == 0, succeeds, done.stderr)
        return done.stdout if succeeds else done.stderr

    def test_create_wait_invoke_logs_delete(self):
        with tempfile.TemporaryDirectory() as folder:
            package, out = os.path.join(folder, "app.zip"), os.path.join(folder, "out.json")
            with open(package, "wb") as f:
                f.write(archive(app="def handler(event, context):\n    print('seen by the command line')\n    return event\n"))
            name = self.name("cli")
            self.addCleanup(self._delete, name)
            created = json.loads(self.aws("lambda", "create-function", "--function-name", name, "--runtime", RUNTIME, "--handler", "app.handler",
                                          "--role", ROLE, "--zip-file", "fileb://" + package))
            self.assertEqual((created["FunctionArn"], created["State"]), (arn(name), "Pending"))
            self.aws("lambda", "wait", "function-active-v2", "--function-name", name)
            answer = json.loads(self.aws("lambda", "invoke", "--function-name", name, "--payload", '{"answer": 42}', out))
            self.assertEqual(answer, {"StatusCode": 200, "ExecutedVersion": "$LATEST"})
            with open(out) as f:
                self.assertEqual(json.load(f), {"answer": 42})
            deadline = time.monotonic() + 60
            while True:
                text = self.aws("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{name}", "--query", "events[].message", "--output", "text")
                if "seen by the command line" in text or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            self.assertIn("seen by the command line", text)
            self.aws("lambda", "delete-function", "--function-name", name)
            gone = self.aws("lambda", "get-function", "--function-name", name, succeeds=False)
            self.assertIn(f"An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: {arn(name)}", gone)


if __name__ == "__main__":
    unittest.main()
