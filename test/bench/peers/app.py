"""The handler of the measurements for each of the peers: parse, return, encode."""

import json


def handler(event, context):
    """What awslambdaric runs."""
    return event


def wsgi(environ, start_response):
    """What gunicorn runs."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = json.dumps(handler(json.loads(body), None)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    """What uvicorn runs."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = json.dumps(handler(json.loads(body), None)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def flask(request):
    """What functions-framework runs."""
    return json.dumps(handler(json.loads(request.get_data()), None)), 200, {"Content-Type": "application/json"}
