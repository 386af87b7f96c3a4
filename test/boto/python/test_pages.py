"""Web pages and buckets: forms that boto3 presigns, and the CORS configuration as browsers meet it."""

import hashlib
import json
import os
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

import common
from botocore.config import Config

import boto3
from test_s3 import S3Case

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def send(request):
    """The status, headers and body of the reply, whatever it is."""
    try:
        with OPENER.open(request) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def post(form, data, extra=(), filename="photo.jpg", headers=()):
    boundary = uuid.uuid4().hex
    out = b""
    for name, value in [*form["fields"].items(), *extra]:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    out += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return send(urllib.request.Request(form["url"], data=out, method="POST",
                                       headers={"Content-Type": "multipart/form-data; boundary=" + boundary, **dict(headers)}))


def error(body):
    root = ElementTree.fromstring(body)
    return root.findtext("Code"), root.findtext("Message")


class Forms(S3Case):
    def test_both_versions_of_the_signature_and_both_styles(self):
        b = self.bucket()
        for version in ("s3v4", "s3"):
            for style in ("path", "virtual"):
                api = boto3.client("s3", config=Config(signature_version=version, s3={"addressing_style": style}),
                                   endpoint_url=ENDPOINT.replace("127.0.0.1", "localhost"))
                form = api.generate_presigned_post(b, "uploads/${filename}", Conditions=[["starts-with", "$key", "uploads/"]])
                with self.subTest(version=version, style=style):
                    # No resolver is needed: the name of the bucket stands in the Host header.
                    url = urllib.parse.urlsplit(form["url"])
                    form["url"] = url._replace(netloc=urllib.parse.urlsplit(ENDPOINT).netloc).geturl()
                    data = (version + style).encode()
                    status, headers, body = post(form, data, filename="a.txt", headers={"Host": url.netloc})
                    self.assertEqual((status, body), (204, b""))
                    self.assertEqual(headers["ETag"], '"%s"' % hashlib.md5(data).hexdigest())
                    self.assertEqual(self.body(b, "uploads/a.txt"), data)

    def test_fields_become_what_the_object_has(self):
        b = self.bucket()
        fields = {"Content-Type": "image/jpeg", "x-amz-meta-a": "1", "acl": "private", "success_action_status": "201", "Cache-Control": "no-store",
                  "tagging": "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"}
        form = self.api.generate_presigned_post(b, "a b/c", Fields=fields, Conditions=[{name: value} for name, value in fields.items()])
        status, headers, body = post(form, b"x")
        self.assertEqual(status, 201, body)
        root = ElementTree.fromstring(body)
        self.assertEqual((root.tag, root.findtext("Bucket"), root.findtext("Key"), root.findtext("ETag")), ("PostResponse", b, "a b/c", headers["ETag"]))
        self.assertEqual(root.findtext("Location"), headers["Location"])
        got = self.api.head_object(Bucket=b, Key="a b/c")
        self.assertEqual((got["ContentType"], got["Metadata"], got["CacheControl"], got["TagCount"]), ("image/jpeg", {"a": "1"}, "no-store", 1))

    def test_the_reply_that_the_form_asks_for(self):
        b = self.bucket()
        fields = {"success_action_redirect": "http://page.example/done"}
        form = self.api.generate_presigned_post(b, "k", Fields=fields, Conditions=[fields])
        status, headers, _ = post(form, b"x")
        self.assertEqual((status, headers["Location"]), (303, f"http://page.example/done?bucket={b}&key=k&etag=%22{hashlib.md5(b'x').hexdigest()}%22"))

    # The codes and texts are those that S3 replies:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    def test_what_the_policy_does_not_allow(self):
        b = self.bucket()
        sized = self.api.generate_presigned_post(b, "k", Conditions=[["content-length-range", 2, 4]])
        exact = self.api.generate_presigned_post(b, "k")
        gone = self.api.generate_presigned_post(b, "k", ExpiresIn=-1)
        other = {"url": exact["url"], "fields": {**exact["fields"], "key": "other"}}
        none = {"url": exact["url"], "fields": {"key": "k"}}
        for what, form, data, extra, status, code, message in (
            ("too large", sized, b"12345", (), 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
            ("too small", sized, b"1", (), 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"),
            ("expired", gone, b"x", (), 403, "AccessDenied", "Invalid according to Policy: Policy expired."),
            ("another key", other, b"x", (), 403, "AccessDenied", 'Invalid according to Policy: Policy Condition failed: ["eq", "$key", "k"]'),
            ("another field", exact, b"x", [("acl", "private")], 403, "AccessDenied", "Invalid according to Policy: Extra input fields: acl"),
            ("no policy", none, b"x", (), 403, "AccessDenied", "Access Denied"),
        ):
            with self.subTest(what):
                got, _, body = post(form, data, extra)
                self.assertEqual((got, *error(body)), (status, code, message))
        self.assertEqual(self.api.list_objects_v2(Bucket=b)["KeyCount"], 0)
        missing = self.api.generate_presigned_post(b + "-none", "k")
        status, _, body = post(missing, b"x")
        self.assertEqual((status, error(body)[0]), (404, "NoSuchBucket"))

    def test_events_name_the_form(self):
        b = self.bucket()
        sqs = common.client("sqs")
        queue = sqs.create_queue(QueueName=self.name("q"))["QueueUrl"]
        self.addCleanup(sqs.delete_queue, QueueUrl=queue)
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.api.put_bucket_notification_configuration(Bucket=b, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:Post"]}]})
        self.assertEqual(post(self.api.generate_presigned_post(b, "k"), b"hello")[0], 204)
        events = []
        while len(events) < 2:
            for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=10)["Messages"]:
                events.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        # AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        test = next(e for e in events if "Event" in e)
        self.assertEqual((test["Service"], test["Event"], test["Bucket"]), ("Amazon S3", "s3:TestEvent", b))
        self.assertEqual(set(test), {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"})
        record = next(e for e in events if "Records" in e)["Records"][0]
        self.assertEqual((record["eventName"], record["s3"]["object"]["key"], record["s3"]["object"]["size"]), ("ObjectCreated:Post", "k", 5))

    def test_a_large_file_is_a_stream(self):
        b = self.bucket()
        data = os.urandom(24 << 20)
        status, headers, _ = post(self.api.generate_presigned_post(b, "large"), data)
        self.assertEqual((status, headers["ETag"]), (204, '"%s"' % hashlib.md5(data).hexdigest()))
        self.assertEqual(hashlib.md5(self.body(b, "large")).digest(), hashlib.md5(data).digest())


class CORS(S3Case):
    # AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
    RULES = [
        {"AllowedMethods": ["PUT", "POST"], "AllowedOrigins": ["https://*.app.example"], "AllowedHeaders": ["content-*", "x-amz-date"], "ExposeHeaders": ["ETag", "x-amz-version-id"], "MaxAgeSeconds": 60},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]},
    ]

    def ask(self, bucket, method, origin, wanted=None, path="/k", host=None):
        headers = {"Origin": origin, "Access-Control-Request-Method": method, **({"Access-Control-Request-Headers": wanted} if wanted else {}), **({"Host": host} if host else {})}
        if host:
            return send(urllib.request.Request(ENDPOINT + path, method="OPTIONS", headers=headers))
        return send(urllib.request.Request(f"{ENDPOINT}/{bucket}{path}", method="OPTIONS", headers=headers))

    def allowed(self, headers):
        return {name.lower()[len("access-control-"):]: value for name, value in headers.items() if name.lower().startswith("access-control-")}

    def test_preflights(self):
        b = self.bucket()
        status, _, body = self.ask(b, "PUT", "https://www.app.example")
        self.assertEqual((status, *error(body)), (403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."))
        self.api.put_bucket_cors(Bucket=b, CORSConfiguration={"CORSRules": self.RULES})
        for host in (None, f"{b}.s3.localhost"):
            status, headers, body = self.ask(b, "PUT", "https://www.app.example", "Content-Type, x-amz-date", host=host)
            self.assertEqual((status, body), (200, b""))
            self.assertEqual(self.allowed(headers), {
                "allow-origin": "https://www.app.example", "allow-credentials": "true", "allow-methods": "PUT, POST", "allow-headers": "content-type, x-amz-date",
                "expose-headers": "ETag, x-amz-version-id", "max-age": "60"})
            self.assertEqual(headers["Vary"], "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
        status, headers, _ = self.ask(b, "GET", "https://anybody.example")
        self.assertEqual((status, self.allowed(headers)), (200, {"allow-origin": "*", "allow-methods": "GET"}))
        for method, origin, wanted in (("PUT", "https://app.example", None), ("DELETE", "https://www.app.example", None), ("PUT", "https://www.app.example", "x-other"), ("GET", "https://a.example", "range")):
            with self.subTest(method=method, origin=origin, wanted=wanted):
                status, _, body = self.ask(b, method, origin, wanted)
                self.assertEqual((status, *error(body)), (403, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
                                                          "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."))
        status, _, body = send(urllib.request.Request(f"{ENDPOINT}/{b}/k", method="OPTIONS", headers={"Origin": "https://a.example"}))
        self.assertEqual((status, *error(body)), (400, "BadRequest", "Invalid Access-Control-Request-Method: null"))
        status, _, body = send(urllib.request.Request(f"{ENDPOINT}/{b}/k", method="OPTIONS"))
        self.assertEqual((status, *error(body)), (400, "BadRequest", "Insufficient information. Origin request header needed."))

    def test_requests(self):
        b = self.bucket()
        self.api.put_bucket_cors(Bucket=b, CORSConfiguration={"CORSRules": self.RULES})
        put = self.api.generate_presigned_url("put_object", Params={"Bucket": b, "Key": "k"})
        status, headers, body = send(urllib.request.Request(put, data=b"x", method="PUT", headers={"Origin": "https://www.app.example", "Content-Type": ""}))
        self.assertEqual(status, 200, body)
        self.assertEqual((self.allowed(headers)["allow-origin"], self.allowed(headers)["expose-headers"]), ("https://www.app.example", "ETag, x-amz-version-id"))
        get = self.api.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "k"})
        status, headers, body = send(urllib.request.Request(get, headers={"Origin": "http://localhost:3000"}))
        self.assertEqual((status, body, self.allowed(headers)), (200, b"x", {"allow-origin": "*", "allow-methods": "GET"}))
        status, headers, body = send(urllib.request.Request(put, data=b"y", method="PUT", headers={"Origin": "http://localhost:3000", "Content-Type": ""}))
        self.assertEqual((status, self.allowed(headers)), (200, {}), body)  # done, but the page may not read the reply
        form = self.api.generate_presigned_post(b, "f")
        status, headers, _ = post(form, b"x", headers={"Origin": "https://www.app.example"})
        self.assertEqual((status, self.allowed(headers)["allow-origin"]), (204, "https://www.app.example"))


if __name__ == "__main__":
    unittest.main()
