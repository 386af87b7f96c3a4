"""Handlers for the comparison: handler calls the function case_NAME that the
event names. Every function here is a case; keep each to one behaviour."""

import asyncio
import builtins
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import logging
import os
import subprocess
import sys
import threading
import time
import typing
import warnings

logger = logging.getLogger("app")
Decimal = decimal.Decimal


def handler(event, context):
    return globals()["case_" + event["case"]](event, context)


# ---- results


def case_none(event, context): return None
def case_true(event, context): return True
def case_false(event, context): return False
def case_int(event, context): return -12
def case_big_int(event, context): return 2**200
def case_huge_int(event, context): return 10**5000
def case_float(event, context): return [0.1, 1e300, 1e-7, 5.0, -0.0, 1e16, 123456789.123]
def case_not_numbers(event, context): return [float("nan"), float("inf"), float("-inf")]
def case_nan(event, context): return float("nan")
def case_string(event, context): return 'quote " slash / backslash \\ tab \t bell \x07 del \x7f'
def case_unicode(event, context): return {"é": "日本語 \U0001f600 \u2028\u2029 \xa0"}
def case_empty_string(event, context): return ""
def case_bytes(event, context): return b"\x00\xffraw"
def case_empty_bytes(event, context): return b""
def case_bytearray(event, context): return bytearray(b"x")
def case_memoryview(event, context): return {"a": memoryview(b"x")}
def case_empty(event, context): return [{}, [], (), ""]
def case_nested(event, context): return {"a": [1, {"b": [None, True, {"c": {}}]}], "d": ((1, 2), [])}
def case_tuple(event, context): return (1, "a", None)


Point = collections.namedtuple("Point", "x y")
class Typed(typing.NamedTuple):
    name: str
    at: Point = Point(1, 2)


def case_named_tuple(event, context): return Point(1, 2)
def case_named_tuple_nested(event, context): return {"p": [Point(Decimal("1.10"), Typed("n"))], "t": (Typed("é"),)}
def case_decimal(event, context): return Decimal("1.10")
def case_decimals(event, context): return [Decimal(t) for t in ("0", "-0", "1E+5", "1e-9", "12345678901234567890.123456789", "NaN", "-NaN", "sNaN", "Infinity", "-Infinity")]
def case_decimal_key(event, context): return {Decimal("1"): 1}
def case_keys(event, context): return {1: 1, 2.5: 2, False: 3, None: 4, -7: 5, 1e22: 6}
def case_nan_key(event, context): return {float("nan"): 1, float("inf"): 2}
def case_true_key(event, context): return {True: 1}
def case_tuple_key(event, context): return {(1, 2): 3}
def case_bytes_key(event, context): return {b"k": 1}
def case_bytes_inside(event, context): return {"body": b"caf\xc3\xa9", "list": [b""]}
def case_bytes_not_utf8(event, context): return {"body": b"\xff"}
def case_set(event, context): return {"s": {1}}
def case_frozenset(event, context): return frozenset()
def case_datetime(event, context): return {"when": datetime.datetime(2026, 1, 2)}
def case_date(event, context): return datetime.date(2026, 1, 2)
def case_object(event, context): return object()
def case_class(event, context): return Point
def case_function(event, context): return [handler]
def case_complex(event, context): return 1j
def case_range(event, context): return range(3)
def case_generator(event, context): return (i for i in range(3))
def case_dict_views(event, context): return {"a": 1}.keys()
def case_ellipsis(event, context): return ...


@dataclasses.dataclass
class Data:
    a: int = 1


def case_dataclass(event, context): return Data()


class Colour(enum.Enum):
    RED = "red"
class Number(enum.IntEnum):
    ONE = 1
class Word(str, enum.Enum):
    ONE = "one"
class Strange(int):
    def __str__(self): return "strange"
    __repr__ = __str__
class Loud(float):
    def __repr__(self): return "loud"
class Text(str):
    def __str__(self): return "other"


def case_enum(event, context): return Colour.RED
def case_int_enum(event, context): return {"n": Number.ONE, Number.ONE: 2}
def case_str_enum(event, context): return {"w": Word.ONE, Word.ONE: 2}
def case_int_subclass(event, context): return [Strange(5)]
def case_float_subclass(event, context): return [Loud(1.5)]
def case_str_subclass(event, context): return [Text("é"), {Text("k"): 1}]
def case_str_subclass_alone(event, context): return Text("alone")
def case_ordered_dict(event, context): return collections.OrderedDict(b=1, a=2)
def case_defaultdict(event, context): return collections.defaultdict(list, a=[1])
def case_counter(event, context): return collections.Counter("aab")
def case_user_dict(event, context): return collections.UserDict(a=1)
def case_user_list(event, context): return collections.UserList([1])
def case_deque(event, context): return collections.deque([1])


class DictLike(dict): pass
class ListLike(list): pass
class AsDict:
    def _asdict(self): return {"a": Decimal("1.0")}
class AsList:
    def _asdict(self): return [1]
class AsNothing:
    def _asdict(self, required): return {}


def case_dict_subclass(event, context): return DictLike(a=1)
def case_list_subclass(event, context): return [ListLike([1])]
def case_asdict(event, context): return [AsDict()]
def case_asdict_wrong(event, context): return AsList()
def case_asdict_arguments(event, context): return AsNothing()


def case_circular_list(event, context):
    value = [1]
    value.append(value)
    return value


def case_circular_dict(event, context):
    value = {"d": Decimal(1)}
    value["self"] = [value]
    return value


def case_shared(event, context):
    shared = [Decimal(1)]
    return {"a": shared, "b": shared}


def case_raw_json(event, context):
    import simplejson
    return {"raw": simplejson.RawJSON("[1,  2]")}


def case_large(event, context): return {"text": "é" * 100000}
def case_event(event, context): return event


def case_coroutine(event, context):
    async def work(): return 1
    made = work()
    made.close()
    return made


def case_asyncio(event, context):
    async def work():
        logger.warning("inside a task")
        await asyncio.sleep(0)
        return 5
    return asyncio.run(work())


# ---- errors


class CustomError(Exception):
    pass


class Speaking(Exception):
    def __str__(self): return "I speak"


def fail(): raise CustomError("deep")


def case_raise(event, context): raise Exception("some error occurred")
def case_raise_empty(event, context): raise Exception()
def case_raise_class(event, context): raise CustomError
def case_raise_custom(event, context): fail()
def case_raise_unicode(event, context): raise ValueError("é \U0001f600 \"quoted\"")
def case_raise_lines(event, context): raise ValueError("first\nsecond\n  indented\n\nlast\r\nend")
def case_raise_key(event, context): return event["missing"]
def case_raise_number(event, context): raise ValueError(42)
def case_raise_many(event, context): raise ValueError("a", 1, None)
def case_raise_str(event, context): raise Speaking("ignored")
def case_raise_none(event, context): raise RuntimeError(None)
def case_assert(event, context): assert event is None, "not none"
def case_stop_iteration(event, context): return next(iter(()))
def case_zero_division(event, context): return (lambda: 1 / 0)()
def case_name_error(event, context): return undefined_name  # noqa: F821
def case_import_error(event, context): import not_there_at_all  # noqa: F401
def case_runtime_syntax_error(event, context): eval("1 +")
def case_exec(event, context): exec("raise ValueError('in exec')")
def case_json_error(event, context): json.loads("{")
def case_os_error(event, context): open("/no/such/file")
def case_generator_error(event, context): return list(i / 0 for i in [1])
def case_unicode_error(event, context): "\ud800".encode()


def case_raise_chain(event, context):
    try:
        fail()
    except CustomError as error:
        raise RuntimeError("outer") from error


def case_raise_again(event, context):
    try:
        fail()
    except CustomError:
        raise


def case_multi_line_statement(event, context):
    return dict(
        a=1,
        b=int(
            "x"
        ),
    )


def case_recursion(event, context):
    def down(n):
        if n == 0:
            raise ValueError("bottom")
        down(n - 1)
    down(30)


def case_notes(event, context):
    error = ValueError("with notes")
    if hasattr(error, "add_note"):
        error.add_note("a note")
    raise error


def case_exception_group(event, context):
    if sys.version_info < (3, 11):
        raise ValueError("no groups")
    raise builtins.ExceptionGroup("group", [ValueError(1), TypeError(2)])


# ---- log


def case_print(event, context): print("hello", 1, {"a": "é"})
def case_print_pieces(event, context): print("no newline", end=""); print(); print("a\nb"); print("x", "y", sep="|")
def case_print_stderr(event, context): print("to stderr", file=sys.stderr); print("to stdout")
def case_write(event, context): return [sys.stdout.write("w\n"), sys.stderr.write("e\n"), sys.stdout.writelines(["1", "2\n"])]
def case_print_escaped(event, context): print("\udc80")
def case_print_surrogate(event, context): print("\ud800")
def case_print_surrogate_stderr(event, context): print("\ud800", file=sys.stderr)
def case_write_bytes(event, context): os.write(1, b"raw \xff bytes\n")
def case_child(event, context): print("before"); subprocess.run(["/bin/echo", "child"]); print("after")
def case_streams(event, context): return [sys.stdout.encoding, sys.stdout.errors, sys.stderr.encoding, sys.stderr.errors, sys.stdout.isatty(), type(sys.stdout).__name__, sys.stdout.fileno()]
def case_log_levels(event, context): logger.debug("d"); logger.info("i"); logger.warning("w"); logger.error("e"); logger.critical("c")
def case_log_root(event, context): logging.info("i"); logging.warning("w %s", "argument")
def case_log_lines(event, context): logger.error("one\ntwo\n  three")
def case_log_unicode(event, context): logger.error("é \U0001f600")
def case_log_dict(event, context): logger.error({"a": 1, "b": [datetime.date(2026, 1, 2)]})
def case_log_dict_arguments(event, context): logger.error("%(a)s", {"a": 1})
def case_log_extra(event, context): logger.error("m", extra={"order": 5, "when": datetime.date(2026, 1, 2), "none": None, "level": "mine", "requestId": "mine", "é": "é"})
def case_log_custom_level(event, context): logger.log(25, "25"); logger.log(45, "45"); logger.log(99, "99"); logger.log(31, "31")
def case_log_stack(event, context): logger.error("stack", stack_info=False, exc_info=False)
def case_log_no_arguments(event, context): logger.error("100%")
def case_log_message_object(event, context): logger.error(ValueError("as message")); logger.error(None); logger.error(5)
def case_context_log(event, context): context.log("plain"); context.log(5); context.log("line\n")
def case_warnings(event, context): warnings.warn("careful")


def case_log_exception(event, context):
    try:
        fail()
    except CustomError:
        logger.exception("caught %s", "it", extra={"k": "v"})


def case_log_exception_chain(event, context):
    try:
        try:
            fail()
        except CustomError as error:
            raise KeyError("outer") from error
    except KeyError as error:
        logger.error("chained", exc_info=error)


def case_log_set_level(event, context):
    logger.setLevel(logging.DEBUG)
    logger.debug("now seen")
    logger.setLevel(logging.NOTSET)
    logger.debug("not seen")


def case_log_formatter(event, context):
    handler = logging.getLogger().handlers[0]
    before = handler.formatter
    handler.setFormatter(logging.Formatter("%(levelname)s|%(message)s|%(aws_request_id)s"))
    logger.error("own format")
    handler.setFormatter(before)


def case_log_thread(event, context):
    thread = threading.Thread(target=lambda: logger.error("from a thread"))
    thread.start()
    thread.join()


def case_log_unserialisable(event, context): logger.error("m", extra={"thing": object})


def case_root_logger(event, context):
    root = logging.getLogger()
    return [root.level, len(root.handlers), [type(h).__name__ for h in root.handlers], [type(f).__name__ for f in root.handlers[0].filters], logging.Formatter.converter is time.gmtime]


def case_format_exception(event, context):
    print("printed before the failure")
    logger.error("logged before the failure")
    raise ValueError("  leading spaces\n    and a second line")


# ---- context and environment


def case_context(event, context): return repr(context)
def case_context_print(event, context): print(context); print(context.identity, context.client_context)
def case_context_names(event, context): return sorted(name for name in dir(context) if not name.startswith("_") or name == "_epoch_deadline_time_in_ms")
def case_context_values(event, context):
    return {n: v for n, v in vars(context).items() if not n.startswith("_") and n not in ("identity", "client_context")}


def case_context_kinds(event, context):
    return [type(context).__name__, type(context).__module__, type(context.identity).__name__, type(context.memory_limit_in_mb).__name__, type(context.get_remaining_time_in_millis()).__name__]


def case_client_context(event, context):
    found = context.client_context
    if found is None:
        return None
    client = found.client
    return [found.custom, found.env, None if client is None else [client.installation_id, client.app_title, client.app_version_name, client.app_version_code, client.app_package_name]]


def case_identity(event, context): return [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]
def case_identity_attribute(event, context): context.identity.other = 1
def case_w3c(event, context): return context.w3c()
def case_remaining(event, context): return 0 < context.get_remaining_time_in_millis() <= 60000
def case_trace(event, context): return os.environ.get("_X_AMZN_TRACE_ID")
def case_folder(event, context): return os.getcwd()
def case_first_path(event, context): return sys.path[0]
def case_builtins(event, context): return [name for name in ("exit", "quit", "help", "copyright", "credits", "license") if not hasattr(builtins, name)]
def case_time_zone(event, context): return [time.tzname, time.timezone, datetime.datetime.fromtimestamp(0).isoformat()]
def case_module(event, context): return [__name__, __file__, __package__]
def case_thread_name(event, context): return [threading.current_thread().name, threading.main_thread() is threading.current_thread(), threading.active_count()]
def case_environment(event, context):
    ours = ("PYTHONPATH", "AWS_LAMBDA_RUNTIME_API", "_LAMBDA_TELEMETRY_LOG_FD", "LC_CTYPE", "PWD", "SHLVL", "_", "OLDPWD")
    return {name: value for name, value in sorted(os.environ.items()) if name not in ours}


def case_telemetry_descriptor(event, context): return "_LAMBDA_TELEMETRY_LOG_FD" in os.environ
