"""What the zygote has imported ahead of the functions, and how it stays unseen.

A function's own modules win over the runtime's, as on AWS, where little is
imported before they are looked for. So what was preloaded is forgotten again
when the package, a layer or PYTHONPATH has something of its name. Start reading
at forget_shadowed.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Iterable, List, Optional, Sequence, Set

# What AWS's own client has imported before it looks for the handler: a
# function's module of such a name does not win there either.
AWS_CLIENT = ("decimal", "enum", "importlib", "json", "logging", "math", "multiprocessing", "os", "socket", "sys", "time", "traceback")

# Modules that most handlers import: paid for once, in the zygote.
STANDARD = (
    "__future__", "ast", "base64", "bisect", "calendar", "collections.abc", "concurrent.futures", "concurrent.futures.thread", "configparser", "contextlib",
    "copy", "csv", "dataclasses", "datetime", "email.message", "email.mime.text", "enum", "functools", "glob", "gzip", "hashlib", "heapq", "hmac", "html",
    "http.client", "http.cookies", "inspect", "io", "itertools", "locale", "logging.handlers", "math", "mimetypes", "numbers", "operator", "pathlib", "pickle",
    "platform", "queue", "re", "secrets", "select", "shutil", "ssl", "statistics", "string", "subprocess", "tempfile", "textwrap", "threading", "typing",
    "unicodedata", "urllib.parse", "urllib.request", "uuid", "weakref", "xml.etree.ElementTree", "xml.etree.cElementTree", "zipfile", "zlib",
)  # fmt: skip

_standard: Set[str] = set()  # top-level names of modules that may be forgotten one by one
_boto3: Set[str] = set()  # modules that are forgotten together, by full name
_boto3_names: Set[str] = set()  # top-level names on which they depend, of modules that are absent, too


def _top(name: str) -> str:
    return name.partition(".")[0]


def load_standard() -> None:
    """Import the standard modules."""
    for name in AWS_CLIENT:
        importlib.import_module(name)
    before = {_top(name) for name in sys.modules}
    for name in STANDARD:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # another version, or a trimmed interpreter; the function will be told at its own import
    _standard.update({_top(name) for name in sys.modules} - before)


class _Absent:
    """A finder that finds nothing and notes what was looked for."""

    @staticmethod
    def find_spec(fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None) -> Any:
        if path is None:
            _boto3_names.add(fullname)
        return None


def load_boto3() -> None:
    """Import the runtime's boto3 and make a client, which fills the caches of its
    modules. Nothing of that client stays, and no address is looked up."""
    site = "%s/lib/python%d.%d/site-packages" % (sys.prefix, *sys.version_info[:2])
    path, before = list(sys.path), set(sys.modules)
    sys.path.append(site)
    sys.meta_path.append(_Absent)  # type: ignore[arg-type]
    try:
        boto3: Any = importlib.import_module("boto3")
        session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
        session.client("sqs").close()
    except ImportError:
        pass  # it is not installed
    finally:
        sys.meta_path.remove(_Absent)  # type: ignore[arg-type]
        sys.path[:] = path
        sys.path_importer_cache.pop(site, None)
    for name in set(sys.modules) - before:
        _boto3.add(name)
        _boto3_names.add(_top(name))


def _names(folder: str) -> Iterable[str]:
    """The modules and packages in a folder of sys.path."""
    try:
        entries = list(os.scandir(folder))
    except NotADirectoryError:
        return _boto3_names  # a zip archive: it may hold anything
    except OSError:
        return ()
    names: List[str] = []
    for entry in entries:
        name, dot, _ = entry.name.partition(".")
        # A folder without this file is a package only if there is no other.
        if (name in _standard or name in _boto3_names) and (dot or os.path.exists(entry.path + "/__init__.py")):
            names.append(name)
    return names


def forget_shadowed(folders: Iterable[str]) -> None:
    """Forget what the folders, which come before the runtime's own, have themselves."""
    for folder in folders:
        for name in _names(folder):
            if name in _boto3_names:
                for module in _boto3:
                    sys.modules.pop(module, None)
                _boto3.clear()
            if name in _standard:
                for module in [module for module in sys.modules if _top(module) == name]:
                    del sys.modules[module]
