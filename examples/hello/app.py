"""The smallest function: it greets whoever the event names."""

from datetime import datetime, timezone


def handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name} in {context.function_name}")
    return {"greeting": f"Hello, {name}!", "at": datetime.now(timezone.utc).isoformat()}
