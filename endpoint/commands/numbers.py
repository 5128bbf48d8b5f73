"""Numbers that flags take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def positive(kind: type) -> Callable[[str], Any]:
    """A type for argparse: a number of this kind, int or float, above 0 and finite."""

    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError(text)
        return value

    return number
