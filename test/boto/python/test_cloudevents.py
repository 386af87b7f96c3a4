"""CloudEvents over HTTP, as the official SDK makes them, onto a bus and by a rule into a queue."""

import json
import unittest
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from test_events import EVENTS, Buses as Case

ATTRIBUTES = {"id": "A-1", "source": "/shop", "type": "com.example.order", "subject": "order/Grüße 1", "tenant": "blue"}


def post(bus, headers, body, sign=True):
    request = AWSRequest("POST", f"{EVENTS.meta.endpoint_url}/_lambkin/events/{bus}", data=body, headers=dict(headers))
    if sign:
        SigV4Auth(boto3.Session().get_credentials(), "events", EVENTS.meta.region_name).add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(request.url, data=body, headers=dict(request.headers), method="POST")) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class CloudEvents(Case):
    def watched(self, pattern):
        bus, _ = self.bus()
        url, arn = self.queue()
        self.rule(bus, pattern, [{"Id": "queue", "Arn": arn}])
        return bus, url

    def test_both_modes_of_the_sdk_become_the_same_event(self):
        bus, url = self.watched({"source": ["/shop"], "detail": {"total": [42]}, "cloudevent": {"tenant": ["blue"]}})
        event = CloudEvent({**ATTRIBUTES, "datacontenttype": "application/json"}, {"total": 42})
        for message in (to_binary_event(event), to_structured_event(event)):
            self.assertEqual((202, b""), post(bus, message.headers, message.body))
            got = json.loads(self.message(url)["Body"])
            self.assertRegex(got.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual({
                "version": "0", "id": "A-1", "detail-type": "com.example.order", "source": "/shop", "account": "000000000000",
                "region": EVENTS.meta.region_name, "resources": ["order/Grüße 1"], "detail": {"total": 42},
                "cloudevent": {"specversion": "1.0", "subject": "order/Grüße 1", "datacontenttype": "application/json", "tenant": "blue"}}, got)

    def test_data_that_is_no_object(self):
        bus, url = self.watched({"source": ["/shop"]})
        for kind, data, detail in (
                ("application/json", [1, 2], {"data": [1, 2]}), ("text/plain", "hello", {"data": "hello"}), ("image/png", b"\x89P", {"data_base64": "iVA="})):
            message = to_binary_event(CloudEvent({**ATTRIBUTES, "datacontenttype": kind}, data))
            self.assertEqual((202, b""), post(bus, message.headers, message.body))
            self.assertEqual(detail, json.loads(self.message(url)["Body"])["detail"])

    def test_batch_is_taken_whole_or_not_at_all(self):
        bus, url = self.watched({"source": ["/shop"]})
        good = [{"specversion": "1.0", "source": "/shop", "type": "t", "id": str(n), "time": "2026-01-02T03:04:05.678Z"} for n in range(3)]
        batch = {"Content-Type": "application/cloudevents-batch+json; charset=UTF-8"}
        status, error = post(bus, batch, json.dumps([{**good[0], "id": "bad"}, {**good[0], "source": "aws.s3"}]).encode())
        self.assertEqual((400, "Event 2 of 2, \"0\": Not authorized for the source."), (status, error["message"]))
        self.assertEqual((202, b""), post(bus, batch, json.dumps(good).encode()))
        events = [json.loads(self.message(url)["Body"]) for _ in good]
        self.assertEqual({"0", "1", "2"}, {event["id"] for event in events})
        self.assertEqual({"2026-01-02T03:04:05Z"}, {event["time"] for event in events})

    def test_refusals(self):
        bus, _ = self.bus()
        message = to_binary_event(CloudEvent({**ATTRIBUTES, "datacontenttype": "application/json"}, {}))
        headers = dict(message.headers)
        for status, text, answer in (
                (403, "Missing Authentication Token", post(bus, headers, message.body, sign=False)),
                (403, "Requests of web pages are not allowed here.", post(bus, {**headers, "Origin": "http://localhost"}, message.body)),
                (404, "Event bus nowhere does not exist.", post("nowhere", headers, message.body)),
                (403, "The event bus is another account's.", post("arn:aws:events:us-east-1:111111111111:event-bus/b", headers, message.body)),
                (415, 'The specversion "0.3" is not read; 1.0 is.', post(bus, {**headers, "ce-specversion": "0.3"}, message.body)),
                (413, None, post(bus, headers, b'"' + b"x" * (2 << 20) + b'"')),
                (400, "Total size of the entries in the request is over the limit.", post(bus, headers, b'"' + b"x" * (1 << 20) + b'"'))):
            self.assertEqual(status, answer[0], answer)
            self.assertIn(text, (None, answer[1].get("message"), answer[1].get("Message")))


del Case

if __name__ == "__main__":
    unittest.main()
