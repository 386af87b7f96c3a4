"""JSON in and out, as the AWS client's encoder (simplejson) writes it.

Against the standard encoder: Decimals are numbers with all their digits, named
tuples are objects, and bytes are text. Values that hold none of these go through
the C encoder; whether they do is asked of marshal, which takes built-in types
only and says so at the speed of C.
"""

import json
import marshal
import os
import sys
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Callable, List, Set, Tuple

from .lambda_runtime_exception import FaultException

# A format of marshal that neither counts nor shares references: the fastest.
_MARSHAL_VERSION = 2

# AWS: the client writes other characters than ASCII as they are since Python 3.12.
_ASCII_RUNTIMES = frozenset("AWS_Lambda_python3.%d" % minor for minor in range(12))


class Encoder:
    """Turns what handlers return into JSON."""

    def __init__(self) -> None:
        named = os.environ.get("AWS_EXECUTION_ENV", "")
        ascii_only = named in _ASCII_RUNTIMES or not named.startswith("AWS_Lambda_python")
        self._string: Callable[[str], str] = encode_basestring_ascii if ascii_only else encode_basestring
        self._fast = json.JSONEncoder(ensure_ascii=ascii_only).encode

    def encode(self, value: Any) -> str:
        if value is None or type(value) is str:
            return self._fast(value)
        try:
            marshal.dumps(value, _MARSHAL_VERSION)
            return self._fast(value)
        except Exception:
            # Something special, or an error: then the words are to be AWS's.
            parts: List[str] = []
            self._write(value, parts, set())
            return "".join(parts)

    def _write(self, value: Any, parts: List[str], open_ids: Set[int]) -> None:
        if isinstance(value, (str, bytes)):
            parts.append(self._text(value))
        elif value is None or value is True or value is False or isinstance(value, (int, float)):
            parts.append(_scalar(value))
        elif isinstance(value, Decimal):
            parts.append("NaN" if value.is_nan() else str(value))
        elif _is_raw(value):
            parts.append(value.encoded_json)
        else:
            self._write_container(value, parts, open_ids)

    def _write_container(self, value: Any, parts: List[str], open_ids: Set[int]) -> None:
        if id(value) in open_ids:
            raise ValueError("Circular reference detected")
        open_ids.add(id(value))
        named, fields = _asdict(value)
        if named and not isinstance(fields, dict):
            raise TypeError("_asdict() must return a dict, not %s" % type(fields).__name__)
        if named:
            self._write_container(fields, parts, open_ids)
        elif isinstance(value, (list, tuple)):
            separator = "["
            for item in value:
                parts.append(separator)
                self._write(item, parts, open_ids)
                separator = ", "
            parts.append("[]" if separator == "[" else "]")
        elif isinstance(value, dict):
            separator = "{"
            for key, item in value.items():
                parts.append(separator + self._text(_key(key)) + ": ")
                self._write(item, parts, open_ids)
                separator = ", "
            parts.append("{}" if separator == "{" else "}")
        else:
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)
        open_ids.discard(id(value))

    def _text(self, value: Any) -> str:
        return self._string(str(value, "utf-8") if isinstance(value, bytes) else str.__str__(value))


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def _key(key: Any) -> Any:
    if isinstance(key, (str, bytes)):
        return key
    if key is None or isinstance(key, (int, float)):
        return _scalar(key)
    raise TypeError("keys must be str, int, float, bool or None, not %s" % type(key).__name__)


def _asdict(value: Any) -> Tuple[bool, Any]:
    """The fields of a named tuple, or of what poses as one."""
    method = getattr(value, "_asdict", None)
    if callable(method):
        try:
            return True, method()
        except TypeError:
            pass
    return False, None


def _is_raw(value: Any) -> bool:
    """Whether the function made finished JSON with the simplejson of the runtime."""
    raw_json = sys.modules.get("simplejson.raw_json")
    return raw_json is not None and isinstance(value, raw_json.RawJSON)


def to_json(value: Any) -> str:
    return Encoder().encode(value)


class LambdaMarshaller:
    """How events and results travel."""

    def __init__(self) -> None:
        self.jsonEncoder = Encoder()

    def unmarshal_request(self, request: bytes, content_type: str = "application/json") -> Any:
        if content_type != "application/json":
            return request
        try:
            return json.loads(request)
        except Exception as error:
            raise FaultException(FaultException.UNMARSHAL_ERROR, "Unable to unmarshal input: %s" % error)

    def marshal_response(self, response: Any) -> Tuple[Any, str]:
        """The result as str, or as bytes when the handler gave bytes, and its content type."""
        if isinstance(response, bytes):
            return response, "application/unknown"
        try:
            return self.jsonEncoder.encode(response), "application/json"
        except Exception as error:
            raise FaultException(FaultException.MARSHAL_ERROR, "Unable to marshal response: %s" % error)
