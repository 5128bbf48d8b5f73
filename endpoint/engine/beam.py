"""The best text of a beam search, put together from the steps of its beams. Pure.

Every beam of a window is a request of its own to vLLM. At each step the beams exchange texts, see
endpoint/engine/inside/beams.py, so the tokens that one request generated are no text: each step names the beam whose
text it continues. Here the texts are put together and the best is chosen, as openai/whisper's decoding.py does
(BeamSearchDecoder.finalize, MaximumLikelihoodRanker).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Beam:
    """One beam of a window. group: the same for all beams of the window, and no other's. index: 0 to size - 1.

    size: how many beams there are. most: texts that have to end before the search does.
    """

    group: str
    index: int
    size: int
    most: int


@dataclass(frozen=True)
class Step:
    """What one beam did at one step: it continued the text of beam `parent` with `token`.

    logprob: of the token after that text. ended: log-probability of this beam's own text ending here, before the step;
    None where it is not among the texts that ended. parent is -1 where the search broke off.
    """

    parent: int
    token: int
    logprob: float
    ended: float | None


@dataclass(frozen=True)
class Text:
    """Token ids without <|endoftext|>, and the log-probability of each. ended: of <|endoftext|>; None if cut off."""

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    ended: float | None = None

    @property
    def total(self) -> float:
        return math.fsum(self.logprobs) + (self.ended or 0.0)


def finished(steps: Sequence[Sequence[Step]], size: int) -> list[Text]:
    """The texts to choose among; steps: of every step in order, one for each beam.

    If fewer than `size` have ended, the likeliest of the others are among them. Raises ValueError where the search
    broke off.
    """
    texts, found = [Text()] * size, list[Text]()
    for step in steps:
        if any(one.parent < 0 for one in step):
            raise ValueError("the beams of a window were torn apart")
        found += [
            Text(text.ids, text.logprobs, one.ended)
            for text, one in zip(texts, step, strict=True)
            if one.ended is not None
        ]
        before = texts
        texts = [
            Text((*before[one.parent].ids, one.token), (*before[one.parent].logprobs, one.logprob)) for one in step
        ]
    rest = sorted((text for text in texts if text.total > -math.inf), key=lambda text: text.total, reverse=True)
    return found + rest[: max(0, size - len(found))]


def score(text: Text, length_penalty: float | None) -> float:
    """What texts are compared by: the log-probability over the length, or over Google NMT's penalty."""
    length = max(1, len(text.ids))
    return text.total / (length if length_penalty is None else ((5 + length) / 6) ** length_penalty)


def best(steps: Sequence[Sequence[Step]], size: int, length_penalty: float | None) -> Text:
    """Raises ValueError where the search broke off."""
    return max(finished(steps, size), key=lambda text: score(text, length_penalty))
