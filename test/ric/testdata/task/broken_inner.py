print("before")
import broken_import


def handler(event, context): return 1
