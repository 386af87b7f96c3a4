"""A runtime of the function's own, which needs nothing but a shell: it speaks the Runtime API and streams."""

import io
import json
import unittest
import zipfile

from common import Case

# Streams "one" and "two", and then fails in the trailers if the event is 1.
BOOTSTRAP = r"""#!/bin/bash
ask() { exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"; printf '%s\r\n' "$@" '' >&3; }
while true; do
    ask 'GET /2018-06-01/runtime/invocation/next HTTP/1.1' 'Host: runtime' 'Connection: close'
    length=0
    while IFS=$': \r' read -r name value <&3 && [ -n "$name" ]; do
        case $name in
        Lambda-Runtime-Aws-Request-Id) id=$value ;;
        Content-Length) length=$value ;;
        esac
    done
    IFS= read -r -N "$length" event <&3
    exec 3>&-
    ask "POST /2018-06-01/runtime/invocation/$id/response HTTP/1.1" 'Host: runtime' 'Connection: close' 'Content-Type: text/plain' \
        'Lambda-Runtime-Function-Response-Mode: streaming' 'Transfer-Encoding: chunked' \
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body'
    printf '3\r\none\r\n3\r\ntwo\r\n0\r\n' >&3
    if [ "$event" = 1 ]; then
        printf 'Lambda-Runtime-Function-Error-Type: Function.Broken\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n' >&3
    fi
    printf '\r\n' >&3
    while read -r _ <&3; do :; done
    exec 3>&-
done
"""


def package():
    out, entry = io.BytesIO(), zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(entry, BOOTSTRAP)
    return out.getvalue()


class Custom(Case):
    def setUp(self):
        self.create(name=(name := self.name()), Runtime="provided.al2023", Handler="none", Code={"ZipFile": package()})
        self.function = name

    def test_a_stream(self):
        response = self.api.invoke_with_response_stream(FunctionName=self.function, Payload=b"0")
        *pieces, last = response["EventStream"]
        self.assertEqual(b"".join(p["PayloadChunk"]["Payload"] for p in pieces), b"onetwo")
        self.assertEqual(last, {"InvokeComplete": {}})

    def test_an_error_in_the_trailers(self):
        for _ in range(2):  # the environment lives on
            *pieces, last = self.api.invoke_with_response_stream(FunctionName=self.function, Payload=b"1")["EventStream"]
            self.assertEqual(b"".join(p["PayloadChunk"]["Payload"] for p in pieces), b"onetwo")
            self.assertEqual(last["InvokeComplete"]["ErrorCode"], "Unhandled")
            self.assertEqual(json.loads(last["InvokeComplete"]["ErrorDetails"]), {"e": 1})

    def test_a_buffered_call_gets_the_whole(self):
        response = self.api.invoke(FunctionName=self.function, Payload=b"0")
        self.assertEqual(response["Payload"].read(), b"onetwo")
        self.assertNotIn("FunctionError", response)
        response = self.api.invoke(FunctionName=self.function, Payload=b"1")
        self.assertEqual((response["FunctionError"], response["Payload"].read()), ("Unhandled", b'{"e":1}'))


if __name__ == "__main__":
    unittest.main()
