"""What everybody is given: the same human recordings, in the same order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.contenders import FASTER, OURS, STOCK
from benchmarks.human import laid
from benchmarks.human.clips import PROMPTS, Clip, prompts, shipped


@dataclass(frozen=True)
class Case:
    """at_once: callers, each with one request after the other. clips: of `clips`; language: whether callers say it.

    beam: beam_size. who: contenders; empty for all.
    """

    name: str
    at_once: int
    count: int
    long: bool = False
    language: bool = True
    beam: int = 1
    who: tuple[str, ...] = ()


CASES = (
    Case("clips, one at a time", 1, 8),
    Case("clips, 8 at once", 8, 40),
    Case("clips, 32 at once", 32, 64),
    Case("clips, 8 at once, no language", 8, 40, language=False),
    Case("talks of minutes", 2, 2, long=True),
)
# vLLM's own search encodes again for every token of every beam: it is given one clip, and minutes.
SEARCHES = (
    *(Case(f"clips, 16 at once, beam of {beam}", 16, 48, beam=beam, who=(OURS, FASTER)) for beam in (1, 2, 5, 10)),
    Case("one clip, beam of 5", 1, 1, beam=5, who=(OURS, STOCK)),
)
SMALL = (Case("clips, 4 at once", 4, 8), Case("a talk of minutes", 1, 1, long=True))


def recordings(cache: Path) -> tuple[list[Clip], list[Clip]]:
    """Clips of LJ Speech and of prompts in five languages, mixed; and talks laid out of them, the longest first."""
    clips = [*shipped(), *(clip for language in PROMPTS for clip in prompts(language, cache / "prompts", 20))]
    talks = laid.talks(clips, cache / "laid-20")
    random.Random(1).shuffle(clips)
    return clips, sorted(talks, key=lambda clip: -clip.path.stat().st_size)


def sent(case: Case, clips: list[Clip], talks: list[Clip]) -> list[Clip]:
    return (talks if case.long else clips)[: case.count]
