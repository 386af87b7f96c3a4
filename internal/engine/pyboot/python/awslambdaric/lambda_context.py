"""The second argument of a handler."""

import logging
import os
import sys
import time
from typing import Any, Dict, List, Optional


def _describe(value: Any, names: List[str]) -> str:
    return "%s([%s])" % (type(value).__name__, ",".join("%s=%s" % (name, getattr(value, name)) for name in names))


class _Fields:
    """An object whose attributes come from a JSON object, None where it has none."""

    __slots__: List[str] = []

    def __init__(self, values: Dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        return _describe(self, self.__slots__)


class CognitoIdentity(_Fields):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]
    cognito_identity_id: Optional[str]
    cognito_identity_pool_id: Optional[str]


class Client(_Fields):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Fields):
    __slots__ = ["custom", "env", "client"]
    custom: Any
    env: Any
    client: Any


# What of the caller's W3C trace context a function may see.
W3C_ALLOWED_FIELDS = ("traceparent", "tracestate", "baggage")


def _take_w3c(client_context: Any) -> Dict[str, str]:
    """Remove the trace context from the client context and return it."""
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in W3C_ALLOWED_FIELDS if isinstance(fields.get(name), str)}


class LambdaContext:
    """What a handler knows of its call."""

    def __init__(
        self,
        invoke_id: str,
        client_context: Optional[Dict[str, Any]],
        cognito_identity: Optional[Dict[str, Any]],
        epoch_deadline_time_in_ms: int,
        invoked_function_arn: Optional[str] = None,
        tenant_id: Optional[str] = None,
    ) -> None:
        environ = os.environ
        self.aws_request_id = invoke_id
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self._w3c_fields = _take_w3c(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        if self.client_context is not None and self.client_context.client is not None:
            self.client_context.client = Client(self.client_context.client)
        self.identity = CognitoIdentity({})
        if cognito_identity is not None:
            self.identity.cognito_identity_id = cognito_identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = cognito_identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = epoch_deadline_time_in_ms

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self) -> Dict[str, str]:
        """The W3C trace context of the call."""
        return dict(self._w3c_fields)

    def log(self, msg: Any) -> None:
        """Write to the log as it is, without the logging module's format."""
        for handler in logging.getLogger().handlers:
            sink: Any = getattr(handler, "log_sink", None)
            if sink is not None:
                sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        names = ["aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version"]
        return _describe(self, names + ["invoked_function_arn", "client_context", "identity", "tenant_id"])
