"""Sampling options of a request beyond Whisper's rules: suppressed ids, penalties, truncation.

Few requests use any, so rows that do are processed one by one. This is done here and not by vLLM's sampler, which would
erase the scores that the rules put into the logits (endpoint/engine/inside/rules.py). Options mean what they mean in
vLLM, but apply to text only: a penalty on timestamps would break Whisper's grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

_NO = float("-inf")
READABLE = 500.0  # logits this far below the highest carry scores and are never sampled


@dataclass(frozen=True)
class Choice:
    """As endpoint.options.Sampling has them; temperature: that of the request, 0 for the most probable token."""

    suppress: tuple[int, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether tokens generated before count."""
        return self.repetition_penalty != 1 or bool(self.frequency_penalty or self.presence_penalty)

    @property
    def truncates(self) -> bool:
        return self.temperature > 0 and (self.top_p < 1 or self.top_k > 0 or self.min_p > 0)


@dataclass
class _Row:
    choice: Choice
    given: Tensor  # bool [text ids]: in the prompt
    generated: Tensor  # float32 [text ids]: how often generated


class Choices:
    """The choices of the rows that have some. texts: ids below it are text."""

    def __init__(self, texts: int, device: torch.device) -> None:
        self._texts, self._device = texts, device
        self._rows: dict[int, _Row] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, row: int, choice: Choice | None) -> None:
        """Start a request in `row`; None for one that asks for nothing."""
        self._rows.pop(row, None)
        if choice is not None and choice != Choice(temperature=choice.temperature):
            given = torch.zeros(self._texts, dtype=torch.bool, device=self._device)
            generated = torch.zeros(self._texts, device=self._device)
            self._rows[row] = _Row(choice, given, generated)

    def give(self, row: int, prompt: Tensor) -> None:
        """The prompt of a row, int64 [n]: a repetition penalty counts its text too."""
        if row in self._rows:
            self._rows[row].given[prompt[prompt < self._texts]] = True

    def move(self, source: int, target: int, *, swap: bool) -> None:
        moved, other = self._rows.pop(source, None), self._rows.pop(target, None)
        if moved is not None:
            self._rows[target] = moved
        if swap and other is not None:
            self._rows[source] = other

    def take(self, rows: Tensor, sources: Tensor) -> None:
        """Let `rows` go on from what `sources` generated, both int64 [n]."""
        if not self._rows:
            return
        before = dict(self._rows)
        for row, source in zip(rows.tolist(), sources.tolist(), strict=True):
            if row != source and source in before:
                self._rows[row] = replace(before[source], generated=before[source].generated.clone())

    def note(self, rows: slice | Tensor, generated: Tensor) -> None:
        """`rows` (int64 [n], or a slice of n) have just generated these tokens (int64 [n])."""
        for at, row in self._among(rows, len(generated)):
            token = generated[at : at + 1]
            row.generated.index_add_(0, token.clamp(max=self._texts - 1), (token < self._texts).to(row.generated.dtype))

    def weigh(self, logits: Tensor, rows: slice | Tensor) -> None:
        """Suppress and penalise in place, float32 [n, vocabulary]."""
        for at, row in self._among(rows, len(logits)):
            text, choice = logits[at, : self._texts], row.choice
            if choice.suppress:
                logits[at, torch.tensor(choice.suppress, device=self._device)] = _NO
            if choice.counts:
                seen = row.given | (row.generated > 0)
                repeated = torch.where(text > 0, text / choice.repetition_penalty, text * choice.repetition_penalty)
                text.copy_(torch.where(seen, repeated, text))
                text.sub_(choice.frequency_penalty * row.generated + choice.presence_penalty * (row.generated > 0))

    def truncate(self, logits: Tensor, rows: slice | Tensor) -> None:
        """Leave only what top_k, top_p and min_p let through, in place; scores far below stay readable."""
        for at, row in self._among(rows, len(logits)):
            if row.choice.truncates:
                values = logits[at]
                sampled = values > values.max() - READABLE
                values.masked_fill_(sampled & ~_kept(values, row.choice), _NO)

    def _among(self, rows: slice | Tensor, count: int) -> list[tuple[int, _Row]]:
        """(position among `rows`, row) of those that have a choice."""
        if not self._rows:
            return []
        numbers = range(rows.start or 0, (rows.start or 0) + count) if isinstance(rows, slice) else rows.tolist()
        return [(at, self._rows[number]) for at, number in enumerate(numbers) if number in self._rows]


def _kept(logits: Tensor, choice: Choice) -> Tensor:
    """bool [vocabulary]: the tokens that may be sampled."""
    chances = (logits / choice.temperature).softmax(-1)
    kept = chances >= choice.min_p * chances.max()
    ordered, order = chances.sort(descending=True)
    if choice.top_k > 0:
        kept &= chances >= ordered[min(choice.top_k, len(ordered)) - 1]
    if choice.top_p < 1:
        inside = ordered.cumsum(-1) - ordered < max(choice.top_p, torch.finfo(ordered.dtype).tiny)
        kept &= torch.zeros_like(kept).scatter(0, order, inside)
    return kept
