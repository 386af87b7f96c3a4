"""Binds a handler and answers its events.

What a user can see (results, error bodies, log text, the context object) follows
the AWS runtime interface client byte for byte. Only the standard library; Python
3.8 to 3.14. handle_event_request is looked up anew for each event, and has AWS's
name and arguments, so that monitoring libraries can wrap it. Start reading at run.
"""

import atexit
import importlib
import json
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, TextIO, Tuple

from . import preloaded, snapshot
from .lambda_context import LambdaContext
from .lambda_runtime_client import LambdaRuntimeClient, ResponseStream
from .lambda_runtime_exception import FaultException
from .lambda_runtime_log_utils import _DATETIME_FORMAT, _LEVEL_BITS, JSON_FRAME, TEXT_FRAME, UNHANDLED_EXCEPTION_WARNING, LogSink, error_lines, set_up_logging, wants_json
from .lambda_runtime_marshaller import LambdaMarshaller, to_json

Handler = Callable[[Any, LambdaContext], Any]

# Runs after which code is adapted for good; 3.14 needs some ten.
ADAPTED = 64


def preload(more: str = "") -> None:
    """Import what handlers will want and touch the paths of a call."""
    preloaded.load_standard()
    if more == "boto3":
        preloaded.load_boto3()
    # The interpreter runs without the site module, which gives every program exit() and its like.
    import site

    site.setquit()
    site.setcopyright()
    site.sethelper()
    # Often enough that the interpreter has adapted the code: it writes to it until then.
    for _ in range(ADAPTED):
        warm = LambdaMarshaller().jsonEncoder.encode({"warm": [1, 2.5, None, True, "é"]})
        json.loads(json.dumps(json.loads(warm.encode())))
        LambdaContext("", None, None, 0, "", None).get_remaining_time_in_millis()
        find_spec("lambkin_rehearsal")


# ---- errors --------------------------------------------------------------------


def make_error(error_message: str, error_type: str, stack_trace: Optional[List[str]], invoke_id: Optional[str] = None) -> Dict[str, Any]:
    return {"errorMessage": error_message or "", "errorType": error_type or "", "requestId": invoke_id or "", "stackTrace": stack_trace or []}


def _own_error(trace: Optional[TracebackType], error: BaseException, invoke_id: Optional[str]) -> Dict[str, Any]:
    """The error body of an exception of the function's own, our frames left out.

    AWS: frames are four fields without columns, so no line of ^^^^ shows."""
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(trace)]
    first = next((i for i, frame in enumerate(frames) if "/bootstrap.py" not in frame[0]), 0)
    listed: Any = frames[first:]
    return make_error(str(error), type(error).__name__, traceback.format_list(listed), invoke_id)


def log_error(error_result: Dict[str, Any], log_sink: LogSink) -> None:
    if wants_json():
        stamp = time.strftime(_DATETIME_FORMAT, logging.Formatter.converter(time.time()))
        log_sink.log(to_json({"timestamp": stamp, "level": "ERROR", **error_result}), JSON_FRAME | _LEVEL_BITS[logging.ERROR])
    else:
        log_sink.log("\n".join(error_lines(error_result)), TEXT_FRAME | _LEVEL_BITS[logging.ERROR])


# ---- events --------------------------------------------------------------------


def handle_event_request(
    lambda_runtime_client: LambdaRuntimeClient,
    request_handler: Handler,
    invoke_id: str,
    event_body: bytes,
    content_type: str,
    client_context_json: Optional[str],
    cognito_identity_json: Optional[str],
    invoked_function_arn: str,
    epoch_deadline_time_in_ms: int,
    tenant_id: Optional[str],
    log_sink: LogSink,
    invocation_id: Optional[str] = None,
) -> None:
    """Answer one event."""
    try:
        lambda_context = LambdaContext(
            invoke_id,
            _parse(client_context_json, "Client Context"),
            _parse(cognito_identity_json, "Cognito Identity"),
            epoch_deadline_time_in_ms,
            invoked_function_arn,
            tenant_id,
        )
        marshaller = lambda_runtime_client.marshaller
        event = marshaller.unmarshal_request(event_body, content_type)
        response = request_handler(event, lambda_context)
        if hasattr(type(response), "__next__") and isinstance(response, Iterator):  # the first alone is quick, the second sure
            _stream(response, lambda_runtime_client.open_stream(invoke_id))
            return
        result, result_content_type = marshaller.marshal_response(response)
    except FaultException as fault:
        error_result = make_error(fault.msg, fault.exception_type, fault.trace, invoke_id)
    except Exception as error:
        error_result = _own_error(error.__traceback__, error, invoke_id)
    else:
        lambda_runtime_client.post_invocation_result(invoke_id, result, result_content_type, invocation_id)
        return
    log_error(error_result, log_sink)
    lambda_runtime_client.post_invocation_error(invoke_id, to_json(error_result), "", invocation_id)


def _stream(response: Iterator[Any], stream: ResponseStream) -> None:
    """Send what a handler yields, if it is bytes or text.

    AWS: any iterator is a Runtime.MarshalError; to stream it is our extension."""
    try:
        for chunk in response:
            if isinstance(chunk, str):
                chunk = chunk.encode("utf-8")
            elif not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise FaultException(FaultException.MARSHAL_ERROR, "Unable to marshal response: Object of type %s is not JSON serializable" % type(response).__name__)
            if not stream.write(bytes(chunk)):
                break
    finally:
        close = getattr(response, "close", None)
        if callable(close):
            close()
    stream.end()


def _parse(text: Optional[str], name: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as error:
        raise FaultException(FaultException.LAMBDA_CONTEXT_UNMARSHAL_ERROR, "Unable to parse %s JSON: %s" % (name, error))


# ---- start ---------------------------------------------------------------------


def _get_handler(handler: str) -> Handler:
    """Import the handler; the errors are AWS's."""
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise FaultException(FaultException.MALFORMED_HANDLER_NAME, "Bad handler '%s': %s" % (handler, error))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise FaultException(FaultException.BUILT_IN_MODULE_CONFLICT, "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise FaultException(FaultException.IMPORT_MODULE_ERROR, "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise FaultException(FaultException.USER_CODE_SYNTAX_ERROR, "Syntax error in module '%s': %s" % (module_name, error), trace)
    try:
        found: Handler = getattr(module, function_name)
    except AttributeError:
        raise FaultException(FaultException.HANDLER_NOT_FOUND, "Handler '%s' missing on module '%s'" % (function_name, module_name))
    return found


def set_path(task_root: str) -> None:
    """sys.path as on AWS: the package, the layers, then the runtime's own.

    AWS: before Python 3.11 boto3 was in /var/runtime, and the layers came once
    more at the end; since then it is in site-packages, ahead of /var/runtime.
    """
    version = "python%d.%d" % sys.version_info[:2]
    layers = ["/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    runtime = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    site = "%s/lib/%s/site-packages" % (sys.prefix, version)
    own = [entry for entry in sys.path if entry.startswith(sys.base_prefix) and entry != site]
    if sys.version_info >= (3, 11):
        path = [task_root, *layers, site, runtime]
    else:
        path = [task_root, *layers, runtime]
        own += [site, *layers]
    wanted = os.environ.get("PYTHONPATH", "").split(":")
    sys.path[:] = path + [entry for entry in wanted if entry and entry not in path] + own
    # Not all of the cache: to free the zygote's entries would cost a copy of the
    # pages they lie in.
    own_first = len(sys.path) - len(own)
    for entry in sys.path[:own_first]:
        sys.path_importer_cache.pop(entry, None)
    preloaded.forget_shadowed(entry for entry in sys.path[:own_first] if entry not in (site, runtime))


class Unbuffered:
    """A stream that keeps nothing back, so that the order of the log is true."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __enter__(self) -> "Unbuffered":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        pass

    def __getattr__(self, attr: str) -> Any:
        return getattr(self.stream, attr)

    def write(self, msg: str) -> None:
        self.stream.write(msg)
        self.stream.flush()

    def writelines(self, msgs: List[str]) -> None:
        self.stream.writelines(msgs)
        self.stream.flush()


def _become(configuration: Dict[str, Any]) -> None:
    """Take the function's environment in place of the zygote's."""
    os.environ.clear()
    os.environ.update(configuration["environ"])
    time.tzset()
    random.seed()
    main = ModuleType("__main__", "The program of an execution environment.")
    main.__file__ = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bootstrap.py")
    # Where monitoring libraries look for what they wrap.
    setattr(main, "bootstrap", sys.modules[__name__])
    sys.modules["__main__"] = main
    sys.argv[:] = [main.__file__]
    # The encoding and the treatment of errors that the locale C.UTF-8 gives.
    sys.stdout = Unbuffered(open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False))
    sys.stderr = Unbuffered(open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False))
    task_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    os.chdir(task_root)
    set_path(task_root)


def _bind(client: LambdaRuntimeClient, handler: str, log_sink: LogSink, template: bool) -> Optional[Handler]:
    """Initialise the function; None means that it failed and was reported."""
    kind: Optional[str] = None
    try:
        found = _get_handler(handler)
        if template or snapshot.started_anew():
            kind = FaultException.BEFORE_SNAPSHOT_ERROR
            snapshot.run_before_snapshot()
            if template:
                snapshot.settle()
            else:
                kind = FaultException.AFTER_RESTORE_ERROR
                snapshot.run_after_restore()
    except FaultException as fault:
        error_result = make_error(fault.msg, fault.exception_type, fault.trace)
    except Exception as error:
        error_result = _own_error(error.__traceback__, error, None)
    else:
        client.report_ready()
        return found
    if kind is None:
        logging.warning(UNHANDLED_EXCEPTION_WARNING)
    log_error(error_result, log_sink)
    client.post_init_error(error_result, kind)
    return None


def _restore(client: LambdaRuntimeClient, configuration: Dict[str, Any], log_sink: LogSink) -> None:
    """Go on as a clone of a template."""
    try:
        os.environ.clear()
        os.environ.update(configuration["environ"])
        snapshot.run_after_restore()
    except Exception as error:
        error_result = _own_error(error.__traceback__, error, None)
        log_error(error_result, log_sink)
        client.post_init_error(error_result, FaultException.AFTER_RESTORE_ERROR)
        client.wait_end()
    client.report_ready()


def _serve(client: LambdaRuntimeClient, log_sink: LogSink, confine: Optional[Callable[[int], None]]) -> NoReturn:
    configuration = client.wait_bind()
    _become(configuration)
    LambdaRuntimeClient.marshaller = LambdaMarshaller()
    stamp = set_up_logging(log_sink)
    if configuration.get("debug"):
        importlib.import_module("lambkin_debug")  # waits for a debugger
    handler = _bind(client, configuration["handler"], log_sink, confine is not None)
    if handler is None:
        client.wait_end()
    if confine is not None:
        _restore(client, snapshot.serve_clones(client, confine), log_sink)
    while True:
        request = client.wait_next_invocation()
        stamp.aws_request_id, stamp.tenant_id = request.invoke_id, request.tenant_id
        if request.x_amzn_trace_id is not None:
            os.environ["_X_AMZN_TRACE_ID"] = request.x_amzn_trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        handle_event_request(
            client, handler, request.invoke_id, request.event_body, request.content_type, request.client_context, request.cognito_identity,
            request.invoked_function_arn, request.deadline_time_in_ms, request.tenant_id, log_sink, request.invocation_id,
        )  # fmt: skip


def _exit_status(request: SystemExit) -> int:
    """The status that the interpreter would end with; it prints a text."""
    if request.code is None or isinstance(request.code, int):
        return (request.code or 0) & 0xFF
    print(request.code, file=sys.stderr)
    return 1


def _end(status: int, by_signal: int = 0) -> NoReturn:
    """End as the interpreter does: join threads, run exit handlers, flush."""
    steps: Tuple[Callable[[], Any], ...] = (getattr(threading, "_shutdown"), getattr(atexit, "_run_exitfuncs"), sys.stdout.flush, sys.stderr.flush)
    for step in steps:
        try:
            step()
        except BaseException:
            pass  # the process ends in any case
    if by_signal:
        os.kill(os.getpid(), by_signal)  # nothing happens if we are process 1 of the namespace
    os._exit(status)


def run(data_fd: int, log_fd: int, confine: Optional[Callable[[int], None]] = None) -> NoReturn:
    """Serve one function for the life of a process that was forked from the zygote;
    with confine, which drops the rights of a clone, as a template of others."""
    _run(LambdaRuntimeClient(data_fd), LogSink(log_fd), confine)


def execute() -> NoReturn:
    """Serve one function for the life of a process that was executed."""
    from .runtime_api_client import RuntimeAPIClient

    _run(RuntimeAPIClient(os.environ["AWS_LAMBDA_RUNTIME_API"]), LogSink(os.dup(1)), None)


def _run(client: LambdaRuntimeClient, log_sink: LogSink, confine: Optional[Callable[[int], None]]) -> NoReturn:
    try:
        _serve(client, log_sink, confine)
    except SystemExit as request:
        _end(_exit_status(request))
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _end(128 + signal.SIGINT, signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        _end(1)
