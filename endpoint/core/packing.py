"""Short windows of several requests in one of the model's 30 seconds: the encoder's work is the same however long a
window is. Off unless PACK_SHORT_CLIPS is set; what it brings and costs: docs/decisions/0014-packing-short-clips.md.

Windows are joined with silence between them, decoded once, and the hypothesis is split by its timestamps. A window that
was not recognized without doubt is decoded again alone.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from endpoint.errors import EngineFailed
from endpoint.options import Options, Sampling, Task, Thresholds
from endpoint.text.coverage import SLACK_MS, UNFINISHED_MS, subtract
from endpoint.text.judge import believable, is_unsure, repeats_itself
from endpoint.types import (
    SAMPLE_RATE,
    TIMESTAMP_MS,
    TIMESTAMP_SAMPLES,
    Engine,
    EngineInfo,
    Hypothesis,
    Notice,
    Piece,
    Samples,
    Window,
    samples_to_ms,
)

CLIP_SECONDS = 10.0  # the longest window that is packed
GAP_SECONDS = 1.0  # of silence between two windows
LEAN = 0.3  # of a gap, how far a segment may reach out of its window; less than half
WAIT = 0.01  # seconds that a window waits for others
HOLD_SECONDS = 0.2  # seconds at most, while the engine is busy
BUSY = 4  # number of windows being decoded from which on the engine counts as busy


@dataclass
class _Clip:
    """A window that waits for its hypothesis. since: by the event loop's clock."""

    window: Window
    options: Options
    since: float
    done: asyncio.Future[Hypothesis]


@dataclass(frozen=True)
class Slot:
    """Where a window lies in the packed one: samples from `start`, a multiple of TIMESTAMP_SAMPLES, up to `end`."""

    window: Window
    start: int
    end: int

    def milliseconds(self, lean: int = 0) -> tuple[int, int]:
        return samples_to_ms(self.start) - lean, samples_to_ms(self.end) + lean


class PackingEngine:
    """An engine that decodes short windows together on `engine`, and hands on everything else.

    window_seconds: the most sound in one window. clip_seconds: the longest window that is packed. gap_seconds: of
    silence between two.

    counts: what was done since the start: windows that held several (`packs`), the clips in them (`clips`), and of
    those the ones decoded again alone (`again`).
    """

    def __init__(
        self,
        engine: Engine,
        window_seconds: float,
        clip_seconds: float = CLIP_SECONDS,
        gap_seconds: float = GAP_SECONDS,
    ) -> None:
        self._engine = engine
        self._longest, self._clip, self._gap = (
            int(seconds * SAMPLE_RATE) for seconds in (window_seconds, clip_seconds, gap_seconds)
        )
        self._waiting: dict[Options, list[_Clip]] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._running = 0
        self.counts: Counter[str] = Counter()

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def start(self) -> None:
        await self._engine.start()

    async def check(self) -> None:
        await self._engine.check()

    async def steps(self) -> tuple[int, int]:
        return await self._engine.steps()

    async def close(self) -> None:
        """Callers that still wait get EngineFailed."""
        for options in list(self._waiting):
            self._send(options)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.close()

    def check_options(self, options: Options) -> tuple[Notice, ...]:
        return self._engine.check_options(options)

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return await self._engine.detect(window, options)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return await self._engine.align(hypothesis, task)

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        if len(window.samples) > self._clip or not packable(window, options):
            return await self._decode(window, options)
        loop = asyncio.get_running_loop()
        clip = _Clip(window, options, loop.time(), loop.create_future())
        key = _key(options)
        if key in self._waiting and not self._fits(self._waiting[key], window):
            self._send(key)
        if key not in self._waiting:
            self._waiting[key] = []
            loop.call_later(WAIT, self._look, key, clip)
        self._waiting[key].append(clip)
        return await clip.done

    async def _decode(self, window: Window, options: Options) -> Hypothesis:
        self._running += 1
        try:
            return await self._engine.decode(window, options)
        finally:
            self._running -= 1

    def _fits(self, clips: Sequence[_Clip], window: Window) -> bool:
        sizes = [len(clip.window.samples) for clip in clips if not clip.done.done()]
        spare = self._gap + TIMESTAMP_SAMPLES  # a window starts where a timestamp can be
        return sum(sizes) + len(sizes) * spare + len(window.samples) <= self._longest

    def _look(self, key: Options, first: _Clip) -> None:
        """Send the windows that wait with `first`, unless the engine is busy and they can wait for more."""
        if self._waiting.get(key, [None])[0] is not first:
            return  # sent meanwhile
        loop = asyncio.get_running_loop()
        if self._running >= BUSY and loop.time() - first.since < HOLD_SECONDS:
            loop.call_later(WAIT, self._look, key, first)
        else:
            self._send(key)

    def _send(self, key: Options) -> None:
        self._begin([clip for clip in self._waiting.pop(key) if not clip.done.done()])

    def _begin(self, clips: list[_Clip]) -> None:
        """Decode `clips` together; the work is cancelled when the last caller is."""
        if not clips:
            return
        task = asyncio.get_running_loop().create_task(self._serve(clips))
        self._tasks.add(task)

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                self._fail(clips, EngineFailed("the engine was closed"))

        def gone(_: asyncio.Future[Hypothesis]) -> None:
            if all(clip.done.cancelled() for clip in clips):
                task.cancel()

        task.add_done_callback(done)
        for clip in clips:
            clip.done.add_done_callback(gone)

    async def _serve(self, clips: list[_Clip]) -> None:
        try:
            if len(clips) == 1:
                found: list[Hypothesis | None] = [await self._decode(clips[0].window, clips[0].options)]
            else:
                found = await self._together(clips)
        except Exception as error:
            self._fail(clips, error)
            return
        for clip, hypothesis in zip(clips, found, strict=True):
            if clip.done.done():
                continue
            if hypothesis is None:
                self.counts["again"] += 1
                self._begin([clip])
            else:
                clip.done.set_result(hypothesis)

    @staticmethod
    def _fail(clips: Sequence[_Clip], error: Exception) -> None:
        for clip in clips:
            if not clip.done.done():
                clip.done.set_exception(error)

    async def _together(self, clips: Sequence[_Clip]) -> list[Hypothesis | None]:
        samples, slots = lay([clip.window for clip in clips], self._gap)
        self.counts.update(packs=1, clips=len(clips))
        recognized = await self._decode(Window(0, samples), clips[0].options)
        return split(recognized, slots, int(LEAN * samples_to_ms(self._gap)))


def packable(window: Window, options: Options) -> bool:
    """Whether a window may share the model's 30 s with others: nothing is asked that needs a pass of its own.

    A prompt belongs to one window. The language is detected once a pass, in the first step. Words are timed from the
    encoder's output of the window alone. Without voice activity's spans of speech, lost text could not be noticed.
    """
    own = options.prompt or options.hotwords or options.languages or options.words or options.temperature
    if options.sampling != Sampling() or options.thresholds != Thresholds():
        return False
    return not own and options.language is not None and bool(window.speech)


def _key(options: Options) -> Options:
    """Equal for windows that may be decoded together."""
    return Options(task=options.task, language=options.language, logprobs=options.logprobs)


def lay(windows: Sequence[Window], gap: int) -> tuple[Samples, list[Slot]]:
    """Windows one behind the other, at least `gap` samples of silence between: int16 [n], and where each lies."""
    slots, at = list[Slot](), 0
    for window in windows:
        slots.append(Slot(window, at, at + len(window.samples)))
        at = -(-(slots[-1].end + gap) // TIMESTAMP_SAMPLES) * TIMESTAMP_SAMPLES
    samples = np.zeros(slots[-1].end, np.int16)
    for slot in slots:
        samples[slot.start : slot.end] = slot.window.samples
    return samples, slots


def split(recognized: Hypothesis, slots: Sequence[Slot], lean: int) -> list[Hypothesis | None]:
    """Each window's own hypothesis, as if it had been decoded alone; None where there is any doubt about it.

    A segment belongs to the window that holds it, which may be exceeded by `lean` milliseconds on either side. One that
    lies in no window, or across two, makes all windows that it touches doubtful.
    """
    zero = _first_time(recognized)
    if zero is None:
        return [None] * len(slots)
    given: list[list[tuple[Piece, tuple[float, ...]]]] = [[] for _ in slots]
    doubtful, at = set[int](), 0
    for piece in recognized.pieces:
        assert piece.end_ms is not None
        logprobs = recognized.logprobs[at : at + len(piece.tokens)]
        at += len(piece.tokens)
        reach = [slot.milliseconds(lean) for slot in slots]
        holding = [k for k, (start, end) in enumerate(reach) if start <= piece.start_ms and piece.end_ms <= end]
        if holding:
            given[holding[0]].append((piece, logprobs))
        else:
            doubtful |= _near(piece, slots)
    return [
        None if k in doubtful or not given[k] else _own(recognized, slot, given[k], zero)
        for k, slot in enumerate(slots)
    ]


def _first_time(recognized: Hypothesis) -> int | None:
    """The id of the timestamp 0.00; None for a hypothesis that is not segments, in order, each between two timestamps,
    with nothing left over.
    """
    if not recognized.complete or not recognized.pieces or len(recognized.logprobs) != len(recognized.tokens):
        return None
    zero = recognized.pieces[0].tokens[0] - recognized.pieces[0].start_ms // TIMESTAMP_MS
    before = 0
    for piece in recognized.pieces:
        if piece.end_ms is None or not before <= piece.start_ms < piece.end_ms:
            return None
        first, *text, last = piece.tokens
        if (first, last) != (zero + piece.start_ms // TIMESTAMP_MS, zero + piece.end_ms // TIMESTAMP_MS):
            return None
        if not text or max(text) >= zero:
            return None
        before = piece.end_ms
    pieced = [token for piece in recognized.pieces for token in piece.tokens]
    return zero if pieced == list(recognized.tokens) else None


def _near(piece: Piece, slots: Sequence[Slot]) -> set[int]:
    """The windows that a segment touches; of one in a gap, both beside it."""
    assert piece.end_ms is not None
    found = set[int]()
    for k in range(len(slots)):
        begin = slots[k - 1].milliseconds()[1] if k else 0
        end = slots[k + 1].milliseconds()[0] if k + 1 < len(slots) else math.inf
        if piece.start_ms < end and piece.end_ms > begin:
            found.add(k)
    return found


def _own(
    recognized: Hypothesis, slot: Slot, given: Sequence[tuple[Piece, tuple[float, ...]]], zero: int
) -> Hypothesis | None:
    """The hypothesis of one window, times counted from its start.

    no_speech_prob is that of the pass: the probability that none of its windows holds speech. It is used only for text
    of low probability, and such a window is decoded again alone.
    """
    shift = samples_to_ms(slot.start)
    pieces = tuple(_moved(piece, shift, zero) for piece, _ in given)
    logprobs = tuple(value for _, values in given for value in values)
    own = replace(
        recognized,
        window=slot.window,
        tokens=tuple(token for piece in pieces for token in piece.tokens),
        pieces=pieces,
        avg_logprob=min(0.0, math.fsum(logprobs) / len(logprobs)),
        logprobs=logprobs,
        key="",
    )
    unsure = repeats_itself(own) or is_unsure(own)
    return None if unsure or len(believable(own).pieces) < len(pieces) or _leaves_out(own) else own


def _moved(piece: Piece, shift: int, zero: int) -> Piece:
    assert piece.end_ms is not None
    start, end = max(0, piece.start_ms - shift), max(0, piece.end_ms - shift)
    tokens = (zero + start // TIMESTAMP_MS, *piece.tokens[1:-1], zero + end // TIMESTAMP_MS)
    return replace(piece, start_ms=start, end_ms=end, tokens=tokens)


def _leaves_out(own: Hypothesis) -> bool:
    """Whether voice activity found a long stretch of speech in the window where there is no segment."""
    window = own.window
    speech = [(samples_to_ms(s.start - window.start), samples_to_ms(s.end - window.start)) for s in window.speech]
    covered = [(piece.start_ms - SLACK_MS, (piece.end_ms or 0) + SLACK_MS) for piece in own.pieces]
    return any(end - start >= UNFINISHED_MS for start, end in subtract(speech, covered))
