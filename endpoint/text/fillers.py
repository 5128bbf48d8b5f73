"""Words that fill a pause, and how they are left out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex

from endpoint.text.edits import Edit

# Sounds of hesitation only: words that also mean something (well, like, eh, hm as a question) are not here.
FILLERS = {
    "de": ("äh", "ähm", "öh", "öhm", "hm", "hmm"),
    "en": ("uh", "uhh", "uhm", "um", "umm", "er", "erm", "hmm"),
    "es": ("eh", "ehm", "em", "mmm"),
    "fr": ("euh", "heu", "hum", "hmm"),
    "it": ("ehm", "uhm", "mmm"),
    "ja": ("えっと", "えーと", "えーっと", "あのー", "えー", "うーん"),
    "nl": ("eh", "ehm", "uh", "uhm"),
    "pl": ("yyy", "eee", "hmm"),
    "pt": ("hum", "ahn", "hmm"),
    "ru": ("э", "э-э", "ээ", "эм", "ммм"),
    "sv": ("öh", "eh", "ehm", "hmm"),
    "zh": ("嗯", "呃"),
}
_STOPS, _COMMAS = ".!?。！？", r"[,，、;…]"


def fillers(text: str, language: str) -> Iterator[Edit]:
    """Edits that leave out fillers that stand alone: between spaces, punctuation, and the ends of the text.

    A comma at a filler goes with it; a stop stays, at the word before. The next word begins with a capital where the
    filler did.
    """
    if language not in FILLERS:
        return
    end, capital = 0, False
    for match in _finder(language).finditer(text):
        before, after = text[: match.start()].rstrip(), text[match.end() :]
        follows = end > 0 and not text[end : match.start()].strip()  # another filler
        began = not before or before[-1] in _STOPS
        capital = (began and match["filler"][0].isupper()) or (follows and capital)
        stop = (match["stop"] or "") if before and not began and not follows else ""
        yield Edit(max(end, match.start()), match.end(), stop)
        end = match.end()
        at = end + len(after) - len(after.lstrip())
        if capital and at < len(text) and text[at].islower() and not _finder(language).match(text, end):
            yield Edit(at, at + 1, text[at].upper())
            end = at + 1


@lru_cache(maxsize=16)
def _finder(language: str) -> Any:
    words = "|".join(sorted(map(regex.escape, FILLERS[language]), key=len, reverse=True))
    return regex.compile(
        rf"(?:(?<=^|[.!?。！？\s])|{_COMMAS}?\s+|(?<=[,，、]))(?<![\w\p{{M}}'’-])(?P<filler>{words})(?![\w\p{{M}}'’-])"
        rf"(?:{_COMMAS}+|(?P<stop>[.!?。！？]+))?",
        regex.IGNORECASE,
    )
