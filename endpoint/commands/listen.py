"""`endpoint listen [FILE]`: speech to text by a server while one speaks: of a microphone, or of a file at its pace."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from endpoint.bench.containers import decode
from endpoint.bench.request import base_url
from endpoint.errors import ConfigError, InvalidRequest
from endpoint.live.agreement import DELAYS
from endpoint.live.client import FRAME_SECONDS, LiveEvent, converse, paced
from endpoint.live.convert import OPENAI_RATE

DEFAULT_URL = "http://127.0.0.1:8000/v1"


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endpoint listen", description=(__doc__ or "").partition(": ")[2])
    parser.add_argument("file", nargs="?", type=Path, help="a recording; unset: the microphone")
    parser.add_argument("--url", default=DEFAULT_URL, help=f"base URL of the server; default {DEFAULT_URL}")
    parser.add_argument("--api-key", default="none", help="the server's key")
    parser.add_argument("--model", default="", help="one of the server's; unset: its default")
    parser.add_argument("--language", help="code or English name; unset: detected for each turn")
    parser.add_argument("--delay", choices=DELAYS, help="how long text is held back until it is sure")
    parser.add_argument("--fast", action="store_true", help="send the file as fast as the server takes it")
    parser.add_argument("--json", action="store_true", help="print the server's events, one a line")
    args = parser.parse_args(argv)
    if args.file and not args.file.is_file():
        raise InvalidRequest(f"no such file: {args.file}")
    return asyncio.run(_listen(args))


async def _listen(args: argparse.Namespace) -> int:
    sound = paced(decode(args.file), not args.fast) if args.file else microphone()
    failed = False
    async for event in converse(base_url(args.url), sound, session(args), args.api_key):
        if args.json:
            print(json.dumps(event.body, ensure_ascii=False), flush=True)
        else:
            show(event)
        failed |= event.type in ("failed", "error")
    return 1 if failed else 0


def session(args: argparse.Namespace) -> dict[str, Any]:
    """What is asked of the server."""
    asked = {"model": args.model, "language": args.language, "delay": args.delay}
    transcription = {name: value for name, value in asked.items() if value}
    return {"type": "transcription", "audio": {"input": {"transcription": transcription}}}


def show(event: LiveEvent) -> None:
    """Text as it settles, a line for each turn."""
    match event.type:
        case "delta":
            print(event.body["delta"], end="", flush=True)
        case "completed":
            print(flush=True)
        case "failed" | "error":
            print(f"\n{event.body['error']['message']}", file=sys.stderr, flush=True)


async def microphone() -> AsyncIterator[bytes]:
    """Frames of 24 kHz, without end. Raises ConfigError where there is none."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # the package, or the library that it needs
        raise ConfigError(
            f"there is no microphone ({error}); install the extra `microphone`, or name a file"
        ) from error
    loop, frames = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def take(data: Any, *_: object) -> None:
        loop.call_soon_threadsafe(frames.put_nowait, bytes(data))

    size = round(FRAME_SECONDS * OPENAI_RATE)
    try:
        stream = sounddevice.RawInputStream(OPENAI_RATE, size, channels=1, dtype="int16", callback=take)
    except sounddevice.PortAudioError as error:
        raise ConfigError(f"there is no microphone ({error}); name a file") from error
    with stream:
        while True:
            yield await frames.get()
