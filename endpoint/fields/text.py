"""The table of fields as docs/fields.md has it."""

from __future__ import annotations

from collections.abc import Iterable

from endpoint.fields.table import ROWS, Row

_HEAD = """# What becomes of each field

Made from `endpoint/fields/table.py`; a test sends every row. Names are also understood in camelCase and kebab-case, and
with `[]` or `[0]` behind them. The same field twice is an error only if the values differ. A name that is in no table
is ignored and named in `warnings` (with text formats in the header `x-warnings`); with `STRICT_FIELDS=true` it is
refused with code `unknown_field`. Refused fields are answered with 400, code `unsupported` and what to use instead.

## Fields of this server

`/docs` describes them: {own}.

## Fields of other services

| field | known from | what becomes of it |
|---|---|---|
"""


def table_text(own: Iterable[str]) -> str:
    """own: the fields of POST /api/v1/audio/transcriptions."""
    names = set(own)
    rows = [f"| `{row.name}` | {', '.join(row.owners)} | {_fate(row)} |\n" for row in ROWS.values()
            if row.name not in names]  # fmt: skip
    return _HEAD.format(own=", ".join(f"`{name}`" for name in sorted(names))) + "".join(rows)


def _fate(row: Row) -> str:
    if row.taken_as:
        return f"the same as `{row.taken_as}`"
    if row.harmless == ("*",):
        return f"accepted, changes nothing: {row.note}"
    values = [f"`{value}`" for value in row.harmless if value != "untimed"]
    if "untimed" in row.harmless:
        values.append("any value where the answer has no times")
    refused = f"refused: {row.instead}"
    return f"{refused}. Accepted: {', '.join(values)}" if values else refused
