"""Traffic: when recordings arrive, and how long they are."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from endpoint.errors import InvalidRequest

COLUMNS = ("arrival", "duration")


@dataclass(frozen=True)
class Arrival:
    """at: seconds from the first one. seconds: of audio."""

    at: float
    seconds: float


def read_trace(path: Path, speed: float = 1.0) -> list[Arrival]:
    """The rows of a csv with the columns `arrival` (seconds, or a date and time of ISO 8601) and `duration` (seconds).

    speed: 2 lets them arrive in half the time. Sorted; at least one. Raises InvalidRequest that names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                raise InvalidRequest(f"{path}: it has no column {' and no '.join(sorted(missing))}")
            found = sorted(_row(path, rows.line_num, row) for row in rows)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"cannot read {path}: {error}") from error
    if not found:
        raise InvalidRequest(f"{path}: there is no row")
    first = found[0][0]
    return [Arrival((at - first) / speed, seconds) for at, seconds in found]


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[float, float]:
    try:
        at, seconds = _moment(row["arrival"]), float(row["duration"])
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"{path}, line {line}: {error}") from error
    if not (0 < seconds < float("inf") and abs(at) < float("inf")):
        raise InvalidRequest(f"{path}, line {line}: a duration is more than 0 seconds")
    return at, seconds


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def audio_seconds(arrivals: Sequence[Arrival]) -> float:
    return sum(arrival.seconds for arrival in arrivals)
