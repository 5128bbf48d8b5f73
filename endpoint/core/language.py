"""In which language a window is decoded: the rules, in one place.

The first of these that is known: the language detected for the window beforehand (endpoint/core/multilingual.py), the
one the caller named, the one recognized when the same speech was decoded before. Else the model detects it. A window
whose language is unsure is decoded again in the file's language (`decide_language`, endpoint/text/assemble.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import takewhile

from endpoint.options import Options
from endpoint.tasks import together
from endpoint.text.assemble import decide_language
from endpoint.types import Hypothesis, Window

SURE = 0.8  # a window this sure of its own language keeps it, whatever the file's is

Decode = Callable[[Window, Options], Awaitable[Hypothesis]]


def in_language(options: Options, window: Window, earlier: Hypothesis | None = None) -> Options:
    """The options in the language of this window. earlier: a decoding of the same speech."""
    language = window.language or options.language or (earlier.language if earlier is not None else None)
    return replace(options, language=language)


class FileLanguage:
    """Decodes windows again whose language is not the file's and not sure.

    Feed the hypotheses of each window in order, flush at the end. All windows decide the file's language; with
    options.incremental, those so far. Windows that are sure of theirs keep it and do not wait for that; those behind an
    unsure one do, as text comes in order. decode: used for windows that are decoded again.
    """

    def __init__(self, options: Options, decode: Decode) -> None:
        self._options, self._decode = options, decode
        self._open = options.language is None and not options.multilingual
        self._settled, self._waiting = list[Hypothesis](), list[Hypothesis]()

    async def feed(self, found: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses that are settled now."""
        if not self._open or self._options.incremental:
            return await self._settle(found)
        self._waiting += found
        sure = list(takewhile(_is_sure, self._waiting))
        del self._waiting[: len(sure)]
        self._settled += sure
        return sure

    async def flush(self) -> list[Hypothesis]:
        """The rest."""
        waiting, self._waiting = self._waiting, []
        return await self._settle(waiting)

    async def _settle(self, found: Sequence[Hypothesis]) -> list[Hypothesis]:
        settled = list(found)
        if self._open and len(self._settled) + len(found) > 1:
            language, _ = decide_language([*self._settled, *found], self._options)
            settled = await together(self._settled_in(language, hypothesis) for hypothesis in found)
        self._settled += settled
        return settled

    async def _settled_in(self, language: str, hypothesis: Hypothesis) -> Hypothesis:
        if hypothesis.language == language or _is_sure(hypothesis):
            return hypothesis
        again = await self._decode(hypothesis.window, replace(self._options, language=language))
        return replace(again, language_probabilities=hypothesis.language_probabilities)


def _is_sure(hypothesis: Hypothesis) -> bool:
    """Whether a window keeps its language, whatever the others have."""
    return hypothesis.language_probabilities.get(hypothesis.language, 1.0) >= SURE
