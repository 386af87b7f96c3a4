"""The runtime of a Python function.

This is the platform's own implementation. It has the names under which AWS
offers its runtime interface client to functions, because monitoring libraries
wrap those functions and annotations import those classes. Start reading at
bootstrap.run.
"""

# The client whose behaviour this package follows; test/ric compares the two.
__version__ = "4.2.2"
