"""Names that a language model proposes for speakers: taken only where they were spoken. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import regex

MADE_UP = regex.compile(r"[A-Z]{1,2}|channel_\d+")  # labels that no caller gave
MOST_CHARACTERS, MOST_PARTS = 60, 4
_NAME = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}'\u2019.\- ]*")


def labels_of(speakers: Iterable[str | None]) -> list[str]:
    """The labels that may get a name, in the order of their first speech."""
    return list(dict.fromkeys(one for one in speakers if one is not None and MADE_UP.fullmatch(one)))


def taken_names(
    proposed: Iterable[tuple[str, str]], labels: Sequence[str], known: Iterable[str], texts: Sequence[str]
) -> Mapping[str, str]:
    """Label -> name, of those that were proposed and are plausible.

    known: what other speakers are called. texts: that were spoken, in each of which a name has to stand as a whole. A
    name is of letters, each part with a capital where its script has them; proposed for two labels it is nobody's.
    """
    sane = {label: name.strip() for label, name in proposed if label in labels}
    names = list(sane.values())
    return {
        label: name
        for label, name in sane.items()
        if names.count(name) == 1
        and name not in known
        and name not in labels
        and _is_name(name)
        and _spoken(name, texts)
    }


def _is_name(name: str) -> bool:
    parts = name.split()
    if len(name) > MOST_CHARACTERS or not 1 <= len(parts) <= MOST_PARTS or not _NAME.fullmatch(name):
        return False
    return not any(part[0].islower() for part in (parts[0], parts[-1]))


def _spoken(name: str, texts: Sequence[str]) -> bool:
    whole = regex.compile(
        rf"(?<![\p{{L}}\p{{M}}\p{{N}}]){regex.escape(' '.join(name.split()))}(?![\p{{L}}\p{{M}}\p{{N}}])"
    )
    spaceless = regex.search(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]", name) is not None
    return any(name in text if spaceless else whole.search(" ".join(text.split())) for text in texts)
