"""Which tokens the decoder may generate next: Whisper's rules, for a whole batch at once.

Language, then task, then text under the reference's filters (openai/whisper decoding.py: SuppressBlank,
SuppressTokens, ApplyTimestampRules). State lives in arrays, a row per request. A step is a few tensor
operations for any batch: the tokens a row may not generate are one of a few masks made beforehand, and the
timestamps before an earliest one. No vLLM here: endpoint/engine/inside/logits_processor.py connects it.

Scores leave through the logits. vLLM returns the logits of chosen ids after these rules, so the id
<|startoflm|> (`slot`), which no checkpoint predicts, carries the step's log-sum-exp, lowered by OFFSET so
that it is never sampled. With it the caller has the log-probability under the rules at any temperature,
and at the first step the probability of <|nospeech|> and of every language, without a second pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from endpoint.engine.inside.choice import Choice, Choices
from endpoint.engine.tokens import TIMESTAMPS, WhisperTokens

OFFSET = 1000.0  # exp(-1000) is 0 in float32, and differences near it keep 4 digits
# A loop is 40 tokens of text that repeat what stood up to 32 tokens before them, at least five times over.
LOOP_PERIOD, LOOP_TOKENS, LOOP_TIMES = 32, 40, 5
MAX_INITIAL_TIME = 50  # openai/whisper max_initial_timestamp: 1.0 s, in timestamp steps
_NO = float("-inf")

LANGUAGE, TASK, FIRST, TEXT, FREE = range(5)  # what a row generates next; FREE: no rules


@dataclass(frozen=True)
class RowRules:
    """What one request asks. task: the task's token id. language: its token id, -1 to detect it.

    allowed: token ids of the languages to detect among; empty for all. choice: fields of a Choice, if not all defaults.
    beam: fields of a Beam, if it is one.
    """

    task: int
    language: int = -1
    allowed: tuple[int, ...] = ()
    timestamps: bool = True
    choice: Mapping[str, Any] | None = None
    beam: Mapping[str, Any] | None = None


class Grammar:
    """The rules' state for up to `rows` requests decoded side by side."""

    def __init__(self, tokens: WhisperTokens, rows: int, device: torch.device | str = "cpu") -> None:
        self.tokens, self.device = tokens, torch.device(device)
        self._languages = torch.tensor(sorted(tokens.languages.values()), dtype=torch.long)  # on the host
        self._language_ids = self._languages.to(device)
        first, beyond = tokens.first_time, min(tokens.first_time + TIMESTAMPS, tokens.vocabulary)
        self._times = torch.arange(first, beyond, device=device)
        self._masks, self._mask_of = _masks(tokens, self.device)
        self.phase = torch.full((rows,), FREE, device=device)
        self.translates = torch.zeros(rows, dtype=torch.bool, device=device)
        self.timed = torch.zeros(rows, dtype=torch.bool, device=device)
        self.last_time = torch.zeros(rows, dtype=torch.bool, device=device)
        self.time_before = torch.zeros(rows, dtype=torch.bool, device=device)
        self.floor = torch.zeros(rows, dtype=torch.long, device=device)  # earliest timestamp id still allowed
        self.allowed = torch.zeros(rows, len(self._language_ids), dtype=torch.bool, device=device)
        self.recent = torch.full((rows, LOOP_PERIOD), -1, device=device)  # the last text tokens, the newest first
        self.repeated = torch.zeros(rows, LOOP_PERIOD, dtype=torch.long, device=device)  # tokens equal to k + 1 before
        self.choices = Choices(tokens.eot, self.device)
        periods = torch.arange(1, LOOP_PERIOD + 1, device=device)
        self._loop_limit = (periods * (LOOP_TIMES - 1)).clamp(min=LOOP_TOKENS)

    @property
    def _state(self) -> tuple[Tensor, ...]:
        times = self.timed, self.last_time, self.time_before, self.floor
        return self.phase, self.translates, *times, self.allowed, self.recent, self.repeated

    # ---- rows come, move and go -------------------------------------------------------------------

    def add(self, row: int, rules: RowRules | None) -> None:
        """Start a request in `row`; None for one without rules."""
        self.floor[row] = 0
        self.repeated[row] = 0
        self.choices.add(row, Choice(**rules.choice) if rules and rules.choice else None)
        if rules is None:
            self.phase[row] = FREE
            return
        self.phase[row] = LANGUAGE if self.tokens.multilingual else FIRST
        self.translates[row] = rules.task == self.tokens.translate
        self.timed[row] = rules.timestamps
        self.last_time[row], self.time_before[row] = False, True
        self.recent[row] = -1
        wanted = rules.allowed if rules.language < 0 else (rules.language,)
        if wanted:
            self.allowed[row].copy_(torch.isin(self._languages, torch.tensor(wanted)), non_blocking=True)
        else:
            self.allowed[row] = True

    def move(self, source: int, target: int, *, swap: bool) -> None:
        self.choices.move(source, target, swap=swap)
        for values in self._state:
            kept = values[target].clone()
            values[target] = values[source]
            if swap:
                values[source] = kept

    def take(self, rows: Tensor, sources: Tensor) -> None:
        """Let `rows` go on from what `sources` generated, both int64 [n]; rows may be sources of others."""
        self.choices.take(rows, sources)
        for values in self._state:
            values[rows] = values[sources]

    # ---- a step -----------------------------------------------------------------------------------

    def advance(self, rows: slice | Tensor, generated: Tensor) -> None:
        """`rows` (int64 [n], or a slice of n) have just generated these tokens (int64 [n])."""
        self.choices.note(rows, generated)
        phase = self.phase[rows]
        text = (phase == FIRST) | (phase == TEXT)
        time = text & (generated >= self.tokens.first_time)
        last = self.last_time[rows]
        # A closing timestamp may be repeated as the next start; else the next one must be later.
        later = generated + (last | (phase == FIRST))
        self.floor[rows] = torch.where(time, later, self.floor[rows])
        self.time_before[rows] = torch.where(phase == TEXT, last, self.time_before[rows])
        self.last_time[rows] = torch.where(text, time, last)
        self.phase[rows] = phase + (phase < TEXT)
        word = (text & ~time)[:, None]
        recent, repeated = self.recent[rows], self.repeated[rows]
        self.repeated[rows] = torch.where(word, (repeated + 1) * (recent == generated[:, None]), repeated)
        self.recent[rows] = torch.where(word, torch.cat([generated[:, None], recent[:, :-1]], dim=1), recent)

    def apply(self, logits: Tensor, rows: Tensor | None = None, *, opening: bool = True) -> Tensor:
        """Change logits in place, float32 [n, vocabulary]: -inf on tokens that may not be generated.

        rows: int64 [n], whose logits they are; None for rows 0 to n - 1.
        opening: False where the caller knows that no row is at its first step.
        """
        at = slice(len(logits)) if rows is None else rows
        phase, timed = self.phase[at], self.timed[at]
        before = self._before_rules(logits, phase) if opening else None
        looping = (self.repeated[at] >= self._loop_limit).any(-1) & (phase == TEXT)
        about = looping, phase, self.translates[at], timed, self.last_time[at], self.time_before[at]
        logits.masked_fill_(self._masks[self._mask_of[_state_number(*about)]], _NO)
        begin = self.tokens.first_time
        text, times = logits[:, :begin], logits[:, begin : begin + TIMESTAMPS]
        times.masked_fill_(self._times < self.floor[at, None], _NO)
        # Where all timestamps together are likelier than the likeliest text token, only timestamps are allowed.
        wins = timed & ((phase == FIRST) | (phase == TEXT)) & (_log_sum_exp(times) > text.amax(-1))
        text.masked_fill_(wins[:, None], _NO)
        if before is not None and self.tokens.multilingual:
            self._choose_language(logits, phase == LANGUAGE, before[2], self.allowed[at])
        self.choices.weigh(logits, at)
        total, slot = _log_sum_exp(logits), self.tokens.slot
        if before is not None:
            total = self._put_no_speech(logits, phase, total, *before[:2])
        logits[:, slot] = torch.where(phase == FREE, logits[:, slot], total - OFFSET)
        self.choices.truncate(logits, at)
        return logits

    def _opens(self, phase: Tensor) -> Tensor:
        """bool [n]: rows at the first step, which has the no-speech score."""
        return phase == (LANGUAGE if self.tokens.multilingual else FIRST)

    def _before_rules(self, logits: Tensor, phase: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Before the rules: the log-sum-exp [n], the logits of no speech [n] and of the languages [n, languages]."""
        return _log_sum_exp(logits), logits[:, self.tokens.no_speech].clone(), logits[:, self._language_ids]

    def _put_no_speech(
        self, logits: Tensor, phase: Tensor, total: Tensor, full_total: Tensor, no_speech: Tensor
    ) -> Tensor:
        """Put the score of no speech into the logits of opening rows; their log-sum-exp is that before the rules."""
        opens, place = self._opens(phase), self.tokens.no_speech
        logits[:, place] = torch.where(opens, no_speech - OFFSET, logits[:, place])
        return torch.where(opens, full_total, total)

    def _choose_language(self, logits: Tensor, rows: Tensor, scores: Tensor, allowed: Tensor) -> None:
        """`rows` may generate their likeliest allowed language only; the others' scores stay readable, lowered."""
        best = torch.where(allowed, scores, _NO).argmax(-1, keepdim=True)
        lowered = (scores - OFFSET).scatter(1, best, scores.gather(1, best))
        logits.masked_fill_(rows[:, None], _NO)
        logits[:, self._language_ids] = torch.where(rows[:, None], lowered, logits[:, self._language_ids])


def _log_sum_exp(logits: Tensor) -> Tensor:
    """[n, m] to [n]; not a number where all are -inf. torch.logsumexp takes five times as long on a CPU."""
    return logits.amax(-1) - logits.log_softmax(-1).amax(-1)


def _state_number(*parts: Tensor) -> Tensor:
    """A number from 0 to 159 for looping, phase, translates, timed, last_time and time_before."""
    looping, phase, *flags = parts
    number = looping * 5 + phase
    for flag in flags:
        number = number * 2 + flag
    return number


def _masks(tokens: WhisperTokens, device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens that may not be generated, bool [masks, vocabulary]; the number of each state's mask, int64 [160]."""
    ids = torch.arange(tokens.vocabulary)
    time = (ids >= tokens.first_time) & (ids < tokens.first_time + TIMESTAMPS)

    def among(*some: int) -> Tensor:
        return torch.isin(ids, torch.tensor(some))

    never = among(*tokens.suppressed, tokens.no_timestamps)
    not_first = never | among(*tokens.suppressed_first, tokens.eot)
    start = (ids >= tokens.first_time) & (ids <= tokens.first_time + MAX_INITIAL_TIME)

    fixed = {LANGUAGE: torch.zeros_like(time), FREE: torch.zeros_like(time)}

    def mask(looping: bool, phase: int, flags: tuple[bool, ...]) -> Tensor:
        translates, timed, last, before = flags
        if phase in fixed:
            return fixed[phase]
        if phase == TASK:
            return ids != (tokens.translate if translates else tokens.transcribe)
        if phase == FIRST:
            return not_first | (~start if timed else time)
        if looping:
            return ids != tokens.eot
        if timed and not last:
            return never
        # Two timestamps in a row: no third. One behind text: a second, or the end.
        return never | (time if before or not timed else ids < tokens.eot)

    states = itertools.product([False, True], range(5), itertools.product([False, True], repeat=4))
    masks, which = torch.unique(torch.stack([mask(*state) for state in states]), dim=0, return_inverse=True)
    return masks.to(device), which.to(device)
