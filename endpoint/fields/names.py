"""The names of fields as clients write them, brought to one spelling: brackets, camelCase, kebab-case. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from endpoint.types import Notice

UNKNOWN = "unknown_field"
_BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHOWN = 64  # characters of a name that are repeated to the client


def snake(name: str) -> str:
    """`timestampGranularities` and `response-format` as timestamp_granularities and response_format."""
    return _HUMP.sub("_", name.strip()).replace("-", "_").lower()


def plain(name: str) -> tuple[str, str | None]:
    """A name without brackets, and what the first brackets hold: None without any, "" for a list's item.

    `languages[0]` is an item of a list, as `languages[]` is; `chunking_strategy[type]` names a part.
    """
    found = _BRACKETS.fullmatch(name.strip())
    if not found:
        return snake(name), None
    base, brackets = found.groups()
    if not brackets:
        return snake(base), None
    inner = brackets[1:-1]
    return snake(base), "" if not inner or inner.isdecimal() else snake(inner)


def unknown(name: str, known: Iterable[str], more: str = "") -> Notice:
    """Says that a field is not known, and which known name is near."""
    shown = name[:_SHOWN]
    near = get_close_matches(plain(shown)[0], list(known), n=1, cutoff=0.75)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return Notice(UNKNOWN, f"{shown}: no such field{more}, so it was ignored{hint}", shown)
