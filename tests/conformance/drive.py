"""Calls the official Python client: it reads each call as a line of JSON and writes a line of JSON. See clients.py.

It runs in an interpreter that has the client, but no module of this repository.

python drive.py sync|async
"""

import asyncio
import inspect
import io
import json
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

import openai

warnings.simplefilter("ignore")  # of routes that the newest clients mark as deprecated


class Nameless(io.RawIOBase):
    """A file object without a name, as from a socket or a pipe."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(buffer)


def open_file(how, path, stack):
    """The file of a request, in one of the ways that users pass it."""
    path = Path(path)
    match how:
        case "path":
            return path
        case "open":
            return stack.enter_context(path.open("rb"))
        case "bytes":
            return path.read_bytes()
        case "tuple":
            return (path.name, path.read_bytes())
        case "typed tuple":
            return (path.name, path.open("rb").read(), "audio/wav")
        case "buffer":
            return io.BytesIO(path.read_bytes())
        case "nameless":
            return Nameless(path.read_bytes())
        case "none":
            return b""
    raise ValueError(how)


def arguments(method, options):
    """Keywords that this version of the client knows; the others go into extra_body, as its documentation says."""
    known = inspect.signature(method).parameters
    extra = {name: value for name, value in options.items() if name not in known}
    given = {name: value for name, value in options.items() if name in known}
    return {**given, **({"extra_body": extra} if extra else {})}


def plain(value):
    return value if isinstance(value, str) else value.to_dict(mode="json", warnings=False)


def find(client, dotted, through=""):
    *path, name = dotted.split(".")
    for part in [*path, *([through] if through else []), name]:
        client = getattr(client, part)
    return client


def described(value):
    return {
        "class": type(value).__name__,
        "value": plain(value),
        "request_id": getattr(value, "_request_id", None),
    }


def raw(response):
    return {
        "status": response.status_code,
        "headers": dict(response.headers),
        "request_id": response.request_id,
        "retries": response.retries_taken,
    }


def event_of(event, began):
    return {"class": type(event).__name__, "value": plain(event), "seconds": time.monotonic() - began}


def in_turn(client, ask, file):
    """Call the synchronous client. ask: call, way and options. The result can be written as JSON."""
    plain_method = find(client, ask["call"])
    given = arguments(plain_method, ask["options"]) | file
    began = time.monotonic()
    match ask["way"]:
        case "raw":
            response = find(client, ask["call"], "with_raw_response")(*ask["positional"], **given)
            return {**described(response.parse()), **raw(response), "body": response.text}
        case "streaming_response":
            method = find(client, ask["call"], "with_streaming_response")
            with method(*ask["positional"], **given) as response:
                return {**raw(response), "body": b"".join(response.iter_bytes()).decode()}
    result = plain_method(*ask["positional"], **given)
    if isinstance(result, openai.Stream):
        with result:
            return {"class": "Stream", "events": [event_of(event, began) for event in result]}
    return described(result)


async def awaited(client, ask, file):
    """Call the asynchronous client, with the same arguments and result as `in_turn`."""
    plain_method = find(client, ask["call"])
    given = arguments(plain_method, ask["options"]) | file
    began = time.monotonic()
    match ask["way"]:
        case "raw":
            response = await find(client, ask["call"], "with_raw_response")(*ask["positional"], **given)
            return {**described(response.parse()), **raw(response), "body": response.text}
        case "streaming_response":
            method = find(client, ask["call"], "with_streaming_response")
            async with method(*ask["positional"], **given) as response:
                return {**raw(response), "body": b"".join([part async for part in response.iter_bytes()]).decode()}
    result = plain_method(*ask["positional"], **given)
    result = await result if inspect.isawaitable(result) else result
    if isinstance(result, openai.AsyncStream):
        async with result:
            return {"class": "Stream", "events": [event_of(event, began) async for event in result]}
    return described(result)


async def with_async_client(ask, file):
    async with openai.AsyncOpenAI(**ask["client"]) as client:
        return await awaited(client, ask, file)


def failure(error):
    response = getattr(error, "response", None)
    return {
        "error": {
            "class": type(error).__name__,
            "bases": [base.__name__ for base in type(error).__mro__],
            "status": getattr(error, "status_code", None),
            "request_id": getattr(error, "request_id", None),
            "headers": dict(response.headers) if response is not None else {},
            "text": str(error),
            **{name: getattr(error, name, None) for name in ("message", "type", "param", "code", "body")},
        }
    }


def run(ask, mode):
    with ExitStack() as stack:
        how = ask["file"]
        file = {"file": open_file(how["as"], how["path"], stack)} if how else {}
        try:
            if mode == "async":
                return asyncio.run(with_async_client(ask, file))
            client = stack.enter_context(openai.OpenAI(**ask["client"]))
            return in_turn(client, ask, file)
        except Exception as error:
            return failure(error)


def main(mode):
    print(json.dumps({"version": openai.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), mode)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
