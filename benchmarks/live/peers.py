"""Live sessions beside WhisperLive's own server: the same weights and sound, one server after the other.

    --sessions 1,2,4     at once
    --seconds 60         of speech in each

Every word's time is that of this server's file API, for both. Prints each line with its figure and PASS or FAIL; writes
build/live/peers.html and peers.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from openai import AsyncOpenAI

from benchmarks.live.__main__ import BUILD, long_speech
from benchmarks.live.shown import Lags, Shown, Spoken, lags
from benchmarks.live.whisper_live import show, until_ready, whisper_live
from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.live import error_rate, spread
from endpoint.bench.usage import Processes
from endpoint.config import load_settings
from endpoint.live.client import converse, paced
from endpoint.live.runner import as_wave
from endpoint.local import running_server
from endpoint.types import SAMPLE_RATE, Samples
from endpoint.weights.packages import fetch_base

OURS, THEIRS = "this server", "WhisperLive 0.10.0"
LANGUAGE = "en"
UTTERANCE_SECONDS = 0.8  # a longer pause between two words begins a new utterance

Session = Callable[[Samples], Awaitable[list[Shown]]]


@dataclass(frozen=True)
class Run:
    """Of so many sessions at once. errors: of the last text, in per cent. cpu: seconds for each minute of a session."""

    server: str
    sessions: int
    lags: Lags
    errors: float
    cpu: float

    def row(self) -> dict[str, float]:
        """Medians in seconds, and words that were taken back or never came, in per cent."""
        spoken, shown, settled = max(1, self.lags.spoken), spread(self.lags.shown), spread(self.lags.settled)
        return {
            "first text": spread(self.lags.first)[0],
            "words shown": shown[0],
            "words shown, 95 %": shown[1],
            "words that stay": settled[0],
            "words that stay, 95 %": settled[1],
            "taken back, %": 100 * self.lags.back / spoken,
            "never shown as words that stay, %": 100 * (1 - len(self.lags.settled) / spoken),
            "word errors, %": self.errors,
            "processor seconds a minute": self.cpu,
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live.peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--sessions", default="1,2,4")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = argparse.Namespace(model="base", **vars(parser.parse_args()))
    levels = [int(part) for part in given.sessions.split(",")]
    speech = long_speech(given)[: max(levels)]
    with running_server(MODEL_ID="base", JOBS_URL="off") as server:
        words = asyncio.run(_words(server.base, [samples for samples, _ in speech]))
        url = f"{server.base}/v1"
        runs = [asyncio.run(measure(OURS, server.pid, lambda s: ours(url, s), speech, words, n)) for n in levels]
    model = fetch_base(load_settings().model_folder)
    with whisper_live(model, max(levels)) as (address, pid):
        asyncio.run(_warm(address, speech[0][0]))
        runs += [
            asyncio.run(measure(THEIRS, pid, lambda s: show(address, s, LANGUAGE), speech, words, n)) for n in levels
        ]
    met = compared(runs, levels)
    write(runs, levels)
    return 0 if met else 1


async def measure(
    server: str, pid: int, session: Session, speech: Sequence[tuple[Samples, str]],
    words: Sequence[Sequence[Spoken]], count: int,
) -> Run:  # fmt: skip
    """`count` sessions at once, that begin one after the other within two seconds."""
    usage = Processes(pid)
    before = usage.cpu_seconds()

    async def one(number: int) -> list[Shown]:
        await asyncio.sleep(2.0 * number / count)
        return await session(speech[number][0])

    logs = await asyncio.gather(*map(one, range(count)))
    spent = usage.cpu_seconds() - before
    total, texts = Lags(), list[tuple[str | None, str]]()
    for number, log in enumerate(logs):
        found = lags(words[number], log)
        total.first += found.first
        total.shown += found.shown
        total.settled += found.settled
        total.spoken += found.spoken
        total.back += found.back
        texts.append((speech[number][1], f"{log[-1].settled} {log[-1].open}" if log else ""))
    minutes = sum(len(samples) for samples, _ in speech[:count]) / SAMPLE_RATE / 60
    run = Run(server, count, total, error_rate(texts) or 0.0, spent / minutes)
    figures = ", ".join(f"{name} {value:.2f}" for name, value in run.row().items())
    print(f"      {server}, {count} sessions, {total.spoken} words: {figures}", flush=True)
    return run


async def ours(url: str, samples: Samples) -> list[Shown]:
    """What a client of the Realtime protocol saw. Text that was sent stays."""
    turns, log = dict[str, str](), list[Shown]()
    session = {"type": "transcription", "audio": {"input": {"transcription": {"language": LANGUAGE}}}}
    async for event in converse(url, paced(samples), session):
        item = event.body.get("item_id", "")
        if event.type == "delta":
            turns[item] = turns.get(item, "") + event.body["delta"]
        elif event.type == "completed":
            turns[item] = event.body["transcript"]
        else:
            continue
        log.append(Shown(event.seconds, " ".join(turns.values())))
    return log


async def _words(base: str, recordings: Sequence[Samples]) -> list[list[Spoken]]:
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="none", timeout=300) as client:
        found = []
        for samples in recordings:
            response = await client.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", as_wave(samples)), language=LANGUAGE, response_format="verbose_json",
                timestamp_granularities=["word"],
            )  # fmt: skip
            words, end = list[Spoken](), -math.inf
            for word in response.words or ():
                words.append(Spoken(word.word, word.start, word.end, word.start - end > UTTERANCE_SECONDS))
                end = word.end
            found.append(words)
        return found


async def _warm(address: str, samples: Samples) -> None:
    """The first session loads the model."""
    await until_ready(address)
    await show(address, samples[: 5 * SAMPLE_RATE], LANGUAGE)


def compared(runs: Sequence[Run], levels: Sequence[int]) -> bool:
    """Whether ours is ahead in each."""
    met = True
    by = {(run.server, run.sessions): run.row() for run in runs}
    for count in levels:
        for name, mine in by[OURS, count].items():
            theirs = by[THEIRS, count][name]
            ahead = mine <= theirs or math.isnan(theirs)
            met &= ahead
            print(f"{'PASS' if ahead else 'FAIL'}  {name}, {count} sessions: {mine:.2f}, {THEIRS} {theirs:.2f}")
    return met


def write(runs: Sequence[Run], levels: Sequence[int]) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    names = list(runs[0].row())
    charts = []
    for name in ("first text", "words that stay", "processor seconds a minute"):
        series = [
            Series(server, [(one.sessions, value) for one in runs if one.server == server
                            and not math.isnan(value := one.row()[name])])
            for server in (OURS, THEIRS)
        ]  # fmt: skip
        charts.append(draw(f"{name} by live sessions", Axis("sessions"), Axis("seconds"), series))
    head = "".join(f"<th>{name}" for name in names)
    rows = "".join(
        f"<tr><td>{run.server}<td>{run.sessions}" + "".join(f"<td>{value:.2f}" for value in run.row().values())
        for run in runs
    )
    page = f"<meta charset=utf-8><table><tr><th>server<th>sessions{head}{rows}</table>{''.join(charts)}"
    (BUILD / "peers.html").write_text(page, encoding="utf-8")
    body = [{"server": run.server, "sessions": run.sessions, **run.row()} for run in runs]
    (BUILD / "peers.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
