"""How subtitles are laid out: what a caller asks for, and the limits that follow for a language. Pure.

`broadcast` has the numbers of Netflix's Timed Text Style Guides: general requirements (two lines; 5/6 s to 7 s; two
frames between, at 24 a second) and, by language, characters in a line and a second for programmes for adults. In
Chinese, Japanese and Korean a narrow character counts half. The BBC's guidelines ask for 37 characters in two lines,
and 160 to 180 words a minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from endpoint.text.graphemes import width

MIN_MS, MAX_MS, GAP_MS = 834, 7_000, 84  # rounded up, so that no rule is missed by a fraction
LINES, WIDTH, SPEED = 2, 42, 17.0
LONGEST_MS = 86_400_000.0  # a day: no cue has to be read longer
_WIDTHS = {"zh": 16, "yue": 16, "ko": 16, "ja": 13, "th": 35}
_SPEEDS = {"en": 20.0, "zh": 9.0, "yue": 9.0, "ko": 12.0, "ja": 4.0}
_HALVED = frozenset({"zh", "yue", "ko", "ja"})

Preset = Literal["broadcast"]


@dataclass(frozen=True)
class Layout:
    """What is asked for; None where nothing is, so that a preset or no limit applies.

    max_line_width: characters of a line. max_line_count: lines of a cue. max_words_per_line: of a line.
    min_ms, max_ms: how long a cue is shown. speed: most characters a second.
    highlight: every word is underlined while it is spoken, as openai/whisper's writers do it.
    """

    preset: Preset | None = None
    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    min_ms: int | None = None
    max_ms: int | None = None
    speed: float | None = None
    highlight: bool = False

    def limits(self, language: str) -> Limits:
        """In a language, by its code."""
        preset = self.preset == "broadcast"
        widest = self.max_line_width or (_WIDTHS.get(language, WIDTH) if preset else None)
        lines = self.max_line_count or (LINES if preset else None)
        return Limits(
            language=language,
            width=widest or math.inf,
            lines=lines or (math.inf if widest else 1),
            words=self.max_words_per_line or math.inf,
            min_ms=(MIN_MS if preset else 0) if self.min_ms is None else self.min_ms,
            max_ms=(MAX_MS if preset else math.inf) if self.max_ms is None else self.max_ms,
            speed=self.speed or (_SPEEDS.get(language, SPEED) if preset else math.inf),
            gap_ms=GAP_MS if preset else 0,
            across=lines is not None,
        )


@dataclass(frozen=True)
class Limits:
    """What holds for the cues of one language; infinite where there is no limit.

    width: of a line, in characters. lines: of a cue. words: of a line. min_ms, max_ms: of a cue. speed: characters a
    second. gap_ms: between cues. across: a cue may have words of several segments.
    """

    language: str
    width: float
    lines: float
    words: float
    min_ms: int
    max_ms: float
    speed: float
    gap_ms: int
    across: bool

    def measure(self, text: str) -> float:
        """Characters as the rules of the language count them."""
        return width(text, 1.0, 0.5) if self.language in _HALVED else width(text)

    @property
    def space(self) -> float:
        """The width of a space."""
        return 0.5 if self.language in _HALVED else 1.0

    def reading_ms(self, characters: float) -> float:
        """How long so many characters have to be shown, by the speed of reading; finite for any speed above 0."""
        return min(1000 * characters / self.speed, LONGEST_MS)
