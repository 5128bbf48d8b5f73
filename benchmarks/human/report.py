"""What is printed: tables, and a verdict on each thing that was to be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from benchmarks.human import scores, times
from benchmarks.human.clips import Clip
from benchmarks.human.laid import Timed
from benchmarks.human.page import page
from benchmarks.human.systems import FASTER_SEARCHING, OURS, OWN, SEARCHING, Result
from endpoint.languages import CODES

SLACK = 0.3  # points that a set may lie above the best greedy peer
LONGEST_MEDIAN = 50.0  # ms, of word times
ALL, NOTHING = "all", "nothing"  # every set with a text; the set without


@dataclass(frozen=True)
class Found:
    """The results of every system. A system that lacks clips of a set has no figure for it."""

    clips: Sequence[Clip]
    results: Mapping[str, Mapping[str, Result]]

    @cached_property
    def sets(self) -> list[str]:
        return [*dict.fromkeys(clip.set for clip in self.clips if clip.text and not isinstance(clip, Timed)), ALL]

    def of(self, name: str) -> list[Clip]:
        return [clip for clip in self.clips if clip.set == name or (name == ALL and clip.set in self.sets)]

    def texts(self, system: str) -> dict[str, str]:
        return {name: row["text"] for name, row in self.results[system].items()}

    def counts(self, system: str, name: str) -> np.ndarray | None:
        texts = self.texts(system)
        own = self.of(name)
        return scores.errors(own, texts) if all(clip.name in texts for clip in own) else None

    @cached_property
    def rates(self) -> dict[str, dict[str, float]]:
        """system to set to word errors in per cent."""
        return {
            system: {n: scores.rate(c) for n in self.sets if (c := self.counts(system, n)) is not None}
            for system in self.results
        }

    @cached_property
    def speeds(self) -> dict[str, float]:
        """Seconds of sound a second."""
        lengths = {clip.name: _length(clip.path) for clip in self.clips}
        return {
            system: sum(lengths[name] for name in rows) / max(1e-9, sum(row["seconds"] for row in rows.values()))
            for system, rows in self.results.items()
        }

    def made_up(self, system: str) -> int:
        texts = self.texts(system)
        return sum(len(texts[clip.name].split()) for clip in self.clips if clip.set == NOTHING and clip.name in texts)

    def right(self, system: str) -> int:
        rows = self.results[system]
        return sum(
            CODES.get(rows[clip.name]["language"], rows[clip.name]["language"]) == clip.language
            for clip in self.clips
            if clip.language and "+" not in clip.language and clip.name in rows
        )

    def time_errors(self) -> dict[str, list[float]]:
        own = [clip for clip in self.clips if isinstance(clip, Timed)]
        return {
            system: times.edge_errors(own, rows)
            for system, rows in self.results.items()
            if own and all(clip.name in rows for clip in own)
        }


def report(clips: Sequence[Clip], results: Mapping[str, Mapping[str, Result]], named: bool, folder: Path) -> bool:
    """Print all of it and write the page; whether nothing falls short."""
    found = Found(clips, results)
    print(f"\nLanguage {'named' if named else 'not named'}; word errors in per cent, audio seconds a second")
    for system in results:
        row = found.rates[system]
        cells = "  ".join(f"{name} {row[name]:5.2f}" if name in row else f"{name}     –" for name in found.sets)  # noqa: RUF001
        more = "" if named else f"  languages {found.right(system)}, made up {found.made_up(system)}"
        print(f"{system:36} {cells}  {found.speeds[system]:5.2f}{more}")
    for system, errors in found.time_errors().items():
        print(f"word times of {system}: {times.line(errors)}")
    lines = list(verdicts(found, named))
    print("\n".join(lines))
    path = folder / f"report-{'named' if named else 'detected'}.html"
    short = [clip for clip in clips if clip.text]
    texts = {system: found.texts(system) for system in results}
    path.write_text(page(found.sets, found.rates, found.speeds, short, texts, lines), encoding="utf-8")
    print(f"{path}", flush=True)
    return not any(line.startswith("FAIL") for line in lines)


def verdicts(found: Found, named: bool) -> Iterator[str]:
    greedy = [name for name in found.rates if name not in OWN and "beam" not in name]
    yield from _beside(found, SEARCHING, [name for name in found.rates if name == FASTER_SEARCHING])
    if OURS not in found.rates or not greedy:
        return
    yield from _beside(found, OURS, greedy)
    if not named:
        full = [system for system in greedy if len(found.results[system]) == len(found.results[OURS])]
        most = max((found.right(system) for system in full), default=0)
        yield _line(found.right(OURS) >= most, f"languages: {found.right(OURS)} right against {most}")
        if any(clip.set == NOTHING for clip in found.clips):
            yield _line(not found.made_up(OURS), f"words made up where nobody speaks: {found.made_up(OURS)}")
    if errors := found.time_errors().get(OURS):
        yield _line(times.median(errors) <= LONGEST_MEDIAN, f"word times: median {times.median(errors):.0f} ms")


def _beside(found: Found, own: str, others: Sequence[str]) -> Iterator[str]:
    """Word errors of each set beside those of the best of `others`."""
    rates = found.rates
    if own not in rates or not others:
        return
    for name in found.sets:
        able = [system for system in others if name in rates[system]]
        best = min(able, key=lambda system: rates[system][name])
        slack = SLACK if name != ALL else 0.0
        yield _line(rates[own][name] <= rates[best][name] + slack, f"{own}, {name}: {rates[own][name]:.2f} against "
                    f"{rates[best][name]:.2f} of {best}")  # fmt: skip
        if name == ALL:
            ours, theirs = found.counts(own, ALL), found.counts(best, ALL)
            assert ours is not None
            assert theirs is not None
            low, high = scores.difference(ours, theirs)
            yield f"     95 % of resamplings of the difference to {best}: {low:+.2f} to {high:+.2f} points"


def _line(good: bool, text: str) -> str:
    return f"{'PASS' if good else 'FAIL'} {text}"


def _length(path: Path) -> float:
    with av.open(str(path)) as file:
        return float((file.duration or 0) / av.time_base)
