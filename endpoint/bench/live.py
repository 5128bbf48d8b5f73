"""Live sessions at the pace of speech, and how far their text is behind it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from endpoint.bench.words import errors
from endpoint.live.client import LiveEvent, converse, paced
from endpoint.types import Samples

WORDS = "item.input_audio_transcription.words"


@dataclass
class LiveTurn:
    """Text of one turn and its lags, in seconds: of the first text after the first word began, of each word after it
    ended, of the final text after the last word ended. interim: what deltas gave. stable: their `stable_until`.
    """

    interim: str = ""
    final: str = ""
    first: float | None = None
    words: list[float] = field(default_factory=list)
    completed: float | None = None
    stable: list[int] = field(default_factory=list)
    failed: bool = False
    start_ms: int = 0
    end_ms: int = 0


@dataclass(frozen=True)
class LiveResult:
    """Of one session: its turns, in order."""

    turns: list[LiveTurn]
    reference: str | None

    @property
    def interim(self) -> str:
        return " ".join(turn.interim.strip() for turn in self.turns)

    @property
    def final(self) -> str:
        return " ".join(turn.final.strip() for turn in self.turns)


async def speak(
    url: str, samples: Samples, session: dict[str, Any], reference: str | None = None, *,
    api_key: str = "none", real_time: bool = True,
) -> LiveResult:  # fmt: skip
    """One session with this sound: int16 [n], 16 kHz. Raises EndpointError."""
    reading = _Reading()
    asked = {**session, "type": "transcription", "include": [WORDS]}
    async for event in converse(url, paced(samples, real_time), asked, api_key):
        reading.feed(event)
    return LiveResult(reading.turns, reference)


async def together(
    url: str, recordings: Sequence[tuple[Samples, str | None]], sessions: int, session: dict[str, Any],
    api_key: str = "none",
) -> list[LiveResult]:  # fmt: skip
    """So many sessions at once, that begin one after the other within two seconds; each has a recording of its own."""

    async def one(number: int) -> LiveResult:
        await asyncio.sleep(2.0 * number / sessions)
        samples, reference = recordings[number % len(recordings)]
        return await speak(url, samples, session, reference, api_key=api_key)

    return await asyncio.gather(*map(one, range(sessions)))


class _Reading:
    """Events to turns."""

    def __init__(self) -> None:
        self._turns = dict[str, LiveTurn]()
        self._arrived = dict[str, list[tuple[float, int]]]()  # of each item: when text came, and how many words of it

    @property
    def turns(self) -> list[LiveTurn]:
        return list(self._turns.values())

    def feed(self, event: LiveEvent) -> None:
        if "item_id" not in event.body:
            return
        item = event.body["item_id"]
        turn = self._turns.setdefault(item, LiveTurn())
        match event.type:
            case "delta":
                turn.interim += event.body["delta"]
                turn.stable.append(event.body["stable_until"])
                self._arrived.setdefault(item, []).append((event.seconds, len(event.body["delta"].split())))
                turn.words += [event.seconds - word["end"] for word in event.body.get("words", ())]
            case "completed":
                self._complete(turn, event, self._arrived.get(item, []))
            case "failed":
                turn.failed = True

    def _complete(self, turn: LiveTurn, event: LiveEvent, arrived: Sequence[tuple[float, int]]) -> None:
        body = event.body
        turn.final, turn.start_ms, turn.end_ms = body["transcript"], body["audio_start_ms"], body["audio_end_ms"]
        words = body["words"]
        if not words:
            return
        turn.completed = event.seconds - words[-1]["end"]
        if arrived:
            turn.first = arrived[0][0] - words[0]["start"]
        late = max(0, len(turn.interim.split()) - len(turn.words))  # words that came with the final text
        turn.words += [event.seconds - word["end"] for word in words[len(words) - late :] if late]


@dataclass(frozen=True)
class LiveFigures:
    """Of all sessions of a run: medians and 95th percentiles of lags in seconds, word errors in per cent."""

    sessions: int
    turns: int
    failed: int
    first: tuple[float, float]
    word: tuple[float, float]
    final: tuple[float, float]
    interim_errors: float | None
    final_errors: float | None


def live_figures(results: Sequence[LiveResult]) -> LiveFigures:
    turns = [turn for result in results for turn in result.turns]
    return LiveFigures(
        sessions=len(results),
        turns=len(turns),
        failed=sum(turn.failed for turn in turns),
        first=spread([turn.first for turn in turns if turn.first is not None]),
        word=spread([lag for turn in turns for lag in turn.words]),
        final=spread([turn.completed for turn in turns if turn.completed is not None]),
        interim_errors=error_rate([(result.reference, result.interim) for result in results]),
        final_errors=error_rate([(result.reference, result.final) for result in results]),
    )


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile; nan where there is none."""
    if not values:
        return (float("nan"), float("nan"))
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def error_rate(pairs: Sequence[tuple[str | None, str]]) -> float | None:
    """Word errors in per cent of the words of the references; None where there is no reference."""
    counted = [errors(reference, text) for reference, text in pairs if reference is not None]
    words = sum(count for _, count in counted)
    return 100 * sum(wrong for wrong, _ in counted) / words if words else None
