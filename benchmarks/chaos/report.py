"""build/chaos/report.json and report.html."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.chaos.timeline import Timeline
from benchmarks.chaos.world import Row

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd}
.no{color:#c0392b;font-weight:600}svg{font:11px system-ui,sans-serif;max-width:100%;height:auto;margin:1rem 0}"""


@dataclass(frozen=True)
class Outcome:
    """Of one check on one store."""

    check: str
    store: str
    about: str
    seconds: float
    rows: Sequence[Row]
    timeline: Timeline

    @property
    def met(self) -> bool:
        return bool(self.rows) and all(row.met for row in self.rows)


def write(folder: Path, outcomes: Sequence[Outcome], seed: int, small: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    checks = [
        {
            "check": one.check,
            "store": one.store,
            "seconds": round(one.seconds, 1),
            "met": one.met,
            "rows": [asdict(row) for row in one.rows],
            "timeline": one.timeline.as_dict(),
        }
        for one in outcomes
    ]
    whole = {"seed": seed, "small": small, "met": all(one.met for one in outcomes), "checks": checks}
    (folder / "report.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(outcomes, seed, small), encoding="utf-8")


def _page(outcomes: Sequence[Outcome], seed: int, small: bool) -> str:
    short = [one for one in outcomes if not one.met]
    summary = f"{len(outcomes)} checks, {len(short)} fall short; seed {seed}{', the short form' if small else ''}"
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Jobs under chaos</title><style>{STYLE}</style>",
        f"<h1>Jobs under chaos</h1><p>{summary}. Grey bars: a process runs; orange: it is paused; red crosses: it is "
        "killed; dots: it is ready, or something else happens, shown under the pointer.</p>",
    ]
    for one in outcomes:
        parts.append(f"<h2>{one.check} on {one.store}</h2><p>{html.escape(one.about)} {one.seconds:.0f} s.</p>")
        parts.append("<table><tr><th>what<th>wanted<th>measured<th>met</tr>")
        for row in one.rows:
            cells = "".join(f"<td>{html.escape(text)}" for text in (row.name, row.wanted, row.figure))
            parts.append(f"<tr>{cells}<td>{'yes' if row.met else '<span class=no>no</span>'}</tr>")
        parts.append(f"</table>{one.timeline.svg()}")
    return "\n".join([*parts, "</html>", ""])
