"""How many files a transcription request enters, counted with a tracer: what a reader has to follow."""

from __future__ import annotations

import asyncio
import dis
import sys
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType

import httpx

from endpoint.config import Settings
from endpoint.wiring import build_app
from tests.test_architecture import PACKAGE

SPEECH = PACKAGE / "demo" / "recordings" / "LJ001-0011.flac"
MOST_FILES = 51  # of the server, with the fake engine; what to aim at is 25
_SUSPENDS = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_SUSPENDED = {"YIELD_VALUE", "SEND", "RETURN_GENERATOR"}


class Files:
    """A profiler: the files whose functions run, in the order in which they are entered first."""

    def __init__(self) -> None:
        self.entered = list[str]()
        self.entered_again = set[str]()
        self._active = dict[str, int]()
        self._frames = set[FrameType]()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if not path.startswith(f"{PACKAGE}/"):
            return
        name = path.removeprefix(f"{PACKAGE}/")
        if event == "call" and frame not in self._frames:  # a coroutine that goes on is no new call
            self._frames.add(frame)
            if not self._active.get(name):
                (self.entered_again.add if name in self.entered else self.entered.append)(name)
            self._active[name] = self._active.get(name, 0) + 1
        elif event == "return" and frame in self._frames and not _is_suspended(frame):
            self._frames.discard(frame)
            self._active[name] -= 1


def _is_suspended(frame: FrameType) -> bool:
    code = frame.f_code
    return bool(code.co_flags & _SUSPENDS) and dis.opname[code.co_code[frame.f_lasti]] in _SUSPENDED


async def traced() -> Files:
    app = build_app(Settings(engine="fake", decode_workers=1, jobs_url="off"))  # whose worker would be counted as well
    files = Files()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        while (await client.get("/health")).status_code != 200:  # noqa: ASYNC110 - the server is asked as from outside
            await asyncio.sleep(0.01)
        for profiler in (None, files):  # the first request loads what is loaded once
            sys.setprofile(profiler)
            try:
                response = await client.post(
                    "/v1/audio/transcriptions", files={"file": ("speech.flac", SPEECH.read_bytes())}
                )
            finally:
                sys.setprofile(None)
            assert response.status_code == 200
    return files


def test_a_request_enters_few_files() -> None:
    files = asyncio.run(traced())
    assert len(files.entered) <= MOST_FILES, files.entered
