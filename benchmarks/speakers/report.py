"""What is printed and written: a table, verdicts, JSON and a page."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.speakers import scores
from benchmarks.speakers.recordings import Recording
from benchmarks.speakers.systems import OURS, SENKO, Result
from endpoint.speakers.turns import Turn

COLLARS = (0.0, 0.25)  # seconds
ALL = "all laid out"
FASTEST = 60.0  # audio seconds a processor second that are aimed at
WORDS = {2: 95.0, 4: 90.0}  # speakers: per cent of words
NAMED = 0.9
COLUMNS = ("DER %", "95 %", "missed", "false", "confused", "DER % at 0.25", "95 %", "counted right", "words %")
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}"""


@dataclass
class Known:
    """Known speakers offered: those present and absent, named rightly and wrongly."""

    present: int = 0
    right: int = 0
    absent: int = 0
    wrong: int = 0

    def add(self, recording: Recording, present: Sequence[str], absent: Sequence[str], turns: Sequence[Turn]) -> None:
        """Right: most speech under the name is that person's."""
        self.present += len(present)
        self.absent += len(absent)
        self.wrong += sum(any(turn.speaker == name for turn in turns) for name in absent)
        for name in present:
            shared: dict[str, float] = {}
            for turn in (turn for turn in turns if turn.speaker == name):
                for truth in recording.truth:
                    common = min(turn.end, truth.end) - max(turn.start, truth.start)
                    shared[truth.speaker] = shared.get(truth.speaker, 0.0) + max(0.0, common)
            self.right += bool(shared) and max(shared, key=lambda speaker: shared[speaker]) == name


@dataclass(frozen=True)
class Scale:
    """hour: speakers found in one person's hour. hour_speed: audio seconds a processor second in it.

    memory: MB after 10 minutes, MB after the long recording, its hours, its speed; empty where not measured.
    """

    hour: int
    hour_speed: float
    memory: tuple[float, ...]


@dataclass
class Found:
    """The results of each system, with the number of speakers known and not."""

    recordings: Sequence[Recording]
    results: dict[tuple[str, bool], list[Result]] = field(default_factory=dict)
    _errors: dict[tuple[str, bool, float], np.ndarray] = field(default_factory=dict)

    def add(self, system: str, known: bool, results: list[Result]) -> None:
        self.results[system, known] = results
        for collar in COLLARS:
            pairs = zip(self.recordings, results, strict=True)
            rows = [scores.errors(recording, turns, collar) for recording, (turns, _) in pairs]
            self._errors[system, known, collar] = np.array(rows)

    @property
    def sets(self) -> dict[str, list[int]]:
        """Names, and numbers of their recordings."""
        names = dict.fromkeys(recording.set for recording in self.recordings)
        sets = {name: [n for n, one in enumerate(self.recordings) if one.set == name] for name in names}
        laid = [number for name, own in sets.items() if name.endswith(" speakers") for number in own]
        return {ALL: laid, **sets}

    def errors(self, system: str, known: bool, collar: float, numbers: Sequence[int]) -> np.ndarray:
        return self._errors[system, known, collar][numbers]

    def speed(self, system: str, known: bool) -> float:
        spent = sum(seconds for _, seconds in self.results[system, known])
        return sum(recording.seconds for recording in self.recordings) / spent

    def words(self, system: str, known: bool, numbers: Sequence[int]) -> float:
        pairs = [scores.right_words(self.recordings[n], self.results[system, known][n][0]) for n in numbers]
        return 100 * sum(right for right, _ in pairs) / sum(count for _, count in pairs)

    def counted(self, system: str, known: bool, numbers: Sequence[int]) -> int:
        found = [len({turn.speaker for turn in self.results[system, known][n][0]}) for n in numbers]
        return sum(count == self.recordings[n].speakers for count, n in zip(found, numbers, strict=True))


def report(found: Found, known: Known, scale: Scale, folder: Path) -> bool:
    """Print and write all of it; whether nothing falls short."""
    rows = list(table(found))
    print(f"\n{'':34}{'':22}" + "".join(f"{name:>15}" for name in COLUMNS))
    for name, system, *cells in rows:
        print(f"{name:22}{system:34}" + "".join(f"{cell:>15}" for cell in cells))
    lines = [*speeds(found), *verdicts(found), *others(found, known, scale)]
    print("\n".join(lines))
    document = {"rows": [dict(zip(("set", "system", *COLUMNS), row, strict=False)) for row in rows], "lines": lines,
                "known": asdict(known), "scale": asdict(scale)}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    (folder / "report.html").write_text(page(rows, lines), encoding="utf-8")
    print(folder / "report.html", flush=True)
    return not any(line.startswith("FAIL") for line in lines)


def table(found: Found) -> Iterator[tuple[str, ...]]:
    for name, numbers in found.sets.items():
        for system, known in found.results:
            cells = list[str]()
            for collar in COLLARS:
                errors = found.errors(system, known, collar, numbers)
                cells += [f"{scores.rate(errors):.1f}", _interval(errors)]
                if not collar:
                    parts = 100 * errors.sum(axis=0)[1:] / errors.sum(axis=0)[0]
                    cells += [f"{part:.1f}" for part in parts]
            counted = f"{found.counted(system, known, numbers)} of {len(numbers)}"
            words = f"{found.words(system, known, numbers):.1f}"
            yield name, f"{system}{', number known' if known else ''}", *cells, counted, words


def _interval(rows: np.ndarray) -> str:
    low, high = scores.interval(rows)
    return f"{low:.1f} to {high:.1f}" if len(rows) > 1 else "–"  # noqa: RUF001


def speeds(found: Found) -> Iterator[str]:
    for system, known in found.results:
        how = "known" if known else "unknown"
        yield f"     {system}, number {how}: {found.speed(system, known):.1f} audio seconds a processor second"


def verdicts(found: Found) -> Iterator[str]:
    """Ours beside senko, number unknown; a difference is one only where its interval says so."""
    if (SENKO, False) not in found.results:
        return
    for name, numbers in found.sets.items():
        for collar in COLLARS:
            ours, theirs = (found.errors(system, False, collar, numbers) for system in (OURS, SENKO))
            gap = scores.rate(ours) - scores.rate(theirs)
            text = f"{name}, collar {collar:g} s: {scores.rate(ours):.1f} against {scores.rate(theirs):.1f} of {SENKO}"
            if len(numbers) > 1:
                low, high = scores.interval(ours, theirs)
                sure = "" if low > 0 or high < 0 else ": no difference shown"
                text += f", difference {low:+.1f} to {high:+.1f} points{sure}"
            else:
                text += ", one recording: nothing shown"
            yield _line(gap <= 0, text)


def others(found: Found, known: Known, scale: Scale) -> Iterator[str]:
    for count, least in WORDS.items():
        numbers = found.sets.get(f"{count} speakers", [])
        if numbers:
            share = found.words(OURS, False, numbers)
            yield _line(share >= least, f"words with the right speaker of {count}: {share:.1f} %, {least:g} aimed at")
    fine = known.right >= NAMED * known.present and known.wrong <= (1 - NAMED) * known.absent
    named = f"{known.right} of {known.present} named, {known.wrong} of {known.absent} who are not there named"
    yield _line(fine, f"known speakers: {named}")
    yield _line(scale.hour == 1, f"one person's hour: {scale.hour} speakers")
    fastest = min(found.speed(OURS, False), scale.hour_speed)
    yield _line(
        fastest >= FASTEST,
        f"speed: {found.speed(OURS, False):.1f} audio seconds a processor second, {scale.hour_speed:.1f} of one "
        f"person's hour; {FASTEST:g} aimed at",
    )
    if scale.memory:
        short, most, hours, speed = scale.memory
        yield f"     memory of the process: {short:.0f} MB after 10 minutes, {most:.0f} MB after {hours:g} hours"
        yield f"     {hours:g} hours: {speed:.1f} audio seconds a processor second"


def _line(good: bool, text: str) -> str:
    return f"{'PASS' if good else 'FAIL'} {text}"


def page(rows: Sequence[tuple[str, ...]], lines: Sequence[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("set", "system", *COLUMNS))
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return (
        f"<!doctype html><meta charset=utf-8><title>Who spoke when</title><style>{STYLE}</style><h1>Who spoke when</h1>"
        f"<ul>{listed}</ul><table><tr>{head}</tr>{body}</table>"
    )
