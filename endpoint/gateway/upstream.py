"""A model of engine servers as a Transcriber of the gateway. The server decodes; the gateway passes bytes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from endpoint.call import Call
from endpoint.codec import CodecError, decode, decode_error
from endpoint.core.transcriber import Progress, Steps
from endpoint.errors import EndpointError, EngineFailed, InvalidAudio, NotReady, Unavailable
from endpoint.gateway.pool import EngineLost, EngineServer, Pool, Share
from endpoint.gateway.wire import (
    DETECT,
    SEGMENTS,
    URGENCY_HEADER,
    Admitted,
    Kind,
    Languages,
    Measured,
    SavedWindow,
    Work,
    head,
)
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import EngineInfo, Transcript

log = structlog.get_logger(__name__)

T = TypeVar("T")
PIECE_BYTES = 256 * 1024
GUESS_BYTES_PER_SECOND = 16 * 1024  # 128 kbit/s: for who gets the work, until the length is known
MOST_LOST = 3  # servers that may die of one recording: it may be what kills them
MOST_TRIES = 20  # in all, with those that refused


class _Refused(Exception):
    """A server sent an error that another one may not have."""

    def __init__(self, error: EngineFailed | Unavailable) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass
class _Attempts:
    """One recording and what came of it so far.

    found: windows for the next server. segments: passed on. pinned: text was passed on that another server would not
    repeat to the letter. lost, tries: servers that died at it, and all. avoid: those that refused it, with `refusal`.
    """

    data: bytes | MemoryFile
    options: Options
    call: Call
    found: dict[int, bytes] | None
    admitted: bool = False
    segments: int = 0
    pinned: bool = False
    lost: int = 0
    tries: int = 0
    avoid: set[EngineServer] = field(default_factory=set)
    refusal: EndpointError | None = None

    def failed(self, pool: Pool, server: EngineServer, why: EngineLost | _Refused) -> None:
        """Note a failure. Raises where the work cannot go on elsewhere."""
        self.tries += 1
        error = why.error if isinstance(why, _Refused) else EngineFailed(f"the engine server was lost: {why}")
        if isinstance(error, EngineFailed):
            pool.lost(server, error.message)
            self.lost += not isinstance(why, EngineLost) or why.begun
        else:
            self.avoid.add(server)
        self.refusal = error
        if self.pinned or self.lost >= MOST_LOST or self.tries >= MOST_TRIES:
            raise error
        log.warning("tried on another engine server", request_id=self.call.id, engine=server.base, why=error.message)


class RemoteTranscriber:
    """The Transcriber of one model that engine servers list under `name`."""

    def __init__(self, name: str, pool: Pool) -> None:
        """A server of the pool has served it."""
        self._name, self._pool = name, pool
        self._info = next(one.info.models[name] for one in pool.servers if one.info and one.serves(name))

    @property
    def info(self) -> EngineInfo:
        """Of the first server that has it, or had it last."""
        infos = (one.info.models.get(self._name) for one in self._pool.servers if one.info)
        self._info = next((info for info in infos if info), self._info)
        return self._info

    async def start(self) -> None:
        """The pool is started by who made it."""

    async def close(self) -> None:
        """So is it closed."""

    async def check(self) -> None:
        self._pool.check(self._name)

    async def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        """As Transcriber.segments. Until text was passed on, the work of a server that dies is done by another one."""
        async with aclosing(self._steps(data, options, call, SEGMENTS)) as steps:
            async for step in steps:
                assert not isinstance(step, Languages)
                yield step

    async def detect(self, data: bytes | MemoryFile, options: Options, call: Call) -> tuple[Mapping[str, float], int]:
        """As Transcriber.detect."""
        async with aclosing(self._steps(data, options, call, DETECT)) as steps:
            async for step in steps:
                if isinstance(step, Languages):
                    return step.probabilities, step.duration_ms
        raise AssertionError("no languages came")

    async def _steps(
        self, data: bytes | MemoryFile, options: Options, call: Call, path: str
    ) -> AsyncGenerator[Progress | Transcript | Languages, None]:
        if not data:
            raise InvalidAudio("The file is empty: 0 bytes arrived. Send the recording itself.", code="empty_file")
        found = None if call.checkpoint is None else dict(call.checkpoint.found)
        attempts = _Attempts(data, options, call, found)
        try:
            while True:
                async with aclosing(self._attempt(attempts, path)) as steps:
                    async for step in steps:
                        yield step
                        if isinstance(step, Transcript | Languages):
                            return
        finally:
            if isinstance(data, MemoryFile):
                data.close()

    async def _attempt(self, attempts: _Attempts, path: str) -> AsyncGenerator[Progress | Transcript | Languages, None]:
        """The steps of one server; they end early where another one has to go on."""
        try:
            share = await self._pool.share(self._name, len(attempts.data) / GUESS_BYTES_PER_SECOND, attempts.avoid)
        except NotReady as error:
            raise attempts.refusal or error from None
        with share:
            try:
                async with aclosing(self._exchange(attempts, share, path)) as steps:
                    async for step in steps:
                        yield step
            except (EngineLost, _Refused) as why:
                attempts.failed(self._pool, share.server, why)

    async def _exchange(
        self, attempts: _Attempts, share: Share, path: str
    ) -> AsyncGenerator[Progress | Transcript | Languages, None]:
        """Send the work to one server, and take what it sends."""
        work = head(Work.of(self._name, attempts.options, attempts.call, attempts.found))
        size = len(work) + len(attempts.data)
        headers = {"x-request-id": attempts.call.id, URGENCY_HEADER: attempts.call.urgency.label}
        lines = self._pool.lines(share.server, path, headers, size, _body(work, attempts.data))
        last: Transcript | Languages | None = None
        async with aclosing(lines):
            async for kind, document in lines:  # to the end, so that the connection can be used again
                match kind.decode():
                    case Kind.PROGRESS:
                        yield _new_of(_read(Progress, document), attempts)
                    case Kind.WINDOW:
                        await _save(_read(SavedWindow, document), attempts)
                    case Kind.ADMITTED:
                        await _admit(_read(Admitted, document), attempts, share)
                    case Kind.MEASURED:
                        _read(Measured, document).add_to(attempts.call.record)
                    case Kind.TRANSCRIPT:
                        last = _read(Transcript, document)
                    case Kind.LANGUAGES:
                        last = _read(Languages, document)
                    case Kind.ERROR:
                        raise _error(document)
        if last is None:
            raise EngineLost("the response ended early", begun=True)
        yield last


def _read(kind: type[T], document: bytes) -> T:
    """Raises EngineLost for what this version does not understand."""
    try:
        return decode(kind, document)
    except CodecError as error:
        raise EngineLost(f"it has another version: {error}", begun=True) from error


def _error(document: bytes) -> Exception:
    error = decode_error(document)
    return _Refused(error) if isinstance(error, EngineFailed | Unavailable) else error


def _new_of(step: Progress, attempts: _Attempts) -> Progress:
    """The step without segments that were passed on before, when another server had the work."""
    new = tuple(segment for segment in step.segments if segment.id >= attempts.segments)
    attempts.segments += len(new)
    attempts.pinned |= bool(new) and attempts.options.incremental
    return replace(step, segments=new)


async def _save(window: SavedWindow, attempts: _Attempts) -> None:
    if attempts.call.checkpoint is not None and attempts.found is not None:
        attempts.found[window.number] = window.data
        await attempts.call.checkpoint.save(window.number, window.data)


async def _admit(length: Admitted, attempts: _Attempts, share: Share) -> None:
    """Once for a recording, however many servers had it."""
    share.correct(length.audio_seconds * length.passes)
    if not attempts.admitted:
        attempts.admitted = True
        await attempts.call.admit(length.audio_seconds, length.passes)


async def _body(work: bytes, data: bytes | MemoryFile) -> AsyncIterator[bytes]:
    before = work  # in one piece with the beginning of the recording
    for begin in range(0, len(data), PIECE_BYTES):
        piece = data.part(begin, PIECE_BYTES) if isinstance(data, MemoryFile) else data[begin : begin + PIECE_BYTES]
        yield before + piece
        before = b""
