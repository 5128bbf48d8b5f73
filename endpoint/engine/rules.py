"""What the decoder may say next: Whisper's rules, for a whole batch at once.

Language, then task, then text under the reference's filters (openai/whisper decoding.py: SuppressBlank,
SuppressTokens, ApplyTimestampRules). State lives in arrays, a row per request; a step is a few tensor
operations whatever the batch. No vLLM here: endpoint/engine/processor.py connects it.

Scores leave through the logits. vLLM returns the logits of chosen ids after these rules, so the id
<|startoflm|> (`slot`), which no checkpoint predicts, carries the step's log-sum-exp, lowered by OFFSET so
that it is never sampled. With it the caller has the log-probability under the rules at any temperature,
and at the first step the probability of <|nospeech|> and of every language, without a second pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from endpoint.engine.tokens import TIMESTAMPS, WhisperTokens

OFFSET = 1000.0  # exp(-1000) is 0 in float32, and differences near it keep 4 digits
# A loop is 40 tokens of text that repeat what stood up to 32 tokens before them, at least five times over.
LOOP_PERIOD, LOOP_TOKENS, LOOP_TIMES = 32, 40, 5
MAX_INITIAL_TIME = 50  # openai/whisper max_initial_timestamp: 1.0 s, in timestamp steps
_NO = float("-inf")

LANGUAGE, TASK, FIRST, TEXT, FREE = range(5)  # what a row says next; FREE: no rules


@dataclass(frozen=True)
class RowRules:
    """What one request asks. task: the task's token id. language: its token id, -1 to detect it.

    allowed: token ids of the languages to detect among; empty for all.
    """

    task: int
    language: int = -1
    allowed: tuple[int, ...] = ()
    timestamps: bool = True


class Grammar:
    """The rules' state for up to `rows` requests decoded side by side."""

    def __init__(self, tokens: WhisperTokens, rows: int, device: torch.device | str = "cpu") -> None:
        self.tokens, self.device = tokens, torch.device(device)
        self._ids = torch.arange(tokens.vocabulary, device=device)
        self._language_ids = torch.tensor(sorted(tokens.languages.values()), dtype=torch.long, device=device)
        self._never = self._mask((*tokens.suppressed, tokens.no_timestamps))
        self._not_first = self._mask((*tokens.suppressed_first, tokens.eot))
        self._is_time = (self._ids >= tokens.first_time) & (self._ids < tokens.first_time + TIMESTAMPS)
        self.phase = torch.full((rows,), FREE, device=device)
        self.task = torch.zeros(rows, dtype=torch.long, device=device)
        self.timed = torch.zeros(rows, dtype=torch.bool, device=device)
        self.last_time = torch.zeros(rows, dtype=torch.bool, device=device)
        self.time_before = torch.zeros(rows, dtype=torch.bool, device=device)
        self.floor = torch.zeros(rows, dtype=torch.long, device=device)  # earliest timestamp id still allowed
        self.allowed = torch.zeros(rows, len(self._language_ids), dtype=torch.bool, device=device)
        self.recent = torch.full((rows, LOOP_PERIOD), -1, device=device)  # the last text tokens, the newest first
        self.repeated = torch.zeros(rows, LOOP_PERIOD, dtype=torch.long, device=device)  # tokens equal to k + 1 before
        periods = torch.arange(1, LOOP_PERIOD + 1, device=device)
        self._loop_limit = (periods * (LOOP_TIMES - 1)).clamp(min=LOOP_TOKENS)

    def _mask(self, ids: tuple[int, ...]) -> Tensor:
        mask = torch.zeros(self.tokens.vocabulary, dtype=torch.bool, device=self.device)
        mask[torch.tensor(ids, dtype=torch.long, device=self.device)] = True
        return mask

    @property
    def _state(self) -> tuple[Tensor, ...]:
        times = self.timed, self.last_time, self.time_before, self.floor
        return self.phase, self.task, *times, self.allowed, self.recent, self.repeated

    # ---- rows come, move and go -------------------------------------------------------------------

    def add(self, row: int, rules: RowRules | None) -> None:
        """Start a request in `row`; None for one without rules."""
        if rules is None:
            self.phase[row] = FREE
            return
        self.phase[row] = LANGUAGE if self.tokens.multilingual else FIRST
        self.task[row] = rules.task
        self.timed[row] = rules.timestamps
        self.last_time[row], self.time_before[row] = False, True
        self.floor[row] = self.tokens.first_time
        self.recent[row], self.repeated[row] = -1, 0
        wanted = rules.allowed if rules.language < 0 else (rules.language,)
        ids = self._language_ids
        self.allowed[row] = torch.isin(ids, torch.tensor(wanted, device=self.device)) if wanted else True

    def move(self, source: int, target: int, *, swap: bool) -> None:
        for values in self._state:
            kept = values[target].clone()
            values[target] = values[source]
            if swap:
                values[source] = kept

    # ---- a step -----------------------------------------------------------------------------------

    def advance(self, rows: Tensor, said: Tensor) -> None:
        """Take note of what `rows` (int64 [n]) just said (int64 [n])."""
        phase = self.phase[rows]
        text = (phase == FIRST) | (phase == TEXT)
        time = text & (said >= self.tokens.first_time)
        pair_closed = time & ~(self.last_time[rows] | (phase == FIRST))
        # A closing timestamp may be repeated as the next start; else the next one must be later.
        self.floor[rows] = torch.where(time, torch.where(pair_closed, said, said + 1), self.floor[rows])
        self.time_before[rows] = torch.where(text & (phase != FIRST), self.last_time[rows], self.time_before[rows])
        self.last_time[rows] = torch.where(text, time, self.last_time[rows])
        self.phase[rows] = torch.where(phase < TEXT, phase + 1, phase)
        word = (text & ~time)[:, None]
        recent, same = self.recent[rows], self.recent[rows] == said[:, None]
        self.repeated[rows] = torch.where(word, (self.repeated[rows] + 1) * same, self.repeated[rows])
        pushed = torch.cat([said[:, None], recent[:, :-1]], dim=1)
        self.recent[rows] = torch.where(word, pushed, recent)

    def apply(self, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        """Change logits in place, float32 [n, vocabulary]: -inf on what may not be said.

        rows: int64 [n], whose logits they are; None for rows 0 to n - 1.
        """
        at = slice(len(logits)) if rows is None else rows
        slot, no_speech = self.tokens.slot, self.tokens.no_speech
        phase = self.phase[at]
        language, free = phase == LANGUAGE, phase == FREE
        opening = language if self.tokens.multilingual else phase == FIRST  # the step that tells of speech
        raw_sum, raw_no_speech = logits.logsumexp(-1), logits[:, no_speech].clone()
        raw_languages = logits[:, self._language_ids]
        forbidden = self._text_rules(at)
        forbidden = torch.where((phase == TASK)[:, None], self._ids != self.task[at][:, None], forbidden)
        logits.masked_fill_(forbidden & ~(language | free)[:, None], _NO)
        looping = (self.repeated[at] >= self._loop_limit).any(-1) & (phase == TEXT)
        logits.masked_fill_(looping[:, None] & (self._ids != self.tokens.eot), _NO)
        self._prefer_time(logits, ((phase == FIRST) | (phase == TEXT)) & self.timed[at])
        if self.tokens.multilingual:
            self._choose_language(logits, language, raw_languages, self.allowed[at])
        total = torch.where(opening, raw_sum, logits.logsumexp(-1))
        logits[:, no_speech] = torch.where(opening, raw_no_speech - OFFSET, logits[:, no_speech])
        logits[:, slot] = torch.where(free, logits[:, slot], total - OFFSET)
        return logits

    def _text_rules(self, at: slice | Tensor) -> Tensor:
        """bool [n, vocabulary]: what FIRST and TEXT rows may not say."""
        ids, time, eot = self._ids, self._is_time, self.tokens.eot
        first, floor = (self.phase[at] == FIRST)[:, None], self.floor[at][:, None]
        timed, last, before = self.timed[at][:, None], self.last_time[at][:, None], self.time_before[at][:, None]
        forbidden = self._never | (first & self._not_first)
        forbidden = forbidden | (timed & last & before & time) | (timed & last & ~before & (ids < eot))
        forbidden = forbidden | (timed & time & (ids < floor)) | (~timed & time)
        at_start = (ids < self.tokens.first_time) | (ids > self.tokens.first_time + MAX_INITIAL_TIME)
        return forbidden | (first & timed & at_start)

    def _prefer_time(self, logits: Tensor, rows: Tensor) -> None:
        """Where timestamps together are likelier than any one text token, a timestamp it is."""
        begin = self.tokens.first_time
        times, text = logits[:, begin : begin + TIMESTAMPS], logits[:, :begin]
        wins = (times.logsumexp(-1) > text.amax(-1)) & rows
        text.masked_fill_(wins[:, None], _NO)

    def _choose_language(self, logits: Tensor, rows: Tensor, scores: Tensor, allowed: Tensor) -> None:
        """`rows` may say their likeliest allowed language only; the others' scores stay readable, lowered."""
        best = torch.where(allowed, scores, _NO).argmax(-1, keepdim=True)
        lowered = (scores - OFFSET).scatter(1, best, scores.gather(1, best))
        logits.masked_fill_(rows[:, None], _NO)
        logits[:, self._language_ids] = torch.where(rows[:, None], lowered, logits[:, self._language_ids])
