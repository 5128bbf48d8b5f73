"""Our engine on random weights, made to do the work of real ones.

Random weights say nothing, and would say it for as long as chance has it. So here every window takes the same number of
decoder steps: <|endoftext|> stops nothing, max_tokens does. All else is ours and runs as ever: log-mel, encoder, the
decoding rules at each step, scores, and reading the result. What was read is then replaced: by a sentence that is not
decoded again (endpoint/core/continuation.py would, at five temperatures, for all that random weights say).

Set in the environment: GPU_TOKENS, output tokens a window; GPU_COUNT, a file that gets the number of windows decoded.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from endpoint.engine import client as vllm
from endpoint.options import Options
from endpoint.types import Hypothesis, Piece, Window

TEXT = (
    " The quick brown fox jumps over the lazy dog while seven grey owls watch from an old oak beside the river, and by"
    " noon every child of that village knows what happened there, except for Mr. Vex, who sold his bicycle on Monday."
)


class SteadyEngine(vllm.VllmEngine):
    windows = 0  # decoded; the first one warms up

    async def start(self) -> None:
        await super().start()
        engine: Any = self._engine
        generate, tokens = engine.generate, int(os.environ["GPU_TOKENS"])

        def steady(request: Any, params: Any, number: str) -> Any:
            params.max_tokens, params.stop_token_ids, params.ignore_eos = tokens, [], True
            return generate(request, params, number)

        engine.generate = steady

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        decoded = await super().decode(window, options)
        self._count()
        return replace(
            decoded,
            pieces=(Piece(0, None, decoded.tokens, TEXT),),
            complete=True,
            avg_logprob=-0.1,
            no_speech_prob=0.0,
        )

    def _count(self) -> None:
        self.windows += 1
        if (path := os.environ.get("GPU_COUNT")) and self.windows > 1:
            Path(path).write_text(str(self.windows - 1))
