"""Whether generated text is plain text, of a bounded length."""

from __future__ import annotations

import unicodedata

import regex

from endpoint.postprocess.model import Failed

_JOINERS = "\u200c\u200d"  # unseen characters that Persian and emoji need
_MARKUP = regex.compile(r"<[a-z/!?]|\]\(|```|\{\{|javascript:", regex.IGNORECASE)
_ADDRESS = regex.compile(
    r"(?:https?|ftp)://\S+|\bwww\.\S+|\b[\w.+-]{1,64}@[\w-]+\.\w+|\b[\w-]{2,}\.(?:com|net|org|io|ru|cn|info|biz|xyz|top)\b",
    regex.IGNORECASE,
)


def plain_text(text: str, most: int, spoken: str) -> str:
    """The text on one line, of at most `most` characters, cut after a sentence or a word.

    spoken: what was spoken in the recording.

    Raises Failed where it is empty, is written in markup, or has an address that is not in the recording's text.
    """
    shown = "".join(" " if one.isspace() else one for one in text[: 4 * most] if _is_seen(one))
    line = " ".join(shown.split())
    if not line:
        raise Failed("empty")
    if len(line) > most:  # first: the search for addresses takes the square of the length
        line = _cut(line, most)
    known = spoken.lower()
    strange = any(found.group().rstrip(".,;:!?)").lower() not in known for found in _ADDRESS.finditer(line))
    if strange or _MARKUP.search(line):
        raise Failed("not_plain_text")
    return line


def _is_seen(character: str) -> bool:
    return character.isspace() or character in _JOINERS or not unicodedata.category(character).startswith("C")


def _cut(line: str, most: int) -> str:
    short = line[: most - 1]
    for ends in (regex.finditer(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f\u0964]", short), regex.finditer(r"\s", short)):
        at = max((found.end() for found in ends), default=0)
        if at > most // 2:
            return short[:at].rstrip() + ("" if short[at - 1 : at].strip() else "…")
    return f"{short}…"
