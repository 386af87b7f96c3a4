"""The Runtime API, for a runtime that was executed instead of forked."""

import base64
import http.client
import json
import os
import time
from typing import Any, Dict, NoReturn, Optional, Tuple

from .lambda_runtime_client import InvocationRequest, LambdaRuntimeClient, ResponseStream
from .lambda_runtime_marshaller import to_json

_VERSION = "/2018-06-01/runtime/"
_JSON = {"Content-Type": "application/json"}


class _Stream(ResponseStream):
    """A response that is sent as it is made. The platform collects it for a caller
    who takes no stream."""

    def __init__(self, api: http.client.HTTPConnection, invoke_id: str) -> None:
        self._api, self._path, self.begun = api, "%sinvocation/%s/response" % (_VERSION, invoke_id), False

    def _begin(self) -> None:
        self._api.putrequest("POST", self._path)
        for name, value in (
            ("Content-Type", "application/octet-stream"), ("Lambda-Runtime-Function-Response-Mode", "streaming"), ("Transfer-Encoding", "chunked"),
            ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"),
        ):  # fmt: skip
            self._api.putheader(name, value)
        self._api.endheaders()
        self.begun = True

    def write(self, data: bytes) -> bool:
        if not self.begun:
            self._begin()
        try:
            if data:
                self._api.send(b"%x\r\n%b\r\n" % (len(data), data))
        except OSError:
            return False  # the platform wants no more: it is too large
        return True

    def end(self, trailers: bytes = b"") -> None:
        if not self.begun:
            self._begin()
        try:
            self._api.send(b"0\r\n%b\r\n" % trailers)
            self._api.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._api.close()  # it answered before the end and hung up


class RuntimeAPIClient(LambdaRuntimeClient):
    """Does by HTTP what its base class does by frames."""

    def __init__(self, address: str) -> None:
        self._api = http.client.HTTPConnection(address)
        self._pid = os.getpid()
        self._stream: Optional[_Stream] = None

    def wait_bind(self) -> Dict[str, Any]:
        return {"handler": os.environ.get("_HANDLER", ""), "environ": dict(os.environ)}

    def report_ready(self) -> None:
        pass  # asking for the first event says it

    def wait_next_invocation(self) -> InvocationRequest:
        self._stream = None
        header, payload = self._call("GET", "invocation/next")
        return InvocationRequest(
            invoke_id=header["Lambda-Runtime-Aws-Request-Id"],
            x_amzn_trace_id=header.get("Lambda-Runtime-Trace-Id"),
            invoked_function_arn=header.get("Lambda-Runtime-Invoked-Function-Arn", ""),
            deadline_time_in_ms=int(header["Lambda-Runtime-Deadline-Ms"]),
            client_context=_text(header.get("Lambda-Runtime-Client-Context")),
            cognito_identity=_text(header.get("Lambda-Runtime-Cognito-Identity")),
            tenant_id=header.get("Lambda-Runtime-Aws-Tenant-Id"),
            content_type=header.get("Content-Type", "application/json"),
            event_body=payload,
        )

    def post_invocation_result(self, invoke_id: str, result_data: Any, content_type: str = "application/json", invocation_id: Optional[str] = None) -> None:
        payload = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        self._call("POST", "invocation/%s/response" % invoke_id, payload, {"Content-Type": content_type})

    def open_stream(self, invoke_id: str) -> ResponseStream:
        self._stream = _Stream(self._api, invoke_id)
        return self._stream

    def post_invocation_error(self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: Optional[str] = None) -> None:
        if self._stream is not None and self._stream.begun:
            trailers = {**_error_type(error_response_data), "Lambda-Runtime-Function-Error-Body": base64.b64encode(error_response_data.encode()).decode()}
            self._stream.end("".join("%s: %s\r\n" % trailer for trailer in trailers.items()).encode())
            return
        self._call("POST", "invocation/%s/error" % invoke_id, error_response_data.encode("utf-8"), {**_JSON, **_error_type(error_response_data)})

    def post_init_error(self, error_response_data: Dict[str, Any], error_type_override: Optional[str] = None) -> None:
        text = to_json(error_response_data)
        self._call("POST", "init/error", text.encode("utf-8"), {**_JSON, **_error_type(text, error_type_override)})

    def wait_end(self) -> NoReturn:
        while True:
            time.sleep(3600)

    def _call(self, method: str, path: str, body: Optional[bytes] = None, header: Optional[Dict[str, str]] = None) -> Tuple[Any, bytes]:
        if os.getpid() != self._pid:
            os._exit(0)  # a child of the handler fell out of it: only its parent answers
        self._api.request(method, _VERSION + path, body, header or {})
        reply = self._api.getresponse()
        return reply.headers, reply.read()


def _text(header: Optional[str]) -> Optional[str]:
    """A header that holds JSON, in UTF-8."""
    return header.encode("latin-1").decode("utf-8", "replace") if header else None


def _error_type(error_response_data: str, override: Optional[str] = None) -> Dict[str, str]:
    kind = override or json.loads(error_response_data)["errorType"]
    return {"Lambda-Runtime-Function-Error-Type": kind.encode("ascii", "replace").decode()}  # a class may have any name
