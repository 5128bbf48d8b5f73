"""What `make conformance` leaves behind: a table on the screen, and build/conformance/report.json."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path("build", "conformance")


@dataclass(frozen=True)
class Case:
    """One check of one client. check: what is shown; case: which of its cases; requests: where it made many up.

    share: of the time a stream takes, until its first text; where that is measured.
    """

    module: str
    check: str
    case: str
    client: str
    passed: bool
    seconds: float
    requests: int = 1
    share: float | None = None


def table(cases: list[Case], clients: list[str]) -> list[str]:
    """A row for each check, a column for each client: how many cases passed, of how many where some did not."""
    cells: dict[tuple[str, str], dict[str, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        cells[case.module, case.check][case.client].append(case)
    width = max(len(check) for _, check in cells)
    lines, last = list[str](), ""
    for (module, check), row in cells.items():
        columns = [client for client in clients if any(c.module == module and c.client == client for c in cases)]
        if module != last:
            heading = "  ".join(f"{client:>{_width(client)}}" for client in columns)
            lines += ["", f"{module:<{width}}  {heading}"]
            last = module
        found = "  ".join(f"{_cell(row.get(client, [])):>{_width(client)}}" for client in columns)
        lines.append(f"{check:<{width}}  {found}")
    return lines


def _width(client: str) -> int:
    return max(len(client), 6)


def _cell(cases: list[Case]) -> str:
    passed = sum(case.passed for case in cases)
    if passed < len(cases):
        return f"{passed}/{len(cases)} !"
    return str(sum(case.requests for case in cases) or "")


def write(cases: list[Case], versions: dict[str, str]) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "report.json"
    totals = {"passed": sum(case.passed for case in cases), "of": len(cases)}
    body = {"clients": versions, "cases": totals, "checks": [asdict(case) for case in cases]}
    path.write_text(json.dumps(body, indent=1) + "\n")
    return path
