"""Waits for a debugger before the function's own code is imported.

The supervisor leads the debugger's connection to this port, which exists inside
the environment's network namespace only.
"""

import os

# The standard library's frozen modules are nobody's to debug: no warning of them.
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"

import debugpy

debugpy.listen(("127.0.0.1", 5678))
debugpy.wait_for_client()
del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
