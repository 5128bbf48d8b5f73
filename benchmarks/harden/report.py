"""What a check found, and build/harden/report.html."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd}
.no{color:#c0392b;font-weight:600}svg{font:11px system-ui,sans-serif;max-width:100%;height:auto;margin:1rem 0}
.grid{stroke:#ddd}.title{font-weight:600;font-size:13px}"""


@dataclass(frozen=True)
class Line:
    """timed: how busy the machine is counts, too."""

    name: str
    wanted: str
    figure: str
    met: bool
    timed: bool = False

    def __str__(self) -> str:
        return f"  {'PASS' if self.met else 'FAIL'} {self.name}: wanted {self.wanted}, measured {self.figure}"


@dataclass(frozen=True)
class Found:
    """plots: SVG."""

    lines: Sequence[Line]
    plots: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    check: str
    about: str
    seconds: float
    found: Found

    @property
    def met(self) -> bool:
        return bool(self.found.lines) and all(line.met for line in self.found.lines)


def write(folder: Path, outcomes: Sequence[Outcome], title: str = "Hardening") -> None:
    checks = [
        {"check": one.check, "met": one.met, "seconds": round(one.seconds, 1), "lines": [*map(asdict, one.found.lines)]}
        for one in outcomes
    ]
    (folder / "report.json").write_text(json.dumps(checks, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(outcomes, title), encoding="utf-8")


def _page(outcomes: Sequence[Outcome], title: str) -> str:
    parts = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>"]
    parts.append(f"<h1>{title}</h1><p>{len(outcomes)} checks, {sum(not one.met for one in outcomes)} fall short.</p>")
    for one in outcomes:
        parts.append(f"<h2>{one.check}</h2><p>{html.escape(one.about)} {one.seconds:.0f} s.</p>")
        parts.append("<table><tr><th>what<th>wanted<th>measured<th>met</tr>")
        for line in one.found.lines:
            cells = "".join(f"<td>{html.escape(text)}" for text in (line.name, line.wanted, line.figure))
            parts.append(f"<tr>{cells}<td>{'yes' if line.met else '<span class=no>no</span>'}</tr>")
        parts.append("</table>" + "".join(one.found.plots))
    return "\n".join([*parts, "</html>", ""])
