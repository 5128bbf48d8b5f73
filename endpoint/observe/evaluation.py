"""Word errors of kept samples against corrected texts, by language, with bootstrap confidence intervals."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from endpoint.errors import ConfigError

ALL = "all"
RESAMPLES = 2_000
LEVEL = 0.95
SEED = 15  # the same samples give the same interval


@dataclass(frozen=True)
class Scored:
    """One sample. errors: words substituted, deleted and inserted. words: of the corrected text."""

    name: str
    language: str
    errors: int
    words: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """rate: word errors per word of the corrected texts. low, high: of its 95 % interval."""

    language: str
    samples: int
    hours: float
    words: int
    rate: float
    low: float
    high: float


def read(folder: Path) -> tuple[list[Scored], list[str]]:
    """(samples with a corrected text, names of those without). Beside x.json, x.txt has the corrected text.

    Raises ConfigError where there is nothing to compare, or the packages are missing.
    """
    scored, left = list[Scored](), list[str]()
    for path in sorted(folder.glob("*.json")):
        corrected = path.with_suffix(".txt")
        if not corrected.exists():
            left.append(path.stem)
            continue
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            text, language, seconds = kept["text"], kept["language"], float(kept["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} is no sample: it needs text, language and seconds") from error
        errors, words = compare(corrected.read_text(encoding="utf-8"), text, language)
        scored.append(Scored(path.stem, language, errors, words, seconds))
    if not scored:
        raise ConfigError(f"{folder} has no x.txt beside an x.json: put the corrected texts there")
    return scored, left


def compare(corrected: str, recognized: str, language: str) -> tuple[int, int]:
    """(word errors, words of the corrected text), both normalized as openai/whisper's evaluation does."""
    try:
        import jiwer
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is missing: install the extra `evaluate`") from error
    normalize = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    wanted, found = normalize(corrected).strip(), normalize(recognized).strip()
    if not wanted:  # nothing was spoken: every word is one too many
        return len(found.split()), 0
    made = jiwer.process_words(wanted, found)
    return made.substitutions + made.deletions + made.insertions, made.hits + made.substitutions + made.deletions


def table(scored: Sequence[Scored]) -> list[Row]:
    """A row for each language, by name, and one for all where there are several."""
    groups = defaultdict[str, list[Scored]](list)
    for one in scored:
        groups[one.language].append(one)
    rows = [_row(language, groups[language]) for language in sorted(groups)]
    return [*rows, _row(ALL, scored)] if len(rows) > 1 else rows


def _row(language: str, group: Sequence[Scored]) -> Row:
    low, high = interval([one.errors for one in group], [one.words for one in group])
    words = sum(one.words for one in group)
    rate = sum(one.errors for one in group) / max(1, words)
    return Row(language, len(group), sum(one.seconds for one in group) / 3600, words, rate, low, high)


def interval(errors: Sequence[int], words: Sequence[int]) -> tuple[float, float]:
    """Of the rate: samples are drawn again, with replacement; words of one sample are not independent."""
    draws = np.random.default_rng(SEED).integers(0, len(errors), (RESAMPLES, len(errors)))
    rates = np.asarray(errors)[draws].sum(1) / np.maximum(1, np.asarray(words)[draws].sum(1))
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


COLUMNS = ("language", "samples", "hours", "words", "word errors", "95 % interval")


def cells(row: Row) -> tuple[str, ...]:
    bounds = f"{row.low:.1%} to {row.high:.1%}"
    return row.language, str(row.samples), f"{row.hours:.2f}", str(row.words), f"{row.rate:.1%}", bounds


def text(rows: Sequence[Row]) -> str:
    """A table for the terminal."""
    lines = [COLUMNS, *map(cells, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)  # fmt: skip


def html(rows: Sequence[Row], scored: Sequence[Scored], left: Sequence[str]) -> str:
    """A page: the table, and the samples with most word errors. It has no transcripts."""
    worst = sorted(scored, key=lambda one: -one.errors / max(1, one.words))
    listed = [(one.name, one.language, str(one.errors), str(one.words)) for one in worst]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Accuracy of kept samples</title>'
        "<style>body{font:15px sans-serif;margin:2em auto;max-width:52em}td,th{padding:.2em .8em;text-align:left}"
        "tr:nth-child(even){background:#f3f4f6}</style><h1>Accuracy of kept samples</h1>"
        f"<p>{len(scored)} with a corrected text, {len(left)} without. 95 % intervals by bootstrap over samples.</p>"
        f"{_table(COLUMNS, map(cells, rows))}<h2>Samples, most errors first</h2>"
        f"{_table(('sample', 'language', 'errors', 'words'), listed)}</html>\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{lines}</table>"
