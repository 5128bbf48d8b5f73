"""The page: tables, a dot for each system (speed against errors), and the clips where systems differ, playable."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.human.clips import Clip
from benchmarks.human.scores import words

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}.best{font-weight:600;color:#06653a}svg{background:#fafafa}
.clip{margin:1.5rem 0;padding:1rem;background:#f6f6f4}.same{color:#06653a}"""
LONGEST_BYTES = 3_000_000  # of a recording that is put into the page
KINDS = {".flac": "audio/flac", ".wav": "audio/wav"}


def page(
    sets: Sequence[str],
    rates: Mapping[str, Mapping[str, float]],
    speeds: Mapping[str, float],
    clips: Sequence[Clip],
    texts: Mapping[str, Mapping[str, str]],
    verdicts: Sequence[str],
) -> str:
    """rates: system to set to word error rate. speeds: audio seconds a second. texts: system to clip to text.

    A system may lack sets and clips.
    """
    lines = "".join(f"<li>{html.escape(verdict)}</li>" for verdict in verdicts)
    parts = [f"<ul>{lines}</ul>", _table(sets, rates, speeds), _plot(rates, speeds)]
    parts += [_clip(clip, texts) for clip in clips if _differ(clip, texts)]
    head = f"<!doctype html><meta charset=utf-8><title>Human speech</title><style>{STYLE}</style>"
    return f"{head}<h1>Human speech</h1>{''.join(parts)}"


def _table(sets: Sequence[str], rates: Mapping[str, Mapping[str, float]], speeds: Mapping[str, float]) -> str:
    best = {name: min(row[name] for row in rates.values() if name in row) for name in sets}
    head = "".join(f"<th>{name}</th>" for name in sets)
    rows = [
        f"<tr><td>{html.escape(system)}</td>"
        + "".join(_cell(row.get(name), best[name]) for name in sets)
        + f"<td>{speeds[system]:.2f}</td></tr>"
        for system, row in rates.items()
    ]
    return f"<p>Word errors in per cent.<table><tr><th>system</th>{head}<th>audio s/s</th></tr>{''.join(rows)}</table>"


def _cell(rate: float | None, best: float) -> str:
    return "<td>–</td>" if rate is None else f"<td{' class=best' if rate == best else ''}>{rate:.2f}</td>"  # noqa: RUF001


def _plot(rates: Mapping[str, Mapping[str, float]], speeds: Mapping[str, float]) -> str:
    whole = {system: row for system, row in rates.items() if "all" in row}
    high, fast = max(row["all"] for row in whole.values()) * 1.2, max(speeds.values()) * 1.2
    dots = []
    for system, row in whole.items():
        x, y = 60 + 620 * speeds[system] / fast, 340 - 320 * row["all"] / high
        dots.append(f"<circle cx={x:.0f} cy={y:.0f} r=6 fill=#06653a /><text x={x + 9:.0f} y={y + 5:.0f} font-size=13>"
                    f"{html.escape(system)}</text>")  # fmt: skip
    axes = (
        "<path d='M60 10V340H690' fill=none stroke=#888 /><text x=480 y=365 font-size=13>audio seconds a second</text>"
    )
    return (
        f"<svg viewBox='0 0 900 380' width=900>{axes}<text x=5 y=12 font-size=13>errors %</text>{''.join(dots)}</svg>"
    )


def _differ(clip: Clip, texts: Mapping[str, Mapping[str, str]]) -> bool:
    found = {words(by[clip.name], clip.language) for by in texts.values() if clip.name in by}
    return len(found) > 1 and clip.path.stat().st_size <= LONGEST_BYTES


def _clip(clip: Clip, texts: Mapping[str, Mapping[str, str]]) -> str:
    data = base64.b64encode(Path(clip.path).read_bytes()).decode()
    rows = [f"<tr><td>reference</td><td style='text-align:left'>{html.escape(clip.text)}</td></tr>"]
    for system, by in ((system, by) for system, by in texts.items() if clip.name in by):
        right = words(by[clip.name], clip.language) == words(clip.text, clip.language)
        kind = " class=same" if right else ""
        text = html.escape(by[clip.name])
        rows.append(f"<tr><td>{html.escape(system)}</td><td style='text-align:left'{kind}>{text}</td></tr>")
    audio = f"<audio controls preload=none src='data:{KINDS[clip.path.suffix]};base64,{data}'></audio>"
    return f"<div class=clip><b>{html.escape(clip.name)}</b> {audio}<table>{''.join(rows)}</table></div>"
