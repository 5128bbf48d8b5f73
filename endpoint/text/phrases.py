"""Where phrases begin in languages without spaces, by BudouX's models, which its package brings. Pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate

import budoux

_LOADERS = {
    "ja": budoux.load_default_japanese_parser,
    "th": budoux.load_default_thai_parser,
    "yue": budoux.load_default_traditional_chinese_parser,
    "zh": budoux.load_default_simplified_chinese_parser,
}


def phrase_starts(text: str, language: str) -> frozenset[int] | None:
    """Characters of the text with which a phrase begins, counted from 0; None in a language without a model."""
    if language not in _LOADERS:
        return None
    return frozenset([0, *accumulate(map(len, _parser(language).parse(text)))])


@lru_cache(maxsize=len(_LOADERS))
def _parser(language: str) -> budoux.Parser:
    return _LOADERS[language]()
