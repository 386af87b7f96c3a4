"""What functions print can be read with the logs client."""

import time
import unittest

from common import Case, client

PATIENCE = 60  # seconds until a printed line must be readable


class Logs(Case):
    def eventually(self, read, wanted):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                got = read()
            except self.logs.exceptions.ResourceNotFoundException:
                got = None
            if (got is not None and wanted(got)) or time.monotonic() > deadline:
                return got
            time.sleep(0.05)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = client("logs")

    def test_lines_of_a_call(self):
        self.create("def handler(event, context):\n    print('first line')\n    print('second line')\n", name=(name := self.name()))
        request = self.api.invoke(FunctionName=name)["ResponseMetadata"]["RequestId"]
        group = f"/aws/lambda/{name}"
        events = self.eventually(lambda: self.logs.filter_log_events(logGroupName=group)["events"], lambda events: any("REPORT" in e["message"] for e in events))
        text = "".join(e["message"] for e in events)
        self.assertIn("INIT_START Runtime Version: ", text)
        for line in (f"START RequestId: {request} Version: $LATEST\n", "first line\n", "second line\n", f"END RequestId: {request}\n", f"REPORT RequestId: {request}\t"):
            self.assertIn(line, text)
        self.assertLess(text.index("first line"), text.index("second line"))
        stream = self.logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
        self.assertRegex(stream, r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        page = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
        self.assertEqual([e["message"] for e in page["events"]], [e["message"] for e in events])
        found = self.logs.filter_log_events(logGroupName=group, filterPattern="second")["events"]
        self.assertEqual([e["message"] for e in found], ["second line\n"])

    def test_a_group_of_ones_own(self):
        group = f"/own/{self.name()}"
        self.create("def handler(event, context):\n    print('mine')\n", name=(name := self.name()), LoggingConfig={"LogGroup": group})
        self.api.invoke(FunctionName=name)
        events = self.eventually(lambda: self.logs.filter_log_events(logGroupName=group)["events"], lambda events: any("mine" in e["message"] for e in events))
        self.assertIn("mine\n", [e["message"] for e in events])


if __name__ == "__main__":
    unittest.main()
