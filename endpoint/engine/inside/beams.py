"""Beam search inside the batch: which texts the beams of each window go on with. openai/whisper's BeamSearchDecoder.

The beams of a window are rows of vLLM's batch. At every step the likeliest continuations of all of them are chosen, and
each row is forced to generate one: its logits are -inf but for that token. A row that continues another row's text
takes over its keys and values (endpoint/engine/inside/blocks.py) and its state of the rules. A continuation stays in
the row of its text wherever it can, so that little is copied.

The choice is returned through logits that are asked for (`carriers`), as scores are in endpoint/engine/inside/rules.py.
No step waits for the device, unless penalties are asked for (endpoint/engine/inside/choice.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from endpoint.engine.beam import Beam, Step
from endpoint.engine.tokens import WhisperTokens

FORCED = 1e6  # logit of the token a row is forced to generate: above every number carried, and exact in float32
NOT_ENDED = 1.0  # carried where a log-probability would be at most 0
_NO = float("-inf")


def carriers(tokens: WhisperTokens) -> list[int]:
    """Ids whose logits carry a step of a beam: the log-probability of its token, the no-speech score, the parent, the
    log-probability of the end, and the token.

    The first two are those that every request asks for. None of them is ever generated.
    """
    return [tokens.slot, tokens.no_speech, tokens.prev, tokens.sot, tokens.no_timestamps]


def read_step(scores: Sequence[float]) -> Step:
    """A step of a beam; scores: of the generated token, and of `carriers`."""
    _, logprob, _, parent, ended, token = scores
    return Step(round(parent), round(token), logprob, None if ended > 0 else ended)


@dataclass(frozen=True)
class _Groups:
    """Windows that are ranked together. rows: int64 [groups, widest], padded with row 0 where `there` is False.

    own: int64 [n], all rows but the padding; at: where they are in `rows`, flattened. Indices and not a mask, for which
    the host would have to wait for the device. size, most: int64 [groups, 1], as a Beam has them.
    """

    rows: Tensor
    there: Tensor
    own: Tensor
    at: Tensor
    size: Tensor
    most: Tensor


@dataclass(frozen=True)
class Moves:
    """Rows, int64 [n], in the order of their groups, and the rows whose text each goes on from."""

    rows: Tensor
    parents: Tensor


class Beams:
    """The beams among up to `rows` rows."""

    def __init__(self, tokens: WhisperTokens, rows: int, device: torch.device | str = "cpu") -> None:
        self._tokens, self._device = tokens, torch.device(device)
        self._totals = torch.zeros(rows, device=device)  # log-probability of each row's text
        self._ended = torch.zeros(rows, dtype=torch.long, device=device)  # texts of the row's window that ended
        # As a tensor: a list used as an index is copied to the device, and the host waits for all that goes on there.
        self._scores = torch.tensor([tokens.slot, tokens.no_speech], device=device)
        self._of: dict[int, Beam] = {}
        self._packed: dict[tuple[tuple[int, ...], ...], _Groups] = {}
        self._found: tuple[list[tuple[int, ...]], list[int]] | None = None  # until a row comes, moves or goes

    def __bool__(self) -> bool:
        return bool(self._of)

    def _forget(self) -> None:
        self._packed.clear()
        self._found = None

    def add(self, row: int, beam: Beam | None) -> None:
        """Start a request in `row`; None for one that is no beam."""
        self._forget()
        self._of.pop(row, None)
        if beam is not None:
            self._of[row] = beam
            # At the first step all beams are alike: the first of them alone is continued.
            self._totals[row] = 0.0 if beam.index == 0 else _NO
            self._ended[row] = 0

    def move(self, source: int, target: int, *, swap: bool) -> None:
        self._forget()
        moved, other = self._of.pop(source, None), self._of.pop(target, None)
        if moved is not None:
            self._of[target] = moved
        if swap and other is not None:
            self._of[source] = other
        for values in (self._totals, self._ended):
            kept = values[target].clone()
            values[target] = values[source]
            if swap:
                values[source] = kept

    def groups(self) -> tuple[list[tuple[int, ...]], list[int]]:
        """The rows of every window in the order of its beams; and rows of windows that are not all there."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def _find(self) -> tuple[list[tuple[int, ...]], list[int]]:
        found: dict[str, dict[int, int]] = {}
        for row, beam in self._of.items():
            found.setdefault(beam.group, {})[beam.index] = row
        whole, torn = list[tuple[int, ...]](), list[int]()
        for rows in found.values():
            size = self._of[next(iter(rows.values()))].size
            if len(rows) == size:
                whole.append(tuple(rows[index] for index in range(size)))
            else:
                torn += rows.values()
        return sorted(whole), torn

    def follow(self, logits: Tensor, groups: Sequence[tuple[int, ...]]) -> None:
        """Before the text begins, all beams of a window generate what the first one generates."""
        pairs = [(other, leader) for leader, *others in groups for other in others]
        if pairs:
            to, of = torch.tensor(pairs).T.to(self._device, non_blocking=True)
            logits[to] = logits[of]

    def give_up(self, logits: Tensor, rows: Sequence[int]) -> None:
        """End rows that have lost other rows of their window, with -1 for a parent."""
        logits[rows] = _NO
        logits[rows, self._tokens.eot] = FORCED
        for token, value in zip(carriers(self._tokens), (_NO, _NO, -1.0, NOT_ENDED, 0.0), strict=True):
            logits[rows, token] = value

    def rank(self, logits: Tensor, groups: Sequence[tuple[int, ...]]) -> Moves:
        """Choose the next tokens of `groups` and force them in logits, float32 [rows, vocabulary].

        The rules have been applied to these logits.
        """
        packed = self._pack(tuple(groups))
        rows, there, own, at = packed.rows, packed.there, packed.own, packed.at
        logprobs = logits[rows.flatten()]
        slot, no_speech = logprobs.index_select(1, self._scores).unbind(-1)
        scored = no_speech > _NO  # at the step that has a no-speech score
        silence = torch.where(scored, no_speech - slot, _NO).view(rows.shape)
        logprobs = logprobs.index_fill_(1, self._scores, _NO).log_softmax(-1)
        width = rows.shape[1]
        top, ids = (part.view(*rows.shape, width + 1) for part in logprobs.topk(width + 1))
        inside = there[..., None] & (torch.arange(width + 1, device=self._device) <= packed.size[..., None])
        totals = (self._totals[rows, None] + top).masked_fill(~inside, _NO)
        chosen = _choose(totals, ids == self._tokens.eot, packed.size)
        ended, done = self._end(chosen, packed, totals)
        parent, token, gained, total = _place(chosen.best, packed, ids, top, totals)
        self._totals[own] = total.flatten()[at]
        closing = logprobs[:, self._tokens.eot].view(rows.shape)
        carried = {
            self._tokens.slot: gained,
            self._tokens.no_speech: silence + gained,
            self._tokens.prev: parent.float(),
            self._tokens.sot: torch.where(ended, closing, NOT_ENDED),
            self._tokens.no_timestamps: token.float(),
        }
        self._force(logits, packed, carried, torch.where(done, self._tokens.eot, token))
        return Moves(own, rows.gather(1, parent).flatten()[at])

    def _pack(self, groups: tuple[tuple[int, ...], ...]) -> _Groups:
        if groups not in self._packed:
            self._packed.clear()
            width = max(map(len, groups))
            padded = torch.tensor([[*group, *[-1] * (width - len(group))] for group in groups])
            at = (padded >= 0).flatten().nonzero().flatten()
            sizes = torch.tensor([[len(group)] for group in groups])
            most = torch.tensor([[self._of[group[0]].most] for group in groups])
            parts = padded.clamp(min=0), padded >= 0, padded.flatten()[at], at, sizes, most
            self._packed[groups] = _Groups(*(part.to(self._device, non_blocking=True) for part in parts))
        return self._packed[groups]

    def _end(self, chosen: _Chosen, packed: _Groups, totals: Tensor) -> tuple[Tensor, Tensor]:
        """(bool [groups, widest]: whose text ends here, bool [groups, 1]: whether the window is done)."""
        before = self._ended[packed.rows[:, :1]]
        room = packed.most - before
        ending = chosen.ending & (chosen.ending.cumsum(-1) <= room)
        parents = chosen.order // totals.shape[-1]
        ended = torch.zeros_like(packed.rows).scatter_add(1, parents, ending.long()) > 0
        now = before + ending.sum(-1, keepdim=True)
        self._ended[packed.own] = now.expand_as(packed.rows).flatten()[packed.at]
        return ended, now >= packed.most

    def _force(self, logits: Tensor, packed: _Groups, carried: Mapping[int, Tensor], tokens: Tensor) -> None:
        logits.index_fill_(0, packed.own, _NO)
        for token, values in carried.items():
            logits[packed.own, token] = values.flatten()[packed.at]
        logits[packed.own, tokens.flatten()[packed.at]] = FORCED


@dataclass(frozen=True)
class _Chosen:
    """order: int64 [groups, n], candidates with the likeliest first. ending: bool, of those, texts that end.

    best: int64 [groups, widest], numbers of the candidates that go on; those behind `size` mean nothing.
    """

    order: Tensor
    ending: Tensor
    best: Tensor


def _choose(totals: Tensor, ends: Tensor, size: Tensor) -> _Chosen:
    """totals: [groups, widest, widest + 1], the log-probability of each candidate. ends: whether it is an end."""
    width = totals.shape[1]
    ordered, order = totals.flatten(1).sort(dim=-1, descending=True, stable=True)
    end = ends.flatten(1).gather(1, order)
    going = (~end).cumsum(-1)
    ending = end & (going < size) & (ordered > _NO)
    # The first `widest` that go on: a stable sort by whether it is an end keeps the order.
    first = end.long().argsort(dim=-1, stable=True)[:, :width]
    return _Chosen(order, ending, order.gather(1, first))


def _place(
    best: Tensor, packed: _Groups, ids: Tensor, top: Tensor, totals: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give every continuation a beam, that of its parent if it is the parent's first: [groups, widest] four times.

    For each beam: its parent's index, the token, its log-probability, that of the whole text.
    """
    width, device = best.shape[1], best.device
    index = torch.arange(width, device=device)
    used = index < packed.size
    parent = (best // totals.shape[-1]).masked_fill(~used, width)
    alike = parent[:, :, None] == parent[:, None, :]
    first = used & ~(alike & (index[:, None] > index)).any(-1)
    taken = torch.zeros(len(best), width + 1, dtype=torch.long, device=device)
    taken = taken.scatter(1, torch.where(first, parent, width), 1)[:, :width] > 0
    free = (taken | ~packed.there).long().argsort(dim=-1, stable=True)
    turn = ((used & ~first).cumsum(-1) - 1).clamp(min=0)
    beam = torch.where(first, parent, torch.where(used, free.gather(1, turn), width))
    slot = torch.zeros(len(best), width + 1, dtype=torch.long, device=device)
    slot = slot.scatter(1, beam, index.expand_as(beam))[:, :width]  # which continuation each beam has
    picked = best.gather(1, slot)
    values = (values.flatten(1).gather(1, picked) for values in (ids, top, totals))
    token, gained, total = values
    return picked // totals.shape[-1], token, gained, total
