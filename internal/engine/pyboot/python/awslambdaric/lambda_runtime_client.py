"""The frames that join an environment to its supervisor; see PROTOCOL.md."""

import json
import os
import socket
import struct
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Optional, Tuple

from .lambda_runtime_marshaller import LambdaMarshaller, to_json

BIND, INVOKE, CLONE, IDENTITY = 1, 2, 3, 4
PARKED, READY, INIT_ERROR, RESULT, ERROR, TOO_LARGE, CHUNK, CLONED = 16, 17, 18, 19, 20, 21, 22, 23
HEADER = struct.Struct(">B3xII")
_FIRST_READ, _NEXT_READ = 64 << 10, 1 << 20

# AWS: "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
MAX_RESPONSE = 6 * 1024 * 1024 + 100
MAX_STREAM = 200 * 1024 * 1024
MAX_CHUNK = 256 * 1024


class InvocationRequest(NamedTuple):
    """One event and what came with it."""

    invoke_id: str
    x_amzn_trace_id: Optional[str]
    invoked_function_arn: str
    deadline_time_in_ms: int
    client_context: Optional[str]
    cognito_identity: Optional[str]
    tenant_id: Optional[str]
    content_type: str
    event_body: bytes
    invocation_id: Optional[str] = None


class ResponseStream:
    """A response that is made piece by piece: each piece is sent at once to a
    caller who takes a stream, all of them together to any other."""

    def __init__(self, send: Callable[[int, str, bytes], None], invoke_id: str, streaming: bool) -> None:
        self._send, self._invoke_id, self._streaming = send, invoke_id, streaming
        self._limit = self._room = MAX_STREAM if streaming else MAX_RESPONSE
        self._collected: List[bytes] = []

    def write(self, data: bytes) -> bool:
        """False: the response is too large, and no more is wanted."""
        fits = data[: self._room]
        self._room -= len(data)
        if not self._streaming:
            self._collected.append(fits)
            return self._room >= 0
        for start in range(0, len(fits), MAX_CHUNK):
            self._send(CHUNK, self._invoke_id, fits[start : start + MAX_CHUNK])
        return self._room >= 0

    def end(self) -> None:
        if self._room < 0:
            self._send(TOO_LARGE, "%s\0%d" % (self._invoke_id, self._limit + 1), b"")
        else:
            self._send(RESULT, self._invoke_id + "\0application/octet-stream", b"".join(self._collected))


class LambdaRuntimeClient:
    """Takes events and gives answers. The methods have AWS's names, because
    monitoring libraries wrap them."""

    marshaller: LambdaMarshaller
    _streaming = False  # whether the caller takes the response as it is made

    def __init__(self, data_fd: int) -> None:
        self._socket = socket.socket(fileno=data_fd)
        self._pid = os.getpid()

    def wait_bind(self) -> Dict[str, Any]:
        """Park, and return the function that this environment is for."""
        self._send(PARKED)
        _, meta, _ = self._receive()
        configuration: Dict[str, Any] = json.loads(meta)
        return configuration

    def wait_clone(self) -> List[int]:
        """In a template: return the data socket and the log pipe of the next clone."""
        message, ancillary, _, _ = self._socket.recvmsg(HEADER.size, socket.CMSG_SPACE(2 * 4), socket.MSG_CMSG_CLOEXEC)
        if not message:
            os._exit(0)  # the supervisor closed the template
        return [fd for _, _, data in ancillary for fd in struct.unpack("%di" % (len(data) // 4), data)]

    def report_cloned(self, pid: int) -> None:
        self._send(CLONED, str(min(pid, 0)))

    def move_to(self, data_fd: int, log_fd: int) -> int:
        """In a clone: take its own descriptors in place of the template's, tell the
        supervisor, and return the user id that it gives."""
        own = self._socket.fileno()
        os.dup2(data_fd, own, inheritable=False)
        os.dup2(log_fd, own + 1, inheritable=False)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        os.close(data_fd)
        os.close(log_fd)
        self._pid = os.getpid()
        self._send(PARKED)
        _, meta, _ = self._receive()
        return int(meta)

    def report_ready(self) -> None:
        self._send(READY)

    def wait_next_invocation(self) -> InvocationRequest:
        _, meta, payload = self._receive()
        fields: List[str] = meta.decode().split("\0")
        self._streaming = fields[8] == "streaming"
        return InvocationRequest(
            invoke_id=fields[0], deadline_time_in_ms=int(fields[1]), invoked_function_arn=fields[2], x_amzn_trace_id=fields[3] or None,
            client_context=fields[4] or None, cognito_identity=fields[5] or None, content_type=fields[6] or "application/json",
            tenant_id=fields[7] or None, event_body=payload,
        )  # fmt: skip

    def post_invocation_result(self, invoke_id: str, result_data: Any, content_type: str = "application/json", invocation_id: Optional[str] = None) -> None:
        payload = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        if len(payload) > MAX_RESPONSE:
            self._send(TOO_LARGE, "%s\0%d" % (invoke_id, len(payload)))
        else:
            self._send(RESULT, invoke_id + "\0" + content_type, payload)

    def open_stream(self, invoke_id: str) -> "ResponseStream":
        return ResponseStream(self._send, invoke_id, self._streaming)

    def post_invocation_error(self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: Optional[str] = None) -> None:
        kind = json.loads(error_response_data)["errorType"]
        self._send(ERROR, invoke_id + "\0" + kind, error_response_data.encode("utf-8"))

    def post_init_error(self, error_response_data: Dict[str, Any], error_type_override: Optional[str] = None) -> None:
        kind = error_type_override or error_response_data["errorType"]
        self._send(INIT_ERROR, kind, to_json(error_response_data).encode("utf-8"))

    def wait_end(self) -> NoReturn:
        """Wait until the supervisor closes the environment, which ends the process."""
        while True:
            self._receive()

    def _send(self, kind: int, meta: str = "", payload: bytes = b"") -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a child of the handler fell out of it: only its parent answers
        text = meta.encode("utf-8")
        self._socket.sendall(HEADER.pack(kind, len(text), len(payload)) + text + payload)

    def _receive(self) -> Tuple[int, bytes, bytes]:
        data = self._socket.recv(_FIRST_READ)
        while len(data) < HEADER.size:
            data += self._more(data)
        kind, meta, payload = HEADER.unpack_from(data)
        end = HEADER.size + meta + payload
        if len(data) < end:
            long = bytearray(data)
            while len(long) < end:
                long += self._more(long)
            data = bytes(long)
        return kind, data[HEADER.size : HEADER.size + meta], data[HEADER.size + meta : end]

    def _more(self, before: Any) -> bytes:
        part = self._socket.recv(_NEXT_READ) if before else b""
        if not part:
            os._exit(0)  # the supervisor closed the environment
        return part
