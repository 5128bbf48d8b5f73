"""Options to vLLM's sampling parameters, and vLLM's output to a Generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from endpoint.engine import beam as search
from endpoint.engine.beam import Beam
from endpoint.engine.prompt import Generation
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Options, Task

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.outputs import CompletionOutput

    from endpoint.engine.inside.choice import Choice

Floats = npt.NDArray[np.float64]

LEAST_TEMPERATURE = 0.01  # above 0; vLLM raises lower ones to it


def sampling_params(
    tokens: WhisperTokens, options: Options, max_tokens: int, shared: str = "", beam: Beam | None = None
) -> SamplingParams:
    """shared: what requests of the same sound have in common; empty for one of its own. beam: which one it is."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from endpoint.engine.inside.beams import carriers
    from endpoint.engine.inside.choice import Choice
    from endpoint.engine.inside.rules import RowRules
    from endpoint.engine.inside.sound import SHARED

    task = tokens.translate if options.task is Task.TRANSLATE else tokens.transcribe
    language = -1 if options.language is None else tokens.languages.get(options.language, -1)
    allowed = tuple(tokens.languages[code] for code in options.languages if tokens.multilingual)
    choice = _choice(tokens, options)
    rules = RowRules(
        task,
        language,
        allowed,
        choice=None if choice == Choice() else vars(choice),
        beam=None if beam is None else vars(beam),
    )
    read = [tokens.slot, tokens.no_speech] if beam is None else carriers(tokens)
    if options.language is None and (beam is None or beam.index == 0):
        read += tokens.languages.values()
    return SamplingParams(
        temperature=options.temperature,
        max_tokens=max_tokens,
        logprob_token_ids=read,
        flat_logprobs=True,
        detokenize=False,
        stop_token_ids=[tokens.eot],
        output_kind=RequestOutputKind.FINAL_ONLY,
        seed=options.sampling.seed if options.temperature > 0 else None,
        extra_args={"whisper": vars(rules), **({SHARED: shared} if shared else {})},
    )


def _choice(tokens: WhisperTokens, options: Options) -> Choice:
    """Of the suppressed ids those of text: without an end, a task or timestamps the rules would have nothing left."""
    from endpoint.engine.inside.choice import Choice

    sampling = options.sampling
    truncated = options.temperature > 0 and (sampling.top_p, sampling.top_k, sampling.min_p) != (1.0, 0, 0.0)
    return Choice(
        suppress=tuple(number for number in sampling.suppress_tokens if number < tokens.eot),
        temperature=max(options.temperature, LEAST_TEMPERATURE) if truncated else 0.0,
        top_p=sampling.top_p,
        top_k=min(sampling.top_k, tokens.vocabulary),
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
    )


def read(tokens: WhisperTokens, options: Options, temperature: float, output: CompletionOutput) -> Generation:
    """Ids and scores out of vLLM's output; the scores are logits under the rules, see endpoint/engine/inside/rules.py.

    temperature: what vLLM used, and divided the scores by; it raises small ones.
    """
    from endpoint.engine.inside.scheduler import LATER

    names = list(tokens.languages) if options.language is None else []
    table, languages = _scores(output, len(names), LATER)
    table, languages = table * (temperature or 1.0), languages * (temperature or 1.0)
    return Generation(
        ids=output.token_ids,
        logprobs=_logprobs(table),
        no_speech_prob=_no_speech(table),
        language_probabilities=_share(names, languages, options.languages or names),
        complete=output.finish_reason == "stop",
    )


def read_beams(tokens: WhisperTokens, options: Options, outputs: Sequence[CompletionOutput]) -> Generation:
    """The best text of a window's beams, given in their order. Raises ValueError where the search broke off."""
    from endpoint.engine.inside.beams import read_step
    from endpoint.engine.inside.scheduler import BEAM_LATER

    prefix = 2 if tokens.multilingual else 0  # language and task, which all beams generate alike
    names = list(tokens.languages) if options.language is None else []
    first, languages = _scores(outputs[0], len(names), BEAM_LATER)
    tables = [first, *(_scores(output, 0, BEAM_LATER)[0] for output in outputs[1:])]
    if len({len(table) for table in tables}) > 1:
        raise ValueError("the beams of a window were torn apart")
    steps = [
        [read_step(row) for row in rows] for rows in zip(*(table[prefix:].tolist() for table in tables), strict=True)
    ]
    best = search.best(steps, len(outputs), options.sampling.length_penalty)
    end, last = ((), ()) if best.ended is None else ((tokens.eot,), (best.ended,))
    return Generation(
        ids=(*outputs[0].token_ids[:prefix], *best.ids, *end),
        logprobs=(*_logprobs(first[:prefix]), *best.logprobs, *last),
        no_speech_prob=_no_speech(first),
        language_probabilities=_share(names, languages, options.languages or names),
        complete=best.ended is not None,
    )


def _scores(output: CompletionOutput, names: int, later: int) -> tuple[Floats, Floats]:
    """([steps, later], [names]): of each step; of the languages, which come behind the first step's own."""
    flat: Any = output.logprobs
    scores = np.asarray(flat.logprobs, np.float64)
    first, behind = scores[: later + names], scores[later + names :]
    table = np.vstack([first[:later], behind[: later * (len(output.token_ids) - 1)].reshape(-1, later)])
    return table, first[later:]


def _logprobs(table: Floats) -> list[float]:
    from endpoint.engine.inside.rules import OFFSET

    found: list[float] = (table[:, 0] - table[:, 1] - OFFSET).tolist()
    return found


def _no_speech(table: Floats) -> float:
    return min(1.0, math.exp(table[0, 2] - table[0, 1]))


def _share(names: Sequence[str], logits: Floats, allowed: Sequence[str]) -> dict[str, float]:
    """Probability of each language among those allowed; the likeliest one's logit is not lowered."""
    from endpoint.engine.inside.rules import OFFSET

    if not names:
        return {}
    level = np.where(logits < logits.max() - OFFSET / 2, logits + OFFSET, logits)
    scores = {name: score for name, score in zip(names, level.tolist(), strict=True) if name in allowed}
    top = max(scores.values())
    weights = {name: math.exp(score - top) for name, score in scores.items()}
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
