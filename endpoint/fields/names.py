"""Converts the names of fields to one spelling: without brackets, camelCase and kebab-case. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from endpoint.types import Notice

UNKNOWN = "unknown_field"
_BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHOWN = 64  # characters of a name that a message repeats


def snake(name: str) -> str:
    """`timestampGranularities` and `response-format` as timestamp_granularities and response_format."""
    return _HUMP.sub("_", name.strip()).replace("-", "_").lower()


def plain(name: str) -> tuple[str, str | None]:
    """The name without brackets, and the content of the first brackets: None without any, "" for an item of a list.

    `languages[0]` is an item of a list, as `languages[]` is; `chunking_strategy[type]` is a part of an object.
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
    """The notice of an unknown field, with a similar known name if there is one."""
    shown = name[:_SHOWN]
    near = get_close_matches(plain(shown)[0], list(known), n=1, cutoff=0.75)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return Notice(UNKNOWN, f"{shown}: no such field{more}, so it was ignored{hint}", shown)
