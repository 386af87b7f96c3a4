"""The runtime of a Python function: binds a handler and answers its events.

Speaks the frames of PROTOCOL.md on one socket. What a user can see (results,
error bodies, log text, the context object) follows the AWS runtime interface
client byte for byte. Only the standard library; Python 3.8 to 3.14. Start
reading at run.
"""

import importlib
import json
import json.encoder
import logging
import os
import random
import socket
import struct
import sys
import time
import traceback
from decimal import Decimal
from types import ModuleType
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

BIND, INVOKE = 1, 2
PARKED, READY, INIT_ERROR, RESULT, ERROR, TOO_LARGE = 16, 17, 18, 19, 20, 21
HEADER = struct.Struct(">B3xII")

# AWS: "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
MAX_RESPONSE = 6 * 1024 * 1024 + 100

# Modules that most handlers import: paid for once, in the zygote.
PRELOAD = (
    "ast", "base64", "bisect", "calendar", "collections.abc", "concurrent.futures", "configparser", "contextlib", "copy", "csv", "dataclasses",
    "datetime", "email.message", "enum", "functools", "glob", "gzip", "hashlib", "heapq", "hmac", "html", "http.client", "inspect", "io", "itertools",
    "locale", "math", "mimetypes", "operator", "pathlib", "pickle", "platform", "queue", "re", "secrets", "select", "shutil", "ssl", "statistics",
    "string", "subprocess", "tempfile", "textwrap", "threading", "typing", "unicodedata", "urllib.parse", "urllib.request", "uuid", "weakref",
    "xml.etree.ElementTree", "zipfile", "zlib",
)  # fmt: skip


def preload() -> None:
    """Import what handlers will want and touch the paths of a call."""
    for name in PRELOAD:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # a trimmed interpreter; the function will be told at its own import
    json.loads(Encoder(False).encode({"warm": [1, 2.5, None, True, "é"]}))


# ---- results -----------------------------------------------------------------


class _Number(float):
    """A Decimal on its way through the encoder, written digit by digit."""

    text: str


class _ExactEncoder(json.JSONEncoder):
    """Writes Decimals as numbers; slower than the C encoder."""

    def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
        def number(value: float) -> str:
            return value.text if isinstance(value, _Number) else json.dumps(float(value))

        encode = json.encoder.encode_basestring_ascii if self.ensure_ascii else json.encoder.encode_basestring
        make: Any = getattr(json.encoder, "_make_iterencode")
        return make({}, self.default, encode, None, number, ": ", ", ", False, False, _one_shot)(o, 0)


_SCALARS = frozenset((str, int, float, bool, type(None)))


class Encoder:
    """JSON as the AWS runtime writes it: its encoder turns named tuples into
    objects and Decimals into numbers, which the standard one does not."""

    def __init__(self, ensure_ascii: bool) -> None:
        self._fast = json.JSONEncoder(ensure_ascii=ensure_ascii)
        self._exact = _ExactEncoder(ensure_ascii=ensure_ascii)

    def encode(self, value: Any) -> str:
        if type(value) in _SCALARS or not self._special(value):
            return self._fast.encode(value)
        return self._exact.encode(self._convert(value))

    def _special(self, value: Any) -> bool:
        stack, seen = [value], set()
        while stack:
            item = stack.pop()
            kind = type(item)
            if kind in _SCALARS:
                continue
            if isinstance(item, Decimal) or (isinstance(item, tuple) and hasattr(item, "_asdict")):
                return True
            if isinstance(item, (dict, list, tuple)):
                if id(item) in seen:
                    continue  # shared or circular; the encoder tells which
                seen.add(id(item))
                stack.extend(item.values() if isinstance(item, dict) else item)
        return False

    def _convert(self, value: Any, depth: int = 0) -> Any:
        if depth > 900:
            raise ValueError("Circular reference detected")
        if isinstance(value, Decimal):
            number = _Number(0)
            number.text = "NaN" if value.is_nan() else str(value)
            return number
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            value = value._asdict()
        if isinstance(value, dict):
            return {key: self._convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._convert(item, depth + 1) for item in value]
        return value


class FaultException(Exception):
    """A failure that the runtime itself found."""

    def __init__(self, kind: str, message: str, trace: Optional[List[Any]] = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.trace = kind, message, trace or []


def error_body(message: str, kind: str, trace: List[str], request_id: str) -> Dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def describe(error: BaseException, request_id: str) -> Dict[str, Any]:
    """The error body of an exception of the function's own, our frames left out."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = os.path.abspath(__file__)
    first = next((i for i, frame in enumerate(frames) if os.path.abspath(frame.filename) != mine), len(frames))
    try:
        message = str(error)
    except Exception:
        message = "<exception str() failed>"
    # Plain tuples, as the AWS client makes them: without the carets of Python 3.11.
    plain = traceback.format_list([(f.filename, f.lineno, f.name, f.line) for f in frames[first:]])
    return error_body(message, type(error).__name__, plain, request_id)


# ---- log -----------------------------------------------------------------------

TEXT_FRAME, JSON_FRAME = 0xA55A0003, 0xA55A0002
LEVEL_BITS = {"TRACE": 0x04, "DEBUG": 0x08, "INFO": 0x0C, "WARN": 0x10, "WARNING": 0x10, "ERROR": 0x14, "FATAL": 0x18, "CRITICAL": 0x18}


class LogSink:
    """Writes framed records to the log pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def log(self, text: str, frame: int = TEXT_FRAME) -> None:
        data = text.encode("utf-8", "backslashreplace")
        record = struct.pack(">IIQ", frame, len(data), time.time_ns() // 1000) + data
        try:
            while record:
                record = record[os.write(self._fd, record) :]
        except OSError:
            pass  # the function closed its log: its own loss

    def error(self, body: Dict[str, Any], as_json: bool) -> None:
        if as_json:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.log(json.dumps({"timestamp": stamp, "log_level": "ERROR", **body}, ensure_ascii=False) + "\n", JSON_FRAME | LEVEL_BITS["ERROR"])
            return
        lines = ["[ERROR] %s: %s" % (body["errorType"], body["errorMessage"])]
        lines.append("Traceback (most recent call last):")
        for element in body["stackTrace"]:
            for line in str(element).splitlines() or [""]:
                text = line.lstrip(" ")
                lines.append("\u00a0" * (len(line) - len(text)) + text)
        self.log("\n".join(lines) + "\n", TEXT_FRAME | LEVEL_BITS["ERROR"])


class _LogHandler(logging.Handler):
    def __init__(self, sink: LogSink, frame: int) -> None:
        super().__init__()
        self._sink, self._frame = sink, frame

    def emit(self, record: logging.LogRecord) -> None:
        self._sink.log(self.format(record), self._frame | LEVEL_BITS.get(record.levelname, 0))


class _RequestFilter(logging.Filter):
    request_id = ""
    tenant_id: Optional[str] = None

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id, record.tenant_id = self.request_id, self.tenant_id
        return True


_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id", "taskName"}


class _JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: Dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname, "message": record.getMessage(), "logger": record.name,
        }  # fmt: skip
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            entry["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
            entry["errorType"], entry["errorMessage"] = kind.__name__, str(error)
            frames = traceback.extract_tb(trace)
            if frames:
                entry["location"] = "%s:%s:%s" % (frames[-1].filename, frames[-1].name, frames[-1].lineno)
        if record.__dict__.get("aws_request_id"):
            entry["requestId"] = record.__dict__["aws_request_id"]
        if record.__dict__.get("tenant_id"):
            entry["tenantId"] = record.__dict__["tenant_id"]
        entry.update((k, v) for k, v in vars(record).items() if k not in _PLAIN_RECORD and k not in entry)
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


def set_up_logging(sink: LogSink, request: _RequestFilter, as_json: bool) -> None:
    logging.Formatter.converter = time.gmtime
    handler = _LogHandler(sink, JSON_FRAME if as_json else TEXT_FRAME)
    if as_json:
        handler.setFormatter(_JSONFormatter())
    else:
        handler.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(request)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper() if as_json else ""
    if level in LEVEL_BITS:
        root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level))


# ---- context ---------------------------------------------------------------------


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self, identity: Dict[str, str]) -> None:
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return "CognitoIdentity([cognito_identity_id=%s,cognito_identity_pool_id=%s])" % (self.cognito_identity_id, self.cognito_identity_pool_id)


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, values: Dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        return "Client([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)


class ClientContext:
    __slots__ = ["custom", "env", "client"]

    def __init__(self, values: Dict[str, Any]) -> None:
        self.custom, self.env = values.get("custom"), values.get("env")
        self.client = Client(values["client"]) if isinstance(values.get("client"), dict) else None

    def __repr__(self) -> str:
        return "ClientContext([custom=%s,env=%s,client=%s])" % (self.custom, self.env, self.client)


class LambdaContext:
    """What a handler knows of its call."""

    def __init__(self, fields: List[str], sink: LogSink) -> None:
        self.aws_request_id = fields[0]
        self._deadline_ms = int(fields[1])
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = fields[2]
        self.tenant_id = fields[7] or None
        self.client_context = _parsed(fields[4], ClientContext, "Client Context") if fields[4] else None
        self.identity = _parsed(fields[5] or "{}", CognitoIdentity, "Cognito Identity")
        self._sink = sink

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: Any) -> None:
        self._sink.log(str(message))

    def __repr__(self) -> str:
        names = ["aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version",
                 "invoked_function_arn", "client_context", "identity", "tenant_id"]  # fmt: skip
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in names)


def _parsed(text: str, make: Callable[[Dict[str, Any]], Any], what: str) -> Any:
    try:
        return make(json.loads(text))
    except Exception as error:
        raise FaultException("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (what, error))


# ---- the life of an environment ------------------------------------------------------


def find_handler(handler: str) -> Callable[[Any, Any], Any]:
    """Import the handler; the errors are AWS's."""
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise FaultException("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (handler, error))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise FaultException("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module: ModuleType = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise FaultException("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise FaultException("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), trace)
    try:
        return getattr(module, function_name)  # type: ignore[no-any-return]
    except AttributeError:
        raise FaultException("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))


def set_path() -> None:
    """sys.path as on AWS: the package, the layers, then the runtime's own.

    AWS: before Python 3.11 boto3 was in /var/runtime, and the layers came once
    more at the end; since then it is in site-packages, ahead of /var/runtime.
    """
    version = "python%d.%d" % sys.version_info[:2]
    layers = ["/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    site = "/var/lang/lib/%s/site-packages" % version
    own = [entry for entry in sys.path if entry.startswith("/var/lang") and entry != site]
    if sys.version_info >= (3, 11):
        sys.path[:] = ["/var/task", *layers, site, "/var/runtime", *own]
    else:
        sys.path[:] = ["/var/task", *layers, "/var/runtime", *own, site, *layers]
    sys.path_importer_cache.clear()


class Environment:
    def __init__(self, data_fd: int, log_fd: int) -> None:
        self._socket = socket.socket(fileno=data_fd)
        self._pid = os.getpid()
        self._sink = LogSink(log_fd)
        self._request = _RequestFilter()
        self._json_log = False
        self._encoder = Encoder(sys.version_info < (3, 12))

    def send(self, kind: int, meta: str = "", payload: bytes = b"") -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a child of the handler fell out of it: only its parent answers
        text = meta.encode()
        self._socket.sendall(HEADER.pack(kind, len(text), len(payload)) + text + payload)

    def receive(self) -> Tuple[int, bytes, bytes]:
        data = bytearray(self._socket.recv(65536))
        while len(data) < HEADER.size:
            self._more(data)
        kind, meta, payload = HEADER.unpack_from(data)
        end = HEADER.size + meta + payload
        while len(data) < end:
            self._more(data)
        body = bytes(data)
        return kind, body[HEADER.size : HEADER.size + meta], body[HEADER.size + meta : end]

    def _more(self, data: bytearray) -> None:
        part = self._socket.recv(1 << 20) if data else b""
        if not part:
            os._exit(0)  # the supervisor closed the environment
        data += part

    def bind(self) -> Optional[Callable[[Any, Any], Any]]:
        _, meta, _ = self.receive()
        configuration = json.loads(meta)
        os.environ.clear()
        os.environ.update(configuration["environ"])
        time.tzset()
        random.seed()
        self._json_log = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        set_up_logging(self._sink, self._request, self._json_log)
        os.chdir("/var/task")
        set_path()
        try:
            handler = find_handler(configuration["handler"])
        except FaultException as error:
            self._init_failed(error_body(error.message, error.kind, error.trace, ""))
        except Exception as error:
            self._init_failed(describe(error, ""))
        else:
            self.send(READY)
            return handler
        return None

    def _init_failed(self, body: Dict[str, Any]) -> None:
        self._sink.error(body, self._json_log)
        self.send(INIT_ERROR, body["errorType"], self._encoder.encode(body).encode())

    def serve(self, handler: Callable[[Any, Any], Any]) -> NoReturn:
        while True:
            _, meta, payload = self.receive()
            fields = meta.decode().split("\0")
            self._request.request_id, self._request.tenant_id = fields[0], fields[7] or None
            if fields[3]:
                os.environ["_X_AMZN_TRACE_ID"] = fields[3]
            else:
                os.environ.pop("_X_AMZN_TRACE_ID", None)
            self.answer(handler, fields, payload)

    def answer(self, handler: Callable[[Any, Any], Any], fields: List[str], payload: bytes) -> None:
        request_id = fields[0]
        try:
            result, content_type = self.call(handler, fields, payload)
        except FaultException as error:
            self.fail(error_body(error.message, error.kind, error.trace, request_id))
        except Exception as error:
            self.fail(describe(error, request_id))
        else:
            self._flush()
            if len(result) > MAX_RESPONSE:
                self.send(TOO_LARGE, "%s\0%d" % (request_id, len(result)))
            else:
                self.send(RESULT, request_id + "\0" + content_type, result)

    def call(self, handler: Callable[[Any, Any], Any], fields: List[str], payload: bytes) -> Tuple[bytes, str]:
        event: Any = payload
        if fields[6] in ("", "application/json"):
            try:
                event = json.loads(payload)
            except Exception as error:
                raise FaultException("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
        result = handler(event, LambdaContext(fields, self._sink))
        if isinstance(result, bytes):
            return result, "application/unknown"
        try:
            return self._encoder.encode(result).encode("utf-8", "surrogatepass"), "application/json"
        except Exception as error:
            raise FaultException("Runtime.MarshalError", "Unable to marshal response: %s" % error)

    def fail(self, body: Dict[str, Any]) -> None:
        self._flush()
        self._sink.error(body, self._json_log)
        text = self._encoder.encode(body).encode("utf-8", "backslashreplace")
        self.send(ERROR, body["requestId"] + "\0" + body["errorType"], text)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass  # the function replaced or closed it


def run(data_fd: int, log_fd: int) -> NoReturn:
    """Serve one function for the life of the process."""
    environment = Environment(data_fd, log_fd)
    environment.send(PARKED)
    try:
        handler = environment.bind()
        while handler is None:
            environment.receive()  # ends the process when the supervisor closes
        environment.serve(handler)
    except SystemExit as request:
        environment._flush()
        code = request.code
        if code is None or isinstance(code, int):
            os._exit((code or 0) & 0xFF)
        print(code, file=sys.stderr)
        os._exit(1)
    except BaseException:
        environment._flush()
        try:
            traceback.print_exc()
        except BaseException:
            pass
        os._exit(1)
