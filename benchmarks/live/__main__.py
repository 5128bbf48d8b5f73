"""Live sessions with whisper-base on human speech: what they must show, each line with its figure and PASS or FAIL.

    --sessions 1,2,4,8     runs at the pace of speech; the lines are about 4
    --seconds 60           of speech in each session of a run
    --count 8              prompts of each language beside LJ Speech, for `equal` and `words` (they are fetched by apt)
    --only equal,words,lag,drop  of the parts
    --delays medium        of `words`, separated by commas
    --url URL              a running server with whisper-base; else one is started
    --engine-token TOKEN   its ENGINE_TOKEN, for `words`
    --model base           for the server that is started; `test`: the test model, with its own recordings

Takes about a minute a number of sessions, and two for the rest. Writes build/live/report.html and figures.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.human.clips import PROMPTS, Clip, prompts, shipped
from benchmarks.live.drop import dropped
from benchmarks.live.equal import compare
from benchmarks.live.stepped import Stepped, stepped
from endpoint.bench.chart import Axis, Series, draw
from endpoint.bench.containers import decode
from endpoint.bench.live import LiveFigures, live_figures, together
from endpoint.bench.recordings import WORKLOADS, make
from endpoint.live.agreement import DEFAULT_DELAY
from endpoint.local import LocalServer, running_server
from endpoint.types import SAMPLE_RATE, Samples

BUILD = Path("build/live")
WANTED_AT = 4  # sessions; of the test model 16
TEST_MODEL_AT = 16
FIRST, WORD, FINAL = 1.5, 1.5, 0.8  # seconds
POINTS = 1.0  # of word errors that interim text may have more
PARTS = ("equal", "words", "lag", "drop")
PAUSE = round(1.2 * SAMPLE_RATE)


class Lines:
    """What was wanted and what was measured."""

    def __init__(self) -> None:
        self.rows = list[tuple[bool, str, str]]()

    def add(self, met: bool, wanted: str, figure: str) -> None:
        self.rows.append((met, wanted, figure))
        print(f"{'PASS' if met else 'FAIL'}  {wanted}: {figure}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--sessions", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--delays", default=DEFAULT_DELAY)
    parser.add_argument("--url")
    parser.add_argument("--engine-token", default=secrets.token_hex(16))
    parser.add_argument("--model", default="base")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    lines, levels = Lines(), [int(part) for part in given.sessions.split(",")]
    with server(given) as running:
        found = asyncio.run(measure(running, given, parts, levels, lines))
    write(lines, found)
    return 0 if all(met for met, _, _ in lines.rows) else 1


@contextmanager
def server(given: argparse.Namespace) -> Iterator[LocalServer]:
    if given.url:
        yield LocalServer(given.url.rstrip("/").removesuffix("/v1"), 0, 0.0)
        return
    with running_server(MODEL_ID=given.model, JOBS_URL="off", ENGINE_TOKEN=given.engine_token) as started:
        yield started


async def measure(
    running: LocalServer, given: argparse.Namespace, parts: Sequence[str], levels: Sequence[int], lines: Lines
) -> list[LiveFigures]:
    found = list[LiveFigures]()
    if "equal" in parts and given.model != "test":
        await equal(running.base, given, lines)
    if "words" in parts and given.model != "test":
        for delay in given.delays.split(","):
            interim_words(await stepped(running.base, given.engine_token, human(given.count), delay), delay, lines)
    if "lag" in parts:
        speech = long_speech(given)
        for level in levels:
            results = await together(f"{running.base}/v1", speech, level, {"audio": {"input": {"transcription": {
                "language": "en"}}}})  # fmt: skip
            found.append(live_figures(results))
            show(found[-1])
        lags(found, given, lines)
    if "drop" in parts:
        await dropped(running.base, lines.add)
    return found


def human(count: int) -> list[Clip]:
    """Those of LJ Speech, and `count` prompts of each language."""
    return shipped() + [
        clip
        for language in (PROMPTS if count else ())
        for clip in prompts(language, Path("build/human/prompts"), count)
    ]


async def equal(base: str, given: argparse.Namespace, lines: Lines) -> None:
    found = await compare(base, human(given.count), real_time=True)
    for name, live, file in found.other:
        print(f"      {name}: live {live!r}, as a file {file!r}")
    lines.add(not found.other, "finals equal the file API's text, turn for turn",
              f"{found.turns - len(found.other)} of {found.turns} turns")  # fmt: skip
    lines.add(found.retracted == 0, "words taken back: 0", str(found.retracted))


def interim_words(found: Stepped, delay: str, lines: Lines) -> None:
    assert found.interim_errors is not None
    assert found.final_errors is not None
    for interim, final in found.other:
        print(f"      interim {interim!r}\n      final   {final!r}")
    lines.add(
        found.interim_errors <= found.final_errors + POINTS,
        f"word errors of interim text within {POINTS:g} point of the finals', a pass every half second, delay {delay}",
        f"{found.interim_errors:.2f} and {found.final_errors:.2f} %; {100 * found.ahead:.0f} % of the words agreed "
        f"before their turn's end, {found.lag[0]:.2f} s of sound behind ({found.lag[1]:.2f} s at 95 %)",
    )


def long_speech(given: argparse.Namespace) -> list[tuple[Samples, str]]:
    """Recordings of --seconds: clips in another order each, with pauses between."""
    if given.model == "test":
        made = make(WORKLOADS["short"], ["en"])
        clips = [(one.samples, one.text or "") for one in made]
    else:
        clips = [(decode(clip.path), clip.text) for clip in shipped()]
    speech = []
    for seed in range(TEST_MODEL_AT):
        order = clips.copy()
        random.Random(seed).shuffle(order)
        samples, texts, length = list[Samples](), list[str](), 0
        while length < given.seconds * SAMPLE_RATE:
            sound, text = order[len(texts) % len(order)]
            samples += [sound, np.zeros(PAUSE, np.int16)]
            texts.append(text)
            length += len(sound) + PAUSE
        speech.append((np.concatenate(samples), " ".join(texts)))
    return speech


def show(found: LiveFigures) -> None:
    print(
        f"      {found.sessions} sessions, {found.turns} turns, {found.failed} failed; median / 95 %: first text "
        f"{found.first[0]:.2f} / {found.first[1]:.2f} s, words {found.word[0]:.2f} / {found.word[1]:.2f} s, finals "
        f"{found.final[0]:.2f} / {found.final[1]:.2f} s; word errors interim {found.interim_errors or 0:.1f}, final "
        f"{found.final_errors or 0:.1f} %",
        flush=True,
    )


def holds(found: LiveFigures) -> bool:
    return found.first[0] < FIRST and found.word[0] < WORD and found.final[0] < FINAL and not found.failed


def lags(found: Sequence[LiveFigures], given: argparse.Namespace, lines: Lines) -> None:
    wanted = TEST_MODEL_AT if given.model == "test" else WANTED_AT
    for one in found:
        if one.sessions == wanted:
            at = f"at {wanted} sessions, in the median"
            lines.add(one.first[0] < FIRST, f"first text under {FIRST:g} s after speech begins, {at}", _lag(one.first))
            lines.add(one.word[0] < WORD, f"agreed words under {WORD:g} s behind, {at}", _lag(one.word))
            lines.add(one.final[0] < FINAL, f"finals under {FINAL:g} s after the end of speech, {at}", _lag(one.final))
    held = [one.sessions for one in found if holds(one)]
    print(
        f"      sessions that hold all of it: {max(held, default=0)} of {[one.sessions for one in found]}", flush=True
    )


def _lag(spread: tuple[float, float]) -> str:
    return f"{spread[0]:.2f} s ({spread[1]:.2f} s at 95 %)"


def write(lines: Lines, found: Sequence[LiveFigures]) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    series = [
        Series("first text", [(one.sessions, one.first[0]) for one in found]),
        Series("words", [(one.sessions, one.word[0]) for one in found]),
        Series("final text", [(one.sessions, one.final[0]) for one in found]),
    ]
    chart = draw("Lag by live sessions, median", Axis("sessions"), Axis("seconds"), series)
    rows = "".join(f"<tr><td>{'PASS' if met else 'FAIL'}<td>{wanted}<td>{figure}" for met, wanted, figure in lines.rows)
    (BUILD / "report.html").write_text(f"<meta charset=utf-8><table>{rows}</table>{chart}", encoding="utf-8")
    body = {"lines": lines.rows, "runs": [asdict(one) for one in found]}
    (BUILD / "figures.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
