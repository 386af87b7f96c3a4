"""What functions write to their log, and how the runtime writes it.

Records of several lines travel as frames of the AWS telemetry protocol, so that
each is one event of the log; see PROTOCOL.md.
"""

import json
import logging
import os
import struct
import time
import traceback
from typing import Any, Dict, List, Optional

TEXT_FRAME, JSON_FRAME = 0xA55A0003, 0xA55A0002
_LEVEL_BITS = {logging.DEBUG: 0x08, logging.INFO: 0x0C, logging.WARNING: 0x10, logging.ERROR: 0x14, logging.CRITICAL: 0x18}
_DATETIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_FRAME = struct.Struct(">IIQ")
NO_BREAK_SPACE = "\u00a0"

UNHANDLED_EXCEPTION_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, "
    "a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, runtime updates can "
    "be triggered by a function change, or can be applied automatically. To determine if the runtime has been updated, check "
    "the runtime version in the INIT_START log entry. If this error correlates with a change in the runtime version, you may be "
    "able to mitigate this error by temporarily rolling back to the previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


def _rounded_level(record: logging.LogRecord) -> int:
    return min(50, max(0, record.levelno)) // 10 * 10


class LogSink:
    """Writes framed records to the log pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def log(self, msg: str, frame_type: Optional[int] = None) -> None:
        data = msg.encode("utf8")
        record = _FRAME.pack(frame_type or TEXT_FRAME, len(data), time.time_ns() // 1000) + data
        try:
            while record:
                record = record[os.write(self._fd, record) :]
        except OSError:
            pass  # the function closed its log: its own loss


class LambdaLoggerHandler(logging.Handler):
    """The handler of the root logger."""

    def __init__(self, log_sink: LogSink) -> None:
        super().__init__()
        self.log_sink = log_sink

    def emit(self, record: logging.LogRecord) -> None:
        self.log_sink.log(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """The same, where the platform is told each record's level."""

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record)
        level = TEXT_FRAME | _LEVEL_BITS.get(_rounded_level(record), 0)
        self.log_sink.log(message, record.__dict__.get("_frame_type") or level)


class LambdaLoggerFilter(logging.Filter):
    """Stamps records with the call that is being served."""

    aws_request_id: Optional[str] = None
    tenant_id: Optional[str] = None

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.aws_request_id or ""
        record.tenant_id = self.tenant_id
        return True


# Attributes of a record that are not extra fields of the function's own.
_RESERVED_FIELDS = frozenset(
    ("name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs "
     "relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type").split()
)  # fmt: skip

_encode_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__(datefmt=_DATETIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        record.levelno = _rounded_level(record)
        record.levelname = logging.getLevelName(record.levelno)
        record._frame_type = JSON_FRAME | _LEVEL_BITS.get(record.levelno, 0)
        verbatim = isinstance(record.msg, dict) and not record.args
        entry: Dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if verbatim else record.getMessage(),
            "logger": record.name,
            "stackTrace": None, "errorType": None, "errorMessage": None,
            "requestId": record.__dict__.get("aws_request_id"),
            "location": None,
        }  # fmt: skip
        if record.exc_info:
            kind, error, trace = record.exc_info
            entry["stackTrace"] = traceback.format_tb(trace)
            # AWS: logger.exception() where there is no exception raises here.
            entry["errorType"], entry["errorMessage"] = kind.__name__, str(error)  # type: ignore[union-attr]
            entry["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
        if record.__dict__.get("tenant_id") is not None:
            entry["tenantId"] = record.__dict__["tenant_id"]
        for key, value in record.__dict__.items():
            if key not in _RESERVED_FIELDS and key not in entry:
                entry[key] = value
        return _encode_json({key: value for key, value in entry.items() if value is not None}) + "\n"


def wants_json() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def set_up_logging(log_sink: LogSink) -> LambdaLoggerFilter:
    """Give the root logger the runtime's handler; returns what stamps its records."""
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    level = "DEBUG" if level == "TRACE" else level.upper()
    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandlerWithFrameType(log_sink) if wants_json() or level else LambdaLoggerHandler(log_sink)
    if wants_json():
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"))
    root = logging.getLogger()
    if level in ("CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"):
        root.setLevel(level)
    stamp = LambdaLoggerFilter()
    handler.addFilter(stamp)
    root.addHandler(handler)
    return stamp


def error_lines(error_result: Dict[str, Any]) -> List[str]:
    """An error body as the lines of a text log."""
    kind, message = error_result.get("errorType"), error_result.get("errorMessage")
    head = "[ERROR]" + (" " + kind if kind else "")
    if message:
        head += (": " if kind else " ") + message
    lines = [head, "Traceback (most recent call last):"]
    for element in error_result.get("stackTrace") or ():
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(NO_BREAK_SPACE * (len(line) - len(text)) + text)
    return lines
